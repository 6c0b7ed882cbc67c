//! Texts in the character sets of their columns.

use std::collections::HashMap;

use bytes::Bytes;

use super::cell::Cell;

/// The collation of bytes that are no text.
const BINARY: u32 = 63;

/// Which character set each collation is of.
#[derive(Debug, Clone, Default)]
pub(super) struct Charsets {
    names: HashMap<u32, String>,
}

impl Charsets {
    pub(super) fn new(names: impl IntoIterator<Item = (u32, String)>) -> Self {
        Self {
            names: names.into_iter().collect(),
        }
    }

    pub(super) fn is_binary(&self, collation: u32) -> bool {
        collation == BINARY
    }

    /// A value: a text where it is one that can be read, else its bytes.
    pub(super) fn cell(&self, collation: u32, bytes: Bytes) -> Cell {
        if self.is_binary(collation) {
            return Cell::Bytes(bytes);
        }
        let read = match self.names.get(&collation).map(String::as_str) {
            Some("latin1") => Some(bytes.iter().map(|byte| western(*byte)).collect()),
            Some("ucs2" | "utf16") => wide(&bytes, u16::from_be_bytes),
            Some("utf16le") => wide(&bytes, u16::from_le_bytes),
            Some("utf32") => utf32(&bytes),
            Some("utf8" | "utf8mb3" | "utf8mb4" | "ascii") | None => utf8(&bytes),
            // Of other sets what is plain ASCII is the same in all.
            Some(_) => bytes.is_ascii().then(|| utf8(&bytes)).flatten(),
        };
        read.map_or(Cell::Bytes(bytes), Cell::Text)
    }
}

fn utf8(bytes: &Bytes) -> Option<String> {
    std::str::from_utf8(bytes).ok().map(str::to_owned)
}

/// The servers' `latin1` is Windows' code page 1252, with control characters where that has nothing.
fn western(byte: u8) -> char {
    const UPPER: [char; 32] = [
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8D}', 'Ž',
        '\u{8F}', '\u{90}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9D}',
        'ž', 'Ÿ',
    ];
    match byte {
        0x80..=0x9F => UPPER[usize::from(byte - 0x80)],
        _ => char::from(byte),
    }
}

fn wide(bytes: &Bytes, unit: fn([u8; 2]) -> u16) -> Option<String> {
    let (units, rest) = bytes.as_chunks::<2>();
    let units = units.iter().map(|pair| unit(*pair));
    let text: Result<String, _> = char::decode_utf16(units).collect();
    text.ok().filter(|_| rest.is_empty())
}

fn utf32(bytes: &Bytes) -> Option<String> {
    let (units, rest) = bytes.as_chunks::<4>();
    let text = units
        .iter()
        .map(|unit| char::from_u32(u32::from_be_bytes(*unit)));
    text.collect::<Option<String>>().filter(|_| rest.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_by_their_character_set() {
        let sets = [
            (8, "latin1"),
            (54, "utf16"),
            (60, "utf32"),
            (45, "utf8mb4"),
            (28, "gbk"),
        ];
        let charsets = Charsets::new(sets.map(|(number, name)| (number, name.to_owned())));
        let text = |text: &str| Cell::Text(text.to_owned());
        let raw = |bytes: &'static [u8]| Cell::Bytes(Bytes::from_static(bytes));
        for (collation, bytes, expected) in [
            (8, &b"caf\xE9 5\x80"[..], text("café 5€")),
            (54, &[0x26, 0x3A], text("☺")),
            (54, &[0x26], raw(&[0x26])),
            (60, &[0, 0, 0x26, 0x3A], text("☺")),
            (45, "☺".as_bytes(), text("☺")),
            (45, b"\xFF", raw(b"\xFF")),
            (28, b"plain", text("plain")),
            (28, b"\xC4\xE3", raw(b"\xC4\xE3")),
            (BINARY, b"plain", raw(b"plain")),
            (9_999, b"plain", text("plain")),
        ] {
            assert_eq!(
                charsets.cell(collation, Bytes::from_static(bytes)),
                expected
            );
        }
    }
}
