//! The file that tells scripts, tests and the command line where a server is and how to sign for it.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Serialize;

/// What the file says.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Ready {
    pub(crate) endpoint: String,
    /// Where administration is, if it is apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) admin_endpoint: Option<String>,
    pub(crate) region: String,
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: String,
}

/// A written file; removed when dropped, so that nobody talks to a server that is gone.
#[derive(Debug)]
pub(crate) struct ReadyFile {
    path: PathBuf,
}

impl Ready {
    /// Writes the file whole: readers never see a part of it. Only its owner may read it.
    pub(crate) fn write(&self, path: &Path) -> anyhow::Result<ReadyFile> {
        let context = || format!("write the ready file {}", path.display());
        let partial = path.with_extension("partial");
        let _ = fs::remove_file(&partial);
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&partial)
            .with_context(context)?;
        let text = serde_json::to_string_pretty(self).expect("strings are JSON");
        file.write_all(text.as_bytes()).with_context(context)?;
        file.write_all(b"\n").with_context(context)?;
        fs::rename(&partial, path).with_context(context)?;
        Ok(ReadyFile {
            path: path.to_owned(),
        })
    }
}

impl Drop for ReadyFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn file_is_private_and_gone_with_its_guard() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ready.json");
        let ready = Ready {
            endpoint: "http://127.0.0.1:4566".into(),
            admin_endpoint: None,
            region: "us-east-1".into(),
            access_key_id: "AKIA".into(),
            secret_access_key: "secret".into(),
        };
        let guard = ready.write(&path).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["accessKeyId"], "AKIA");
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        drop(guard);
        assert!(!path.exists());
    }
}
