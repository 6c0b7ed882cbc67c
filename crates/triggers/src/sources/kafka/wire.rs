//! The values that Kafka's messages are made of. What comes is bounded by what is there: no number that a broker sends
//! decides how much memory is asked for.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

use super::identity::TopicId;
use crate::source::Trouble;
use crate::sources::dial::lost;

/// What came is not what the protocol says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Broken;

pub(super) type Read<T> = Result<T, Broken>;

/// What came, from its front.
#[derive(Debug, Clone)]
pub(super) struct Reader {
    bytes: Bytes,
    /// Whether lengths are short and tags may follow, as in later versions of a message.
    is_flexible: bool,
}

impl Reader {
    pub(super) fn new(bytes: Bytes, is_flexible: bool) -> Self {
        Self { bytes, is_flexible }
    }

    /// All that is left, without reading it.
    pub(super) fn rest(&self) -> Bytes {
        self.bytes.clone()
    }

    pub(super) fn take(&mut self, count: usize) -> Read<Bytes> {
        match count <= self.bytes.len() {
            true => Ok(self.bytes.split_to(count)),
            false => Err(Broken),
        }
    }

    pub(super) fn i8(&mut self) -> Read<i8> {
        self.bytes.try_get_i8().map_err(|_| Broken)
    }

    pub(super) fn i16(&mut self) -> Read<i16> {
        self.bytes.try_get_i16().map_err(|_| Broken)
    }

    pub(super) fn i32(&mut self) -> Read<i32> {
        self.bytes.try_get_i32().map_err(|_| Broken)
    }

    pub(super) fn u32(&mut self) -> Read<u32> {
        self.bytes.try_get_u32().map_err(|_| Broken)
    }

    pub(super) fn i64(&mut self) -> Read<i64> {
        self.bytes.try_get_i64().map_err(|_| Broken)
    }

    /// A number of which seven bits are in each byte, the lowest first.
    fn varint_bits(&mut self, bits: u32) -> Read<u64> {
        let mut value = 0;
        let mut shift = 0;
        while shift < bits {
            let byte = self.bytes.try_get_u8().map_err(|_| Broken)?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
            shift += 7;
        }
        Err(Broken)
    }

    /// The same of a number that may be negative.
    pub(super) fn varint(&mut self) -> Read<i64> {
        let bits = self.varint_bits(64)?;
        Ok((bits >> 1) as i64 ^ -((bits & 1) as i64))
    }

    /// The length of bytes or texts; none: there are none.
    fn length(&mut self, is_long: bool) -> Read<Option<usize>> {
        let length = match (self.is_flexible, is_long) {
            (true, _) => i64::try_from(self.varint_bits(32)?).map_err(|_| Broken)? - 1,
            (false, true) => self.i32()?.into(),
            (false, false) => self.i16()?.into(),
        };
        Ok(usize::try_from(length).ok())
    }

    pub(super) fn text_or_none(&mut self) -> Read<Option<String>> {
        let Some(length) = self.length(false)? else {
            return Ok(None);
        };
        let bytes = self.take(length)?;
        String::from_utf8(bytes.into())
            .map(Some)
            .map_err(|_| Broken)
    }

    pub(super) fn text(&mut self) -> Read<String> {
        self.text_or_none()?.ok_or(Broken)
    }

    pub(super) fn data(&mut self) -> Read<Bytes> {
        match self.length(true)? {
            Some(length) => self.take(length),
            None => Ok(Bytes::new()),
        }
    }

    /// A topic's own name; none: there is none.
    pub(super) fn topic_id(&mut self) -> Read<Option<TopicId>> {
        let bytes = self.take(16)?;
        let id = <[u8; 16]>::try_from(&*bytes).map_err(|_| Broken)?;
        Ok(Some(TopicId(id)).filter(|TopicId(id)| *id != [0; 16]))
    }

    /// A list, which may be missing. Each value takes a byte at least, so that a wrong count ends with what is there.
    pub(super) fn list<T>(&mut self, mut one: impl FnMut(&mut Self) -> Read<T>) -> Read<Vec<T>> {
        let count = self.length(true)?.unwrap_or(0);
        if count > self.bytes.len() {
            return Err(Broken);
        }
        let mut values = Vec::new();
        for _ in 0..count {
            values.push(one(self)?);
        }
        Ok(values)
    }

