//! The place up to which a source is done, where the source does not keep it itself: in Kiln's own store, on disk before
//! it counts.

use kiln_store::Store;
use kiln_types::MappingId;

use crate::source::Trouble;

/// The place of one mapping. Clones are of the same.
#[derive(Clone)]
pub(crate) struct PlaceKept {
    store: Store,
    mapping: MappingId,
}

impl PlaceKept {
    pub(crate) fn new(store: Store, mapping: MappingId) -> Self {
        Self { store, mapping }
    }

    /// What was kept last.
    pub(crate) async fn read(&self) -> Result<Option<String>, Trouble> {
        let place = self.store.mappings().place(self.mapping).await;
        place.map_err(|error| trouble(&error))
    }

    /// Puts a place on disk.
    pub(crate) async fn keep(&self, place: &str) -> Result<(), Trouble> {
        let kept = self.store.mappings().keep_place(self.mapping, place).await;
        kept.map_err(|error| trouble(&error))
    }
}

fn trouble(error: &kiln_store::Error) -> Trouble {
    Trouble::new(format!(
        "the place in the source could not be kept or read: {error}"
    ))
}
