//! `UpdateIntegration`: changes what is named and leaves the rest. AWS differs as in `CreateIntegration`.

use super::{Asked, find, read_format, read_timeout, render};
use crate::apigatewayv2::generated::{Integration as Output, UpdateIntegrationRequest as Input};
use crate::apigatewayv2::{lookup, uri};
use crate::context::Context;
use crate::error::Result;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    asked(&input).check()?;
    if let Some(target) = &input.integration_uri {
        uri::check(target, &context.config.region)?;
    }
    uri::check_role(input.credentials_arn.as_deref(), &context.caller.account)?;
    let format = input.payload_format_version.as_deref();
    let format = format.map(read_format).transpose()?;
    let now = context.now;
    let edited = lookup::edit(context, &input.api_id, move |api| {
        let mut integration = find(api, &input.integration_id)?.clone();
        let id = integration.id.clone();
        integration.description = input.description.or(integration.description);
        integration.uri = input.integration_uri.unwrap_or(integration.uri);
        integration.format = format.unwrap_or(integration.format);
        let timeout = read_timeout(input.timeout_in_millis);
        integration.timeout_ms = timeout.unwrap_or(integration.timeout_ms);
        integration.credentials = input.credentials_arn.or(integration.credentials);
        api.put_integration(integration, now)?;
        Ok(id)
    });
    let (api, id) = edited.await?;
    find(&api, id.as_str()).map(render)
}

fn asked(input: &Input) -> Asked<'_> {
    let is_some = |is_empty: Option<bool>| is_empty == Some(false);
    Asked {
        kind: input.integration_type.as_deref(),
        subtype: input.integration_subtype.as_deref(),
        connection: input.connection_type.as_deref(),
        has_connection_id: input.connection_id.is_some(),
        has_tls: input.tls_config.is_some(),
        maps_parameters: is_some(input.request_parameters.as_ref().map(|map| map.is_empty()))
            || is_some(input.response_parameters.as_ref().map(|map| map.is_empty())),
        handles_content: input.content_handling_strategy.is_some(),
        passes_through: input.passthrough_behavior.is_some(),
        has_templates: is_some(input.request_templates.as_ref().map(|map| map.is_empty())),
        selects_template: input.template_selection_expression.is_some(),
    }
}
