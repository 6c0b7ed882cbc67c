//! A registry of container images for one test: it has what was pushed into it, remembers what it was
//! asked, and can want a token, lead elsewhere, lie, or take for ever.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::image::{Blobs, Image, digest};

/// What who has logged in shows.
const TOKEN: &str = "token-of-a-test";
/// Between two bytes of what trickles.
const TRICKLE: Duration = Duration::from_millis(20);

/// A registry on a port of its own. Its thread lives as long as the test's process.
#[derive(Debug, Clone)]
pub struct Registry {
    host: String,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// Content type and content by path.
    content: BTreeMap<String, (&'static str, Vec<u8>)>,
    asked: Vec<String>,
    login: Option<String>,
    moves_blobs: bool,
    trickles: Option<String>,
}

/// What is answered.
struct Answer {
    status: &'static str,
    headers: Vec<String>,
    body: Vec<u8>,
}

impl Registry {
    /// An empty one.
    pub fn start() -> Self {
        Self::start_as("127.0.0.1", |registry, stream| registry.serve(stream))
    }

    /// An empty one that speaks TLS under this name of the machine. Gives the certificate, as PEM, of who
    /// vouches for it.
    pub fn start_with_tls(name: &str) -> (Self, String) {
        let (config, issuer) = tls_of(name);
        let registry = Self::start_as(name, move |registry, stream| {
            let connection = ServerConnection::new(Arc::clone(&config));
            let connection = connection.map_err(std::io::Error::other)?;
            registry.serve(StreamOwned::new(connection, stream))
        });
        (registry, issuer)
    }

