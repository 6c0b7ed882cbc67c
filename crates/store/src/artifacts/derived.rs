//! What was made of a package, such as compiled code: beside the package, by the name of what made it.
//!
//! It is gone with the package, and may be made again at any time. What was kept is [recorded](super::record) beside it, and compared when
//! the package is; what has no record is not believed, and goes.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use kiln_types::Sha256;

use super::integrity::on_disk;
use super::record::{Recorded, Seal};
use super::{ArtifactError, Artifacts, Shared, blocking};
use crate::error::Error;
use crate::shelf::sync;

/// The directory of everything derived from one package.
const DERIVED: &str = "derived";

/// A file that is being derived, among the drafts. Gone when it is dropped; a crash leaves nothing either.
#[derive(Debug)]
pub struct DerivedDraft {
    path: PathBuf,
    published: bool,
}

impl Artifacts {
    /// Where what a maker derived from a package lies, to be mounted read-only. From memory: the
    /// directory is there once something was put.
    pub fn derived_dir(&self, sha256: &Sha256, maker: &str) -> PathBuf {
        let place = self.shared.shelf.place(sha256);
        place.join(DERIVED).join(maker)
    }

    /// Whether there is something that a maker derived from a package and this server kept. Reads its record alone.
    pub fn has_derived(&self, sha256: &Sha256, maker: &str) -> bool {
        let dir = self.derived_dir(sha256, maker);
        let of = recorded_as(sha256, maker);
        let recorded = self.shared.seal.read(&record_of(&dir), &of);
        matches!(recorded, Recorded::Content(_)) && dir.is_dir()
    }

    /// A new file to be written, and what becomes of it.
    pub async fn draft_derived(&self) -> Result<(File, DerivedDraft), ArtifactError> {
        let path = self.shared.shelf.draft_path();
        blocking("make a draft of what is derived", move || {
            let file = File::create_new(&path).map_err(Error::file("make", &path))?;
            let published = false;
            Ok((file, DerivedDraft { path, published }))
        })
        .await
    }

    /// Keeps a file that a maker derived from a package, written to its end, and removes what other makers
    /// had: makers are versions of one program. The file is there whole or not at all.
    ///
    /// # Errors
    /// [`ArtifactError::NotFound`] when the package is gone.
    pub async fn put_derived(
        &self,
        sha256: &Sha256,
        maker: &str,
        file: &str,
        draft: DerivedDraft,
    ) -> Result<(), ArtifactError> {
        let lock = self.shared.shelf.lock(sha256).await;
        if !self.shared.index.contains(sha256) {
            return Err(ArtifactError::NotFound(sha256.clone()));
        }
        let dir = self.derived_dir(sha256, maker);
        let (path, of) = (dir.join(file), recorded_as(sha256, maker));
        let shared = self.shared.clone();
        blocking("keep what was derived from a package", move || {
            let kept = draft.keep(&dir, &path);
            let kept = kept.and_then(|()| record(&shared.seal, &dir, &of));
            drop(lock);
            Ok(kept?)
        })
        .await
    }
}

impl DerivedDraft {
    fn keep(mut self, dir: &Path, path: &Path) -> Result<(), Error> {
        let all = dir.parent().expect("a maker's directory lies among others");
        for others in fs::read_dir(all).into_iter().flatten().flatten() {
            let other = others.path();
            if other.is_dir() && other != dir {
                fs::remove_dir_all(&other).map_err(Error::file("remove", &other))?;
            } else if other.is_file() {
                // A record, of what goes or of what is made anew.
                fs::remove_file(&other).map_err(Error::file("remove", &other))?;
            }
        }
        let made = DirBuilder::new().recursive(true).mode(0o755).create(dir);
        made.map_err(Error::file("make directory", dir))?;
        // Sandboxes are users of their own.
        for (path, mode) in [(self.path.as_path(), 0o644), (dir, 0o755)] {
            let set = fs::set_permissions(path, Permissions::from_mode(mode));
            set.map_err(Error::file("set permissions of", path))?;
        }
        sync(&self.path)?;
        fs::rename(&self.path, path).map_err(Error::file("rename to", path))?;
        self.published = true;
        sync(dir)
    }
}

impl Shared {
    /// Removes what was derived from a package and is not known to be what was kept, and says what that was where it is told.
    pub(super) fn check_derived(&self, sha256: &Sha256) -> Result<Option<String>, Error> {
        let all = self.shelf.place(sha256).join(DERIVED);
        let mut altered = None;
        for entry in fs::read_dir(&all).into_iter().flatten().flatten() {
            let dir = entry.path();
            if !dir.is_dir() {
                continue;
            }
            let maker = entry.file_name();
            let of = recorded_as(sha256, &maker.to_string_lossy());
            match self.seal.read(&record_of(&dir), &of) {
                Recorded::Content(kept) if on_disk(&dir).is_ok_and(|found| found == kept) => {
                    continue;
                }
                // An earlier version's, or a crash came before its record.
                Recorded::Nothing => {
                    tracing::info!(%sha256, ?maker, "what was derived of a package has no record; it is to be made anew");
                }
                _ => altered = Some("what was compiled of it was altered".to_owned()),
            }
            fs::remove_dir_all(&dir).map_err(Error::file("remove", &dir))?;
        }
        Ok(altered)
    }
}

/// What the record of what a maker derived is of.
fn recorded_as(sha256: &Sha256, maker: &str) -> String {
    format!("derived {sha256} {maker}")
}

/// Where it stands what a maker's directory has.
fn record_of(dir: &Path) -> PathBuf {
    dir.with_extension("content")
}

fn record(seal: &Seal, dir: &Path, of: &str) -> Result<(), Error> {
    seal.write(&record_of(dir), of, &on_disk(dir)?)
}

impl Drop for DerivedDraft {
    fn drop(&mut self) {
        if !self.published
            && let Err(error) = fs::remove_file(&self.path)
            && error.kind() != io::ErrorKind::NotFound
        {
            let path = self.path.display();
            tracing::warn!(%error, %path, "could not remove what was half-derived");
        }
    }
}
