//! SnapStart: instances that start from the memory of one that was initialised.

use serde::{Deserialize, Serialize};

/// Whether instances start from a snapshot of one that was initialised.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapStart {
    /// Whether versions are published so.
    pub on_publish: bool,
    /// Whether a snapshot could be taken of this version.
    pub is_taken: bool,
    /// Why this version could not be initialised.
    pub failure: Option<NotReady>,
}

/// Why a version could not be made ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotReady {
    /// AWS's code, such as `InvalidImage`.
    pub code: String,
    /// The sentence.
    pub reason: String,
}
