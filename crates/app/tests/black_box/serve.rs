//! The server as a program: how it says that it is ready, how it stops, what it refuses.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::time::Duration;

use kiln_testkit::{Server, programs};
use serde_json::{Value, json};

const SLEEPER: &str = "import time\n\ndef handler(event, context):\n    time.sleep(event['sleep'])\n    return 'done'\n";

#[test]
fn the_ready_file_says_where_and_how_to_sign() {
    let server = Server::start();
    let path = server.home().data_dir().join("server.json");
    let ready: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(ready["endpoint"], server.keys().endpoint.as_str());
    assert_eq!(ready["region"], "us-east-1");
    assert_eq!(ready["accessKeyId"], server.keys().access_key_id.as_str());
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let data = std::fs::metadata(server.home().data_dir())
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(
        data & 0o077,
        0,
        "others may not look into the data directory: {data:o}"
    );
}

#[test]
fn ctrl_c_lets_running_invocations_finish() {
    let server = Server::start();
    server.function("sleeper", SLEEPER).create();
    server.invoke("sleeper", &json!({"sleep": 0}));
    std::thread::scope(|scope| {
        let running = scope.spawn(|| server.invoke("sleeper", &json!({"sleep": 2})).success());
        std::thread::sleep(Duration::from_millis(500));
        server.signal(rustix::process::Signal::INT);
        assert_eq!(running.join().unwrap(), json!("done"));
    });
    let (_, status) = server.wait();
    assert!(status.success(), "{status}");
}

#[test]
fn a_server_at_rest_stops_at_once() {
    let server = Server::start();
    server.function("once", SLEEPER).create();
    server.invoke("once", &json!({"sleep": 0}));
    use kiln_types::Clock as _;
    let clock = kiln_types::SystemClock::start();
    let (_, status) = server.interrupt();
    assert!(status.success());
    assert!(
        clock.now().since_start() < Duration::from_secs(5),
        "{:?}",
        clock.now().since_start()
    );
}

#[test]
fn health_is_answered_without_a_signature() {
    let server = Server::start();
    server
        .request("GET", "/_kiln/health")
        .send()
        .expect_status(200);
}

#[test]
fn a_wrong_setting_is_named_before_anything_is_touched() {
    let folder = tempfile::tempdir().unwrap();
    let cases: [(&[&str], &str); 4] = [
        (&["--listen", "nowhere"], "--listen"),
        (&["--stems", "many"], "--stems"),
        (&["--config", "/nonexistent.toml"], "/nonexistent.toml"),
        (&["--account", "12"], "--account"),
    ];
    for (args, named) in cases {
        let data = folder.path().join("data");
        let output = Command::new(programs::kiln())
            .args(["serve", "--data-dir"])
            .arg(&data)
            .args(args)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        let says = String::from_utf8_lossy(&output.stderr);
        assert!(says.contains(named), "{args:?}: {says}");
        assert!(!data.exists(), "{args:?}");
    }
}

#[test]
fn development_mode_listens_on_loopback_only() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(programs::kiln())
        .args(["dev", "--listen", "0.0.0.0:0", "--data-dir"])
        .arg(folder.path())
        .output()
        .unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("loopback"));
}
