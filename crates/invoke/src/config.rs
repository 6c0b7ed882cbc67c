//! What the invoker is told at start.

use kiln_types::Region;
use kiln_types::function::StartMode;

/// Settings of all invocations.
#[derive(Debug, Clone)]
pub struct Config {
    /// The region in functions' ARNs.
    pub region: Region,
    /// How instances of functions start that do not say.
    pub start: StartMode,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            region: Region::default(),
            start: StartMode::Zygote,
        }
    }
}
