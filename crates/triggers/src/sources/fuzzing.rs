//! What servers send, one function for each kind of source.

use bytes::Bytes;
use serde_json::Value;

pub use super::kafka::fuzzing::kafka;
pub use super::mqtt::fuzzing::mqtt;
pub use super::mysql::fuzzing::mysql;
pub use super::postgres::fuzzing::postgres;
pub use super::rabbitmq::fuzzing::rabbitmq;
pub use super::redis::fuzzing::redis;

use super::scram::{Hash, Scram};

/// A server's side of a login by SCRAM. It does not know the password.
pub fn scram(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (challenge, last) = text.split_once('\n').unwrap_or((&text, ""));
    // Thousands of rounds take longer than all else.
    let hash = match challenge.len() % 2 {
        0 => Hash::Sha256,
        _ => Hash::Sha512,
    };
    let scram = Scram::with_nonce(hash, "user", "password", "rOprNGfwEbeRWgbNEkqO");
    if let Ok((answer, expected)) = scram.answer(challenge.as_bytes()) {
        assert!(answer.starts_with("c=biws,r=rOprNGfwEbeRWgbNEkqO"));
        assert!(
            expected.check(last.as_bytes()).is_err(),
            "who does not know the password proved that they do"
        );
    }
}

/// A record's document, which the function gets.
pub(super) fn check_document(document: &Bytes) {
    let read: Result<Value, _> = serde_json::from_slice(document);
    let read = read.unwrap_or_else(|error| {
        panic!("{error}: {}", String::from_utf8_lossy(document));
    });
    assert!(read.is_object(), "{read}");
}
