//! Layers of container images by the digest of their uncompressed archive: unpacked once, in the form
//! in which overlayfs takes directories, and shared by every image that has them.
//!
//! As with code packages ([`Artifacts`](crate::Artifacts)) a layer is unpacked beside its place and stands
//! there whole ([`Shelf`]): `root/` and `manifest.json` in a directory named by its digest.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex as StdMutex};
use std::time::Duration;

use kiln_types::{Clock, Moment, Sha256, limits};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use crate::error::Error;
use crate::shelf::Shelf;

mod content;
mod filled;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod name;
mod unpack;

/// Layers unpacked at once; further ones wait.
const UNPACKS_MAX: usize = 2;
/// How long after its last use a layer is safe from [`Images::collect`]: a function with it may be about
/// to be stored.
const COLLECT_GRACE: Duration = Duration::from_secs(1_200);
/// The directory of the unpacked files.
const ROOT: &str = "root";
/// The [`LayerSize`] as JSON.
const MANIFEST: &str = "manifest.json";

/// Why a layer was not taken. Nothing of it is kept.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// All layers together are larger than an image may be.
    #[error("the image is larger than {max} bytes unpacked")]
    TooLarge {
        /// The limit.
        max: u64,
    },
    /// All layers together have more entries than allowed.
    #[error("the image has more than {max} files, links and directories")]
    TooManyEntries {
        /// The limit.
        max: u64,
    },
    /// The bytes are not those that the image names.
    #[error("layer {expected} is not what its digest says: its content has {found}")]
    WrongDigest {
        /// What the image says.
        expected: Sha256,
        /// What the content has.
        found: Sha256,
    },
    /// It cannot be read as an archive.
    #[error("layer {layer} cannot be unpacked: {why}")]
    NotAnArchive {
        /// The layer.
        layer: Sha256,
        /// What is wrong with it.
        why: String,
    },
    /// An entry would harm whoever unpacks or runs it.
    #[error("entry '{entry}' of a layer {why}")]
    Unsafe {
        /// The entry's name.
        entry: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The files could not be read or written.
    #[error(transparent)]
    Store(#[from] Error),
}

/// A layer to be unpacked: so many bytes of a file from its present position on, compressed with gzip,
/// zstd or not at all.
#[derive(Debug)]
pub struct Layer {
    /// The digest of the archive before compression.
    pub diff_id: Sha256,
    /// The digest of the bytes as they are, where it is known.
    pub digest: Option<Sha256>,
    /// Where they are.
    pub file: File,
    /// How many.
    pub bytes: u64,
}

/// How much layers have, or may have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerSize {
    /// Bytes of the uncompressed archives, and of what had to be copied where they have a link.
    pub bytes: u64,
    /// Records of the archives, and directories that were made on the way to them. Layers that were
    /// unpacked before these were counted have none.
    #[serde(default)]
    pub entries: u64,
}

#[derive(Debug, Clone, Copy)]
struct Known {
    /// None where that cannot be read: the layer is damaged.
    size: Option<LayerSize>,
    /// When it was last put or asked for, if since the store was opened.
    used: Option<Moment>,
}

/// All layers of container images.
#[derive(Clone)]
pub struct Images {
    shared: Arc<Shared>,
}

struct Shared {
    shelf: Shelf,
    known: StdMutex<HashMap<Sha256, Known>>,
    unpacks: Arc<Semaphore>,
    clock: Arc<dyn Clock>,
}

