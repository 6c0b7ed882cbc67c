//! What a function of each kind does, through a handle.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use kiln_instance::{Handle, Host, LogSink, Spec};
use kiln_sandbox::Sandboxes;
use kiln_testkit::runtimes;
use kiln_types::function::StartMode;
use kiln_types::{
    Initialization, InstanceId, InvocationReport, InvocationStatus, LogRecord, MemoryMb,
    SystemClock, TimeoutSecs,
};
use serde_json::{Value, json};
use tokio_util::task::TaskTracker;

use crate::setting::{self, Installed};

#[derive(Default)]
struct Sink(Mutex<Vec<String>>);

impl LogSink for Sink {
    fn write(&self, records: Vec<LogRecord>) {
        let messages = records.into_iter().map(|record| record.message);
        self.0.lock().expect("no holder panics").extend(messages);
    }
}

/// Instances of one Python's functions.
pub struct Server {
    python: Installed,
    pub directory: tempfile::TempDir,
    pub sandboxes: Sandboxes,
    host: Host,
    sink: Arc<Sink>,
    instances: AtomicU64,
}

impl Server {
    pub async fn start(python: &runtimes::Python) -> Self {
        let packs = runtimes::packs(std::slice::from_ref(python), &[]);
        let python = Installed::read(&packs.join(python.runtime()));
        let directory = tempfile::tempdir().expect("a directory");
        let pythons = [python.clone()];
        let (sandboxes, config) = setting::start(spawner(), directory.path(), &pythons).await;
        let sink = Arc::new(Sink::default());
        let clock = Arc::new(SystemClock::start());
        let logs = Arc::clone(&sink) as Arc<dyn LogSink>;
        let host = Host::new(config, sandboxes.clone(), logs, clock, TaskTracker::new());
        let instances = AtomicU64::default();
        Self {
            python,
            directory,
            sandboxes,
            host,
            sink,
            instances,
        }
    }

    pub fn spec(&self, code: &str) -> Spec {
        setting::spec(&self.python, self.directory.path(), code)
    }

    pub fn run(&self, spec: Spec) -> Handle {
        let id = InstanceId(self.instances.fetch_add(1, Ordering::Relaxed));
        self.host
            .start(id, Arc::new(spec), Initialization::OnDemand)
    }

    pub fn lines(&self) -> Vec<String> {
        self.sink.0.lock().expect("no holder panics").clone()
    }
}

/// The program built from `examples/instance_host.rs`.
fn spawner() -> PathBuf {
    let test = std::env::current_exe().expect("this test's path");
    let build = test.parent().and_then(Path::parent);
    build
        .expect("target/debug/deps/<test>")
        .join("examples/instance_host")
}

pub async fn invoke(handle: &Handle, event: &str) -> InvocationReport {
    handle
        .invoke(setting::invocation(event))
        .await
        .expect("it runs")
}

