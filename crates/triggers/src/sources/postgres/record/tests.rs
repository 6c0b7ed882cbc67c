//! What changes look like to functions.

use serde_json::{Value, json};

use super::super::lsn::Lsn;
use super::super::pgoutput::Column;
use super::*;

fn relation(is_full: bool) -> Relation {
    let column = |name: &str, is_key: bool, kind: u32| Column {
        name: name.to_owned(),
        is_key: is_key || is_full,
        kind,
    };
    Relation {
        oid: 7,
        schema: "public".to_owned(),
        table: "orders".to_owned(),
        is_full,
        columns: vec![
            column("id", true, 23),
            column("total", false, 1700),
            column("note", false, 25),
        ],
    }
}

fn text(text: &str) -> Cell {
    Cell::Text(Bytes::copy_from_slice(text.as_bytes()))
}

fn row(id: &str, total: &str, note: Cell) -> Tuple {
    vec![text(id), text(total), note]
}

fn made(relation: &Relation, what: What) -> (Record, Value) {
    let change = Change {
        relation,
        primary_key: &["id".to_owned()],
        transaction: Begin {
            commit: Lsn(0x1_0000_00AB),
            committed_ms: 1_795_440_180_500,
            transaction: 9,
        },
        place: 2,
        what,
    };
    let origin = Origin {
        region: "us-east-1".to_owned(),
        arn: "arn:m".to_owned(),
        database: "shop".to_owned(),
    };
    let record = change.record(&origin);
    let document = serde_json::from_slice(&record.document).unwrap();
    (record, document)
}

#[test]
fn an_insert_has_a_new_image_in_both_forms() {
    let (record, document) = made(&relation(false), What::Insert(row("1", "2.50", Cell::Null)));
    let expected = json!({
        "eventID": "00000001000000ab0000000000000002",
        "eventName": "INSERT",
        "eventVersion": "1.1",
        "eventSource": "kiln:postgresql",
        "awsRegion": "us-east-1",
        "dynamodb": {
            "ApproximateCreationDateTime": 1_795_440_180.5,
            "Keys": {"id": {"N": "1"}},
            "NewImage": {"id": {"N": "1"}, "total": {"N": "2.50"}, "note": {"NULL": true}},
            "SequenceNumber": "000000000042949674670000000002",
            "SizeBytes": 19,
            "StreamViewType": "NEW_IMAGE",
        },
        "eventSourceARN": "arn:m",
        "postgresql": {
            "database": "shop",
            "schema": "public",
            "table": "orders",
            "operation": "insert",
            "lsn": "1/AB",
            "transactionId": 9,
            "committed": "2026-11-23T13:23:00.500Z",
            "keys": {"id": 1},
            "new": {"id": 1, "total": 2.5, "note": null},
        },
    });
    assert_eq!(document, expected);
    assert_eq!(&*record.id, "000000000042949674670000000002");
    let written = std::str::from_utf8(&record.document).unwrap();
    assert!(
        written.contains(r#""new":{"id":1,"total":2.50,"note":null}"#),
        "as it is, in order"
    );
}

#[test]
fn an_update_has_the_old_row_where_the_table_logs_it() {
    let (old, new) = (row("1", "2", text("a")), row("1", "3", Cell::Unchanged));
    let full = relation(true);
    let (record, document) = made(&full, What::Update(Some(Old::Row(old)), new.clone()));
    assert_eq!(document["eventName"], "MODIFY");
    assert_eq!(document["dynamodb"]["Keys"], json!({"id": {"N": "1"}}));
    assert_eq!(document["dynamodb"]["StreamViewType"], "NEW_AND_OLD_IMAGES");
    assert_eq!(
        document["postgresql"]["old"],
        json!({"id": 1, "total": 2, "note": "a"})
    );
    assert_eq!(
        document["postgresql"]["new"],
        json!({"id": 1, "total": 3, "note": "a"})
    );
    assert_eq!(document["postgresql"].get("unchanged"), None);
    let (same_row, document) = made(&relation(false), What::Update(None, new));
    assert_eq!(document["dynamodb"].get("OldImage"), None);
    assert_eq!(document["postgresql"]["unchanged"], json!(["note"]));
    assert_eq!(document["postgresql"]["new"], json!({"id": 1, "total": 3}));
    assert_eq!(record.key, same_row.key);
}

#[test]
fn a_row_that_becomes_another_concerns_both() {
    let old = Old::Key(vec![text("1"), Cell::Null, Cell::Null]);
    let (record, document) = made(
        &relation(false),
        What::Update(Some(old), row("2", "3", text("a"))),
    );
    assert_eq!(record.key, Key::All);
    assert_eq!(document["postgresql"]["oldKeys"], json!({"id": 1}));
    assert_eq!(document["postgresql"]["keys"], json!({"id": 2}));
}

#[test]
fn a_delete_says_what_was_deleted() {
    let key = Old::Key(vec![text("1"), Cell::Null, Cell::Null]);
    let (record, document) = made(&relation(false), What::Delete(key));
    assert_eq!(document["eventName"], "REMOVE");
    assert_eq!(document["dynamodb"]["Keys"], json!({"id": {"N": "1"}}));
    assert_eq!(document["dynamodb"].get("OldImage"), None);
    assert_eq!(document["dynamodb"].get("NewImage"), None);
    let (_, document) = made(
        &relation(true),
        What::Delete(Old::Row(row("1", "2", text("a")))),
    );
    assert_eq!(document["dynamodb"]["OldImage"]["note"], json!({"S": "a"}));
    let (inserted, _) = made(&relation(false), What::Insert(row("1", "2", text("a"))));
    assert_eq!(record.key, inserted.key, "one row, one key");
    let (other, _) = made(&relation(false), What::Insert(row("2", "2", text("a"))));
    assert_ne!(other.key, inserted.key);
}

#[test]
fn a_truncate_concerns_the_whole_table() {
    let (record, document) = made(&relation(false), What::Truncate);
    assert_eq!(
        (record.key, &document["eventName"]),
        (Key::All, &json!("TRUNCATE"))
    );
    assert_eq!(document["dynamodb"]["Keys"], json!({}));
    assert_eq!(document["postgresql"]["operation"], "truncate");
}

#[test]
fn values_that_are_too_large_are_left_out_and_named() {
    let huge = text(&"x".repeat(VALUE_BYTES_MAX + 1));
    let (_, document) = made(&relation(false), What::Insert(row("1", "2", huge)));
    assert_eq!(document["postgresql"]["omitted"], json!(["note"]));
    assert_eq!(document["postgresql"]["new"], json!({"id": 1, "total": 2}));
    // One that grows when it is written.
    let quotes = text(&"\u{1}".repeat(VALUE_BYTES_MAX));
    let (record, document) = made(&relation(false), What::Insert(row("1", "2", quotes)));
    assert_eq!(document["postgresql"]["omitted"], json!(["note"]));
    assert!(record.document.len() < 2_000);
    let large = text(&"x".repeat(VALUE_BYTES_MAX));
    let (record, document) = made(&relation(false), What::Insert(row("1", "2", large)));
    assert_eq!(document["postgresql"].get("omitted"), None);
    assert!(record.document.len() <= RECORD_BYTES_MAX);
}
