//! Functions that bring their own runtime: in shell, with AWS's clients for Rust and Python, and such
//! that cannot start.

use std::fs;
use std::path::Path;
use std::process::Command;

use kiln_testkit::{FunctionBuilder, Server, archive, clients, programs, runtimes};
use serde_json::json;

/// A function of a custom runtime with these files, all executable.
pub(super) fn custom<'a>(
    server: &'a Server,
    name: &str,
    files: &[(&str, &[u8])],
) -> FunctionBuilder<'a> {
    server
        .function(name, "")
        .zip(archive::programs(files))
        .set("Runtime", json!("provided.al2023"))
}

/// A function whose program is this script.
fn script<'a>(server: &'a Server, name: &str, script: &str) -> FunctionBuilder<'a> {
    custom(server, name, &[("bootstrap", script.as_bytes())])
}

/// A Python that every sandbox has, to write short runtimes in.
const PYTHON: &str = "#!/usr/bin/env python3
import json, os, urllib.request
API = 'http://' + os.environ['AWS_LAMBDA_RUNTIME_API'] + '/2018-06-01/runtime/'
def call(path, body=None):
    answer = urllib.request.urlopen(urllib.request.Request(API + path, body))
    return answer.headers, answer.read()
def next_event():
    headers, event = call('invocation/next')
    return headers['Lambda-Runtime-Aws-Request-Id'], json.loads(event)
def respond(id, result):
    call(f'invocation/{id}/response', json.dumps(result).encode())
";

pub(super) fn python<'a>(server: &'a Server, name: &str, program: &str) -> FunctionBuilder<'a> {
    script(server, name, &format!("{PYTHON}{program}"))
}

fn example(file: &str) -> Vec<u8> {
    let path = programs::repository().join("examples").join(file);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn a_shell_script_is_a_runtime() {
    let curl = Command::new("curl").arg("--version").output();
    assert!(curl.is_ok(), "this test needs curl");
    let server = Server::start();
    let (bootstrap, greet) = (example("shell/bootstrap"), example("shell/greet.sh"));
    custom(
        &server,
        "greet",
        &[("bootstrap", &bootstrap), ("greet.sh", &greet)],
    )
    .set("Handler", json!("greet.hello"))
    .create();
    let first = server.invoke("greet", &json!({"name": "Ada"}));
    assert_eq!(first.success(), json!({"greeting": "Hello, Ada!"}));
    assert!(first.log.contains("greeting Ada\n"), "{}", first.log);
    assert!(first.log.contains("Init Duration: "), "{}", first.log);
    let failed = server.invoke("greet", &json!({})).failure();
    let expected = json!({"errorType": "Failed", "errorMessage": "the handler failed"});
    assert_eq!(failed, expected);
    let next = server.invoke("greet", &json!({"name": "Grace"}));
    assert_eq!(next.success(), json!({"greeting": "Hello, Grace!"}));
}

#[test]
fn a_folder_with_an_executable_bootstrap_is_deployed_as_a_custom_runtime() {
    let server = Server::start();
    let folder = programs::repository().join("examples/shell");
    let deploy = |handler: &[&str]| {
        let mut args = vec!["deploy", folder.to_str().unwrap(), "--name", "greet"];
        args.extend(handler);
        programs::run(&mut server.kiln(&args))
    };
    deploy(&["--handler", "greet.hello"]);
    let described = server.wait_until_active("greet");
    assert_eq!(described["Runtime"], "provided.al2023");
    let result = server.invoke("greet", &json!({"name": "Ada"})).success();
    assert_eq!(result, json!({"greeting": "Hello, Ada!"}));
}

#[test]
fn a_function_written_with_the_runtime_crate_for_rust_runs() {
    let server = Server::start();
    let program = fs::read(programs::example("rust_function")).unwrap();
    custom(&server, "sum", &[("bootstrap", &program)]).create();
    for number in 0..5 {
        let sum = server.invoke("sum", &json!({"num1": 1, "num2": number}));
        assert_eq!(sum.success(), json!({"result": 1 + number}));
        assert!(sum.log.contains(&format!("the sum is {}\n", 1 + number)));
        assert_eq!(
            sum.log.contains("Init Duration"),
            number == 0,
            "{}",
            sum.log
        );
    }
    let failed = server.invoke("sum", &json!({"num1": 1})).failure();
    assert_eq!(failed["errorMessage"], "num2 must be a whole number");
}

/// AWS's runtime client for Python in a package with this program, started by the machine's Python.
pub(super) fn python_client<'a>(server: &'a Server, name: &str, app: &str) -> FunctionBuilder<'a> {
    let python = runtimes::system_python();
    let installed = clients::awslambdaric_packages(&python);
    let mut files = Vec::new();
    for entry in fs::read_dir(&installed).unwrap() {
        let name = entry.unwrap().file_name();
        let is_client = [
            "awslambdaric",
            "runtime_client",
            "simplejson",
            "snapshot_restore_py",
        ]
        .iter()
        .any(|part| name.to_string_lossy().starts_with(part));
        if is_client {
            collect(&installed, Path::new(&name), &mut files);
        }
    }
    let interpreter = python.executable.display();
    let bootstrap = format!("#!/bin/sh\nexec {interpreter} -m awslambdaric \"$_HANDLER\"\n");
    files.push(("bootstrap".to_owned(), bootstrap.into_bytes()));
    files.push(("app.py".to_owned(), app.as_bytes().to_vec()));
    let files: Vec<(&str, &[u8])> = files
        .iter()
        .map(|(name, content)| (name.as_str(), content.as_slice()))
        .collect();
    custom(server, name, &files)
        .set("Handler", json!("app.handler"))
        .memory(1769)
}

