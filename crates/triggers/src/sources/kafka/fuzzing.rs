//! What a broker sends.

use bytes::{BufMut as _, Bytes, BytesMut};
use crc_fast::{CrcAlgorithm, checksum};
use kiln_types::Timestamp;

use super::api::{
    ApiVersions, DeleteGroup, FindCoordinator, ListOffsets, Metadata, OffsetCommit, OffsetFetch,
    Request, SaslAuthenticate, SaslHandshake,
};
use super::batches::Chunk;
use super::fetch::Fetch;
use super::record::record;
use super::wire::Reader;
use crate::sources::fuzzing::check_document;

/// The first letter says what comes: batches as they are, the records of one batch that is whole otherwise, or an answer.
pub fn kafka(data: &[u8]) {
    let Some((kind, rest)) = data.split_first() else {
        return;
    };
    let bytes = Bytes::copy_from_slice(rest);
    match kind {
        b'b' => batches(bytes),
        b'r' => batches(batch(rest)),
        b'A' => answer::<ApiVersions>(&bytes),
        b'S' => answer::<SaslHandshake>(&bytes),
        b'P' => answer::<SaslAuthenticate<'_>>(&bytes),
        b'M' => answer::<Metadata<'_>>(&bytes),
        b'L' => answer::<ListOffsets<'_>>(&bytes),
        b'C' => answer::<FindCoordinator<'_>>(&bytes),
        b'O' => answer::<OffsetFetch<'_>>(&bytes),
        b'K' => answer::<OffsetCommit<'_>>(&bytes),
        b'D' => answer::<DeleteGroup<'_>>(&bytes),
        b'F' => answer::<Fetch>(&bytes),
        _ => {}
    }
}

fn answer<R: Request>(bytes: &Bytes) {
    for version in R::VERSIONS {
        let is_flexible = *version >= R::FLEXIBLE_FROM;
        let _ = R::read(&mut Reader::new(bytes.clone(), is_flexible), *version);
    }
}

fn batches(bytes: Bytes) {
    let mut chunk = Chunk::new(bytes, vec![(1, 0), (7, 3)]);
    while let Ok(batch) = chunk.next() {
        let _ = batch.is_compressed();
        let next = batch.next;
        let Ok(mut open) = batch.open() else {
            continue;
        };
        while let Ok(messages) = open.some(0) {
            if messages.is_empty() {
                break;
            }
            for message in messages {
                assert!(message.offset < next, "it is not in its batch");
                let record = record(&message, "topic", 0, Timestamp::default());
                check_document(&record.document);
            }
        }
    }
}

/// A batch with these attributes and records, whose lengths and checksum are right.
fn batch(data: &[u8]) -> Bytes {
    let (attributes, records) = data.split_first().unwrap_or((&0, &[]));
    let mut rest = BytesMut::new();
    rest.put_i16(i16::from(*attributes));
    rest.put_i32(1_000);
    rest.put_i64(1_795_440_180_000);
    rest.put_i64(1_795_440_180_000);
    rest.put_i64(7);
    rest.put_i16(0);
    rest.put_i32(0);
    rest.put_i32(1_000);
    rest.put_slice(records);
    let sum = checksum(CrcAlgorithm::Crc32Iscsi, &rest);
    let mut whole = BytesMut::new();
    whole.put_i64(5);
    whole.put_i32(i32::try_from(rest.len() + 9).unwrap_or(i32::MAX));
    whole.put_i32(0);
    whole.put_i8(2);
    whole.put_u32(sum as u32);
    whole.put_slice(&rest);
    whole.freeze()
}
