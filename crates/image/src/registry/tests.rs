//! What is asked of whom, and how long is waited for it.

use std::io::Read as _;

use kiln_testkit::image::{Image, Layer, digest};
use kiln_testkit::registry::Registry;

use super::*;

#[test]
fn only_this_machine_is_spoken_to_without_tls() {
    let own = ["127.0.0.1:5000", "localhost", "[::1]:5000", "127.9.9.9"];
    let other_names = ["0.0.0.0:5000", "[::]:5000", "[::ffff:127.0.0.1]:5000"];
    for host in own.into_iter().chain(other_names) {
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

/// As short as can be, where `long` is what must not be reached first.
fn impatient(patience: Patience) -> Registries {
    Registries {
        patience,
        ..Registries::new(None).unwrap()
    }
}

const LONG: Duration = Duration::from_secs(600);

fn patient() -> Patience {
    Patience {
        answer: LONG,
        document: LONG,
        find: LONG,
        slice: LONG,
    }
}

#[tokio::test]
async fn a_document_that_trickles_is_given_up() {
    let registry = Registry::start();
    registry.push("app", "1", &Image::default().layer(Layer::default()));
    registry.trickle("/manifests/");
    let registries = impatient(Patience {
        document: Duration::from_millis(100),
        ..patient()
    });
    let repository = registries.repository(registry.host(), "app");
    let tag = Which::Tag("1".to_owned());
    let read = repository.manifest("app:1", &tag).await;
    let error = read.unwrap_err().to_string();
    assert_eq!(error, "read app:1: it did not come whole within 0 s");
}

#[tokio::test]
async fn a_layer_that_trickles_is_given_up_and_one_that_comes_is_whole() {
    let registry = Registry::start();
    let content = vec![7; 3 << 20];
    let name = digest(&content);
    registry.put_blob("app", &name, content.clone());
    let sha256: Sha256 = name.strip_prefix("sha256:").unwrap().parse().unwrap();
    let bytes = content.len() as u64;
    let fetch = async |patience, bytes| {
        let repository = impatient(patience).repository(registry.host(), "app");
        let file = tempfile::tempfile().unwrap();
        repository.download(&sha256, bytes, file).await
    };
    let mut whole = fetch(patient(), bytes).await.unwrap();
    let mut read = Vec::new();
    whole.read_to_end(&mut read).unwrap();
    assert!(read == content, "from its start");
    let short = fetch(patient(), bytes - 1).await.unwrap_err().to_string();
    assert!(short.ends_with("it has more than 3145727 bytes"), "{short}");
    let long = fetch(patient(), bytes + 1).await.unwrap_err().to_string();
    assert!(
        long.ends_with("it ended after 3145728 of 3145729 bytes"),
        "{long}"
    );
    registry.trickle("/blobs/");
    let slow = Patience {
        slice: Duration::from_millis(100),
        ..patient()
    };
    let slow = fetch(slow, bytes).await.unwrap_err().to_string();
    assert!(
        slow.contains("it is too slow: 1048576 bytes did not come"),
        "{slow}"
    );
}
