//! Where clients reach the server: itself, or a proxy before it.

use std::fmt;
use std::str::FromStr;

use http::Uri;
use http::uri::{Authority, Scheme};

/// A scheme, a host and perhaps a port: `https://lambda.example.com`, `http://localhost:4566`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    scheme: Scheme,
    authority: Authority,
}

/// Not an [`Endpoint`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadEndpoint;

impl Endpoint {
    /// `http` or `https`.
    pub(crate) fn scheme(&self) -> &str {
        self.scheme.as_str()
    }

    /// The host, with its port unless that is the scheme's own.
    pub(crate) fn authority(&self) -> &str {
        self.authority.as_str()
    }

    /// The host alone.
    pub fn host(&self) -> &str {
        self.authority.host()
    }

    /// The port of requests that name none.
    pub(crate) fn default_port(&self) -> u16 {
        if self.scheme == Scheme::HTTPS {
            443
        } else {
            80
        }
    }
}

impl FromStr for Endpoint {
    type Err = BadEndpoint;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.parse::<Uri>().map_err(|_| BadEndpoint)?.into_parts();
        let has_path = parts.path_and_query.is_some_and(|path| path != "/");
        match (parts.scheme, parts.authority) {
            (Some(scheme), Some(authority))
                if !has_path
                    && !authority.host().is_empty()
                    && !authority.as_str().contains('@')
                    && (scheme == Scheme::HTTP || scheme == Scheme::HTTPS) =>
            {
                Ok(Self { scheme, authority })
            }
            _ => Err(BadEndpoint),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.authority)
    }
}

impl fmt::Display for BadEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "expected a scheme, a host and perhaps a port, such as https://lambda.example.com",
        )
    }
}

impl std::error::Error for BadEndpoint {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scheme_host_and_port_are_kept() {
        let with_port: Endpoint = "http://localhost:4566".parse().unwrap();
        assert_eq!(with_port.authority(), "localhost:4566");
        assert_eq!(with_port.host(), "localhost");
        let without: Endpoint = "https://lambda.example.com/".parse().unwrap();
        assert_eq!(without.to_string(), "https://lambda.example.com");
        assert_eq!((without.scheme(), without.default_port()), ("https", 443));
    }

    #[test]
    fn anything_more_or_less_is_refused() {
        for text in [
            "",
            "lambda.example.com",
            "ftp://lambda.example.com",
            "https://",
            "https://a@lambda.example.com",
            "https://lambda.example.com/path",
            "https://lambda.example.com?query",
        ] {
            assert_eq!(text.parse::<Endpoint>(), Err(BadEndpoint), "{text}");
        }
    }
}
