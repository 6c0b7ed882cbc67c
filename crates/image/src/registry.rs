//! Registries: the part of the OCI distribution specification that pulls.
//!
//! A registry on this machine (loopback) is spoken to without TLS, any other with it. What it answers is
//! bounded in size and time, and compared with its digest.

use std::fs::File;
use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, LOCATION, USER_AGENT};
use http::{Request, Response, StatusCode, Uri};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use kiln_types::Sha256;
use tokio::sync::{Mutex, OnceCell};
use tokio::time::timeout;

use crate::document::{self, MANIFEST_BYTES_MAX};
use crate::error::Error;
use crate::reference::{Which, host_of};

mod body;
mod challenge;
mod credentials;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
#[cfg(test)]
mod tests;

use body::{Download, collect};
use challenge::Challenge;
use credentials::{Credentials, Login};

/// What a manifest may be: the kinds that [`document`] reads.
const MANIFEST_TYPES: &str = "application/vnd.oci.image.index.v1+json, \
    application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, \
    application/vnd.docker.distribution.manifest.v2+json";
/// How long a registry may take until it begins to answer.
const ANSWER_MAX: Duration = Duration::from_secs(30);
/// How long it may take for the whole of an index, a manifest, a configuration or a token.
const DOCUMENT_MAX: Duration = Duration::from_secs(30);
/// How long it may take for all that says what an image is, wherever it leads. Clients of the API wait for
/// it, and AWS's give up after 60 seconds.
const FIND_MAX: Duration = Duration::from_secs(50);
/// How long it may take for each megabyte of a layer: less than 140 kbit/s are as good as nothing.
const SLICE_MAX: Duration = Duration::from_secs(60);
/// How often it may send us elsewhere.
const REDIRECTS_MAX: usize = 5;
/// Largest answer of who gives out tokens.
const TOKEN_BYTES_MAX: u64 = 256 << 10;

type Http = Client<HttpsConnector<HttpConnector>, Empty<Bytes>>;

/// All registries.
#[derive(Debug, Clone)]
pub(crate) struct Registries {
    /// Made when it is first needed: a server without images needs no certificates in memory.
    client: Arc<OnceCell<Http>>,
    credentials: Credentials,
    pub(crate) patience: Patience,
}

/// How long is waited for a registry. When it is over, the image cannot be had.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// [`ANSWER_MAX`].
    answer: Duration,
    /// [`DOCUMENT_MAX`].
    document: Duration,
    /// [`FIND_MAX`].
    pub(crate) find: Duration,
    /// [`SLICE_MAX`].
    slice: Duration,
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
            patience: Patience::default(),
        })
    }

    async fn client(&self) -> Result<&Http, Error> {
        let make = || async {
            let made = tokio::task::spawn_blocking(make_client).await;
            made.unwrap_or_else(|error| Err(io::Error::other(error)))
        };
        let made = self.client.get_or_try_init(make).await;
        made.map_err(Error::file("read this machine's certificates"))
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
        let (client, within) = (self.client().await?, self.patience.answer);
        match timeout(within, client.request(request)).await {
            Ok(answer) => answer.map_err(|error| failed(chain(&error))),
            Err(_) => Err(failed(format!("no answer within {} s", within.as_secs()))),
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
        let time_max = self.patience.document;
        let body = collect(&doing(), answer, TOKEN_BYTES_MAX, time_max).await?;
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
        let bytes = self.collect(uri, answer, MANIFEST_BYTES_MAX).await?;
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
        let bytes = self.collect(uri, answer, bytes_max).await?;
        document::verify(uri, &bytes, digest)?;
        Ok(bytes)
    }

    /// Writes a layer of this size into a new file, and checks its digest before anybody reads it.
    pub(crate) async fn download(
        &self,
        digest: &Sha256,
        bytes: u64,
        file: File,
    ) -> Result<File, Error> {
        let what = format!("layer sha256:{digest}");
        let body = self.get(&what, &self.blob(digest), None).await?.into_body();
        let slice_max = self.registries.patience.slice;
        let download = Download::new(what, body, file);
        download.finish(digest, bytes, slice_max).await
    }

    async fn collect(
        &self,
        uri: &str,
        answer: Response<Incoming>,
        bytes_max: u64,
    ) -> Result<Vec<u8>, Error> {
        let time_max = self.registries.patience.document;
        collect(&format!("read {uri}"), answer, bytes_max, time_max).await
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

impl Default for Patience {
    fn default() -> Self {
        Self {
            answer: ANSWER_MAX,
            document: DOCUMENT_MAX,
            find: FIND_MAX,
            slice: SLICE_MAX,
        }
    }
}

/// Reads files of the machine.
fn make_client() -> io::Result<Http> {
    let tls = hyper_rustls::HttpsConnectorBuilder::new().with_native_roots()?;
    let connector = tls.https_or_http().enable_http1().build();
    Ok(Client::builder(TokioExecutor::new()).build(connector))
}

/// Whether a host is this machine, whatever its port.
fn is_loopback(host: &str) -> bool {
    let Ok(authority) = host.parse::<http::uri::Authority>() else {
        return false;
    };
    let name = authority.host().trim_matches(['[', ']']);
    // Linux takes the unspecified address for its own, and IPv4's are addresses of IPv6 too.
    let is_own = |ip: IpAddr| ip.to_canonical().is_loopback() || ip.to_canonical().is_unspecified();
    name == "localhost" || name.parse().is_ok_and(is_own)
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

/// An error and its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
