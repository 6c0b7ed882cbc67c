//! Rows in records: in DynamoDB's form and in plain JSON, without values that are too large.

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::attribute::Both;

/// A value larger than this is left out: it would be in the record four times.
pub(super) const VALUE_BYTES_MAX: usize = 1024 * 1024;

/// Columns in their order.
pub(super) struct Columns<'a>(Vec<(&'a str, Box<RawValue>)>);

/// A row in both forms.
pub(super) struct Image<'a> {
    pub(super) plain: Columns<'a>,
    pub(super) attributes: Columns<'a>,
    pub(super) size: usize,
}

impl<'a> Image<'a> {
    pub(super) fn empty() -> Self {
        Self {
            plain: Columns(Vec::new()),
            attributes: Columns(Vec::new()),
            size: 0,
        }
    }

    /// One more column, and what its value takes at the source.
    pub(super) fn push(&mut self, name: &'a str, value: Both, size: usize) {
        self.size += name.len() + size;
        self.plain.0.push((name, value.plain));
        self.attributes.0.push((name, value.attribute));
    }
}

impl Serialize for Columns<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}
