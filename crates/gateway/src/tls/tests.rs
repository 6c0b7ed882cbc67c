//! Pairs from files: what is used, what is refused, and what takes the place of what.

use std::fs::{self, Permissions};

use kiln_testkit::authority::Authority;
use kiln_types::SystemClock;

use super::*;

fn files(authority: &Authority) -> TlsFiles {
    TlsFiles {
        certificate: authority.path("server.pem"),
        key: authority.path("server.key"),
    }
}

fn open(files: TlsFiles) -> Result<Tls, Error> {
    Tls::open(files, Arc::new(SystemClock::start()))
}

fn refusal(files: TlsFiles) -> String {
    open(files).expect_err("it cannot be used").to_string()
}

#[test]
fn a_pair_from_files_is_used_for_the_hosts_that_it_names() {
    let authority = Authority::new();
    let tls = open(files(&authority)).unwrap();
    for host in [
        "localhost",
        "127.0.0.1",
        "a1.lambda-url.us-east-1.localhost",
    ] {
        assert!(tls.covers(host), "{host}");
    }
    for host in [
        "kiln.example",
        "127.0.0.2",
        "[::1]",
        "lambda-url.us-east-1.localhost",
        "",
    ] {
        assert!(!tls.covers(host), "{host}");
    }
}

#[test]
fn files_that_cannot_be_used_are_named_with_what_to_do() {
    let authority = Authority::new();
    let good = files(&authority);
    let (_, other_key) = authority.issue(2_096);
    authority.put("other.key", &other_key);
    authority.put("empty", "");
    let encrypted =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    authority.put("encrypted.key", encrypted);
    let nonsense = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    authority.put("nonsense.pem", nonsense);
    let secret = "c2VjcmV0";
    authority.put(
        "cut.key",
        &format!("-----BEGIN PRIVATE KEY-----\n{secret}\n"),
    );
    let cases = [
        ("certificate", "absent", "No such file"),
        ("certificate", "empty", "no certificate as PEM"),
        ("certificate", "server.key", "no certificate as PEM"),
        ("certificate", "nonsense.pem", "cannot be read"),
        ("key", "absent", "No such file"),
        ("key", "empty", "no private key as PEM"),
        ("key", "server.pem", "no private key as PEM"),
        ("key", "encrypted.key", "openssl pkey"),
        ("key", "cut.key", "not whole"),
        ("key", "other.key", "not the key of the certificate"),
    ];
    for (which, name, says) in cases {
        let mut files = good.clone();
        match which {
            "key" => files.key = authority.path(name),
            _ => files.certificate = authority.path(name),
        }
        let refusal = refusal(files);
        assert!(
            refusal.contains(says) && refusal.contains(name),
            "{refusal}"
        );
        assert!(!refusal.contains(secret), "{refusal}");
    }
}

#[test]
fn a_key_that_everybody_may_use_is_refused_and_one_of_a_group_is_not() {
    use std::os::unix::fs::PermissionsExt as _;
    let authority = Authority::new();
    let set = |mode| {
        let mode = Permissions::from_mode(mode);
        fs::set_permissions(authority.path("server.key"), mode).unwrap();
    };
    for mode in [0o644, 0o602] {
        set(mode);
        let refusal = refusal(files(&authority));
        assert!(refusal.contains("chmod o="), "{refusal}");
    }
    for mode in [0o640, 0o400] {
        set(mode);
        assert!(open(files(&authority)).is_ok(), "{mode:o}");
    }
}

#[tokio::test]
async fn a_pair_that_works_takes_the_place_of_the_old_one_and_another_does_not() {
    let authority = Authority::new();
    let tls = open(files(&authority)).unwrap();
    let Source::Files(watched) = &tls.shared.source else {
        panic!("it is from files");
    };
    let in_use = || Arc::as_ptr(&tls.pair().unwrap());
    let first = tls.pair().unwrap();
    authority.put("server.key", "broken");
    watched.renew(&tls).await;
    assert_eq!(in_use(), Arc::as_ptr(&first));
    let (_, key) = authority.issue(2_096);
    authority.put("server.key", &key);
    watched.renew(&tls).await;
    assert_eq!(in_use(), Arc::as_ptr(&first), "only the key is new");
    authority.renew();
    watched.renew(&tls).await;
    assert_ne!(in_use(), Arc::as_ptr(&first));
}

#[test]
fn a_certificate_that_is_over_is_used_all_the_same() {
    let authority = Authority::new();
    let (certificate, key) = authority.issue(2_021);
    authority.put("server.pem", &certificate);
    authority.put("server.key", &key);
    let tls = open(files(&authority)).unwrap();
    assert!(matches!(tls.standing(), Standing::Ended(_)));
}

#[test]
fn links_that_lead_to_new_files_are_seen() {
    use std::os::unix::fs::symlink;
    let authority = Authority::new();
    let link = authority.path("live.pem");
    let (certificate, _) = authority.issue(2_096);
    authority.put("renewed.pem", &certificate);
    symlink(authority.path("server.pem"), &link).unwrap();
    let files = TlsFiles {
        certificate: link.clone(),
        key: authority.path("server.key"),
    };
    let before = Stamp::of(&files);
    assert_eq!(Stamp::of(&files), before);
    fs::remove_file(&link).unwrap();
    symlink(authority.path("renewed.pem"), &link).unwrap();
    assert_ne!(Stamp::of(&files), before);
}
