//! Who is told of records that are given up.

use kiln_types::{Destination, Mapping};

use crate::context::Context;
use crate::error::Result;
use crate::lambda::destination;
use crate::lambda::generated as wire;
use crate::lambda::refusal::invalid;

/// Reads the destination of a mapping; an empty one is none.
pub(super) fn read(
    context: &Context,
    mapping: &Mapping,
    config: wire::DestinationConfig,
) -> Result<Option<Destination>> {
    let named = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
    if config.on_success.is_some_and(|to| named(&to.destination)) {
        return Err(invalid(
            "Unsupported DestinationConfig parameter for given event source mapping type.",
        ));
    }
    let text = config.on_failure.and_then(|to| to.destination);
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    destination::read(context, &mapping.function, &text).map(Some)
}
