//! Secrets of Secrets Manager, read as parameters: `/aws/reference/secretsmanager/<name>`.
//!
//! AWS differs: only `GetParameter` reads them; `SourceResult` does not repeat what the secret says.

use serde_json::json;

use super::generated::Parameter;
use super::refusal::{invalid, no_parameter};
use crate::context::Context;
use crate::error::{Exception, Result};
use crate::secretsmanager::{generated, get_secret_value};

const PREFIX: &str = "/aws/reference/secretsmanager/";

/// The secret that a parameter's name names.
pub(super) fn secret(name: &str) -> Option<&str> {
    name.strip_prefix(PREFIX)
}

/// What a secret says now.
pub(super) async fn read(context: &Context, name: &str, decrypts: bool) -> Result<Parameter> {
    if !decrypts {
        return Err(invalid(
            "WithDecryption flag must be True for retrieving a Secret Manager secret.",
        ));
    }
    let parameter = format!("{PREFIX}{name}");
    let input = generated::GetSecretValueRequest {
        secret_id: name.to_owned(),
        ..Default::default()
    };
    let read = get_secret_value::handle(context, input).await;
    let secret = read.map_err(|error| match error.exception {
        Exception::ResourceNotFound => no_parameter(&parameter),
        _ => error,
    })?;
    let text = secret
        .secret_string
        .ok_or_else(|| invalid("The secret is no text, and a parameter has nothing else."))?;
    let source = json!({
        "ARN": secret.arn,
        "name": secret.name,
        "versionId": secret.version_id,
        "versionStages": secret.version_stages,
        "createdDate": secret.created_date,
    });
    Ok(Parameter {
        name: Some(parameter),
        type_: Some("SecureString".to_owned()),
        value: Some(text),
        version: Some(0),
        selector: None,
        source_result: Some(source.to_string()),
        last_modified_date: secret.created_date,
        arn: secret.arn,
        data_type: Some("text".to_owned()),
    })
}
