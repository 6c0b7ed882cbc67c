//! What a server sends.

use bytes::Bytes;
use kiln_types::mapping::mysql::Brand;
use serde_json::Value;

use super::cell::{self, Row};
use super::connection::read_error;
use super::event::{Event, Events};
use super::login::Greeting;
use super::place::{Gtids, Place};
use super::reader::Reader;
use super::record::{Change, Origin, Transaction, What};
use super::statement;
use super::table::Table;
use super::text::Charsets;
use super::{decimal, json};
use crate::sources::fuzzing::check_document;

/// The first letter says what comes: an event, a table's description and rows, a value of JSON, a decimal, a statement, a
/// greeting, an error, or a place.
pub fn mysql(data: &[u8]) {
    let Some((kind, rest)) = data.split_first() else {
        return;
    };
    let bytes = Bytes::copy_from_slice(rest);
    let text = String::from_utf8_lossy(rest);
    match kind {
        b'e' | b'E' => event(bytes, *kind == b'E'),
        b'r' => rows(rest),
        b'j' => {
            if let Ok(text) = json::text(bytes) {
                let read: Result<Value, _> = serde_json::from_str(&text);
                read.unwrap_or_else(|error| panic!("{error}: {text}"));
            }
        }
        b'd' => {
            if let [precision, scale, ..] = *rest {
                let mut reader = Reader::new(bytes.slice(2..));
                let _ = decimal::read(&mut reader, precision.into(), scale.into());
            }
        }
        b's' => drop(statement::read(&text)),
        b'g' => drop(Greeting::read(bytes)),
        b'x' => drop(read_error(bytes)),
        b'p' => {
            if let Ok(place) = text.parse::<Place>() {
                let again = place.to_string().parse::<Place>();
                assert_eq!(again.ok(), Some(place), "a place is read as it is written");
            }
            if let Ok(gtids) = text.parse::<Gtids>() {
                let again = gtids.to_string().parse::<Gtids>();
                assert_eq!(again.ok(), Some(gtids), "ids are read as they are written");
            }
        }
        _ => {}
    }
}

fn event(packet: Bytes, is_summed: bool) {
    let Ok((_, Event::Table { mut table, .. })) = Events::new(is_summed).read(packet) else {
        return;
    };
    if let Ok(names) = Table::names(&mut table) {
        let _ = Table::read(names, table);
    }
}

/// A byte with the length of the description, the description, and rows of all columns.
fn rows(data: &[u8]) {
    let Some((length, rest)) = data.split_first() else {
        return;
    };
    let Some((description, rows)) = rest.split_at_checked(usize::from(*length)) else {
        return;
    };
    let description = Reader::new(Bytes::copy_from_slice(description));
    let Ok(table) = Table::read(("s".to_owned(), "t".to_owned()), description) else {
        return;
    };
    let names = [(8, "latin1"), (45, "utf8mb4"), (54, "utf16"), (60, "utf32")];
    let charsets = Charsets::new(names.map(|(number, name)| (number, name.to_owned())));
    let mask = [0xFF; 32];
    let mut reader = Reader::new(Bytes::copy_from_slice(rows));
    let mut before: Option<Row> = None;
    while !reader.is_empty() {
        let left = reader.len();
        let Ok(row) = cell::row(&mut reader, &table.columns, &mask, &charsets) else {
            return;
        };
        let what = match before.take() {
            Some(old) => What::Update(old, row.clone()),
            None => What::Insert(row.clone()),
        };
        before = Some(row);
        check(&table, what);
        if reader.len() == left {
            return;
        }
    }
}

fn check(table: &Table, what: What) {
    let transaction = Transaction {
        era: 0,
        file: "binlog.000001".to_owned(),
        at: 4,
        gtid: None,
        secs: 1_795_440_180,
    };
    let change = Change {
        table,
        transaction: &transaction,
        place: 0,
        what,
    };
    let origin = Origin {
        region: "us-east-1".to_owned(),
        arn: "arn".to_owned(),
        brand: Brand::MySql,
    };
    check_document(&change.record(&origin).document);
}
