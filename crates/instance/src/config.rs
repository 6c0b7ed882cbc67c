//! What every instance of a server has in common.

use std::collections::BTreeMap;
use std::time::Duration;

use kiln_types::{Region, limits};

/// Settings of all instances.
#[derive(Debug, Clone)]
pub struct Config {
    /// The region that functions are told.
    pub region: Region,
    /// How long the init phase may take; AWS gives 10 s. A function that needs longer is
    /// initialised once more within its first invocation, under the function's own timeout.
    pub init_timeout: Duration,
    /// Where the function's AWS clients find this server (`AWS_ENDPOINT_URL`), when they can
    /// reach it.
    pub endpoint: Option<String>,
    /// The installed runtimes: sandbox image name (`python3.11`) to the command that executes its
    /// interpreter anew, as seen inside the sandbox (`/var/lang/bin/python3.11 … fresh.py`).
    pub runtimes: BTreeMap<String, Vec<String>>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            region: Region::default(),
            init_timeout: Duration::from_secs(limits::INIT_TIMEOUT_SECS),
            endpoint: None,
            runtimes: BTreeMap::new(),
        }
    }
}
