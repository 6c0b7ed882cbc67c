//! What a token says, and whether that is what is wanted.
//!
//! Source: API Gateway developer guide, "Control access to HTTP APIs with JWT authorizers": `iss` must be
//! the issuer, `aud`, or `client_id` where there is no `aud`, one of the audience; `exp` must be to come,
//! `nbf` and `iat` must not.

use std::collections::BTreeMap;

use kiln_types::Timestamp;
use serde_json::{Map, Value};

use crate::refused::Refused;

/// What a token must say.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// Who issued it: a URL, below which its keys are found.
    pub issuer: &'a str,
    /// For whom it is: one of these.
    pub audience: &'a [String],
}

/// What a token says whose signature is verified.
#[derive(Debug, Clone, PartialEq)]
pub struct Claims(Map<String, Value>);

impl Claims {
    pub(crate) fn read(payload: &[u8]) -> Result<Self, Refused> {
        let claims = serde_json::from_slice(payload);
        claims.map(Self).map_err(|_| Refused::Malformed)
    }

    pub(crate) fn check(&self, expected: Expected<'_>, now: Timestamp) -> Result<(), Refused> {
        let said = |name: &str| self.0.get(name);
        if said("iss").and_then(Value::as_str) != Some(expected.issuer) {
            return Err(Refused::Issuer);
        }
        let audience = said("aud").or(said("client_id"));
        let is_wanted = |name: &str| expected.audience.iter().any(|wanted| wanted == name);
        if !texts(audience).any(is_wanted) {
            return Err(Refused::Audience);
        }
        let now_secs = now.as_millis() as f64 / 1_000.0;
        let secs = |name: &str| match said(name) {
            None => Ok(None),
            Some(value) => value.as_f64().map(Some).ok_or(Refused::Malformed),
        };
        if secs("exp")?.ok_or(Refused::NoExpiry)? <= now_secs {
            return Err(Refused::Expired);
        }
        if secs("nbf")?.is_some_and(|from| from > now_secs) {
            return Err(Refused::NotYet);
        }
        match secs("iat")?.is_some_and(|at| at > now_secs) {
            true => Err(Refused::Issued),
            false => Ok(()),
        }
    }

    /// What its holder may do: `scope`, or `scp`, a list or a text with spaces.
    pub fn scopes(&self) -> Vec<String> {
        let scopes = texts(self.0.get("scope").or(self.0.get("scp")));
        let words = scopes.flat_map(str::split_whitespace);
        words.map(str::to_owned).collect()
    }

    /// Every claim as a text, as AWS passes them on: numbers and booleans as they are written, lists as
    /// `[one two]`.
    pub fn texts(&self) -> BTreeMap<String, String> {
        let text = |(name, value): (&String, &Value)| (name.clone(), as_text(value));
        self.0.iter().map(text).collect()
    }
}

/// The texts of a text or of a list of them.
fn texts(value: Option<&Value>) -> impl Iterator<Item = &str> {
    let (one, list) = match value {
        Some(Value::String(text)) => (Some(text.as_str()), &[][..]),
        Some(Value::Array(list)) => (None, &list[..]),
        _ => (None, &[][..]),
    };
    one.into_iter().chain(list.iter().filter_map(Value::as_str))
}

fn as_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(list) => {
            let list: Vec<String> = list.iter().map(as_text).collect();
            format!("[{}]", list.join(" "))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW_SECS: i64 = 1_795_440_180;

    fn checked(change: Value) -> Result<(), Refused> {
        let mut claims = json!({
            "iss": "https://issuer.example",
            "aud": "pets",
            "exp": NOW_SECS + 1,
            "nbf": NOW_SECS,
            "iat": NOW_SECS,
        });
        for (name, value) in change.as_object().unwrap() {
            claims[name] = value.clone();
        }
        let absent = |value: &Value| *value == json!("absent");
        claims
            .as_object_mut()
            .unwrap()
            .retain(|_, value| !absent(value));
        let claims = Claims::read(claims.to_string().as_bytes())?;
        let expected = Expected {
            issuer: "https://issuer.example",
            audience: &["zoo".to_owned(), "pets".to_owned()],
        };
        claims.check(expected, Timestamp::from_millis(NOW_SECS * 1_000))
    }

    #[test]
    fn a_token_must_be_of_the_issuer_for_the_audience_and_of_now() {
        assert_eq!(checked(json!({})), Ok(()));
        for (change, refused) in [
            (json!({"iss": "https://issuer.example/"}), Refused::Issuer),
            (json!({"iss": "absent"}), Refused::Issuer),
            (json!({"aud": "shop"}), Refused::Audience),
            (json!({"aud": "absent"}), Refused::Audience),
            (json!({"aud": 3}), Refused::Audience),
            (json!({"aud": []}), Refused::Audience),
            (json!({"exp": NOW_SECS}), Refused::Expired),
            (json!({"exp": "absent"}), Refused::NoExpiry),
            (json!({"exp": "never"}), Refused::Malformed),
            (json!({"nbf": NOW_SECS + 1}), Refused::NotYet),
            (json!({"iat": NOW_SECS + 1}), Refused::Issued),
            (
                json!({"aud": "shop", "client_id": "pets"}),
                Refused::Audience,
            ),
        ] {
            assert_eq!(checked(change.clone()), Err(refused), "{change}");
        }
    }

    #[test]
    fn an_audience_may_be_a_list_or_a_client() {
        assert_eq!(checked(json!({"aud": ["shop", "pets"]})), Ok(()));
        let client = json!({"aud": "absent", "client_id": "zoo"});
        assert_eq!(checked(client), Ok(()));
        assert_eq!(checked(json!({"nbf": "absent", "iat": "absent"})), Ok(()));
    }

    fn claims(claims: Value) -> Claims {
        Claims::read(claims.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn scopes_are_words_or_a_list() {
        assert_eq!(claims(json!({"scope": "a b"})).scopes(), ["a", "b"]);
        assert_eq!(claims(json!({"scp": ["a", "b"]})).scopes(), ["a", "b"]);
        assert!(claims(json!({"scope": 3})).scopes().is_empty());
        assert!(claims(json!({})).scopes().is_empty());
    }

    #[test]
    fn claims_are_passed_on_as_texts() {
        let texts = claims(json!({
            "sub": "ann", "exp": 1_587_752_876, "email_verified": true,
            "cognito:groups": ["admin", "user"], "half": 0.5,
        }))
        .texts();
        assert_eq!(texts["sub"], "ann");
        assert_eq!(texts["exp"], "1587752876");
        assert_eq!(texts["email_verified"], "true");
        assert_eq!(texts["cognito:groups"], "[admin user]");
        assert_eq!(texts["half"], "0.5");
    }

    #[test]
    fn what_is_no_object_is_malformed() {
        for payload in ["", "[]", "3", "{"] {
            assert_eq!(Claims::read(payload.as_bytes()), Err(Refused::Malformed));
        }
    }
}
