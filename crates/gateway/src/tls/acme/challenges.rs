//! What is answered while the authority looks whether names are this server's: by TLS-ALPN-01 (RFC 8737) a certificate made for
//! nobody else, by HTTP-01 (RFC 8555, 8.3) a text.
//!
//! Invariant: there are answers only while an order is under way; at all other times `acme-tls/1` is a protocol that nobody
//! here speaks.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::ClientHello;
use rustls::sign::{CertifiedKey, SingleCertAndKey};

/// The one protocol of connections by which an authority asks.
const ACME_TLS: &[u8] = b"acme-tls/1";

/// The answers. Clones share them.
#[derive(Clone, Default)]
pub(in crate::tls) struct Challenges {
    answers: Arc<RwLock<Answers>>,
}

#[derive(Default)]
struct Answers {
    by_name: HashMap<String, Arc<ServerConfig>>,
    by_token: HashMap<String, String>,
}

/// An order that is under way: with it all answers go.
pub(super) struct Answering {
    challenges: Challenges,
}

/// A proof could not be made, for the log.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoProof {
    #[error("make a certificate that proves a name: {0}")]
    Certificate(#[from] rcgen::Error),
    #[error("use a certificate that proves a name: {0}")]
    Tls(#[from] rustls::Error),
}

impl Challenges {
    /// Whether there are answers.
    pub(in crate::tls) fn are_open(&self) -> bool {
        let answers = self.answers.read().unwrap_or_else(PoisonError::into_inner);
        !answers.by_name.is_empty()
    }

    /// What a connection is answered with whose client speaks `acme-tls/1` and nothing else, as RFC 8737 wants it.
    pub(in crate::tls) fn proof_for(&self, hello: &ClientHello<'_>) -> Option<Arc<ServerConfig>> {
        let mut protocols = hello.alpn()?;
        if protocols.next() != Some(ACME_TLS) || protocols.next().is_some() {
            return None;
        }
        let name = hello.server_name()?.to_ascii_lowercase();
        let answers = self.answers.read().unwrap_or_else(PoisonError::into_inner);
        answers.by_name.get(&name).cloned()
    }

    /// What belongs to a token.
    pub(super) fn text_for(&self, token: &str) -> Option<String> {
        let answers = self.answers.read().unwrap_or_else(PoisonError::into_inner);
        answers.by_token.get(token).cloned()
    }

    /// Begins to answer.
    pub(super) fn open(&self) -> Answering {
        Answering {
            challenges: self.clone(),
        }
    }
}

impl Answering {
    /// Proves a name by the digest of what the authority and the account share.
    pub(super) fn by_tls(&self, name: &str, digest: &[u8]) -> Result<(), NoProof> {
        let proof = Arc::new(proof(name, digest)?);
        self.change(|answers| answers.by_name.insert(name.to_ascii_lowercase(), proof));
        Ok(())
    }

    /// Proves whatever name the token is for.
    pub(super) fn by_http(&self, token: &str, text: &str) {
        self.change(|answers| answers.by_token.insert(token.to_owned(), text.to_owned()));
    }

    fn change<T>(&self, change: impl FnOnce(&mut Answers) -> T) -> T {
        let answers = self.challenges.answers.write();
        change(&mut answers.unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.change(|answers| *answers = Answers::default());
    }
}

fn proof(name: &str, digest: &[u8]) -> Result<ServerConfig, NoProof> {
    let mut params = CertificateParams::new(vec![name.to_owned()])?;
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let key = aws_lc_rs::sign::any_supported_type(&key)?;
    // Not by way of `with_single_cert`, which reads the certificate and knows no such extension.
    let shown = CertifiedKey::new(vec![certificate.der().clone()], key);
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(shown)));
    config.alpn_protocols = vec![ACME_TLS.to_vec()];
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_there_as_long_as_the_order() {
        let challenges = Challenges::default();
        let answering = challenges.open();
        answering.by_http("token", "token.thumb");
        assert_eq!(challenges.text_for("token").unwrap(), "token.thumb");
        assert_eq!(challenges.text_for("other"), None);
        assert!(!challenges.are_open(), "nothing is to be proven by TLS");
        answering.by_tls("Kiln.example", &[7; 32]).unwrap();
        assert!(challenges.are_open());
        drop(answering);
        assert!(!challenges.are_open());
        assert_eq!(challenges.text_for("token"), None);
    }
}
