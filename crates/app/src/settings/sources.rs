//! Settings of event sources.

use std::path::PathBuf;

use anyhow::ensure;
use clap::{Args, value_parser};
use kiln_invoke::Reach;
use kiln_types::{AccountId, Region};

/// What event source mappings need of the server.
#[derive(Debug, Clone, Args)]
pub(crate) struct Sources {
    /// A directory with the secrets of event sources: a JSON file each, named like the secret, with
    /// `username`, `password` and the `host` that they are for. Only event source mappings read it, and
    /// a secret of their own account, in Secrets Manager, goes before.
    #[arg(long, env = "KILN_SECRETS_DIR", value_name = "DIR")]
    secrets_dir: Option<PathBuf>,
    /// How much of its log a database may keep for an event source mapping, in MiB, before the mapping says
    /// so and a warning is logged.
    #[arg(
        long,
        env = "KILN_SOURCE_LAG_MAX_MB",
        value_name = "MIB",
        default_value_t = kiln_triggers::Config::LAG_BYTES_MAX >> 20,
        value_parser = value_parser!(u64).range(1..=1 << 24)
    )]
    source_lag_max_mb: u64,
}

impl Sources {
    /// For the operator's account, and within this reach for others. Fails where the directory is not there: a name that is wrong
    /// today would fail mappings tomorrow.
    pub(crate) fn config(
        &self,
        region: Region,
        account: AccountId,
        reach: Reach,
    ) -> anyhow::Result<kiln_triggers::Config> {
        if let Some(dir) = &self.secrets_dir {
            let shown = dir.display();
            ensure!(
                dir.is_dir(),
                "--secrets-dir {shown}: there is no such directory"
            );
        }
        Ok(kiln_triggers::Config {
            region,
            account,
            reach,
            secrets_dir: self.secrets_dir.clone(),
            lag_bytes_max: self.source_lag_max_mb << 20,
        })
    }
}
