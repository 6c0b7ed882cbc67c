//! The archives of a bus, read: patterns that need no more parsing.

use std::sync::Arc;

use kiln_events::pattern::{Limits, Pattern};
use kiln_store::archives::OfBus;
use kiln_types::{Archive, ArchiveId};

/// A bus's archives that were read.
pub(super) struct ReadArchives {
    /// As they were then: by its address it is told whether they are still so.
    pub(super) of: Arc<OfBus>,
    pub(super) all: Vec<ReadArchive>,
}

/// An archive.
pub(super) struct ReadArchive {
    pub(super) id: ArchiveId,
    /// What it wants; none means everything.
    pub(super) pattern: Option<Pattern>,
}

impl ReadArchives {
    pub(super) fn read(of: Arc<OfBus>) -> Self {
        let all = of.archives.values().filter_map(|archive| read(archive));
        Self {
            all: all.collect(),
            of,
        }
    }
}

fn read(archive: &Archive) -> Option<ReadArchive> {
    let pattern = archive.pattern.as_deref();
    let pattern = pattern.map(|pattern| Pattern::parse(pattern, &Limits::default()));
    match pattern.transpose() {
        Ok(pattern) => Some(ReadArchive {
            id: archive.id.clone(),
            pattern,
        }),
        Err(error) => {
            // It was valid when it was kept.
            tracing::error!(%error, archive = %archive.id, "the pattern of an archive cannot be read; update the archive");
            None
        }
    }
}
