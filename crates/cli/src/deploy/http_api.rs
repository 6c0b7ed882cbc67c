//! An HTTP API for a function, and the permission that it needs.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::url::permit;
use crate::api::Client;

/// By which an API is known as the function's.
const TAG: &str = "kiln:function";

/// Makes sure that there is an API all of whose requests go to the function, and returns its address.
pub(super) async fn open(client: &Client, name: &str, arn: &str) -> Result<String> {
    let apis = client.apis().await?;
    let own = apis.into_iter().find(|api| api["tags"][TAG] == name);
    let api = match own {
        Some(api) => api,
        None => {
            let wanted = json!({
                "name": name,
                "protocolType": "HTTP",
                "target": arn,
                "tags": { TAG: name },
            });
            client.create_api(&wanted).await?
        }
    };
    let id = member(&api, "apiId")?;
    let source = source(arn, &id).context("the server answered without an ARN")?;
    let statement = json!({
        "StatementId": format!("HttpApi-{id}"),
        "Action": "lambda:InvokeFunction",
        "Principal": "apigateway.amazonaws.com",
        "SourceArn": source,
    });
    permit(client, name, statement).await?;
    member(&api, "apiEndpoint")
}

/// What policies call all routes of an API, in the region and account of a function.
fn source(function: &str, api: &str) -> Option<String> {
    let mut parts = function.split(':').skip(3);
    let (region, account) = (parts.next()?, parts.next()?);
    Some(format!("arn:aws:execute-api:{region}:{account}:{api}/*"))
}

fn member(api: &Value, name: &str) -> Result<String> {
    let member = api[name].as_str();
    let member = member.with_context(|| format!("the server answered without {name}"))?;
    Ok(member.to_owned())
}
