//! What the invoker is told at start.

use kiln_types::function::StartMode;
use kiln_types::{FileSystems, Network, Region};

/// Settings of all invocations.
#[derive(Debug, Clone)]
pub struct Config {
    /// The region in functions' ARNs.
    pub region: Region,
    /// How instances of functions start that do not say.
    pub start: StartMode,
    /// What functions may reach over the network that do not say.
    pub network: Network,
    /// The directories that functions may mount.
    pub file_systems: FileSystems,
    /// Who compiles the code of WebAssembly functions, by the name under which the store has it.
    pub compiled_by: Option<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            region: Region::default(),
            start: StartMode::Zygote,
            network: Network::default(),
            file_systems: FileSystems::new(),
            compiled_by: None,
        }
    }
}
