//! What is shown to whom before there is a certificate, while one is ordered, and after a restart.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use instant_acme::Account;
use kiln_store::Store;
use kiln_testkit::Pebble;
use kiln_testkit::authority::Authority;
use kiln_types::{Clock as _, SystemClock};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::super::Source;
use super::kept::KeptAccount;
use super::*;

/// Where nobody is.
const NOWHERE: &str = "https://127.0.0.1:1/directory";

fn config(names: &[&str]) -> AcmeConfig {
    AcmeConfig {
        directory: NOWHERE.to_owned(),
        ca_bundle: None,
        email: None,
        names: names.iter().map(|&name| name.to_owned()).collect(),
        external_account: None,
        by_http: false,
    }
}

fn store() -> (TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let config = kiln_store::Config::new(folder.path().join("data"));
    let store = Store::open(config, Arc::new(SystemClock::start())).unwrap();
    (folder, store)
}

async fn open(names: &[&str], store: &Store) -> Tls {
    let clock = Arc::new(SystemClock::start());
    let opened = Tls::ordered(config(names), store.server_texts(), clock);
    opened.await.unwrap()
}

fn acme(tls: &Tls) -> &Acme {
    match &tls.shared.source {
        Source::Authority(acme) => acme,
        Source::Files(_) => panic!("it is by ACME"),
    }
}

/// Believes whatever it is shown, as an authority does that asks.
#[derive(Debug)]
struct Credulous(Arc<CryptoProvider>);

impl ServerCertVerifier for Credulous {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = self.0.signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}

/// What a client is shown that speaks these protocols, or what it is told; and whether the connection goes on.
async fn shown(tls: &Tls, name: &str, protocols: &[&str]) -> (Result<Vec<u8>, String>, bool) {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Credulous(provider)))
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|it| it.as_bytes().to_vec()).collect();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap());
    let (stream, accepted) = tokio::join!(stream, listener.accept());
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let connecting = TlsConnector::from(Arc::new(config)).connect(name, stream.unwrap());
    let (connected, accepted) = tokio::join!(connecting, tls.accept(accepted.unwrap().0));
    let shown = connected.map_err(|error| error.to_string());
    let shown = shown.map(|stream| {
        let (_, connection) = stream.get_ref();
        connection.peer_certificates().unwrap()[0].to_vec()
    });
    (shown, matches!(accepted, Ok(Some(_))))
}

#[tokio::test]
async fn without_a_certificate_handshakes_are_refused_with_an_alert() {
    let (_folder, store) = store();
    let tls = open(&["kiln.example"], &store).await;
    let (refused, goes_on) = shown(&tls, "kiln.example", &["http/1.1"]).await;
    assert!(refused.unwrap_err().contains("AccessDenied"));
    assert!(!goes_on);
    let status = tls.status();
    assert_eq!((status.source, status.standing), ("acme", "missing"));
    assert_eq!(status.next_order, None, "it is due");
    assert!(tls.covers("Kiln.example") && !tls.covers("x.kiln.example"));
}

#[tokio::test]
async fn the_authority_is_shown_a_proof_and_nobody_else_is() {
    /// The extension: id-pe-acmeIdentifier, critical, an octet string of 32 bytes in one of 34.
    const EXTENSION: &[u8] = &[
        6, 8, 0x2b, 6, 1, 5, 5, 7, 1, 31, 1, 1, 0xff, 4, 34, 4, 32, 9, 9, 9,
    ];
    let (_folder, store) = store();
    let tls = open(&["kiln.example"], &store).await;
    let (early, _) = shown(&tls, "kiln.example", &["acme-tls/1"]).await;
    assert!(early.is_err(), "nothing is asked for");
    let answering = acme(&tls).challenges.open();
    answering.by_tls("kiln.example", &[9; 32]).unwrap();
    let (proof, goes_on) = shown(&tls, "KILN.example", &["acme-tls/1"]).await;
    let proof = proof.unwrap();
    assert!(proof.windows(EXTENSION.len()).any(|part| part == EXTENSION));
    assert!(!goes_on, "it is for looking only");
    for (name, protocols) in [
        ("kiln.example", &["http/1.1"][..]),
        ("kiln.example", &["http/1.1", "acme-tls/1"]),
        ("kiln.example", &[]),
        ("other.example", &["acme-tls/1"]),
    ] {
        let (refused, goes_on) = shown(&tls, name, protocols).await;
        assert!(refused.is_err() && !goes_on, "{name} {protocols:?}");
    }
    drop(answering);
    let (late, _) = shown(&tls, "kiln.example", &["acme-tls/1"]).await;
    assert!(late.is_err(), "nothing is asked for any more");
}

