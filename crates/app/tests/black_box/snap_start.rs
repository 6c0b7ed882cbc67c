//! SnapStart, as its users and its operator see it.

use std::fs;
use std::time::Duration;

use kiln_testkit::{Server, process, wait_for};
use serde_json::{Value, json};

use crate::client;

const SOURCE: &str = "import time, uuid\nfrom snapshot_restore_py import register_after_restore\n\
                      INIT = str(uuid.uuid4())\n\
                      def handler(event, context):\n    time.sleep(event.get('sleep', 0))\n    \
                      return INIT\n";

fn publish(server: &Server, name: &str) {
    let path = format!("/2015-03-31/functions/{name}/versions");
    server
        .lambda("POST", &path)
        .json(&json!({}))
        .send()
        .expect_status(201);
    let path = format!("/2015-03-31/functions/{name}/configuration?Qualifier=1");
    wait_for("the version to be active", Duration::from_secs(30), || {
        let found = server.lambda("GET", &path).send().expect_status(200).json();
        (found["State"] == "Active").then_some(())
    });
}

fn deploy(server: &Server, source: &str) {
    server
        .function("snapped", source)
        .timeout(30)
        .set("SnapStart", json!({"ApplyOn": "PublishedVersions"}))
        .create();
    publish(server, "snapped");
}

fn invoke(server: &Server, event: &Value) -> (Value, String) {
    let invoked = server.invoke("snapped:1", event);
    (invoked.success(), invoked.log)
}

fn snapshots(server: &Server) -> usize {
    let dir = server.home().data_dir().join("snapshots");
    fs::read_dir(dir).expect("it is made at start").count()
}

#[test]
fn versions_start_from_the_snapshot_of_one_init() {
    let server = Server::start();
    client::python(&server, "boto3_snap_start.py", &[]);
}

#[test]
fn nothing_runs_and_no_file_is_left_when_the_function_is_gone() {
    let server = Server::start();
    deploy(&server, SOURCE);
    assert_eq!(snapshots(&server), 1);
    // What a snapshot was taken of has ended.
    let (init, _) = invoke(&server, &json!({}));
    assert!(init.is_string());
    let leased = |server: &Server| process::mounts_in(&server.home().data_dir()).len();
    assert_eq!(leased(&server), 0);
    server
        .lambda("DELETE", "/2015-03-31/functions/snapped")
        .send()
        .expect_status(200);
    wait_for("its snapshot to be gone", Duration::from_secs(10), || {
        (snapshots(&server) == 0).then_some(())
    });
}

#[test]
fn a_server_that_starts_again_initialises_once_and_takes_the_snapshot_anew() {
    let server = Server::start();
    deploy(&server, SOURCE);
    let (before, log) = invoke(&server, &json!({}));
    assert!(log.contains("Restore Duration"), "{log}");
    let server = Server::builder().home(server.stop()).start();
    let (first, log) = invoke(&server, &json!({}));
    assert!(log.contains("Init Duration"), "{log}");
    assert_ne!(first, before);
    wait_for("a new snapshot", Duration::from_secs(30), || {
        (snapshots(&server) == 1).then_some(())
    });
    // Two at once: the one that was initialised, and one from the new snapshot.
    let restored = wait_for("an instance of it", Duration::from_secs(30), || {
        std::thread::scope(|scope| {
            let busy = scope.spawn(|| invoke(&server, &json!({"sleep": 1})));
            std::thread::sleep(Duration::from_millis(200));
            let (other, log) = invoke(&server, &json!({"sleep": 1}));
            busy.join().expect("it is answered");
            log.contains("Restore Duration").then_some(other)
        })
    });
    assert!(restored != first && restored != before);
}

#[test]
fn a_hook_that_fails_after_the_restore_is_told_to_the_caller() {
    let server = Server::start();
    let source = "from snapshot_restore_py import register_after_restore\n\
                  @register_after_restore\ndef after():\n    raise ValueError('no network')\n\
                  def handler(event, context):\n    return 1\n";
    deploy(&server, source);
    let invoked = server.invoke("snapped:1", &json!({}));
    let failure = invoked.failure();
    assert_eq!(failure["errorMessage"], "no network", "{failure}");
    let log = server.log_until("/aws/lambda/snapped", "RESTORE_REPORT");
    let report = log.iter().find(|line| line.contains("RESTORE_REPORT"));
    let class = "Status: error\tError Type: Runtime.AfterRestoreError";
    assert!(report.is_some_and(|line| line.contains(class)), "{log:?}");
}
