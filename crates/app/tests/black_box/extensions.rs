//! Extensions and telemetry, as a function's author sees them.

use std::fs;

use base64::Engine as _;
use kiln_testkit::{Server, archive, programs};
use serde_json::json;

/// A layer that brings this extension.
fn layer(server: &Server, name: &str, program: &[u8]) -> String {
    let file = format!("extensions/{name}");
    let zip = archive::programs(&[(&file, program)]);
    let zip = base64::engine::general_purpose::STANDARD.encode(zip);
    let request = server.lambda("POST", "/2018-10-31/layers/with-extension/versions");
    let published = request.json(&json!({"Content": {"ZipFile": zip}})).send();
    let published = published.expect_status(201).json();
    published["LayerVersionArn"].as_str().unwrap().to_owned()
}

#[test]
fn an_extension_of_a_layer_runs_beside_functions_of_every_runtime() {
    let server = Server::start();
    let examples = programs::repository().join("examples");
    let read = |file: &str| fs::read(examples.join(file)).unwrap();
    let witness = read("shell-extension/extensions/witness.sh");
    let layer = layer(&server, "witness.sh", &witness);
    let code = "def handler(event, context):\n    return 'done'\n";
    let python = server.function("python", code);
    python.set("Layers", json!([layer])).create();
    let bootstrap = read("shell/bootstrap");
    let greet = read("shell/greet.sh");
    let files: &[(&str, &[u8])] = &[("bootstrap", &bootstrap), ("greet.sh", &greet)];
    let custom = server.function("custom", "").zip(archive::programs(files));
    let custom = custom.set("Runtime", json!("provided.al2023"));
    let custom = custom.set("Handler", json!("greet.hello"));
    custom.set("Layers", json!([layer])).create();
    for name in ["python", "custom", "python", "custom"] {
        let ran = server.invoke(name, &json!({"name": "Ada"}));
        ran.success();
        // With the tail of the log: the answer waits for the extension.
        let (before_end, _) = ran.log.split_once("END RequestId: ").unwrap();
        let heard = before_end.contains("witness: an invocation\n");
        assert!(heard, "{name}: {}", ran.log);
    }
}

#[test]
fn an_extension_that_cannot_be_executed_is_a_launch_error() {
    let server = Server::start();
    let layer = layer(&server, "foreign", b"\x7fELF for another machine");
    let code = "def handler(event, context):\n    return 'done'\n";
    let function = server.function("python", code);
    function.set("Layers", json!([layer])).create();
    let failed = server.invoke("python", &json!({})).failure();
    assert_eq!(failed["errorType"], "Extension.LaunchError");
    let message = failed["errorMessage"].as_str().unwrap();
    let expected = "fork/exec /opt/extensions/foreign: exec format error";
    assert!(message.ends_with(expected), "{message}");
}

/// A function with an extension in its own process, which is told of invocations, takes telemetry, and
/// goes on for a while after each answer.
const INTERNAL: &str =
    "import http.server, json, os, signal, sys, threading, time, urllib.request
API = 'http://' + os.environ['AWS_LAMBDA_RUNTIME_API']
heard, kinds = [], []

def call(method, path, headers, body=None):
    body = body and json.dumps(body).encode()
    return urllib.request.urlopen(urllib.request.Request(API + path, body, headers, method=method))

class Take(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def do_POST(self):
        batch = json.loads(self.rfile.read(int(self.headers['Content-Length'])))
        kinds.extend(record['type'] for record in batch)
        self.send_response(200)
        self.send_header('Content-Length', '0')
        self.end_headers()
    def log_message(self, *args):
        pass

server = http.server.HTTPServer(('sandbox.localdomain', 4243), Take)
threading.Thread(target=server.serve_forever, daemon=True).start()
answer = call('POST', '/2020-01-01/extension/register', {'Lambda-Extension-Name': 'inside'}, {'events': ['INVOKE']})
function = json.load(answer)
me = {'Lambda-Extension-Identifier': answer.headers['Lambda-Extension-Identifier']}
call('PUT', '/2022-07-01/telemetry', me, {
    'schemaVersion': '2022-12-13', 'types': ['platform', 'function'],
    'destination': {'protocol': 'HTTP', 'URI': 'http://sandbox.localdomain:4243'},
    'buffering': {'timeoutMs': 25}})

def listen():
    while True:
        event = json.load(call('GET', '/2020-01-01/extension/event/next', me))
        time.sleep(0.2)
        heard.append(event['requestId'])
        print('extension is done', flush=True)

threading.Thread(target=listen, daemon=True).start()

def handler(event, context):
    print('handling')
    return {'function': function, 'heard': heard, 'kinds': kinds}
";

#[test]
fn an_extension_within_a_function_hears_of_its_invocations_and_prolongs_them() {
    let server = Server::start();
    server.function("inside", INTERNAL).memory(1769).create();
    let first = server.invoke("inside", &json!({}));
    let expected = json!({
        "functionName": "inside", "functionVersion": "$LATEST", "handler": "index.handler",
    });
    assert_eq!(first.success()["function"], expected);
    // With the tail of the log: the answer waits for it.
    assert!(
        first.log.contains("extension is done\nEND RequestId: "),
        "{}",
        first.log
    );
    for line in [
        "EXTENSION\tName: inside\tState: ",
        "TELEMETRY\tName: inside\tState: Subscribed\tTypes: [platform, function]",
    ] {
        assert!(first.log.contains(line), "{line}: {}", first.log);
    }
    let mut kinds = json!([]);
    let mut heard = json!([]);
    for _ in 0..50 {
        let seen = server.invoke("inside", &json!({})).success();
        (kinds, heard) = (seen["kinds"].clone(), seen["heard"].clone());
        let has = |kind: &str| kinds.as_array().unwrap().contains(&json!(kind));
        if has("platform.report") && has("function") {
            break;
        }
    }
    assert_eq!(heard[0], json!(first.request_id));
    for kind in [
        "platform.initStart",
        "platform.telemetrySubscription",
        "platform.start",
        "platform.runtimeDone",
        "platform.report",
        "function",
    ] {
        assert!(
            kinds.as_array().unwrap().contains(&json!(kind)),
            "{kind}: {kinds}"
        );
    }
}

#[test]
fn a_function_whose_internal_extension_gives_up_says_why_it_ended() {
    let server = Server::start();
    let code = "import os, urllib.request
def call(path, headers, body):
    api = 'http://' + os.environ['AWS_LAMBDA_RUNTIME_API'] + '/2020-01-01/extension/'
    return urllib.request.urlopen(urllib.request.Request(api + path, body, headers))
answer = call('register', {'Lambda-Extension-Name': 'quits'}, b'{\"events\": []}')
me = {'Lambda-Extension-Identifier': answer.headers['Lambda-Extension-Identifier']}
def handler(event, context):
    call('exit/error', {**me, 'Lambda-Extension-Function-Error-Type': 'Extension.Mine'}, b'{}')
    os._exit(9)
";
    server.function("quits", code).create();
    let failed = server.invoke("quits", &json!({})).failure();
    assert_eq!(failed["errorType"], "Extension.ExitError");
    let message = failed["errorMessage"].as_str().unwrap();
    assert!(message.ends_with("exit status 9"), "{message}");
    server.invoke("quits", &json!({})).failure();
}
