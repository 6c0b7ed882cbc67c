//! What a receive hands out for each message, and a delete must show.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::key::Key;

/// Names one receive of one message. Opaque to whoever holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Receipt {
    /// The number of the queue.
    pub(super) queue: i64,
    /// Of the queue's epochs, that of the message.
    pub(super) epoch: i64,
    pub(super) key: Key,
    /// How often the message had been received, this time included.
    pub(super) received: u32,
}

/// The text is no receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is no receipt of a message")]
pub struct InvalidReceipt;

const VERSION: u8 = 1;
const BODY_BYTES: usize = 1 + 8 + 8 + 8 + 4;
const CHECK_BYTES: usize = 8;

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = Vec::with_capacity(BODY_BYTES + CHECK_BYTES);
        bytes.push(VERSION);
        bytes.extend(self.queue.to_be_bytes());
        bytes.extend(self.epoch.to_be_bytes());
        bytes.extend(self.key.0.to_be_bytes());
        bytes.extend(self.received.to_be_bytes());
        let check = check(&bytes);
        bytes.extend(check);
        f.write_str(&STANDARD.encode(bytes))
    }
}

impl FromStr for Receipt {
    type Err = InvalidReceipt;

    fn from_str(text: &str) -> Result<Self, InvalidReceipt> {
        let bytes = STANDARD.decode(text).map_err(|_| InvalidReceipt)?;
        let (body, sum) = bytes.split_at_checked(BODY_BYTES).ok_or(InvalidReceipt)?;
        if body[0] != VERSION || sum != check(body) {
            return Err(InvalidReceipt);
        }
        let number = |at: usize| {
            let part = body[at..at + 8].try_into();
            i64::from_be_bytes(part.expect("eight bytes"))
        };
        let received = body[25..29].try_into().expect("four bytes");
        Ok(Self {
            queue: number(1),
            epoch: number(9),
            key: Key(number(17)),
            received: u32::from_be_bytes(received),
        })
    }
}

/// Tells a receipt from what was typed or cut; it is no secret.
fn check(body: &[u8]) -> [u8; CHECK_BYTES] {
    let digest = Sha256::digest(body);
    digest[..CHECK_BYTES]
        .try_into()
        .expect("a digest is longer")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_reads_back_as_written_and_nothing_else_is_one() {
        let receipt = Receipt {
            queue: 7,
            epoch: 9,
            key: Key(1 << 50),
            received: 3,
        };
        let text = receipt.to_string();
        assert_eq!(text.parse(), Ok(receipt));
        let cut = &text[..text.len() - 4];
        let changed = text.replacen('A', "B", 1);
        for other in [cut, &changed, "", "garbage", "AAAA"] {
            assert_eq!(other.parse::<Receipt>(), Err(InvalidReceipt), "{other}");
        }
    }
}
