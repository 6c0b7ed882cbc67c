//! MySQL's own form of JSON values (`json_binary.h`) as texts. MariaDB has none: its JSON is text.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;

use super::decimal;
use super::reader::{Reader, Short};

/// How deep values may be in values, as of the server.
const DEPTH_MAX: u32 = 100;
/// What a byte of a value may become: a control character is six letters, and a number is written with space around it.
/// Parts of a broken value may be named again and again, and would make gigabytes of a row.
const GROWTH_MAX: usize = 8;
/// What the shortest values may become: a time of eight bytes is a text of thirty.
const SHORT_BYTES_MAX: usize = 256;
const SMALL_OBJECT: u8 = 0x00;
const LARGE_OBJECT: u8 = 0x01;
const SMALL_ARRAY: u8 = 0x02;
const LARGE_ARRAY: u8 = 0x03;
const LITERAL: u8 = 0x04;
const INT16: u8 = 0x05;
const UINT16: u8 = 0x06;
const INT32: u8 = 0x07;
const UINT32: u8 = 0x08;
const INT64: u8 = 0x09;
const UINT64: u8 = 0x0A;
const DOUBLE: u8 = 0x0B;
const STRING: u8 = 0x0C;
const OPAQUE: u8 = 0x0F;

/// What is left of depth and length.
#[derive(Clone, Copy)]
struct Room {
    levels: u32,
    bytes_max: usize,
}

/// A value as JSON.
pub(super) fn text(value: Bytes) -> Result<String, Short> {
    // What an update of older servers left empty is null.
    let Some(kind) = value.first().copied() else {
        return Ok("null".to_owned());
    };
    let mut text = String::new();
    let room = Room {
        levels: DEPTH_MAX,
        bytes_max: value.len() * GROWTH_MAX + SHORT_BYTES_MAX,
    };
    write(kind, &value.slice(1..), &mut text, room)?;
    Ok(text)
}

fn write(kind: u8, value: &Bytes, to: &mut String, room: Room) -> Result<(), Short> {
    if to.len() > room.bytes_max {
        return Err(Short);
    }
    let mut reader = Reader::new(value.clone());
    match kind {
        SMALL_OBJECT => members(value, 2, true, to, room)?,
        LARGE_OBJECT => members(value, 4, true, to, room)?,
        SMALL_ARRAY => members(value, 2, false, to, room)?,
        LARGE_ARRAY => members(value, 4, false, to, room)?,
        LITERAL => to.push_str(match reader.u8()? {
            0 => "null",
            1 => "true",
            2 => "false",
            _ => return Err(Short),
        }),
        INT16 => to.push_str(&(reader.uint(2)? as i16).to_string()),
        UINT16 => to.push_str(&reader.uint(2)?.to_string()),
        INT32 => to.push_str(&(reader.uint(4)? as i32).to_string()),
        UINT32 => to.push_str(&reader.uint(4)?.to_string()),
        INT64 => to.push_str(&(reader.uint(8)? as i64).to_string()),
        UINT64 => to.push_str(&reader.uint(8)?.to_string()),
        DOUBLE => quote(&f64::from_bits(reader.uint(8)?), to)?,
        STRING => {
            let bytes = sized(&mut reader)?;
            quote(&String::from_utf8_lossy(&bytes), to)?;
        }
        OPAQUE => opaque(reader, to)?,
        _ => return Err(Short),
    }
    Ok(())
}

/// The parts of an object or an array: each is named by its place in it, and short ones stand where the place would.
fn members(
    value: &Bytes,
    width: usize,
    is_object: bool,
    to: &mut String,
    room: Room,
) -> Result<(), Short> {
    let below = Room {
        levels: room.levels.checked_sub(1).ok_or(Short)?,
        ..room
    };
    let mut reader = Reader::new(value.clone());
    let count = reader.uint(width)? as usize;
    reader.uint(width)?;
    let at = |place: u64| {
        let place = usize::try_from(place).map_err(|_| Short)?;
        (place <= value.len())
            .then(|| value.slice(place..))
            .ok_or(Short)
    };
    let mut names = Vec::new();
    if is_object {
        for _ in 0..count {
            let (place, length) = (reader.uint(width)?, reader.uint(2)? as usize);
            names.push(Reader::new(at(place)?).take(length)?);
        }
    }
    to.push(if is_object { '{' } else { '[' });
    for number in 0..count {
        if number > 0 {
            to.push_str(", ");
        }
        if let Some(name) = names.get(number) {
            quote(&String::from_utf8_lossy(name), to)?;
            to.push_str(": ");
        }
        let kind = reader.u8()?;
        let stands_here = reader.take(width)?;
        let is_short = matches!(kind, LITERAL | INT16 | UINT16)
            || width == 4 && matches!(kind, INT32 | UINT32);
        let part = match is_short {
            true => stands_here,
            false => at(Reader::new(stands_here).uint(width)?)?,
        };
        write(kind, &part, to, below)?;
    }
    to.push(if is_object { '}' } else { ']' });
    Ok(())
}