    /// What later versions add, and nobody here knows.
    pub(super) fn tags(&mut self) -> Read<()> {
        if !self.is_flexible {
            return Ok(());
        }
        for _ in 0..self.varint_bits(32)? {
            self.varint_bits(32)?;
            let length = self.varint_bits(32)?;
            self.take(usize::try_from(length).map_err(|_| Broken)?)?;
        }
        Ok(())
    }
}

/// What is sent.
#[derive(Debug)]
pub(super) struct Writer {
    bytes: BytesMut,
    is_flexible: bool,
}

impl Writer {
    pub(super) fn new(is_flexible: bool) -> Self {
        Self {
            bytes: BytesMut::new(),
            is_flexible,
        }
    }

    pub(super) fn done(self) -> BytesMut {
        self.bytes
    }

    pub(super) fn i8(&mut self, value: i8) {
        self.bytes.put_i8(value);
    }

    pub(super) fn i16(&mut self, value: i16) {
        self.bytes.put_i16(value);
    }

    pub(super) fn i32(&mut self, value: i32) {
        self.bytes.put_i32(value);
    }

    pub(super) fn i64(&mut self, value: i64) {
        self.bytes.put_i64(value);
    }

    pub(super) fn raw(&mut self, bytes: &[u8]) {
        self.bytes.put_slice(bytes);
    }

    fn short_length(&mut self, length: usize) {
        let mut rest = length + 1;
        while rest >= 0x80 {
            self.bytes.put_u8((rest & 0x7f) as u8 | 0x80);
            rest >>= 7;
        }
        self.bytes.put_u8(rest as u8);
    }

    /// A text: names, which are shorter than any length that cannot be written.
    pub(super) fn text(&mut self, text: &str) {
        match self.is_flexible {
            true => self.short_length(text.len()),
            false => self.i16(text.len() as i16),
        }
        self.raw(text.as_bytes());
    }

    pub(super) fn data(&mut self, bytes: &[u8]) {
        match self.is_flexible {
            true => self.short_length(bytes.len()),
            false => self.i32(bytes.len() as i32),
        }
        self.raw(bytes);
    }

    pub(super) fn list<T>(&mut self, values: &[T], mut one: impl FnMut(&mut Self, &T)) {
        match self.is_flexible {
            true => self.short_length(values.len()),
            false => self.i32(values.len() as i32),
        }
        for value in values {
            one(self, value);
        }
    }

    pub(super) fn tags(&mut self) {
        if self.is_flexible {
            self.bytes.put_u8(0);
        }
    }
}

impl From<Broken> for Trouble {
    fn from(_: Broken) -> Self {
        lost("the broker sent what cannot be read")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_that_is_not_there_asks_for_no_memory() {
        let count = Bytes::from_static(&[0x7f, 0xff, 0xff, 0xff, 1, 2]);
        let mut reader = Reader::new(count.clone(), false);
        assert_eq!(reader.list(Reader::i8), Err(Broken));
        assert_eq!(Reader::new(count, false).data(), Err(Broken));
        let flexible = Bytes::from_static(&[0xff, 0xff, 0xff, 0xff, 0x0f, 1]);
        let mut reader = Reader::new(flexible, true);
        assert_eq!(reader.list(Reader::i8), Err(Broken));
    }

    #[test]
    fn what_is_written_is_read_in_both_forms() {
        for is_flexible in [false, true] {
            let mut writer = Writer::new(is_flexible);
            writer.text("orders");
            writer.data(&[7; 300]);
            writer.list(&[1, -2], |to, value| to.i64(*value));
            writer.tags();
            let mut reader = Reader::new(writer.done().freeze(), is_flexible);
            assert_eq!(reader.text().unwrap(), "orders");
            assert_eq!(reader.data().unwrap(), vec![7; 300]);
            assert_eq!(reader.list(Reader::i64).unwrap(), [1, -2]);
            reader.tags().unwrap();
            assert!(reader.rest().is_empty());
        }
    }

    #[test]
    fn numbers_that_vary_in_length_have_a_sign() {
        for (bytes, value) in [
            (&[0][..], 0),
            (&[1], -1),
            (&[2], 1),
            (&[0xd8, 0x04], 300),
            (&[0xff, 0xff, 0xff, 0xff, 0x0f], i64::from(i32::MIN)),
        ] {
            let mut reader = Reader::new(Bytes::from_static(bytes), false);
            assert_eq!(reader.varint(), Ok(value));
        }
        let endless = Bytes::from_static(&[0xff; 12]);
        assert_eq!(Reader::new(endless, false).varint(), Err(Broken));
    }
}
