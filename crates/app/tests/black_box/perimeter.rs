//! What the server shows to whom: addresses that others reach, and administration.

use std::process::Command;
use std::time::Duration;

use kiln_testkit::authority::Authority;
use kiln_testkit::{Server, programs, wait_for};
use serde_json::{Value, json};

use crate::client;

/// What `kiln serve` says before it touches its data directory, which it must not.
fn refusal(args: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let output = Command::new(programs::kiln())
        .args(["serve", "--data-dir"])
        .arg(&data)
        .args(args)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2), "{args:?}");
    assert!(!data.exists(), "{args:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn an_address_that_others_reach_is_refused_without_tls_unless_told() {
    for args in [
        ["--listen", "0.0.0.0:0"],
        ["--listen", "[::]:0"],
        ["--admin-listen", "0.0.0.0:0"],
    ] {
        let says = refusal(&args);
        for named in [args[0], args[1], "--tls-cert", "--insecure-listen"] {
            assert!(says.contains(named), "{says}");
        }
    }
    let listen = ["--admin-listen", "0.0.0.0:0"];
    Server::builder()
        .args(&listen)
        .args(&["--insecure-listen"])
        .start();
    let authority = Authority::new();
    Server::builder().args(&listen).secured(&authority).start();
}

#[test]
fn a_certificate_that_cannot_be_used_is_said_before_anything_is_touched() {
    let authority = Authority::new();
    let [_, certificate, _, key] = authority.server_args();
    let says = refusal(&["--tls-cert", &certificate]);
    assert!(says.contains("--tls-key"), "{says}");
    let says = refusal(&["--tls-cert", "/nonexistent.pem", "--tls-key", &key]);
    assert!(says.contains("/nonexistent.pem"), "{says}");
    let (_, other) = authority.issue(2_096);
    authority.put("server.key", &other);
    let says = refusal(&["--tls-cert", &certificate, "--tls-key", &key]);
    assert!(says.contains("not the key of the certificate"), "{says}");
}

#[test]
fn a_certificate_that_cannot_be_ordered_is_said_before_anything_is_touched() {
    let agreed = "--acme-terms-agreed";
    let host = ["--url-host", "kiln.example.com"];
    for (args, says) in [
        (&["--acme-email", "ops@example.com"][..], agreed),
        (&[agreed], "--url-host"),
        (&[agreed, "--tls-cert", "c", "--tls-key", "k"], "--tls-cert"),
        (&[agreed, "--acme-name", "*.example.com"], "--tls-cert"),
        (&[agreed, "--acme-directory", "http://ca"], "https://"),
        (
            &[agreed, "--acme-ca-bundle", "/nonexistent"],
            "/nonexistent",
        ),
    ] {
        let is_hostless = says == "--url-host";
        let host: &[&str] = if is_hostless { &[] } else { &host };
        let refused = refusal(&[host, args].concat());
        assert!(refused.contains(says), "{args:?}: {refused}");
    }
}

/// A setting of the service's unit.
fn unit(setting: &str) -> String {
    let unit = programs::repository().join("packaging/systemd/kiln.service");
    let unit = std::fs::read_to_string(unit).unwrap();
    let prefix = format!("{setting}=");
    let line = unit.lines().find_map(|line| line.strip_prefix(&prefix));
    line.unwrap().to_owned()
}

#[test]
fn the_capabilities_of_the_service_are_enough_and_no_others_are_held() {
    let capabilities = unit("CapabilityBoundingSet");
    let named = capabilities
        .split_whitespace()
        .map(|name| name.strip_prefix("CAP_").unwrap().to_ascii_lowercase());
    let bounds = named.fold("-all".to_owned(), |all, name| format!("{all},+{name}"));
    let shared = tempfile::tempdir().unwrap();
    // Sandboxes act there as whoever owns it, which must not be root.
    std::os::unix::fs::chown(shared.path(), Some(1_234_567), Some(1_234_567)).unwrap();
    let system = format!("shared={}", shared.path().display());
    let server = Server::builder()
        .behind(&["setpriv", "--no-new-privs", "--bounding-set", &bounds])
        .args(&["--file-system", &system])
        .start();
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.process().pid)).unwrap();
    for set in ["CapEff:", "CapPrm:", "CapBnd:"] {
        let held = status.lines().find_map(|line| line.strip_prefix(set));
        let held = u64::from_str_radix(held.unwrap().trim(), 16).unwrap();
        assert_eq!(
            held.count_ones() as usize,
            capabilities.split_whitespace().count(),
            "{set}"
        );
    }
    let code = "import os, socket
def handler(event, context):
    open('/tmp/file', 'w').write('x')
    open('/mnt/shared/file', 'w').write('x')
    return [os.getuid() > 0, socket.getaddrinfo('localhost', 80)[0][4][0]]
";
    let function = server.function("walled", code);
    let mount = json!([{
        "Arn": format!(
            "arn:aws:elasticfilesystem:us-east-1:000000000000:access-point/{}",
            kiln_types::AccessPoint::named("shared")
        ),
        "LocalMountPath": "/mnt/shared",
    }]);
    function.set("FileSystemConfigs", mount).create();
    let answer = server.invoke("walled", &json!({})).success();
    assert_eq!(answer[0], true);
    assert!(shared.path().join("file").exists());
}

#[test]
fn the_server_and_all_that_it_starts_have_a_filter_and_gain_no_rights() {
    let server = Server::start();
    let all = server.process().descendants();
    assert!(!all.is_empty());
    for process in all.into_iter().chain([server.process()]) {
        let status = std::fs::read_to_string(format!("/proc/{}/status", process.pid));
        // One that ended meanwhile has none.
        for line in status.unwrap_or_default().lines() {
            match line.split_once(":\t") {
                Some(("Seccomp", mode)) => assert_eq!(mode, "2", "{process:?}"),
                Some(("NoNewPrivs", held)) => assert_eq!(held, "1", "{process:?}"),
                _ => {}
            }
        }
    }
}

#[test]
fn a_reload_without_a_certificate_changes_nothing() {
    let server = Server::start();
    server.signal(rustix::process::Signal::HUP);
    wait_for("the answer", Duration::from_secs(10), || {
        let log = server.home().log();
        log.contains("there is no certificate to read again")
            .then_some(())
    });
    server
        .request("GET", "/_kiln/health")
        .send()
        .expect_status(200);
}

#[test]
fn administration_at_an_address_of_its_own_is_found_by_the_command_line() {
    let authority = Authority::new();
    let server = Server::builder()
        .args(&["--admin-listen", "127.0.0.1:0"])
        .secured(&authority)
        .start();
    let ready = server.home().data_dir().join("server.json");
    let document: Value = serde_json::from_slice(&std::fs::read(&ready).unwrap()).unwrap();
    let admin = document["adminEndpoint"].as_str().unwrap();
    assert!(admin.starts_with("https://localhost:"), "{admin}");
    assert_ne!(document["endpoint"], document["adminEndpoint"]);

    let ready = ready.display().to_string();
    for verb in [&["status"][..], &["usage"], &["events", "list"], &["list"]] {
        let by_file = [&["--ready-file", ready.as_str()][..], verb].concat();
        programs::run(&mut server.kiln(&by_file));
        let mut by_environment = server.kiln(verb);
        programs::run(by_environment.env("KILN_ADMIN_ENDPOINT", admin));
    }
    let refused = server.kiln(&["status"]).output().unwrap();
    let error = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(error.contains("--admin-listen"), "{error}");

    client::python(&server, "mission.py", &[]);
}
