//! Calls of Lambda, and the caller's identity from STS.

use std::time::Duration;

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http::Method;
use kiln_types::limits;
use serde_json::{Value, json};

use super::refusal::element;
use super::{Answer, Call, Client, Service, Streamed, encode, is_code};

/// An invocation may take its function's longest timeout, a cold start and a wait for a sandbox.
const INVOKE_TIMEOUT: Duration = Duration::from_secs(limits::TIMEOUT_SECS_MAX as u64 + 60);

/// What to run and how.
pub(crate) struct InvokeCall<'a> {
    pub(crate) name: &'a str,
    pub(crate) qualifier: Option<&'a str>,
    pub(crate) tenant: Option<&'a str>,
    pub(crate) event: Bytes,
    pub(crate) tail: bool,
    pub(crate) kind: Kind,
}

/// What is wanted of the function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Its result.
    RequestResponse,
    /// That it runs, some time.
    Event,
    /// Only whether it could run.
    DryRun,
}

pub(super) fn function_path(name: &str) -> String {
    format!("/2015-03-31/functions/{}", encode(name))
}

fn versions_path(name: &str) -> String {
    format!("/2018-10-31/layers/{}/versions", encode(name))
}

fn url_path(name: &str) -> String {
    format!("/2021-10-31/functions/{}/url", encode(name))
}

pub(super) fn call(operation: &'static str, method: Method, path: impl Into<String>) -> Call {
    Call::new(operation, Service::Lambda, method, path)
}

fn invocation(operation: &'static str, mut path: String, invoke: InvokeCall<'_>) -> Call {
    if let Some(qualifier) = invoke.qualifier {
        path = format!("{path}?Qualifier={}", encode(qualifier));
    }
    let kind = match invoke.kind {
        Kind::RequestResponse => "RequestResponse",
        Kind::Event => "Event",
        Kind::DryRun => "DryRun",
    };
    let mut call = call(operation, Method::POST, path)
        .header("content-type", "application/json")
        .header("x-amz-invocation-type", kind);
    if let Some(tenant) = invoke.tenant {
        call = call.header("x-amz-tenant-id", tenant);
    }
    if invoke.tail {
        call = call.header("x-amz-log-type", "Tail");
    }
    call.body = invoke.event;
    call.timeout = INVOKE_TIMEOUT;
    call
}

/// A 404 is an answer, not a failure, where the question is whether something exists.
fn none_if_absent(answer: Result<Answer>) -> Result<Option<Value>> {
    match answer {
        Ok(answer) => answer.json().map(Some),
        Err(error) if is_code(&error, "ResourceNotFoundException") => Ok(None),
        Err(error) => Err(error),
    }
}

impl Client {
    /// `GetFunction`; none when there is no such function.
    pub(crate) async fn function(&self, name: &str) -> Result<Option<Value>> {
        none_if_absent(
            self.send(call("GetFunction", Method::GET, function_path(name)))
                .await,
        )
    }

    /// `GetFunctionConfiguration`; none when there is no such function.
    pub(crate) async fn configuration(&self, name: &str) -> Result<Option<Value>> {
        let path = format!("{}/configuration", function_path(name));
        none_if_absent(
            self.send(call("GetFunctionConfiguration", Method::GET, path))
                .await,
        )
    }

    /// `ListFunctions`, all pages.
    pub(crate) async fn functions(&self) -> Result<Vec<Value>> {
        self.pages("ListFunctions", "/2015-03-31/functions", "Functions")
            .await
    }

    /// `ListLayers`, all pages.
    pub(crate) async fn layers(&self) -> Result<Vec<Value>> {
        self.pages("ListLayers", "/2018-10-31/layers", "Layers")
            .await
    }

    /// `ListLayerVersions`, all pages: the newest first; none when there is no such layer.
    pub(crate) async fn layer_versions(&self, name: &str) -> Result<Vec<Value>> {
        let path = versions_path(name);
        self.pages("ListLayerVersions", &path, "LayerVersions")
            .await
    }

    /// Everything that a list has under this member, page by page.
    pub(super) async fn pages(
        &self,
        operation: &'static str,
        list: &str,
        member: &str,
    ) -> Result<Vec<Value>> {
        let (mut items, mut marker) = (Vec::new(), None::<String>);
        loop {
            let mut path = list.to_owned();
            if let Some(marker) = &marker {
                path = format!("{path}?Marker={}", encode(marker));
            }
            let page = self
                .send(call(operation, Method::GET, path))
                .await?
                .json()?;
            items.extend(page[member].as_array().into_iter().flatten().cloned());
            marker = page["NextMarker"]
                .as_str()
                .filter(|m| !m.is_empty())
                .map(str::to_owned);
            if marker.is_none() {
                return Ok(items);
            }
        }
    }

