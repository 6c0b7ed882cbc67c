//! Which function a caller means: its name in every form AWS takes, and a qualifier.
//!
//! AWS differs: an ARN of another account is refused as AWS refuses a caller without rights,
//! because there is no access across accounts yet.

use std::fmt;
use std::sync::Arc;

use kiln_types::{
    Configuration, Function, FunctionArn, FunctionId, FunctionName, Qualifier, limits,
};

use super::refusal::{constraint, function_not_found, invalid, not_found};
use crate::context::Context;
use crate::error::{ApiError, Exception, Result};

/// What the caller named. The qualifier is kept as written: AWS takes, and does not find, more
/// than can be an alias.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// The unqualified function.
    pub(crate) arn: FunctionArn,
    /// The qualifier as written, in the name or beside it.
    pub(crate) qualifier: Option<String>,
}

/// A version that the caller named, by its number, an alias or not at all.
#[derive(Debug, Clone)]
pub(crate) struct Named {
    /// The function.
    pub(crate) function: Arc<Function>,
    /// What the caller put after its name.
    pub(crate) qualifier: Option<Qualifier>,
    /// The function with that.
    pub(crate) arn: FunctionArn,
    /// The version's code and settings.
    pub(crate) configuration: Arc<Configuration>,
}

/// The name's parts as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Written<'a> {
    region: Option<&'a str>,
    account: Option<&'a str>,
    name: &'a str,
    qualifier: Option<&'a str>,
}

impl Target {
    /// Reads a function's name and the qualifier that came beside it.
    pub(crate) fn read(context: &Context, name: &str, qualifier: Option<&str>) -> Result<Self> {
        let written = Written::read(name);
        let region = &context.config.region;
        let account = &context.caller.account;
        if let Some(other) = written.region.filter(|written| *written != region.as_str()) {
            return Err(not_found(format!(
                "Functions from '{other}' are not reachable in this region ('{region}')"
            )));
        }
        if written
            .account
            .is_some_and(|written| written != account.as_str())
        {
            return Err(ApiError::new(Exception::AccessDenied, ""));
        }
        let qualifier = match (written.qualifier, qualifier) {
            (Some(derived), Some(given)) if derived != given => {
                return Err(invalid(
                    "The derived qualifier from the function name does not match the specified qualifier.",
                ));
            }
            (derived, given) => given.or(derived).map(str::to_owned),
        };
        let Ok(name) = written.name.parse::<FunctionName>() else {
            let arn = format!(
                "arn:aws:lambda:{region}:{account}:function:{}",
                written.name
            );
            return Err(function_not_found(Qualified(&arn, qualifier.as_deref())));
        };
        let id = FunctionId {
            account: account.clone(),
            name,
        };
        Ok(Self {
            arn: FunctionArn::new(region.clone(), &id),
            qualifier,
        })
    }

    /// Reads the name of a function that does not exist yet.
    pub(crate) fn read_new(context: &Context, name: &str) -> Result<Self> {
        let bare = Written::read(name).name;
        if bare.len() > limits::FUNCTION_NAME_LENGTH_MAX {
            let rule = "Member must have length less than or equal to 64";
            let told = constraint(bare, "functionName", rule);
            return Err(ApiError {
                exception: Exception::InvalidParameterValue,
                ..told
            });
        }
        let target = Self::read(context, name, None)?;
        match target.qualifier {
            Some(_) => Err(only_functions()),
            None => Ok(target),
        }
    }

    /// Reads the name of a whole function, for operations that versions and aliases do not have.
    pub(crate) fn read_unqualified(context: &Context, name: &str) -> Result<Self> {
        let target = Self::read(context, name, None)?;
        match target.qualifier.as_deref() {
            Some("$LATEST") | None => Ok(target),
            Some(_) => Err(only_functions()),
        }
    }

    /// The key under which the function is kept.
    pub(crate) fn id(&self) -> FunctionId {
        self.arn.id()
    }

    /// The ARN with the qualifier, as messages show it.
    pub(crate) fn qualified_arn(&self) -> String {
        Qualified(&self.arn, self.qualifier.as_deref()).to_string()
    }

    /// The whole function, whatever version of it was named.
    pub(crate) fn any_function(&self, context: &Context) -> Result<Arc<Function>> {
        let found = context.deps.store.function(&self.id());
        found.ok_or_else(|| function_not_found(&self.arn))
    }

    /// The function, when the caller means its `$LATEST`.
    pub(crate) fn function(&self, context: &Context) -> Result<Arc<Function>> {
        let found = context.deps.store.function(&self.id());
        match (found, self.qualifier.as_deref()) {
            (Some(function), None | Some("$LATEST")) => Ok(function),
            _ => Err(function_not_found(self.qualified_arn())),
        }
    }

    /// The version that the caller named. An alias that shares its invocations leads to its first.
    pub(crate) fn version(&self, context: &Context) -> Result<Named> {
        let not_found = || function_not_found(self.qualified_arn());
        let function = context.deps.store.function(&self.id());
        let function = function.ok_or_else(not_found)?;
        let qualifier = self.read_qualifier().ok_or_else(not_found)?;
        let version = function.version_of(qualifier.as_ref());
        let configuration = version
            .and_then(|version| function.version(version))
            .cloned();
        Ok(Named {
            configuration: configuration.ok_or_else(not_found)?,
            arn: self.arn.clone().qualified(qualifier.clone()),
            function,
            qualifier,
        })
    }

    /// The qualifier, if what is written can be one at all.
    pub(crate) fn read_qualifier(&self) -> Option<Option<Qualifier>> {
        self.qualifier.as_deref().map(str::parse).transpose().ok()
    }
}

