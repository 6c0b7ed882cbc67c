//! `GetQueueAttributes`: what is set of a queue, and how many messages it has.
//!
//! AWS differs: the numbers are exact.

use std::collections::BTreeMap;

use super::attributes;
use crate::context::Context;
use crate::error::Result;
use crate::sqs::address;
use crate::sqs::generated::{
    GetQueueAttributesRequest as Input, GetQueueAttributesResult as Output,
};

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let queue = address::queue(context, &input.queue_url)?;
    let wanted = input.attribute_names.unwrap_or_default();
    for name in &wanted {
        if !attributes::is_known(name) {
            return Err(attributes::unknown(name));
        }
    }
    let mut shown = attributes::shown(context, &queue);
    if !wanted.iter().any(|name| name == "All") {
        shown.retain(|name, _| wanted.iter().any(|wanted| wanted == name));
    }
    Ok(Output {
        attributes: Some(shown).filter(|shown: &BTreeMap<_, _>| !shown.is_empty()),
    })
}
