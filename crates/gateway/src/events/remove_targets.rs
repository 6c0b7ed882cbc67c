//! `RemoveTargets`: takes targets from a rule. Ids that it does not have are told.

use std::sync::{Arc, Mutex};

use super::generated::{
    RemoveTargetsRequest as Input, RemoveTargetsResponse as Output, RemoveTargetsResultEntry,
};
use super::rule;
use crate::context::Context;
use crate::error::{Exception, Result};

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let id = rule::named(context, &input.rule, input.event_bus_name.as_deref())?;
    let missing = Arc::new(Mutex::new(Vec::new()));
    let (ids, found_missing) = (input.ids, missing.clone());
    let change = rule::change(context, &id, move |rule| {
        let mut missing = found_missing.lock().expect("no holder panics");
        for id in ids {
            if rule.targets.remove(&id).is_none() {
                missing.push(id);
            }
        }
        Ok(())
    });
    change.await?;
    let missing = std::mem::take(&mut *missing.lock().expect("no holder panics"));
    let (rule, bus) = (&id.name, &id.bus.name);
    let failed = missing.into_iter().map(|target| RemoveTargetsResultEntry {
        error_code: Some(Exception::ResourceNotFound.name().to_owned()),
        error_message: Some(format!(
            "Rule {rule} on EventBus {bus} does not have a target with the Id {target}."
        )),
        target_id: Some(target),
    });
    let failed: Vec<_> = failed.collect();
    Ok(Output {
        failed_entry_count: Some(failed.len() as i64),
        failed_entries: Some(failed),
    })
}
