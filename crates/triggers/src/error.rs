//! Why a trigger could not do its work.

/// What could not be done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What a trigger is defined by could not be read or kept. A retry is safe.
    #[error(transparent)]
    Store(#[from] kiln_store::Error),
}
