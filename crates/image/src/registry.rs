//! Registries: the part of the OCI distribution specification that pulls.
//!
//! A registry on this machine (loopback) is spoken to without TLS, any other with it. What it answers is
//! bounded in size and time, and compared with its digest.

use std::fs::File;
use std::io::{Seek, Write};
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, LOCATION, USER_AGENT};
use http::{Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use kiln_types::Sha256;
use sha2::Digest as _;
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::document::{self, MANIFEST_BYTES_MAX};
use crate::error::Error;
use crate::reference::{Which, host_of};

mod challenge;
mod credentials;

use challenge::Challenge;
use credentials::{Credentials, Login};

/// What a manifest may be: the kinds that [`document`] reads.
const MANIFEST_TYPES: &str = "application/vnd.oci.image.index.v1+json, \
    application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, \
    application/vnd.docker.distribution.manifest.v2+json";
/// How long a registry may take until it begins to answer.
const ANSWER_MAX: Duration = Duration::from_secs(30);
/// How long it may pause within an answer.
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// How often it may send us elsewhere.
const REDIRECTS_MAX: usize = 5;
/// Largest answer of who gives out tokens.
const TOKEN_BYTES_MAX: u64 = 256 << 10;

type Http = Client<HttpsConnector<HttpConnector>, Empty<Bytes>>;

/// All registries.
#[derive(Debug, Clone)]
pub(crate) struct Registries {
    /// Made when it is first needed: a server without images needs no certificates in memory.
    client: Arc<OnceLock<Http>>,
    credentials: Credentials,
}

/// One repository of a registry.
#[derive(Debug)]
pub(crate) struct Repository {
    registries: Registries,
    /// `https://host/v2/name`.
    base: String,
    name: String,
    /// Who we are there.
    login: Option<Login>,
    /// What the registry wants to see with each request, once it has said so.
    authorization: Mutex<Option<String>>,
}

impl Registries {
    pub(crate) fn new(credentials: Option<&Path>) -> Result<Self, Error> {
        let credentials = match credentials {
            Some(file) => Credentials::read(file)?,
            None => Credentials::default(),
        };
        Ok(Self {
            client: Arc::default(),
            credentials,
        })
    }

    fn client(&self) -> Result<&Http, Error> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let tls = hyper_rustls::HttpsConnectorBuilder::new().with_native_roots();
        let tls = tls.map_err(Error::file("read this machine's certificates"))?;
        let connector = tls.https_or_http().enable_http1().build();
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Ok(self.client.get_or_init(|| client))
    }

    pub(crate) fn repository(&self, registry: &str, name: &str) -> Repository {
        let host = host_of(registry);
        let scheme = if is_loopback(host) { "http" } else { "https" };
        Repository {
            registries: self.clone(),
            base: format!("{scheme}://{host}/v2/{name}"),
            name: name.to_owned(),
            login: self.credentials.of(registry, name),
            authorization: Mutex::new(None),
        }
    }

    async fn send(
        &self,
        uri: &Uri,
        accept: Option<&str>,
        authorization: Option<&str>,
    ) -> Result<Response<Incoming>, Error> {
        let failed = |why: String| Error::Registry {
            doing: format!("ask {}", uri.authority().map_or("", |host| host.as_str())),
            why,
        };
        let mut request = Request::get(uri).header(USER_AGENT, "kiln");
        if let Some(accept) = accept {
            request = request.header(ACCEPT, accept);
        }
        if let Some(authorization) = authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let request = request.body(Empty::new());
        let request = request.map_err(|error| failed(error.to_string()))?;
        match timeout(ANSWER_MAX, self.client()?.request(request)).await {
            Ok(answer) => answer.map_err(|error| failed(chain(&error))),
            Err(_) => Err(failed(format!(
                "no answer within {} s",
                ANSWER_MAX.as_secs()
            ))),
        }
    }

    /// Gets a token from where the registry says.
    async fn token(
        &self,
        home: &Uri,
        challenge: &Challenge,
        login: Option<&Login>,
    ) -> Result<String, Error> {
        let Challenge::Bearer { uri } = challenge else {
            return Err(Error::Registry {
                doing: "log in".to_owned(),
                why: "the registry wants a user and a password, and there are none for it".into(),
            });
        };
        // Credentials are not for everybody on the way.
        check_way(home, uri)?;
        let authorization = login.map(Login::basic);
        let answer = self.send(uri, None, authorization.as_deref()).await?;
        let status = answer.status();
        let doing = || format!("get a token from {}", uri.host().unwrap_or_default());
        if !status.is_success() {
            return Err(Error::Registry {
                doing: doing(),
                why: format!("it answers {status}"),
            });
        }
        let body = collect(&doing(), answer, TOKEN_BYTES_MAX).await?;
        challenge::token_of(&body).ok_or_else(|| Error::Registry {
            doing: doing(),
            why: "its answer has no token".to_owned(),
        })
    }
}

