//! What data looks like that is to be masked.
//!
//! A pattern finds what may be meant, and a check says whether it is: by its check digits, or by what stands beside it. Patterns of
//! AWS's identifiers are of ASCII alone, and so is what checks are given.

use std::net::Ipv6Addr;
use std::ops::Range;

use regex::{Regex, RegexBuilder};

use super::document::{InvalidProtection, invalid};

/// Digits of a card's number.
const CARD_DIGITS: std::ops::RangeInclusive<usize> = 13..=19;
/// Bytes that a compiled pattern may take, and as many for what is learned while it is used.
const REGEX_BYTES_MAX: usize = 256 * 1024;

/// Something that is masked where it is found.
#[derive(Debug)]
pub(super) struct Identifier {
    pattern: Regex,
    /// What must be somewhere in a message beside it.
    beside: Option<Regex>,
    is_meant: fn(&str, Range<usize>) -> bool,
}

/// One of AWS's.
struct Managed {
    name: &'static str,
    pattern: &'static str,
    is_meant: fn(&str, Range<usize>) -> bool,
}

/// Names of AWS's managed data identifiers that are known here.
pub const MANAGED: [&str; 16] = {
    let mut names = [""; 16];
    let mut index = 0;
    while index < names.len() {
        names[index] = KNOWN[index].name;
        index += 1;
    }
    names
};

const SECRET_KEY: &str = "AwsSecretKey";
const KNOWN: [Managed; 16] = [
    Managed::of(SECRET_KEY, r"[A-Za-z0-9/+]{40}", is_secret_key),
    Managed::of(
        "BankAccountNumber-DE",
        r"(?-u:\b)DE[0-9]{2}(?: ?[0-9]{4}){4} ?[0-9]{2}(?-u:\b)",
        is_iban,
    ),
    Managed::of(
        "BankAccountNumber-ES",
        r"(?-u:\b)ES[0-9]{2}(?: ?[0-9]{4}){5}(?-u:\b)",
        is_iban,
    ),
    Managed::of(
        "BankAccountNumber-FR",
        r"(?-u:\b)FR[0-9]{2}(?: ?[0-9A-Z]{4}){5} ?[0-9A-Z]{3}(?-u:\b)",
        is_iban,
    ),
    Managed::of(
        "BankAccountNumber-GB",
        r"(?-u:\b)GB[0-9]{2} ?[A-Z]{4}(?: ?[0-9]{4}){3} ?[0-9]{2}(?-u:\b)",
        is_iban,
    ),
    Managed::of(
        "BankAccountNumber-IT",
        r"(?-u:\b)IT[0-9]{2} ?[A-Z][0-9]{3}(?: ?[0-9A-Z]{4}){4} ?[0-9A-Z]{3}(?-u:\b)",
        is_iban,
    ),
    Managed::of(
        "CreditCardNumber",
        r"(?-u:\b)[3-6][0-9](?:[ -]?[0-9]){11,17}(?-u:\b)",
        is_card,
    ),
    Managed::of(
        "EmailAddress",
        r"[A-Za-z0-9._%+-]+@(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,}",
        always,
    ),
    Managed::of("IpAddress", IP, is_address),
    Managed::of("OpenSshPrivateKey", OPENSSH, always),
    Managed::of("PgpPrivateKey", PGP, always),
    Managed::of(
        "PhoneNumber-US",
        r"(?:\+?1[ .-]?)?(?:\([0-9]{3}\) ?|(?-u:\b)[0-9]{3}[ .-])[0-9]{3}[ .-][0-9]{4}(?-u:\b)",
        always,
    ),
    Managed::of("PkcsPrivateKey", PKCS, always),
    Managed::of(
        "PuttyPrivateKey",
        r"(?s)PuTTY-User-Key-File-[0-9].*",
        always,
    ),
    Managed::of(
        "Ssn-US",
        r"(?-u:\b)[0-9]{3}[ -][0-9]{2}[ -][0-9]{4}(?-u:\b)",
        is_ssn,
    ),
    Managed::of(
        "VehicleIdentificationNumber",
        r"(?-u:\b)[A-HJ-NPR-Z0-9]{17}(?-u:\b)",
        is_vin,
    ),
];

