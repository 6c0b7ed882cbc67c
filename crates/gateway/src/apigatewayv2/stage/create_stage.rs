//! `CreateStage`: makes a name under which an API is served.
//!
//! AWS differs: access logs are refused until Kiln has them. A stage that deploys by itself and has nothing
//! to deploy serves nothing.

use kiln_types::api::Stage;

use super::{Sent, change, find, render};
use crate::apigatewayv2::generated::{CreateStageRequest as Input, Stage as Output};
use crate::apigatewayv2::refusal::bad;
use crate::apigatewayv2::{lookup, tag};
use crate::context::Context;
use crate::error::Result;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let Ok(name) = input.stage_name.parse() else {
        return Err(bad(
            "Stage name only allows a-zA-Z0-9-_ and $default, and at most 128 characters",
        ));
    };
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
    let mut stage = Stage::new(name, context.now);
    stage.tags = input.tags.unwrap_or_default();
    tag::check(&stage.tags)?;
    change(&mut stage, sent)?;
    let (name, now) = (stage.name.clone(), context.now);
    let edited = lookup::edit(context, &input.api_id, move |api| {
        Ok(api.add_stage(stage, now)?)
    });
    let (api, ()) = edited.await?;
    find(&api, name.as_str()).map(render)
}
