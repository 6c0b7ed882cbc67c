//! `UpdateEventBus`: changes what is kept of a bus. What is not given is taken away, as AWS does.

use super::bus;
use super::generated::{UpdateEventBusRequest as Input, UpdateEventBusResponse as Output};
use crate::context::Context;
use crate::error::{ApiError, Result};

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let id = bus::named(context, input.name.as_deref())?;
    let now = context.now;
    let changed = context.deps.store.buses().update(&id, move |changed| {
        changed.description = input.description;
        changed.kept = bus::kept(
            input.kms_key_identifier,
            input.dead_letter_config,
            input.log_config,
        );
        changed.modified = Some(now);
        Ok::<_, ApiError>(())
    });
    let changed = changed.await?;
    Ok(Output {
        arn: Some(id.arn(&context.config.region).to_string()),
        name: Some(id.name.to_string()),
        kms_key_identifier: bus::key(&changed),
        description: changed.description.clone(),
        dead_letter_config: bus::dead_letters(&changed),
        log_config: bus::logging(&changed),
    })
}
