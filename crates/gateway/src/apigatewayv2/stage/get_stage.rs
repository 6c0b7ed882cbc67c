//! `GetStage`: shows one stage.

use super::{find, render};
use crate::apigatewayv2::generated::{GetStageRequest as Input, Stage as Output};
use crate::apigatewayv2::lookup;
use crate::context::Context;
use crate::error::Result;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let api = lookup::api(context, &input.api_id)?;
    find(&api, &input.stage_name).map(render)
}
