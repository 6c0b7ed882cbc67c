//! Takes an event for later.

use kiln_store::Store;
use kiln_store::queue::{AcceptError, NewEvent};
use kiln_types::Timestamp;
use kiln_types::limits::ASYNC_PAYLOAD_BYTES_MAX;

use crate::admit::check_tenant;
use crate::error::Error;
use crate::request::Request;

/// Keeps an event for a function; it is on disk when this returns. Whether the function can run is
/// asked when its turn has come: one that is not ready yet, or not allowed to run, does not lose it.
///
/// # Errors
/// [`Error::NotFound`], [`Error::TooLarge`], [`Error::QueueFull`] or [`Error::NotKept`]; the event is
/// not in the queue.
pub async fn accept(store: &Store, request: Request, now: Timestamp) -> Result<(), Error> {
    let function = store.function(&request.function);
    let version = function.as_ref().and_then(|function| {
        let version = function.version_of(request.qualifier.as_ref())?;
        function.version(version)
    });
    let Some(version) = version else {
        return Err(Error::NotFound {
            function: request.function,
            qualifier: request.qualifier,
        });
    };
    check_tenant(version, request.tenant.as_ref())?;
    let bytes = request.payload.len();
    if bytes > ASYNC_PAYLOAD_BYTES_MAX {
        return Err(Error::TooLarge {
            bytes,
            bytes_max: ASYNC_PAYLOAD_BYTES_MAX,
        });
    }
    let event = NewEvent {
        request_id: request.request_id,
        function: request.function,
        qualifier: request.qualifier,
        invoked_arn: request.invoked_arn,
        client_context: request.client_context,
        tenant: request.tenant,
        trace: request.trace,
        payload: request.payload,
    };
    let accepted = store.queue().accept(event, now).await;
    accepted.map_err(|error| match error {
        AcceptError::Full(full) => Error::QueueFull {
            bytes_max: full.bytes_max,
        },
        AcceptError::Store(kiln_store::Error::Crowded(_)) => {
            Error::Unavailable("as many functions have events waiting as may")
        }
        AcceptError::Store(error) => Error::NotKept(error.to_string()),
    })
}
