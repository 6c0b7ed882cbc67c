//! TLS: AWS's clients with a private authority, certificates replaced while the server runs, and what is refused.

use std::io::{Read as _, Write as _};
use std::process::Command;
use std::time::Duration;

use kiln_testkit::authority::{Authority, Secured, shown};
use kiln_testkit::{Server, clients, programs, wait_for};
use rustix::process::Signal;

use crate::client;

/// What the server says when it goes on with the old certificate.
const KEPT: &str = "the certificate in use is kept";

/// One request on a connection that goes on.
fn ask(stream: &mut Secured) {
    let request = b"GET /_kiln/health HTTP/1.1\r\nhost: localhost\r\n\r\n";
    stream.write_all(request).unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"}") {
        let mut bytes = [0; 1024];
        let count = stream.read(&mut bytes).unwrap();
        assert!(count > 0, "the connection ended");
        answer.extend_from_slice(&bytes[..count]);
    }
    assert!(answer.starts_with(b"HTTP/1.1 200"));
}

/// The certificate that a new connection is shown.
fn certificate(server: &Server, authority: &Authority) -> Vec<u8> {
    let mut stream = authority.connect(server.port());
    ask(&mut stream);
    shown(&stream)
}

#[test]
fn the_missions_example_runs_unchanged_over_tls() {
    let authority = Authority::new();
    let server = Server::builder().secured(&authority).start();
    assert!(server.keys().endpoint.starts_with("https://localhost:"));
    client::python(&server, "mission.py", &[]);
    let listed = client::run(
        &server,
        clients::aws_cli().args(["lambda", "list-functions"]),
    );
    assert!(listed.contains("my_lambda_function"), "{listed}");
    let said = server.home().log();
    assert!(said.contains(&format!("AWS_ENDPOINT_URL={}", server.keys().endpoint)));
}

#[test]
fn addresses_say_https_and_functions_inside_reach_the_server_all_the_same() {
    let authority = Authority::new();
    let server = Server::builder().secured(&authority);
    let server = server.args(&["--function-access", "account"]).start();
    client::python(&server, "tls.py", &[]);
}

#[test]
fn versions_1_2_and_1_3_are_spoken_and_older_ones_are_not() {
    let authority = Authority::new();
    let server = Server::builder().secured(&authority).start();
    let url = format!("{}/_kiln/health", server.keys().endpoint);
    let curl = |args: &[&str]| {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--cacert"])
            .arg(authority.path("ca.pem"))
            .args(args)
            .arg(&url);
        curl.output().unwrap()
    };
    for args in [&["--tls-max", "1.2"], &["--tlsv1.3", "--http1.1"]] {
        let output = curl(args);
        assert!(output.status.success(), "{args:?}: {output:?}");
    }
    // This machine's OpenSSL may not want it either; the server's own refusal is its library's.
    let old = curl(&["--tls-max", "1.1", "--ciphers", "DEFAULT@SECLEVEL=0"]);
    assert!(!old.status.success(), "{old:?}");
}

#[test]
fn the_command_line_believes_the_authorities_that_it_is_told() {
    let authority = Authority::new();
    let server = Server::builder().secured(&authority).start();
    programs::run(&mut server.kiln(&["list"]));
    let bundle = authority.path("ca.pem");
    let bundle = bundle.display().to_string();
    let told = ["--ca-bundle", &bundle, "list"];
    programs::run(server.kiln(&told).env_remove("AWS_CA_BUNDLE"));
    let stranger = Authority::new();
    let refused = server
        .kiln(&["list"])
        .env("AWS_CA_BUNDLE", stranger.path("ca.pem"))
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(2));
    let error = String::from_utf8_lossy(&refused.stderr).into_owned();
    let endpoint = &server.keys().endpoint;
    for says in ["no safe connection", "--ca-bundle", endpoint.as_str()] {
        assert!(error.contains(says), "{error}");
    }
    let plain = server.keys().endpoint.replace("https", "http");
    let plain = server.kiln(&["--endpoint-url", &plain, "list"]).output();
    let error = String::from_utf8_lossy(&plain.unwrap().stderr).into_owned();
    assert!(error.contains("https://"), "{error}");
}

#[test]
fn a_new_certificate_is_used_after_sighup_and_connections_go_on() {
    let authority = Authority::new();
    let server = Server::builder()
        .secured(&authority)
        .expect_log(KEPT)
        .start();
    let mut kept_alive = authority.connect(server.port());
    ask(&mut kept_alive);
    let first = shown(&kept_alive);
    assert_eq!(certificate(&server, &authority), first);

    authority.put("server.pem", "broken");
    server.signal(Signal::HUP);
    wait_for("the refusal", Duration::from_secs(10), || {
        server.home().log().contains(KEPT).then_some(())
    });
    assert_eq!(certificate(&server, &authority), first);

    authority.renew();
    server.signal(Signal::HUP);
    wait_for("the new certificate", Duration::from_secs(10), || {
        (certificate(&server, &authority) != first).then_some(())
    });
    ask(&mut kept_alive);
}

#[test]
fn a_new_certificate_is_used_without_anybody_saying_so() {
    let authority = Authority::new();
    let server = Server::builder().secured(&authority).start();
    let first = certificate(&server, &authority);
    authority.renew();
    wait_for("the new certificate", Duration::from_secs(30), || {
        std::thread::sleep(Duration::from_millis(200));
        (certificate(&server, &authority) != first).then_some(())
    });
}

#[test]
fn requests_fail_at_no_moment_while_certificates_are_replaced() {
    let authority = Authority::new();
    // A signal may be heard when the next pair is put half in its place.
    let server = Server::builder()
        .secured(&authority)
        .expect_log(KEPT)
        .start();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let mut asked = 0;
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                ask(&mut authority.connect(server.port()));
                asked += 1;
            }
            asked
        });
        for _ in 0..10 {
            authority.renew();
            server.signal(Signal::HUP);
            std::thread::sleep(Duration::from_millis(100));
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(asking.join().unwrap() > 10);
    });
}

#[test]
fn a_certificate_for_other_hosts_is_warned_of() {
    let authority = Authority::new();
    let server = Server::builder().secured(&authority);
    let server = server.args(&["--url-host", "kiln.example"]);
    let warning = "the TLS certificate is not for the host";
    let server = server.expect_log(warning).start();
    assert!(server.home().log().contains(warning));
}
