//! Operations on reserved concurrency: the share of the account's that one function keeps, and
//! may not exceed.

use std::borrow::Borrow;

use kiln_types::Function;

pub(crate) mod delete_function_concurrency;
pub(crate) mod get_function_concurrency;
pub(crate) mod put_function_concurrency;

/// What these functions reserve together.
pub(crate) fn reserved<F: Borrow<Function>>(functions: &[F]) -> u64 {
    let reserved = |function: &F| function.borrow().reserved_concurrency;
    functions.iter().filter_map(reserved).map(u64::from).sum()
}
