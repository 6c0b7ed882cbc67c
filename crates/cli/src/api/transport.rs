//! How requests reach a server: its address, and TLS with whom this machine believes, or with a private authority.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};
use bytes::Bytes;
use http::Uri;
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client as HyperClient, Error};
use hyper_util::rt::TokioExecutor;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

/// Sends requests.
pub(super) type Transport = HyperClient<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// Scheme, host and port of a server, shown as an address without a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin {
    scheme: &'static str,
    authority: String,
}

impl Origin {
    /// Reads an endpoint; the path must be empty because the API lives at the root.
    pub(super) fn read(endpoint: &str) -> Result<Self> {
        let wrong = || format!("'{endpoint}' is not an address such as http://127.0.0.1:4566");
        let uri: Uri = endpoint.parse().with_context(wrong)?;
        // The default port is left out, as every client does in the Host header it signs.
        let (scheme, default_port) = match uri.scheme_str() {
            Some("http") => ("http", ":80"),
            Some("https") => ("https", ":443"),
            _ => bail!(wrong()),
        };
        if !matches!(uri.path(), "" | "/") {
            bail!(wrong());
        }
        let authority = uri.authority().context("the endpoint names no host")?;
        let authority = authority.as_str();
        let authority = authority.strip_suffix(default_port).unwrap_or(authority);
        Ok(Self {
            scheme,
            authority: authority.to_owned(),
        })
    }

    pub(super) fn authority(&self) -> &str {
        &self.authority
    }

    pub(super) fn is_secure(&self) -> bool {
        self.scheme == "https"
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.authority)
    }
}

/// Makes it; certificates are read only where they are needed.
pub(super) fn new(is_secure: bool, ca_bundle: Option<&Path>) -> Result<Transport> {
    let roots = match is_secure {
        true => roots(ca_bundle)?,
        false => RootCertStore::empty(),
    };
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .context("set up TLS")?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut connector = HttpConnector::new();
    // A small invocation must not wait for the acknowledgement of its headers.
    connector.set_nodelay(true);
    // Else it refuses addresses that begin with https.
    connector.enforce_http(false);
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(config)
        .https_or_http()
        .enable_http1()
        .wrap_connector(connector);
    Ok(HyperClient::builder(TokioExecutor::new()).build(connector))
}

fn roots(ca_bundle: Option<&Path>) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    let Some(path) = ca_bundle else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            bail!(
                "this machine trusts no certificates\n  next: install ca-certificates, or name the server's \
                 authority with --ca-bundle FILE"
            );
        }
        return Ok(roots);
    };
    let reading = || format!("read --ca-bundle or AWS_CA_BUNDLE {}", path.display());
    let text = std::fs::read(path).with_context(reading)?;
    for certificate in CertificateDer::pem_slice_iter(&text) {
        let certificate = certificate.map_err(|error| anyhow!("it is no PEM: {error}"));
        let added = roots.add(certificate.with_context(reading)?);
        added.with_context(reading)?;
    }
    if roots.is_empty() {
        return Err(anyhow!("it has no certificate as PEM")).with_context(reading);
    }
    Ok(roots)
}

/// Why no answer came, and what to do.
pub(super) fn unreachable(origin: &Origin, error: Error) -> anyhow::Error {
    if let Some(reason) = tls_error(&error) {
        let next = match reason {
            rustls::Error::InvalidCertificate(_) => {
                "name the file of its authority with --ca-bundle FILE or AWS_CA_BUNDLE, or call it by a host that is in its certificate"
            }
            _ => "is it a server that speaks TLS? if not, its address begins with http://",
        };
        return anyhow!("no safe connection to {origin}: {reason}\n  next: {next}");
    }
    if error.is_connect() {
        return anyhow!(
            "no server answers at {origin}\n  next: start one with `kiln serve` or `kiln dev`, \
             or name another with --endpoint-url URL"
        );
    }
    anyhow::Error::new(error).context(format!(
        "the connection to {origin} broke before the answer came; look at the server's log"
    ))
}

/// What TLS says about it, which lies in an error of the network's, which hides it from `source`.
fn tls_error(error: &Error) -> Option<&rustls::Error> {
    let first: &(dyn std::error::Error + 'static) = error;
    std::iter::successors(Some(first), |error| error.source()).find_map(|error| {
        let inside = error.downcast_ref::<std::io::Error>()?.get_ref()?;
        let nested = inside.downcast_ref::<std::io::Error>();
        let inside = nested.and_then(std::io::Error::get_ref).unwrap_or(inside);
        inside.downcast_ref::<rustls::Error>()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        for (endpoint, origin) in [
            ("http://127.0.0.1:4566", "http://127.0.0.1:4566"),
            ("http://kiln.test/", "http://kiln.test"),
            ("http://kiln.test:80", "http://kiln.test"),
            ("https://kiln.test:443/", "https://kiln.test"),
            ("https://kiln.test:80", "https://kiln.test:80"),
            ("https://[::1]:4566", "https://[::1]:4566"),
        ] {
            assert_eq!(Origin::read(endpoint).unwrap().to_string(), origin);
        }
        for wrong in [
            "ftp://kiln.test",
            "127.0.0.1:4566",
            "http://kiln.test/api",
            "kiln",
            "",
        ] {
            assert!(Origin::read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_bundle_that_is_none_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ca.pem");
        let says = |path: &Path| format!("{:#}", new(true, Some(path)).unwrap_err());
        assert!(says(&path).contains("ca.pem"));
        std::fs::write(&path, "no PEM at all").unwrap();
        assert!(says(&path).contains("it has no certificate as PEM"));
        assert!(new(false, Some(&path)).is_ok(), "it is not needed");
    }
}
