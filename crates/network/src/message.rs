//! As much of a message of the domain name system (RFC 1035) as there is to decide and to learn: the
//! one question of a query, the addresses of an answer. Everything else is passed on as it came.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// The longest message that is passed on over UDP.
pub(crate) const BYTES_MAX: usize = 4_096;

const HEADER_BYTES: usize = 12;
const KIND_A: u16 = 1;
const KIND_CNAME: u16 = 5;
const KIND_AAAA: u16 = 28;
const CLASS_INTERNET: u16 = 1;
/// Labels of one name, pointers included: more is a loop.
const LABELS_MAX: usize = 128;
/// For how long a program may keep where a service of the host is.
const SERVICE_TTL_SECS: u32 = 60;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Question {
    /// Lower case, without the dot at the end; none when it has letters that no host's name has.
    pub(crate) name: Option<String>,
    kind: u16,
    /// Where in the message it ends.
    end: usize,
}

/// How a query is answered here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reply {
    /// The name has this address and no other.
    Address(Ipv4Addr),
    /// The name is there and has nothing of this kind.
    Nothing,
    /// There is no such name.
    NoName,
    /// The name server does not answer this.
    Refused,
    /// Nobody could be asked.
    Failed,
}

impl Question {
    /// Whether addresses are asked for, of IPv4 or IPv6.
    pub(crate) fn wants_address(&self) -> bool {
        [KIND_A, KIND_AAAA].contains(&self.kind)
    }
}

/// The question of a query; none when the message is no ordinary query.
pub(crate) fn question(message: &[u8]) -> Option<Question> {
    let is_answer = message.get(2)? & 0x80 != 0;
    let operation = message[2] >> 3 & 0xF;
    if is_answer || operation != 0 || number(message, 4)? != 1 {
        return None;
    }
    let (name, at) = name(message, HEADER_BYTES)?;
    let kind = number(message, at)?;
    let class = number(message, at + 2)?;
    (class == CLASS_INTERNET).then_some(Question {
        name,
        kind,
        end: at + 4,
    })
}

/// Whether a message answers this query: same number, same question.
pub(crate) fn answers(message: &[u8], query: &[u8], question: &Question) -> bool {
    let is_answer = message.get(2).is_some_and(|flags| flags & 0x80 != 0);
    let part = |bytes: &[u8]| {
        let asked = bytes.get(HEADER_BYTES..question.end)?;
        Some((
            number(bytes, 0)?,
            number(bytes, 4)?,
            asked.to_ascii_lowercase(),
        ))
    };
    is_answer && part(message).is_some() && part(message) == part(query)
}

/// The addresses that an answer gives for the question's name, by way of its other names too, and for
/// how long each may be kept.
pub(crate) fn addresses(message: &[u8], question: &Question) -> Vec<(IpAddr, Duration)> {
    let mut found = Vec::new();
    let mut names = vec![question.name.clone()];
    let records = number(message, 6).unwrap_or(0);
    let mut at = question.end;
    for _ in 0..records {
        let Some((owner, kind, ttl, data)) = record(message, &mut at) else {
            break;
        };
        if owner.is_none() || !names.contains(&owner) {
            continue;
        }
        let bytes = &message[data.clone()];
        match kind {
            KIND_CNAME => names.extend(name(message, data.start).map(|(name, _)| name)),
            KIND_A => {
                let address = <[u8; 4]>::try_from(bytes).map(Ipv4Addr::from);
                found.extend(address.map(|address| (address.into(), ttl)));
            }
            KIND_AAAA => {
                let address = <[u8; 16]>::try_from(bytes).map(Ipv6Addr::from);
                found.extend(address.map(|address| (address.into(), ttl)));
            }
            _ => {}
        }
    }
    found
}

/// A reply to a query that is answered here.
pub(crate) fn reply(query: &[u8], question: &Question, reply: Reply) -> Vec<u8> {
    let (code, address) = match reply {
        Reply::Address(address) if question.kind == KIND_A => (0, Some(address)),
        Reply::Address(_) | Reply::Nothing => (0, None),
        Reply::Failed => (2, None),
        Reply::NoName => (3, None),
        Reply::Refused => (5, None),
    };
    let mut message = query[..question.end].to_vec();
    // An answer, to a query that may have wanted recursion, which there is.
    message[2] = 0x80 | message[2] & 0x01;
    message[3] = 0x80 | code;
    message[6..12].fill(0);
    if let Some(address) = address {
        message[7] = 1;
        // The name is the question's, which begins after the header.
        message.extend([0xC0, HEADER_BYTES as u8]);
        message.extend(KIND_A.to_be_bytes());
        message.extend(CLASS_INTERNET.to_be_bytes());
        message.extend(SERVICE_TTL_SECS.to_be_bytes());
        message.extend([0, 4]);
        message.extend(address.octets());
    }
    message
}

type Record = (Option<String>, u16, Duration, std::ops::Range<usize>);

/// One record: whose, what, for how long, and where its data are.
fn record(message: &[u8], at: &mut usize) -> Option<Record> {
    let (owner, after) = name(message, *at)?;
    let kind = number(message, after)?;
    let ttl = message.get(after + 4..)?.first_chunk().copied();
    let ttl = Duration::from_secs(u32::from_be_bytes(ttl?).into());
    let length = usize::from(number(message, after + 8)?);
    let data = after + 10..after + 10 + length;
    message.get(data.clone())?;
    *at = data.end;
    Some((owner, kind, ttl, data))
}

