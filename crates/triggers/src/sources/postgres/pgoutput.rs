//! Messages of the plugin `pgoutput`, version 1 (PostgreSQL manual, "Logical Replication Message Formats"), and of the
//! stream that carries them. They come from outside: nothing here trusts a length.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

use super::lsn::Lsn;
use crate::source::Trouble;

/// Microseconds from 1970 to 2000, from which the server counts.
const EPOCH_US: i64 = 946_684_800_000_000;

/// What the stream carries.
#[derive(Debug, PartialEq)]
pub(super) enum Carried {
    /// A message of the plugin.
    Data { end: Lsn, message: Bytes },
    /// The server is there.
    KeepAlive { end: Lsn, wants_answer: bool },
}

/// A message of the plugin.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Message {
    Begin(Begin),
    Commit {
        end: Lsn,
    },
    Relation(Relation),
    Insert {
        relation: u32,
        new: Tuple,
    },
    Update {
        relation: u32,
        old: Option<Old>,
        new: Tuple,
    },
    Delete {
        relation: u32,
        old: Old,
    },
    Truncate {
        relations: Vec<u32>,
    },
    /// Something that no change of a row is.
    Other,
}

/// A transaction begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Begin {
    /// Where it was committed.
    pub(super) commit: Lsn,
    /// When, in milliseconds since 1970.
    pub(super) committed_ms: i64,
    /// Its number.
    pub(super) transaction: u32,
}

/// A table as it was when what follows happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Relation {
    pub(super) oid: u32,
    pub(super) schema: String,
    pub(super) table: String,
    /// Whether old rows come whole (`REPLICA IDENTITY FULL`).
    pub(super) is_full: bool,
    pub(super) columns: Vec<Column>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) name: String,
    /// Whether it is part of what rows are told by.
    pub(super) is_key: bool,
    /// The number of its type.
    pub(super) kind: u32,
}

/// A row's values, one a column.
pub(super) type Tuple = Vec<Cell>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cell {
    Null,
    /// A large value that was not changed and so was not logged.
    Unchanged,
    Text(Bytes),
}

/// A row as it was before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Old {
    /// Only the columns that it is told by.
    Key(Tuple),
    /// All of it.
    Row(Tuple),
}

/// Reads what the stream carries; none is something that a later version may say.
pub(super) fn carried(mut data: Bytes) -> Result<Option<Carried>, Trouble> {
    Ok(match byte(&mut data)? {
        b'w' => {
            let _start = long(&mut data)?;
            let end = Lsn(long(&mut data)?);
            let _sent = long(&mut data)?;
            Some(Carried::Data { end, message: data })
        }
        b'k' => {
            let end = Lsn(long(&mut data)?);
            let _sent = long(&mut data)?;
            let wants_answer = byte(&mut data)? != 0;
            Some(Carried::KeepAlive { end, wants_answer })
        }
        _ => None,
    })
}

/// Says how far we are.
pub(super) fn status(received: Lsn, done: Lsn, now_ms: i64, wants_answer: bool) -> Bytes {
    let mut data = BytesMut::with_capacity(34);
    data.put_u8(b'r');
    data.put_u64(received.0.max(done.0));
    data.put_u64(done.0);
    data.put_u64(done.0);
    data.put_i64(now_ms.saturating_mul(1_000).saturating_sub(EPOCH_US));
    data.put_u8(wants_answer.into());
    data.freeze()
}

