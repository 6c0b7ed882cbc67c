//! Environment variables of a function: which names and how much.

use std::collections::BTreeMap;

use kiln_types::{RESERVED_VARIABLES, limits};

use crate::error::{ApiError, Result};
use crate::lambda::generated as wire;
use crate::lambda::refusal::invalid;

/// Names a program that AWS starts in the runtime's place.
const WRAPPER: &str = "AWS_LAMBDA_EXEC_WRAPPER";

/// Checks the variables and returns them.
pub(super) fn check(given: &wire::Environment) -> Result<BTreeMap<String, String>> {
    let variables = given.variables.clone().unwrap_or_default();
    let reserved: Vec<&str> = variables
        .keys()
        .map(String::as_str)
        .filter(|name| RESERVED_VARIABLES.contains(name))
        .collect();
    if !reserved.is_empty() {
        return Err(invalid(format!(
            "Lambda was unable to configure your environment variables because the environment variables you have provided contains reserved keys that are currently not supported for modification. Reserved keys used in this request: {}",
            reserved.join(", ")
        )));
    }
    if variables.get(WRAPPER).is_some_and(|path| !path.is_empty()) {
        return Err(ApiError::not_implemented(format_args!(
            "wrapper scripts ({WRAPPER})"
        )));
    }
    // An environment ends each entry with a zero byte.
    if let Some((name, _)) = variables.iter().find(|(_, value)| value.contains('\0')) {
        return Err(invalid(format!(
            "The environment variable {name} holds a zero byte; remove it."
        )));
    }
    let measured = serde_json::to_string(&variables).expect("a map of texts is always JSON");
    if measured.len() > limits::ENVIRONMENT_BYTES_MAX {
        return Err(invalid(format!(
            "Lambda was unable to configure your environment variables because the environment variables you have provided exceeded the 4KB limit. String measured: {measured}"
        )));
    }
    Ok(variables)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> wire::Environment {
        let variables = pairs
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()));
        wire::Environment {
            variables: Some(variables.collect()),
        }
    }

    #[test]
    fn reserved_names_are_listed() {
        let refused = check(&environment(&[
            ("AWS_REGION", "x"),
            ("A", "1"),
            ("_HANDLER", "y"),
            ("AWS_LAMBDA_METADATA_API", "z"),
        ]));
        let message = refused.unwrap_err().message;
        assert!(
            message
                .ends_with("used in this request: AWS_LAMBDA_METADATA_API, AWS_REGION, _HANDLER"),
            "{message}"
        );
        assert!(check(&environment(&[("TZ", "Europe/Berlin"), ("PATH", "/x")])).is_ok());
    }

    #[test]
    fn a_wrapper_that_would_not_run_is_refused() {
        let refused = check(&environment(&[("AWS_LAMBDA_EXEC_WRAPPER", "/opt/wrap")]));
        assert_eq!(
            refused.unwrap_err().message,
            "Kiln does not have wrapper scripts (AWS_LAMBDA_EXEC_WRAPPER) yet."
        );
        assert!(check(&environment(&[("AWS_LAMBDA_EXEC_WRAPPER", "")])).is_ok());
    }

    #[test]
    fn exactly_4_kb_of_json_fit() {
        let overhead = r#"{"LARGE_VAR":""}"#.len();
        let fits = "x".repeat(4096 - overhead);
        assert!(check(&environment(&[("LARGE_VAR", &fits)])).is_ok());
        let message = check(&environment(&[("LARGE_VAR", &format!("{fits}x"))]))
            .unwrap_err()
            .message;
        assert!(
            message.contains(r#"4KB limit. String measured: {"LARGE_VAR":"xxx"#),
            "{message}"
        );
    }

    #[test]
    fn zero_bytes_are_refused() {
        assert!(check(&environment(&[("A", "b\0c")])).is_err());
    }
}