/// Values of SQL that JSON has no name for: as texts, numbers as numbers.
fn opaque(mut reader: Reader, to: &mut String) -> Result<(), Short> {
    let kind = reader.u8()?;
    let bytes = sized(&mut reader)?;
    let mut inner = Reader::new(bytes.clone());
    match kind {
        246 => {
            let (precision, scale) = (inner.u8()?, inner.u8()?);
            to.push_str(&decimal::read(&mut inner, precision.into(), scale.into())?);
        }
        7 | 10 | 12 => quote(&datetime(inner.uint(8)? as i64, kind == 10), to)?,
        11 => quote(&time(inner.uint(8)? as i64), to)?,
        _ => quote(&BASE64_STANDARD.encode(&bytes), to)?,
    }
    Ok(())
}

fn datetime(packed: i64, is_date: bool) -> String {
    let (whole, micros) = (
        packed.unsigned_abs() >> 24,
        packed.unsigned_abs() & 0xFF_FFFF,
    );
    let (date, time) = (whole >> 17, whole & 0x1_FFFF);
    let (months, day) = (date >> 5, date & 0x1F);
    let date = format!("{:04}-{:02}-{day:02}", months / 13, months % 13);
    match is_date {
        true => date,
        false => {
            let (hour, minute, second) = (time >> 12, time >> 6 & 0x3F, time & 0x3F);
            format!("{date}T{hour:02}:{minute:02}:{second:02}.{micros:06}")
        }
    }
}

fn time(packed: i64) -> String {
    let sign = if packed < 0 { "-" } else { "" };
    let (whole, micros) = (
        packed.unsigned_abs() >> 24,
        packed.unsigned_abs() & 0xFF_FFFF,
    );
    let (hour, minute, second) = (whole >> 12 & 0x3FF, whole >> 6 & 0x3F, whole & 0x3F);
    format!("{sign}{hour:02}:{minute:02}:{second:02}.{micros:06}")
}

/// Bytes behind a length in groups of seven bits, the least first.
fn sized(reader: &mut Reader) -> Result<Bytes, Short> {
    let mut length = 0usize;
    for group in 0..5 {
        let byte = reader.u8()?;
        length |= usize::from(byte & 0x7F) << (7 * group);
        if byte & 0x80 == 0 {
            return reader.take(length);
        }
    }
    Err(Short)
}

fn quote(value: &(impl serde::Serialize + ?Sized), to: &mut String) -> Result<(), Short> {
    let text = serde_json::to_string(value).map_err(|_| Short)?;
    to.push_str(&text);
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_are_what_the_server_would_show() {
        // {"a": [1, -2, "b"], "b": null}, made by hand after json_binary.h.
        let mut object = vec![SMALL_OBJECT];
        object.extend([2, 0, 38, 0]);
        object.extend([18, 0, 1, 0, 19, 0, 1, 0]);
        object.extend([SMALL_ARRAY, 20, 0, LITERAL, 0, 0]);
        object.extend(b"ab");
        object.extend([3, 0, 18, 0, INT16, 1, 0, INT16, 0xFE, 0xFF, STRING, 13, 0]);
        object.extend([1, b'b']);
        let found = text(object.into()).unwrap();
        assert_eq!(found, r#"{"a": [1, -2, "b"], "b": null}"#);
        for (bytes, expected) in [
            (&[LITERAL, 1][..], "true"),
            (&[], "null"),
            (&[DOUBLE, 0, 0, 0, 0, 0, 0, 0xF8, 0x3F], "1.5"),
            (&[STRING, 2, b'"', b'\n'], r#""\"\n""#),
            (&[OPAQUE, 246, 3, 2, 0, 0x85], "5"),
        ] {
            assert_eq!(text(Bytes::copy_from_slice(bytes)).unwrap(), expected);
        }
    }

    #[test]
    fn parts_that_are_named_again_and_again_are_refused() {
        let text_of = |names: usize| {
            // An array of one long text, so many times.
            let mut array = vec![SMALL_ARRAY];
            array.extend(u16::try_from(names).unwrap().to_le_bytes());
            array.extend([0, 0]);
            let place = u16::try_from(4 + 3 * names).unwrap();
            for _ in 0..names {
                array.push(STRING);
                array.extend(place.to_le_bytes());
            }
            array.extend([0xE8, 0x07]);
            array.extend([b'x'; 1_000]);
            text(array.into())
        };
        assert_eq!(text_of(2).unwrap().len(), 2 * 1_002 + 4);
        assert_eq!(text_of(1_000), Err(Short));
    }

    proptest! {
        #[test]
        fn whatever_comes_is_json_or_refused(mut bytes in prop::collection::vec(any::<u8>(), 0..60), kind in 0u8..16) {
            if let Some(first) = bytes.first_mut() {
                *first = kind;
            }
            if let Ok(text) = text(bytes.into()) {
                prop_assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok(), "{}", text);
            }
        }
    }
}
