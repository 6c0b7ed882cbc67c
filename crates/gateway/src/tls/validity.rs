//! From when until when a certificate is valid: the one thing that a server wants to know of its own certificate and that TLS
//! libraries, which judge those of others, do not tell.
//!
//! ```text
//!  Certificate ::= SEQUENCE { tbsCertificate SEQUENCE {
//!      [0] version OPTIONAL, serialNumber INTEGER, signature SEQUENCE, issuer SEQUENCE,
//!      validity SEQUENCE { notBefore Time, notAfter Time }, ... }, ... }              (RFC 5280, 4.1)
//! ```

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;

/// Both ends, included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Validity {
    pub(super) not_before: Timestamp,
    pub(super) not_after: Timestamp,
}

/// Reads it from a certificate in DER; none where it is not of this form.
pub(super) fn read(certificate: &[u8]) -> Option<Validity> {
    let (certificate, _) = expect(certificate, SEQUENCE)?;
    let (mut signed, _) = expect(certificate, SEQUENCE)?;
    if let Some((_, rest)) = expect(signed, VERSION) {
        signed = rest;
    }
    for tag in [INTEGER, SEQUENCE, SEQUENCE] {
        (_, signed) = expect(signed, tag)?;
    }
    let (validity, _) = expect(signed, SEQUENCE)?;
    let (not_before, rest) = time(validity)?;
    let (not_after, _) = time(rest)?;
    Some(Validity {
        not_before,
        not_after,
    })
}

/// The content of the first element, which must have this tag, and what follows it.
fn expect(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, content, rest) = element(bytes)?;
    (found == tag).then_some((content, rest))
}

fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, bytes) = bytes.split_first()?;
    let (&first, mut bytes) = bytes.split_first()?;
    let length = match first {
        0..=0x7f => usize::from(first),
        // The length of the length: no certificate takes more than two bytes.
        0x81..=0x83 => {
            let (digits, rest) = bytes.split_at_checked(usize::from(first & 0x7f))?;
            bytes = rest;
            let digits = digits.iter();
            digits.fold(0, |length, &digit| (length << 8) | usize::from(digit))
        }
        _ => return None,
    };
    let (content, rest) = bytes.split_at_checked(length)?;
    Some((tag, content, rest))
}

/// `YYMMDDHHMMSSZ`, years from 1950 on, or `YYYYMMDDHHMMSSZ`.
fn time(bytes: &[u8]) -> Option<(Timestamp, &[u8])> {
    let (tag, content, rest) = element(bytes)?;
    let text = std::str::from_utf8(content).ok()?.strip_suffix('Z')?;
    let text = match tag {
        UTC_TIME => {
            let century = if text >= "50" { "19" } else { "20" };
            format!("{century}{text}")
        }
        GENERALIZED_TIME => text.to_owned(),
        _ => return None,
    };
    if text.len() != 14 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let part = |from: usize, to: usize| text[from..to].parse::<i8>().ok();
    let year = text[..4].parse::<i16>().ok()?;
    let (month, day) = (part(4, 6)?, part(6, 8)?);
    let (hour, minute, second) = (part(8, 10)?, part(10, 12)?, part(12, 14)?);
    let civil = DateTime::new(year, month, day, hour, minute, second, 0).ok()?;
    let time = TimeZone::UTC.to_timestamp(civil).ok()?;
    Some((time, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    fn certificate(from: i32, until: i32) -> Vec<u8> {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.not_before = date_time_ymd(from, 1, 2);
        params.not_after = date_time_ymd(until, 11, 28);
        let key = KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().der().to_vec()
    }

    #[test]
    fn both_forms_of_time_are_read() {
        for (from, until) in [(1999, 2049), (2026, 2050), (1950, 2099)] {
            let validity = read(&certificate(from, until)).unwrap();
            let expected = (
                format!("{from}-01-02T00:00:00Z"),
                format!("{until}-11-28T00:00:00Z"),
            );
            let found = (
                validity.not_before.to_string(),
                validity.not_after.to_string(),
            );
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn a_certificate_that_was_cut_off_has_no_dates() {
        let whole = certificate(2026, 2027);
        for length in 0..whole.len() {
            assert_eq!(read(&whole[..length]), None, "{length}");
        }
    }

    proptest! {
        #[test]
        fn bytes_that_were_changed_are_read_or_not_and_never_panic(
            changes in prop::collection::vec((0_usize..400, any::<u8>()), 0..8),
        ) {
            let mut bytes = certificate(2026, 2027);
            for (at, byte) in changes {
                let at = at % bytes.len();
                bytes[at] = byte;
            }
            let _ = read(&bytes);
        }
    }
}
