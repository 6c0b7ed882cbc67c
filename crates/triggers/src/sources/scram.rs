//! Proves by SCRAM (RFC 5802, RFC 7677) that somebody knows a password, without saying it, and has the server prove that it
//! knows it too. Without channel binding.

use std::num::NonZeroU32;

use aws_lc_rs::{digest, hmac, pbkdf2, rand};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;

use crate::source::Trouble;
use crate::sources::dial::lost;

/// Rounds of hashing that a server may ask for: PostgreSQL and Kafka ask for 4,096. More would only keep a thread busy.
const ROUNDS_MAX: u32 = 200_000;
/// The fewest that the standard allows: with less, somebody in the server's place soon finds the password.
const ROUNDS_MIN: u32 = 4_096;
/// What makes an exchange unlike any other.
const NONCE_BYTES: usize = 18;
/// No channel binding: `n,,` in base64.
const NO_BINDING: &str = "c=biws";

/// Which hash is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hash {
    Sha256,
    Sha512,
}

/// One exchange.
pub(super) struct Scram {
    hash: Hash,
    password: String,
    nonce: String,
    /// The first message, without what says that there is no channel binding.
    bare: String,
}

/// What the server must answer.
pub(super) struct Expected(pub(super) Vec<u8>);

impl Scram {
    /// An exchange with a number by chance.
    pub(super) fn new(hash: Hash, user: &str, password: &str) -> Result<Self, Trouble> {
        let mut nonce = [0; NONCE_BYTES];
        rand::fill(&mut nonce).map_err(|_| Trouble::new("this machine has no random numbers"))?;
        Ok(Self::with_nonce(
            hash,
            user,
            password,
            &BASE64_STANDARD.encode(nonce),
        ))
    }

    pub(super) fn with_nonce(hash: Hash, user: &str, password: &str, nonce: &str) -> Self {
        let user = user.replace('=', "=3D").replace(',', "=2C");
        Self {
            hash,
            password: password.to_owned(),
            nonce: nonce.to_owned(),
            bare: format!("n={user},r={nonce}"),
        }
    }

    /// What is said first.
    pub(super) fn first(&self) -> String {
        format!("n,,{}", self.bare)
    }

    /// The same as [`Scram::answer`], by a thread that holds up nobody else.
    pub(super) async fn answer_apart(
        self,
        challenge: Bytes,
    ) -> Result<(String, Expected), Trouble> {
        let answered = tokio::task::spawn_blocking(move || self.answer(&challenge));
        answered.await.unwrap_or_else(|_| Err(broken()))
    }

    /// What is said to the server's challenge, and what it must answer to that. Takes many rounds of hashing.
    pub(super) fn answer(&self, challenge: &[u8]) -> Result<(String, Expected), Trouble> {
        let challenge = std::str::from_utf8(challenge).map_err(|_| broken())?;
        check_rounds(challenge.as_bytes(), ROUNDS_MIN)?;
        let part = |name| member(challenge, name).ok_or_else(broken);
        let (nonce, salt, rounds) = (part("r=")?, part("s=")?, part("i=")?);
        if !nonce.starts_with(&self.nonce) || nonce.len() == self.nonce.len() {
            return Err(broken());
        }
        let salt = BASE64_STANDARD.decode(salt).map_err(|_| broken())?;
        let rounds: NonZeroU32 = rounds.parse().map_err(|_| broken())?;
        let last = format!("{NO_BINDING},r={nonce}");
        let signed = format!("{},{challenge},{last}", self.bare);
        let salted = self.salted(&salt, rounds);
        let client_key = self.sign(&salted, b"Client Key");
        let stored_key = digest::digest(self.digest(), &client_key);
        let signature = self.sign(stored_key.as_ref(), signed.as_bytes());
        let proof: Vec<u8> = client_key
            .iter()
            .zip(&signature)
            .map(|(a, b)| a ^ b)
            .collect();
        let server_key = self.sign(&salted, b"Server Key");
        let expected = self.sign(&server_key, signed.as_bytes());
        let answer = format!("{last},p={}", BASE64_STANDARD.encode(proof));
        Ok((answer, Expected(expected)))
    }

    fn salted(&self, salt: &[u8], rounds: NonZeroU32) -> Vec<u8> {
        let algorithm = match self.hash {
            Hash::Sha256 => pbkdf2::PBKDF2_HMAC_SHA256,
            Hash::Sha512 => pbkdf2::PBKDF2_HMAC_SHA512,
        };
        let mut salted = vec![0; self.digest().output_len()];
        pbkdf2::derive(
            algorithm,
            rounds,
            salt,
            self.password.as_bytes(),
            &mut salted,
        );
        salted
    }

    fn sign(&self, key: &[u8], what: &[u8]) -> Vec<u8> {
        let algorithm = match self.hash {
            Hash::Sha256 => hmac::HMAC_SHA256,
            Hash::Sha512 => hmac::HMAC_SHA512,
        };
        hmac::sign(&hmac::Key::new(algorithm, key), what)
            .as_ref()
            .to_vec()
    }

