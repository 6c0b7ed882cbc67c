//! `UpdateStage`: changes what is named and leaves the rest; a variable goes when it is set to nothing.

use super::{Sent, change, find, render};
use crate::apigatewayv2::generated::{Stage as Output, UpdateStageRequest as Input};
use crate::apigatewayv2::lookup;
use crate::context::Context;
use crate::error::Result;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let sent = Sent {
        description: input.description,
        is_automatic: input.auto_deploy,
        deployment: input.deployment_id,
        default_settings: input.default_route_settings,
        settings: input.route_settings,
        variables: input.stage_variables,
        logs_access: input.access_log_settings.is_some(),
        has_certificate: input.client_certificate_id.is_some(),
    };
    sent.check()?;
    let now = context.now;
    let edited = lookup::edit(context, &input.api_id, move |api| {
        let mut stage = find(api, &input.stage_name)?.clone();
        let name = stage.name.clone();
        change(&mut stage, sent)?;
        api.change_stage(stage, now)?;
        Ok(name)
    });
    let (api, name) = edited.await?;
    find(&api, name.as_str()).map(render)
}
