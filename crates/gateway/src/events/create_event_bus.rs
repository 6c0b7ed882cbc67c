//! `CreateEventBus`: makes a bus.
//!
//! AWS differs: a key, a dead-letter queue and logging are kept and given back and nothing is done with them.

use kiln_types::{Bus, BusId, limits};

use super::generated::{CreateEventBusRequest as Input, CreateEventBusResponse as Output};
use super::{bus, tag};
use crate::context::Context;
use crate::error::{ApiError, Result};

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    if input.event_source_name.is_some() {
        return Err(ApiError::not_implemented(
            "partner event sources (EventSourceName)",
        ));
    }
    let id = BusId {
        account: context.caller.account.clone(),
        name: bus::new_name(&input.name)?,
    };
    let made = Bus {
        description: input.description,
        tags: tag::read(input.tags.unwrap_or_default())?,
        kept: bus::kept(
            input.kms_key_identifier,
            input.dead_letter_config,
            input.log_config,
        ),
        created: Some(context.now),
        modified: Some(context.now),
        ..Bus::new(id)
    };
    let buses = context.deps.store.buses();
    buses.create(made.clone(), limits::BUSES_MAX).await?;
    Ok(Output {
        event_bus_arn: Some(made.id.arn(&context.config.region).to_string()),
        kms_key_identifier: bus::key(&made),
        dead_letter_config: bus::dead_letters(&made),
        log_config: bus::logging(&made),
        description: made.description,
    })
}
