//! `PutProvisionedConcurrencyConfig`: keeps instances of a version ready.
//!
//! AWS differs: it has no limit by memory. Here more than the server gives all functions together
//! could never be ready and is refused.

use kiln_types::Function;
use kiln_types::function::ProvisionedConfig;

use super::{Named, Shown, check};
use crate::context::Context;
use crate::error::Result;
use crate::lambda::concurrency::{reserved, unreserved_min};
use crate::lambda::function::tenancy;
use crate::lambda::generated::{
    PutProvisionedConcurrencyConfigRequest as Input,
    PutProvisionedConcurrencyConfigResponse as Output,
};
use crate::lambda::refusal::invalid;

pub(crate) async fn handle(context: &Context, input: Input) -> Result<Output> {
    let named = Named::read(context, &input.function_name, &input.qualifier)?;
    let count = u32::try_from(input.provisioned_concurrent_executions).unwrap_or(u32::MAX);
    let config = ProvisionedConfig {
        count,
        modified: context.now,
    };
    let limits = Limits::of(context);
    let (id, of) = (named.target.id(), named.qualifier.clone());
    let store = &context.deps.store;
    let changed = store.update_function_among(&id, move |function, others| {
        check(function, &of)?;
        tenancy::refuse(&function.latest, "Provisioned concurrency")?;
        function.provisioned.insert(of, config);
        limits.check(function, others)
    });
    let function = changed.await?;
    let shown = Shown::of(context, &function, &named.qualifier, config);
    Ok(Output {
        requested_provisioned_concurrent_executions: Some(shown.requested),
        available_provisioned_concurrent_executions: Some(shown.ready),
        allocated_provisioned_concurrent_executions: Some(shown.ready),
        status: Some(shown.status.to_owned()),
        status_reason: shown.reason.map(str::to_owned),
        last_modified: Some(shown.modified),
    })
}

/// What bounds what is kept ready.
struct Limits {
    account_concurrency: u32,
    memory_budget_mb: u64,
}

impl Limits {
    fn of(context: &Context) -> Self {
        Self {
            account_concurrency: context.account_concurrency(),
            memory_budget_mb: context.config.memory_budget_mb,
        }
    }

    /// Whether a function may have what it now asks for.
    fn check(&self, function: &Function, others: &[Function]) -> Result<()> {
        let total = function.provisioned_total();
        match function.reserved_concurrency {
            Some(reserved) if total > reserved => {
                return Err(invalid(
                    "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function",
                ));
            }
            Some(_) => {}
            None => {
                let min = unreserved_min(self.account_concurrency);
                let kept = reserved(others) + u64::from(total);
                if kept + u64::from(min) > self.account_concurrency.into() {
                    return Err(invalid(format!(
                        "Specified ConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [{min}]."
                    )));
                }
            }
        }
        let needed_mb: u64 = function
            .versions
            .values()
            .map(|of| u64::from(function.provisioned_for(of.version)) * of.memory.bytes())
            .sum::<u64>()
            >> 20;
        if needed_mb > self.memory_budget_mb {
            return Err(invalid(format!(
                "Requested Provisioned Concurrency needs {needed_mb} MB, and all functions together have {} MB on this server. Ask for fewer, give the function less memory, or give the server more with --memory-budget-mb.",
                self.memory_budget_mb
            )));
        }
        Ok(())
    }
}