const IP: &str = r"(?:[0-9]{1,3}\.){3}[0-9]{1,3}|[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?:\.[0-9]{1,3}){0,3}";
// A key that a message breaks off is masked to its end.
const OPENSSH: &str =
    r"(?s)-----BEGIN OPENSSH PRIVATE KEY-----.*?(?:-----END OPENSSH PRIVATE KEY-----|\z)";
const PGP: &str =
    r"(?s)-----BEGIN PGP PRIVATE KEY BLOCK-----.*?(?:-----END PGP PRIVATE KEY BLOCK-----|\z)";
const PKCS: &str = r"(?s)-----BEGIN (?:(?:RSA|EC|DSA|ENCRYPTED) )?PRIVATE KEY-----.*?(?:-----END (?:(?:RSA|EC|DSA|ENCRYPTED) )?PRIVATE KEY-----|\z)";

impl Managed {
    const fn of(
        name: &'static str,
        pattern: &'static str,
        is_meant: fn(&str, Range<usize>) -> bool,
    ) -> Self {
        Self {
            name,
            pattern,
            is_meant,
        }
    }
}

impl Identifier {
    /// One of AWS's.
    pub(super) fn managed(name: &str) -> Result<Self, InvalidProtection> {
        let Some(found) = KNOWN.iter().find(|known| known.name == name) else {
            return Err(invalid(format!(
                "the managed data identifier {name} is not known here; those are {}; say what others look like by a \
                 CustomDataIdentifier",
                MANAGED.join(", ")
            )));
        };
        let beside = match name {
            // 40 characters are many things: only where a word says what they are, as AWS has it.
            SECRET_KEY => Some("(?i-u)secret|credential|aws_sec"),
            _ => None,
        };
        let identifier = Self::compiled(name, found.pattern, found.is_meant)?;
        let beside = beside.map(|words| compile(name, words)).transpose()?;
        Ok(Self {
            beside,
            ..identifier
        })
    }

    /// A user's own.
    pub(super) fn custom(name: &str, pattern: &str) -> Result<Self, InvalidProtection> {
        Self::compiled(name, pattern, always)
    }

    /// Everything.
    pub(super) fn everything() -> Self {
        Self::compiled("everything", "(?s).+", always).expect("the pattern is good")
    }

    fn compiled(
        name: &str,
        pattern: &str,
        is_meant: fn(&str, Range<usize>) -> bool,
    ) -> Result<Self, InvalidProtection> {
        Ok(Self {
            pattern: compile(name, pattern)?,
            beside: None,
            is_meant,
        })
    }

    /// Where it may be in a message, and whether it is. Each takes as long as it is to the next one, or to the end.
    pub(super) fn find<'t>(
        &'t self,
        message: &'t str,
    ) -> impl Iterator<Item = (Range<usize>, bool)> + 't {
        let is_possible = self.beside.as_ref().is_none_or(|it| it.is_match(message));
        let message = if is_possible { message } else { "" };
        let mut at = 0;
        std::iter::from_fn(move || {
            let range = self.pattern.find_at(message, at)?.range();
            let is_meant = (self.is_meant)(message, range.clone());
            // What is not meant may begin with something that is: patterns take as much as they can.
            at = match is_meant && !range.is_empty() {
                true => range.end,
                false => next_char(message, range.start)?,
            };
            Some((range, is_meant))
        })
    }
}

/// Where the character after this one begins; none at the end.
fn next_char(text: &str, at: usize) -> Option<usize> {
    let length = text[at..].chars().next()?.len_utf8();
    Some(at + length)
}

fn compile(name: &str, pattern: &str) -> Result<Regex, InvalidProtection> {
    let mut builder = RegexBuilder::new(pattern);
    builder
        .size_limit(REGEX_BYTES_MAX)
        .dfa_size_limit(REGEX_BYTES_MAX);
    let built = builder.build();
    built.map_err(|error| invalid(format!("the regex of {name} cannot be used: {error}")))
}

fn always(_: &str, _: Range<usize>) -> bool {
    true
}

/// Whether a match is no part of something longer that `goes_on` says.
fn stands_alone(text: &str, range: &Range<usize>, goes_on: impl Fn(char) -> bool) -> bool {
    let before = text[..range.start].chars().next_back();
    let after = text[range.end..].chars().next();
    !before.is_some_and(&goes_on) && !after.is_some_and(goes_on)
}

