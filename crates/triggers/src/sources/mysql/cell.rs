//! Values of rows as the log has them, in the servers' own formats ("Binary Log Event", "Rows Event"; `field.cc` of either
//! server).

use std::fmt::Write as _;
use std::io::Read as _;

use bytes::Bytes;
use flate2::read::ZlibDecoder;
use kiln_types::Timestamp;

use super::decimal;
use super::json;
use super::reader::{Reader, Short, bit};
use super::table::{Column, kind as k, present};
use super::text::Charsets;

/// Of a value that MariaDB compressed in its column.
const PLAIN_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// A column's value.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Cell {
    Null,
    /// A number as JSON has it.
    Number(String),
    Text(String),
    Bytes(Bytes),
    Json(String),
}

/// A row: none is a column that was not logged.
pub(super) type Row = Vec<Option<Cell>>;

impl Cell {
    /// What it takes.
    pub(super) fn size(&self) -> usize {
        match self {
            Cell::Null => 0,
            Cell::Number(text) | Cell::Text(text) | Cell::Json(text) => text.len(),
            Cell::Bytes(bytes) => bytes.len(),
        }
    }
}

/// Reads one row, of the columns that the mask says.
pub(super) fn row(
    reader: &mut Reader,
    columns: &[Column],
    mask: &[u8],
    charsets: &Charsets,
) -> Result<Row, Short> {
    let there = present(columns, mask);
    let nulls = reader.take(there.len().div_ceil(8))?;
    let mut row: Row = vec![None; columns.len()];
    for (place, at) in there.into_iter().enumerate() {
        row[at] = Some(match bit(&nulls, place) {
            true => Cell::Null,
            false => cell(reader, &columns[at], charsets)?,
        });
    }
    Ok(row)
}

fn cell(reader: &mut Reader, column: &Column, charsets: &Charsets) -> Result<Cell, Short> {
    let [first, second] = column.meta;
    let bytes = |bytes: Bytes| charsets.cell(column.collation, bytes);
    Ok(match column.kind {
        k::TINY => integer(reader, column, 1)?,
        k::SHORT => integer(reader, column, 2)?,
        k::INT24 => integer(reader, column, 3)?,
        k::LONG => integer(reader, column, 4)?,
        k::LONGLONG => integer(reader, column, 8)?,
        k::FLOAT => float(f32::from_bits(reader.u32()?)),
        k::DOUBLE => float(f64::from_bits(reader.uint(8)?)),
        k::NEWDECIMAL => Cell::Number(decimal::read(reader, first.into(), second.into())?),
        k::YEAR => {
            let year = u32::from(reader.u8()?);
            let year = if year == 0 { 0 } else { 1_900 + year };
            Cell::Number(year.to_string())
        }
        k::DATE | k::NEWDATE | k::TIME | k::DATETIME | k::TIMESTAMP => {
            old_time(reader, column.kind)?
        }
        k::TIMESTAMP2 => {
            let secs = reader.uint_be(4)?;
            Cell::Text(timestamp(secs, fraction(reader, first)?, first))
        }
        k::DATETIME2 => Cell::Text(datetime(reader, first)?),
        k::TIME2 => Cell::Text(time(reader, first)?),
        k::BIT => {
            let count = usize::from(second) + usize::from(first > 0);
            Cell::Number(reader.uint_be(count)?.to_string())
        }
        k::ENUM => {
            let number = reader.uint(second.into())?;
            member(column, number.checked_sub(1), charsets)
        }
        k::SET => set(column, reader.uint(second.into())?, charsets),
        k::STRING => {
            let longest = char_bytes_max(first, second);
            let count = reader.uint(if longest > 255 { 2 } else { 1 })? as usize;
            let value = reader.take(count)?;
            match charsets.is_binary(column.collation) {
                true => Cell::Bytes(padded(value, longest)),
                false => bytes(value),
            }
        }
        k::VARCHAR | k::VAR_STRING => bytes(var(reader, column)?),
        k::VARCHAR_COMPRESSED => bytes(plain(var(reader, column)?)?),
        k::BLOB => bytes(blob(reader, first)?),
        k::BLOB_COMPRESSED => bytes(plain(blob(reader, first)?)?),
        k::GEOMETRY | k::VECTOR => Cell::Bytes(blob(reader, first)?),
        k::JSON => Cell::Json(json::text(blob(reader, first)?)?),
        _ => return Err(Short),
    })
}

