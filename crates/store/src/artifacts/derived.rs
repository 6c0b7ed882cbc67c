//! What was made of a package, such as compiled code: beside the package, by the name of what made it.
//!
//! It is gone with the package, and may be made again at any time.

use std::fs::{self, DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use kiln_types::Sha256;

use super::{ArtifactError, Artifacts, blocking};
use crate::error::Error;
use crate::shelf::sync;

/// The directory of everything derived from one package.
const DERIVED: &str = "derived";

impl Artifacts {
    /// Where what a maker derived from a package lies, to be mounted read-only. From memory: the
    /// directory is there once something was put.
    pub fn derived_dir(&self, sha256: &Sha256, maker: &str) -> PathBuf {
        let place = self.shared.shelf.place(sha256);
        place.join(DERIVED).join(maker)
    }

    /// Keeps a file that a maker derived from a package, and removes what other makers had: makers
    /// are versions of one program. The file is there whole or not at all.
    ///
    /// # Errors
    /// [`ArtifactError::NotFound`] when the package is gone.
    pub async fn put_derived(
        &self,
        sha256: &Sha256,
        maker: &str,
        file: &str,
        content: Bytes,
    ) -> Result<(), ArtifactError> {
        let lock = self.shared.shelf.lock(sha256).await;
        if !self.shared.index.contains(sha256) {
            return Err(ArtifactError::NotFound(sha256.clone()));
        }
        let dir = self.derived_dir(sha256, maker);
        let (draft, path) = (self.shared.shelf.draft_path(), dir.join(file));
        blocking("keep what was derived from a package", move || {
            let kept = keep(&dir, &draft, &path, &content);
            drop(lock);
            Ok(kept?)
        })
        .await
    }
}

fn keep(dir: &Path, draft: &Path, path: &Path, content: &[u8]) -> Result<(), Error> {
    let all = dir.parent().expect("a maker's directory lies among others");
    for others in fs::read_dir(all).into_iter().flatten().flatten() {
        let other = others.path();
        if other != dir {
            fs::remove_dir_all(&other).map_err(Error::file("remove", &other))?;
        }
    }
    let made = DirBuilder::new().recursive(true).mode(0o755).create(dir);
    made.map_err(Error::file("make directory", dir))?;
    fs::write(draft, content).map_err(Error::file("write", draft))?;
    // Sandboxes are users of their own.
    for (path, mode) in [(draft, 0o644), (dir, 0o755)] {
        let set = fs::set_permissions(path, Permissions::from_mode(mode));
        set.map_err(Error::file("set permissions of", path))?;
    }
    sync(draft)?;
    fs::rename(draft, path).map_err(Error::file("rename to", path))?;
    sync(dir)
}
