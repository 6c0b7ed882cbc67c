//! Calls about published versions and aliases.

use anyhow::Result;
use http::Method;
use serde_json::{Value, json};

use super::lambda::{call, function_path};
use super::{Client, encode, is_code};

impl Client {
    /// `PublishVersion`.
    pub(crate) async fn publish(&self, name: &str, description: Option<&str>) -> Result<Value> {
        let path = format!("{}/versions", function_path(name));
        let document = match description {
            Some(description) => json!({ "Description": description }),
            None => json!({}),
        };
        let call = call("PublishVersion", Method::POST, path).json(&document);
        self.send(call).await?.json()
    }

    /// `ListVersionsByFunction`, all pages.
    pub(crate) async fn versions(&self, name: &str) -> Result<Vec<Value>> {
        let list = format!("{}/versions", function_path(name));
        self.pages("ListVersionsByFunction", &list, "Versions")
            .await
    }

    /// `ListAliases`, all pages.
    pub(crate) async fn aliases(&self, name: &str) -> Result<Vec<Value>> {
        let list = format!("{}/aliases", function_path(name));
        self.pages("ListAliases", &list, "Aliases").await
    }

    /// `UpdateAlias`, or `CreateAlias` when there is none.
    pub(crate) async fn set_alias(&self, name: &str, alias: &str, to: &Value) -> Result<Value> {
        let aliases = format!("{}/aliases", function_path(name));
        let path = format!("{aliases}/{}", encode(alias));
        let update = call("UpdateAlias", Method::PUT, path).json(to);
        match self.send(update).await {
            Err(error) if is_code(&error, "ResourceNotFoundException") => {}
            answer => return answer?.json(),
        }
        let mut document = to.clone();
        document["Name"] = alias.into();
        let create = call("CreateAlias", Method::POST, aliases).json(&document);
        self.send(create).await?.json()
    }
}
