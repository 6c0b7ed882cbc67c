//! `CreateIntegration`: names a function that routes can lead to.
//!
//! AWS differs: HTTP backends, other services of AWS, VPC links and parameter mapping are refused until
//! Kiln has them. Without `PayloadFormatVersion`, which AWS's documentation calls required, it is `1.0`.
//! The role of `CredentialsArn` is taken for the permission itself, as Kiln evaluates no roles.

use kiln_types::api::{Integration, PayloadFormat};
use kiln_types::{PartId, limits};

use super::{Asked, find, read_format, read_timeout, render};
use crate::apigatewayv2::generated::{CreateIntegrationRequest as Input, Integration as Output};
use crate::apigatewayv2::refusal::bad;
use crate::apigatewayv2::{lookup, uri};
use crate::context::Context;
use crate::error::Result;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    asked(&input).check()?;
    let Some(target) = input.integration_uri else {
        return Err(bad(
            "Integration URI is required for AWS_PROXY integrations",
        ));
    };
    uri::check(&target, &context.config.region)?;
    uri::check_role(input.credentials_arn.as_deref(), &context.caller.account)?;
    let format = input.payload_format_version.as_deref();
    let integration = Integration {
        id: PartId::random(),
        is_managed: false,
        description: input.description,
        uri: target,
        format: format.map_or(Ok(PayloadFormat::V1), read_format)?,
        timeout_ms: read_timeout(input.timeout_in_millis).unwrap_or(limits::API_TIMEOUT_MS_MAX),
        credentials: input.credentials_arn,
    };
    let (id, now) = (integration.id.clone(), context.now);
    let edited = lookup::edit(context, &input.api_id, move |api| {
        Ok(api.put_integration(integration, now)?)
    });
    let (api, ()) = edited.await?;
    find(&api, id.as_str()).map(render)
}

fn asked(input: &Input) -> Asked<'_> {
    Asked {
        kind: Some(&input.integration_type),
        subtype: input.integration_subtype.as_deref(),
        connection: input.connection_type.as_deref(),
        has_connection_id: input.connection_id.is_some(),
        has_tls: input.tls_config.is_some(),
        maps_parameters: is_some(&input.request_parameters) || is_some(&input.response_parameters),
        handles_content: input.content_handling_strategy.is_some(),
        passes_through: input.passthrough_behavior.is_some(),
        has_templates: is_some(&input.request_templates),
        selects_template: input.template_selection_expression.is_some(),
    }
}

/// An empty map asks for nothing.
fn is_some<V>(map: &Option<std::collections::BTreeMap<String, V>>) -> bool {
    map.as_ref().is_some_and(|map| !map.is_empty())
}
