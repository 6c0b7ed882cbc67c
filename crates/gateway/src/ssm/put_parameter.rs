//! `PutParameter`: makes a parameter, or adds a version to one.
//!
//! AWS differs: what a new version is not told stays as it was, descriptions and patterns too.

use kiln_types::Parameter;
use kiln_types::limits::PARAMETERS_MAX;

use super::generated::{PutParameterRequest as Input, PutParameterResult as Output};
use super::{name, settings, shown, tagged};
use crate::context::Context;
use crate::error::Result;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let id = name::new(context, &input.name)?;
    let settings = settings::read(&input)?;
    let parameters = context.deps.store.parameters();
    let before = parameters.get(&id);
    settings::check_pattern(&settings, before.as_deref(), &input.value.0)?;
    let mut tags = Default::default();
    tagged::add(&mut tags, input.tags.unwrap_or_default())?;
    let on = context.clone();
    let settle = move |before: Option<&Parameter>| settings.version(&on, before);
    let put = parameters.put(&id, input.value.0, tags, PARAMETERS_MAX, settle);
    let kept = put.await?;
    Ok(Output {
        version: Some(kept.version as i64),
        tier: Some(shown::tier(kept.latest.tier)),
    })
}
