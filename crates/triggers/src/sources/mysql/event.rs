//! Events of a binary log (MySQL internals, "Binary Log Event"; MariaDB knowledge base, "Replication Protocol").
//!
//! Both servers' events of format 4, with and without MariaDB's compression. Of other events it is known that they are
//! there; those that would have to be understood and are not are told of.

use std::io::Read as _;

use bytes::Bytes;
use flate2::read::ZlibDecoder;

use super::connection::lost;
use super::reader::{Reader, Short};
use crate::source::Trouble;

const QUERY: u8 = 2;
const ROTATE: u8 = 4;
const FORMAT: u8 = 15;
const XID: u8 = 16;
const TABLE_MAP: u8 = 19;
const ROWS_V1: [u8; 3] = [23, 24, 25];
const INCIDENT: u8 = 26;
const ROWS_V2: [u8; 3] = [30, 31, 32];
/// With a place, without, and with a tag.
const MYSQL_GTID: [u8; 3] = [33, 34, 42];
const XA_PREPARE: u8 = 38;
const PARTIAL_UPDATE: u8 = 39;
const PAYLOAD: u8 = 40;
const MARIADB_GTID: u8 = 162;
const MARIADB_ENCRYPTION: u8 = 164;
const QUERY_COMPRESSED: u8 = 165;
const ROWS_COMPRESSED_V1: [u8; 3] = [166, 167, 168];
const ROWS_COMPRESSED_V2: [u8; 3] = [169, 170, 171];
/// It is none of the log and moves no place.
const ARTIFICIAL: u16 = 0x20;
/// MariaDB's event group is one event, which nothing ends.
const STANDALONE: u8 = 1;
/// What an event's checksum takes, and the number of how it is made.
const SUM_BYTES: usize = 4;
const CRC32: u8 = 1;
/// What a compressed event may become.
const PLAIN_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What is said of every event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// When it happened, in seconds since 1970.
    pub(super) at_secs: u32,
    pub(super) server: u32,
    /// Where the next one is in the file; 0 of one that is not in it.
    pub(super) next: u32,
    pub(super) is_artificial: bool,
}

/// An event.
#[derive(Debug)]
pub(super) enum Event {
    /// The log goes on there.
    Rotate { file: String, at: u64 },
    /// Something begins that is done as a whole or not at all.
    Begin {
        gtid: Option<Gtid>,
        /// Whether it is one event.
        is_alone: bool,
    },
    /// It is done.
    Commit,
    /// A statement.
    Query { schema: String, sql: String },
    /// What a number stands for in the rows that follow.
    Table { id: u64, table: Reader },
    /// Rows were changed.
    Rows(Rows),
    /// It is done with nothing for us.
    Other,
}

/// MariaDB's name of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gtid {
    pub(super) domain: u32,
    pub(super) server: u32,
    pub(super) number: u64,
}

/// Changes of rows of a table, not yet read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Rows {
    pub(super) table: u64,
    pub(super) what: Kind,
    pub(super) columns: usize,
    /// Which columns the old rows have, and which the new.
    pub(super) old: Bytes,
    pub(super) new: Bytes,
    pub(super) data: Bytes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Insert,
    Update,
    Delete,
}

/// Reads the events of one stream.
#[derive(Debug)]
pub(super) struct Events {
    /// Whether each ends with a checksum, as the last description of the format has it.
    is_summed: bool,
}

impl Events {
    pub(super) fn new(is_summed: bool) -> Self {
        Self { is_summed }
    }

    /// Reads an event, and makes sure that it is what was written.
    pub(super) fn read(&mut self, packet: Bytes) -> Result<(Header, Event), Trouble> {
        let at = packet.len().wrapping_sub(SUM_BYTES);
        if packet.get(4) == Some(&FORMAT) {
            // The last byte before its checksum, which it has in any case, says which the others have.
            self.is_summed = at.checked_sub(1).and_then(|at| packet.get(at)) == Some(&CRC32);
            return read(packet);
        }
        if !self.is_summed {
            return read(packet);
        }
        let (event, sum) = packet.split_at_checked(at).ok_or_else(|| short(Short))?;
        let mut crc = flate2::Crc::new();
        crc.update(event);
        match crc.sum().to_le_bytes() == sum {
            true => read(packet.slice(..at)),
            false => Err(lost("an event of the server's log is damaged")),
        }
    }
}

/// Reads an event without its checksum.
fn read(packet: Bytes) -> Result<(Header, Event), Trouble> {
    let mut reader = Reader::new(packet);
    let (header, kind) = header(&mut reader).map_err(short)?;
    let event = match kind {
        PAYLOAD => Err(unknown(
            "compressed transactions",
            "binlog_transaction_compression = OFF",
        )),
        PARTIAL_UPDATE => Err(unknown(
            "parts of JSON values",
            "binlog_row_value_options empty",
        )),
        MARIADB_ENCRYPTION if !header.is_artificial => Ok(Event::Other),
        INCIDENT => Err(Trouble::new(
            "the database says that its binary log misses changes (an incident event): delete the mapping and create it again",
        )),
        kind => body(kind, header, reader).map_err(short),
    };
    Ok((header, event?))
}

