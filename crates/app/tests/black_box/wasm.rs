//! Functions that are WebAssembly: commands and HTTP components, and guests that mean no good.

use std::time::Duration;

use kiln_testkit::{FunctionBuilder, Server, archive, programs, wait_for};
use serde_json::{Value, json};

use super::function_urls::{give_url, open_to_everybody};

/// A module of the repository, from its text.
fn module(path: &str) -> Vec<u8> {
    wat::parse_file(programs::repository().join(path)).unwrap()
}

fn hello() -> Vec<u8> {
    module("examples/wasm/hello.wat")
}

fn http() -> Vec<u8> {
    module("examples/wasm/http.wat")
}

/// Does what an event asks: see the file.
fn probe() -> Vec<u8> {
    module("crates/wasm/tests/probe.wat")
}

pub(super) fn function<'a>(
    server: &'a Server,
    name: &str,
    package: Vec<u8>,
) -> FunctionBuilder<'a> {
    let function = server.function(name, "").zip(package);
    let function = function.set("Runtime", json!("provided.wasm"));
    function.set("Handler", json!("main.wasm"))
}

#[test]
fn a_command_reads_the_event_and_writes_the_result() {
    let server = Server::start();
    let described = function(&server, "hello", hello()).create();
    assert_eq!(described["Runtime"], "provided.wasm");
    let zip = archive::zip(&[("hello.wasm", &hello()), ("README", b"x")]);
    function(&server, "zipped", zip).create();
    for name in ["hello", "zipped"] {
        for number in 0..3 {
            let done = server.invoke(name, &json!({"n": number}));
            assert_eq!(done.success(), json!({"youSent": {"n": number}}));
            for text in ["handling an event\n", "START ", "END ", "REPORT "] {
                assert!(done.log.contains(text), "{}", done.log);
            }
            let is_first = done.log.contains("Init Duration");
            assert_eq!(is_first, number == 0, "{}", done.log);
        }
    }
}

#[test]
fn what_is_written_is_a_text_unless_it_is_json_and_nothing_is_null() {
    let server = Server::start();
    function(&server, "probe", probe()).create();
    let empty = server.invoke("probe", &json!("nothing"));
    assert_eq!(empty.success(), Value::Null);
    let number = server.invoke("probe", &json!("calls")).success();
    assert_eq!(number, json!("01"), "01 is not JSON");
}

#[test]
fn nothing_of_a_guest_is_there_for_the_next_invocation() {
    let server = Server::start();
    function(&server, "probe", probe()).create();
    let first = server.invoke("probe", &json!("calls"));
    let second = server.invoke("probe", &json!("calls"));
    assert!(!second.log.contains("Init Duration"), "one process");
    for done in [first, second] {
        assert_eq!(done.success(), json!("01"));
    }
}

#[test]
fn a_trap_and_an_exit_are_errors_and_the_next_invocation_is_fine() {
    let server = Server::start();
    function(&server, "probe", probe()).create();
    server.invoke("probe", &json!("calls")).success();
    let trapped = server.invoke("probe", &json!("trap"));
    let document = trapped.failure();
    assert_eq!(document["errorType"], "Wasm.Trap");
    let message = document["errorMessage"].as_str().unwrap();
    assert!(message.contains("unreachable"), "{message}");
    assert!(
        trapped.log.contains("[ERROR] Wasm.Trap: "),
        "{}",
        trapped.log
    );
    let exited = server.invoke("probe", &json!("x")).failure();
    assert_eq!(exited["errorType"], "Wasm.ExitError");
    assert_eq!(exited["errorMessage"], "exit status 3: went wrong");
    let next = server.invoke("probe", &json!("calls"));
    assert_eq!(next.success(), json!("01"));
    assert!(!next.log.contains("Init Duration"), "the same process");
}

#[test]
fn a_loop_and_a_sleep_end_at_the_function_s_timeout() {
    let server = Server::start();
    function(&server, "probe", probe()).timeout(1).create();
    for endless in ["loop", "sleep"] {
        let failed = server.invoke("probe", &json!(endless));
        let message = failed.failure()["errorMessage"].to_string();
        assert!(
            message.contains("Task timed out after 1.00 seconds"),
            "{message}"
        );
        let next = server.invoke("probe", &json!("calls"));
        assert_eq!(next.success(), json!("01"));
    }
}

#[test]
fn memory_beyond_the_function_s_is_refused_and_the_server_stays() {
    let server = Server::start();
    function(&server, "probe", probe()).memory(256).create();
    server.invoke("probe", &json!("calls")).success();
    let failed = server.invoke("probe", &json!("memory")).failure();
    assert_eq!(failed["errorType"], "Wasm.Trap");
    let message = failed["errorMessage"].as_str().unwrap();
    let limit = "limit of 232 MiB for WebAssembly memory was reached";
    assert!(message.contains(limit), "{message}");
    let next = server.invoke("probe", &json!("calls"));
    assert_eq!(next.success(), json!("01"));
    assert!(!next.log.contains("Init Duration"), "the same process");
}

#[test]
fn a_guest_has_its_package_and_tmp_and_no_other_files() {
    let server = Server::start();
    function(&server, "probe", probe()).create();
    let opened = server.invoke("probe", &json!("files")).success();
    // WASI's 63: not permitted; 08: no such descriptor. Only the file in /tmp can be made.
    let numbers: Vec<&str> = opened.as_str().unwrap().lines().collect();
    assert_eq!(numbers[3], "00", "{numbers:?}");
    assert_eq!(numbers[4], "08", "{numbers:?}");
    for at in 0..3 {
        assert_ne!(numbers[at], "00", "{numbers:?}");
    }
}

