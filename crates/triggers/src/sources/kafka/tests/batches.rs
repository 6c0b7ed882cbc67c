//! What logs hold, byte by byte.

use bytes::Bytes;
use crc_fast::{CrcAlgorithm, checksum};
use proptest::prelude::*;

use super::super::api::{Metadata, Request};
use super::super::batches::{Batch, Chunk, End, Message};
use super::super::decompress::Unread;
use super::super::fetch::Fetch;
use super::super::wire::Reader;

const TRANSACTIONAL: i16 = 16;
const CONTROL: i16 = 32;

/// A batch as a log holds it.
#[derive(Debug, Clone)]
pub(super) struct Written {
    pub(super) base: i64,
    pub(super) attributes: i16,
    pub(super) producer: i64,
    /// Records: by how much their offsets are greater, keys and values.
    pub(super) records: Vec<(i64, Option<Vec<u8>>, Vec<u8>)>,
    /// What the last offset is greater by.
    pub(super) last: i32,
}

impl Written {
    /// Records with these values.
    pub(super) fn of(base: i64, values: &[&str]) -> Self {
        let records = values.iter().enumerate();
        let records = records.map(|(at, value)| (at as i64, None, value.as_bytes().to_vec()));
        Self {
            base,
            attributes: 0,
            producer: -1,
            records: records.collect(),
            last: values.len() as i32 - 1,
        }
    }

    /// The same, written by a transaction.
    pub(super) fn by(self, producer: i64) -> Self {
        Self {
            attributes: TRANSACTIONAL,
            producer,
            ..self
        }
    }

    /// The end of a transaction.
    pub(super) fn end(base: i64, producer: i64, is_commit: bool) -> Self {
        let key = vec![0, 0, 0, is_commit.into()];
        Self {
            base,
            attributes: TRANSACTIONAL | CONTROL,
            producer,
            records: vec![(0, Some(key), vec![0; 6])],
            last: 0,
        }
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let payload = self.records.iter().flat_map(|(at, key, value)| {
            let mut record = vec![0];
            record.extend(varint(0));
            record.extend(varint(*at));
            match key {
                Some(key) => {
                    record.extend(varint(key.len() as i64));
                    record.extend(key);
                }
                None => record.extend(varint(-1)),
            }
            record.extend(varint(value.len() as i64));
            record.extend(value);
            record.extend(varint(1));
            record.extend(varint(1));
            record.extend(*b"h");
            record.extend(varint(-1));
            [varint(record.len() as i64), record].concat()
        });
        let payload: Vec<u8> = payload.collect();
        self.with_payload(self.records.len() as i32, &payload)
    }

    fn with_payload(&self, count: i32, payload: &[u8]) -> Vec<u8> {
        let mut summed = self.attributes.to_be_bytes().to_vec();
        summed.extend(self.last.to_be_bytes());
        summed.extend(1_000_i64.to_be_bytes());
        summed.extend(2_000_i64.to_be_bytes());
        summed.extend(self.producer.to_be_bytes());
        summed.extend([0; 6]);
        summed.extend(count.to_be_bytes());
        summed.extend(payload);
        let sum = checksum(CrcAlgorithm::Crc32Iscsi, &summed) as u32;
        let mut bytes = self.base.to_be_bytes().to_vec();
        bytes.extend((summed.len() as i32 + 9).to_be_bytes());
        bytes.extend([0, 0, 0, 0, 2]);
        bytes.extend(sum.to_be_bytes());
        bytes.extend(summed);
        bytes
    }
}

