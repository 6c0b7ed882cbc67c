//! A token as it is written: header, claims and signature, in base64 with dots between them (RFC 7515).

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::refused::Refused;

/// A token of which nothing is verified yet.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Token<'t> {
    /// How it is signed, as it says itself.
    pub(crate) algorithm: Algorithm,
    /// Which key signed it, as it says itself.
    pub(crate) key_id: String,
    /// What was signed.
    pub(crate) signed: &'t [u8],
    /// The signature.
    pub(crate) signature: Vec<u8>,
    /// The claims, in JSON.
    pub(crate) payload: Vec<u8>,
}

/// The algorithms that are accepted (RFC 7518). `none` is not one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) enum Algorithm {
    RS256,
    RS384,
    RS512,
    ES256,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    crit: Option<IgnoredAny>,
}

impl Algorithm {
    /// The algorithm of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "RS256" => Some(Self::RS256),
            "RS384" => Some(Self::RS384),
            "RS512" => Some(Self::RS512),
            "ES256" => Some(Self::ES256),
            _ => None,
        }
    }
}

impl<'t> Token<'t> {
    /// Takes a token apart.
    pub(crate) fn parse(text: &'t str) -> Result<Self, Refused> {
        let (signed, signature) = text.rsplit_once('.').ok_or(Refused::Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(Refused::Malformed)?;
        let header: Header =
            serde_json::from_slice(&decode(header)?).map_err(|_| Refused::Malformed)?;
        if header.crit.is_some() {
            return Err(Refused::Critical);
        }
        Ok(Self {
            algorithm: Algorithm::named(&header.alg).ok_or(Refused::Algorithm)?,
            key_id: header.kid.ok_or(Refused::NoKeyId)?,
            signed: signed.as_bytes(),
            signature: decode(signature)?,
            payload: decode(payload)?,
        })
    }
}

fn decode(text: &str) -> Result<Vec<u8>, Refused> {
    let decoded = BASE64_URL_SAFE_NO_PAD.decode(text);
    decoded.map_err(|_| Refused::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(header: &str) -> String {
        let encoded = [header, "{}", "signed"].map(|part| BASE64_URL_SAFE_NO_PAD.encode(part));
        encoded.join(".")
    }

    #[test]
    fn a_token_has_three_parts() {
        let text = token(r#"{"alg":"RS256","kid":"k1","typ":"JWT"}"#);
        let token = Token::parse(&text).unwrap();
        assert_eq!(token.algorithm, Algorithm::RS256);
        assert_eq!(token.key_id, "k1");
        assert_eq!(token.payload, b"{}");
        assert_eq!(token.signature, b"signed");
        assert!(text.as_bytes().starts_with(token.signed));
    }

    #[test]
    fn what_is_no_token_or_is_signed_otherwise_is_refused() {
        for (text, refused) in [
            (String::new(), Refused::Malformed),
            ("a.b".into(), Refused::Malformed),
            ("a.b.c".into(), Refused::Malformed),
            ("e30.e30.".into(), Refused::Malformed),
            (token("{}") + ".e30", Refused::Malformed),
            (token(r#"{"alg":"none","kid":"k"}"#), Refused::Algorithm),
            (token(r#"{"alg":"HS256","kid":"k"}"#), Refused::Algorithm),
            (token(r#"{"alg":"rs256","kid":"k"}"#), Refused::Algorithm),
            (token(r#"{"alg":"RS256"}"#), Refused::NoKeyId),
            (
                token(r#"{"alg":"RS256","kid":"k","crit":["b64"]}"#),
                Refused::Critical,
            ),
        ] {
            assert_eq!(Token::parse(&text), Err(refused), "{text}");
        }
    }
}
