//! How a registry wants to be shown who asks (`WWW-Authenticate`; distribution's token specification).

use http::header::WWW_AUTHENTICATE;
use http::{HeaderMap, Uri};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

/// What it wants.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    /// A user and a password.
    Basic,
    /// A token that is given out at this address.
    Bearer { uri: Uri },
}

#[derive(Deserialize)]
struct Token {
    token: Option<String>,
    access_token: Option<String>,
}

impl Challenge {
    /// The one to meet to read a repository. `None` for what is not understood.
    pub(super) fn of(headers: &HeaderMap, repository: &str) -> Option<Self> {
        let all = headers.get_all(WWW_AUTHENTICATE).iter();
        let all: Vec<&str> = all.filter_map(|value| value.to_str().ok()).collect();
        let bearer = all.iter().find_map(|text| bearer(text, repository));
        let is_basic = |text: &&&str| without_scheme(text, "basic").is_some();
        bearer.or_else(|| all.iter().find(is_basic).map(|_| Self::Basic))
    }
}

/// The token in the answer of who gives them out.
pub(super) fn token_of(body: &[u8]) -> Option<String> {
    let answer: Token = serde_json::from_slice(body).ok()?;
    answer.token.or(answer.access_token)
}

fn without_scheme<'a>(text: &'a str, scheme: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(scheme.len())?;
    let is_whole = rest.is_empty() || rest.starts_with(' ');
    (is_whole && start.eq_ignore_ascii_case(scheme)).then_some(rest)
}

fn bearer(text: &str, repository: &str) -> Option<Challenge> {
    let parameters = without_scheme(text, "bearer")?;
    let value = |name: &str| {
        let start = parameters.find(&format!("{name}=\""))? + name.len() + 2;
        let rest = &parameters[start..];
        Some(&rest[..rest.find('"')?])
    };
    let realm = value("realm")?;
    let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let scope = format!("repository:{repository}:pull");
    let mut uri = realm.to_owned();
    uri.push(if realm.contains('?') { '&' } else { '?' });
    if let Some(service) = value("service") {
        uri.push_str(&format!("service={}&", encode(service)));
    }
    uri.push_str(&format!("scope={}", encode(&scope)));
    let uri = uri.parse().ok()?;
    Some(Challenge::Bearer { uri })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Option<Challenge> {
        let mut headers = HeaderMap::new();
        headers.insert(WWW_AUTHENTICATE, text.parse().unwrap());
        Challenge::of(&headers, "me/app")
    }

    #[test]
    fn a_token_is_asked_for_where_the_registry_says() {
        let challenge = of(r#"Bearer realm="https://auth.example/token",service="a b""#);
        let uri = "https://auth.example/token?service=a%20b&scope=repository%3Ame%2Fapp%3Apull";
        let uri = uri.parse().unwrap();
        assert_eq!(challenge, Some(Challenge::Bearer { uri }));
        assert_eq!(of("basic realm=\"x\""), Some(Challenge::Basic));
        for other in [
            "Negotiate",
            "Bearer",
            "Basically",
            "Bearer realm=\"\u{7f}\"",
        ] {
            if let Ok(value) = other.parse::<http::HeaderValue>() {
                let mut headers = HeaderMap::new();
                headers.insert(WWW_AUTHENTICATE, value);
                assert_eq!(Challenge::of(&headers, "app"), None, "{other}");
            }
        }
    }

    #[test]
    fn a_token_has_two_names() {
        assert_eq!(token_of(br#"{"token":"a"}"#).as_deref(), Some("a"));
        assert_eq!(token_of(br#"{"access_token":"b"}"#).as_deref(), Some("b"));
        assert_eq!(token_of(b"{}"), None);
    }
}