#[test]
fn a_guest_has_the_function_s_variables_and_those_of_its_invocation() {
    let server = Server::start();
    let variables = json!({"TABLE": "t"});
    function(&server, "probe", probe())
        .environment(variables)
        .create();
    let done = server.invoke("probe", &json!("variables"));
    let seen = done.success();
    let seen: Vec<&str> = seen.as_str().unwrap().split('\0').collect();
    let id = format!("LAMBDA_RUNTIME_AWS_REQUEST_ID={}", done.request_id);
    for variable in ["TABLE=t", "AWS_LAMBDA_FUNCTION_NAME=probe", &id] {
        assert!(seen.contains(&variable), "{variable} in {seen:?}");
    }
}

#[test]
fn a_component_answers_requests_of_a_function_url() {
    let server = Server::start();
    function(&server, "http", http()).create();
    let host = give_url(&server, "http", json!({"AuthType": "NONE"}));
    open_to_everybody(&server, "http");
    let request = server
        .request("POST", "/a/b?c=d%20e")
        .host(&host)
        .body("hi");
    let answer = request.send().expect_status(200);
    assert_eq!(answer.text(), "/a/b?c=d%20e\nhi");
    assert_eq!(answer.header("content-type"), "text/plain");
    let empty = server.request("GET", "/").host(&host).send();
    assert_eq!(empty.expect_status(200).text(), "/\n");
}

#[test]
fn a_component_answers_any_other_event_as_a_post() {
    let server = Server::start();
    function(&server, "http", http()).create();
    for number in 0..2 {
        let done = server.invoke("http", &json!({"n": number}));
        assert_eq!(done.success(), json!(format!("/\n{{\"n\":{number}}}")));
    }
}

#[test]
fn what_is_not_a_module_is_refused_when_it_is_uploaded() {
    let server = Server::start();
    let no_start = wat::parse_str("(module)").unwrap();
    let asks = "(module (import \"env\" \"f\" (func)) (func (export \"_start\")))";
    let asks = wat::parse_str(asks).unwrap();
    for (package, reason) in [
        (
            b"\0asm rubbish".to_vec(),
            "it is not WebAssembly of version 1",
        ),
        (
            archive::zip(&[("a.txt", b"x")]),
            "no .wasm file at its root",
        ),
        (no_start, "exports no function _start"),
        (asks, "unknown import: `env::f`"),
    ] {
        let refused = function(&server, "f", package).try_create();
        assert_eq!(refused.status, 400);
        assert_eq!(refused.error_type(), "InvalidParameterValueException");
        let message = refused.message();
        assert!(message.starts_with("The uploaded file cannot be used as WebAssembly: "));
        assert!(message.contains(reason), "{message}");
    }
    let python = server.function("f", "").zip(hello()).try_create();
    assert!(
        python
            .message()
            .starts_with("Could not unzip uploaded file")
    );
}

#[test]
fn versions_aliases_and_updates_work_as_for_any_function() {
    let server = Server::start();
    function(&server, "f", hello()).create();
    let call = |method: &str, path: &str, body: Value| {
        let path = format!("/2015-03-31/functions/{path}");
        server.lambda(method, &path).json(&body).send()
    };
    call("POST", "f/versions", json!({})).expect_status(201);
    let alias = json!({"Name": "live", "FunctionVersion": "1"});
    call("POST", "f/aliases", alias).expect_status(201);
    use base64::Engine as _;
    let code = base64::engine::general_purpose::STANDARD.encode(probe());
    call("PUT", "f/code", json!({"ZipFile": code})).expect_status(200);
    server.wait_until_active("f");
    let latest = server.invoke("f", &json!("calls"));
    assert_eq!(latest.success(), json!("01"));
    let live = server.invoke("f:live", &json!("calls"));
    assert_eq!(live.success(), json!({"youSent": "calls"}));
}

#[test]
fn a_module_is_deployed_by_its_file() {
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hello.wasm");
    std::fs::write(&file, hello()).unwrap();
    programs::run(&mut server.kiln(&["deploy", file.to_str().unwrap()]));
    let described = server.wait_until_active("hello");
    assert_eq!(described["Runtime"], "provided.wasm");
    assert_eq!(described["Handler"], "hello.wasm");
    let done = server.invoke("hello", &json!(1)).success();
    assert_eq!(done, json!({"youSent": 1}));
}

#[test]
fn code_that_is_gone_is_compiled_anew_and_runs_meanwhile() {
    let server = Server::start();
    function(&server, "hello", hello()).create();
    let home = server.stop();
    let artifacts = home.data_dir().join("artifacts/sha256");
    let derived = |remove: bool| {
        let groups = std::fs::read_dir(&artifacts).unwrap().flatten();
        let packages = groups.flat_map(|group| std::fs::read_dir(group.path()).unwrap());
        let found = packages
            .flatten()
            .map(|package| package.path().join("derived"));
        let found: Vec<_> = found.filter(|dir| dir.is_dir()).collect();
        if remove {
            found
                .iter()
                .for_each(|dir| std::fs::remove_dir_all(dir).unwrap());
        }
        found.len()
    };
    assert_eq!(derived(true), 1);
    let server = Server::builder().home(home).start();
    let done = server.invoke("hello", &json!(1)).success();
    assert_eq!(done, json!({"youSent": 1}));
    wait_for(
        "the code to be there again",
        Duration::from_secs(20),
        || (derived(false) == 1).then_some(()),
    );
}
