//! Operations on reserved concurrency: the share of the account's that one function keeps, and
//! may not exceed.

use std::borrow::Borrow;

use kiln_types::Function;
use kiln_types::limits::UNRESERVED_CONCURRENCY_MIN;

pub(crate) mod delete_function_concurrency;
pub(crate) mod get_function_concurrency;
pub(crate) mod put_function_concurrency;

/// What these functions keep from all others together.
pub(crate) fn reserved<F: Borrow<Function>>(functions: &[F]) -> u64 {
    let kept = |function: &F| u64::from(function.borrow().kept_concurrency());
    functions.iter().map(kept).sum()
}

/// What reservations must leave to all other functions of an account: one at the least.
pub(crate) fn unreserved_min(account_concurrency: u32) -> u32 {
    account_concurrency
        .div_ceil(10)
        .min(UNRESERVED_CONCURRENCY_MIN)
}
