//! What changes look like to functions.

use serde_json::{Value, json};

use super::super::table::Column;
use super::*;

fn table() -> Table {
    let column = |name: &str| Column {
        name: name.to_owned(),
        ..Column::default()
    };
    Table {
        schema: "shop".to_owned(),
        name: "orders".to_owned(),
        columns: vec![column("id"), column("total"), column("note")],
        key: vec![0],
        is_named: true,
    }
}

fn row(id: &str, total: &str, note: Cell) -> Row {
    let number = |text: &str| Some(Cell::Number(text.to_owned()));
    vec![number(id), number(total), Some(note)]
}

fn text(text: &str) -> Cell {
    Cell::Text(text.to_owned())
}

fn made_of(brand: Brand, what: What) -> (Record, Value) {
    let transaction = Transaction {
        era: 1,
        file: "bin.000003".to_owned(),
        at: 679,
        gtid: Some("0-1-42".to_owned()),
        secs: 1_795_440_180,
    };
    let change = Change {
        table: &table(),
        transaction: &transaction,
        place: 2,
        what,
    };
    let record = change.record(&Origin {
        region: "us-east-1".to_owned(),
        arn: "arn:m".to_owned(),
        brand,
    });
    let document = serde_json::from_slice(&record.document).unwrap();
    (record, document)
}

fn made(what: What) -> (Record, Value) {
    made_of(Brand::MariaDb, what)
}

#[test]
fn an_update_has_both_rows_in_both_forms() {
    let (old, new) = (row("1", "2.50", Cell::Null), row("1", "3.00", text("a")));
    let (record, document) = made(What::Update(old, new));
    let sequence = "000001000000000300000006790000000002";
    let expected = json!({
        "eventID": "0000000100000003000002a700000002",
        "eventName": "MODIFY",
        "eventVersion": "1.1",
        "eventSource": "kiln:mariadb",
        "awsRegion": "us-east-1",
        "dynamodb": {
            "ApproximateCreationDateTime": 1_795_440_180,
            "Keys": {"id": {"N": "1"}},
            "NewImage": {"id": {"N": "1"}, "total": {"N": "3.00"}, "note": {"S": "a"}},
            "OldImage": {"id": {"N": "1"}, "total": {"N": "2.50"}, "note": {"NULL": true}},
            "SequenceNumber": sequence,
            "SizeBytes": 36,
            "StreamViewType": "NEW_AND_OLD_IMAGES",
        },
        "eventSourceARN": "arn:m",
        "mariadb": {
            "database": "shop", "table": "orders", "operation": "update",
            "gtid": "0-1-42", "file": "bin.000003", "position": 679,
            "committed": "2026-11-23T13:23:00.000Z",
            "keys": {"id": 1},
            "new": {"id": 1, "total": 3.0, "note": "a"},
            "old": {"id": 1, "total": 2.5, "note": null},
        },
    });
    assert_eq!(document, expected);
    assert_eq!(&*record.id, sequence);
}

#[test]
fn changes_of_a_row_have_its_key_and_a_row_that_becomes_another_concerns_both() {
    let (inserted, document) = made_of(Brand::MySql, What::Insert(row("1", "2", Cell::Null)));
    assert_eq!(document["mysql"]["new"]["id"], 1);
    assert_eq!(document["eventSource"], "kiln:mysql");
    let (deleted, document) = made(What::Delete(row("1", "9", text("x"))));
    assert_eq!(document["eventName"], "REMOVE");
    assert_eq!(inserted.key, deleted.key, "one row, one key");
    let (moved, document) = made(What::Update(
        row("1", "2", Cell::Null),
        row("2", "2", Cell::Null),
    ));
    assert_eq!(moved.key, Key::All);
    assert_eq!(document["mariadb"]["oldKeys"], json!({"id": 1}));
    let (truncated, document) = made(What::Truncate);
    assert_eq!(
        (truncated.key, &document["eventName"]),
        (Key::All, &json!("TRUNCATE"))
    );
}

#[test]
fn values_that_are_too_large_are_left_out_and_named() {
    let huge = text(&"x".repeat(VALUE_BYTES_MAX + 1));
    let (record, document) = made(What::Insert(row("1", "2", huge)));
    assert_eq!(document["mariadb"]["omitted"], json!(["note"]));
    assert_eq!(document["mariadb"]["new"], json!({"id": 1, "total": 2}));
    assert!(record.document.len() < 2_000);
}