impl Repository {
    /// A manifest or an index, and its digest.
    pub(crate) async fn manifest(
        &self,
        uri: &str,
        which: &Which,
    ) -> Result<(Vec<u8>, Sha256), Error> {
        let reference = match which {
            Which::Only => "latest".to_owned(),
            Which::Tag(tag) => tag.clone(),
            Which::Digest(digest) => format!("sha256:{digest}"),
        };
        let path = format!("{}/manifests/{reference}", self.base);
        let answer = self.get(uri, &path, Some(MANIFEST_TYPES)).await?;
        let bytes = collect(&format!("read {uri}"), answer, MANIFEST_BYTES_MAX).await?;
        if let Which::Digest(expected) = which {
            document::verify(uri, &bytes, expected)?;
        }
        let digest = document::digest_of(&bytes);
        Ok((bytes, digest))
    }

    /// Something small that is named by its digest.
    pub(crate) async fn read(
        &self,
        uri: &str,
        digest: &Sha256,
        bytes_max: u64,
    ) -> Result<Vec<u8>, Error> {
        let answer = self.get(uri, &self.blob(digest), None).await?;
        let bytes = collect(&format!("read {uri}"), answer, bytes_max).await?;
        document::verify(uri, &bytes, digest)?;
        Ok(bytes)
    }

    /// Writes a layer of this size into a file, and checks its digest before anybody reads it.
    pub(crate) async fn download(
        &self,
        digest: &Sha256,
        bytes: u64,
        file: &mut File,
    ) -> Result<(), Error> {
        let what = format!("layer sha256:{digest}");
        let doing = format!("fetch {what}");
        let mut body = self.get(&what, &self.blob(digest), None).await?.into_body();
        let failed = |why: String| Error::Registry {
            doing: doing.clone(),
            why,
        };
        let mut hash = sha2::Sha256::new();
        let mut received = 0;
        while let Some(chunk) = next_chunk(&doing, &mut body).await? {
            received += chunk.len() as u64;
            if received > bytes {
                return Err(failed(format!("it has more than {bytes} bytes")));
            }
            hash.update(&chunk);
            // A file of the daemon's own disk: written behind its back.
            file.write_all(&chunk)
                .map_err(Error::file(format!("write {what}")))?;
        }
        if received != bytes {
            return Err(failed(format!(
                "it ended after {received} of {bytes} bytes"
            )));
        }
        let found = Sha256::from_bytes(hash.finalize().into());
        if found != *digest {
            return Err(Error::WrongDigest {
                what,
                expected: digest.to_string(),
                found: found.to_string(),
            });
        }
        file.rewind().map_err(Error::file(format!("read {what}")))
    }

    fn blob(&self, digest: &Sha256) -> String {
        format!("{}/blobs/sha256:{digest}", self.base)
    }

    /// An answer with content; goes where the registry sends us.
    async fn get(
        &self,
        what: &str,
        address: &str,
        accept: Option<&str>,
    ) -> Result<Response<Incoming>, Error> {
        let first = parse(address)?;
        let mut uri = first.clone();
        let home = uri.authority().cloned();
        for _ in 0..=REDIRECTS_MAX {
            let is_home = uri.authority() == home.as_ref();
            let answer = match is_home {
                true => self.get_authorized(&uri, accept).await?,
                // Whoever holds the content for the registry must not see who we are there.
                false => self.registries.send(&uri, accept, None).await?,
            };
            let status = answer.status();
            if status.is_redirection() {
                let location = answer.headers().get(LOCATION);
                let location = location.and_then(|location| location.to_str().ok());
                uri = join(&uri, location.unwrap_or_default())?;
                check_way(&first, &uri)?;
                continue;
            }
            return match status {
                StatusCode::OK => Ok(answer),
                StatusCode::NOT_FOUND => Err(Error::NotFound(what.to_owned())),
                StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                    Err(Error::AccessDenied(what.to_owned()))
                }
                other => Err(Error::Registry {
                    doing: format!("read {what}"),
                    why: format!("the registry answers {other}"),
                }),
            };
        }
        Err(Error::Registry {
            doing: format!("read {what}"),
            why: "it leads from place to place without end".to_owned(),
        })
    }

    /// Asks the registry itself, and logs in when it says so.
    async fn get_authorized(
        &self,
        uri: &Uri,
        accept: Option<&str>,
    ) -> Result<Response<Incoming>, Error> {
        let mut authorization = self.authorization.lock().await;
        let first = self
            .registries
            .send(uri, accept, authorization.as_deref())
            .await?;
        if first.status() != StatusCode::UNAUTHORIZED {
            return Ok(first);
        }
        let Some(challenge) = Challenge::of(first.headers(), &self.name) else {
            return Ok(first);
        };
        let login = self.login.as_ref();
        *authorization = Some(match (&challenge, login) {
            (Challenge::Basic, Some(login)) => login.basic(),
            (Challenge::Basic, None) => return Ok(first),
            (Challenge::Bearer { .. }, login) => {
                let token = self.registries.token(uri, &challenge, login).await?;
                format!("Bearer {token}")
            }
        });
        self.registries
            .send(uri, accept, authorization.as_deref())
            .await
    }
}

