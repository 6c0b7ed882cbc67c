//! The file a server writes when it is ready: its address and the keys to use there.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use aws_credential_types::Credentials;
use serde::Deserialize;

/// The ready file's name inside a server's data directory.
pub const READY_FILE_NAME: &str = "server.json";

/// Address, region and administrator's keys of a running server.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReadyFile {
    pub(super) endpoint: String,
    pub(super) admin_endpoint: Option<String>,
    pub(super) region: String,
    access_key_id: String,
    secret_access_key: String,
}

impl ReadyFile {
    /// Reads the file at `path`.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| {
            format!(
                "read ready file {}: is the server that writes it running?",
                path.display()
            )
        })?;
        serde_json::from_str(&text)
            .with_context(|| format!("read ready file {}: not one of Kiln's", path.display()))
    }

    pub(super) fn credentials(&self) -> Credentials {
        Credentials::new(
            &self.access_key_id,
            &self.secret_access_key,
            None,
            None,
            "ready file",
        )
    }
}

/// Where a server keeps its data unless told: `$KILN_DATA_DIR`, else `/var/lib/kiln` for root and
/// `~/.local/share/kiln` for anybody else.
pub fn default_data_dir() -> PathBuf {
    data_dir(&|name| std::env::var(name).ok())
}

pub(super) fn data_dir(env: super::Environment) -> PathBuf {
    if let Some(dir) = env("KILN_DATA_DIR").filter(|dir| !dir.is_empty()) {
        return PathBuf::from(dir);
    }
    let home = env("HOME").filter(|home| !home.is_empty());
    match home {
        Some(home) if !is_root() => Path::new(&home).join(".local/share/kiln"),
        _ => PathBuf::from("/var/lib/kiln"),
    }
}

/// `/proc/self` belongs to the effective user, which spares an `unsafe` call of geteuid.
fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_directory_is_the_one_named_by_the_environment() {
        let named = |name: &str| (name == "KILN_DATA_DIR").then(|| "/srv/kiln".to_owned());
        assert_eq!(data_dir(&named), Path::new("/srv/kiln"));
        let empty = |name: &str| (name == "KILN_DATA_DIR").then(String::new);
        assert_eq!(data_dir(&empty), Path::new("/var/lib/kiln"));
    }

    #[test]
    fn file_that_is_not_a_ready_file_is_named_in_the_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ready.json");
        let message = |path: &Path| format!("{:#}", ReadyFile::read(path).err().unwrap());
        assert!(message(&path).contains("is the server that writes it running"));
        fs::write(&path, "{\"endpoint\": \"http://x\"}").unwrap();
        assert!(message(&path).contains("not one of Kiln's"));
    }
}
