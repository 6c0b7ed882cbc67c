//! Calls on provisioned concurrency.

use anyhow::Result;
use http::Method;
use serde_json::{Value, json};

use super::lambda::call;
use super::{Client, encode, is_code};

fn path(name: &str, qualifier: &str) -> String {
    let (name, qualifier) = (encode(name), encode(qualifier));
    format!("/2019-09-30/functions/{name}/provisioned-concurrency?Qualifier={qualifier}")
}

impl Client {
    /// `PutProvisionedConcurrencyConfig`.
    pub(crate) async fn provision(&self, name: &str, qualifier: &str, count: u32) -> Result<Value> {
        let document = json!({ "ProvisionedConcurrentExecutions": count });
        let path = path(name, qualifier);
        let put = call("PutProvisionedConcurrencyConfig", Method::PUT, path);
        self.send(put.json(&document)).await?.json()
    }

    /// `GetProvisionedConcurrencyConfig`; none when there is none.
    pub(crate) async fn provisioned(&self, name: &str, qualifier: &str) -> Result<Option<Value>> {
        let path = path(name, qualifier);
        let get = call("GetProvisionedConcurrencyConfig", Method::GET, path);
        match self.send(get).await {
            Err(error) if is_code(&error, "ProvisionedConcurrencyConfigNotFoundException") => {
                Ok(None)
            }
            answer => answer?.json().map(Some),
        }
    }

    /// `DeleteProvisionedConcurrencyConfig`.
    pub(crate) async fn unprovision(&self, name: &str, qualifier: &str) -> Result<()> {
        let path = path(name, qualifier);
        let delete = call("DeleteProvisionedConcurrencyConfig", Method::DELETE, path);
        self.send(delete).await.map(|_| ())
    }
}
