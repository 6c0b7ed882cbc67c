//! Settings of where things are.

use std::path::PathBuf;

use clap::Args;
use clap::builder::{PathBufValueParser, TypedValueParser};

/// Where things are; `kiln doctor` is told the same.
#[derive(Debug, Clone, Args)]
pub(crate) struct Places {
    /// A TOML file with any of these settings, by the names of their flags.
    #[arg(long, env = "KILN_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Where functions, code, logs and usage are kept. Made when missing, readable by its owner only.
    // Absolute: what is mounted is looked for from other directories too.
    #[arg(
        long,
        env = "KILN_DATA_DIR",
        value_name = "DIR",
        default_value_os_t = kiln_cli::default_data_dir(),
        value_parser = PathBufValueParser::new().try_map(std::path::absolute)
    )]
    pub(crate) data_dir: PathBuf,
    /// The folder of runtime packs, one folder a runtime, as `runtimes/python/build-pack` and
    /// `runtimes/node/build-pack` make them. [default: `runtimes` in the data directory]
    #[arg(long, env = "KILN_RUNTIMES", value_name = "DIR")]
    runtimes: Option<PathBuf>,
}

impl Places {
    /// Where the runtime packs are.
    pub(crate) fn runtimes_dir(&self) -> PathBuf {
        self.runtimes
            .clone()
            .unwrap_or_else(|| self.data_dir.join("runtimes"))
    }
}
