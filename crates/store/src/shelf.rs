//! Directories named by digests. Each is filled as a draft, synced and renamed to its place, so that what
//! stands in a place is whole.
//!
//! ```text
//! <root>/tmp/7                a draft; removed on drop, and all of them when the shelf is opened
//! <root>/sha256/ab/ab12…/     in its place
//! ```

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use kiln_types::Sha256;
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::directory::make_private_dir;
use crate::error::Error;

/// What has a digest is put and removed under one of so many locks, chosen by it.
const LOCKS: usize = 64;

pub(crate) struct Shelf {
    root: PathBuf,
    /// What stands here, for the log.
    what: &'static str,
    locks: Vec<Arc<Mutex<()>>>,
    drafts: AtomicU64,
}

/// A directory that is not in its place, or not any more. It is removed on drop; what is left of it then, or by a crash, is removed on
/// the next start.
pub(crate) struct Draft {
    path: PathBuf,
    what: &'static str,
    published: bool,
}

impl Shelf {
    pub(crate) fn open(root: PathBuf, what: &'static str) -> Result<Self, Error> {
        let shelf = Self {
            root,
            what,
            locks: (0..LOCKS).map(|_| Arc::default()).collect(),
            drafts: AtomicU64::new(0),
        };
        let drafts = shelf.drafts();
        for dir in [&shelf.root, &shelf.places(), &drafts] {
            make_private_dir(dir)?;
        }
        if let Err(error) = fs::remove_dir_all(&drafts) {
            let path = drafts.display();
            tracing::warn!(%error, %path, what, "drafts that an earlier run left could not be removed; remove them by hand");
        }
        make_private_dir(&drafts)?;
        Ok(shelf)
    }

    /// Where the directory of a digest stands, if it does.
    pub(crate) fn place(&self, digest: &Sha256) -> PathBuf {
        let hex = digest.as_str();
        self.places().join(&hex[..2]).join(hex)
    }

    /// The digests of all directories that stand in their places. What else lies there is not ours, and stays.
    pub(crate) fn list(&self) -> Result<Vec<Sha256>, Error> {
        let mut found = Vec::new();
        for group in children(&self.places())? {
            if !group.is_dir() {
                self.is_not_ours(&group);
                continue;
            }
            for place in children(&group)? {
                let name = place.file_name().unwrap_or_default().to_string_lossy();
                match name.parse() {
                    Ok(digest) if self.place(&digest) == place && place.is_dir() => {
                        found.push(digest);
                    }
                    _ => self.is_not_ours(&place),
                }
            }
        }
        Ok(found)
    }

    fn is_not_ours(&self, path: &Path) {
        let (path, what) = (path.display(), self.what);
        tracing::warn!(%path, what, "something else lies where these are kept; it is left alone");
    }

    pub(crate) async fn lock(&self, digest: &Sha256) -> OwnedMutexGuard<()> {
        let first = usize::from(digest.to_bytes()[0]);
        self.locks[first % LOCKS].clone().lock_owned().await
    }

    /// Where drafts lie, on the same file system as the places.
    pub(crate) fn drafts(&self) -> PathBuf {
        self.root.join("tmp")
    }

    /// A path there that nothing else has.
    pub(crate) fn draft_path(&self) -> PathBuf {
        loop {
            let number = self.drafts.fetch_add(1, Ordering::Relaxed);
            let path = self.drafts().join(number.to_string());
            if is_absent(&path) {
                return path;
            }
        }
    }

    pub(crate) fn draft(&self) -> Result<Draft, Error> {
        let path = self.draft_path();
        let made = DirBuilder::new().mode(0o700).create(&path);
        made.map_err(Error::file("make directory", &path))?;
        Ok(self.draft_at(path))
    }

    fn draft_at(&self, path: PathBuf) -> Draft {
        Draft {
            path,
            what: self.what,
            published: false,
        }
    }

    /// Puts a draft, which was synced, in its place, at once and for good. What stands there, and nobody knew, goes.
    pub(crate) fn publish(&self, mut draft: Draft, digest: &Sha256) -> Result<(), Error> {
        let place = self.place(digest);
        let group = place.parent().expect("a place lies in its group");
        let made = DirBuilder::new().recursive(true).mode(0o700).create(group);
        made.map_err(Error::file("make directory", group))?;
        if !is_absent(&place) {
            self.withdraw(digest)?;
        }
        fs::rename(&draft.path, &place).map_err(Error::file("rename to", &place))?;
        draft.published = true;
        sync(group)?;
        sync(&self.places())
    }

    /// Takes a directory out of its place at once, if it stands there: it is a draft then, and gone when that is dropped.
    pub(crate) fn withdraw(&self, digest: &Sha256) -> Result<Option<Draft>, Error> {
        let (place, path) = (self.place(digest), self.draft_path());
        match fs::rename(&place, &path) {
            Err(_) if is_absent(&place) => Ok(None),
            renamed => {
                renamed.map_err(Error::file("remove", &place))?;
                Ok(Some(self.draft_at(path)))
            }
        }
    }

    fn places(&self) -> PathBuf {
        self.root.join("sha256")
    }
}

impl Draft {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        let path = self.path.join(name);
        fs::write(&path, bytes).map_err(Error::file("write", &path))
    }

    /// Syncs the whole file system, which is cheaper than many files one by one.
    pub(crate) fn sync_all(&self) -> Result<(), Error> {
        let dir = File::open(&self.path).map_err(Error::file("open", &self.path))?;
        let synced = rustix::fs::syncfs(&dir).map_err(io::Error::from);
        synced.map_err(Error::file("sync", &self.path))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.published
            && let Err(error) = fs::remove_dir_all(&self.path)
        {
            let (path, what) = (self.path.display(), self.what);
            tracing::warn!(%error, %path, what, "could not remove a draft; it is removed on the next start");
        }
    }
}

/// Syncs a file or the entries of a directory.
pub(crate) fn sync(path: &Path) -> Result<(), Error> {
    File::open(path)
        .and_then(|file| file.sync_all())
        .map_err(Error::file("sync", path))
}

fn is_absent(path: &Path) -> bool {
    let found = path.symlink_metadata();
    found.is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

fn children(dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let entries = fs::read_dir(dir).map_err(Error::file("list", dir))?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    paths
        .collect::<Result<_, _>>()
        .map_err(Error::file("list", dir))
}
