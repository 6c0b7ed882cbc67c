//! What can go wrong in keeping usage.

/// Usage could not be kept.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The meter's task has ended, so the records before are kept and nothing new is.
    #[error("keep usage: the meter has stopped")]
    Stopped,
}
