//! A public key as issuers publish it (RFC 7517), and what it verifies.

use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::Value;

use crate::limits::KEYS_MAX;
use crate::token::{Algorithm, Token};

/// Octets of each coordinate of a point of P-256.
const COORDINATE_BYTES: usize = 32;
/// What stands before the coordinates of a point that is not compressed.
const UNCOMPRESSED: u8 = 4;

/// A public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    /// How tokens name it.
    pub(crate) id: String,
    /// The one algorithm it is for, where its issuer says so.
    algorithm: Option<Algorithm>,
    material: Material,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Material {
    Rsa { modulus: Vec<u8>, exponent: Vec<u8> },
    P256 { point: Vec<u8> },
}

#[derive(Deserialize)]
struct Published {
    kid: String,
    kty: String,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

#[derive(Deserialize)]
struct Set {
    keys: Vec<Value>,
}

impl Key {
    /// The keys of a set that can verify tokens. Others are none of ours and no mistake.
    pub(crate) fn read_set(document: &[u8]) -> Option<Vec<Self>> {
        let set: Set = serde_json::from_slice(document).ok()?;
        let read = |key| Self::of(serde_json::from_value(key).ok()?);
        Some(
            set.keys
                .into_iter()
                .filter_map(read)
                .take(KEYS_MAX)
                .collect(),
        )
    }

    fn of(published: Published) -> Option<Self> {
        if published.usage.is_some_and(|usage| usage != "sig") {
            return None;
        }
        let algorithm = match published.alg {
            Some(name) => Some(Algorithm::named(&name)?),
            None => None,
        };
        let material = match published.kty.as_str() {
            "RSA" => Material::Rsa {
                modulus: decode(&published.n?)?,
                exponent: decode(&published.e?)?,
            },
            "EC" if published.crv.as_deref() == Some("P-256") => Material::P256 {
                point: point(&decode(&published.x?)?, &decode(&published.y?)?)?,
            },
            _ => return None,
        };
        Some(Self {
            id: published.kid,
            algorithm,
            material,
        })
    }

    /// Whether the key signed the token, in a way that keys of its kind sign.
    pub(crate) fn has_signed(&self, token: &Token<'_>) -> bool {
        if self.algorithm.is_some_and(|only| only != token.algorithm) {
            return false;
        }
        let (signed, signature) = (token.signed, &token.signature[..]);
        let verified = match (&self.material, token.algorithm) {
            (Material::Rsa { modulus, exponent }, algorithm) => {
                let parameters = match algorithm {
                    Algorithm::RS256 => &RSA_PKCS1_2048_8192_SHA256,
                    Algorithm::RS384 => &RSA_PKCS1_2048_8192_SHA384,
                    Algorithm::RS512 => &RSA_PKCS1_2048_8192_SHA512,
                    Algorithm::ES256 => return false,
                };
                let key = PublicKeyComponents {
                    n: modulus,
                    e: exponent,
                };
                key.verify(parameters, signed, signature)
            }
            (Material::P256 { point }, Algorithm::ES256) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(signed, signature)
            }
            (Material::P256 { .. }, _) => return false,
        };
        verified.is_ok()
    }
}

/// A point as the curve's algorithms read it.
fn point(x: &[u8], y: &[u8]) -> Option<Vec<u8>> {
    let is_whole = x.len() == COORDINATE_BYTES && y.len() == COORDINATE_BYTES;
    is_whole.then(|| [&[UNCOMPRESSED], x, y].concat())
}

fn decode(text: &str) -> Option<Vec<u8>> {
    BASE64_URL_SAFE_NO_PAD.decode(text).ok()
}