fn header(reader: &mut Reader) -> Result<(Header, u8), Short> {
    let at_secs = reader.u32()?;
    let kind = reader.u8()?;
    let server = reader.u32()?;
    reader.u32()?;
    let next = reader.u32()?;
    let flags = reader.u16()?;
    let header = Header {
        at_secs,
        server,
        next,
        is_artificial: flags & ARTIFICIAL != 0,
    };
    Ok((header, kind))
}

fn body(kind: u8, header: Header, mut reader: Reader) -> Result<Event, Short> {
    Ok(match kind {
        ROTATE => Event::Rotate {
            at: reader.uint(8)?,
            file: text(&reader.rest()),
        },
        QUERY | QUERY_COMPRESSED => query(reader, kind == QUERY_COMPRESSED)?,
        XID | XA_PREPARE => Event::Commit,
        MARIADB_GTID => {
            let number = reader.uint(8)?;
            let domain = reader.u32()?;
            let flags = reader.u8()?;
            Event::Begin {
                gtid: Some(Gtid {
                    domain,
                    server: header.server,
                    number,
                }),
                is_alone: flags & STANDALONE != 0,
            }
        }
        // What it begins with says how it ends: a statement alone, or `BEGIN`.
        kind if MYSQL_GTID.contains(&kind) => Event::Begin {
            gtid: None,
            is_alone: false,
        },
        TABLE_MAP => {
            let id = reader.uint(6)?;
            reader.u16()?;
            Event::Table { id, table: reader }
        }
        kind => match rows_kind(kind) {
            Some((what, has_extra, is_compressed)) => {
                Event::Rows(rows(reader, what, has_extra, is_compressed)?)
            }
            None => Event::Other,
        },
    })
}

fn rows_kind(kind: u8) -> Option<(Kind, bool, bool)> {
    const WHAT: [Kind; 3] = [Kind::Insert, Kind::Update, Kind::Delete];
    let forms = [
        (ROWS_V1, false, false),
        (ROWS_V2, true, false),
        (ROWS_COMPRESSED_V1, false, true),
        (ROWS_COMPRESSED_V2, true, true),
    ];
    forms
        .into_iter()
        .find_map(|(kinds, has_extra, is_compressed)| {
            let at = kinds.iter().position(|of| *of == kind)?;
            Some((WHAT[at], has_extra, is_compressed))
        })
}

fn rows(
    mut reader: Reader,
    what: Kind,
    has_extra: bool,
    is_compressed: bool,
) -> Result<Rows, Short> {
    let table = reader.uint(6)?;
    reader.u16()?;
    if has_extra {
        let length = usize::from(reader.u16()?);
        reader.take(length.checked_sub(2).ok_or(Short)?)?;
    }
    let columns = reader.count()?;
    let mut present = || reader.take(columns.div_ceil(8));
    let (old, new) = match what {
        Kind::Insert => (Bytes::new(), present()?),
        Kind::Update => (present()?, present()?),
        Kind::Delete => (present()?, Bytes::new()),
    };
    let data = match is_compressed {
        true => plain(reader)?,
        false => reader.rest(),
    };
    Ok(Rows {
        table,
        what,
        columns,
        old,
        new,
        data,
    })
}

fn query(mut reader: Reader, is_compressed: bool) -> Result<Event, Short> {
    reader.u32()?;
    reader.u32()?;
    let schema_bytes = usize::from(reader.u8()?);
    reader.u16()?;
    let status_bytes = usize::from(reader.u16()?);
    reader.take(status_bytes)?;
    let schema = reader.take(schema_bytes)?;
    reader.take(1)?;
    let sql = match is_compressed {
        true => plain(reader)?,
        false => reader.rest(),
    };
    Ok(Event::Query {
        schema: text(&schema),
        sql: text(&sql),
    })
}

/// MariaDB's compression: a byte with the form and the length's length, the length, and what zlib made of it.
fn plain(mut reader: Reader) -> Result<Bytes, Short> {
    let form = reader.u8()?;
    let length = reader.uint_be(usize::from(form & 0x07))?;
    let length = usize::try_from(length).map_err(|_| Short)?;
    if form & 0xF0 != 0x80 || length > PLAIN_BYTES_MAX {
        return Err(Short);
    }
    let compressed = reader.rest();
    let mut plain = Vec::with_capacity(length.min(compressed.len().saturating_mul(16)));
    let mut decoder = ZlibDecoder::new(&*compressed).take(length as u64);
    decoder.read_to_end(&mut plain).map_err(|_| Short)?;
    match plain.len() == length {
        true => Ok(plain.into()),
        false => Err(Short),
    }
}

fn text(bytes: &Bytes) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn short(_: Short) -> Trouble {
    lost("the server sent an event of its log that cannot be read")
}

