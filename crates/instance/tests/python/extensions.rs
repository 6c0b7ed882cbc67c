//! Extensions in real sandboxes: in shell, in Rust with AWS's own crate, and within a Python function.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kiln_instance::Spec;
use kiln_testkit::{programs, runtimes};
use kiln_types::{InvocationReport, InvocationStatus};

use crate::functions::{Server, invoke, value};

const PATIENCE: Duration = Duration::from_secs(60);

/// A layer with this program as extension.
fn layer(directory: &Path, name: &str, program: &Path) -> PathBuf {
    let layer = directory.join(format!("layer-{name}"));
    let folder = layer.join("extensions");
    fs::create_dir_all(&folder).expect("the directory is ours");
    fs::copy(program, folder.join(name)).expect("the program is there");
    for path in [&layer, &folder, &folder.join(name)] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("it is ours");
    }
    layer
}

/// Waits until a line of the log contains this.
async fn until(server: &Server, what: &str) {
    let look = async {
        while !server.lines().iter().any(|line| line.contains(what)) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let seen = tokio::time::timeout(PATIENCE, look).await;
    assert!(seen.is_ok(), "no {what:?} in {:#?}", server.lines());
}

fn succeeded(report: &InvocationReport) {
    let document = String::from_utf8_lossy(&report.payload);
    assert_eq!(report.status, InvocationStatus::Success, "{document}");
}

const CODE: &str = "def handler(event, context):\n    print('handling', event)\n    return event";
/// The same as a custom runtime.
const BOOTSTRAP: &str = "#!/usr/bin/env python3
import os, urllib.request
api = 'http://' + os.environ['AWS_LAMBDA_RUNTIME_API'] + '/2018-06-01/runtime/invocation/'
while True:
    event = urllib.request.urlopen(api + 'next')
    id, body = event.headers['Lambda-Runtime-Aws-Request-Id'], event.read()
    print('handling', body.decode(), flush=True)
    urllib.request.urlopen(urllib.request.Request(f'{api}{id}/response', body))
";

fn custom(server: &Server) -> Spec {
    let mut spec = server.spec(CODE);
    let configuration = std::sync::Arc::make_mut(&mut spec.configuration);
    configuration.runtime = Some("provided.al2023".parse().expect("a runtime"));
    let bootstrap = spec.code_dir.join("bootstrap");
    fs::write(&bootstrap, BOOTSTRAP).expect("the directory is ours");
    fs::set_permissions(&bootstrap, fs::Permissions::from_mode(0o755)).expect("it is ours");
    spec
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shell_script_beside_a_function_of_either_kind_hears_of_everything() {
    let server = Server::start(&runtimes::newest_python()).await;
    let script = programs::repository().join("examples/shell-extension/extensions/witness.sh");
    let layer = layer(server.directory.path(), "witness.sh", &script);
    for spec in [server.spec(CODE), custom(&server)] {
        let before = server.lines().len();
        let handle = server.run(Spec {
            layer_dirs: vec![layer.clone()],
            ..spec
        });
        for _ in 0..2 {
            succeeded(&invoke(&handle, "1").await);
            handle.settled().await;
        }
        handle.freeze();
        handle.stop();
        handle.stopped().await;
        let lines = server.lines()[before..].to_vec();
        let count = |what: &str| lines.iter().filter(|line| *line == what).count();
        assert_eq!(count("witness: an invocation"), 2, "{lines:#?}");
        assert_eq!(count("witness: the end"), 1, "{lines:#?}");
        let listed = "EXTENSION\tName: witness.sh\tState: Ready\tEvents: [INVOKE, SHUTDOWN]";
        assert_eq!(count(listed), 1, "{lines:#?}");
    }
    server.sandboxes.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_extension_written_with_the_crate_for_rust_gets_events_and_telemetry() {
    let server = Server::start(&runtimes::newest_python()).await;
    let program = programs::example("rust_extension");
    let layer = layer(server.directory.path(), "durations", &program);
    for (event, spec) in [("1", server.spec(CODE)), ("2", custom(&server))] {
        let handle = server.run(Spec {
            layer_dirs: vec![layer.clone()],
            ..spec
        });
        let report = invoke(&handle, event).await;
        succeeded(&report);
        until(
            &server,
            &format!("extension: the function said handling {event}"),
        )
        .await;
        until(&server, " took ").await;
        handle.stop();
        handle.stopped().await;
        until(&server, "extension: ends for spindown").await;
    }
    let lines = server.lines();
    let subscribed = "TELEMETRY\tName: durations\tState: Subscribed\tTypes: [platform, function]";
    let count = lines.iter().filter(|line| *line == subscribed).count();
    assert_eq!(count, 2, "{lines:#?}");
    server.sandboxes.shutdown().await;
}

/// Registers an extension in a thread, serves telemetry in another, and says on `SIGTERM` that it ends.
const INTERNAL: &str = "import http.server, json, os, signal, sys, threading, urllib.request
API = 'http://' + os.environ['AWS_LAMBDA_RUNTIME_API']
heard, records = [], []

def call(method, path, headers, body=None):
    request = urllib.request.Request(API + path, body and json.dumps(body).encode(), headers, method=method)
    return urllib.request.urlopen(request)

class Take(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def do_POST(self):
        records.extend(json.loads(self.rfile.read(int(self.headers['Content-Length']))))
        self.send_response(200)
        self.send_header('Content-Length', '0')
        self.end_headers()
    def log_message(self, *args):
        pass

server = http.server.HTTPServer(('sandbox.localdomain', 4243), Take)
threading.Thread(target=server.serve_forever, daemon=True).start()
answer = call('POST', '/2020-01-01/extension/register', {'Lambda-Extension-Name': 'inside'}, {'events': ['INVOKE']})
me = {'Lambda-Extension-Identifier': answer.headers['Lambda-Extension-Identifier']}
call('PUT', '/2022-07-01/telemetry', me, {
    'schemaVersion': '2022-07-01', 'types': ['platform', 'function'],
    'destination': {'protocol': 'HTTP', 'URI': 'http://sandbox.localdomain:4243'},
    'buffering': {'timeoutMs': 25}})

def listen():
    while True:
        heard.append(json.load(call('GET', '/2020-01-01/extension/event/next', me)))

threading.Thread(target=listen, daemon=True).start()

def end(*_):
    print('tidied up', flush=True)
    sys.exit(0)

signal.signal(signal.SIGTERM, end)

def handler(event, context):
    print('handling', event)
    return {'heard': [one['requestId'] for one in heard], 'records': records}
";

#[tokio::test(flavor = "multi_thread")]
async fn an_extension_within_a_python_function_hears_of_invocations_and_gets_telemetry() {
    let server = Server::start(&runtimes::newest_python()).await;
    let handle = server.run(server.spec(INTERNAL));
    let first = invoke(&handle, "1").await;
    succeeded(&first);
    handle.settled().await;
    let gather = async {
        loop {
            let seen = value(&invoke(&handle, "2").await);
            handle.settled().await;
            let kinds: Vec<String> = seen["records"]
                .as_array()
                .expect("a list")
                .iter()
                .map(|record| record["type"].as_str().expect("a type").to_owned())
                .collect();
            let has = |kind: &str| kinds.iter().any(|seen| seen == kind);
            if ["platform.report", "function"].into_iter().all(has) {
                return (seen, kinds);
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    };
    let gathered = tokio::time::timeout(PATIENCE, gather).await;
    let (seen, kinds) = gathered.expect("telemetry comes");
    assert!(
        seen["heard"]
            .as_array()
            .is_some_and(|heard| !heard.is_empty())
    );
    assert_eq!(kinds[0], "platform.initStart");
    handle.stop();
    handle.stopped().await;
    until(&server, "tidied up").await;
    server.sandboxes.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_extension_that_ends_fails_the_invocation_and_nothing_is_left() {
    let server = Server::start(&runtimes::newest_python()).await;
    let script = server.directory.path().join("ends.sh");
    fs::write(&script, "#!/bin/sh\necho going; exit 3\n").expect("the directory is ours");
    let layer = layer(server.directory.path(), "ends.sh", &script);
    let handle = server.run(Spec {
        layer_dirs: vec![layer],
        ..server.spec(CODE)
    });
    let report = invoke(&handle, "1").await;
    assert_eq!(report.status, InvocationStatus::InitError);
    assert_eq!(value(&report)["errorType"], "Extension.Crash");
    let message = value(&report)["errorMessage"].to_string();
    assert!(message.contains("Error: exit status 3"), "{message}");
    handle.stopped().await;
    until(&server, "going").await;
    server.sandboxes.shutdown().await;
    assert_eq!(server.sandboxes.statistics().live, 0);
}