fn is_secret_key(text: &str, range: Range<usize>) -> bool {
    stands_alone(text, &range, |c| {
        c.is_ascii_alphanumeric() || "/+".contains(c)
    })
}

fn is_address(text: &str, range: Range<usize>) -> bool {
    let found = &text[range.clone()];
    if found.contains(':') {
        let is_alone = stands_alone(text, &range, |c| c.is_ascii_alphanumeric() || c == ':');
        return is_alone && found.parse::<Ipv6Addr>().is_ok();
    }
    // 010.1.1.1 is an address to some.
    let is_byte = |part: &str| part.parse::<u8>().is_ok();
    stands_alone(text, &range, |c| c.is_ascii_digit()) && found.split('.').all(is_byte)
}

/// No number has these parts.
fn is_ssn(text: &str, range: Range<usize>) -> bool {
    let mut parts = text[range].split([' ', '-']);
    let area = parts.next().unwrap_or_default();
    let is_area = !matches!(area, "000" | "666") && !area.starts_with('9');
    is_area && parts.next() != Some("00") && parts.next() != Some("0000")
}

/// Whether some of its groups together are a card's number, by Luhn's check digit: other numbers may stand beside it.
fn is_card(text: &str, range: Range<usize>) -> bool {
    let groups: Vec<&str> = text[range].split([' ', '-']).collect();
    (0..groups.len()).any(|first| {
        (first + 1..=groups.len()).any(|end| {
            let digits = groups[first..end].concat();
            CARD_DIGITS.contains(&digits.len()) && has_check_digit(&digits)
        })
    })
}

fn has_check_digit(digits: &str) -> bool {
    let sum: u32 = digits
        .bytes()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let digit = u32::from(digit - b'0');
            match place % 2 {
                0 => digit,
                _ => digit * 2 / 10 + digit * 2 % 10,
            }
        })
        .sum();
    sum.is_multiple_of(10)
}

/// By its check digits: 97 leaves 1.
fn is_iban(text: &str, range: Range<usize>) -> bool {
    let number: String = text[range].chars().filter(|c| *c != ' ').collect();
    let turned = number.chars().skip(4).chain(number.chars().take(4));
    let rest = turned.fold(0_u32, |rest, c| {
        let value = c.to_digit(36).unwrap_or_default();
        let shift = if value < 10 { 10 } else { 100 };
        (rest * shift + value) % 97
    });
    rest == 1
}

