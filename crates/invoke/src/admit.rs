//! Whether an invocation may run, and what exactly runs: the place where qualifiers are resolved
//! and where permissions of callers belong. From memory: nothing here waits.

use std::sync::Arc;

use kiln_store::Store;
use kiln_types::limits::SYNC_PAYLOAD_BYTES_MAX;
use kiln_types::{Configuration, State};

use crate::error::Error;
use crate::request::Request;

/// What runs, if it may. Checks in AWS's order: the function first, its state next, the event last.
pub(crate) fn admit(store: &Store, request: &Request) -> Result<Arc<Configuration>, Error> {
    let function = store.function(&request.function);
    let found = function.and_then(|function| {
        let qualifier = request.qualifier.as_ref();
        function.resolve(qualifier, request.request_id).cloned()
    });
    let configuration = found.ok_or_else(|| Error::NotFound {
        function: request.function.clone(),
        qualifier: request.qualifier.clone(),
    })?;
    match configuration.state {
        State::Active => {}
        state @ (State::Pending | State::Failed) => return Err(Error::NotReady(state)),
    }
    let bytes = request.payload.len();
    if bytes > SYNC_PAYLOAD_BYTES_MAX {
        return Err(Error::TooLarge {
            bytes,
            bytes_max: SYNC_PAYLOAD_BYTES_MAX,
        });
    }
    Ok(configuration)
}