fn collect(root: &Path, inside: &Path, files: &mut Vec<(String, Vec<u8>)>) {
    let path = root.join(inside);
    if !path.is_dir() {
        let name = inside.to_str().unwrap().to_owned();
        return files.push((name, fs::read(path).unwrap()));
    }
    for entry in fs::read_dir(path).unwrap() {
        let name = entry.unwrap().file_name();
        if name != "__pycache__" {
            collect(root, &inside.join(name), files);
        }
    }
}

#[test]
fn aws_s_runtime_client_for_python_runs_as_a_bootstrap() {
    let server = Server::start();
    let app = "def handler(event, context):
    print('for', context.aws_request_id)
    if 'fail' in event: raise ValueError('as asked')
    if 'deep' in event: handler(event, context)
    return {'left': context.get_remaining_time_in_millis() > 5000,
            'arn': context.invoked_function_arn, 'event': event}
";
    python_client(&server, "ric", app).create();
    for _ in 0..3 {
        let ran = server.invoke("ric", &json!({"a": "ö"}));
        let result = ran.success();
        assert_eq!(
            (&result["left"], &result["event"]),
            (&json!(true), &json!({"a": "ö"}))
        );
        assert!(result["arn"].as_str().unwrap().ends_with(":function:ric"));
        assert!(
            ran.log.contains(&format!("for {}\n", ran.request_id)),
            "{}",
            ran.log
        );
    }
    let failed = server.invoke("ric", &json!({"fail": 1})).failure();
    assert_eq!(failed["errorType"], "ValueError");
    assert_eq!(failed["errorMessage"], "as asked");
    // A thousand frames, which this client sends as a header too.
    let failed = server.invoke("ric", &json!({"deep": 1})).failure();
    assert_eq!(failed["errorType"], "RecursionError");
}

#[test]
fn an_error_of_init_reaches_the_caller() {
    let server = Server::start();
    python_client(&server, "ric", "import nowhere\n").create();
    let failed = server.invoke("ric", &json!({}));
    assert_eq!(failed.failure()["errorType"], "Runtime.ImportModuleError");
    assert!(
        failed.log.contains("Phase: invoke\tStatus: error"),
        "{}",
        failed.log
    );
}

#[test]
fn a_program_that_cannot_be_started_is_an_invalid_entrypoint() {
    let server = Server::start();
    let start = |name: &str, zip: Vec<u8>| {
        let function = server.function(name, "").zip(zip);
        function.set("Runtime", json!("provided.al2")).create();
        let failed = server.invoke(name, &json!({}));
        let document = failed.failure();
        assert_eq!(document["errorType"], "Runtime.InvalidEntrypoint");
        assert!(failed.log.contains("Error Type: Runtime.InvalidEntrypoint"));
        document["errorMessage"].as_str().unwrap().to_owned()
    };
    let script: &[(&str, &[u8])] = &[("bootstrap", b"#!/bin/sh\n")];
    let foreign: &[(&str, &[u8])] = &[("bootstrap", b"\x7fELF for another machine")];
    let table = [
        (
            "missing",
            archive::zip(&[("app.sh", b"")]),
            "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]",
        ),
        (
            "forbidden",
            archive::zip(script),
            "fork/exec /var/task/bootstrap: permission denied",
        ),
        (
            "foreign",
            archive::programs(foreign),
            "fork/exec /var/task/bootstrap: exec format error",
        ),
    ];
    for (name, zip, expected) in table {
        let message = start(name, zip);
        assert!(
            message.ends_with(&format!(" Error: {expected}")),
            "{message}"
        );
    }
}