impl Images {
    pub(crate) fn open(data: &Path, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        let shelf = Shelf::open(data.join("images"), "layer")?;
        let shared = Shared {
            known: StdMutex::new(scan(&shelf)?),
            shelf,
            unpacks: Arc::new(Semaphore::new(UNPACKS_MAX)),
            clock,
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// Whether a layer is here, and not damaged. From memory.
    pub fn has(&self, diff_id: &Sha256) -> bool {
        let known = self.shared.known();
        known.get(diff_id).is_some_and(|layer| layer.size.is_some())
    }

    /// The size of a layer, when it is here and not damaged. It is safe from [`Images::collect`] for the next twenty
    /// minutes.
    pub fn touch(&self, diff_id: &Sha256) -> Option<LayerSize> {
        let now = self.shared.clock.now();
        let mut known = self.shared.known();
        let layer = known.get_mut(diff_id)?;
        layer.used = Some(now);
        layer.size
    }

    /// The directory with a layer's files. From memory; that of a layer that was never put does not
    /// exist.
    pub fn dir(&self, diff_id: &Sha256) -> PathBuf {
        self.shared.shelf.place(diff_id).join(ROOT)
    }

    /// An empty file for a layer on its way, which is gone when the last descriptor of it is closed.
    pub fn scratch(&self) -> Result<File, Error> {
        let dir = self.shared.shelf.drafts();
        tempfile_in(&dir).map_err(Error::file("make a file in", &dir))
    }

    /// Takes a layer: unpacks it, checks its digests, and has all on disk when this returns its size. One
    /// that is known already costs nothing, and one that is damaged is replaced. More than `size_max` is refused.
    ///
    /// An entry is refused, and the whole layer with it, when its name has `..`, is too long or too deep,
    /// when it lies below a link or a file, or is a hard link to something that the layer has not. Devices and
    /// the like are left out; owners, special permissions and extended attributes are not kept:
    /// everything is readable by all and belongs to the server's user, as with zips.
    pub async fn put(&self, layer: Layer, size_max: LayerSize) -> Result<LayerSize, ImageError> {
        let shared = self.shared.clone();
        let lock = shared.shelf.lock(&layer.diff_id).await;
        if let Some(size) = self.touch(&layer.diff_id) {
            return Ok(size);
        }
        let unpacks = shared.unpacks.clone();
        let permit = unpacks.acquire_owned().await;
        let permit = permit.expect("the semaphore is never closed");
        let unpack = move || {
            let kept = shared.keep(layer, size_max);
            drop((permit, lock));
            kept
        };
        tokio::task::spawn_blocking(unpack)
            .await
            .map_err(|_| Error::Panicked("unpack layer"))?
    }

    /// Removes layers that are not in `keep` and were not used within the last twenty minutes, and
    /// returns how many bytes of archives that were. The caller sees to it that no instance runs on what
    /// it does not keep.
    pub async fn collect(&self, keep: &HashSet<Sha256>) -> Result<u64, Error> {
        let mut freed = 0;
        let all: Vec<Sha256> = self.shared.known().keys().cloned().collect();
        for diff_id in all {
            if !keep.contains(&diff_id) {
                freed += self.remove(diff_id).await?;
            }
        }
        Ok(freed)
    }

    /// Removes a layer that nobody may have any more, unless somebody put it within this time.
    pub(crate) async fn discard(&self, diff_id: Sha256, within: Duration) -> Result<(), Error> {
        self.remove_older(diff_id, within).await.map(|_| ())
    }

    async fn remove(&self, diff_id: Sha256) -> Result<u64, Error> {
        self.remove_older(diff_id, COLLECT_GRACE).await
    }

    async fn remove_older(&self, diff_id: Sha256, grace: Duration) -> Result<u64, Error> {
        let shared = self.shared.clone();
        let lock = shared.shelf.lock(&diff_id).await;
        let remove = move || {
            let Some(layer) = shared.forget_old(&diff_id, grace) else {
                return Ok(0);
            };
            let withdrawn = shared.shelf.withdraw(&diff_id);
            if withdrawn.is_err() {
                // Still in its place: a later collection is to find it.
                shared.known().insert(diff_id, layer);
            }
            drop(lock);
            // Removed here.
            drop(withdrawn?);
            Ok(layer.size.unwrap_or_default().bytes)
        };
        tokio::task::spawn_blocking(remove)
            .await
            .map_err(|_| Error::Panicked("remove layer"))?
    }
}

impl Shared {
    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<Sha256, Known>> {
        self.known.lock().expect("no holder panics")
    }

    /// Forgets a layer that was not used for a while, so that from here on nobody is told that it is
    /// here; what is known of it.
    fn forget_old(&self, diff_id: &Sha256, grace: Duration) -> Option<Known> {
        let now = self.clock.now();
        let mut known = self.known();
        let used = known.get(diff_id)?.used;
        let is_old = used.is_none_or(|used| now.since(used) >= grace);
        is_old.then(|| known.remove(diff_id)).flatten()
    }

    fn keep(&self, layer: Layer, size_max: LayerSize) -> Result<LayerSize, ImageError> {
        let diff_id = layer.diff_id.clone();
        let draft = self.shelf.draft()?;
        let size_max = LayerSize {
            bytes: size_max.bytes.min(LayerSize::IMAGE_MAX.bytes),
            entries: size_max.entries.min(LayerSize::IMAGE_MAX.entries),
        };
        let size = unpack::unpack(layer, &draft.path().join(ROOT), size_max)?;
        let json = serde_json::to_vec(&size).expect("numbers are JSON");
        draft.write(MANIFEST, &json)?;
        // Most layers have more files than it would be cheaper to sync one by one.
        draft.sync_all()?;
        self.shelf.publish(draft, &diff_id)?;
        let known = Known {
            size: Some(size),
            used: Some(self.clock.now()),
        };
        self.known().insert(diff_id, known);
        Ok(size)
    }
}

impl LayerSize {
    /// What all layers of an image may have together.
    pub const IMAGE_MAX: Self = Self {
        bytes: limits::IMAGE_BYTES_MAX,
        entries: limits::IMAGE_ENTRIES_MAX,
    };

    /// That of two layers.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            bytes: self.bytes.saturating_add(other.bytes),
            entries: self.entries.saturating_add(other.entries),
        }
    }

    /// What is left of it.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self {
            bytes: self.bytes.saturating_sub(other.bytes),
            entries: self.entries.saturating_sub(other.entries),
        }
    }

    /// Fails where it is more than another.
    pub fn check(self, max: Self) -> Result<(), ImageError> {
        if self.bytes > max.bytes {
            return Err(ImageError::TooLarge { max: max.bytes });
        }
        if self.entries > max.entries {
            return Err(ImageError::TooManyEntries { max: max.entries });
        }
        Ok(())
    }
}

/// All layers in their places, with their sizes where those can be read.
fn scan(shelf: &Shelf) -> Result<HashMap<Sha256, Known>, Error> {
    let found = shelf.list()?.into_iter().map(|diff_id| {
        let size = size_of(&shelf.place(&diff_id)).inspect_err(|error| {
            let next = "its functions do not start until their code is updated";
            tracing::error!(layer = %diff_id, %error, next, "a layer of an image is damaged");
        });
        let known = Known {
            size: size.ok(),
            used: None,
        };
        (diff_id, known)
    });
    Ok(found.collect())
}

fn size_of(place: &Path) -> Result<LayerSize, Error> {
    let path = place.join(MANIFEST);
    let json = fs::read(&path).map_err(Error::file("read", &path))?;
    serde_json::from_slice(&json).map_err(|error| Error::Damaged {
        what: path.display().to_string(),
        why: error.to_string(),
    })
}

/// A file without a name.
fn tempfile_in(dir: &Path) -> std::io::Result<File> {
    use rustix::fs::{Mode, OFlags};
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    let file = rustix::fs::open(dir, flags, Mode::RUSR | Mode::WUSR)?;
    Ok(file.into())
}
