//! HTTP, as far as posts need it: one request a connection, no redirection followed, and no address that may not be reached.
//!
//! A name is looked up here, and one of the addresses that were judged is connected to: a name that means another address a
//! moment later leads nowhere else.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderName, HeaderValue, Request, StatusCode, Uri};
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use kiln_types::HttpEndpoint;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;

use super::{AGENT, Reach};

/// How long an endpoint may take from the first packet to the head of its answer, as on AWS.
pub(super) const ANSWER_MAX: Duration = Duration::from_secs(15);

/// Posts to endpoints.
pub(super) struct Client {
    reach: Reach,
    /// Read when the first endpoint needs it: those without TLS need no certificates on this machine.
    tls: OnceCell<TlsConnector>,
}

/// What is posted.
#[derive(Debug)]
pub(super) struct Body {
    pub(super) content_type: String,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) text: String,
}

/// Why nobody answered.
#[derive(Debug, thiserror::Error)]
#[error("{doing}: {why}")]
pub(super) struct NoAnswer {
    doing: &'static str,
    why: String,
}

fn failed(doing: &'static str) -> impl Fn(&dyn std::error::Error) -> NoAnswer {
    move |error| {
        let causes = std::iter::successors(error.source(), |cause| cause.source());
        let why = causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"));
        NoAnswer { doing, why }
    }
}

impl Client {
    pub(super) fn new(reach: Reach) -> Self {
        Self {
            reach,
            tls: OnceCell::new(),
        }
    }

    /// What an endpoint answers.
    pub(super) async fn post(&self, to: &HttpEndpoint, body: Body) -> Result<StatusCode, NoAnswer> {
        let answer = tokio::time::timeout(ANSWER_MAX, self.exchange(to, body)).await;
        answer.unwrap_or_else(|_| {
            Err(NoAnswer {
                doing: "wait for an answer",
                why: format!("there was none in {ANSWER_MAX:?}"),
            })
        })
    }

    async fn exchange(&self, to: &HttpEndpoint, body: Body) -> Result<StatusCode, NoAnswer> {
        let uri: Uri = to
            .without_user_info()
            .parse()
            .map_err(|error: http::uri::InvalidUri| failed("read the address")(&error))?;
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let port = match to.is_secure() {
            true => uri.port_u16().unwrap_or(443),
            false => uri.port_u16().unwrap_or(80),
        };
        let request = request(to, &uri, body)?;
        let stream = self.connect(host, port).await?;
        if !to.is_secure() {
            return send(stream, request).await;
        }
        let name = ServerName::try_from(host.to_owned());
        let name = name.map_err(|error| failed("read the host's name")(&error))?;
        let tls = self.tls.get_or_try_init(tls).await?;
        let stream = tls.connect(name, stream).await;
        send(
            stream.map_err(|error| failed("encrypt the connection")(&error))?,
            request,
        )
        .await
    }

    async fn connect(&self, host: &str, port: u16) -> Result<TcpStream, NoAnswer> {
        let found = lookup_host((host, port)).await;
        let found = found.map_err(|error| failed("look up the host")(&error))?;
        let mut why = failed("connect")(&io::Error::other(
            "the host has no address that may be reached: neither a public one nor one of --network-egress",
        ));
        for address in found.filter(|address| self.reach.allows(address.ip())) {
            match TcpStream::connect(address).await {
                Ok(stream) => return Ok(stream),
                Err(error) => why = failed("connect")(&error),
            }
        }
        Err(why)
    }
}

async fn send<S>(stream: S, request: Request<Full<Bytes>>) -> Result<StatusCode, NoAnswer>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let made = http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = made.map_err(|error| failed("speak HTTP")(&error))?;
    let exchange = sender.send_request(request);
    tokio::pin!(connection, exchange);
    let answer = tokio::select! {
        answer = &mut exchange => answer,
        ended = &mut connection => match ended {
            Ok(()) => exchange.await,
            Err(error) => Err(error),
        },
    };
    // What it says besides is nobody's affair.
    let answer = answer.map_err(|error| failed("post")(&error))?;
    Ok(answer.status())
}

fn request(to: &HttpEndpoint, uri: &Uri, body: Body) -> Result<Request<Full<Bytes>>, NoAnswer> {
    let wrong = |error: &http::Error| failed("write the request")(error);
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let mut request = Request::post(path)
        .header(HOST, to.host_and_port())
        .header(USER_AGENT, AGENT)
        .header(CONTENT_TYPE, body.content_type);
    for (name, value) in body.headers {
        request = request.header(HeaderName::from_static(name), value);
    }
    if let Some(user_info) = to.user_info() {
        request = request.header(AUTHORIZATION, basic(user_info)?);
    }
    let request = request.body(Full::new(Bytes::from(body.text)));
    request.map_err(|error| wrong(&error))
}

fn basic(user_info: &str) -> Result<HeaderValue, NoAnswer> {
    use base64::Engine as _;
    let user_info: Vec<u8> = percent_encoding::percent_decode_str(user_info).collect();
    let encoded = base64::engine::general_purpose::STANDARD.encode(user_info);
    let mut value = HeaderValue::try_from(format!("Basic {encoded}"))
        .map_err(|error| failed("write the request")(&error))?;
    value.set_sensitive(true);
    Ok(value)
}

async fn tls() -> Result<TlsConnector, NoAnswer> {
    let made = tokio::task::spawn_blocking(|| {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok::<_, rustls::Error>(TlsConnector::from(Arc::new(config)))
    });
    let doing = "set up TLS";
    let made = made.await.map_err(|error| failed(doing)(&error))?;
    made.map_err(|error| failed(doing)(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body() -> Body {
        Body {
            content_type: "text/plain; charset=UTF-8".to_owned(),
            headers: vec![("x-amz-sns-message-id", "id-1".to_owned())],
            text: "{}".to_owned(),
        }
    }

    #[tokio::test]
    async fn the_machine_itself_is_not_reached_by_whatever_name() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let client = Client::new(Reach::default());
        for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0.0.0.0"] {
            let to = format!("http://{host}:{port}/in").parse().unwrap();
            let refused = client.post(&to, body()).await.unwrap_err().to_string();
            assert!(
                refused.contains("may be reached") || refused.contains("look up"),
                "{refused}"
            );
        }
    }

    #[test]
    fn a_request_names_its_host_and_keeps_the_password_to_itself() {
        let to: HttpEndpoint = "https://u:p%40w@a.example:1/in?x=1".parse().unwrap();
        let uri: Uri = to.without_user_info().parse().unwrap();
        let request = request(&to, &uri, body()).unwrap();
        assert_eq!(request.uri(), "/in?x=1");
        assert_eq!(request.headers()["host"], "a.example:1");
        assert_eq!(request.headers()["authorization"], "Basic dTpwQHc=");
        assert_eq!(request.headers()["x-amz-sns-message-id"], "id-1");
        assert!(request.headers()["authorization"].is_sensitive());
    }
}
