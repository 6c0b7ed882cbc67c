//! How log groups are named in requests and answers, and what may go wrong with them.

use kiln_store::LogError;

use crate::context::Context;
use crate::error::{ApiError, Exception, Result};

/// The group that a request names, by its name or by its ARN.
pub(super) fn named(
    context: &Context,
    name: Option<String>,
    identifier: Option<String>,
) -> Result<String> {
    match (name, identifier) {
        (Some(_), Some(_)) => Err(invalid(
            "LogGroup name and LogGroup identifier are mutually exclusive parameters.",
        )),
        (Some(name), None) => Ok(name),
        (None, Some(identifier)) => of_identifier(context, &identifier),
        (None, None) => Err(invalid(
            "Either LogGroup name or LogGroup identifier must be specified.",
        )),
    }
}

fn of_identifier(context: &Context, identifier: &str) -> Result<String> {
    if !identifier.starts_with("arn:") {
        return Ok(identifier.to_owned());
    }
    let name = identifier.strip_prefix(&arn(context, ""));
    let name = name.map(|name| name.strip_suffix(":*").unwrap_or(name));
    name.map(str::to_owned)
        .ok_or_else(|| refusal(LogError::NoSuchGroup(identifier.to_owned())))
}

/// A group's ARN.
pub(super) fn arn(context: &Context, group: &str) -> String {
    let (region, account) = (&context.config.region, &context.caller.account);
    format!("arn:aws:logs:{region}:{account}:log-group:{group}")
}

/// A parameter is wrong.
pub(super) fn invalid(message: impl Into<std::borrow::Cow<'static, str>>) -> ApiError {
    ApiError::new(Exception::InvalidParameter, message)
}

/// What went wrong, in AWS's words.
pub(super) fn refusal(error: LogError) -> ApiError {
    match error {
        LogError::NoSuchGroup(_) => ApiError::new(
            Exception::ResourceNotFound,
            "The specified log group does not exist.",
        ),
        LogError::NoSuchStream(_) => ApiError::new(
            Exception::ResourceNotFound,
            "The specified log stream does not exist.",
        ),
        LogError::BadToken => invalid("The specified nextToken is invalid."),
        LogError::Store(error) => error.into(),
    }
}

/// There is such a group.
pub(super) fn already_exists() -> ApiError {
    ApiError::new(
        Exception::ResourceAlreadyExists,
        "The specified log group already exists",
    )
}

/// A limit as a request gives it; the service model has checked its bounds.
pub(super) fn limit(given: Option<i64>, default: usize) -> usize {
    given
        .and_then(|limit| usize::try_from(limit).ok())
        .unwrap_or(default)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lambda::fixture::Fixture;

    #[tokio::test]
    async fn a_group_is_named_by_name_or_arn() {
        let fixture = Fixture::new().await;
        let named = |name: Option<&str>, identifier: Option<&str>| {
            named(
                &fixture.context,
                name.map(Into::into),
                identifier.map(Into::into),
            )
        };
        assert_eq!(named(Some("/g"), None).unwrap(), "/g");
        assert_eq!(named(None, Some("/g")).unwrap(), "/g");
        let arn = "arn:aws:logs:us-east-1:000000000000:log-group:/g";
        assert_eq!(named(None, Some(arn)).unwrap(), "/g");
        assert_eq!(named(None, Some(&format!("{arn}:*"))).unwrap(), "/g");
        assert_eq!(
            named(None, None).unwrap_err().exception,
            Exception::InvalidParameter
        );
        assert!(named(Some("/g"), Some("/g")).is_err());
        let foreign = "arn:aws:logs:us-east-1:111111111111:log-group:/g";
        let refused = named(None, Some(foreign)).unwrap_err();
        assert_eq!(refused.exception, Exception::ResourceNotFound);
    }
}
