//! Calls of API Gateway, about HTTP APIs.

use anyhow::Result;
use http::Method;
use serde_json::Value;

use super::{Call, Client, Service, encode};

fn api_path(id: &str, parts: &str) -> String {
    format!("/v2/apis/{}/{parts}", encode(id))
}

impl Client {
    /// `GetApis`, all pages.
    pub(crate) async fn apis(&self) -> Result<Vec<Value>> {
        self.items("GetApis", "/v2/apis").await
    }

    /// `GetRoutes` of an API, all pages.
    pub(crate) async fn routes(&self, api: &str) -> Result<Vec<Value>> {
        self.items("GetRoutes", &api_path(api, "routes")).await
    }

    /// `GetIntegrations` of an API, all pages.
    pub(crate) async fn integrations(&self, api: &str) -> Result<Vec<Value>> {
        let path = api_path(api, "integrations");
        self.items("GetIntegrations", &path).await
    }

    /// `GetStages` of an API, all pages.
    pub(crate) async fn stages(&self, api: &str) -> Result<Vec<Value>> {
        self.items("GetStages", &api_path(api, "stages")).await
    }

    /// `CreateApi`.
    pub(crate) async fn create_api(&self, document: &Value) -> Result<Value> {
        let create = Call::new("CreateApi", Service::ApiGateway, Method::POST, "/v2/apis");
        self.send(create.json(document)).await?.json()
    }

    async fn items(&self, operation: &'static str, list: &str) -> Result<Vec<Value>> {
        let (mut items, mut path) = (Vec::new(), list.to_owned());
        loop {
            let call = Call::new(operation, Service::ApiGateway, Method::GET, path);
            let page = self.send(call).await?.json()?;
            items.extend(page["items"].as_array().into_iter().flatten().cloned());
            match page["nextToken"].as_str().filter(|token| !token.is_empty()) {
                Some(token) => path = format!("{list}?nextToken={}", encode(token)),
                None => return Ok(items),
            }
        }
    }
}
