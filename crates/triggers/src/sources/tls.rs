//! How a connection is encrypted, and whom the server has to prove to be.

use std::sync::Arc;

use kiln_types::SecretArn;
use kiln_types::mapping::TlsMode;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use crate::secrets::{Secret, Secrets};
use crate::source::Trouble;

/// The settings of a connection, if it is to be encrypted; `roots` names the secret that vouches for the server.
pub(in crate::sources) async fn read(
    secrets: &Secrets,
    mode: TlsMode,
    roots: Option<&SecretArn>,
) -> Result<Option<Arc<ClientConfig>>, Trouble> {
    let roots = match roots {
        Some(arn) => Some(secrets.read(arn).await?),
        None => None,
    };
    match mode {
        TlsMode::Disable => Ok(None),
        mode => config(mode, roots.as_ref()).map(Some),
    }
}

/// Refuses a way on which somebody could read a password that a protocol sends as it is.
pub(in crate::sources) fn check_secrecy(mode: TlsMode, is_loopback: bool) -> Result<(), Trouble> {
    match mode == TlsMode::VerifyFull || is_loopback {
        true => Ok(()),
        false => Err(Trouble::new(
            "a password is sent only to a server that has proven its name: use ?sslmode=verify-full",
        )),
    }
}

/// The settings of a connection; `roots` is a secret whose `certificate` vouches for servers, as PEM.
fn config(mode: TlsMode, roots: Option<&Secret>) -> Result<Arc<ClientConfig>, Trouble> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| Trouble::new(format!("set up TLS: {error}")))?;
    let config = if mode == TlsMode::Require && roots.is_none() {
        let verifier = Arc::new(AnyServer(provider));
        builder
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth()
    } else {
        let roots = root_store(roots)?;
        builder.with_root_certificates(roots).with_no_client_auth()
    };
    Ok(Arc::new(config))
}

fn root_store(secret: Option<&Secret>) -> Result<RootCertStore, Trouble> {
    let mut store = RootCertStore::empty();
    match secret {
        Some(secret) => {
            let wrong = || {
                Trouble::new(
                    "the \"certificate\" of the secret of SERVER_ROOT_CA_CERTIFICATE is no PEM",
                )
            };
            let pem = secret.get("certificate")?;
            for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
                let certificate = certificate.map_err(|_| wrong())?;
                store.add(certificate).map_err(|_| wrong())?;
            }
            if store.is_empty() {
                return Err(wrong());
            }
        }
        None => {
            let found = rustls_native_certs::load_native_certs();
            store.add_parsable_certificates(found.certs);
            if store.is_empty() {
                return Err(Trouble::new(
                    "this machine trusts no certificates: install ca-certificates, or name the server's with SERVER_ROOT_CA_CERTIFICATE",
                ));
            }
        }
    }
    Ok(store)
}

/// Believes whoever answers, as `sslmode=require` says: it keeps out who only listens.
#[derive(Debug)]
struct AnyServer(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(
            message,
            certificate,
            signed,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(
            message,
            certificate,
            signed,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
