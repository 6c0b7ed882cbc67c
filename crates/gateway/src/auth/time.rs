//! The time format of signatures: `20261123T132300Z`.

use std::time::{Duration, SystemTime};

use kiln_types::Timestamp;

/// Reads it; anything but exactly this format is refused, because the signature covers the text.
pub(super) fn parse(text: &str) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    if bytes.len() != 16 || bytes[8] != b'T' || bytes[15] != b'Z' {
        return None;
    }
    let number = |from: usize, to: usize| -> Option<i16> {
        let digits = &bytes[from..to];
        if !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        Some(
            digits
                .iter()
                .fold(0, |number, digit| number * 10 + i16::from(digit - b'0')),
        )
    };
    let small = |from, to| number(from, to).and_then(|number| i8::try_from(number).ok());
    let civil = jiff::civil::DateTime::new(
        number(0, 4)?,
        small(4, 6)?,
        small(6, 8)?,
        small(9, 11)?,
        small(11, 13)?,
        small(13, 15)?,
        0,
    );
    let instant = civil
        .ok()?
        .to_zoned(jiff::tz::TimeZone::UTC)
        .ok()?
        .timestamp();
    Some(Timestamp::from_millis(instant.as_millisecond()))
}

/// As the standard library has it; nothing is signed before 1970.
pub(super) fn system_time(time: Timestamp) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(time.as_millis().max(0).unsigned_abs())
}

/// Writes it.
pub(super) fn format(time: Timestamp) -> String {
    time.to_jiff().strftime("%Y%m%dT%H%M%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_back_as_written() {
        for text in ["20261123T132300Z", "19700101T000000Z", "20240229T235959Z"] {
            assert_eq!(format(parse(text).unwrap()), text);
        }
    }

    #[test]
    fn other_formats_are_refused() {
        for text in [
            "",
            "2026-11-23T13:23:00Z",
            "20261323T132300Z",
            "20261123T132300",
            "20261123T+32300Z",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