/// By its check digit, the ninth.
fn is_vin(text: &str, range: Range<usize>) -> bool {
    const WEIGHTS: [u32; 17] = [8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2];
    let number = &text[range];
    let value = |c: char| match c {
        '0'..='9' => u32::from(c) - u32::from('0'),
        'A'..='H' => u32::from(c) - u32::from('A') + 1,
        'J'..='R' => u32::from(c) - u32::from('J') + 1,
        _ => u32::from(c) - u32::from('S') + 2,
    };
    let sum: u32 = number
        .chars()
        .zip(WEIGHTS)
        .map(|(c, weight)| value(c) * weight)
        .sum();
    let expected = match sum % 11 {
        10 => 'X',
        digit => char::from_digit(digit, 10).unwrap_or_default(),
    };
    number.chars().nth(8) == Some(expected) && number.contains(|c: char| c.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found<'t>(name: &str, text: &'t str) -> Vec<&'t str> {
        let identifier = Identifier::managed(name).unwrap();
        let found = identifier.find(text).filter(|(_, is_meant)| *is_meant);
        found.map(|(range, _)| &text[range]).collect()
    }

    #[test]
    fn managed_identifiers_find_what_they_are_for_and_leave_what_looks_like_it() {
        let key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
        let of_key = format!("aws_secret_access_key={key}");
        let table: &[(&str, &str, &[&str])] = &[
            (
                "EmailAddress",
                "to <ada.l+x@mail.example.org>, b@c",
                &["ada.l+x@mail.example.org"],
            ),
            ("IpAddress", "from 10.0.0.1:80 and 300.1.1.1", &["10.0.0.1"]),
            (
                "IpAddress",
                "std::io at 12:30:45, [2001:db8::1]:80",
                &["2001:db8::1"],
            ),
            (
                "CreditCardNumber",
                "4111 1111 1111 1111 12/27, order 35 4111-1111-1111-1111",
                &["4111 1111 1111 1111 12", "35 4111-1111-1111-1111"],
            ),
            (
                "CreditCardNumber",
                "4111111111111111 123",
                &["4111111111111111 123"],
            ),
            ("IpAddress", "12:30:45:10.0.0.1", &["10.0.0.1"]),
            (
                "IpAddress",
                "at ::ffff:192.168.1.20,",
                &["::ffff:192.168.1.20"],
            ),
            (
                "CreditCardNumber",
                "4111 1111 1111 1111 and 4111 1111 1111 1112",
                &["4111 1111 1111 1111"],
            ),
            ("Ssn-US", "123-45-6789, 666-45-6789", &["123-45-6789"]),
            (
                "PhoneNumber-US",
                "call (212) 555-0100 or +1 212-555-0101",
                &["(212) 555-0100", "+1 212-555-0101"],
            ),
            (
                "BankAccountNumber-DE",
                "DE89 3704 0044 0532 0130 00",
                &["DE89 3704 0044 0532 0130 00"],
            ),
            ("BankAccountNumber-DE", "DE89 3704 0044 0532 0130 01", &[]),
            (
                "BankAccountNumber-ES",
                "ES9121000418450200051332 PAID",
                &["ES9121000418450200051332"],
            ),
            (
                "BankAccountNumber-FR",
                "FR14 2004 1010 0505 0001 3M02 606",
                &["FR14 2004 1010 0505 0001 3M02 606"],
            ),
            (
                "BankAccountNumber-IT",
                "IT60X0542811101000000123456",
                &["IT60X0542811101000000123456"],
            ),
            (
                "BankAccountNumber-GB",
                "GB82WEST12345698765432 DE89370400440532013000",
                &["GB82WEST12345698765432"],
            ),
            (
                "VehicleIdentificationNumber",
                "1M8GDM9AXKP042788 1M8GDM9A1KP042788",
                &["1M8GDM9AXKP042788"],
            ),
            ("AwsSecretKey", &of_key, &[key]),
            (
                "AwsSecretKey",
                "0123456789012345678901234567890123456789",
                &[],
            ),
            (
                "PkcsPrivateKey",
                "a -----BEGIN RSA PRIVATE KEY-----\\nMII\\n-----END RSA PRIVATE KEY----- b",
                &["-----BEGIN RSA PRIVATE KEY-----\\nMII\\n-----END RSA PRIVATE KEY-----"],
            ),
            (
                "OpenSshPrivateKey",
                "-----BEGIN OPENSSH PRIVATE KEY-----\nb3",
                &["-----BEGIN OPENSSH PRIVATE KEY-----\nb3"],
            ),
            ("PgpPrivateKey", "-----BEGIN PGP PUBLIC KEY BLOCK-----", &[]),
            (
                "PuttyPrivateKey",
                "x PuTTY-User-Key-File-3: ssh\nAAAA",
                &["PuTTY-User-Key-File-3: ssh\nAAAA"],
            ),
        ];
        for (name, text, expected) in table {
            assert_eq!(found(name, text), *expected, "{name}: {text}");
        }
    }

    #[test]
    fn every_managed_identifier_can_be_compiled_and_others_are_refused_with_those_there_are() {
        for name in MANAGED {
            Identifier::managed(name).unwrap();
        }
        let refused = Identifier::managed("Name").unwrap_err().to_string();
        assert!(refused.contains("EmailAddress"), "{refused}");
    }

    #[test]
    fn digits_of_other_scripts_are_no_digits() {
        for name in MANAGED {
            for text in ["१२३-४५-६७८९", "DE८९ ३७०४"] {
                assert_eq!(found(name, text), [""; 0], "{name}");
            }
        }
    }

    #[test]
    fn a_regex_that_would_take_much_memory_is_refused() {
        let refused = Identifier::custom("Huge", "(?:a{1000}){1000}").unwrap_err();
        assert!(refused.to_string().contains("Huge"), "{refused}");
    }
}
