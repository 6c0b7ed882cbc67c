//! Settings of what is sealed at rest.

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use clap::Args;
use kiln_store::MasterKey;

/// The variable with the key itself: not a flag, since command lines are everybody's to see.
const VARIABLE: &str = "KILN_MASTER_KEY";
/// The credential of a service of systemd's, a file of this name in the directory that it tells.
const CREDENTIAL: &str = "kiln-master-key";
const CREDENTIALS_DIRECTORY: &str = "CREDENTIALS_DIRECTORY";

/// Where the master key is.
#[derive(Debug, Clone, Args)]
pub(crate) struct Vault {
    /// A file with the master key that definitions, environment variables, access keys and secrets are sealed under:
    /// 32 random bytes as base64 (`kiln vault new-key`), which only its owner and its group may read. Else
    /// `KILN_MASTER_KEY` has the key itself, or the systemd credential `kiln-master-key`.
    /// [default: a key of its own, master.key in the data directory]
    #[arg(long, env = "KILN_MASTER_KEY_FILE", value_name = "FILE")]
    master_key_file: Option<PathBuf>,
    /// The master key before that one, needed once, on the first start with the new one.
    #[arg(long, env = "KILN_FORMER_MASTER_KEY_FILE", value_name = "FILE")]
    former_master_key_file: Option<PathBuf>,
}

impl Vault {
    /// The key that is given, if one is.
    pub(crate) fn master_key(&self) -> anyhow::Result<Option<MasterKey>> {
        if let Some(file) = &self.master_key_file {
            return read(file).map(Some);
        }
        if let Ok(text) = env::var(VARIABLE) {
            return text.parse().context(VARIABLE).map(Some);
        }
        let credentials = env::var_os(CREDENTIALS_DIRECTORY).map(PathBuf::from);
        let credential = credentials.map(|dir| dir.join(CREDENTIAL));
        match credential.filter(|file| file.exists()) {
            Some(file) => read(&file).map(Some),
            None => Ok(None),
        }
    }

    /// The key whose place it takes.
    pub(crate) fn former_master_key(&self) -> anyhow::Result<Option<MasterKey>> {
        self.former_master_key_file.as_deref().map(read).transpose()
    }
}

fn read(file: &Path) -> anyhow::Result<MasterKey> {
    let shown = file.display();
    let doing = || format!("read the master key {shown}");
    let mode = fs::metadata(file).with_context(doing)?.permissions().mode();
    ensure!(
        mode & 0o007 == 0,
        "everybody on this machine may use the master key {shown}: chmod 600 it, and make a new one if it was seen"
    );
    let text = fs::read_to_string(file).with_context(doing)?;
    text.parse().with_context(doing)
}
