//! AMQP's values (the protocol's specification, 4.2.5, with RabbitMQ's types): read as AWS's poller shows them, which is
//! as Java's client does.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use kiln_types::Timestamp;
use serde_json::{Map, Number, Value, json};

use crate::source::Trouble;
use crate::sources::dial::lost;

/// How deep tables may be in each other.
const DEPTH_MAX: usize = 32;

/// Reads what was sent, from its front.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Trouble> {
        let (front, rest) = self.0.split_at_checked(count).ok_or_else(cut_short)?;
        self.0 = rest;
        Ok(front)
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], Trouble> {
        let bytes = self.take(N)?;
        Ok(bytes.try_into().expect("so many were taken"))
    }

    pub(super) fn u8(&mut self) -> Result<u8, Trouble> {
        self.bytes().map(u8::from_be_bytes)
    }

    pub(super) fn u16(&mut self) -> Result<u16, Trouble> {
        self.bytes().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Trouble> {
        self.bytes().map(u32::from_be_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, Trouble> {
        self.bytes().map(u64::from_be_bytes)
    }

    /// A text of up to 255 bytes. What is no UTF-8 in it is replaced.
    pub(super) fn short(&mut self) -> Result<String, Trouble> {
        let size = self.u8()?;
        let bytes = self.take(size.into())?;
        Ok(String::from_utf8_lossy(bytes).into_owned())
    }

    pub(super) fn long(&mut self) -> Result<&'a [u8], Trouble> {
        let size = self.u32()?;
        self.take(size as usize)
    }

    /// Names and values.
    pub(super) fn table(&mut self) -> Result<Map<String, Value>, Trouble> {
        self.table_in(0)
    }

    fn table_in(&mut self, depth: usize) -> Result<Map<String, Value>, Trouble> {
        let mut inner = Reader(self.long()?);
        let mut table = Map::new();
        while !inner.0.is_empty() {
            let name = inner.short()?;
            let value = inner.value(depth)?;
            table.insert(name, value);
        }
        Ok(table)
    }

    fn list(&mut self, depth: usize) -> Result<Value, Trouble> {
        let mut inner = Reader(self.long()?);
        let mut list = Vec::new();
        while !inner.0.is_empty() {
            list.push(inner.value(depth)?);
        }
        Ok(Value::Array(list))
    }

    fn value(&mut self, depth: usize) -> Result<Value, Trouble> {
        if depth >= DEPTH_MAX {
            return Err(lost("the broker sent tables that are too deep"));
        }
        let kind = self.u8()?;
        Ok(match kind {
            b't' => json!(self.u8()? != 0),
            b'b' => json!(i8::from_be_bytes(self.bytes()?)),
            b'B' => json!(self.u8()?),
            b's' => json!(i16::from_be_bytes(self.bytes()?)),
            b'u' => json!(self.u16()?),
            b'I' => json!(i32::from_be_bytes(self.bytes()?)),
            b'i' => json!(self.u32()?),
            b'l' | b'L' => json!(i64::from_be_bytes(self.bytes()?)),
            b'f' => json!(f32::from_be_bytes(self.bytes()?)),
            b'd' => json!(f64::from_be_bytes(self.bytes()?)),
            b'D' => self.decimal()?,
            // Java's client keeps texts as bytes, and its bytes have a sign.
            b'S' => json!({"bytes": signed(self.long()?)}),
            b'x' => json!(signed(self.long()?)),
            b'A' => self.list(depth + 1)?,
            b'T' => json!(date(self.u64()?)),
            b'F' => Value::Object(self.table_in(depth + 1)?),
            b'V' => Value::Null,
            _ => return Err(lost("the broker sent a value of an unknown type")),
        })
    }

    /// A scale and a number.
    fn decimal(&mut self) -> Result<Value, Trouble> {
        let scale = self.u8()?;
        let number = i32::from_be_bytes(self.bytes()?);
        let value = f64::from(number) / 10_f64.powi(scale.into());
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }
}

fn signed(bytes: &[u8]) -> Vec<i8> {
    bytes.iter().map(|byte| byte.cast_signed()).collect()
}

fn cut_short() -> Trouble {
    lost("the broker sent something cut short")
}

/// Seconds since 1970 as AWS's events show them: `Jan 1, 1970, 12:33:41 AM`, in UTC. None: the calendar has no such day.
pub(super) fn date(secs: u64) -> Option<String> {
    let ms = i64::try_from(secs).ok()?.checked_mul(1_000)?;
    // The last second of the year 9999.
    (ms < 253_402_300_800_000).then(|| {
        let at = Timestamp::from_millis(ms).to_jiff();
        at.strftime("%b %-d, %Y, %-I:%M:%S %p").to_string()
    })
}

/// Writes what is sent.
#[derive(Default)]
pub(super) struct Writer(pub(super) Vec<u8>);

impl Writer {
    pub(super) fn u8(mut self, value: u8) -> Self {
        self.0.push(value);
        self
    }

    pub(super) fn u16(mut self, value: u16) -> Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    pub(super) fn u32(mut self, value: u32) -> Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    pub(super) fn u64(mut self, value: u64) -> Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    pub(super) fn short(self, text: &str) -> Self {
        let size = u8::try_from(text.len()).expect("names have 255 bytes at most");
        let mut writer = self.u8(size);
        writer.0.extend(text.as_bytes());
        writer
    }

    pub(super) fn long(self, bytes: &[u8]) -> Self {
        let size = u32::try_from(bytes.len()).expect("what is sent is small");
        let mut writer = self.u32(size);
        writer.0.extend(bytes);
        writer
    }

    /// A table of texts and of what is so.
    pub(super) fn table(self, texts: &[(&str, &str)], claims: &[&str]) -> Self {
        let mut table = Writer::default();
        for (name, text) in texts {
            table = table.short(name).u8(b'S').long(text.as_bytes());
        }
        if !claims.is_empty() {
            let so = |table: Writer, name: &&str| table.short(name).u8(b't').u8(1);
            let claims = claims.iter().fold(Writer::default(), so);
            table = table.short("capabilities").u8(b'F').long(&claims.0);
        }
        self.long(&table.0)
    }
}

/// A body as AWS's events show it.
pub(super) fn base64(bytes: &[u8]) -> String {
    BASE64_STANDARD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_are_shown_as_awss_poller_does() {
        let nested = Writer::default().short("n").u8(b'I').u32(7);
        let list = Writer::default().u8(b'V').u8(b'T').u64(2_021);
        let table = Writer::default()
            .short("text")
            .u8(b'S')
            .long("\u{e9}a".as_bytes())
            .short("is")
            .u8(b't')
            .u8(1)
            .short("short")
            .u8(b's')
            .u16(u16::MAX)
            .short("long")
            .u8(b'l')
            .u64(5)
            .short("double")
            .u8(b'd')
            .u64(1.5_f64.to_bits())
            .short("nan")
            .u8(b'd')
            .u64(f64::NAN.to_bits())
            .short("price")
            .u8(b'D')
            .u8(2)
            .u32(250)
            .short("raw")
            .u8(b'x')
            .long(&[1, 255])
            .short("in")
            .u8(b'F')
            .long(&nested.0)
            .short("list")
            .u8(b'A')
            .long(&list.0);
        let sent = Writer::default().long(&table.0);
        let expected = json!({
            "text": {"bytes": [-61, -87, 97]}, "is": true, "short": -1, "long": 5, "double": 1.5, "nan": null,
            "price": 2.5, "raw": [1, -1], "in": {"n": 7}, "list": [null, "Jan 1, 1970, 12:33:41 AM"],
        });
        assert_eq!(Value::Object(Reader(&sent.0).table().unwrap()), expected);
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        let dates = [1_795_440_180, 43_200].map(|secs| date(secs).unwrap());
        assert_eq!(
            dates,
            ["Nov 23, 2026, 1:23:00 PM", "Jan 1, 1970, 12:00:00 PM"]
        );
        assert_eq!([date(253_402_300_800), date(u64::MAX)], [None, None]);
    }

    #[test]
    fn tables_that_are_too_deep_are_refused() {
        let deeper = |inner: Writer, _| Writer::default().short("t").u8(b'F').long(&inner.0);
        let deep = |depth: usize| (0..depth).fold(Writer::default(), deeper);
        for (depth, is_read) in [(DEPTH_MAX, true), (DEPTH_MAX + 1, false), (5_000, false)] {
            let sent = Writer::default().long(&deep(depth).0);
            assert_eq!(Reader(&sent.0).table().is_ok(), is_read, "{depth}");
        }
    }

    proptest! {
        #[test]
        fn anything_can_be_read(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let sent = Writer::default().long(&bytes);
            let _ = Reader(&sent.0).table();
        }
    }
}