#[tokio::test]
async fn a_certificate_that_is_kept_is_used_at_once() {
    let (_folder, store) = store();
    let authority = Authority::new();
    let (chain, key) = authority.issue(2_096);
    let kept = Kept::new(store.server_texts());
    let wish = Wish::of(&config(&["localhost"]));
    let certificate = KeptCertificate { wish, chain, key };
    kept.keep_certificate(&certificate, None).await.unwrap();
    let now = SystemClock::start().timestamp();

    let tls = open(&["localhost"], &store).await;
    assert!(!acme(&tls).progress().core.is_due(now));
    let (first, goes_on) = shown(&tls, "localhost", &["http/1.1"]).await;
    assert!(goes_on);
    let status = tls.status();
    assert_eq!(status.standing, "good");
    assert!(status.next_order.is_some() && status.valid_until.is_some());

    // It serves until there is one for what is asked for now.
    let tls = open(&["localhost", "kiln.example"], &store).await;
    assert!(acme(&tls).progress().core.is_due(now));
    let (second, _) = shown(&tls, "localhost", &["http/1.1"]).await;
    assert_eq!(first.unwrap(), second.unwrap());
}

#[tokio::test]
async fn a_failure_is_told_kept_and_waited_out() {
    let (_folder, store) = store();
    let tls = open(&["kiln.example"], &store).await;
    acme(&tls).renew(&tls, &CancellationToken::new()).await;
    let now = SystemClock::start().timestamp();
    let status = tls.status();
    assert_eq!(status.failed_orders, Some(1));
    let why = status.last_error.unwrap();
    assert!(why.contains(NOWHERE), "{why}");
    assert!(!acme(&tls).progress().core.is_due(now));
    // So it is after a restart, and not for another wish.
    let again = open(&["kiln.example"], &store).await;
    assert_eq!(again.status().failed_orders, Some(1));
    assert!(!acme(&again).progress().core.is_due(now));
    let other = open(&["other.example"], &store).await;
    assert!(acme(&other).progress().core.is_due(now));
}

#[tokio::test]
async fn an_order_that_a_stop_cuts_off_is_kept_and_waited_out() {
    let (_folder, store) = store();
    let tls = open(&["kiln.example"], &store).await;
    let stop = CancellationToken::new();
    stop.cancel();
    acme(&tls).renew(&tls, &stop).await;
    let now = SystemClock::start().timestamp();
    let again = open(&["kiln.example"], &store).await;
    assert!(!acme(&again).progress().core.is_due(now));
    assert_eq!(again.status().failed_orders, Some(1));
    acme(&again).progress().core.hurried();
    let later = now + Duration::from_secs(16);
    assert!(acme(&again).progress().core.is_due(later));
}

#[test]
fn names_mean_the_same_in_any_order_and_an_account_of_a_customer_is_that_customers() {
    let wish = |names: &[&str], customer: Option<&str>| {
        Wish::of(&AcmeConfig {
            external_account: customer.map(|id| ExternalAccount {
                id: id.to_owned(),
                key: Zeroizing::new(vec![1]),
            }),
            ..config(names)
        })
    };
    let names = ["kiln.example", "api.kiln.example"];
    let other_order = ["api.kiln.example", "kiln.example"];
    assert_eq!(wish(&names, None), wish(&other_order, None));
    assert!(wish(&names, None).is_met_by(&wish(&other_order, Some("kid-1"))));
    assert_ne!(wish(&names, Some("kid-1")), wish(&names, Some("kid-2")));
}

