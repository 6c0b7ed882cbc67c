//! Packages that are in memory as wholes, while they are sent or come from a bucket: together they take no more than a limit.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::ArtifactError;

/// MiB that all of them may take: four of the largest packages.
const MIB_MAX: usize = 1_000;

/// What packages in memory may take.
#[derive(Clone)]
pub(super) struct Rooms(Arc<Semaphore>);

/// A package's share of it.
pub struct Room {
    _mib: OwnedSemaphorePermit,
}

struct Kept {
    bytes: Bytes,
    _room: Room,
}

impl Rooms {
    pub(super) fn new() -> Self {
        Self(Arc::new(Semaphore::new(MIB_MAX)))
    }

    /// Room for so many bytes. Nobody waits for it: who holds it may be slow on purpose.
    pub(super) fn take(&self, bytes: u64) -> Result<Room, ArtifactError> {
        let mib = bytes.div_ceil(1 << 20).max(1);
        let mib = u32::try_from(mib).map_err(|_| ArtifactError::Crowded)?;
        let taken = self.0.clone().try_acquire_many_owned(mib);
        match taken {
            Ok(mib) => Ok(Room { _mib: mib }),
            Err(_) => Err(ArtifactError::Crowded),
        }
    }
}

impl Room {
    /// The bytes of a package, which give its room back when nobody has them any more.
    pub fn keep(self, bytes: Bytes) -> Bytes {
        Bytes::from_owner(Kept { bytes, _room: self })
    }
}

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_taken_for_as_long_as_somebody_has_the_bytes() {
        let rooms = Rooms::new();
        let most = (MIB_MAX as u64) << 20;
        let package = rooms
            .take(most - 1)
            .unwrap()
            .keep(Bytes::from_static(b"zip"));
        assert!(matches!(rooms.take(1), Err(ArtifactError::Crowded)));
        let part = package.slice(1..);
        drop(package);
        assert!(rooms.take(1).is_err());
        assert_eq!(part, "ip");
        drop(part);
        assert!(rooms.take(most).is_ok());
        assert!(rooms.take(u64::MAX).is_err());
    }
}