    fn digest(&self) -> &'static digest::Algorithm {
        match self.hash {
            Hash::Sha256 => &digest::SHA256,
            Hash::Sha512 => &digest::SHA512,
        }
    }
}

impl Expected {
    /// Refuses a server that does not know the password.
    pub(super) fn check(&self, answer: &[u8]) -> Result<(), Trouble> {
        let answer = std::str::from_utf8(answer).map_err(|_| broken())?;
        let proof = member(answer, "v=").and_then(|proof| BASE64_STANDARD.decode(proof).ok());
        match proof {
            Some(proof) if proof == self.0 => Ok(()),
            _ => Err(lost("the server does not know the password itself")),
        }
    }
}

/// Refuses a challenge that would only cost time, or that asks for fewer rounds than these.
pub(super) fn check_rounds(challenge: &[u8], least: u32) -> Result<(), Trouble> {
    let text = String::from_utf8_lossy(challenge);
    let rounds: Option<u32> = member(&text, "i=").and_then(|rounds| rounds.parse().ok());
    match rounds {
        Some(rounds) if rounds > ROUNDS_MAX => {
            Err(lost("the server asks for too much work to log in"))
        }
        Some(rounds) if rounds >= least => Ok(()),
        Some(_) => Err(lost(format!(
            "the server asks for so little work to log in that others could find the password: {least} rounds at least"
        ))),
        None => Err(broken()),
    }
}

fn member<'a>(message: &'a str, name: &str) -> Option<&'a str> {
    message.split(',').find_map(|part| part.strip_prefix(name))
}

fn broken() -> Trouble {
    lost("the server broke off the login")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_cannot_keep_a_thread_busy_nor_ask_for_next_to_nothing() {
        assert!(check_rounds(b"r=abc,s=def,i=4096", ROUNDS_MIN).is_ok());
        assert!(check_rounds(b"r=abc,s=def,i=1", 1).is_ok());
        for challenge in [
            "r=abc,s=def,i=4000000000",
            "r=abc,s=def,i=4095",
            "r=abc,s=def,i=0",
            "r=a,s=b",
            "r=a,s=b,i=x",
        ] {
            let checked = check_rounds(challenge.as_bytes(), ROUNDS_MIN);
            assert!(checked.is_err(), "{challenge}");
        }
    }

    /// RFC 7677, section 3.
    #[test]
    fn the_exchange_of_the_standard_is_ours() {
        let scram = Scram::with_nonce(Hash::Sha256, "user", "pencil", "rOprNGfwEbeRWgbNEkqO");
        assert_eq!(scram.first(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let challenge = format!("r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
        let (answer, expected) = scram.answer(challenge.as_bytes()).unwrap();
        let proof = "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
        assert_eq!(answer, format!("c=biws,r={nonce},p={proof}"));
        let proof = b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";
        assert!(expected.check(proof).is_ok());
        assert!(expected.check(b"v=AAAA").is_err());
        assert!(expected.check(b"e=invalid-proof").is_err());
    }

    /// By Python's `hashlib` and `hmac`.
    #[test]
    fn the_longer_hash_gives_what_another_implementation_gives() {
        let nonce = "fyko+d2lbbFgONRv9qkxdawL";
        let scram = Scram::with_nonce(Hash::Sha512, "user", "correct horse", nonce);
        let both = format!("{nonce}3rfcNHYJY1ZVvWVs7j");
        let challenge = format!("r={both},s=c2FsdC1vZi10aGUtdGVzdA==,i=4096");
        let (answer, expected) = scram.answer(challenge.as_bytes()).unwrap();
        let proof = "RQ3Tr6a09RqadGl5bXiX0JprlkWqMYJ7PgFwd6UDqAabZQclDYoJGT0360AokApNzTj/ovU029REglH66xMNyw==";
        assert_eq!(answer, format!("c=biws,r={both},p={proof}"));
        let proof = b"v=7Os8035HBzhtdLiksT4W7HxY1sZO3U0FqDl1v9gRyvAHbKNal0oRX6UIpPCwWy1XZrEyhlOum1pv7ygl3Kx9JA==";
        assert!(expected.check(proof).is_ok());
    }

    #[test]
    fn a_challenge_that_is_not_to_this_exchange_is_refused() {
        let scram = Scram::with_nonce(Hash::Sha512, "a,b=c", "p", "own");
        assert_eq!(scram.first(), "n,,n=a=2Cb=3Dc,r=own");
        for challenge in [
            "r=other,s=AAAA,i=4096",
            "r=own,s=AAAA,i=4096",
            "r=ownx,s=%,i=4096",
            "x",
        ] {
            assert!(scram.answer(challenge.as_bytes()).is_err(), "{challenge}");
        }
        assert!(scram.answer(b"r=ownx,s=AAAA,i=4096").is_ok());
    }
}
