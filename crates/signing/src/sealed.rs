//! A package's statement and signature, as they lie in it.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use kiln_types::Sha256;

use crate::key::{PrivateKey, PublicKey};
use crate::statement::{Statement, Unreadable};

/// A statement with a signature that nobody has verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The bytes of `META-INF/kiln/statement`.
    pub statement: Vec<u8>,
    /// Those of `META-INF/kiln/signature`: base64, which may have line ends.
    pub signature: Vec<u8>,
}

/// Why a signature is worth nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unverified {
    /// It says nothing that can be read.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// It is not by the profile's key, or of another statement.
    #[error("its signature is not by the key of the profile that it names")]
    NotByKey,
    /// The package has other content than was signed.
    #[error("its content is not what was signed")]
    OtherContent,
}

impl Sealed {
    /// Signs; none when there is no randomness for it.
    pub fn new(statement: &Statement, key: &PrivateKey) -> Option<Self> {
        let statement = statement.to_text().into_bytes();
        let signature = BASE64_STANDARD.encode(key.sign(&statement)?) + "\n";
        Some(Self {
            statement,
            signature: signature.into_bytes(),
        })
    }

    /// What it claims, to find the key by: nothing of it is to be believed.
    pub fn claim(&self) -> Result<Statement, Unreadable> {
        Statement::parse(&self.statement)
    }

    /// What it states about this content, if the key has signed that.
    pub fn verify(&self, key: &PublicKey, content: &Sha256) -> Result<Statement, Unverified> {
        let statement = self.claim()?;
        let text = self.signature.iter().copied();
        let text: Vec<u8> = text.filter(|byte| !byte.is_ascii_whitespace()).collect();
        let signature = BASE64_STANDARD.decode(text);
        let signature = signature.map_err(|_| Unverified::NotByKey)?;
        if !key.verifies(&self.statement, &signature) {
            return Err(Unverified::NotByKey);
        }
        match statement.content == *content {
            true => Ok(statement),
            false => Err(Unverified::OtherContent),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::tests::{ED25519_PRIVATE, P256_PRIVATE};
    use crate::statement::tests::sample;

    #[test]
    fn what_was_signed_is_verified_and_nothing_else() {
        for private in [ED25519_PRIVATE, P256_PRIVATE] {
            let key = PrivateKey::from_pem(private).unwrap();
            let sealed = Sealed::new(&sample(), &key).unwrap();
            let content = sample().content;
            assert_eq!(sealed.verify(&key.public(), &content), Ok(sample()));
            let other = sealed.verify(&key.public(), &Sha256::from_bytes([8; 32]));
            assert_eq!(other, Err(Unverified::OtherContent));
            let mut altered = sealed.clone();
            let text = String::from_utf8(altered.statement).unwrap();
            altered.statement = text.replace("2027", "2037").into_bytes();
            let refused = altered.verify(&key.public(), &content);
            assert_eq!(refused, Err(Unverified::NotByKey));
            let mut unsigned = sealed.clone();
            unsigned.signature = b"no base64".to_vec();
            let refused = unsigned.verify(&key.public(), &content);
            assert_eq!(refused, Err(Unverified::NotByKey));
        }
    }

    #[test]
    fn a_signature_by_another_key_is_none() {
        let [one, other] =
            [ED25519_PRIVATE, P256_PRIVATE].map(|pem| PrivateKey::from_pem(pem).unwrap());
        let sealed = Sealed::new(&sample(), &one).unwrap();
        let refused = sealed.verify(&other.public(), &sample().content);
        assert_eq!(refused, Err(Unverified::NotByKey));
    }
}
