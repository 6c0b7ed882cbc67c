//! Calls on event source mappings.

use anyhow::{Context, Result};
use http::Method;
use serde_json::{Value, json};

use super::lambda::call;
use super::{Client, encode, is_code};

const PATH: &str = "/2015-03-31/event-source-mappings";

fn path(uuid: &str) -> String {
    format!("{PATH}/{}", encode(uuid))
}

impl Client {
    /// `CreateEventSourceMapping`.
    pub(crate) async fn create_mapping(&self, document: &Value) -> Result<Value> {
        let create = call("CreateEventSourceMapping", Method::POST, PATH);
        self.send(create.json(document)).await?.json()
    }

    /// `ListEventSourceMappings`, all pages.
    pub(crate) async fn mappings(&self, function: Option<&str>) -> Result<Vec<Value>> {
        let mut mappings = Vec::new();
        let mut marker = String::new();
        loop {
            let mut path = format!("{PATH}?Marker={}", encode(&marker));
            if let Some(function) = function {
                path += &format!("&FunctionName={}", encode(function));
            }
            let page = self.send(call("ListEventSourceMappings", Method::GET, path));
            let mut page = page.await?.json()?;
            let items = page["EventSourceMappings"].as_array_mut();
            mappings.append(items.context("the server's answer has no EventSourceMappings")?);
            match page["NextMarker"].as_str() {
                Some(next) => next.clone_into(&mut marker),
                None => return Ok(mappings),
            }
        }
    }

    /// `GetEventSourceMapping`; none when there is none.
    pub(crate) async fn mapping(&self, uuid: &str) -> Result<Option<Value>> {
        let get = call("GetEventSourceMapping", Method::GET, path(uuid));
        match self.send(get).await {
            Err(error) if is_code(&error, "ResourceNotFoundException") => Ok(None),
            answer => answer?.json().map(Some),
        }
    }

    /// `UpdateEventSourceMapping`: whether it listens.
    pub(crate) async fn enable_mapping(&self, uuid: &str, is_enabled: bool) -> Result<Value> {
        let update = call("UpdateEventSourceMapping", Method::PUT, path(uuid));
        let document = json!({ "Enabled": is_enabled });
        self.send(update.json(&document)).await?.json()
    }

    /// `DeleteEventSourceMapping`.
    pub(crate) async fn delete_mapping(&self, uuid: &str) -> Result<Value> {
        let delete = call("DeleteEventSourceMapping", Method::DELETE, path(uuid));
        self.send(delete).await?.json()
    }
}
