//! What a server sends.

use bytes::{Buf as _, Bytes, BytesMut};
use postgres_protocol::message::backend::{Header, Message as Spoken};

use super::lsn::Lsn;
use super::pgoutput::{self, Carried, Message, Relation};
use super::record::{Change, Origin, What};
use super::value;
use crate::sources::fuzzing::check_document;

/// The first letter says what comes: a message of the stream, messages of the plugin each behind its length, an array, a
/// value with its type, a place, or messages of the protocol.
pub fn postgres(data: &[u8]) {
    let Some((kind, rest)) = data.split_first() else {
        return;
    };
    let bytes = Bytes::copy_from_slice(rest);
    let text = String::from_utf8_lossy(rest);
    match kind {
        b'c' => {
            if let Ok(Some(Carried::Data { message, .. })) = pgoutput::carried(bytes) {
                let _ = pgoutput::message(message);
            }
        }
        b'm' => plugin(bytes),
        b'a' => {
            if let Some(elements) = super::array::read(&text) {
                assert!(
                    elements.len() <= text.len(),
                    "there are more than were written"
                );
            }
        }
        b'v' => {
            let mut bytes = bytes;
            if let Ok(kind) = bytes.try_get_u16() {
                drop(value::both(kind.into(), &String::from_utf8_lossy(&bytes)));
            }
        }
        b'l' => {
            if let Ok(place) = text.parse::<Lsn>() {
                let again = place.to_string().parse::<Lsn>();
                assert_eq!(again.ok(), Some(place), "a place is read as it is written");
            }
        }
        b'w' => spoken(&mut BytesMut::from(rest)),
        _ => {}
    }
}

fn plugin(mut bytes: Bytes) {
    let mut known: Option<Relation> = None;
    while let Ok(length) = bytes.try_get_u16() {
        let message = bytes.split_to(usize::from(length).min(bytes.len()));
        let Ok(message) = pgoutput::message(message) else {
            continue;
        };
        let what = match message {
            Message::Relation(relation) => {
                known = Some(relation);
                continue;
            }
            Message::Insert { new, .. } => What::Insert(new),
            Message::Update { old, new, .. } => What::Update(old, new),
            Message::Delete { old, .. } => What::Delete(old),
            Message::Truncate { .. } => What::Truncate,
            Message::Begin(_) | Message::Commit { .. } | Message::Other => continue,
        };
        if let Some(relation) = &known {
            check(relation, what);
        }
    }
}

fn check(relation: &Relation, what: What) {
    let change = Change {
        relation,
        primary_key: &["id".to_owned()],
        transaction: Default::default(),
        place: 0,
        what,
    };
    let origin = Origin {
        region: "us-east-1".to_owned(),
        arn: "arn".to_owned(),
        database: "d".to_owned(),
    };
    check_document(&change.record(&origin).document);
}

fn spoken(inbox: &mut BytesMut) {
    while let Ok(Some(header)) = Header::parse(inbox) {
        if header.len() as usize >= inbox.len() {
            return;
        }
        if !matches!(Spoken::parse(inbox), Ok(Some(_))) {
            return;
        }
    }
}
