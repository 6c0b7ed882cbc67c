//! A function that calls this server.

use crate::FunctionId;

/// A function, as who it calls.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FunctionCaller {
    /// The function.
    pub function: FunctionId,
    /// Its execution role, an ARN.
    pub role: String,
}