/// Reads a message of the plugin.
pub(super) fn message(mut data: Bytes) -> Result<Message, Trouble> {
    let data = &mut data;
    Ok(match byte(data)? {
        b'B' => Message::Begin(Begin {
            commit: Lsn(long(data)?),
            committed_ms: (long(data)? as i64).saturating_add(EPOCH_US) / 1_000,
            transaction: int(data)?,
        }),
        b'C' => {
            let (_flags, _commit) = (byte(data)?, long(data)?);
            Message::Commit {
                end: Lsn(long(data)?),
            }
        }
        b'R' => Message::Relation(relation(data)?),
        b'I' => {
            let relation = int(data)?;
            expect(data, b'N')?;
            Message::Insert {
                relation,
                new: tuple(data)?,
            }
        }
        b'U' => {
            let relation = int(data)?;
            let (old, kind) = match byte(data)? {
                b'K' => (Some(Old::Key(tuple(data)?)), byte(data)?),
                b'O' => (Some(Old::Row(tuple(data)?)), byte(data)?),
                kind => (None, kind),
            };
            if kind != b'N' {
                return Err(broken());
            }
            Message::Update {
                relation,
                old,
                new: tuple(data)?,
            }
        }
        b'D' => {
            let relation = int(data)?;
            let old = match byte(data)? {
                b'K' => Old::Key(tuple(data)?),
                b'O' => Old::Row(tuple(data)?),
                _ => return Err(broken()),
            };
            Message::Delete { relation, old }
        }
        b'T' => {
            let (count, _options) = (int(data)?, byte(data)?);
            let relations = (0..count).map(|_| int(data)).collect::<Result<_, _>>()?;
            Message::Truncate { relations }
        }
        _ => Message::Other,
    })
}

fn relation(data: &mut Bytes) -> Result<Relation, Trouble> {
    let oid = int(data)?;
    let (schema, table) = (text(data)?, text(data)?);
    let is_full = byte(data)? == b'f';
    let count = short(data)?;
    let column = |data: &mut Bytes| {
        let is_key = byte(data)? & 1 != 0;
        let (name, kind) = (text(data)?, int(data)?);
        let _modifier = int(data)?;
        Ok(Column { name, is_key, kind })
    };
    let columns = (0..count)
        .map(|_| column(data))
        .collect::<Result<_, Trouble>>()?;
    // pg_catalog is sent as nothing.
    let schema = if schema.is_empty() {
        "pg_catalog".to_owned()
    } else {
        schema
    };
    Ok(Relation {
        oid,
        schema,
        table,
        is_full,
        columns,
    })
}

fn tuple(data: &mut Bytes) -> Result<Tuple, Trouble> {
    let count = short(data)?;
    let cell = |data: &mut Bytes| {
        Ok(match byte(data)? {
            b'n' => Cell::Null,
            b'u' => Cell::Unchanged,
            b't' => {
                let length = int(data)? as usize;
                if length > data.len() {
                    return Err(broken());
                }
                Cell::Text(data.split_to(length))
            }
            _ => return Err(broken()),
        })
    };
    (0..count).map(|_| cell(data)).collect()
}

fn expect(data: &mut Bytes, kind: u8) -> Result<(), Trouble> {
    match byte(data)? == kind {
        true => Ok(()),
        false => Err(broken()),
    }
}

fn text(data: &mut Bytes) -> Result<String, Trouble> {
    let end = data.iter().position(|byte| *byte == 0).ok_or_else(broken)?;
    let text = String::from_utf8_lossy(&data.split_to(end)).into_owned();
    data.advance(1);
    Ok(text)
}

fn byte(data: &mut Bytes) -> Result<u8, Trouble> {
    data.try_get_u8().map_err(|_| broken())
}

fn short(data: &mut Bytes) -> Result<u16, Trouble> {
    data.try_get_u16().map_err(|_| broken())
}

fn int(data: &mut Bytes) -> Result<u32, Trouble> {
    data.try_get_u32().map_err(|_| broken())
}

fn long(data: &mut Bytes) -> Result<u64, Trouble> {
    data.try_get_u64().map_err(|_| broken())
}