fn varint(value: i64) -> Vec<u8> {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    let mut bytes = Vec::new();
    while rest >= 0x80 {
        bytes.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
    bytes
}

impl Batch {
    /// All of its records, from this offset on.
    fn messages(&self, from: i64) -> Result<Vec<Message>, Unread> {
        let mut open = self.clone().open()?;
        let mut all = Vec::new();
        loop {
            let some = open.some(from)?;
            if some.is_empty() {
                return Ok(all);
            }
            all.extend(some);
        }
    }
}

fn chunk(written: &[Written], aborted: &[(i64, i64)]) -> Chunk {
    let bytes: Vec<u8> = written.iter().flat_map(Written::bytes).collect();
    Chunk::new(bytes.into(), aborted.to_vec())
}

/// What of a chunk is seen from an offset on.
fn seen(mut chunk: Chunk, from: i64) -> Vec<(i64, String)> {
    let mut seen = Vec::new();
    while let Ok(batch) = chunk.next() {
        seen.extend(batch.messages(from).unwrap());
    }
    let text = |message: &Message| String::from_utf8_lossy(message.value.as_ref().unwrap()).into();
    seen.iter()
        .map(|message| (message.offset, text(message)))
        .collect()
}

fn texts(expected: &[(i64, &str)]) -> Vec<(i64, String)> {
    let own = expected.iter().map(|(at, text)| (*at, (*text).to_owned()));
    own.collect()
}

#[test]
fn records_are_seen_from_the_offset_on_that_was_asked_for() {
    let written = [Written::of(5, &["a", "b", "c"]), Written::of(8, &["d"])];
    assert_eq!(
        seen(chunk(&written, &[]), 6),
        texts(&[(6, "b"), (7, "c"), (8, "d")])
    );
    let batch = chunk(&written, &[]).next().unwrap();
    let first = &batch.messages(0).unwrap()[0];
    assert_eq!((first.time_ms, first.is_append_time), (1_000, false));
    assert_eq!(first.headers, [(Bytes::from_static(b"h"), None)]);
    let appended = Written {
        attributes: 8,
        ..written[0].clone()
    };
    let batch = chunk(&[appended], &[]).next().unwrap();
    let first = &batch.messages(0).unwrap()[0];
    assert_eq!((first.time_ms, first.is_append_time), (2_000, true));
}

#[test]
fn offsets_that_were_compacted_away_are_passed_over() {
    let mut written = Written::of(5, &["a"]);
    written.last = 9;
    let mut chunk = chunk(&[written], &[]);
    assert_eq!(chunk.next().unwrap().next, 15);
    assert_eq!(chunk.next().unwrap_err(), End::Over);
}

#[test]
fn a_transaction_that_came_to_nothing_is_not_seen_and_neither_are_ends() {
    let written = [
        Written::of(0, &["of 7, before"]).by(7),
        Written::end(1, 7, true),
        Written::of(2, &["of 7, nothing"]).by(7),
        Written::of(3, &["of 8"]).by(8),
        Written::of(4, &["of nobody"]),
        Written::of(5, &["of 7, nothing"]).by(7),
        Written::end(6, 7, false),
        Written::of(7, &["of 7, behind"]).by(7),
        Written::end(8, 8, true),
        Written::end(9, 7, true),
    ];
    let expected = [
        (0, "of 7, before"),
        (3, "of 8"),
        (4, "of nobody"),
        (7, "of 7, behind"),
    ];
    assert_eq!(seen(chunk(&written, &[(7, 2)]), 0), texts(&expected));
}

#[test]
fn a_batch_that_is_cut_off_says_how_large_it_is() {
    let whole = Written::of(0, &["a", "b"]).bytes();
    for length in 1..whole.len() {
        let mut chunk = Chunk::new(whole[..length].to_vec().into(), Vec::new());
        let end = chunk.next().unwrap_err();
        let expected = if length < 12 { 12 } else { whole.len() };
        assert_eq!(end, End::Part(expected), "{length}");
        assert!(chunk.is_empty());
    }
}

#[test]
fn what_is_not_as_it_was_sent_is_known() {
    let mut changed = Written::of(0, &["a"]).bytes();
    *changed.last_mut().unwrap() ^= 1;
    assert_eq!(
        Chunk::new(changed.into(), Vec::new()).next().unwrap_err(),
        End::Broken
    );
    let mut old = Written::of(0, &["a"]).bytes();
    old[16] = 1;
    assert_eq!(
        Chunk::new(old.into(), Vec::new()).next().unwrap_err(),
        End::Old
    );
    let lies = Written::of(0, &["a"]).with_payload(i32::MAX, &[]);
    let batch = Chunk::new(lies.into(), Vec::new()).next().unwrap();
    assert_eq!(batch.messages(0), Err(Unread::Broken));
}

proptest! {
    #[test]
    fn nothing_that_comes_does_harm(bytes in proptest::collection::vec(any::<u8>(), 0..300), version in 0_i16..13) {
        let bytes = Bytes::from(bytes);
        let mut chunk = Chunk::new(bytes.clone(), vec![(1, 2)]);
        while let Ok(batch) = chunk.next() {
            let _ = batch.messages(0);
        }
        for is_flexible in [false, true] {
            let _ = Fetch::read(&mut Reader::new(bytes.clone(), is_flexible), version);
            let _ = Metadata::read(&mut Reader::new(bytes.clone(), is_flexible), version);
        }
    }

    #[test]
    fn no_payload_does_harm(payload in proptest::collection::vec(any::<u8>(), 0..200), how in 0_i16..8, count in any::<i32>()) {
        let mut written = Written::of(0, &[]);
        written.attributes = how;
        let bytes = written.with_payload(count, &payload);
        let batch = Chunk::new(bytes.into(), Vec::new()).next();
        if let Ok(batch) = batch {
            let _ = batch.messages(0);
        }
    }
}
