//! `PutTargets`: adds targets to a rule or changes those that have the same ids.

use std::collections::BTreeMap;

use kiln_types::limits;

use super::generated::{PutTargetsRequest as Input, PutTargetsResponse as Output};
use super::refusal::{invalid, too_many};
use super::{rule, target};
use crate::context::Context;
use crate::error::Result;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let id = rule::named(context, &input.rule, input.event_bus_name.as_deref())?;
    let mut put = BTreeMap::new();
    for given in input.targets {
        let (name, target) = target::read(context, given)?;
        if put.insert(name.clone(), target).is_some() {
            return Err(invalid(format!("The target id {name} is given twice.")));
        }
    }
    let change = rule::change(context, &id, |rule| {
        rule.targets.extend(put);
        match rule.targets.len() {
            0..=limits::TARGETS_MAX => Ok(()),
            _ => Err(too_many()),
        }
    });
    change.await?;
    Ok(Output {
        failed_entry_count: Some(0),
        failed_entries: Some(Vec::new()),
    })
}