#[test]
fn a_runtime_that_ends_is_an_exit_error_and_its_successor_works() {
    let server = Server::start();
    let program = "import sys
while True:
    id, event = next_event()
    if event == 'exit': sys.exit(7)
    respond(id, event)
";
    python(&server, "ends", program).create();
    let document = server.invoke("ends", &json!("exit")).failure();
    assert_eq!(document["errorType"], "Runtime.ExitError");
    let message = document["errorMessage"].as_str().unwrap();
    assert!(
        message.ends_with("Error: Runtime exited with error: exit status 7"),
        "{message}"
    );
    assert_eq!(server.invoke("ends", &json!("stay")).success(), "stay");
}

#[test]
fn time_that_runs_out_is_told_and_the_next_invocation_has_a_new_instance() {
    let server = Server::start();
    let program = "import time
while True:
    id, event = next_event()
    time.sleep(event)
    respond(id, os.getpid())
";
    python(&server, "slow", program).timeout(1).create();
    let document = server.invoke("slow", &json!(60)).failure();
    assert_eq!(document["errorType"], "Sandbox.Timedout");
    let message = document["errorMessage"].as_str().unwrap();
    assert!(
        message.ends_with("Task timed out after 1.00 seconds"),
        "{message}"
    );
    server.invoke("slow", &json!(0)).success();
}

#[test]
fn what_a_runtime_does_after_its_answer_is_logged_and_billed() {
    let server = Server::start();
    let program = "import time
while True:
    id, event = next_event()
    respond(id, 'early')
    time.sleep(0.3)
    print('tidied up', flush=True)
";
    python(&server, "tidies", program).create();
    let ran = server.invoke("tidies", &json!({}));
    assert_eq!(ran.success(), "early");
    // With the tail of the log: the answer waits for it.
    assert!(
        ran.log.contains("tidied up\nEND RequestId: "),
        "{}",
        ran.log
    );
    let duration = ran.log.split("\tDuration: ").nth(1).unwrap();
    let duration: f64 = duration.split(' ').next().unwrap().parse().unwrap();
    assert!(duration >= 300.0, "{}", ran.log);
}

#[test]
fn the_environment_is_that_of_a_custom_runtime() {
    let server = Server::start();
    let program = "while True:
    id, event = next_event()
    respond(id, {'env': dict(os.environ), 'cwd': os.getcwd(), 'fds': sorted(os.listdir('/proc/self/fd'))})
";
    python(&server, "env", program)
        .environment(json!({"COLOUR": "blue"}))
        .create();
    let seen = server.invoke("env", &json!({})).success();
    let expected = [
        ("COLOUR", "blue"),
        ("_HANDLER", "index.handler"),
        ("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001"),
        ("AWS_LAMBDA_FUNCTION_NAME", "env"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
        ("LAMBDA_TASK_ROOT", "/var/task"),
        ("AWS_REGION", "us-east-1"),
        ("TZ", ":UTC"),
    ];
    for (name, value) in expected {
        assert_eq!(seen["env"][name], value, "{name}");
    }
    assert_eq!(seen["env"].get("AWS_EXECUTION_ENV"), None);
    assert_eq!(seen["env"].get("PYTHONPATH"), None);
    assert_eq!(seen["cwd"], "/var/task");
}

#[test]
fn two_functions_never_reach_each_other_s_api() {
    let server = Server::start();
    let program = "while True:
    id, event = next_event()
    respond(id, [os.environ['AWS_LAMBDA_FUNCTION_NAME'], event])
";
    let names = ["one", "two", "three"];
    for name in names {
        python(&server, name, program).create();
    }
    std::thread::scope(|scope| {
        for name in names {
            let server = &server;
            scope.spawn(move || {
                for number in 0..10 {
                    let answer = server.invoke(name, &json!(number)).success();
                    assert_eq!(answer, json!([name, number]));
                }
            });
        }
    });
}
