//! What the store must be told.

use std::path::PathBuf;

/// Where the store lives.
#[derive(Debug, Clone)]
pub struct Config {
    /// The data directory; made, for the server's own user only, when it does not exist.
    pub dir: PathBuf,
}
