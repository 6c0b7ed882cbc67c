//! What every instance of a server has in common.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use kiln_sandbox::Program;
use kiln_types::{Language, MemoryMb, Region, limits};

use crate::interpreter;

/// Settings of all instances.
#[derive(Debug, Clone)]
pub struct Config {
    /// The region that functions are told.
    pub region: Region,
    /// How long the init phase may take; AWS gives 10 s. A function that needs longer is
    /// initialised once more within its first invocation, under the function's own timeout.
    pub init_timeout: Duration,
    /// The same for instances that are kept ready: nobody waits for them, so AWS gives 15 minutes.
    pub provisioned_init_timeout: Duration,
    /// Where snapshots of functions are kept; emptied at start. None: there are none.
    pub snapshots_dir: Option<PathBuf>,
    /// What the networks of all functions have in common.
    pub network: kiln_network::Config,
    /// The installed runtimes by their identifiers (`python3.11`).
    pub runtimes: BTreeMap<String, Installed>,
}

/// One installed runtime: the commands are as seen inside a sandbox of the image that has the
/// runtime's identifier as its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// The command that executes its interpreter anew (`/var/lang/bin/python3.11 … fresh.py`).
    pub fresh: Vec<String>,
    /// Where the interpreter cannot fork: the program that is executed before it is known for
    /// whom. Both lack what depends on the function.
    pub ahead: Option<Program>,
}

impl Installed {
    /// The program of stems for functions with this memory, where stems are executed.
    pub fn stem(&self, language: Language, memory: MemoryMb) -> Option<Program> {
        let ahead = self.ahead.as_ref()?;
        Some(Program {
            argv: interpreter::command(language, &ahead.argv, memory, &BTreeMap::new()),
            ..ahead.clone()
        })
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            region: Region::default(),
            init_timeout: Duration::from_secs(limits::INIT_TIMEOUT_SECS),
            provisioned_init_timeout: Duration::from_secs(limits::PROVISIONED_INIT_TIMEOUT_SECS),
            snapshots_dir: None,
            network: kiln_network::Config::default(),
            runtimes: BTreeMap::new(),
        }
    }
}
