//! The file that tells scripts, tests and the command line where a server is and how to sign for it.
//!
//! It has a key that may everything. So that no backup of a data directory has it, the file there is a link to one in memory: in
//! systemd's directory for the service, the user's, or `/run/kiln`.

use std::env;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, symlink};
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
    paths: Vec<PathBuf>,
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
            paths: vec![path.to_owned()],
        })
    }

    /// The same, the file being in `memory` and a link to it at `path`; without such a directory it is at `path` itself.
    pub(crate) fn write_beside(
        &self,
        path: &Path,
        memory: Option<&Path>,
    ) -> anyhow::Result<ReadyFile> {
        let Some(memory) = memory else {
            return self.write(path);
        };
        let mut written = self.write(&in_memory(path, memory)?)?;
        let context = || format!("write the ready file {}", path.display());
        let partial = path.with_extension("partial");
        let _ = fs::remove_file(&partial);
        symlink(&written.paths[0], &partial).with_context(context)?;
        fs::rename(&partial, path).with_context(context)?;
        written.paths.push(path.to_owned());
        Ok(written)
    }
}

/// What the file is called in memory: by the directory in which the link to it is, of which no copy is the same.
fn in_memory(path: &Path, memory: &Path) -> anyhow::Result<PathBuf> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let about = fs::metadata(dir).with_context(|| format!("look at {}", dir.display()))?;
    Ok(memory.join(format!("{:x}-{:x}.json", about.dev(), about.ino())))
}

/// A directory in memory that is this user's alone, if the machine has one.
pub(crate) fn memory_dir() -> Option<PathBuf> {
    let named = |name| env::var_os(name).filter(|value| !value.is_empty());
    // Systemd's may be several, with colons between.
    let of_service = named("RUNTIME_DIRECTORY").and_then(|dirs| {
        let dirs = dirs.into_string().ok()?;
        dirs.split(':').next().map(PathBuf::from)
    });
    let own = fs::metadata("/proc/self").ok()?.uid();
    let of_session = || named("XDG_RUNTIME_DIR").map(|dir| Path::new(&dir).join("kiln"));
    let of_root = || Some(PathBuf::from("/run/kiln"));
    // Root's environment may be somebody else's, by `su`, in a container too. Who came through `enter` is a user.
    let of_user = || match own {
        0 if kiln_sandbox::rootless::has_entered() => of_session().or_else(of_root),
        0 => of_root(),
        _ => of_session(),
    };
    let dir = of_service.or_else(of_user)?;
    let _ = DirBuilder::new().mode(0o700).create(&dir);
    let about = fs::symlink_metadata(&dir).ok()?;
    let is_private =
        about.is_dir() && about.uid() == own && about.permissions().mode() & 0o022 == 0;
    is_private.then_some(dir)
}

/// Removes what a server left that was ended before it could, and nothing of another's, to which a copied link may lead. Nobody may
/// have the data directory open.
pub(crate) fn remove_left_over(path: &Path, memory: Option<&Path>) {
    if let Some(Ok(file)) = memory.map(|memory| in_memory(path, memory)) {
        let _ = fs::remove_file(file);
    }
    let _ = fs::remove_file(path);
}

impl Drop for ReadyFile {
    fn drop(&mut self) {
        for path in &self.paths {
            let _ = fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready() -> Ready {
        Ready {
            endpoint: "http://127.0.0.1:4566".into(),
            admin_endpoint: None,
            region: "us-east-1".into(),
            access_key_id: "AKIA".into(),
            secret_access_key: "secret".into(),
        }
    }

    #[test]
    fn file_is_private_and_gone_with_its_guard() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ready.json");
        let guard = ready().write(&path).unwrap();
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

    #[test]
    fn a_copy_of_the_directory_with_the_link_has_no_key() {
        let (dir, memory) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let path = dir.path().join("server.json");
        let guard = ready().write_beside(&path, Some(memory.path())).unwrap();
        assert!(fs::read_to_string(&path).unwrap().contains("secret"));
        let target = fs::read_link(&path).unwrap();
        assert_eq!(target.parent(), Some(memory.path()));
        drop(guard);
        assert!(fs::symlink_metadata(&path).is_err() && !target.exists());
        // Of a server that was killed.
        std::mem::forget(ready().write_beside(&path, Some(memory.path())).unwrap());
        let copy = tempfile::tempdir().unwrap();
        let copied = copy.path().join("server.json");
        symlink(&target, &copied).unwrap();
        remove_left_over(&copied, Some(memory.path()));
        assert!(fs::symlink_metadata(&copied).is_err() && target.exists());
        remove_left_over(&path, Some(memory.path()));
        assert!(fs::symlink_metadata(&path).is_err() && !target.exists());
    }
}
