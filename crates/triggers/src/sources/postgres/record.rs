//! A change as the function gets it: in the shape of DynamoDB Streams, so that what reads those reads this, and beside
//! it, under `postgresql`, in plain JSON.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use bytes::Bytes;
use kiln_types::Timestamp;
use serde::Serialize;

use super::pgoutput::{Begin, Cell, Old, Relation, Tuple};
use super::value;
use crate::record::{Key, RECORD_BYTES_MAX, Record};
use crate::sources::attribute;
use crate::sources::image::{Columns, Image, VALUE_BYTES_MAX};

/// What all records of a mapping say of where they come from.
#[derive(Debug)]
pub(super) struct Origin {
    pub(super) region: String,
    pub(super) arn: String,
    pub(super) database: String,
}

/// What happened to a table or a row.
pub(super) struct Change<'a> {
    pub(super) relation: &'a Relation,
    /// The columns of its primary key.
    pub(super) primary_key: &'a [String],
    pub(super) transaction: Begin,
    /// Its place in the transaction.
    pub(super) place: u32,
    pub(super) what: What,
}

pub(super) enum What {
    Insert(Tuple),
    Update(Option<Old>, Tuple),
    Delete(Old),
    Truncate,
}

#[derive(Serialize)]
struct Document<'a> {
    #[serde(rename = "eventID")]
    event_id: String,
    #[serde(rename = "eventName")]
    event_name: &'static str,
    #[serde(rename = "eventVersion")]
    event_version: &'static str,
    #[serde(rename = "eventSource")]
    event_source: &'static str,
    #[serde(rename = "awsRegion")]
    region: &'a str,
    dynamodb: Dynamo<'a>,
    #[serde(rename = "eventSourceARN")]
    arn: &'a str,
    postgresql: Plain<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Dynamo<'a> {
    approximate_creation_date_time: f64,
    keys: Columns<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    new_image: Option<Columns<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    old_image: Option<Columns<'a>>,
    sequence_number: &'a str,
    size_bytes: usize,
    stream_view_type: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Plain<'a> {
    database: &'a str,
    schema: &'a str,
    table: &'a str,
    operation: &'static str,
    lsn: String,
    transaction_id: u32,
    committed: String,
    keys: Columns<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    new: Option<Columns<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    old: Option<Columns<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    old_keys: Option<Columns<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unchanged: Vec<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    omitted: Vec<&'a str>,
}

