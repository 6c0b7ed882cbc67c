//! Keys as OpenSSL and cosign write them: Ed25519, and ECDSA on P-256.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair,
    KeyPair as _, UnparsedPublicKey, VerificationAlgorithm,
};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

/// How a SubjectPublicKeyInfo of an Ed25519 key begins (RFC 8410); the 32 bytes of the key follow.
const ED25519_PREFIX: &[u8] = &[
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];
/// The same of a key on P-256 (RFC 5480); the 65 bytes of an uncompressed point follow.
const P256_PREFIX: &[u8] = &[
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
/// Longest text of a key that is read.
const PEM_BYTES_MAX: usize = 4_096;

/// Why a text is no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It is not PEM with this label.
    #[error("it is not PEM with a {0}")]
    NotPem(&'static str),
    /// It is another kind of key.
    #[error("it is neither an Ed25519 nor a P-256 key")]
    OtherKind,
}

/// Verifies signatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    kind: Kind,
    bytes: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Ed25519,
    P256,
}

/// Makes signatures.
pub enum PrivateKey {
    /// Ed25519.
    Ed25519(Box<Ed25519KeyPair>),
    /// ECDSA on P-256 with SHA-256.
    P256(Box<EcdsaKeyPair>),
}

impl PublicKey {
    /// Reads a SubjectPublicKeyInfo in PEM, as `openssl pkey -pubout` and cosign write it.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        let der = der(pem, "PUBLIC KEY")?;
        let kinds = [
            (Kind::Ed25519, ED25519_PREFIX, 32),
            (Kind::P256, P256_PREFIX, 65),
        ];
        let found = kinds.into_iter().find_map(|(kind, prefix, length)| {
            let bytes = der.strip_prefix(prefix)?;
            (bytes.len() == length).then(|| (kind, bytes.to_vec()))
        });
        let (kind, bytes) = found.ok_or(KeyError::OtherKind)?;
        Ok(Self { kind, bytes })
    }

    /// The kind of key, for people.
    pub fn algorithm(&self) -> &'static str {
        match self.kind {
            Kind::Ed25519 => "Ed25519",
            Kind::P256 => "ECDSA P-256",
        }
    }

    /// The key in PEM, in one form whatever it was read from.
    pub fn to_pem(&self) -> String {
        let prefix = match self.kind {
            Kind::Ed25519 => ED25519_PREFIX,
            Kind::P256 => P256_PREFIX,
        };
        let text = BASE64_STANDARD.encode([prefix, &self.bytes].concat());
        let lines: Vec<&str> = (0..text.len())
            .step_by(64)
            .map(|from| &text[from..text.len().min(from + 64)])
            .collect();
        let lines = lines.join("\n");
        format!("-----BEGIN PUBLIC KEY-----\n{lines}\n-----END PUBLIC KEY-----\n")
    }

    /// Whether `signature` is of `message` and by this key.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let algorithm: &'static dyn VerificationAlgorithm = match self.kind {
            Kind::Ed25519 => &ED25519,
            Kind::P256 => &ECDSA_P256_SHA256_ASN1,
        };
        let key = UnparsedPublicKey::new(algorithm, &self.bytes);
        key.verify(message, signature).is_ok()
    }
}

impl PrivateKey {
    /// Reads PKCS#8 in PEM, as `openssl genpkey` writes it, without a password.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        let der = der(pem, "PRIVATE KEY")?;
        // OpenSSL writes the private half alone.
        if let Ok(pair) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der) {
            return Ok(Self::Ed25519(Box::new(pair)));
        }
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &der);
        let pair = pair.map_err(|_| KeyError::OtherKind)?;
        Ok(Self::P256(Box::new(pair)))
    }

    /// Its public half.
    pub fn public(&self) -> PublicKey {
        let (kind, bytes) = match self {
            Self::Ed25519(pair) => (Kind::Ed25519, pair.public_key().as_ref()),
            Self::P256(pair) => (Kind::P256, pair.public_key().as_ref()),
        };
        let bytes = bytes.to_vec();
        PublicKey { kind, bytes }
    }

    /// Its signature of a message; none when there is no randomness for it.
    pub fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Ed25519(pair) => Some(pair.sign(message).as_ref().to_vec()),
            Self::P256(pair) => {
                let signature = pair.sign(&SystemRandom::new(), message).ok()?;
                Some(signature.as_ref().to_vec())
            }
        }
    }
}

