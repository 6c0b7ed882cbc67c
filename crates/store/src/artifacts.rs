//! Code packages by the SHA-256 of their zip: checked, unpacked once, served read-only.
//!
//! A package is unpacked beside its place and stands there whole ([`Shelf`]). One blocking task does
//! the work of a package and owns all that it holds, so that a caller who goes away leaves nothing
//! half-done.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kiln_types::function::Code;
use kiln_types::{Clock, Sha256, limits};
use sha2::Digest;
use tokio::sync::Semaphore;

use crate::error::Error;
use crate::server_secret::Secret;
use crate::shelf::Shelf;

mod check;
mod derived;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod index;
mod integrity;
mod link;
mod package;
mod record;
mod room;
#[cfg(test)]
mod tests;
mod unpack;

pub use derived::DerivedDraft;
use index::{Index, Reservation, Trust};
pub use integrity::Checked;
use integrity::{Identity, Lock};
use record::Seal;
pub use room::Room;
use room::Rooms;

/// Packages unpacked at once: each is held in memory meanwhile. Further ones wait.
const UNPACKS_MAX: usize = 4;
/// How long after its upload a package is safe from [`Artifacts::collect`]: its function may be
/// about to be created.
const COLLECT_GRACE: Duration = Duration::from_secs(1_200);

/// Why a package was not taken. Nothing of it is kept.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// The zip is larger than this way of uploading allows.
    #[error("the zip has {bytes} bytes, {max} are allowed")]
    TooLargeZipped {
        /// Its size.
        bytes: u64,
        /// The limit.
        max: u64,
    },
    /// The files together are larger than allowed; AWS says
    /// `Unzipped size must be smaller than 262144000 bytes`.
    #[error("Unzipped size must be smaller than {max} bytes")]
    TooLargeUnzipped {
        /// The limit.
        max: u64,
    },
    /// More files and directories than allowed.
    #[error("the zip has more than {max} files and directories")]
    TooManyEntries {
        /// The limit.
        max: usize,
    },
    /// The zip has no entries.
    #[error("the zip is empty")]
    Empty,
    /// It cannot be read as a zip; AWS says `Could not unzip uploaded file. Please check your
    /// file, then try to upload again.`
    #[error("could not unzip: {why}")]
    NotAZip {
        /// What is wrong with it.
        why: String,
    },
    /// An entry would harm whoever unpacks or runs it.
    #[error("entry '{entry}' of the zip {why}")]
    Unsafe {
        /// The entry's name.
        entry: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// All code together would be larger than allowed; AWS's is `CodeStorageExceededException`.
    #[error("code storage limit of {max} bytes exceeded")]
    StorageFull {
        /// The limit.
        max: u64,
    },
    /// Packages that are being read take all the memory that they may.
    #[error("packages that are being read take all the memory that they may; try again")]
    Crowded,
    /// There is no such package.
    #[error("package {0} does not exist")]
    NotFound(Sha256),
    /// Its files on disk are not what was uploaded. They must not be run.
    #[error("the files of package {sha256} are not what was uploaded: {what}; {}", next_step(.is_restored))]
    NotIntact {
        /// Which package.
        sha256: Sha256,
        /// What is wrong, for people.
        what: String,
        /// Whether it was unpacked anew from its zip, and may be used now.
        is_restored: bool,
    },
    /// The files could not be read or written.
    #[error(transparent)]
    Store(#[from] Error),
}

fn next_step(is_restored: &bool) -> &'static str {
    match is_restored {
        true => "they were unpacked anew from its zip, so try again",
        false => "upload the code again",
    }
}

/// How much may be kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Quota {
    /// The files of one package.
    pub(crate) unzipped_bytes_max: u64,
    /// Files, links and directories of one package.
    pub(crate) entries_max: usize,
    /// The zips of all packages.
    pub(crate) total_bytes_max: u64,
}

impl Default for Quota {
    fn default() -> Self {
        Self {
            unzipped_bytes_max: limits::UNZIPPED_BYTES_MAX,
            // AWS names no limit. A package of the largest size with more has 2.6 kB a file.
            entries_max: 100_000,
            total_bytes_max: limits::CODE_STORAGE_BYTES_MAX,
        }
    }
}

/// All code packages.
#[derive(Clone)]
pub struct Artifacts {
    shared: Arc<Shared>,
}

