//! What a batch of records is compressed by. All of it in Rust, and never more comes out than may.

use std::io::{self, Read};

use bytes::Bytes;

/// What one batch may take once it is not compressed any more.
pub(super) const BATCH_BYTES_MAX: usize = 64 * 1024 * 1024;
/// What Java's writers of snappy put before their blocks.
const SNAPPY_MAGIC: &[u8] = b"\x82SNAPPY\0";
/// The magic number, the version, and the oldest that reads it.
const SNAPPY_HEAD_BYTES: usize = 16;

/// Why there are no records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unread {
    /// It is not what it says.
    Broken,
    /// There is more than may be.
    TooLarge,
    /// Nobody here knows how it is compressed.
    Unknown(i16),
}

/// What was compressed in the way that has this number.
pub(super) fn decompress(how: i16, from: &Bytes) -> Result<Bytes, Unread> {
    decompress_within(how, from, BATCH_BYTES_MAX)
}

fn decompress_within(how: i16, from: &Bytes, bytes_max: usize) -> Result<Bytes, Unread> {
    match how {
        0 => Ok(from.clone()),
        1 => read(flate2::read::MultiGzDecoder::new(&**from), bytes_max),
        2 => snappy(from, bytes_max),
        3 => read(lz4_flex::frame::FrameDecoder::new(&**from), bytes_max),
        4 => {
            let decoder = ruzstd::decoding::StreamingDecoder::new(&**from);
            read(decoder.map_err(|_| Unread::Broken)?, bytes_max)
        }
        other => Err(Unread::Unknown(other)),
    }
}

fn read(from: impl Read, bytes_max: usize) -> Result<Bytes, Unread> {
    let mut to = Vec::new();
    let read = from.take(bytes_max as u64 + 1).read_to_end(&mut to);
    read.map_err(|_: io::Error| Unread::Broken)?;
    match to.len() <= bytes_max {
        true => Ok(to.into()),
        false => Err(Unread::TooLarge),
    }
}

/// One block, or as Java writes it: a head, and blocks with their lengths before them.
fn snappy(from: &[u8], bytes_max: usize) -> Result<Bytes, Unread> {
    let mut to = Vec::new();
    if !from.starts_with(SNAPPY_MAGIC) {
        snappy_block(from, &mut to, bytes_max)?;
        return Ok(to.into());
    }
    let mut rest = from.get(SNAPPY_HEAD_BYTES..).ok_or(Unread::Broken)?;
    while !rest.is_empty() {
        let (length, behind) = rest.split_first_chunk().ok_or(Unread::Broken)?;
        let length = u32::from_be_bytes(*length) as usize;
        let (block, behind) = behind.split_at_checked(length).ok_or(Unread::Broken)?;
        snappy_block(block, &mut to, bytes_max)?;
        rest = behind;
    }
    Ok(to.into())
}

fn snappy_block(block: &[u8], to: &mut Vec<u8>, bytes_max: usize) -> Result<(), Unread> {
    let length = snap::raw::decompress_len(block).map_err(|_| Unread::Broken)?;
    let before = to.len();
    if before + length > bytes_max {
        return Err(Unread::TooLarge);
    }
    to.resize(before + length, 0);
    let mut decoder = snap::raw::Decoder::new();
    let written = decoder.decompress(block, &mut to[before..]);
    written.map(|_| ()).map_err(|_| Unread::Broken)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn text() -> Vec<u8> {
        b"records ".repeat(1_000)
    }

    fn compressed(how: i16) -> Vec<u8> {
        match how {
            1 => {
                let mut writer = flate2::write::GzEncoder::new(Vec::new(), Default::default());
                writer.write_all(&text()).unwrap();
                writer.finish().unwrap()
            }
            2 => snap::raw::Encoder::new().compress_vec(&text()).unwrap(),
            3 => {
                let mut writer = lz4_flex::frame::FrameEncoder::new(Vec::new());
                writer.write_all(&text()).unwrap();
                writer.finish().unwrap()
            }
            _ => {
                let level = ruzstd::encoding::CompressionLevel::Fastest;
                ruzstd::encoding::compress_to_vec(&*text(), level)
            }
        }
    }

    #[test]
    fn what_was_compressed_comes_out_and_never_more_than_may() {
        for how in 1..=4 {
            let from = compressed(how).into();
            assert_eq!(decompress(how, &from).unwrap(), text(), "{how}");
            let bounded = decompress_within(how, &from, text().len() - 1);
            assert_eq!(bounded, Err(Unread::TooLarge), "{how}");
            let cut = from.slice(..from.len() / 2);
            assert_eq!(decompress(how, &cut), Err(Unread::Broken), "{how}");
        }
        assert_eq!(decompress(7, &Bytes::new()), Err(Unread::Unknown(7)));
    }

    #[test]
    fn blocks_of_java_are_read_one_after_the_other() {
        let mut from = SNAPPY_MAGIC.to_vec();
        from.extend([0, 0, 0, 1, 0, 0, 0, 1]);
        for _ in 0..2 {
            let block = compressed(2);
            from.extend((block.len() as u32).to_be_bytes());
            from.extend(block);
        }
        let read = decompress(2, &from.clone().into()).unwrap();
        assert_eq!(read, text().repeat(2));
        from.pop();
        assert_eq!(decompress(2, &from.into()), Err(Unread::Broken));
    }
}