fn integer(reader: &mut Reader, column: &Column, bytes: usize) -> Result<Cell, Short> {
    let value = reader.uint(bytes)?;
    let spare = 64 - 8 * bytes as u32;
    Ok(Cell::Number(match column.is_unsigned {
        true => value.to_string(),
        false => ((value << spare) as i64 >> spare).to_string(),
    }))
}

/// The shortest text that is this number.
fn float(value: impl serde::Serialize + std::fmt::Display) -> Cell {
    match serde_json::to_string(&value) {
        Ok(text) if text != "null" => Cell::Number(text),
        _ => Cell::Text(value.to_string()),
    }
}

fn blob(reader: &mut Reader, length_bytes: u8) -> Result<Bytes, Short> {
    let count = reader.uint(length_bytes.into())?;
    reader.take(usize::try_from(count).map_err(|_| Short)?)
}

fn var(reader: &mut Reader, column: &Column) -> Result<Bytes, Short> {
    let longest = u16::from_le_bytes(column.meta);
    let count = reader.uint(if longest > 255 { 2 } else { 1 })?;
    reader.take(count as usize)
}

/// A column that MariaDB keeps compressed: a byte with the form and the length's length, the length, and what zlib made.
fn plain(value: Bytes) -> Result<Bytes, Short> {
    let mut reader = Reader::new(value);
    if reader.is_empty() {
        return Ok(Bytes::new());
    }
    let form = reader.u8()?;
    if form == 0 {
        return Ok(reader.rest());
    }
    let length = reader.uint_be(usize::from(form & 0x07))?;
    if length > PLAIN_BYTES_MAX {
        return Err(Short);
    }
    let compressed = reader.rest();
    let mut plain = Vec::new();
    // The form's high bits say whether zlib's own header is there.
    let read = match form & 0x08 {
        0 => ZlibDecoder::new(&*compressed)
            .take(length)
            .read_to_end(&mut plain),
        _ => flate2::read::DeflateDecoder::new(&*compressed)
            .take(length)
            .read_to_end(&mut plain),
    };
    match read {
        Ok(count) if count as u64 == length => Ok(plain.into()),
        _ => Err(Short),
    }
}

/// The bytes of a `CHAR` or `BINARY` at most: in the two bytes that also say which type it is.
fn char_bytes_max(first: u8, second: u8) -> usize {
    match first & 0x30 {
        0x30 => second.into(),
        high => usize::from(second) | usize::from(high ^ 0x30) << 4,
    }
}

/// The log leaves out zeros at the end of a `BINARY`.
fn padded(value: Bytes, bytes: usize) -> Bytes {
    if value.len() >= bytes {
        return value;
    }
    let mut padded = value.to_vec();
    padded.resize(bytes, 0);
    padded.into()
}

fn member(column: &Column, at: Option<u64>, charsets: &Charsets) -> Cell {
    // What was no member when it was written is the empty text.
    let text = at.and_then(|at| column.members.get(usize::try_from(at).ok()?));
    let text = text.cloned().unwrap_or_default();
    charsets.cell(column.collation, text)
}

fn set(column: &Column, members: u64, charsets: &Charsets) -> Cell {
    let chosen = (0..64u64).filter(|at| members >> at & 1 == 1);
    let texts = chosen.map(|at| match member(column, Some(at), charsets) {
        Cell::Text(text) => text,
        other => format!("{other:?}"),
    });
    Cell::Text(texts.collect::<Vec<_>>().join(","))
}