struct Shared {
    shelf: Shelf,
    quota: Quota,
    seal: Seal,
    index: Arc<Index>,
    unpacks: Arc<Semaphore>,
    /// Packages that are read whole at once.
    checks: Arc<Semaphore>,
    rooms: Rooms,
    clock: Arc<dyn Clock>,
}

impl Artifacts {
    /// `secret` is what records of packages are sealed by: with another one packages are compared with their zips.
    pub(crate) fn open(
        data: &Path,
        quota: Quota,
        secret: &Secret,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Error> {
        let shelf = Shelf::open(data.join("artifacts"), "package")?;
        let index = Index::default();
        for code in package::scan(&shelf)? {
            index.add_found(code);
        }
        let shared = Shared {
            shelf,
            quota,
            seal: Seal::new(secret),
            index: Arc::new(index),
            unpacks: Arc::new(Semaphore::new(UNPACKS_MAX)),
            checks: Arc::new(Semaphore::new(integrity::CHECKS_MAX)),
            rooms: Rooms::new(),
            clock,
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// Takes a package: checks it, unpacks it and keeps both forms; all is on disk when this
    /// returns. One that is known already costs its digest only, and its files are read where they were
    /// not since the start: one that is damaged is replaced. Several uploads of the same do the work
    /// once. `zipped_bytes_max` depends on how it was uploaded:
    /// [`limits::ZIPPED_BYTES_MAX`] in a request body, [`limits::UNZIPPED_BYTES_MAX`] from a
    /// bucket.
    ///
    /// A package is refused whole when an entry is absolute, has `..`, a backslash or NUL in its
    /// name, is a device or the like, is there twice, lies below a file or link, or is a link that
    /// leads out of the package, be it through other links. Of the permissions only "executable"
    /// is kept: everything is readable by all and belongs to the server's user.
    ///
    /// A WebAssembly module instead of a zip is a package with one file, `main.wasm`.
    pub async fn put_zip(&self, zip: Bytes, zipped_bytes_max: u64) -> Result<Code, ArtifactError> {
        let (bytes, max) = (zip.len() as u64, zipped_bytes_max);
        if bytes > max {
            return Err(ArtifactError::TooLargeZipped { bytes, max });
        }
        let hashed = zip.clone();
        let sha256 = blocking("hash package", move || {
            Ok(Sha256::from_bytes(sha2::Sha256::digest(&hashed).into()))
        })
        .await?;
        let shared = self.shared.clone();
        let lock = shared.shelf.lock(&sha256).await;
        let lock = self.recover(&sha256, lock).await?;
        if let Some(code) = shared.index.touch(&sha256, shared.clock.now()) {
            return Ok(code);
        }
        let reservation = Index::reserve(&shared.index, bytes, shared.quota.total_bytes_max)?;
        let unpacks = shared.unpacks.clone();
        let permit = unpacks
            .acquire_owned()
            .await
            .expect("the semaphore is never closed");
        blocking("unpack package", move || {
            let kept = shared.keep(&sha256, &zip, reservation);
            drop((permit, lock));
            kept
        })
        .await
    }

    /// Sees to a package that is uploaded again: what is not intact is unpacked anew, or else taken away.
    async fn recover(&self, sha256: &Sha256, lock: Lock) -> Result<Lock, ArtifactError> {
        if !self.shared.index.contains(sha256) || self.checked(sha256).is_some() {
            return Ok(lock);
        }
        let (lock, examined) = self.examine_locked(lock, sha256).await?;
        match examined {
            Err(
                error @ ArtifactError::NotIntact {
                    is_restored: true, ..
                },
            ) => tracing::error!(%error, "code on disk is not what was uploaded"),
            Err(ArtifactError::NotIntact { .. }) => {
                let (shared, sha256) = (self.shared.clone(), sha256.clone());
                blocking("remove package", move || Ok(shared.take_away(&sha256)?)).await?;
            }
            _ => {}
        }
        Ok(lock)
    }

    /// The directory with the unpacked files, to be mounted read-only as `/var/task`: nothing may
    /// be written there, not even compiled bytecode. From memory; the path of a package that was
    /// never put does not exist.
    pub fn dir(&self, sha256: &Sha256) -> PathBuf {
        self.shared.shelf.place(sha256).join(package::CODE)
    }

    /// The zip as it was uploaded, with its [`Room`].
    pub async fn zip(&self, sha256: &Sha256) -> Result<Bytes, ArtifactError> {
        if !self.shared.index.contains(sha256) {
            return Err(ArtifactError::NotFound(sha256.clone()));
        }
        let path = self.shared.shelf.place(sha256).join(package::ZIP);
        let rooms = self.shared.rooms.clone();
        let read = move || {
            let about = fs::metadata(&path).map_err(Error::file("look at", &path))?;
            let room = rooms.take(about.len())?;
            let zip = fs::read(&path).map_err(Error::file("read", &path))?;
            Ok(room.keep(zip.into()))
        };
        blocking("read package", read).await
    }

    /// Room for a package that is read from somewhere else.
    ///
    /// # Errors
    /// [`ArtifactError::Crowded`]: others take all that there is.
    pub fn room_for(&self, bytes: u64) -> Result<Room, ArtifactError> {
        self.shared.rooms.take(bytes)
    }

    /// The zips together, in bytes: what AWS counts as code storage.
    pub fn total_bytes(&self) -> u64 {
        self.shared.index.total_bytes()
    }

    /// Removes packages that are not in `keep` and were not uploaded within the last twenty minutes
    /// (their function may be about to be created), and returns how many bytes of zips that were.
    /// The caller sees to it that no instance runs on what it does not keep.
    pub async fn collect(&self, keep: &HashSet<Sha256>) -> Result<u64, Error> {
        let mut freed = 0;
        for sha256 in self.shared.index.known() {
            if !keep.contains(&sha256) {
                freed += self.remove(sha256).await?;
            }
        }
        Ok(freed)
    }

    /// Whether there is such a package. From memory.
    pub(crate) fn has(&self, sha256: &Sha256) -> bool {
        self.shared.index.contains(sha256)
    }

    /// Removes a package that nobody may have any more, unless somebody put it within this time.
    pub(crate) async fn discard(&self, sha256: Sha256, within: Duration) -> Result<(), Error> {
        let shared = self.shared.clone();
        let lock = shared.shelf.lock(&sha256).await;
        let now = shared.clock.now();
        if !shared.index.is_untouched_for(&sha256, within, now) {
            return Ok(());
        }
        let remove = move || {
            let freed = shared.take_away(&sha256);
            drop(lock);
            freed.map(|_| ())
        };
        tokio::task::spawn_blocking(remove)
            .await
            .map_err(|_| Error::Panicked("remove package"))?
    }

    async fn remove(&self, sha256: Sha256) -> Result<u64, Error> {
        let shared = self.shared.clone();
        let lock = shared.shelf.lock(&sha256).await;
        let now = shared.clock.now();
        if !shared.index.is_untouched_for(&sha256, COLLECT_GRACE, now) {
            return Ok(0);
        }
        let remove = move || {
            let freed = shared.take_away(&sha256);
            drop(lock);
            freed
        };
        tokio::task::spawn_blocking(remove)
            .await
            .map_err(|_| Error::Panicked("remove package"))?
    }
}

impl Shared {
    fn keep(
        &self,
        sha256: &Sha256,
        zip: &Bytes,
        reservation: Reservation,
    ) -> Result<Code, ArtifactError> {
        let draft = self.shelf.draft()?;
        let (code, content) = package::fill(&draft, sha256, zip, &self.quota, &self.seal)?;
        let files = draft.path().join(package::CODE);
        let identity = Identity::of(&files)?;
        let checked = Arc::new(Checked::of(&files, sha256, &content)?);
        self.shelf.publish(draft, sha256)?;
        let trust = Trust::Checked(checked, identity);
        reservation.fulfil(code.clone(), trust, self.clock.now());
        Ok(code)
    }

    /// Forgets a package and removes it; returns how many bytes its zip had.
    fn take_away(&self, sha256: &Sha256) -> Result<u64, Error> {
        let withdrawn = self.shelf.withdraw(sha256)?;
        let freed = self.index.remove(sha256);
        // Removed here.
        drop(withdrawn);
        Ok(freed)
    }
}

async fn blocking<T: Send + 'static>(
    doing: &'static str,
    work: impl FnOnce() -> Result<T, ArtifactError> + Send + 'static,
) -> Result<T, ArtifactError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| Error::Panicked(doing))?
}
