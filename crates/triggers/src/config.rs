//! What triggers are told at start.

use std::path::PathBuf;

use kiln_invoke::Reach;
use kiln_types::{AccountId, Region};

/// Settings of all triggers.
#[derive(Debug, Clone)]
pub struct Config {
    /// The region in what events say of themselves.
    pub region: Region,
    /// The operator's own account, whose sources may be anywhere.
    pub account: AccountId,
    /// Where those of other accounts may be.
    pub reach: Reach,
    /// Where the operator's secrets of sources are: a JSON file each. Those that accounts keep come first.
    pub secrets_dir: Option<PathBuf>,
    /// How much of its log a source may hold back for a mapping before that counts as a problem.
    pub lag_bytes_max: u64,
}

impl Config {
    /// What a source may hold back unless told: 1 GiB.
    pub const LAG_BYTES_MAX: u64 = 1 << 30;
}

impl Default for Config {
    fn default() -> Self {
        Self {
            region: Region::default(),
            account: AccountId::default(),
            reach: Reach::default(),
            secrets_dir: None,
            lag_bytes_max: Self::LAG_BYTES_MAX,
        }
    }
}