fn unknown(what: &str, setting: &str) -> Trouble {
    Trouble::new(format!(
        "the database's binary log has {what}, which cannot be read: set {setting}, then delete the mapping and create it again"
    ))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use proptest::prelude::*;

    use super::*;

    fn packet(kind: u8, flags: u16, body: &[u8]) -> Bytes {
        let mut packet = 1_795_440_180u32.to_le_bytes().to_vec();
        packet.push(kind);
        packet.extend(9u32.to_le_bytes());
        packet.extend((19 + body.len() as u32).to_le_bytes());
        packet.extend(500u32.to_le_bytes());
        packet.extend(flags.to_le_bytes());
        packet.extend(body);
        packet.into()
    }

    fn event(kind: u8, body: &[u8]) -> Event {
        read(packet(kind, 0, body)).unwrap().1
    }

    #[test]
    fn what_begins_and_ends_a_transaction_is_known() {
        let mut body = 42u64.to_le_bytes().to_vec();
        body.extend(3u32.to_le_bytes());
        body.extend([STANDALONE, 0, 0, 0, 0, 0, 0]);
        let (header, begun) = read(packet(MARIADB_GTID, 0, &body)).unwrap();
        assert_eq!((header.next, header.server), (500, 9));
        let Event::Begin { gtid, is_alone } = begun else {
            panic!("{begun:?}");
        };
        let expected = Gtid {
            domain: 3,
            server: 9,
            number: 42,
        };
        assert_eq!((gtid, is_alone), (Some(expected), true));
        assert!(matches!(event(XID, &[0; 8]), Event::Commit));
        assert!(matches!(
            event(33, &[0; 40]),
            Event::Begin { gtid: None, .. }
        ));
    }

    #[test]
    fn statements_and_rows_are_read_compressed_or_not() {
        let mut compressed = vec![0x81, 5];
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(b"BEGIN").unwrap();
        compressed.extend(encoder.finish().unwrap());
        for (kind, text) in [(QUERY, &b"BEGIN"[..]), (QUERY_COMPRESSED, &compressed)] {
            let mut body = vec![0; 8];
            body.extend([4, 0, 0, 2, 0, 9, 9]);
            body.extend(b"shop\0");
            body.extend(text);
            match event(kind, &body) {
                Event::Query { schema, sql } => assert_eq!((&*schema, &*sql), ("shop", "BEGIN")),
                other => panic!("{other:?}"),
            }
            body.truncate(12);
            assert!(read(packet(kind, 0, &body)).is_err());
        }
        let mut body = vec![7, 0, 0, 0, 0, 0, 1, 0, 2, 0];
        body.extend([3, 0b111, 0b001, 1, 2, 3]);
        let expected = Rows {
            table: 7,
            what: Kind::Update,
            columns: 3,
            old: Bytes::from_static(&[0b111]),
            new: Bytes::from_static(&[0b001]),
            data: Bytes::from_static(&[1, 2, 3]),
        };
        match event(31, &body) {
            Event::Rows(rows) => assert_eq!(rows, expected),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_not_understood_is_told_of() {
        for (kind, expected) in [(PAYLOAD, "compression = OFF"), (INCIDENT, "misses changes")] {
            let told = read(packet(kind, 0, &[])).unwrap_err().to_string();
            assert!(told.contains(expected), "{told}");
        }
        assert!(matches!(event(163, &[1, 2]), Event::Other));
    }

    #[test]
    fn events_are_what_was_written_or_refused() {
        let summed = |packet: Bytes| {
            let mut crc = flate2::Crc::new();
            crc.update(&packet);
            [&packet[..], &crc.sum().to_le_bytes()].concat()
        };
        let mut events = Events::new(false);
        let xid = packet(XID, 0, &[0; 8]);
        assert!(matches!(events.read(xid.clone()).unwrap().1, Event::Commit));
        // From here on events have checksums.
        events
            .read(packet(FORMAT, 0, &[4, 0, CRC32, 9, 9, 9, 9]))
            .unwrap();
        let mut written = summed(xid.clone());
        assert!(matches!(
            events.read(written.clone().into()).unwrap().1,
            Event::Commit
        ));
        written[20] ^= 1;
        let refused = events.read(written.into()).unwrap_err().to_string();
        assert!(refused.contains("damaged"), "{refused}");
        events
            .read(packet(FORMAT, 0, &[4, 0, 0, 9, 9, 9, 9]))
            .unwrap();
        assert!(events.read(xid).is_ok());
    }

    proptest! {
        #[test]
        fn whatever_comes_is_an_event_or_refused(
            kind in prop::sample::select(vec![QUERY, ROTATE, TABLE_MAP, 23, 24, 25, 30, 31, 162, 165, 167]),
            body in prop::collection::vec(any::<u8>(), 0..80),
        ) {
            let _ = read(packet(kind, 0, &body));
            let _ = read(body.clone().into());
            let _ = Events::new(true).read(body.into());
        }
    }
}
