//! SnapStart, as its users and its operator see it.

use std::fs;
use std::time::Duration;

use kiln_testkit::{Server, process, programs, wait_for};
use serde_json::{Value, json};

use crate::client;

pub(crate) const SOURCE: &str = "import time, uuid\nfrom snapshot_restore_py import register_after_restore\n\
                      INIT = str(uuid.uuid4())\n\
                      def handler(event, context):\n    time.sleep(event.get('sleep', 0))\n    \
                      return INIT\n";

pub(crate) fn publish(server: &Server, name: &str) {
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

pub(crate) fn deploy(server: &Server, source: &str) {
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
fn a_function_deleted_while_its_snapshot_is_taken_leaves_no_file() {
    let server = Server::start();
    let on = json!({"ApplyOn": "PublishedVersions"});
    let slow = "import time\ntime.sleep(2)\ndef handler(event, context):\n    return 1\n";
    server.function("slow", slow).set("SnapStart", on).create();
    server
        .lambda("POST", "/2015-03-31/functions/slow/versions")
        .json(&json!({}))
        .send()
        .expect_status(201);
    server
        .lambda("DELETE", "/2015-03-31/functions/slow")
        .send()
        .expect_status(200);
    server.log_until("/aws/lambda/slow", "INIT_REPORT");
    // The copy is made now, and done when another function's is, which begins later.
    deploy(&server, SOURCE);
    wait_for("one snapshot", Duration::from_secs(10), || {
        (snapshots(&server) == 1).then_some(())
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

/// Invokes the version and expects this exception of Lambda's.
fn refused(server: &Server, status: u16, name: &str, message: &str) {
    let answer = server
        .lambda("POST", "/2015-03-31/functions/snapped:1/invocations")
        .body("{}")
        .send()
        .expect_status(status);
    assert_eq!(
        (answer.error_type(), answer.message().as_str()),
        (name, message)
    );
}

#[test]
fn a_hook_that_fails_after_the_restore_is_awss_exception_and_no_reason_to_initialise() {
    let server = Server::start();
    let source = "from snapshot_restore_py import register_after_restore\n\
                  print('initialised')\n\
                  @register_after_restore\ndef after():\n    raise ValueError('no network')\n\
                  def handler(event, context):\n    return 1\n";
    deploy(&server, source);
    let message = "The afterRestore() runtime hook encountered an error. For more information, check \
                   the Amazon CloudWatch logs.";
    for _ in 0..2 {
        refused(&server, 400, "SnapStartException", message);
    }
    assert_eq!(snapshots(&server), 1, "it is as good as before");
    let log = wait_for("two reports", Duration::from_secs(10), || {
        let log = server.log_until("/aws/lambda/snapped", "REPORT RequestId");
        let reports = log.iter().filter(|line| line.starts_with("REPORT "));
        (reports.count() == 2).then_some(log)
    });
    let count = |text: &str| log.iter().filter(|line| line.contains(text)).count();
    let class = "Status: error\tError Type: Runtime.AfterRestoreError";
    assert_eq!(
        (count("RESTORE_REPORT"), count(class)),
        (2, 4),
        "in each's report too: {log:?}"
    );
    assert_eq!(
        (count("initialised"), count("no network")),
        (1, 2),
        "{log:?}"
    );
}

#[test]
fn a_hook_that_takes_too_long_after_the_restore_is_awss_exception() {
    let server = Server::start();
    let source = "import time\nfrom snapshot_restore_py import register_after_restore\n\
                  @register_after_restore\ndef after():\n    time.sleep(60)\n\
                  def handler(event, context):\n    return 1\n";
    deploy(&server, source);
    let message = "Lambda couldn't restore the snapshot within the timeout limit.";
    refused(&server, 408, "SnapStartTimeoutException", message);
    let log = server.log_until("/aws/lambda/snapped", "REPORT RequestId");
    let report = log.iter().find(|line| line.starts_with("RESTORE_REPORT"));
    assert!(
        report.is_some_and(|line| line.ends_with("\tStatus: timeout")),
        "{log:?}"
    );
}

#[test]
fn restores_are_counted_and_their_hooks_are_billed() {
    let server = Server::start();
    let source = "import time\nfrom snapshot_restore_py import register_after_restore\n\
                  @register_after_restore\ndef after():\n    time.sleep(0.05)\n\
                  def handler(event, context):\n    return 1\n";
    deploy(&server, source);
    let (_, log) = invoke(&server, &json!({}));
    let billed = |what: &str| -> u64 {
        let (_, rest) = log.split_once(what).expect("it is in the report");
        rest.split(' ')
            .next()
            .expect("a number")
            .parse()
            .expect("a number")
    };
    let [run, restore] = ["\tBilled Duration: ", "Billed Restore Duration: "].map(billed);
    assert!((50..1_000).contains(&restore), "{log}");
    let mut kiln = server.kiln(&["usage", "--output", "json"]);
    let counted = wait_for("its usage", Duration::from_secs(10), || {
        let output = programs::run(&mut kiln);
        let document: Value = serde_json::from_slice(&output.stdout).ok()?;
        document["functions"].get(0).cloned()
    });
    assert_eq!(
        (&counted["coldStarts"], &counted["restores"]),
        (&json!(0), &json!(1)),
        "{counted}"
    );
    assert_eq!(
        (&counted["billedMs"], &counted["billedRestoreMs"]),
        (&json!(run + restore), &json!(restore)),
        "{counted}"
    );
}

#[test]
fn a_version_that_never_restores_is_initialised_and_shown_so() {
    const WARNING: &str = "no more are taken";
    let server = Server::builder().expect_log(WARNING).start();
    let source = "import os\ndef handler(event, context):\n    os._exit(1)\n";
    deploy(&server, source);
    let dir = server.home().data_dir().join("snapshots");
    let taken = || {
        let found = fs::read_dir(&dir).expect("it is made at start");
        found.filter_map(|entry| Some(entry.ok()?.path().join("head.json")))
    };
    let optimised = |server: &Server| {
        let path = "/2015-03-31/functions/snapped/configuration?Qualifier=1";
        let shown = server.lambda("GET", path).send().expect_status(200).json();
        assert_eq!(shown["State"], "Active", "{shown}");
        shown["SnapStart"]["OptimizationStatus"].clone()
    };
    assert_eq!(optimised(&server), "On");
    for attempt in 1..=3 {
        let head = wait_for("a snapshot", Duration::from_secs(30), || {
            taken().find(|head| head.exists())
        });
        // What it says first is to be executed: there is no code.
        let plan = head.with_file_name("plan");
        let bytes = fs::metadata(&plan).expect("it is there").len();
        fs::write(&plan, vec![0; bytes as usize]).expect("it is ours");
        // The caller does not notice that the function was initialised instead.
        let invoked = server.invoke("snapped:1", &json!({}));
        assert_eq!(invoked.failure()["errorType"], "Runtime.ExitError");
        assert!(
            !invoked.log.contains("\tRestore Duration"),
            "{}",
            invoked.log
        );
        wait_for("the broken one to be gone", Duration::from_secs(10), || {
            (!plan.exists()).then_some(())
        });
        if attempt < 3 {
            // This one has another taken.
            server.invoke("snapped:1", &json!({})).failure();
        }
    }
    wait_for("it to be shown", Duration::from_secs(10), || {
        (optimised(&server) == "Off").then_some(())
    });
    server.invoke("snapped:1", &json!({})).failure();
    assert_eq!(taken().count(), 0);
    assert_eq!(server.home().log().matches(WARNING).count(), 1);
}