pub fn value(report: &InvocationReport) -> Value {
    serde_json::from_slice(&report.payload).expect("JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_python_of_this_machine_runs_a_function_from_a_stem_and_afresh() {
    for python in runtimes::pythons() {
        let server = Server::start(&python).await;
        let code = "import boto3, sys\ndef handler(event, context):\n    return [sum(event), sys.version_info[1], boto3.__name__]";
        for start in [StartMode::Zygote, StartMode::Fresh] {
            let handle = server.run(Spec {
                start,
                ..server.spec(code)
            });
            for expected in [true, false] {
                let report = invoke(&handle, "[1, 2]").await;
                let case = format!("{} {start:?}", python.runtime());
                assert_eq!(
                    report.status,
                    InvocationStatus::Success,
                    "{case} {report:?}"
                );
                assert_eq!(value(&report), json!([3, python.minor, "boto3"]), "{case}");
                assert_eq!(report.init.is_some(), expected, "{case}");
                assert!(report.memory_peak_bytes > 1 << 20, "{case}");
            }
        }
        server.sandboxes.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_finds_itself_in_aws_s_surroundings() {
    let server = Server::start(&runtimes::newest_python()).await;
    let code = r#"
import os, sys
def attempt(path):
    try:
        open(path, "w").close()
        return "written"
    except OSError as error:
        return error.strerror
def handler(event, context):
    return {
        "cwd": os.getcwd(),
        "path": sys.path[:4],
        "task": attempt("/var/task/x"),
        "tmp": attempt("/tmp/x"),
        "name": os.environ["AWS_LAMBDA_FUNCTION_NAME"],
        "left": 2000 < context.get_remaining_time_in_millis() <= 3000,
    }
"#;
    let report = invoke(&server.run(server.spec(code)), "{}").await;
    let opt = format!("/opt/python/lib/{}/site-packages", server.python.name);
    let expected = json!({
        "cwd": "/var/task",
        "path": ["/var/task", opt, "/opt/python", "/var/runtime"],
        "task": "Read-only file system",
        "tmp": "written",
        "name": "sum",
        "left": true,
    });
    assert_eq!(value(&report), expected);
    server.sandboxes.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_way_to_fail_has_its_document_and_its_log() {
    let server = Server::start(&runtimes::newest_python()).await;
    let raise = "def handler(event, context):\n    ";
    let table = [
        (
            "raise KeyError('gone')",
            InvocationStatus::Error,
            "KeyError",
        ),
        (
            "import sys; sys.exit(3)",
            InvocationStatus::Crash,
            "Runtime.ExitError",
        ),
        ("exit()", InvocationStatus::Crash, "Runtime.ExitError"),
        (
            "import ctypes; ctypes.string_at(0)",
            InvocationStatus::Crash,
            "Runtime.ExitError",
        ),
        (
            "while True: pass",
            InvocationStatus::Timeout,
            "Sandbox.Timedout",
        ),
        (
            "x = bytearray(1 << 30)",
            InvocationStatus::OutOfMemory,
            "Runtime.OutOfMemory",
        ),
        (
            "return 'x' * (7 << 20)",
            InvocationStatus::Error,
            "Function.ResponseSizeTooLarge",
        ),
    ];
    for (statement, status, class) in table {
        let mut spec = server.spec(&format!("{raise}{statement}"));
        let configuration = Arc::make_mut(&mut spec.configuration);
        configuration.timeout = TimeoutSecs::new(6).unwrap();
        configuration.memory = MemoryMb::new(256).unwrap();
        let report = invoke(&server.run(spec), "{}").await;
        assert_eq!(report.status, status, "{statement}: {report:?}");
        assert_eq!(value(&report)["errorType"], class, "{statement}");
    }
    let lines = server.lines();
    let has = |part: &str| {
        assert!(
            lines.iter().any(|line| line.contains(part)),
            "{part}: {lines:#?}"
        )
    };
    has("[ERROR] KeyError: 'gone'\nTraceback (most recent call last):\n");
    has("Task timed out after 6.00 seconds");
    has("\tStatus: error\tError Type: Runtime.OutOfMemory");
    let broken = server.spec("import nowhere");
    let report = invoke(&server.run(broken), "{}").await;
    assert_eq!(report.status, InvocationStatus::InitError);
    assert_eq!(value(&report)["errorType"], "Runtime.ImportModuleError");
    server.sandboxes.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_instance_does_nothing_until_its_next_invocation() {
    let server = Server::start(&runtimes::newest_python()).await;
    let code = r#"
import threading, time
ticks = 0
def tick():
    global ticks
    while True:
        time.sleep(0.01)
        ticks += 1
threading.Thread(target=tick, daemon=True).start()
def handler(event, context): return ticks
"#;
    let handle = server.run(server.spec(code));
    invoke(&handle, "{}").await;
    let pause = std::time::Duration::from_millis(300);
    let ticks = async |frozen: bool| {
        let before = value(&invoke(&handle, "{}").await).as_u64().unwrap();
        if frozen {
            handle.freeze();
        }
        tokio::time::sleep(pause).await;
        value(&invoke(&handle, "{}").await).as_u64().unwrap() - before
    };
    assert!(ticks(true).await <= 3);
    assert!(ticks(false).await > 3);
    server.sandboxes.shutdown().await;
}
