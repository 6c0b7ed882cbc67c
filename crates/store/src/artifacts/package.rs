//! A package on disk: `code/`, `zip.zip` and `manifest.json` in a directory named by its digest.

use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use kiln_types::Sha256;
use kiln_types::function::Code;

use super::{ArtifactError, Quota, unpack};
use crate::error::Error;

/// The directory of the unpacked files.
pub(super) const CODE: &str = "code";
/// The zip as it was uploaded.
pub(super) const ZIP: &str = "zip.zip";
/// The [`Code`] as JSON.
const MANIFEST: &str = "manifest.json";
/// With more files than this, syncing the whole file system once is cheaper than each of them.
const SYNC_EACH_MAX: usize = 64;

/// A package that is not yet in its place; removed on drop unless published.
pub(super) struct Draft {
    path: PathBuf,
    published: bool,
}

pub(super) fn path(root: &Path, sha256: &Sha256) -> PathBuf {
    let hex = sha256.as_str();
    root.join("sha256").join(&hex[..2]).join(hex)
}

/// All packages in their places.
pub(super) fn scan(root: &Path) -> Result<Vec<Code>, Error> {
    let mut found = Vec::new();
    for group in children(&root.join("sha256"))? {
        for path in children(&group)? {
            let manifest = path.join(MANIFEST);
            let json = fs::read(&manifest).map_err(Error::file("read", &manifest))?;
            let code: Code = serde_json::from_slice(&json).map_err(|error| Error::Damaged {
                what: path.display().to_string(),
                why: format!("{error}; remove it and upload the code again"),
            })?;
            found.push(code);
        }
    }
    Ok(found)
}

fn children(dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let entries = fs::read_dir(dir).map_err(Error::file("list", dir))?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    paths
        .collect::<Result<_, _>>()
        .map_err(Error::file("list", dir))
}

impl Draft {
    pub(super) fn new(path: PathBuf) -> Result<Self, Error> {
        let made = DirBuilder::new().mode(0o700).create(&path);
        made.map_err(Error::file("make directory", &path))?;
        Ok(Self {
            path,
            published: false,
        })
    }

    /// Unpacks the zip, keeps it beside its files, and syncs everything.
    pub(super) fn fill(
        &self,
        sha256: &Sha256,
        zip: &Bytes,
        quota: &Quota,
    ) -> Result<Code, ArtifactError> {
        let unpacked = unpack::unpack(zip, &self.path.join(CODE), quota)?;
        let code = Code {
            sha256: sha256.clone(),
            zipped_bytes: zip.len() as u64,
            unzipped_bytes: unpacked.bytes,
        };
        self.write(ZIP, zip)?;
        self.write(
            MANIFEST,
            &serde_json::to_vec(&code).expect("digest and sizes are JSON"),
        )?;
        if unpacked.paths.len() > SYNC_EACH_MAX {
            let dir = File::open(&self.path).map_err(Error::file("open", &self.path))?;
            let synced = rustix::fs::syncfs(&dir).map_err(std::io::Error::from);
            synced.map_err(Error::file("sync", &self.path))?;
            return Ok(code);
        }
        for path in unpacked.paths {
            sync(&path)?;
        }
        for name in [ZIP, MANIFEST] {
            sync(&self.path.join(name))?;
        }
        sync(&self.path)?;
        Ok(code)
    }

    /// Puts the package in its place, at once and for good.
    pub(super) fn publish(mut self, root: &Path, sha256: &Sha256) -> Result<(), Error> {
        let path = path(root, sha256);
        let group = path.parent().expect("a package lies in its group");
        let made = DirBuilder::new().recursive(true).mode(0o700).create(group);
        made.map_err(Error::file("make directory", group))?;
        fs::rename(&self.path, &path).map_err(Error::file("rename to", &path))?;
        self.published = true;
        sync(group)?;
        sync(&root.join("sha256"))
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        let path = self.path.join(name);
        fs::write(&path, bytes).map_err(Error::file("write", &path))
    }
}

pub(super) fn sync(path: &Path) -> Result<(), Error> {
    File::open(path)
        .and_then(|file| file.sync_all())
        .map_err(Error::file("sync", path))
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.published
            && let Err(error) = fs::remove_dir_all(&self.path)
        {
            let path = self.path.display();
            tracing::warn!(%error, %path, "could not remove a half-unpacked package");
        }
    }
}