fn broken() -> Trouble {
    Trouble::new("the database sent a message that cannot be read")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bytes(parts: &[&[u8]]) -> Bytes {
        parts.concat().into()
    }

    #[test]
    fn a_transaction_is_read_as_the_manual_says() {
        let begin = bytes(&[
            b"B",
            &7u64.to_be_bytes(),
            &1_000_000i64.to_be_bytes(),
            &9u32.to_be_bytes(),
        ]);
        let expected = Begin {
            commit: Lsn(7),
            committed_ms: 946_684_801_000,
            transaction: 9,
        };
        assert_eq!(message(begin).unwrap(), Message::Begin(expected));
        let commit = bytes(&[
            b"C\0",
            &7u64.to_be_bytes(),
            &8u64.to_be_bytes(),
            &0u64.to_be_bytes(),
        ]);
        assert_eq!(message(commit).unwrap(), Message::Commit { end: Lsn(8) });
    }

    #[test]
    fn rows_have_values_nulls_and_what_was_not_logged() {
        let row = |kind: &[u8]| {
            bytes(&[
                kind,
                b"\0\x03",
                b"n",
                b"u",
                b"t",
                &2u32.to_be_bytes(),
                b"hi",
            ])
        };
        let new = vec![
            Cell::Null,
            Cell::Unchanged,
            Cell::Text(Bytes::from_static(b"hi")),
        ];
        let relation = 5u32.to_be_bytes();
        let insert = message(bytes(&[b"I", &relation, &row(b"N")])).unwrap();
        assert_eq!(
            insert,
            Message::Insert {
                relation: 5,
                new: new.clone()
            }
        );
        let update = message(bytes(&[b"U", &relation, &row(b"K"), &row(b"N")])).unwrap();
        let old = Some(Old::Key(new.clone()));
        assert_eq!(
            update,
            Message::Update {
                relation: 5,
                old,
                new: new.clone()
            }
        );
        let update = message(bytes(&[b"U", &relation, &row(b"N")])).unwrap();
        assert_eq!(
            update,
            Message::Update {
                relation: 5,
                old: None,
                new: new.clone()
            }
        );
        let delete = message(bytes(&[b"D", &relation, &row(b"O")])).unwrap();
        assert_eq!(
            delete,
            Message::Delete {
                relation: 5,
                old: Old::Row(new)
            }
        );
        let truncate = message(bytes(&[b"T", &1u32.to_be_bytes(), b"\0", &relation])).unwrap();
        assert_eq!(truncate, Message::Truncate { relations: vec![5] });
    }

    #[test]
    fn a_table_is_read_with_its_columns() {
        let column = [
            b"\x01id\0".as_slice(),
            &23u32.to_be_bytes(),
            &u32::MAX.to_be_bytes(),
        ]
        .concat();
        let sent = bytes(&[
            b"R",
            &5u32.to_be_bytes(),
            b"public\0t\0",
            b"f",
            b"\0\x01",
            &column,
        ]);
        let expected = Relation {
            oid: 5,
            schema: "public".to_owned(),
            table: "t".to_owned(),
            is_full: true,
            columns: vec![Column {
                name: "id".to_owned(),
                is_key: true,
                kind: 23,
            }],
        };
        assert_eq!(message(sent).unwrap(), Message::Relation(expected));
    }

    #[test]
    fn keep_alives_say_where_the_server_is() {
        let sent = bytes(&[b"k", &9u64.to_be_bytes(), &0u64.to_be_bytes(), b"\x01"]);
        let expected = Carried::KeepAlive {
            end: Lsn(9),
            wants_answer: true,
        };
        assert_eq!(carried(sent).unwrap(), Some(expected));
        assert_eq!(carried(Bytes::from_static(b"?")).unwrap(), None);
        assert_eq!(status(Lsn(9), Lsn(7), 0, false).len(), 34);
    }

    proptest! {
        #[test]
        fn nothing_that_comes_makes_it_panic(data in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = carried(data.clone().into());
            let _ = message(data.into());
        }

        #[test]
        fn nothing_that_begins_well_makes_it_panic(
            kind in prop::sample::select(b"BCRIUDTwk".to_vec()),
            data in prop::collection::vec(prop_oneof![Just(0u8), Just(1), Just(b'N'), Just(b't'), any::<u8>()], 0..60),
        ) {
            let sent: Bytes = [vec![kind], data].concat().into();
            let _ = carried(sent.clone());
            let _ = message(sent);
        }
    }
}
