//! What the store must be told.

use std::path::PathBuf;

use crate::layer_marks::LayerMarks;
use crate::vault::MasterKey;

/// Where the store lives.
#[derive(Debug, Clone)]
pub struct Config {
    /// The data directory; made, for the server's own user only, when it does not exist.
    pub dir: PathBuf,
    /// What asynchronous events, dead letters and messages may take together, in bytes; more are refused.
    pub queue_bytes_max: u64,
    /// The key that data keys are wrapped by; none: one that lies in the directory, made on the first start.
    pub master_key: Option<MasterKey>,
    /// The one whose place it takes, on the first start with it.
    pub former_master_key: Option<MasterKey>,
    /// What archives of event buses may hold together, in bytes; beyond it publications that they want are refused.
    pub archive_bytes_max: u64,
    /// The process that the directory is locked in the name of; another that wants it is told this number.
    pub pid: u32,
    /// How layers of container images are to be marked; a directory that has others is refused.
    pub layer_marks: LayerMarks,
}

impl Config {
    /// What [`Config::queue_bytes_max`] is unless told: 1 GiB.
    pub const QUEUE_BYTES_MAX: u64 = 1 << 30;

    /// What [`Config::archive_bytes_max`] is unless told: 10 GiB.
    pub const ARCHIVE_BYTES_MAX: u64 = 10 << 30;

    /// A store in this directory, with the defaults for everything else.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            master_key: None,
            former_master_key: None,
            queue_bytes_max: Self::QUEUE_BYTES_MAX,
            archive_bytes_max: Self::ARCHIVE_BYTES_MAX,
            pid: std::process::id(),
            layer_marks: LayerMarks::Trusted,
        }
    }
}
