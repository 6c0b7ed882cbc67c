//! Operations on integrations, and how they are read and shown.

use kiln_types::Api;
use kiln_types::api::{Integration, PayloadFormat};

use super::generated as wire;
use super::lookup::{missing, part};
use super::refusal::{bad, of_websockets};
use crate::error::{ApiError, Result};

pub(crate) mod create_integration;
pub(crate) mod delete_integration;
pub(crate) mod get_integration;
pub(crate) mod get_integrations;
pub(crate) mod update_integration;

/// What these operations call what they are about.
const KIND: &str = "Integration";

/// An integration of an API.
fn find<'a>(api: &'a Api, id: &str) -> Result<&'a Integration> {
    let integration = api.draft.integrations.get(&part(KIND, id)?);
    integration.ok_or_else(|| missing(KIND, id))
}

/// Shows an integration.
fn render(integration: &Integration) -> wire::Integration {
    wire::Integration {
        api_gateway_managed: integration.is_managed.then_some(true),
        connection_type: Some("INTERNET".to_owned()),
        credentials_arn: integration.credentials.clone(),
        description: integration.description.clone(),
        integration_id: Some(integration.id.to_string()),
        integration_method: Some("POST".to_owned()),
        integration_type: Some("AWS_PROXY".to_owned()),
        integration_uri: Some(integration.uri.clone()),
        payload_format_version: Some(format_name(integration.format).to_owned()),
        timeout_in_millis: Some(integration.timeout_ms.into()),
        ..Default::default()
    }
}

/// The name AWS uses.
pub(super) fn format_name(format: PayloadFormat) -> &'static str {
    match format {
        PayloadFormat::V1 => "1.0",
        PayloadFormat::V2 => "2.0",
    }
}

pub(super) fn read_format(name: &str) -> Result<PayloadFormat> {
    match name {
        "1.0" => Ok(PayloadFormat::V1),
        "2.0" => Ok(PayloadFormat::V2),
        _ => Err(bad(format!(
            "Invalid payloadFormatVersion {name}: it must be 1.0 or 2.0"
        ))),
    }
}

fn read_timeout(millis: Option<i64>) -> Option<u32> {
    // The model has checked its range.
    millis.and_then(|millis| u32::try_from(millis).ok())
}

/// What HTTP APIs do not have, and what Kiln does not.
#[derive(Debug, Default)]
struct Asked<'a> {
    kind: Option<&'a str>,
    subtype: Option<&'a str>,
    connection: Option<&'a str>,
    has_connection_id: bool,
    has_tls: bool,
    maps_parameters: bool,
    handles_content: bool,
    passes_through: bool,
    has_templates: bool,
    selects_template: bool,
}

impl Asked<'_> {
    fn check(&self) -> Result<()> {
        match self.kind {
            None | Some("AWS_PROXY") => {}
            Some("HTTP_PROXY") => {
                return Err(ApiError::not_implemented("integrations with HTTP backends"));
            }
            Some(_) => {
                return Err(bad(
                    "Currently, an API with a protocol type of HTTP may only be associated with proxy integrations (AWS_PROXY, HTTP_PROXY)",
                ));
            }
        }
        if self.subtype.is_some() {
            return Err(ApiError::not_implemented(
                "integrations with AWS services other than Lambda",
            ));
        }
        if self.connection == Some("VPC_LINK") || self.has_connection_id {
            return Err(ApiError::not_implemented("VPC links"));
        }
        if self.maps_parameters {
            return Err(ApiError::not_implemented("parameter mapping"));
        }
        if self.has_tls {
            return Err(bad("tlsConfig is supported only for private integrations"));
        }
        of_websockets(&[
            ("contentHandlingStrategy", self.handles_content),
            ("passthroughBehavior", self.passes_through),
            ("requestTemplates", self.has_templates),
            ("templateSelectionExpression", self.selects_template),
        ])
    }
}

#[cfg(test)]
mod tests;
