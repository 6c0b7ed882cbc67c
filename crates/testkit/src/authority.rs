//! A private certificate authority, the files of the server that it vouches for, and clients that believe it.

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, date_time_ymd,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tempfile::TempDir;

/// How long a client of these waits for bytes.
const PATIENCE: Duration = Duration::from_secs(20);

/// A connection to a server with TLS; reading and writing agree on the encryption first.
pub type Secured = StreamOwned<ClientConnection, TcpStream>;

/// An authority and a folder with a server's certificate, `server.pem`, its key, `server.key`, and its own, `ca.pem`.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

impl Authority {
    /// An authority nobody has heard of, which has issued a certificate for `localhost`, what is below it in Kiln's URLs, and
    /// loopback.
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        // OpenSSL takes a certificate whose issuer is called as it is for one that signed itself.
        params
            .distinguished_name
            .push(DnType::CommonName, "An authority");
        let key = KeyPair::generate().expect("keys can be made");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("it can be signed");
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        fs::write(folder.path().join("ca.pem"), issuer.pem()).expect("the folder is ours");
        let authority = Self { issuer, folder };
        authority.renew();
        authority
    }

    /// Puts a new certificate and key in the place of the old ones.
    pub fn renew(&self) {
        let (certificate, key) = self.issue(2_096);
        self.put("server.key", &key);
        self.put("server.pem", &certificate);
    }

    /// A certificate until the end of this year, and its key, as PEM.
    pub fn issue(&self, year: i32) -> (String, String) {
        let names = [
            "localhost",
            "*.lambda-url.us-east-1.localhost",
            "*.execute-api.us-east-1.localhost",
            "127.0.0.1",
        ];
        let names = names.map(str::to_owned).to_vec();
        let mut params = CertificateParams::new(names).expect("names are names");
        params.not_before = date_time_ymd(2_020, 1, 1);
        params.not_after = date_time_ymd(year, 12, 31);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        params
            .distinguished_name
            .push(DnType::CommonName, "localhost");
        let key = KeyPair::generate().expect("keys can be made");
        let certificate = params
            .signed_by(&key, &self.issuer)
            .expect("it can be signed");
        (certificate.pem(), key.serialize_pem())
    }

    /// Puts a file whole in the place of one of the server's; nobody but its owner may read it.
    pub fn put(&self, name: &str, text: &str) {
        let partial = self.path("partial");
        fs::write(&partial, text).expect("the folder is ours");
        fs::set_permissions(&partial, fs::Permissions::from_mode(0o600)).expect("it is ours");
        fs::rename(partial, self.path(name)).expect("the folder is ours");
    }

    /// A file of the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What a server is told.
    pub fn server_args(&self) -> [String; 4] {
        let shown = |path: &Path| path.display().to_string();
        [
            "--tls-cert".to_owned(),
            shown(&self.path("server.pem")),
            "--tls-key".to_owned(),
            shown(&self.path("server.key")),
        ]
    }

    /// Connects to a port of loopback, where somebody must prove to be `localhost`.
    pub fn connect(&self, port: u16) -> Secured {
        connect(self.issuer.pem().as_bytes(), "localhost", port)
    }
}

/// Connects to a port of loopback, where somebody must prove to have a name, by an authority as PEM. Reading and writing fail where
/// that does not come to pass.
pub fn connect(authority: &[u8], name: &str, port: u16) -> Secured {
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_slice(authority).expect("it is PEM");
    roots.add(authority).expect("it is a certificate");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has them")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(name.to_owned()).expect("it is a name");
    let connection = ClientConnection::new(Arc::new(config), name).expect("it is set up");
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("the server listens");
    stream
        .set_read_timeout(Some(PATIENCE))
        .expect("it is a socket");
    StreamOwned::new(connection, stream)
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

/// The certificate that the server showed, once it has.
pub fn shown(stream: &Secured) -> Vec<u8> {
    let shown = stream.conn.peer_certificates().expect("it has shown one");
    shown[0].to_vec()
}
