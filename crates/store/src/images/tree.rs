//! A layer on disk: `root/` and `manifest.json` in a directory named by its digest.

use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use kiln_types::Sha256;

use super::{MANIFEST, Manifest, ROOT};
use crate::error::Error;

/// A layer that is not yet in its place; removed on drop unless published.
pub(super) struct Draft {
    path: PathBuf,
    published: bool,
}

pub(super) fn path(root: &Path, diff_id: &Sha256) -> PathBuf {
    let hex = diff_id.as_str();
    root.join("sha256").join(&hex[..2]).join(hex)
}

/// All layers in their places.
pub(super) fn scan(root: &Path) -> Result<Vec<(Sha256, Manifest)>, Error> {
    let mut found = Vec::new();
    for group in children(&root.join("sha256"))? {
        for path in children(&group)? {
            let damaged = |why: String| Error::Damaged {
                what: path.display().to_string(),
                why: format!("{why}; remove it and update the code of its functions"),
            };
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let digest = name
                .parse()
                .map_err(|_| damaged("is no layer".to_owned()))?;
            let manifest = path.join(MANIFEST);
            let json = fs::read(&manifest).map_err(Error::file("read", &manifest))?;
            let manifest =
                serde_json::from_slice(&json).map_err(|error| damaged(error.to_string()))?;
            found.push((digest, manifest));
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

    /// Where the files go.
    pub(super) fn root(&self) -> PathBuf {
        self.path.join(ROOT)
    }

    /// Syncs everything and puts the layer in its place, at once and for good.
    pub(super) fn publish(
        mut self,
        root: &Path,
        diff_id: &Sha256,
        manifest: &Manifest,
    ) -> Result<(), Error> {
        let json = serde_json::to_vec(manifest).expect("a number is JSON");
        let file = self.path.join(MANIFEST);
        fs::write(&file, json).map_err(Error::file("write", &file))?;
        // Most layers have more files than it would be cheaper to sync one by one.
        let dir = File::open(&self.path).map_err(Error::file("open", &self.path))?;
        let synced = rustix::fs::syncfs(&dir).map_err(std::io::Error::from);
        synced.map_err(Error::file("sync", &self.path))?;
        let path = path(root, diff_id);
        let group = path.parent().expect("a layer lies in its group");
        let made = DirBuilder::new().recursive(true).mode(0o700).create(group);
        made.map_err(Error::file("make directory", group))?;
        fs::rename(&self.path, &path).map_err(Error::file("rename to", &path))?;
        self.published = true;
        for dir in [group, &root.join("sha256")] {
            let opened = File::open(dir).and_then(|dir| dir.sync_all());
            opened.map_err(Error::file("sync", dir))?;
        }
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.published
            && let Err(error) = fs::remove_dir_all(&self.path)
        {
            let path = self.path.display();
            tracing::warn!(%error, %path, "could not remove a half-unpacked layer");
        }
    }
}
