//! Certificates by ACME, from a real authority: ordered, kept, renewed, and what happens when they are not.

use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use kiln_testkit::authority::{Secured, connect, shown};
use kiln_testkit::{Pebble, Server, programs, wait_for};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::client;

/// Until an order is done, on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// A name that only the authority's name server knows.
const NAME: &str = "kiln.test";
/// What the server says while it has none.
const NONE: &str = "there is no TLS certificate, and connections are refused";
/// What it says when it goes on with the old one.
const KEPT: &str = "the TLS certificate was not renewed, and the one in use is kept";

/// One request on a connection that goes on.
fn ask(stream: &mut Secured) -> io::Result<()> {
    let request = b"GET /_kiln/health HTTP/1.1\r\nhost: localhost\r\n\r\n";
    stream.write_all(request)?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"}") {
        let mut bytes = [0; 1024];
        let count = stream.read(&mut bytes)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        answer.extend_from_slice(&bytes[..count]);
    }
    assert!(answer.starts_with(b"HTTP/1.1 200"));
    Ok(())
}

/// The certificate that a new connection is shown, to somebody who believes a root.
fn certificate(server: &Server, root: &Path, name: &str) -> io::Result<Vec<u8>> {
    let root = std::fs::read(root)?;
    let mut stream = connect(&root, name, server.port());
    ask(&mut stream)?;
    Ok(shown(&stream))
}

/// What a new connection is shown, to somebody who believes everybody: valid or not.
fn shown_to_anybody(server: &Server) -> String {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--insecure", "--output", "/dev/null"])
        .args(["--write-out", "%{certs}"])
        .arg(format!("https://127.0.0.1:{}/_kiln/health", server.port()));
    let output = programs::run(&mut curl);
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(shown.contains("-----BEGIN CERTIFICATE-----"), "{shown}");
    shown
}

fn wait_for_certificate(server: &Server, root: &Path, name: &str) -> Vec<u8> {
    wait_for("a certificate", PATIENCE, || {
        certificate(server, root, name).ok()
    })
}

fn wait_for_log(server: &Server, text: &str) {
    wait_for(text, PATIENCE, || {
        server.home().log().contains(text).then_some(())
    });
}

fn status(server: &Server) -> Value {
    let output = programs::run(&mut server.kiln(&["--output", "json", "status"]));
    let status: Value = serde_json::from_slice(&output.stdout).unwrap();
    status["certificate"].clone()
}

#[test]
fn a_certificate_is_ordered_proven_at_the_servers_own_port_and_kept() {
    let authority = Pebble::start();
    let root = authority.root();
    let start = || {
        let server = Server::builder().certified(&authority, &["localhost"]);
        let email = ["--acme-email", "ops@example.com"];
        server.port(authority.tls_port()).args(&email)
    };
    let server = start().start();
    assert!(server.keys().endpoint.starts_with("https://localhost:"));
    let first = wait_for_certificate(&server, &root, "localhost");
    assert!(!authority.log().contains("Attempting to validate w/ HTTP"));
    client::python(&server, "mission.py", &[]);
    let told = status(&server);
    assert_eq!(told["source"], "acme");
    assert_eq!(told["standing"], "good");
    assert_eq!(told["names"], json!(["localhost"]));
    assert_eq!(told["failedOrders"], 0);
    assert!(told["nextOrder"].is_string() && told["validUntil"].is_string());
    let home = server.stop();

    let server = start().home(home).start();
    let second = certificate(&server, &root, "localhost").unwrap();
    assert_eq!(first, second, "it is there from the first connection on");
    assert_eq!(authority.orders(), 1);
    let home = server.stop();

    // For another name another one is ordered, by the same account, and the old one serves until then.
    let server = start().args(&["--acme-name", NAME]).home(home).start();
    certificate(&server, &root, "localhost").unwrap();
    let third = wait_for_certificate(&server, &root, NAME);
    assert_ne!(first, third);
    assert_eq!(authority.log().matches("POST /sign-me-up").count(), 1);
}

#[test]
fn names_are_proven_at_a_port_without_tls_where_there_is_one() {
    let authority = Pebble::start();
    let plain = format!("127.0.0.1:{}", authority.http_port());
    let server = Server::builder().certified(&authority, &[]);
    let server = server.args(&["--url-host", NAME, "--acme-http-listen", &plain]);
    let server = server.start();
    wait_for_certificate(&server, &authority.root(), NAME);
    assert!(authority.log().contains("Attempting to validate w/ HTTP"));
    let output = Command::new("curl")
        .args(["--silent", "--include"])
        .arg(format!("http://{plain}/2015-03-31/functions"))
        .output()
        .unwrap();
    let answer = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
    assert!(answer.contains("https://"), "{answer}");
}

