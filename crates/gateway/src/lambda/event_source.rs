//! Operations on event source mappings, and what they have in common.
//!
//! Kiln's own: sources that AWS has no name for stand in `SelfManagedEventSource`, under an endpoint type of
//! their own, with one endpoint: `POSTGRESQL`, `MARIADB` and `MYSQL` have a database, `postgres://host:port/database`, and
//! tables as `Topics`; `REDIS` has a stream, and `REDIS_KEYSPACE` patterns of keys; `NATS` has
//! subjects, and perhaps a queue group in `Queues`, and `NATS_JETSTREAM` a stream in its endpoint and one subject; `MQTT` has topic
//! filters. Kafka has AWS's own.
//!
//! AWS differs: functions may be destinations of what is given up, and mappings of queues say how their work went
//! last.

use kiln_types::{Mapping, MappingId};

use super::generated as wire;
use super::refusal::resource_not_found;
use crate::context::Context;
use crate::error::{ApiError, Exception, Result};

pub(crate) mod create_event_source_mapping;
pub(crate) mod delete_event_source_mapping;
pub(crate) mod get_event_source_mapping;
pub(crate) mod list_event_source_mappings;
pub(crate) mod update_event_source_mapping;

mod destination;
mod filters;
mod settings;
mod shown;
mod source;

#[cfg(test)]
mod tests;

/// What is wrong when a mapping is changed that is still changing.
#[derive(Debug, Clone, Copy)]
enum Doing {
    Update,
    Delete,
}

/// Which mapping a caller means, of those that the caller's account has.
pub(super) fn find(context: &Context, uuid: &str) -> Result<MappingId> {
    let id: MappingId = uuid.parse().map_err(|_| resource_not_found())?;
    let mapping = context.deps.store.mappings().get(id);
    let own = mapping.filter(|mapping| mapping.account == context.caller.account);
    own.map(|_| id).ok_or_else(resource_not_found)
}

/// Refuses to change what is being changed.
fn check_at_rest(mapping: &Mapping, doing: Doing) -> Result<()> {
    if mapping.state.is_at_rest() {
        return Ok(());
    }
    let doing = match doing {
        Doing::Update => "update",
        Doing::Delete => "delete",
    };
    Err(ApiError::new(
        Exception::ResourceInUse,
        format!("Cannot {doing} the event source mapping because it is in use."),
    ))
}

/// The answer of a change and of a look.
type Shown = wire::EventSourceMappingConfiguration;
