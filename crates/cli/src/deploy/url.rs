//! A public URL: the configuration, and the two permissions that AWS asks for since October 2025.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::api::{Client, is_code};

/// Makes sure that anybody may call the function through its URL, and returns the URL. One that is there goes on to send
/// answers as it does, unless they are to be streamed.
pub(super) async fn open(client: &Client, name: &str, streams: bool) -> Result<String> {
    let mut public = json!({ "AuthType": "NONE" });
    if streams {
        public["InvokeMode"] = "RESPONSE_STREAM".into();
    }
    let is_so = |url: &Value| {
        let is_streamed = url["InvokeMode"] == "RESPONSE_STREAM";
        url["AuthType"] == "NONE" && (is_streamed || !streams)
    };
    let url = match client.function_url(name).await? {
        Some(url) if is_so(&url) => url,
        Some(_) => client.update_function_url(name, &public).await?,
        None => client.create_function_url(name, &public).await?,
    };
    // The names that AWS's console gives these statements.
    permit(
        client,
        name,
        json!({
            "StatementId": "FunctionURLAllowPublicAccess",
            "Action": "lambda:InvokeFunctionUrl",
            "Principal": "*",
            "FunctionUrlAuthType": "NONE",
        }),
    )
    .await?;
    permit(
        client,
        name,
        json!({
            "StatementId": "FunctionURLInvokeAllowPublicAccess",
            "Action": "lambda:InvokeFunction",
            "Principal": "*",
            "InvokedViaFunctionUrl": true,
        }),
    )
    .await?;
    let url = url["FunctionUrl"]
        .as_str()
        .context("the server answered without a URL")?;
    Ok(url.to_owned())
}

/// Adds a statement to the function's policy unless it is there already.
pub(super) async fn permit(client: &Client, name: &str, statement: Value) -> Result<()> {
    match client.add_permission(name, &statement).await {
        Err(error) if is_code(&error, "ResourceConflictException") => Ok(()),
        result => result,
    }
}