/// Digits behind the point take a byte for two.
fn fraction(reader: &mut Reader, digits: u8) -> Result<u64, Short> {
    let bytes = usize::from(digits.div_ceil(2));
    let value = reader.uint_be(bytes)?;
    Ok(value * 10u64.pow(6u32.saturating_sub(2 * bytes as u32)))
}

/// `.123` of so many digits; nothing of none.
fn with_fraction(mut text: String, micros: u64, digits: u8) -> String {
    if (1..=6).contains(&digits) {
        let all = format!("{micros:06}");
        let _ = write!(text, ".{}", all.get(..digits.into()).unwrap_or(&all));
    }
    text
}

/// In UTC. Zero is the servers' zero time.
fn timestamp(secs: u64, micros: u64, digits: u8) -> String {
    if secs == 0 {
        return with_fraction("0000-00-00T00:00:00".to_owned(), 0, digits);
    }
    let at = Timestamp::from_millis(i64::try_from(secs).unwrap_or(0) * 1_000);
    let text = at.to_jiff().strftime("%Y-%m-%dT%H:%M:%S").to_string();
    with_fraction(text, micros, digits) + "+00:00"
}

fn datetime(reader: &mut Reader, digits: u8) -> Result<String, Short> {
    let packed = reader.uint_be(5)? & 0x7F_FFFF_FFFF;
    let micros = fraction(reader, digits)?;
    let (date, time) = (packed >> 17, packed & 0x1_FFFF);
    let (months, day) = (date >> 5, date & 0x1F);
    let (hour, minute, second) = (time >> 12, time >> 6 & 0x3F, time & 0x3F);
    let (year, month) = (months / 13, months % 13);
    let text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
    Ok(with_fraction(text, micros, digits))
}

/// A duration as much as a time of day: `-838:59:59` to `838:59:59`.
fn time(reader: &mut Reader, digits: u8) -> Result<String, Short> {
    let bytes = usize::from(digits.div_ceil(2));
    // Whole and fraction are one number above an offset, in such units that the fraction is below the point.
    let (whole_bytes, units) = (3 + bytes, 256u64.pow(bytes as u32));
    let raw = reader.uint_be(whole_bytes)? as i64 - 0x80_0000 * units as i64;
    let (sign, size) = (if raw < 0 { "-" } else { "" }, raw.unsigned_abs());
    let (whole, part) = (size / units, size % units);
    let micros = part * 10u64.pow(6u32.saturating_sub(2 * bytes as u32));
    let (hour, minute, second) = (whole >> 12 & 0x3FF, whole >> 6 & 0x3F, whole & 0x3F);
    let text = format!("{sign}{hour:02}:{minute:02}:{second:02}");
    Ok(with_fraction(text, micros, digits))
}

/// Times of tables that were made before there were fractions, and dates.
fn old_time(reader: &mut Reader, kind: u8) -> Result<Cell, Short> {
    Ok(Cell::Text(match kind {
        k::DATE | k::NEWDATE => {
            let packed = reader.uint(3)?;
            format!(
                "{:04}-{:02}-{:02}",
                packed >> 9,
                packed >> 5 & 0xF,
                packed & 0x1F
            )
        }
        k::TIME => {
            let packed = (reader.uint(3)? << 40) as i64 >> 40;
            let (sign, size) = (if packed < 0 { "-" } else { "" }, packed.unsigned_abs());
            format!(
                "{sign}{:02}:{:02}:{:02}",
                size / 10_000,
                size / 100 % 100,
                size % 100
            )
        }
        k::DATETIME => {
            let packed = reader.uint(8)?;
            let (date, time) = (packed / 1_000_000, packed % 1_000_000);
            format!(
                "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
                date / 10_000,
                date / 100 % 100,
                date % 100,
                time / 10_000,
                time / 100 % 100,
                time % 100
            )
        }
        _ => timestamp(reader.u32()?.into(), 0, 0),
    }))
}
