//! Asks an issuer for its keys: first where they are, then for them.

use std::io;
use std::net::IpAddr;

use bytes::Bytes;
use http::{Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;
use tokio::sync::OnceCell;
use tokio::time::timeout;

use crate::key::Key;
use crate::limits::{ANSWER_MAX, DOCUMENT_BYTES_MAX};

/// Where, below its URL, an issuer says where its keys are.
const DISCOVERY: &str = ".well-known/openid-configuration";

type Plain = Client<HttpConnector, Empty<Bytes>>;
type Secured = Client<HttpsConnector<HttpConnector>, Empty<Bytes>>;

/// Asks issuers.
#[derive(Debug)]
pub(crate) struct Fetch {
    plain: Plain,
    /// Made when the first issuer needs it: issuers without TLS need no certificates on this machine.
    secured: OnceCell<Secured>,
}

/// Why there are no keys, for the log.
#[derive(Debug, thiserror::Error)]
#[error("{doing}: {why}")]
pub(crate) struct Failed {
    doing: String,
    why: String,
}

#[derive(Deserialize)]
struct Discovery {
    jwks_uri: String,
}

impl Fetch {
    pub(crate) fn new() -> Self {
        Self {
            plain: Client::builder(TokioExecutor::new()).build_http(),
            secured: OnceCell::new(),
        }
    }

    /// The keys that an issuer has now.
    pub(crate) async fn keys(&self, issuer: &str) -> Result<Vec<Key>, Failed> {
        let home = parse(&format!("{}/{DISCOVERY}", issuer.trim_end_matches('/')))?;
        let discovery: Discovery = serde_json::from_slice(&self.get(&home).await?)
            .map_err(|error| failed(&home, error))?;
        let uri = parse(&discovery.jwks_uri)?;
        check_way(&home, &uri)?;
        let document = self.get(&uri).await?;
        Key::read_set(&document).ok_or_else(|| failed(&uri, "it is no set of keys"))
    }

    /// A document, from where it is: no redirection is followed.
    async fn get(&self, uri: &Uri) -> Result<Bytes, Failed> {
        let request = Request::get(uri)
            .header(header::USER_AGENT, "kiln")
            .header(header::ACCEPT, "application/json")
            .body(Empty::new())
            .map_err(|error| failed(uri, error))?;
        let answer = async {
            let answer = match uri.scheme_str() {
                Some("http") => self.plain.request(request).await,
                _ => self.secured(uri).await?.request(request).await,
            };
            let answer = answer.map_err(|error| failed(uri, chain(&error)))?;
            if answer.status() != StatusCode::OK {
                return Err(failed(uri, format!("it answers {}", answer.status())));
            }
            let body = Limited::new(answer.into_body(), DOCUMENT_BYTES_MAX);
            let body = body.collect().await;
            body.map_err(|error| failed(uri, chain(&*error)))
        };
        let answer = timeout(ANSWER_MAX, answer).await;
        let answer = answer.map_err(|_| failed(uri, format!("no answer in {ANSWER_MAX:?}")))??;
        Ok(answer.to_bytes())
    }

    async fn secured(&self, uri: &Uri) -> Result<&Secured, Failed> {
        let make = || async {
            let made = tokio::task::spawn_blocking(make_secured).await;
            made.unwrap_or_else(|error| Err(io::Error::other(error)))
        };
        let made = self.secured.get_or_try_init(make).await;
        made.map_err(|error| failed(uri, format!("read this machine's certificates: {error}")))
    }
}

fn make_secured() -> io::Result<Secured> {
    let tls = hyper_rustls::HttpsConnectorBuilder::new().with_native_roots()?;
    let connector = tls.https_only().enable_http1().build();
    Ok(Client::builder(TokioExecutor::new()).build(connector))
}

fn parse(text: &str) -> Result<Uri, Failed> {
    let failed = |why: String| Failed {
        doing: format!("read the URL {text}"),
        why,
    };
    let uri: Uri = text.parse().map_err(|error| failed(format!("{error}")))?;
    match uri.scheme_str() {
        Some("http" | "https") => Ok(uri),
        _ => Err(failed("it is neither http nor https".to_owned())),
    }
}

/// Refuses a way from another machine to this one, whose services would take Kiln's word for an owner's.
fn check_way(home: &Uri, uri: &Uri) -> Result<(), Failed> {
    match is_here(uri) && !is_here(home) {
        true => Err(failed(
            uri,
            "an issuer on another machine cannot lead to this one",
        )),
        false => Ok(()),
    }
}

fn is_here(uri: &Uri) -> bool {
    let Some(host) = uri.host() else {
        return false;
    };
    let name = host.trim_matches(['[', ']']).to_ascii_lowercase();
    // Linux takes the unspecified address for its own, and IPv4's are addresses of IPv6 too.
    let is_own = |ip: IpAddr| ip.to_canonical().is_loopback() || ip.to_canonical().is_unspecified();
    name == "localhost" || name.ends_with(".localhost") || name.parse().is_ok_and(is_own)
}

fn failed(uri: &Uri, why: impl std::fmt::Display) -> Failed {
    Failed {
        doing: format!("get {uri}"),
        why: why.to_string(),
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_elsewhere_does_not_lead_here() {
        let way = |home: &str, uri: &str| check_way(&parse(home).unwrap(), &parse(uri).unwrap());
        assert!(way("https://a.example/", "https://b.example/keys").is_ok());
        assert!(way("http://localhost:8080/", "http://127.0.0.1:8080/keys").is_ok());
        for uri in [
            "http://localhost/",
            "http://127.0.0.1:1/",
            "http://[::1]/",
            "http://0.0.0.0/",
        ] {
            assert!(way("https://a.example/", uri).is_err(), "{uri}");
        }
    }

    #[test]
    fn only_http_is_spoken() {
        for text in [
            "",
            "a.example",
            "file:///etc/passwd",
            "ftp://a.example/",
            "//a.example/",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
