//! The key that signs what is posted, and the certificate that receivers verify it by. Made when the first message is
//! signed or somebody asks for the certificate, and kept.
//!
//! AWS differs: a message is always signed by version 2, SHA-256, whatever the topic's `SignatureVersion` says: the
//! library signs nothing by SHA-1. The certificate is signed by itself, so that receivers must be told to trust its host.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kiln_events::posted::Posted;
use kiln_store::Store;
use kiln_store::topics::SignerKept;
use rcgen::{CertificateParams, DnType, KeyPair, PKCS_RSA_SHA256, SigningKey as _, date_time_ymd};
use sha2::{Digest, Sha256};
use tokio::sync::OnceCell;

/// The version of signatures by SHA-256.
const VERSION: &str = "2";
/// What names of certificates begin with, in URLs.
const NAME_PREFIX: &str = "SimpleNotificationService-";
const NAME_SUFFIX: &str = ".pem";
/// Whose certificate it is said to be.
const SUBJECT: &str = "Kiln topics";

/// Signs messages. Clones share the key.
#[derive(Clone)]
pub struct Signer {
    store: Store,
    key: Arc<OnceCell<Key>>,
}

/// Why nothing can be signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The key could not be made, read or used.
    #[error("sign messages of topics: {0}")]
    Key(#[from] rcgen::Error),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] kiln_store::Error),
    /// The task that made the key ended early.
    #[error("sign messages of topics: the key was not made to its end")]
    Unfinished,
}

struct Key {
    pair: KeyPair,
    /// PEM.
    certificate: String,
    /// As URLs have it.
    name: String,
}

impl Signer {
    pub(crate) fn new(store: Store) -> Self {
        Self {
            store,
            key: Arc::default(),
        }
    }

    /// The certificate as PEM, if that is its name: the last part of a `SigningCertURL`.
    pub async fn certificate(&self, name: &str) -> Result<Option<String>, SignError> {
        let key = self.key().await?;
        Ok((key.name == name).then(|| key.certificate.clone()))
    }

    /// Whether a name may be one of a certificate.
    pub fn is_name(text: &str) -> bool {
        text.starts_with(NAME_PREFIX) && text.ends_with(NAME_SUFFIX)
    }

    /// Signs a message; `endpoint` is where this server is reached.
    pub(super) async fn sign(&self, posted: &mut Posted, endpoint: &str) -> Result<(), SignError> {
        let key = self.key().await?;
        let signature = key.pair.sign(posted.text_to_sign().as_bytes())?;
        posted.signature_version = Some(VERSION.to_owned());
        posted.signature = Some(STANDARD.encode(signature));
        posted.signing_cert_url = Some(format!("{endpoint}/{}", key.name));
        Ok(())
    }

    async fn key(&self) -> Result<&Key, SignError> {
        self.key.get_or_try_init(|| self.find_or_make()).await
    }

    async fn find_or_make(&self) -> Result<Key, SignError> {
        let topics = self.store.topics();
        let kept = match topics.signer().await? {
            Some(kept) => kept,
            None => {
                // A tenth of a second, or several.
                let made = tokio::task::spawn_blocking(make).await;
                let made = made.map_err(|_| SignError::Unfinished)??;
                topics.keep_signer(made).await?
            }
        };
        let digest = Sha256::digest(kept.certificate.as_bytes());
        let digits: String = digest[..16].iter().map(|b| format!("{b:02x}")).collect();
        Ok(Key {
            pair: KeyPair::from_pem(&kept.key)?,
            certificate: kept.certificate,
            name: format!("{NAME_PREFIX}{digits}{NAME_SUFFIX}"),
        })
    }
}

fn make() -> Result<SignerKept, rcgen::Error> {
    let pair = KeyPair::generate_for(&PKCS_RSA_SHA256)?;
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, SUBJECT);
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2100, 1, 1);
    let certificate = params.self_signed(&pair)?;
    Ok(SignerKept {
        key: pair.serialize_pem(),
        certificate: certificate.pem(),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use kiln_events::posted::Asking;
    use kiln_types::ManualClock;

    use super::*;

    #[tokio::test]
    async fn the_key_is_made_once_and_signs_what_it_verifies() {
        let dir = tempfile::tempdir().unwrap();
        let config = kiln_store::Config::new(dir.path());
        let store = Store::open(config, Arc::new(ManualClock::default())).unwrap();
        let signer = Signer::new(store.clone());
        let asking = Asking {
            id: "i",
            topic_arn: "a",
            token: "t",
            timestamp: "now",
            endpoint: "http://e",
        };
        let mut posted = asking.posted();
        signer.sign(&mut posted, "http://e").await.unwrap();
        let url = posted.signing_cert_url.clone().unwrap();
        let name = url.strip_prefix("http://e/").unwrap();
        assert!(Signer::is_name(name), "{name}");
        // After a restart it is the same.
        let again = Signer::new(store);
        let certificate = again.certificate(name).await.unwrap().unwrap();
        assert!(certificate.starts_with("-----BEGIN CERTIFICATE-----"));
        let other = "SimpleNotificationService-0.pem";
        assert_eq!(again.certificate(other).await.unwrap(), None);
        let mut twin = asking.posted();
        again.sign(&mut twin, "http://e").await.unwrap();
        assert_eq!(twin, posted);
    }
}
