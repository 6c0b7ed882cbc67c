//! Addresses of the web that subscribe to topics.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::account::text_type;
use crate::limits::HTTP_ENDPOINT_LENGTH_MAX;
use crate::name::InvalidName;

/// Where messages are posted: `http://` or `https://`, a host, and what follows; no fragment, printable ASCII.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HttpEndpoint(Arc<str>);

impl HttpEndpoint {
    /// As it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is spoken to over TLS.
    pub fn is_secure(&self) -> bool {
        self.0.starts_with("https://")
    }

    /// User and password before the host, as they stand there.
    pub fn user_info(&self) -> Option<&str> {
        let (user_info, _) = self.authority().rsplit_once('@')?;
        Some(user_info)
    }

    /// The host, and the port if it has one.
    pub fn host_and_port(&self) -> &str {
        let authority = self.authority();
        let after = authority.rsplit_once('@');
        after.map_or(authority, |(_, host)| host)
    }

    /// The address without user and password, for requests and for logs.
    pub fn without_user_info(&self) -> String {
        let scheme = if self.is_secure() { "https" } else { "http" };
        let rest = &self.0[scheme.len() + 3 + self.authority().len()..];
        let path = if rest.starts_with('/') { "" } else { "/" };
        format!("{scheme}://{}{path}{rest}", self.host_and_port())
    }

    /// The address with stars for the password, as it is shown.
    pub fn shown(&self) -> String {
        match self.user_info().and_then(|info| info.split_once(':')) {
            Some((user, password)) => {
                let (before, after) = (format!("//{user}:{password}@"), format!("//{user}:****@"));
                self.0.replacen(&before, &after, 1)
            }
            None => self.0.to_string(),
        }
    }

    fn authority(&self) -> &str {
        let (_, rest) = self.0.split_once("://").unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        &rest[..end]
    }
}

impl FromStr for HttpEndpoint {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let is_web = text.starts_with("http://") || text.starts_with("https://");
        let is_text = text.bytes().all(|b| b.is_ascii_graphic() && b != b'#');
        let endpoint = Self(Arc::from(text));
        let has_host = || {
            let host = endpoint.host_and_port();
            !host.is_empty() && !host.starts_with(':') && !host.contains('@')
        };
        if is_web && is_text && text.len() <= HTTP_ENDPOINT_LENGTH_MAX && has_host() {
            return Ok(endpoint);
        }
        let rule = "must be an address that begins with http:// or https://";
        Err(InvalidName::new("HTTP endpoint", text, rule))
    }
}

text_type!(HttpEndpoint);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_the_web_are_taken_and_others_are_not() {
        for text in [
            "http://a.example",
            "https://a.example:8443/in?x=1",
            "http://[::1]:80/",
        ] {
            assert!(text.parse::<HttpEndpoint>().is_ok(), "{text}");
        }
        let long = format!("http://a.example/{}", "x".repeat(HTTP_ENDPOINT_LENGTH_MAX));
        for text in [
            "",
            "a.example",
            "http://",
            "http://:80/",
            "http:///in",
            "ftp://a.example",
            "http://a.example/a b",
            "http://a.example/#part",
            "http://a.example/\u{e4}",
            "http://u@/",
            &long,
        ] {
            assert!(text.parse::<HttpEndpoint>().is_err(), "{text}");
        }
    }

    #[test]
    fn user_and_password_are_told_apart() {
        let endpoint: HttpEndpoint = "https://u:p@w@a.example:1/in?to=x@y".parse().unwrap();
        assert_eq!(endpoint.user_info(), Some("u:p@w"));
        assert_eq!(endpoint.host_and_port(), "a.example:1");
        assert_eq!(
            endpoint.without_user_info(),
            "https://a.example:1/in?to=x@y"
        );
        assert_eq!(endpoint.shown(), "https://u:****@a.example:1/in?to=x@y");
        let bare: HttpEndpoint = "http://a.example?x".parse().unwrap();
        assert_eq!((bare.user_info(), bare.is_secure()), (None, false));
        assert_eq!(bare.without_user_info(), "http://a.example/?x");
        assert_eq!(bare.shown(), "http://a.example?x");
    }
}
