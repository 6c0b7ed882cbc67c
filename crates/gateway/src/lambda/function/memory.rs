//! How much memory a function may have here.
//!
//! AWS differs: a function that needs more than this server may give to all instances together is
//! refused when it is asked for, instead of being throttled at every invocation.

use kiln_types::MemoryMb;

use crate::error::{ApiError, Result};
use crate::lambda::refusal::invalid;

/// Checks that one instance fits into the server's budget.
pub(super) fn check_memory(memory: MemoryMb, budget_mb: u64) -> Result<()> {
    match u64::from(memory.get()) > budget_mb {
        true => Err(over_budget(memory.get(), budget_mb)),
        false => Ok(()),
    }
}

/// The function needs more memory than this server has for all. Not a throttle: clients try those
/// again, which would not help.
pub(crate) fn over_budget(memory_mb: u32, budget_mb: u64) -> ApiError {
    invalid(format!(
        "The function needs {memory_mb} MB of memory and this Kiln server's budget is {budget_mb} MB. Lower its MemorySize, or raise the server's --memory-budget-mb."
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_may_need_the_whole_budget_and_no_more() {
        let memory = MemoryMb::new(256).unwrap();
        assert!(check_memory(memory, 256).is_ok());
        let refused = check_memory(memory, 255).unwrap_err();
        assert!(refused.message.contains("256 MB"), "{}", refused.message);
        assert!(refused.message.contains("255 MB"), "{}", refused.message);
    }
}