    /// `PublishLayerVersion` with the content in `zip`.
    pub(crate) async fn publish_layer(
        &self,
        name: &str,
        mut document: Value,
        zip: &[u8],
    ) -> Result<Value> {
        document["Content"] = json!({ "ZipFile": BASE64.encode(zip) });
        let call = call("PublishLayerVersion", Method::POST, versions_path(name)).json(&document);
        self.send(call).await?.json()
    }

    /// `DeleteLayerVersion`.
    pub(crate) async fn delete_layer_version(&self, name: &str, version: u64) -> Result<()> {
        let path = format!("{}/{version}", versions_path(name));
        self.send(call("DeleteLayerVersion", Method::DELETE, path))
            .await?;
        Ok(())
    }

    /// `CreateFunction` with the code in `zip`.
    pub(crate) async fn create_function(&self, document: Value, zip: &[u8]) -> Result<Value> {
        let code = json!({ "ZipFile": BASE64.encode(zip) });
        self.create_function_from(document, code).await
    }

    /// `CreateFunction` with this `Code`.
    pub(crate) async fn create_function_from(
        &self,
        mut document: Value,
        code: Value,
    ) -> Result<Value> {
        document["Code"] = code;
        let call = call("CreateFunction", Method::POST, "/2015-03-31/functions").json(&document);
        self.send(call).await?.json()
    }

    /// `UpdateFunctionCode` with the code in `zip`.
    pub(crate) async fn update_code(
        &self,
        name: &str,
        mut document: Value,
        zip: &[u8],
    ) -> Result<Value> {
        document["ZipFile"] = BASE64.encode(zip).into();
        self.update_code_from(name, document).await
    }

    /// `UpdateFunctionCode` with all that it says in the document.
    pub(crate) async fn update_code_from(&self, name: &str, document: Value) -> Result<Value> {
        let path = format!("{}/code", function_path(name));
        self.send(call("UpdateFunctionCode", Method::PUT, path).json(&document))
            .await?
            .json()
    }

    /// `UpdateFunctionConfiguration`.
    pub(crate) async fn update_configuration(&self, name: &str, document: &Value) -> Result<Value> {
        let path = format!("{}/configuration", function_path(name));
        let call = call("UpdateFunctionConfiguration", Method::PUT, path).json(document);
        self.send(call).await?.json()
    }

    /// `DeleteFunction`.
    pub(crate) async fn delete_function(&self, name: &str) -> Result<()> {
        self.send(call("DeleteFunction", Method::DELETE, function_path(name)))
            .await?;
        Ok(())
    }

    /// `Invoke`, waiting for the result.
    pub(crate) async fn invoke(&self, invoke: InvokeCall<'_>) -> Result<Answer> {
        let path = format!("{}/invocations", function_path(invoke.name));
        self.send(invocation("Invoke", path, invoke)).await
    }

    /// `InvokeWithResponseStream`, whose answer is read while the function makes it.
    pub(crate) async fn invoke_streaming(&self, invoke: InvokeCall<'_>) -> Result<Streamed> {
        let path = format!(
            "/2021-11-15/functions/{}/response-streaming-invocations",
            encode(invoke.name)
        );
        let call = invocation("InvokeWithResponseStream", path, invoke);
        Ok(Streamed::new(self.open(call).await?, INVOKE_TIMEOUT))
    }

    /// `GetFunctionUrlConfig`; none when the function has no URL.
    pub(crate) async fn function_url(&self, name: &str) -> Result<Option<Value>> {
        none_if_absent(
            self.send(call("GetFunctionUrlConfig", Method::GET, url_path(name)))
                .await,
        )
    }

    /// `CreateFunctionUrlConfig`.
    pub(crate) async fn create_function_url(&self, name: &str, document: &Value) -> Result<Value> {
        let call = call("CreateFunctionUrlConfig", Method::POST, url_path(name)).json(document);
        self.send(call).await?.json()
    }

    /// `UpdateFunctionUrlConfig`.
    pub(crate) async fn update_function_url(&self, name: &str, document: &Value) -> Result<Value> {
        let call = call("UpdateFunctionUrlConfig", Method::PUT, url_path(name)).json(document);
        self.send(call).await?.json()
    }

    /// `AddPermission`.
    pub(crate) async fn add_permission(&self, name: &str, document: &Value) -> Result<()> {
        let path = format!("{}/policy", function_path(name));
        self.send(call("AddPermission", Method::POST, path).json(document))
            .await?;
        Ok(())
    }

    /// The account of the keys in use, from `sts:GetCallerIdentity`.
    pub(crate) async fn account(&self) -> Result<String> {
        let mut call = Call::new("GetCallerIdentity", Service::Sts, Method::POST, "/").header(
            "content-type",
            "application/x-www-form-urlencoded; charset=utf-8",
        );
        call.body = Bytes::from_static(b"Action=GetCallerIdentity&Version=2011-06-15");
        let answer = self.send(call).await?;
        let text = String::from_utf8_lossy(&answer.body);
        element(&text, "Account").context("GetCallerIdentity answered without an account")
    }
}