/// The name at a place of the message, and where it ends there.
fn name(message: &[u8], mut at: usize) -> Option<(Option<String>, usize)> {
    let mut text = String::new();
    let mut is_plain = true;
    let mut end = None;
    for _ in 0..LABELS_MAX {
        let length = usize::from(*message.get(at)?);
        match length >> 6 {
            0 if length == 0 => {
                return Some((is_plain.then_some(text), end.unwrap_or(at + 1)));
            }
            0 => {
                let label = message.get(at + 1..at + 1 + length)?;
                if !text.is_empty() {
                    text.push('.');
                }
                for byte in label {
                    is_plain &= byte.is_ascii_alphanumeric() || b"-_".contains(byte);
                    text.push(byte.to_ascii_lowercase().into());
                }
                at += 1 + length;
            }
            3 => {
                end.get_or_insert(at + 2);
                at = usize::from(number(message, at)? & 0x3FFF);
            }
            _ => return None,
        }
    }
    None
}

fn number(message: &[u8], at: usize) -> Option<u16> {
    message
        .get(at..)?
        .first_chunk()
        .copied()
        .map(u16::from_be_bytes)
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn query(name: &str, kind: u16) -> Vec<u8> {
        let mut message = vec![0xAB, 0xCD, 0x01, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in name.split('.') {
            message.push(label.len() as u8);
            message.extend(label.as_bytes());
        }
        message.extend([0, 0, kind as u8, 0, 1]);
        message
    }

    fn written(owner: &[u8], kind: u16, ttl: u32, data: &[u8]) -> Vec<u8> {
        let mut record = owner.to_vec();
        record.extend(kind.to_be_bytes());
        record.extend(CLASS_INTERNET.to_be_bytes());
        record.extend(ttl.to_be_bytes());
        record.extend((data.len() as u16).to_be_bytes());
        record.extend(data);
        record
    }

    fn answer(query: &[u8], records: &[Vec<u8>]) -> Vec<u8> {
        let mut message = query.to_vec();
        message[2] |= 0x80;
        message[7] = records.len() as u8;
        message.extend(records.concat());
        message
    }

    #[test]
    fn questions_are_read() {
        let asked = question(&query("Api.Example.COM", 1)).unwrap();
        assert_eq!(asked.name.as_deref(), Some("api.example.com"));
        assert!(asked.wants_address());
        assert!(!question(&query("example.com", 16)).unwrap().wants_address());
        let mut two = query("example.com", 1);
        two[5] = 2;
        assert_eq!(question(&two), None);
        let mut update = query("example.com", 1);
        update[2] = 0x28;
        assert_eq!(question(&update), None);
    }

    #[test]
    fn a_dot_within_a_label_makes_no_name() {
        let mut message = query("aXexample.com", 1);
        message[14] = b'.';
        assert_eq!(question(&message).unwrap().name, None);
    }

    #[test]
    fn addresses_are_followed_through_other_names_only() {
        let query = query("www.example.com", 1);
        let asked = question(&query).unwrap();
        let own = [0xC0, 12];
        let other = b"\x03cdn\x03net\x00";
        let third = b"\x04evil\x03net\x00";
        let message = answer(
            &query,
            &[
                written(&own, KIND_CNAME, 60, other),
                written(third, KIND_A, 60, &[192, 0, 2, 9]),
                written(other, KIND_A, 30, &[192, 0, 2, 1]),
                written(other, KIND_AAAA, 40, &[0x20; 16]),
                written(other, KIND_A, 30, &[192, 0, 2]),
            ],
        );
        assert!(answers(&message, &query, &asked));
        let secs = |secs| Duration::from_secs(secs);
        let found = addresses(&message, &asked);
        assert_eq!(
            found,
            [
                ("192.0.2.1".parse().unwrap(), secs(30)),
                (Ipv6Addr::from([0x20; 16]).into(), secs(40)),
            ]
        );
    }

    #[test]
    fn an_answer_to_something_else_is_none() {
        let query_one = query("example.com", 1);
        let asked = question(&query_one).unwrap();
        let other = answer(&query("example.org", 1), &[]);
        assert!(!answers(&other, &query_one, &asked));
        let mut number = answer(&query_one, &[]);
        number[0] ^= 1;
        assert!(!answers(&number, &query_one, &asked));
        assert!(!answers(&query_one, &query_one, &asked));
    }

    #[test]
    fn replies_can_be_read_again() {
        let query_four = query("db.host.kiln.internal", 1);
        let asked = question(&query_four).unwrap();
        let address = Ipv4Addr::new(169, 254, 64, 1);
        let message = reply(&query_four, &asked, Reply::Address(address));
        assert!(answers(&message, &query_four, &asked));
        assert_eq!(
            addresses(&message, &asked),
            [(address.into(), Duration::from_secs(60))]
        );
        let query_six = query("db.host.kiln.internal", 28);
        let asked = question(&query_six).unwrap();
        let message = reply(&query_six, &asked, Reply::Address(address));
        assert_eq!((message[3] & 0xF, message[7]), (0, 0));
        let refused = reply(&query_six, &asked, Reply::Refused);
        assert_eq!(refused[3] & 0xF, 5);
    }

    #[test]
    fn names_that_go_round_end() {
        let mut message = query("a", 1);
        message[12..14].copy_from_slice(&[0xC0, 12]);
        assert_eq!(question(&message), None);
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_wrong(mut bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let asked = Question { name: Some("a".into()), kind: 1, end: 17 };
            let _ = (question(&bytes), addresses(&bytes, &asked));
            if let Some(question) = question(&bytes) {
                reply(&bytes, &question, Reply::Nothing);
            }
            if bytes.len() > 6 {
                bytes[2..6].copy_from_slice(&[1, 0, 0, 1]);
                let _ = question(&bytes);
            }
        }
    }
}