impl<'a> Written<'a> {
    /// Takes the parts off from the left; a part is only what a further part follows.
    fn read(text: &'a str) -> Self {
        let mut rest = text;
        if let Some(after) = rest.strip_prefix("arn:") {
            rest = after
                .split_once(":lambda:")
                .map_or(rest, |(_, after)| after);
        }
        let mut take = |is_part: fn(&str) -> bool| {
            let (part, after) = rest.split_once(':').filter(|(part, _)| is_part(part))?;
            rest = after;
            Some(part)
        };
        let region = take(is_region);
        let account = take(is_account);
        take(|part| part == "function");
        let (name, qualifier) = match rest.split_once(':') {
            Some((name, qualifier)) => (name, Some(qualifier)),
            None => (rest, None),
        };
        Self {
            region,
            account,
            name,
            qualifier,
        }
    }
}

/// `us-east-1`, `us-gov-west-1`: letters, then at least one more word, then a digit.
fn is_region(text: &str) -> bool {
    let words: Vec<&str> = text.split('-').collect();
    words.len() >= 3
        && words[0].len() >= 2
        && words[..words.len() - 1]
            .iter()
            .all(|w| w.bytes().all(|b| b.is_ascii_lowercase()))
        && words[words.len() - 1].bytes().all(|b| b.is_ascii_digit())
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

fn only_functions() -> ApiError {
    invalid(
        "This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. Please specify either a function name or an unqualified function ARN.",
    )
}

struct Qualified<'a, T>(&'a T, Option<&'a str>);

impl<T: fmt::Display> fmt::Display for Qualified<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.1 {
            Some(qualifier) => write!(f, "{}:{qualifier}", self.0),
            None => self.0.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lambda::fixture::Fixture;

    #[tokio::test]
    async fn every_form_names_the_same_function() {
        let fixture = Fixture::new().await;
        for name in [
            "sum",
            "function:sum",
            "000000000000:function:sum",
            "000000000000:sum",
            "us-east-1:000000000000:function:sum",
            "arn:aws:lambda:us-east-1:000000000000:function:sum",
        ] {
            let target = Target::read(&fixture.context, name, None).unwrap();
            assert_eq!(
                target.arn.to_string(),
                "arn:aws:lambda:us-east-1:000000000000:function:sum"
            );
            assert_eq!(target.qualifier, None, "{name}");
            let qualified =
                Target::read(&fixture.context, &format!("{name}:$LATEST"), None).unwrap();
            assert_eq!(qualified.qualifier.as_deref(), Some("$LATEST"), "{name}");
        }
    }

    #[tokio::test]
    async fn foreign_regions_and_accounts_are_out_of_reach() {
        let fixture = Fixture::new().await;
        let read = |name| Target::read(&fixture.context, name, None).unwrap_err();
        let region = read("arn:aws:lambda:eu-west-1:000000000000:function:sum");
        assert_eq!(region.exception, Exception::ResourceNotFound);
        assert_eq!(
            region.message,
            "Functions from 'eu-west-1' are not reachable in this region ('us-east-1')"
        );
        let account = read("123456789012:function:sum");
        assert_eq!(
            (account.exception, account.message.as_ref()),
            (Exception::AccessDenied, "")
        );
    }

    #[tokio::test]
    async fn qualifiers_in_and_beside_the_name_must_agree() {
        let fixture = Fixture::new().await;
        let read = |given| Target::read(&fixture.context, "sum:live", Some(given));
        assert_eq!(read("live").unwrap().qualifier.as_deref(), Some("live"));
        assert_eq!(
            read("1").unwrap_err().exception,
            Exception::InvalidParameterValue
        );
    }

    #[tokio::test]
    async fn what_does_not_exist_is_named_as_it_was_written() {
        let fixture = Fixture::new().await;
        fixture.create("sum").await;
        let find = |name, qualifier| {
            Target::read(&fixture.context, name, qualifier)
                .and_then(|target| target.version(&fixture.context))
        };
        assert!(find("sum", None).is_ok());
        assert!(find("sum", Some("$LATEST")).is_ok());
        for (name, qualifier, arn) in [
            ("sum", Some("1"), "sum:1"),
            ("sum", Some("live"), "sum:live"),
            ("sum", Some("with-$-sign"), "sum:with-$-sign"),
            ("other", None, "other"),
            ("other", Some("$LATEST"), "other:$LATEST"),
            ("a.b", Some("1"), "a.b:1"),
        ] {
            let refused = find(name, qualifier).unwrap_err();
            assert_eq!(refused.exception, Exception::ResourceNotFound);
            assert_eq!(
                refused.message,
                format!("Function not found: arn:aws:lambda:us-east-1:000000000000:function:{arn}")
            );
        }
    }

    #[tokio::test]
    async fn a_new_function_has_a_short_name_without_qualifier() {
        let fixture = Fixture::new().await;
        let long = "a".repeat(65);
        let refused = Target::read_new(&fixture.context, &long).unwrap_err();
        assert_eq!(refused.exception, Exception::InvalidParameterValue);
        assert_eq!(
            refused.message,
            format!(
                "1 validation error detected: Value '{long}' at 'functionName' failed to satisfy constraint: Member must have length less than or equal to 64"
            )
        );
        assert!(Target::read_new(&fixture.context, "sum:live").is_err());
        assert!(Target::read_unqualified(&fixture.context, "sum:1").is_err());
        assert!(Target::read_unqualified(&fixture.context, "sum:$LATEST").is_ok());
    }
}