    fn start_as(
        name: &str,
        serve: impl Fn(&Self, TcpStream) -> std::io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let registry = Self {
            host: format!("{name}:{port}"),
            state: Arc::default(),
        };
        let (serving, serve) = (registry.clone(), Arc::new(serve));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (serving, serve) = (serving.clone(), Arc::clone(&serve));
                // A client that goes away is none of the test's business.
                thread::spawn(move || drop(serve(&serving, stream)));
            }
        });
        registry
    }

    /// The name of an image here.
    pub fn name(&self, rest: &str) -> String {
        format!("{}/{rest}", self.host)
    }

    /// Its host and port.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Puts an image under a tag. Gives its digest.
    pub fn push(&self, repository: &str, tag: &str, image: &Image) -> String {
        let Blobs {
            digest,
            manifest,
            others,
        } = image.blobs();
        let kind = "application/vnd.oci.image.manifest.v1+json";
        self.push_manifest(repository, tag, kind, manifest);
        for (name, content) in others {
            self.put_blob(repository, &name, content);
        }
        digest
    }

    /// Puts any manifest under a tag. Gives its digest.
    pub fn push_manifest(
        &self,
        repository: &str,
        tag: &str,
        kind: &'static str,
        manifest: Vec<u8>,
    ) -> String {
        let digest = digest(&manifest);
        for reference in [tag, &digest] {
            let path = format!("/v2/{repository}/manifests/{reference}");
            self.state().content.insert(path, (kind, manifest.clone()));
        }
        digest
    }

    /// Puts content under a digest, be it right or wrong.
    pub fn put_blob(&self, repository: &str, digest: &str, content: Vec<u8>) {
        let path = format!("/v2/{repository}/blobs/{digest}");
        let kind = "application/octet-stream";
        self.state().content.insert(path, (kind, content));
    }

    /// Forgets an image's tag and all manifests of its repository.
    pub fn forget(&self, repository: &str) {
        let start = format!("/v2/{repository}/");
        self.state()
            .content
            .retain(|path, _| !path.starts_with(&start));
    }

    /// Wants a token from now on, which it gives to this user only.
    pub fn require_login(&self, user: &str, password: &str) {
        let pair = format!("{user}:{password}");
        let pair = base64::engine::general_purpose::STANDARD.encode(pair);
        self.state().login = Some(format!("Basic {pair}"));
    }

    /// Answers for blobs with where they are from now on.
    pub fn move_blobs(&self) {
        self.state().moves_blobs = true;
    }

    /// Sends what has this in its path byte by byte from now on.
    pub fn trickle(&self, part: &str) {
        self.state().trickles = Some(part.to_owned());
    }

    /// The paths that were asked for so far, with what was shown.
    pub fn asked(&self) -> Vec<String> {
        self.state().asked.clone()
    }

    fn serve(&self, stream: impl Read + Write) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream);
        let mut first = String::new();
        reader.read_line(&mut first)?;
        let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
        let mut authorization = String::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("authorization")
            {
                authorization = value.trim().to_owned();
            }
        }
        let Answer {
            status,
            headers,
            body,
        } = self.answer(&path, &authorization);
        let mut head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n", body.len());
        for header in headers {
            head.push_str(&format!("{header}\r\n"));
        }
        head.push_str("connection: close\r\n\r\n");
        let stream = reader.get_mut();
        stream.write_all(head.as_bytes())?;
        let trickles = self.state().trickles.clone();
        let step = match trickles.is_some_and(|part| path.contains(&part)) {
            true => 1,
            false => body.len().max(1),
        };
        for part in body.chunks(step) {
            stream.write_all(part)?;
            stream.flush()?;
            if step == 1 {
                thread::sleep(TRICKLE);
            }
        }
        stream.flush()
    }

    fn answer(&self, path: &str, authorization: &str) -> Answer {
        let mut state = self.state();
        state.asked.push(path.to_owned());
        let plain = |status| Answer {
            status,
            headers: Vec::new(),
            body: Vec::new(),
        };
        if let Some(login) = &state.login {
            if path.starts_with("/token?") {
                return match authorization == login {
                    true => Answer {
                        status: "200 OK",
                        headers: Vec::new(),
                        body: format!(r#"{{"token":"{TOKEN}"}}"#).into_bytes(),
                    },
                    false => plain("401 Unauthorized"),
                };
            }
            if !path.starts_with("/elsewhere/") && authorization != format!("Bearer {TOKEN}") {
                let host = &self.host;
                let header = format!(
                    "www-authenticate: Bearer realm=\"http://{host}/token\",service=\"test\""
                );
                return Answer {
                    headers: vec![header],
                    ..plain("401 Unauthorized")
                };
            }
        }
        if state.moves_blobs && path.contains("/blobs/") && !path.starts_with("/elsewhere/") {
            // Under another name, which is another host to those who ask.
            let host = self.host.replace("127.0.0.1", "localhost");
            return Answer {
                headers: vec![format!("location: http://{host}/elsewhere{path}")],
                ..plain("307 Temporary Redirect")
            };
        }
        let is_elsewhere = path.starts_with("/elsewhere/");
        if is_elsewhere && !authorization.is_empty() {
            return plain("400 Bad Request");
        }
        let path = path.strip_prefix("/elsewhere").unwrap_or(path);
        match state.content.get(path) {
            Some((kind, content)) => Answer {
                status: "200 OK",
                headers: vec![format!("content-type: {kind}")],
                body: content.clone(),
            },
            None => plain("404 Not Found"),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder panics")
    }
}

/// A certificate for a name, and the one, as PEM, of the authority that issued it.
fn tls_of(name: &str) -> (Arc<ServerConfig>, String) {
    let key = || KeyPair::generate().expect("keys can be made");
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(authority, key()).expect("it can be signed");
    let own = key();
    let params = CertificateParams::new(vec![name.to_owned()]).expect("a name is one");
    let certificate = params.signed_by(&own, &issuer).expect("it can be signed");
    let private = PrivatePkcs8KeyDer::from(own.serialize_der());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has them")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private.into())
        .expect("the key is the certificate's");
    (Arc::new(config), issuer.pem())
}
