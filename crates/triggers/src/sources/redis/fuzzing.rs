//! What a server sends.

use bytes::BytesMut;

use super::record::{Entry, Id, Origin};
use super::resp::{self, Unread, Value};
use crate::sources::fuzzing::check_document;

/// Answers, which are the same however they are cut; a list is an entry's fields, too.
pub fn redis(data: &[u8]) {
    let whole = answers(&mut BytesMut::from(data));
    let mut inbox = BytesMut::new();
    let mut bytewise = Vec::new();
    // What is looked at again with every byte is short.
    for byte in data.iter().take(512) {
        inbox.extend_from_slice(&[*byte]);
        bytewise.extend(answers(&mut inbox));
        if bytewise.last().is_some_and(Result::is_err) {
            break;
        }
    }
    if data.len() <= 512 {
        assert_eq!(whole, bytewise, "it depends on where it is cut");
    }
    for answer in whole.into_iter().flatten() {
        let entry = Entry {
            key: "stream",
            id: Id::default(),
            fields: answer.list(),
        };
        let origin = Origin {
            region: "us-east-1".to_owned(),
            arn: "arn".to_owned(),
            database: 0,
        };
        check_document(&entry.record(&origin).document);
        if let Some(Ok(id)) = answer.text().map(str::parse::<Id>) {
            assert_eq!(
                id.to_string().parse(),
                Ok(id),
                "an id is read as it is written"
            );
        }
    }
}

fn answers(inbox: &mut BytesMut) -> Vec<Result<Value, Unread>> {
    let mut found = Vec::new();
    loop {
        match resp::take(inbox) {
            Err(Unread::More) => return found,
            Err(unread) => {
                found.push(Err(unread));
                return found;
            }
            Ok(value) => found.push(Ok(value)),
        }
    }
}
