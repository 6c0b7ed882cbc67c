//! Which bucket and which key a request is about: by its path, or by its host.
//!
//! - `http://<any host of the server>/<bucket>/<key>`
//! - `http://<bucket>.localhost/<key>`, `http://<bucket>.s3.localhost/<key>`, and the same below the server's own
//!   name, with or without a region after `s3.`

use http::request::Parts;

use super::fault::{self, Result};
use crate::config::Config;
use crate::router;
use crate::wire::percent;

/// A bucket and a key, as they are named; either may be missing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) bucket: Option<String>,
    pub(super) key: Option<String>,
    /// `/<bucket>/<key>`, percent-encoded as it was sent.
    pub(super) resource: String,
}

/// The bucket that a host names.
pub(super) fn bucket_of_host<'h>(config: &Config, host: &'h str) -> Option<&'h str> {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let own = config.endpoint.host();
    let below = ["localhost", own].into_iter().find_map(|own| {
        let is_below =
            name.len() > own.len() && name[name.len() - own.len()..].eq_ignore_ascii_case(own);
        is_below.then(|| name[..name.len() - own.len()].strip_suffix('.'))?
    })?;
    let region = config.region.as_str();
    let regional = below
        .strip_suffix(region)
        .and_then(|rest| rest.strip_suffix('.'));
    let below = regional.unwrap_or(below);
    match below {
        "s3" => None,
        below => Some(below.strip_suffix(".s3").unwrap_or(below)).filter(|it| !it.is_empty()),
    }
}

/// Whether a host can only mean this service.
pub(crate) fn is_host_of_s3(host: &str) -> bool {
    host.split(['.', ':']).any(|label| label == "s3")
}

impl Address {
    pub(super) fn of(config: &Config, head: &Parts) -> Result<Self> {
        let path = head.uri.path();
        let below_root = path.strip_prefix('/').unwrap_or(path);
        let (bucket, key, resource) = match bucket_of_host(config, router::host(head)) {
            Some(bucket) => (bucket, below_root, format!("/{bucket}{path}")),
            None => {
                let (bucket, key) = below_root.split_once('/').unwrap_or((below_root, ""));
                (bucket, key, path.to_owned())
            }
        };
        let text = |text: &str| match percent::text(text) {
            Some(text) => Ok((!text.is_empty()).then(|| text.into_owned())),
            None => Err(fault::invalid_uri().of("URI", path)),
        };
        Ok(Self {
            bucket: text(bucket)?,
            key: text(key)?,
            resource,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lambda::fixture::Fixture;

    fn address(fixture: &Fixture, host: &str, path: &str) -> (Option<String>, Option<String>) {
        let request = http::Request::get(path).header("host", host);
        let (head, ()) = request.body(()).unwrap().into_parts();
        let Address { bucket, key, .. } = Address::of(&fixture.context.config, &head).unwrap();
        (bucket, key)
    }

    fn is(bucket: &str, key: &str) -> (Option<String>, Option<String>) {
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        (text(bucket), text(key))
    }

    #[tokio::test]
    async fn a_path_names_bucket_and_key() {
        let fixture = Fixture::new().await;
        let address = |host, path| address(&fixture, host, path);
        assert_eq!(address("localhost:4566", "/"), is("", ""));
        assert_eq!(address("127.0.0.1:4566", "/b"), is("b", ""));
        assert_eq!(address("localhost", "/b/"), is("b", ""));
        assert_eq!(address("localhost", "/b/k/l%2Fm%20n"), is("b", "k/l/m n"));
        assert_eq!(address("s3.localhost:4566", "/b//k/"), is("b", "/k/"));
        assert_eq!(address("[::1]:4566", "/b/../c"), is("b", "../c"));
    }

    #[tokio::test]
    async fn a_host_names_a_bucket() {
        let fixture = Fixture::new().await;
        let address = |host, path| address(&fixture, host, path);
        for host in [
            "b.localhost:4566",
            "b.s3.localhost:4566",
            "b.s3.us-east-1.localhost",
            "b.LOCALHOST",
        ] {
            assert_eq!(address(host, "/k/l"), is("b", "k/l"), "{host}");
        }
        assert_eq!(address("a.b.s3.localhost:4566", "/"), is("a.b", ""));
        assert_eq!(address("s3.us-east-1.localhost", "/b/k"), is("b", "k"));
        assert_eq!(address("notlocalhost", "/b/k"), is("b", "k"));
    }
}