/// Whom the server is to the authority.
async fn account(acme: &Acme) -> KeptAccount {
    acme.kept.account(&acme.wish).await.unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_was_given_up_is_replaced_and_one_of_another_customer_too() {
    let authority = tokio::task::spawn_blocking(Pebble::start).await.unwrap();
    let [_, _, directory, _, bundle] = authority.server_args();
    let config = AcmeConfig {
        directory,
        ca_bundle: Some(bundle.into()),
        ..config(&["kiln.test"])
    };
    let (_folder, store) = store();
    let clock = Arc::new(SystemClock::start());
    let tls = Tls::ordered(config.clone(), store.server_texts(), clock).await;
    let (tls, stop) = (tls.unwrap(), CancellationToken::new());
    let id = |account: &KeptAccount| {
        let credentials = serde_json::to_value(&account.credentials).unwrap();
        credentials["id"].as_str().unwrap().to_owned()
    };
    // Nobody proves anything: it is all about the account.
    let acme = acme(&tls);
    acme.renew(&tls, &stop).await;
    let first = account(acme).await;
    let first_id = id(&first);
    let client = client::Client::open(config.ca_bundle.as_deref(), client::Told::default());
    let builder = Account::builder_with_http(Box::new(client.await.unwrap()));
    let given_up = builder.from_credentials(first.credentials).await.unwrap();
    given_up.deactivate().await.unwrap();

    acme.renew(&tls, &stop).await;
    let second = account(acme).await;
    assert_ne!(id(&second), first_id);
    let why = tls.status().last_error.unwrap();
    assert!(why.contains("saw no proof"), "{why}");

    acme.renew(&tls, &stop).await;
    assert_eq!(id(&account(acme).await), id(&second), "it is good");
    let with = |customer: &str| {
        Wish::of(&AcmeConfig {
            external_account: Some(ExternalAccount {
                id: customer.to_owned(),
                key: Zeroizing::new(vec![1]),
            }),
            ..config.clone()
        })
    };
    let tied = KeptAccount {
        external_account: Some("kid-1".to_owned()),
        ..second
    };
    acme.kept.keep_account(&tied).await.unwrap();
    let found = async |wish: &Wish| acme.kept.account(wish).await.unwrap().is_some();
    assert!(found(&with("kid-1")).await);
    assert!(!found(&with("kid-2")).await);
    assert!(
        found(&acme.wish).await,
        "nothing is said of a customer any more"
    );
}

#[test]
fn the_key_of_an_external_account_is_read_from_a_file_of_ones_own() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("eab.key");
    let put = |text: &str, mode| {
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        ExternalAccount::read("kid-1".to_owned(), &file)
    };
    for text in ["-_-_-w", "+/+/+w==", " -_-_-w\n"] {
        let account = put(text, 0o600).unwrap();
        assert_eq!(*account.key, [0xfb, 0xff, 0xbf, 0xfb], "{text}");
        assert!(!format!("{account:?}").contains("key"));
    }
    for (text, mode, says) in [
        ("", 0o600, "as base64"),
        ("not base64!", 0o600, "as base64"),
        ("-_-_-w", 0o644, "chmod o="),
    ] {
        let refusal = put(text, mode).unwrap_err().to_string();
        assert!(refusal.contains(says), "{refusal}");
    }
}

#[test]
fn a_bundle_without_authorities_is_refused_before_anything_is_ordered() {
    let authority = Authority::new();
    let with = |bundle: &str| AcmeConfig {
        ca_bundle: Some(authority.path(bundle)),
        ..config(&["kiln.example"])
    };
    assert!(with("ca.pem").check().is_ok());
    assert!(config(&["kiln.example"]).check().is_ok());
    for wrong in ["server.key", "absent.pem"] {
        let refusal = with(wrong).check().unwrap_err().to_string();
        assert!(refusal.contains(wrong), "{refusal}");
    }
}