#[test]
fn a_certificate_is_renewed_in_time_and_connections_go_on() {
    let authority = Pebble::start_with(json!({ "certificateValidityPeriod": 21 }));
    let root = authority.root();
    let server = Server::builder().certified(&authority, &["localhost"]);
    let server = server.port(authority.tls_port()).start();
    let first = wait_for_certificate(&server, &root, "localhost");
    let mut kept_alive = connect(&std::fs::read(&root).unwrap(), "localhost", server.port());
    ask(&mut kept_alive).unwrap();
    let second = wait_for("another certificate", PATIENCE, || {
        std::thread::sleep(Duration::from_millis(200));
        let now = certificate(&server, &root, "localhost").unwrap();
        (now != first).then_some(now)
    });
    assert_ne!(first, second);
    assert_eq!(authority.orders(), 2);
    ask(&mut kept_alive).unwrap();
}

#[test]
fn a_renewal_that_fails_keeps_the_certificate_and_says_so() {
    let authority = Pebble::start_with(json!({ "certificateValidityPeriod": 30 }));
    let root = authority.root();
    let server = Server::builder()
        .certified(&authority, &[NAME])
        .port(authority.tls_port())
        .expect_log(KEPT)
        .expect_log("the TLS certificate is not for the host")
        .expect_log("the TLS certificate ends soon")
        // On a loaded machine.
        .expect_log("the TLS certificate is no longer valid")
        .start();
    wait_for_certificate(&server, &root, NAME);
    let first = shown_to_anybody(&server);
    authority.lead_to("127.0.0.9");
    wait_for_log(&server, KEPT);
    assert_eq!(shown_to_anybody(&server), first);
    assert_eq!(authority.orders(), 2);
}

#[test]
fn names_that_are_not_proven_take_nothing_down_and_are_tried_again_when_told() {
    let authority = Pebble::start();
    let root = authority.root();
    authority.lead_to("127.0.0.9");
    let start = || {
        let server = Server::builder().certified(&authority, &[]);
        let server = server.port(authority.tls_port()).expect_log(NONE);
        server.args(&["--url-host", NAME])
    };
    let server = start().start();
    wait_for_log(&server, NONE);
    let log = server.home().log();
    for says in [NAME, "port 443", "connection", "next=", "SIGHUP"] {
        assert!(log.contains(says), "{says}: {log}");
    }
    let refused = certificate(&server, &root, NAME).unwrap_err().to_string();
    assert!(refused.contains("AccessDenied"), "{refused}");
    let home = server.stop();

    // A server that is started again and again asks no more often.
    let server = start().home(home).start();
    wait_for_log(&server, "Kiln is ready");
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(authority.orders(), 1);

    authority.lead_to("127.0.0.1");
    server.signal(Signal::HUP);
    wait_for_certificate(&server, &root, NAME);
    assert_eq!(authority.orders(), 2);
}

#[test]
fn an_authority_that_knows_the_account_no_more_gets_a_new_one() {
    let mut authority = Pebble::start();
    let server = Server::builder().certified(&authority, &["localhost"]);
    let server = server.port(authority.tls_port()).start();
    wait_for_certificate(&server, &authority.root(), "localhost");
    let home = server.stop();

    authority.forget();
    let server = Server::builder().certified(&authority, &["localhost", NAME]);
    let server = server.port(authority.tls_port()).home(home).start();
    wait_for_certificate(&server, &authority.root(), NAME);
}

#[test]
fn an_authority_that_has_customers_is_told_who_asks() {
    let key = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W";
    let authority = Pebble::start_with(json!({
        "externalAccountBindingRequired": true,
        "externalAccountMACKeys": { "kid-1": key },
    }));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("eab.key");
    std::fs::write(&file, key).unwrap();
    programs::run(Command::new("chmod").arg("600").arg(&file));
    let start = || {
        let server = Server::builder().certified(&authority, &["localhost"]);
        server.port(authority.tls_port())
    };

    let server = start().expect_log(NONE).start();
    wait_for_log(&server, "externalAccountRequired");
    let home = server.stop();

    // The wait was for what was asked then.
    let file = file.display().to_string();
    let told = ["--acme-eab-id", "kid-1", "--acme-eab-key-file", &file];
    let server = start().args(&told).expect_log(NONE).home(home).start();
    wait_for_certificate(&server, &authority.root(), "localhost");
}