/// Whether a host is this machine, whatever its port.
fn is_loopback(host: &str) -> bool {
    let Ok(authority) = host.parse::<http::uri::Authority>() else {
        return false;
    };
    let name = authority.host().trim_matches(['[', ']']);
    name == "localhost" || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Refuses a way on that a registry names: without TLS to other machines, and from another machine to
/// this one, whose services would take Kiln's word for their caller's.
fn check_way(home: &Uri, uri: &Uri) -> Result<(), Error> {
    let is_here = |uri: &Uri| {
        uri.authority()
            .is_some_and(|host| is_loopback(host.as_str()))
    };
    if is_here(uri) && !is_here(home) {
        return Err(Error::Registry {
            doing: format!("go to {uri}"),
            why: "a registry on another machine cannot lead to this one".to_owned(),
        });
    }
    check_scheme(uri)
}

/// Refuses to speak without TLS to other machines.
fn check_scheme(uri: &Uri) -> Result<(), Error> {
    let is_plain = uri.scheme_str() != Some("https");
    if is_plain
        && !uri
            .authority()
            .is_some_and(|host| is_loopback(host.as_str()))
    {
        return Err(Error::Registry {
            doing: format!("go to {uri}"),
            why: "only https is spoken with other machines".to_owned(),
        });
    }
    Ok(())
}

fn parse(address: &str) -> Result<Uri, Error> {
    address.parse().map_err(|_| Error::Registry {
        doing: format!("go to {address}"),
        why: "it is no address".to_owned(),
    })
}

/// Where a `Location` leads, seen from here.
fn join(from: &Uri, location: &str) -> Result<Uri, Error> {
    if !location.starts_with('/') || location.starts_with("//") {
        return parse(location);
    }
    let (scheme, host) = (from.scheme_str().unwrap_or("https"), from.authority());
    parse(&format!(
        "{scheme}://{}{location}",
        host.map_or("", |host| host.as_str())
    ))
}

async fn next_chunk(doing: &str, body: &mut Incoming) -> Result<Option<Bytes>, Error> {
    let failed = |why: String| Error::Registry {
        doing: doing.to_owned(),
        why,
    };
    loop {
        let frame = timeout(PAUSE_MAX, body.frame()).await;
        let frame = frame
            .map_err(|_| failed(format!("nothing came for {} s", PAUSE_MAX.as_secs())))?
            .transpose()
            .map_err(|error| failed(chain(&error)))?;
        let Some(frame) = frame else { return Ok(None) };
        // Trailers are passed over.
        if let Ok(chunk) = frame.into_data() {
            return Ok(Some(chunk));
        }
    }
}

async fn collect(
    doing: &str,
    answer: Response<Incoming>,
    bytes_max: u64,
) -> Result<Vec<u8>, Error> {
    let mut body = answer.into_body();
    let mut bytes = Vec::new();
    while let Some(chunk) = next_chunk(doing, &mut body).await? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() as u64 > bytes_max {
            return Err(Error::Registry {
                doing: doing.to_owned(),
                why: format!("the answer has more than {bytes_max} bytes"),
            });
        }
    }
    Ok(bytes)
}

/// An error and its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_spoken_to_without_tls() {
        for host in ["127.0.0.1:5000", "localhost", "[::1]:5000", "127.9.9.9"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["10.0.0.1:5000", "localhost.example", "example.com", "[::2]"] {
            assert!(!is_loopback(host), "{host}");
        }
        let check = |uri: &str| check_scheme(&uri.parse().unwrap());
        assert!(check("https://example.com/x").is_ok());
        assert!(check("http://127.0.0.1:1/x").is_ok());
        assert!(check("http://169.254.169.254/x").is_err());
    }

    #[test]
    fn places_are_seen_from_where_they_are_named() {
        let from: Uri = "https://host:1/v2/app/blobs/x".parse().unwrap();
        let join = |location| join(&from, location).map(|uri| uri.to_string());
        assert_eq!(join("/other").unwrap(), "https://host:1/other");
        assert_eq!(join("https://cdn/x").unwrap(), "https://cdn/x");
        assert!(join("").is_err());
    }
}
