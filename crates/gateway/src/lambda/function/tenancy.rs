//! Tenant isolation: what a function that tells its tenants apart may not have, and how it is shown.
//!
//! AWS differs: instances of tenants count against the function's and the account's concurrency alone, and not against a
//! quota of their own.

use kiln_types::Configuration;

use crate::error::Result;
use crate::lambda::generated as wire;
use crate::lambda::refusal::invalid;

/// The one way in which tenants are told apart.
const PER_TENANT: &str = "PER_TENANT";

/// Refuses settings that share instances, or what they were made of, between tenants.
pub(crate) fn check(of: &Configuration) -> Result<()> {
    if !of.is_per_tenant {
        return Ok(());
    }
    if of.snap_start.on_publish {
        return Err(unsupported("SnapStart"));
    }
    if of.slots.are_shared() {
        return Err(unsupported("The tag kiln:concurrency"));
    }
    Ok(())
}

/// Refuses what invokes a function without naming a tenant, or keeps instances ready for nobody.
pub(crate) fn refuse(of: &Configuration, what: &str) -> Result<()> {
    match of.is_per_tenant {
        true => Err(unsupported(what)),
        false => Ok(()),
    }
}

fn unsupported(what: &str) -> crate::error::ApiError {
    invalid(format!(
        "{what} is not supported for functions with tenant isolation."
    ))
}

pub(super) fn render(of: &Configuration) -> Option<wire::TenancyConfig> {
    of.is_per_tenant.then(|| wire::TenancyConfig {
        tenant_isolation_mode: PER_TENANT.to_owned(),
    })
}
