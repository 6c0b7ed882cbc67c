//! Calls that only Kiln has, under `/_kiln`.

use std::time::Duration;

use anyhow::Result;
use http::Method;
use serde_json::Value;

use super::{Call, Client, Service, encode, is_unsupported};

/// What everybody who deploys is told, and so not only where a server is administered.
pub(super) const RUNTIMES: &str = "/_kiln/runtimes";

/// How long an account's erasure may take before nobody waits for it here any more; it goes on.
const ERASE_TIMEOUT: Duration = Duration::from_secs(4 * 3600);

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

    /// Makes an account and its first key.
    pub(crate) async fn create_tenant(&self, name: &str, id: Option<&str>) -> Result<Value> {
        let id = id.map_or_else(String::new, |id| format!("&id={}", encode(id)));
        let path = format!("/_kiln/tenants?name={}{id}", encode(name));
        let call = Call::new("CreateTenant", Service::Kiln, Method::POST, path);
        self.send(call).await?.json()
    }

    /// All accounts.
    pub(crate) async fn tenants(&self) -> Result<Value> {
        let path = "/_kiln/tenants";
        let call = Call::new("ListTenants", Service::Kiln, Method::GET, path);
        self.send(call).await?.json()
    }

    /// An account with what it has.
    pub(crate) async fn tenant(&self, id: &str) -> Result<Value> {
        let path = format!("/_kiln/tenants/{}", encode(id));
        let call = Call::new("GetTenant", Service::Kiln, Method::GET, path);
        self.send(call).await?.json()
    }

    /// Says what an account may have at most.
    pub(crate) async fn limit_tenant(&self, id: &str, limits: &[(&str, &str)]) -> Result<Value> {
        let limits = limits
            .iter()
            .map(|(name, value)| format!("&{name}={}", encode(value)));
        let limits: String = limits.collect();
        let path = format!("/_kiln/tenants/limit?id={}{limits}", encode(id));
        let call = Call::new("LimitTenant", Service::Kiln, Method::POST, path);
        self.send(call).await?.json()
    }

    /// Erases an account, which takes as long as it takes to write all databases anew and to read all files.
    pub(crate) async fn erase_tenant(&self, id: &str) -> Result<Value> {
        let id = encode(id);
        let path = format!("/_kiln/tenants/erase?id={id}&confirm={id}");
        let mut call = Call::new("EraseTenant", Service::Kiln, Method::POST, path);
        call.timeout = ERASE_TIMEOUT;
        self.send(call).await?.json()
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
