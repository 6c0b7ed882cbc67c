//! How the authority is reached: HTTP/1.1 over TLS, with what a refusal says of its duration written down, as the ACME library keeps
//! that to itself.

use std::error::Error as StdError;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use instant_acme::{BodyWrapper, BytesResponse, HttpClient};
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};

use crate::error::Error;
use crate::tls::pair;

/// How long one answer may take.
const ANSWER_MAX: Duration = Duration::from_secs(30);
/// The largest answer: a chain of certificates has a hundredth of it.
const ANSWER_BYTES_MAX: usize = 1 << 20;
const AGENT: &str = concat!("kiln/", env!("CARGO_PKG_VERSION"), " instant-acme");

type Answer = Result<BytesResponse, instant_acme::Error>;

/// Asks an authority.
pub(super) struct Client {
    http: HyperClient<HttpsConnector<HttpConnector>, BodyWrapper<Bytes>>,
    told: Told,
}

/// What its last answer said of being asked again. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Told(Arc<Mutex<Again>>);

/// When the authority wants to be asked again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Again {
    /// Whether it was asked too often.
    pub(super) is_limited: bool,
    /// After which time it may be asked again.
    pub(super) after: Option<Duration>,
}

impl Client {
    /// Believes the authorities of a file, or else those of this machine.
    pub(super) async fn open(bundle: Option<&Path>, told: Told) -> Result<Self, String> {
        let bundle = bundle.map(Path::to_owned);
        let made = tokio::task::spawn_blocking(move || connector(bundle));
        let made = made.await.map_err(|error| error.to_string())?;
        let http = HyperClient::builder(TokioExecutor::new()).build(made?);
        Ok(Self { http, told })
    }
}

impl HttpClient for Client {
    fn request(
        &self,
        mut request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Answer> + Send>> {
        let (http, told) = (self.http.clone(), self.told.clone());
        let agent = HeaderValue::from_static(AGENT);
        request.headers_mut().insert(header::USER_AGENT, agent);
        let uri = request.uri().clone();
        told.set(Again::default());
        let exchange = async move {
            let failed = |error: &dyn StdError| format!("ask {uri}: {}", chain(error));
            let answer = http
                .request(request)
                .await
                .map_err(|error| failed(&error))?;
            told.read(&answer);
            let (head, body) = answer.into_parts();
            let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
            let body = body.map_err(|error| failed(&*error))?;
            let answer = Response::from_parts(head, Full::new(body.to_bytes()));
            Ok(BytesResponse::from(answer))
        };
        Box::pin(async {
            let answer = tokio::time::timeout(ANSWER_MAX, exchange).await;
            let answer = answer.unwrap_or_else(|_| Err(format!("no answer in {ANSWER_MAX:?}")));
            answer.map_err(|why: String| instant_acme::Error::Other(why.into()))
        })
    }
}

impl Told {
    pub(super) fn get(&self) -> Again {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, again: Again) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = again;
    }

    fn read<B>(&self, answer: &Response<B>) {
        let is_refused = [
            StatusCode::TOO_MANY_REQUESTS,
            StatusCode::SERVICE_UNAVAILABLE,
        ]
        .contains(&answer.status());
        let after = answer.headers().get(header::RETRY_AFTER);
        self.set(Again {
            is_limited: answer.status() == StatusCode::TOO_MANY_REQUESTS,
            after: after.filter(|_| is_refused).and_then(seconds),
        });
    }
}

/// The other form of the header, a date, is not read: then the usual wait is what there is.
fn seconds(value: &HeaderValue) -> Option<Duration> {
    let seconds = value.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// The authorities of a file, which must have some.
pub(super) fn roots(bundle: &Path) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    for certificate in pair::chain(bundle)? {
        let added = roots.add(certificate);
        added.map_err(|error| Error::Certificate {
            file: bundle.to_owned(),
            why: format!("a certificate in it is no authority's: {error}"),
        })?;
    }
    Ok(roots)
}

fn connector(bundle: Option<PathBuf>) -> Result<HttpsConnector<HttpConnector>, String> {
    let roots = match bundle {
        Some(bundle) => roots(&bundle).map_err(|error| error.to_string())?,
        None => {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            roots
        }
    };
    if roots.is_empty() {
        return Err(
            "this machine believes no authority: install ca-certificates, or name one with --acme-ca-bundle"
                .to_owned(),
        );
    }
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = HttpsConnectorBuilder::new().with_tls_config(config);
    Ok(connector.https_only().enable_http1().build())
}

fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_tells_how_long_it_lasts() {
        let told = Told::default();
        let answers = |status: u16, after: &str| {
            let answer = Response::builder().status(status);
            let answer = answer.header("retry-after", after).body(()).unwrap();
            told.read(&answer);
            let again = told.get();
            (again.is_limited, again.after.map(|after| after.as_secs()))
        };
        assert_eq!(answers(429, "86400"), (true, Some(86_400)));
        assert_eq!(answers(503, "5"), (false, Some(5)));
        assert_eq!(answers(429, "Fri, 31 Dec 1999 23:59:59 GMT"), (true, None));
        let looks = answers(200, "5");
        assert_eq!(looks, (false, None), "that is when to look at an order");
    }
}
