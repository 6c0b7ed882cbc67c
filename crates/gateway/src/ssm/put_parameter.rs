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
    let (value, before) = (input.value.0, parameters.get(&id));
    let checked = settings.pattern(before.as_deref()).map(str::to_owned);
    settings::check_pattern(checked.as_deref(), &value)?;
    let mut tags = Default::default();
    tagged::add(&mut tags, input.tags.unwrap_or_default())?;
    let (on, said) = (context.clone(), value.clone());
    let settle = move |before: Option<&Parameter>| {
        // A version with another pattern may have come in between.
        let pattern = settings.pattern(before);
        if pattern != checked.as_deref() {
            settings::check_pattern(pattern, &said)?;
        }
        settings.version(&on, before)
    };
    let put = parameters.put(&id, value, tags, PARAMETERS_MAX, settle);
    let kept = put.await?;
    Ok(Output {
        version: Some(kept.version as i64),
        tier: Some(shown::tier(kept.latest.tier)),
    })
}