fn der(pem: &str, label: &'static str) -> Result<Vec<u8>, KeyError> {
    let not_pem = || KeyError::NotPem(label);
    if pem.len() > PEM_BYTES_MAX {
        return Err(not_pem());
    }
    let (_, after) = pem
        .split_once(&format!("-----BEGIN {label}-----"))
        .ok_or_else(not_pem)?;
    let (text, _) = after
        .split_once(&format!("-----END {label}-----"))
        .ok_or_else(not_pem)?;
    let text: String = text.split_ascii_whitespace().collect();
    BASE64_STANDARD.decode(text).map_err(|_| not_pem())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Made by `openssl genpkey -algorithm ed25519` and `openssl pkey -pubout`.
    pub(crate) const ED25519_PRIVATE: &str = "-----BEGIN PRIVATE KEY-----\n\
        MC4CAQAwBQYDK2VwBCIEIEhp+rDYjNF3ehcQlcLay8UOTU3cka6N5cj6UBkhoVqx\n\
        -----END PRIVATE KEY-----\n";
    const ED25519_PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\n\
        MCowBQYDK2VwAyEAds5IuF1tokYK5oFBOGKz++3L6s2oehHSqygAmd4beQ0=\n\
        -----END PUBLIC KEY-----\n";
    /// Made by `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256`.
    pub(crate) const P256_PRIVATE: &str = "-----BEGIN PRIVATE KEY-----\n\
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgFax+03Ou6eqgxyXo\n\
        wTsYovC+yhoyjjMnMWcB7ZsHhYihRANCAASyoVzs2Ip3hz022NnOH367TYsCOkxv\n\
        SClCviJ9xggwRMnQCi4V/NsyvsIBgzdb8UW+UbH7upPedk1badz2/jgr\n\
        -----END PRIVATE KEY-----\n";
    const P256_PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\n\
        MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEsqFc7NiKd4c9NtjZzh9+u02LAjpM\n\
        b0gpQr4ifcYIMETJ0AouFfzbMr7CAYM3W/FFvlGx+7qT3nZNW2nc9v44Kw==\n\
        -----END PUBLIC KEY-----\n";

    #[test]
    fn keys_of_openssl_are_read_and_belong_together() {
        for (private, public) in [
            (ED25519_PRIVATE, ED25519_PUBLIC),
            (P256_PRIVATE, P256_PUBLIC),
        ] {
            let private = PrivateKey::from_pem(private).unwrap();
            assert_eq!(private.public(), PublicKey::from_pem(public).unwrap());
            assert_eq!(private.public().to_pem(), public);
            let signature = private.sign(b"message").unwrap();
            assert!(private.public().verifies(b"message", &signature));
            assert!(!private.public().verifies(b"massage", &signature));
            assert!(!private.public().verifies(b"message", &signature[1..]));
            assert!(!private.public().verifies(b"message", b""));
        }
    }

    #[test]
    fn a_key_verifies_nothing_of_another() {
        let [one, other] =
            [ED25519_PRIVATE, P256_PRIVATE].map(|private| PrivateKey::from_pem(private).unwrap());
        let signature = one.sign(b"message").unwrap();
        assert!(!other.public().verifies(b"message", &signature));
        let signature = other.sign(b"message").unwrap();
        assert!(!one.public().verifies(b"message", &signature));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for text in [
            "",
            "-----BEGIN PUBLIC KEY-----",
            "-----BEGIN PUBLIC KEY-----\n!\n-----END PUBLIC KEY-----",
            ED25519_PRIVATE,
        ] {
            let refused = PublicKey::from_pem(text);
            assert_eq!(refused, Err(KeyError::NotPem("PUBLIC KEY")), "{text}");
        }
        let other = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VuAyEA\n-----END PUBLIC KEY-----";
        assert_eq!(PublicKey::from_pem(other), Err(KeyError::OtherKind));
        let public = PrivateKey::from_pem(ED25519_PUBLIC);
        assert!(matches!(public, Err(KeyError::NotPem("PRIVATE KEY"))));
    }
}