impl Change<'_> {
    /// The record of the change.
    pub(super) fn record(self, origin: &Origin) -> Record {
        let Begin {
            commit,
            committed_ms,
            ..
        } = self.transaction;
        let id = format!("{:020}{:010}", commit.0, self.place);
        let key = self.key();
        let document = self.document(origin, &id);
        Record {
            id: id.into(),
            key,
            created: Timestamp::from_millis(committed_ms),
            document,
        }
    }

    /// As JSON that is not too large: of the largest values some are left out, and named.
    fn document(mut self, origin: &Origin, id: &str) -> Bytes {
        self.fill_in();
        let keys = self.key_columns();
        let mut omitted = BTreeSet::new();
        let mut sizes: Vec<(usize, usize)> = (0..self.relation.columns.len())
            .filter(|column| !keys.contains(column))
            .map(|column| (self.size_of(column), column))
            .collect();
        sizes.sort_unstable();
        while let Some((_, column)) = sizes.pop_if(|(size, _)| *size > VALUE_BYTES_MAX) {
            omitted.insert(column);
        }
        loop {
            let text = serde_json::to_vec(&self.shown(origin, id, &keys, &omitted));
            let text = text.expect("texts, numbers and JSON are JSON");
            match sizes.pop() {
                Some((_, column)) if text.len() > RECORD_BYTES_MAX => omitted.insert(column),
                _ => return text.into(),
            };
        }
    }

    fn shown<'s>(
        &'s self,
        origin: &'s Origin,
        id: &'s str,
        keys: &BTreeSet<usize>,
        omitted: &BTreeSet<usize>,
    ) -> Document<'s> {
        let relation = self.relation;
        let Begin {
            commit,
            committed_ms,
            transaction,
        } = self.transaction;
        let rest = |column: &usize| !omitted.contains(column);
        let all: Vec<usize> = (0..relation.columns.len()).filter(rest).collect();
        let keys: Vec<usize> = keys.iter().copied().collect();
        let (event_name, operation) = self.what.names();
        let told_by = self
            .what
            .new_row()
            .or(self.what.old())
            .map(|row| self.image(row, &keys));
        let told_by = told_by.unwrap_or_else(Image::empty);
        let new = self.what.new_row().map(|row| self.image(row, &all));
        let old = self.what.old_row().map(|row| self.image(row, &all));
        let old_keys = self.what.old_key().map(|row| self.image(row, &keys));
        let images = [Some(&told_by), new.as_ref(), old.as_ref()];
        let size_bytes = images.into_iter().flatten().map(|image| image.size).sum();
        let unchanged = |cell: &Cell| *cell == Cell::Unchanged;
        let named = |columns: Vec<usize>| columns.iter().map(|at| self.name(*at)).collect();
        let unchanged = self.what.new_row().map_or(Vec::new(), |row| {
            all.iter()
                .copied()
                .filter(|at| row.get(*at).is_some_and(unchanged))
                .collect()
        });
        Document {
            event_id: format!("{:016x}{:016x}", commit.0, self.place),
            event_name,
            event_version: "1.1",
            event_source: "kiln:postgresql",
            region: &origin.region,
            dynamodb: Dynamo {
                approximate_creation_date_time: committed_ms as f64 / 1_000.0,
                keys: told_by.attributes,
                sequence_number: id,
                size_bytes,
                stream_view_type: match relation.is_full {
                    true => "NEW_AND_OLD_IMAGES",
                    false => "NEW_IMAGE",
                },
                new_image: None,
                old_image: None,
            },
            arn: &origin.arn,
            postgresql: Plain {
                database: &origin.database,
                schema: &relation.schema,
                table: &relation.table,
                operation,
                lsn: commit.to_string(),
                transaction_id: transaction,
                committed: Timestamp::from_millis(committed_ms).to_string(),
                keys: told_by.plain,
                new: None,
                old: None,
                old_keys: old_keys.map(|image| image.plain),
                unchanged: named(unchanged),
                omitted: named(omitted.iter().copied().collect()),
            },
        }
        .with(new, old)
    }

    fn image<'s>(&'s self, row: &Tuple, columns: &[usize]) -> Image<'s> {
        let mut image = Image::empty();
        for at in columns {
            let (Some(column), Some(cell)) = (self.relation.columns.get(*at), row.get(*at)) else {
                continue;
            };
            let both = match cell {
                Cell::Null => attribute::null(),
                Cell::Unchanged => continue,
                Cell::Text(text) => value::both(column.kind, &String::from_utf8_lossy(text)),
            };
            image.push(&column.name, both, size(cell));
        }
        image
    }

    /// A value that was not logged is in the old row, where that is there.
    fn fill_in(&mut self) {
        if let What::Update(Some(Old::Row(old)), new) = &mut self.what {
            for (new, old) in new.iter_mut().zip(old) {
                if *new == Cell::Unchanged {
                    new.clone_from(old);
                }
            }
        }
    }

    /// The columns by which rows are told apart.
    fn key_columns(&self) -> BTreeSet<usize> {
        let columns = self.relation.columns.iter().enumerate();
        let is_key = |name: &String, is_key: bool| match self.relation.is_full {
            // Then every column counts as one.
            true => self.primary_key.contains(name),
            false => is_key,
        };
        columns
            .filter(|(_, column)| is_key(&column.name, column.is_key))
            .map(|(at, _)| at)
            .collect()
    }

    /// What the change is about: a row, or more than one when it is another row afterwards.
    fn key(&self) -> Key {
        let columns = self.key_columns();
        let of = |row: &Tuple| -> Vec<Cell> {
            columns
                .iter()
                .filter_map(|at| row.get(*at).cloned())
                .collect()
        };
        let (new, old) = (self.what.new_row().map(of), self.what.old().map(of));
        let row = match (new, old) {
            (None, None) => return Key::All,
            (Some(new), Some(old)) if new != old => return Key::All,
            (Some(row), _) | (None, Some(row)) => row,
        };
        let mut hasher = DefaultHasher::new();
        self.relation.oid.hash(&mut hasher);
        for cell in row {
            match cell {
                Cell::Text(text) => text.hash(&mut hasher),
                Cell::Null | Cell::Unchanged => 0u8.hash(&mut hasher),
            }
        }
        Key::Of(hasher.finish())
    }

    fn name(&self, column: usize) -> &str {
        self.relation
            .columns
            .get(column)
            .map_or("", |column| &column.name)
    }

    fn size_of(&self, column: usize) -> usize {
        let rows = [self.what.new_row(), self.what.old()].into_iter().flatten();
        rows.filter_map(|row| row.get(column))
            .map(size)
            .max()
            .unwrap_or(0)
    }
}

impl<'a> Document<'a> {
    fn with(mut self, new: Option<Image<'a>>, old: Option<Image<'a>>) -> Self {
        if let Some(new) = new {
            self.dynamodb.new_image = Some(new.attributes);
            self.postgresql.new = Some(new.plain);
        }
        if let Some(old) = old {
            self.dynamodb.old_image = Some(old.attributes);
            self.postgresql.old = Some(old.plain);
        }
        self
    }
}

impl What {
    /// DynamoDB's word for it, and SQL's. AWS differs: its streams know no `TRUNCATE`.
    fn names(&self) -> (&'static str, &'static str) {
        match self {
            What::Insert(_) => ("INSERT", "insert"),
            What::Update(..) => ("MODIFY", "update"),
            What::Delete(_) => ("REMOVE", "delete"),
            What::Truncate => ("TRUNCATE", "truncate"),
        }
    }

    fn new_row(&self) -> Option<&Tuple> {
        match self {
            What::Insert(new) | What::Update(_, new) => Some(new),
            What::Delete(_) | What::Truncate => None,
        }
    }

    /// What is known of the row before: all of it, or what it is told by.
    fn old(&self) -> Option<&Tuple> {
        self.old_row().or_else(|| self.old_key())
    }

    fn old_row(&self) -> Option<&Tuple> {
        match self {
            What::Update(Some(Old::Row(row)), _) | What::Delete(Old::Row(row)) => Some(row),
            _ => None,
        }
    }

    fn old_key(&self) -> Option<&Tuple> {
        match self {
            What::Update(Some(Old::Key(row)), _) | What::Delete(Old::Key(row)) => Some(row),
            _ => None,
        }
    }
}

fn size(cell: &Cell) -> usize {
    match cell {
        Cell::Text(text) => text.len(),
        Cell::Null | Cell::Unchanged => 0,
    }
}

#[cfg(test)]
mod tests;