#[cfg(test)]
pub(crate) mod tests {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::rsa::{KeyPair as RsaPair, KeySize};
    use aws_lc_rs::signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256,
        RSA_PKCS1_SHA384,
    };
    use serde_json::json;

    use super::*;

    /// Signs as an issuer does.
    pub(crate) enum Signer {
        Rsa(RsaPair),
        P256(EcdsaKeyPair),
    }

    impl Signer {
        pub(crate) fn rsa() -> Self {
            Self::Rsa(RsaPair::generate(KeySize::Rsa2048).unwrap())
        }

        pub(crate) fn p256() -> Self {
            let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
            Self::P256(EcdsaKeyPair::generate(algorithm).unwrap())
        }

        pub(crate) fn published(&self, id: &str) -> Value {
            let encode = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
            match self {
                Self::Rsa(pair) => {
                    let public = pair.public_key();
                    let (n, e) = (public.modulus(), public.exponent());
                    let (n, e) = (
                        n.big_endian_without_leading_zero(),
                        e.big_endian_without_leading_zero(),
                    );
                    json!({"kty": "RSA", "kid": id, "use": "sig", "n": encode(n), "e": encode(e)})
                }
                Self::P256(pair) => {
                    let point = pair.public_key().as_ref();
                    let (x, y) = (&point[1..33], &point[33..]);
                    json!({"kty": "EC", "kid": id, "crv": "P-256", "x": encode(x), "y": encode(y)})
                }
            }
        }

        pub(crate) fn sign(&self, algorithm: &str, id: &str, claims: &Value) -> String {
            let header = json!({"alg": algorithm, "kid": id, "typ": "JWT"});
            let parts =
                [&header, claims].map(|part| BASE64_URL_SAFE_NO_PAD.encode(part.to_string()));
            let signed = parts.join(".");
            let random = SystemRandom::new();
            let signature = match self {
                Self::Rsa(pair) => {
                    let padding = match algorithm {
                        "RS384" => &RSA_PKCS1_SHA384,
                        _ => &RSA_PKCS1_SHA256,
                    };
                    let mut signature = vec![0; pair.public_modulus_len()];
                    pair.sign(padding, &random, signed.as_bytes(), &mut signature)
                        .unwrap();
                    signature
                }
                Self::P256(pair) => pair
                    .sign(&random, signed.as_bytes())
                    .unwrap()
                    .as_ref()
                    .to_vec(),
            };
            format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
        }
    }

    fn set(keys: &[Value]) -> Vec<Key> {
        let document = json!({"keys": keys}).to_string();
        Key::read_set(document.as_bytes()).unwrap()
    }

    #[test]
    fn a_key_verifies_what_it_signed_and_nothing_else() {
        for (algorithm, signer, other) in [
            ("RS256", Signer::rsa(), Signer::rsa()),
            ("RS384", Signer::rsa(), Signer::p256()),
            ("ES256", Signer::p256(), Signer::p256()),
        ] {
            let keys = set(&[signer.published("one"), other.published("two")]);
            let text = signer.sign(algorithm, "one", &json!({"sub": "ann"}));
            let token = Token::parse(&text).unwrap();
            assert!(keys[0].has_signed(&token), "{algorithm}");
            assert!(!keys[1].has_signed(&token), "{algorithm}");
            let forged = text.replacen('.', ".e30", 1);
            let forged = Token::parse(&forged);
            assert!(forged.is_err() || !keys[0].has_signed(&forged.unwrap()));
        }
    }

    /// A key that is told one algorithm must not verify another, whatever the token says.
    #[test]
    fn a_key_keeps_to_its_algorithm() {
        let signer = Signer::rsa();
        let mut published = signer.published("one");
        published["alg"] = "RS384".into();
        let key = &set(&[published])[0];
        let signed = |algorithm| signer.sign(algorithm, "one", &json!({}));
        let (strict, other) = (signed("RS384"), signed("RS256"));
        assert!(key.has_signed(&Token::parse(&strict).unwrap()));
        assert!(!key.has_signed(&Token::parse(&other).unwrap()));
        let curve = &set(&[Signer::p256().published("two")])[0];
        assert!(!curve.has_signed(&Token::parse(&other).unwrap()));
    }

    #[test]
    fn keys_for_other_purposes_are_passed_over() {
        let rsa = json!({"kty": "RSA", "kid": "a", "n": "AQAB", "e": "AQAB"});
        let with = |name: &str, value: &str| {
            let mut key = rsa.clone();
            key[name] = value.into();
            key
        };
        let keys = set(&[
            rsa.clone(),
            with("use", "enc"),
            with("alg", "RSA-OAEP"),
            with("kty", "oct"),
            with("n", "not base64!"),
            json!({"kty": "RSA", "n": "AQAB", "e": "AQAB"}),
            json!({"kty": "EC", "kid": "b", "crv": "P-521", "x": "AA", "y": "AA"}),
            json!({"kty": "EC", "kid": "c", "crv": "P-256", "x": "AA", "y": "AA"}),
        ]);
        assert_eq!(keys.len(), 1);
        assert_eq!(Key::read_set(b"{}"), None);
        assert_eq!(Key::read_set(b"[]"), None);
        let many: Vec<Value> = (0..KEYS_MAX + 1).map(|_| rsa.clone()).collect();
        assert_eq!(set(&many).len(), KEYS_MAX);
    }
}
