//! Which function a URI names: its ARN, or the ARN of its invocation by API Gateway.

use std::borrow::Cow;
use std::collections::BTreeMap;

use kiln_types::{AccountId, FunctionArn, Region};

use super::refusal::bad;
use crate::error::{ApiError, Result};

/// What stands before and after a function's ARN in the ARN of its invocation.
const INVOCATION_PATH: &str = ":lambda:path/2015-03-31/functions/";
const INVOCATIONS: &str = "/invocations";
const VARIABLE: &str = "${stageVariables.";

/// The function that a URI names once a stage's variables are put in.
pub(crate) fn function(uri: &str, variables: &BTreeMap<String, String>) -> Option<FunctionArn> {
    function_arn(&with_variables(uri, variables)?)?.parse().ok()
}

/// Refuses a URI that can name no function of this region.
pub(crate) fn check(uri: &str, region: &Region) -> Result<()> {
    if uri.starts_with("http://") || uri.starts_with("https://") {
        return Err(ApiError::not_implemented("integrations with HTTP backends"));
    }
    // What variables will be is known only when a request comes.
    if uri.contains(VARIABLE) && function_arn(uri).is_some() {
        return Ok(());
    }
    match function(uri, &BTreeMap::new()) {
        Some(arn) if arn.region == *region => Ok(()),
        Some(arn) => Err(bad(format!(
            "Invalid function ARN: this server is in the region {region}, not {}",
            arn.region
        ))),
        None => Err(bad(format!("Invalid function ARN or invalid uri: {uri}"))),
    }
}

/// Refuses a role that the API's account cannot hand on.
pub(crate) fn check_role(role: Option<&str>, account: &AccountId) -> Result<()> {
    let Some(role) = role else {
        return Ok(());
    };
    let parts: Vec<&str> = role.splitn(6, ':').collect();
    let ["arn", _, "iam", "", owner, resource] = parts[..] else {
        return Err(bad(format!(
            "Invalid ARN specified for credentials: {role}"
        )));
    };
    if owner == "*" {
        let what = "invocations of functions with the credentials of the API's caller";
        return Err(ApiError::not_implemented(what));
    }
    match resource.starts_with("role/") && owner == account.as_str() {
        true => Ok(()),
        false => Err(bad(format!(
            "Invalid role {role}: it must be a role of the account {account}"
        ))),
    }
}

fn function_arn(uri: &str) -> Option<&str> {
    let is_arn = |text: &str| text.starts_with("arn:");
    let inner = match uri.split_once(INVOCATION_PATH) {
        Some((before, rest)) if is_arn(before) => rest.strip_suffix(INVOCATIONS)?,
        _ => uri,
    };
    Some(inner).filter(|inner| is_arn(inner))
}

/// The text with every `${stageVariables.name}` replaced; nothing when a variable is not set.
fn with_variables<'t>(text: &'t str, variables: &BTreeMap<String, String>) -> Option<Cow<'t, str>> {
    if !text.contains(VARIABLE) {
        return Some(text.into());
    }
    let (mut made, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once(VARIABLE) {
        let (name, after) = after.split_once('}')?;
        made += before;
        made += variables.get(name)?;
        rest = after;
    }
    Some((made + rest).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:lambda:us-east-1:000000000000:function:pets:live";

    fn wrapped(arn: &str) -> String {
        format!("arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{arn}/invocations")
    }

    #[test]
    fn a_function_is_named_by_its_arn_or_its_invocations() {
        for uri in [ARN.to_owned(), wrapped(ARN)] {
            let found = function(&uri, &BTreeMap::new()).unwrap();
            assert_eq!(found.to_string(), ARN);
            check(&uri, &Region::default()).unwrap();
        }
    }

    #[test]
    fn stage_variables_are_put_in() {
        let variables = BTreeMap::from([
            ("name".to_owned(), "pets".to_owned()),
            ("alias".to_owned(), "live".to_owned()),
        ]);
        let uri = wrapped(
            "arn:aws:lambda:us-east-1:000000000000:function:${stageVariables.name}:${stageVariables.alias}",
        );
        check(&uri, &Region::default()).unwrap();
        assert_eq!(function(&uri, &variables).unwrap().to_string(), ARN);
        assert_eq!(function(&uri, &BTreeMap::new()), None);
    }

    #[test]
    fn a_role_is_one_of_the_apis_account() {
        let account: AccountId = "000000000000".parse().unwrap();
        let check = |role: &str| check_role(Some(role), &account);
        assert_eq!(check_role(None, &account), Ok(()));
        assert_eq!(check("arn:aws:iam::000000000000:role/path/r"), Ok(()));
        for role in [
            "",
            "r",
            "arn:aws:iam::000000000000:user/u",
            "arn:aws:iam::111122223333:role/r",
        ] {
            assert!(check(role).is_err(), "{role}");
        }
        let caller = check("arn:aws:iam::*:user/*").unwrap_err();
        assert_eq!(caller.exception.status(), 501);
    }

    #[test]
    fn what_names_no_function_is_refused() {
        for uri in [
            "",
            "pets",
            "arn:aws:sqs:us-east-1:000000000000:queue",
            "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/pets/invocations",
            "arn:aws:lambda:eu-west-1:000000000000:function:pets",
            "${stageVariables.uri}",
        ] {
            assert!(check(uri, &Region::default()).is_err(), "{uri}");
        }
        let proxy = check("https://example.com/", &Region::default()).unwrap_err();
        assert_eq!(proxy.exception.status(), 501);
    }
}
