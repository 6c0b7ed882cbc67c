//! Calls that only Kiln has, under `/_kiln`.

use anyhow::Result;
use http::Method;
use serde_json::Value;

use super::{Call, Client, Service, encode, is_unsupported};

/// What everybody who deploys is told, and so not only where a server is administered.
pub(super) const RUNTIMES: &str = "/_kiln/runtimes";

impl Client {
    /// What every function used since then, with its cost.
    pub(crate) async fn usage(&self, since_ms: i64) -> Result<Value> {
        let path = format!("/_kiln/usage?since={since_ms}");
        self.send(Call::new("Usage", Service::Kiln, Method::GET, path))
            .await?
            .json()
    }

    /// How the server stands.
    pub(crate) async fn status(&self) -> Result<Value> {
        let call = Call::new("Status", Service::Kiln, Method::GET, "/_kiln/status");
        self.send(call).await?.json()
    }

    /// A page of the audit log: what happened since then, before this record.
    pub(crate) async fn audit(&self, since_ms: i64, before: Option<i64>) -> Result<Value> {
        let before = before.map_or_else(String::new, |number| format!("&before={number}"));
        let path = format!("/_kiln/audit?limit=1000&since={since_ms}{before}");
        self.send(Call::new("Audit", Service::Kiln, Method::GET, path))
            .await?
            .json()
    }

    /// Whether the audit log is whole, and holds a head that was told before.
    pub(crate) async fn verify_audit(&self, head: Option<&str>) -> Result<Value> {
        let head = head.map_or_else(String::new, |head| format!("?head={}", encode(head)));
        let path = format!("/_kiln/audit/verify{head}");
        self.send(Call::new("Audit", Service::Kiln, Method::GET, path))
            .await?
            .json()
    }

    /// Replaces all data keys.
    pub(crate) async fn rotate_data_keys(&self) -> Result<Value> {
        let path = "/_kiln/vault/rotate";
        self.send(Call::new(
            "RotateDataKeys",
            Service::Kiln,
            Method::POST,
            path,
        ))
        .await?
        .json()
    }

    /// What one function used within a period.
    pub(crate) async fn usage_within(
        &self,
        since_ms: i64,
        until_ms: i64,
        function: &str,
    ) -> Result<Value> {
        let function = encode(function);
        let path = format!("/_kiln/usage?since={since_ms}&until={until_ms}&function={function}");
        self.send(Call::new("Usage", Service::Kiln, Method::GET, path))
            .await?
            .json()
    }

    /// Who signs code.
    pub(crate) async fn signing_profiles(&self) -> Result<Vec<Value>> {
        let path = "/_kiln/signing-profiles";
        let call = Call::new("ListSigningProfiles", Service::Kiln, Method::GET, path);
        let mut listed = self.send(call).await?.json()?;
        Ok(match listed["profiles"].take() {
            Value::Array(profiles) => profiles,
            _ => Vec::new(),
        })
    }

    /// Makes somebody known who signs code.
    pub(crate) async fn add_signing_profile(&self, name: &str, key: &str) -> Result<Value> {
        let (name, key) = (encode(name), encode(key));
        let path = format!("/_kiln/signing-profiles?name={name}&key={key}");
        let call = Call::new("AddSigningProfile", Service::Kiln, Method::POST, path);
        self.send(call).await?.json()
    }

    /// Says that what somebody signed is not trusted any more.
    pub(crate) async fn revoke_signing_profile(&self, name: &str, version: &str) -> Result<Value> {
        let (name, version) = (encode(name), encode(version));
        let path = format!("/_kiln/signing-profiles/revoke?name={name}&version={version}");
        let call = Call::new("RevokeSigningProfile", Service::Kiln, Method::POST, path);
        self.send(call).await?.json()
    }

    /// The runtimes this server can run; empty when it does not say.
    pub(crate) async fn runtimes(&self) -> Result<Vec<String>> {
        let call = Call::new("Runtimes", Service::Kiln, Method::GET, RUNTIMES);
        let document = match self.send(call).await {
            Err(error) if is_unsupported(&error) => return Ok(Vec::new()),
            answer => answer?.json()?,
        };
        let names = document["runtimes"].as_array().into_iter().flatten();
        Ok(names
            .filter_map(|name| Some(name.as_str()?.to_owned()))
            .collect())
    }
}
