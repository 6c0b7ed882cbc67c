//! A change as the function gets it: in the shape of DynamoDB Streams, so that what reads those reads this, and beside
//! it, under `mariadb` or `mysql`, in plain JSON.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use kiln_types::Timestamp;
use kiln_types::mapping::mysql::Brand;
use serde::Serialize;
use serde_json::json;

use super::cell::{Cell, Row};
use super::place::number;
use super::table::Table;
use crate::record::{Key, RECORD_BYTES_MAX, Record};
use crate::sources::attribute::{self, Both, raw};
use crate::sources::image::{Columns, Image, VALUE_BYTES_MAX};

/// What all records of a mapping say of where they come from.
#[derive(Debug)]
pub(super) struct Origin {
    pub(super) region: String,
    pub(super) arn: String,
    pub(super) brand: Brand,
}

/// The transaction that a change is part of.
#[derive(Debug, Clone)]
pub(super) struct Transaction {
    pub(super) era: u32,
    pub(super) file: String,
    /// Where in the file it begins.
    pub(super) at: u64,
    pub(super) gtid: Option<String>,
    pub(super) secs: u32,
}

/// What happened to a table or a row.
pub(super) struct Change<'a> {
    pub(super) table: &'a Table,
    pub(super) transaction: &'a Transaction,
    /// Its place in the transaction.
    pub(super) place: u32,
    pub(super) what: What,
}

pub(super) enum What {
    Insert(Row),
    Update(Row, Row),
    Delete(Row),
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
    #[serde(skip_serializing_if = "Option::is_none")]
    mariadb: Option<Plain<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mysql: Option<Plain<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Dynamo<'a> {
    approximate_creation_date_time: u32,
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
    table: &'a str,
    operation: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    gtid: Option<&'a str>,
    file: &'a str,
    position: u64,
    committed: String,
    keys: Columns<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    new: Option<Columns<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    old: Option<Columns<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    old_keys: Option<Columns<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    omitted: Vec<&'a str>,
}

