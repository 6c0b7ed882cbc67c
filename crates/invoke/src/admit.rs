//! Whether an invocation may run, and what exactly runs: the place where qualifiers are resolved
//! and where permissions of callers belong. From memory: nothing here waits.

use std::sync::Arc;

use kiln_store::Store;
use kiln_types::limits::SYNC_PAYLOAD_BYTES_MAX;
use kiln_types::{Configuration, State, TenantId, Trace};

use crate::error::Error;
use crate::request::{Kind, Request};

/// What runs, and what it is told of where it comes from.
pub(crate) struct Admitted {
    pub(crate) configuration: Arc<Configuration>,
    /// The tracing header, with this invocation in its lineage.
    pub(crate) trace: Option<String>,
}

/// Refuses an invocation for nobody of a function that tells its tenants apart, and one for somebody of any other.
pub(crate) fn check_tenant(of: &Configuration, tenant: Option<&TenantId>) -> Result<(), Error> {
    match (of.is_per_tenant, tenant) {
        (true, None) => Err(Error::TenantMissing),
        (false, Some(_)) => Err(Error::TenantUnexpected),
        _ => Ok(()),
    }
}

/// What runs, if it may. Checks in AWS's order: the function first, its state next, the event last.
pub(crate) fn admit(store: &Store, request: &Request) -> Result<Admitted, Error> {
    let not_found = || Error::NotFound {
        function: request.function.clone(),
        qualifier: request.qualifier.clone(),
    };
    let function = store.function(&request.function).ok_or_else(not_found)?;
    let found = function.resolve(request.qualifier.as_ref(), request.request_id);
    let configuration = found.cloned().ok_or_else(not_found)?;
    match configuration.state {
        State::Active => {}
        State::Pending if configuration.awaits_snapshot() => return Err(Error::AwaitsSnapshot),
        state @ (State::Pending | State::Failed) => return Err(Error::NotReady(state)),
    }
    check_tenant(&configuration, request.tenant.as_ref())?;
    let mut trace = request.trace.as_deref().map(Trace::read);
    let hops = trace
        .as_mut()
        .map_or(0, |trace| trace.enter(&request.function));
    if function.recursive_loop.stops(hops) && request.kind != Kind::DryRun {
        return Err(Error::Recursive);
    }
    // After the loop: in one whose events grow with every turn it would hide that it is one.
    let bytes = request.payload.len();
    if bytes > SYNC_PAYLOAD_BYTES_MAX {
        return Err(Error::TooLarge {
            bytes,
            bytes_max: SYNC_PAYLOAD_BYTES_MAX,
        });
    }
    Ok(Admitted {
        configuration,
        trace: trace.map(|trace| trace.to_string()),
    })
}
