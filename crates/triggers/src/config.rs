//! What triggers are told at start.

use kiln_types::Region;

/// Settings of all triggers.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// The region in what events say of themselves.
    pub region: Region,
}