impl Change<'_> {
    /// The record of the change.
    pub(super) fn record(self, origin: &Origin) -> Record {
        let Transaction {
            era,
            ref file,
            at,
            secs,
            ..
        } = *self.transaction;
        let id = format!("{era:06}{:010}{at:010}{:010}", number(file), self.place);
        let document = self.document(origin, &id);
        Record {
            id: id.into(),
            key: self.key(),
            created: Timestamp::from_millis(i64::from(secs) * 1_000),
            document,
        }
    }

    /// As JSON that is not too large: of the largest values some are left out, and named.
    fn document(&self, origin: &Origin, id: &str) -> Bytes {
        let mut omitted = BTreeSet::new();
        let mut sizes: Vec<(usize, usize)> = (0..self.table.columns.len())
            .filter(|column| !self.table.key.contains(column))
            .map(|column| (self.size_of(column), column))
            .collect();
        sizes.sort_unstable();
        while let Some((_, column)) = sizes.pop_if(|(size, _)| *size > VALUE_BYTES_MAX) {
            omitted.insert(column);
        }
        loop {
            let text = serde_json::to_vec(&self.shown(origin, id, &omitted));
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
        omitted: &BTreeSet<usize>,
    ) -> Document<'s> {
        let transaction = self.transaction;
        let rest = |column: &usize| !omitted.contains(column);
        let all: Vec<usize> = (0..self.table.columns.len()).filter(rest).collect();
        let key = &self.table.key;
        let (event_name, operation) = self.what.names();
        let (new, old) = (self.what.new_row(), self.what.old_row());
        let told_by = new.or(old).map(|row| self.image(row, key));
        let told_by = told_by.unwrap_or_else(Image::empty);
        let old_keys = (self.key() == Key::All).then_some(old).flatten();
        let old_keys = old_keys.map(|row| self.image(row, key).plain);
        let new = new.map(|row| self.image(row, &all));
        let old = old.map(|row| self.image(row, &all));
        let images = [Some(&told_by), new.as_ref(), old.as_ref()];
        let size_bytes = images.into_iter().flatten().map(|image| image.size).sum();
        let (new, new_image) = new.map(|image| (image.plain, image.attributes)).unzip();
        let (old, old_image) = old.map(|image| (image.plain, image.attributes)).unzip();
        let plain = Plain {
            database: &self.table.schema,
            table: &self.table.name,
            operation,
            gtid: transaction.gtid.as_deref(),
            file: &transaction.file,
            position: transaction.at,
            committed: Timestamp::from_millis(i64::from(transaction.secs) * 1_000).to_string(),
            keys: told_by.plain,
            new,
            old,
            old_keys,
            omitted: omitted.iter().map(|at| self.name(*at)).collect(),
        };
        let (mariadb, mysql, event_source) = match origin.brand {
            Brand::MariaDb => (Some(plain), None, "kiln:mariadb"),
            Brand::MySql => (None, Some(plain), "kiln:mysql"),
        };
        Document {
            event_id: format!(
                "{:08x}{:08x}{:08x}{:08x}",
                transaction.era,
                number(&transaction.file),
                transaction.at,
                self.place
            ),
            event_name,
            event_version: "1.1",
            event_source,
            region: &origin.region,
            dynamodb: Dynamo {
                approximate_creation_date_time: transaction.secs,
                keys: told_by.attributes,
                new_image,
                old_image,
                sequence_number: id,
                size_bytes,
                stream_view_type: "NEW_AND_OLD_IMAGES",
            },
            arn: &origin.arn,
            mariadb,
            mysql,
        }
    }

    fn image<'s>(&'s self, row: &Row, columns: &[usize]) -> Image<'s> {
        let mut image = Image::empty();
        for at in columns {
            // What was not logged is nowhere.
            if let Some(Some(cell)) = row.get(*at) {
                image.push(self.name(*at), both(cell), cell.size());
            }
        }
        image
    }

    /// What the change is about: a row, or more than one when it is another row afterwards.
    fn key(&self) -> Key {
        let of = |row: &Row| -> Vec<Option<Cell>> {
            let key = self.table.key.iter();
            key.map(|at| row.get(*at).cloned().flatten()).collect()
        };
        let (new, old) = (self.what.new_row().map(of), self.what.old_row().map(of));
        let row = match (new, old) {
            (None, None) => return Key::All,
            (Some(new), Some(old)) if new != old => return Key::All,
            (Some(row), _) | (None, Some(row)) => row,
        };
        let mut hasher = DefaultHasher::new();
        (&self.table.schema, &self.table.name, row).hash(&mut hasher);
        Key::Of(hasher.finish())
    }

    fn name(&self, column: usize) -> &str {
        let column = self.table.columns.get(column);
        column.map_or("", |column| &column.name)
    }

    fn size_of(&self, column: usize) -> usize {
        let rows = [self.what.new_row(), self.what.old_row()].into_iter();
        let cells = rows.flatten().filter_map(|row| row.get(column)?.as_ref());
        cells.map(Cell::size).max().unwrap_or(0)
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

    fn new_row(&self) -> Option<&Row> {
        match self {
            What::Insert(new) | What::Update(_, new) => Some(new),
            What::Delete(_) | What::Truncate => None,
        }
    }

    fn old_row(&self) -> Option<&Row> {
        match self {
            What::Update(old, _) | What::Delete(old) => Some(old),
            What::Insert(_) | What::Truncate => None,
        }
    }
}

/// A value in both forms.
fn both(cell: &Cell) -> Both {
    match cell {
        Cell::Null => attribute::null(),
        Cell::Number(text) => attribute::number(text),
        Cell::Json(text) => attribute::json(text),
        Cell::Text(text) => attribute::text(text),
        Cell::Bytes(bytes) => {
            let text = BASE64_STANDARD.encode(bytes);
            Both {
                plain: raw(&json!(text)),
                attribute: raw(&json!({"B": text})),
            }
        }
    }
}

#[cfg(test)]
mod tests;
