//! A certificate chain and its key: read, from files or as an authority issued them, compared, and made into what connections are
//! accepted with.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert, WantsServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ConfigBuilder, InconsistentKeys, ServerConfig};
use zeroize::Zeroizing;

use super::TlsFiles;
use super::validity::{self, Validity};
use crate::error::Error;

/// The one protocol that is spoken inside.
const ALPN: &[u8] = b"http/1.1";
/// Largest of the files: a chain of ten certificates has a tenth of it.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// The bits of a file's mode that let others at it.
const OTHERS: u32 = 0o007;

/// A pair that works.
pub(super) struct Pair {
    /// For connections that begin now.
    pub(super) config: Arc<ServerConfig>,
    /// From when until when the certificate is valid; unknown where its dates cannot be read.
    pub(super) validity: Option<Validity>,
    leaf: CertificateDer<'static>,
}

impl Pair {
    /// As an authority issued it. An error says what is wrong with it.
    pub(super) fn issued(chain: &str, key: &str) -> Result<Self, String> {
        let chain = certificates(chain.as_bytes())?;
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes());
        let key = key.map_err(|_| "its key is no PEM".to_owned())?;
        Self::of(chain, key).map_err(|error| error.to_string())
    }

    fn of(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, rustls::Error> {
        let leaf = chain[0].clone();
        let config = config(|builder| builder.with_single_cert(chain, key))?;
        Ok(Self {
            config: Arc::new(config),
            validity: validity::read(&leaf),
            leaf,
        })
    }

    pub(super) fn covers(&self, host: &str) -> bool {
        let Ok(name) = ServerName::try_from(host.trim_matches(['[', ']'])) else {
            return false;
        };
        let leaf = ParsedCertificate::try_from(&self.leaf);
        leaf.is_ok_and(|leaf| rustls::client::verify_server_name(&leaf, &name).is_ok())
    }
}

/// Reads both files. What cannot be used is an error that says which file, why, and what to do.
pub(super) fn read(files: &TlsFiles) -> Result<Pair, Error> {
    let chain = chain(&files.certificate)?;
    if ParsedCertificate::try_from(&chain[0]).is_err() {
        return Err(unusable(
            &files.certificate,
            "its first certificate cannot be read: it is no X.509 of version 3",
        ));
    }
    let key = key(&files.key)?;
    Pair::of(chain, key).map_err(|error| match error {
        rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            let certificate = files.certificate.display();
            let why = format!(
                "it is not the key of the certificate in {certificate}, whose first certificate must be the server's own"
            );
            unusable(&files.key, why)
        }
        error => unusable(&files.key, format!("{error}")),
    })
}

/// For connections that begin before there is a certificate: they end with an alert, `access_denied`.
pub(super) fn none() -> Result<ServerConfig, rustls::Error> {
    config(|builder| Ok(builder.with_cert_resolver(Arc::new(Nobody))))
}

/// Has nothing to show.
#[derive(Debug)]
struct Nobody;

impl ResolvesServerCert for Nobody {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        None
    }
}

/// A file with something secret, which only its owner and its group may use.
pub(super) fn secret_text(path: &Path) -> Result<Zeroizing<Vec<u8>>, Error> {
    text(path, |file| check_secrecy(path, file)).map(Zeroizing::new)
}

/// The certificates of a file.
pub(super) fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let text = text(path, |_| Ok(()))?;
    certificates(&text).map_err(|why| unusable(path, why))
}

fn certificates(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    match chain {
        Ok(chain) if chain.is_empty() => {
            Err("it has no certificate as PEM: a line '-----BEGIN CERTIFICATE-----'".to_owned())
        }
        Ok(chain) => Ok(chain),
        Err(error) => Err(format!("it is no PEM: {error}")),
    }
}

fn key(path: &Path) -> Result<PrivateKeyDer<'static>, Error> {
    let text = secret_text(path)?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| match error {
        pem::Error::NoItemsFound if is_encrypted(&text) => {
            let shown = path.display();
            let why = format!(
                "it is encrypted, and nobody is there to give the password; \
                 `openssl pkey -in {shown} -out KEY` writes one that is not"
            );
            unusable(path, why)
        }
        pem::Error::NoItemsFound => unusable(
            path,
            "it has no private key as PEM: a line '-----BEGIN PRIVATE KEY-----'",
        ),
        // The error may quote what it could not read, which is no text for a log here.
        _ => unusable(path, "its private key is not whole, or no PEM"),
    })
}

fn is_encrypted(text: &[u8]) -> bool {
    let mark = b"-----BEGIN ENCRYPTED PRIVATE KEY-----";
    text.windows(mark.len()).any(|window| window == mark)
}

/// Whoever can read the key can be this server.
fn check_secrecy(path: &Path, file: &File) -> Result<(), Error> {
    let metadata = file.metadata();
    let metadata = metadata.map_err(|error| unusable(path, error.to_string()))?;
    if metadata.permissions().mode() & OTHERS == 0 {
        return Ok(());
    }
    let shown = path.display();
    let why = format!(
        "everybody on this machine may use it; `chmod o= {shown}`, and if somebody else may have read it, get a new one"
    );
    Err(unusable(path, why))
}

fn text(path: &Path, check: impl FnOnce(&File) -> Result<(), Error>) -> Result<Vec<u8>, Error> {
    let failed = |error: std::io::Error| unusable(path, error.to_string());
    let file = File::open(path).map_err(failed)?;
    check(&file)?;
    let mut text = Vec::new();
    let read = file.take(FILE_BYTES_MAX + 1).read_to_end(&mut text);
    read.map_err(failed)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(unusable(path, "it is larger than 1 MiB"));
    }
    Ok(text)
}

/// TLS 1.2 and 1.3, for HTTP/1.1, with sessions that clients keep themselves.
fn config(
    shows: impl FnOnce(
        ConfigBuilder<ServerConfig, WantsServerCert>,
    ) -> Result<ServerConfig, rustls::Error>,
) -> Result<ServerConfig, rustls::Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth();
    let mut config = shows(builder)?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    // The alternative is a table of 256 sessions, which a few busy clients fill.
    config.ticketer = aws_lc_rs::Ticketer::new()?;
    Ok(config)
}

fn unusable(path: &Path, why: impl Into<String>) -> Error {
    Error::Certificate {
        file: path.to_owned(),
        why: why.into(),
    }
}
