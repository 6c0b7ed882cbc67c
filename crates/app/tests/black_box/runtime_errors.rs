//! How a function's failures reach its caller: the documents that AWS makes.

use kiln_testkit::{Invoked, Server, archive};
use serde_json::{Value, json};

fn invoke_once(server: &Server, name: &str, source: &str) -> Invoked {
    server.function(name, source).create();
    server.invoke(name, &json!({}))
}

fn message(document: &Value) -> &str {
    document["errorMessage"]
        .as_str()
        .unwrap_or_else(|| panic!("{document}"))
}

#[test]
fn an_exception_has_type_message_request_and_stack() {
    let server = Server::start();
    let source = "class Broken(Exception):\n    pass\n\n\ndef handler(event, context):\n    \
                  raise Broken('it broke')\n";
    let failed = invoke_once(&server, "raises", source);
    let document = failed.failure();
    assert_eq!(document["errorType"], "Broken");
    assert_eq!(document["errorMessage"], "it broke");
    assert_eq!(document["requestId"], failed.request_id.as_str());
    let stack = document["stackTrace"].as_array().unwrap();
    assert_eq!(
        stack[0],
        "  File \"/var/task/index.py\", line 6, in handler\n    raise Broken('it broke')\n"
    );
    assert_eq!(
        stack.len(),
        1,
        "frames of the runtime are not the user's: {stack:?}"
    );
    assert!(
        failed.log.contains("[ERROR] Broken: it broke"),
        "{}",
        failed.log
    );
    // The instance lives on: only its handler failed.
    assert!(
        !server
            .invoke("raises", &json!({}))
            .log
            .contains("Init Duration")
    );
}

#[test]
fn a_handler_that_cannot_be_loaded_says_why() {
    let server = Server::start();
    let cases = [
        (
            "no-module",
            "import nope_nope\n",
            "index.handler",
            "Runtime.ImportModuleError",
            "Unable to import module 'index': No module named 'nope_nope'",
        ),
        (
            "no-handler",
            "x = 1\n",
            "index.handler",
            "Runtime.HandlerNotFound",
            "Handler 'handler' missing on module 'index'",
        ),
        (
            "malformed",
            "x = 1\n",
            "index",
            "Runtime.MalformedHandlerName",
            "Bad handler 'index': not enough values to unpack (expected 2, got 1)",
        ),
    ];
    for (name, source, handler, error_type, says) in cases {
        server
            .function(name, source)
            .set("Handler", json!(handler))
            .create();
        let document = server.invoke(name, &json!({})).failure();
        assert_eq!(document["errorType"], error_type, "{document}");
        assert_eq!(message(&document), says);
    }
    let document = invoke_once(&server, "syntax", "def handler(:\n").failure();
    assert_eq!(
        document["errorType"], "Runtime.UserCodeSyntaxError",
        "{document}"
    );
    assert!(
        message(&document).starts_with("Syntax error in module 'index': "),
        "{document}"
    );
    let document = invoke_once(&server, "init-raises", "raise ValueError('no')\n").failure();
    assert_eq!(document["errorType"], "ValueError", "{document}");
    assert_eq!(message(&document), "no");
}

#[test]
fn handlers_in_folders_and_packages_are_found() {
    let server = Server::start();
    let source = b"def handler(event, context):\n    return __name__\n";
    let zip = archive::zip(&[("app/__init__.py", b""), ("app/web.py", source)]);
    for (name, handler) in [
        ("dotted", "app.web.handler"),
        ("slashed", "app/web.handler"),
    ] {
        server
            .function(name, "")
            .zip(zip.clone())
            .set("Handler", json!(handler))
            .create();
        assert_eq!(server.invoke(name, &json!({})).success(), json!("app.web"));
    }
}

#[test]
fn a_result_that_is_no_json_is_an_error() {
    let server = Server::start();
    let source = "def handler(event, context):\n    return {1, 2}\n";
    let document = invoke_once(&server, "a-set", source).failure();
    assert_eq!(document["errorType"], "Runtime.MarshalError", "{document}");
    assert_eq!(
        message(&document),
        "Unable to marshal response: Object of type set is not JSON serializable"
    );
}

#[test]
fn a_timeout_discards_the_instance() {
    let server = Server::start();
    let source = "import time, uuid\nME = str(uuid.uuid4())\n\ndef handler(event, context):\n    \
                  time.sleep(event.get('sleep', 0))\n    return ME\n";
    server.function("slow", source).timeout(1).create();
    let before = server.invoke("slow", &json!({})).success();
    let failed = server.invoke("slow", &json!({"sleep": 30}));
    let document = failed.failure();
    assert_eq!(document["errorType"], "Sandbox.Timedout", "{document}");
    let says = format!(
        "RequestId: {} Error: Task timed out after 1.00 seconds",
        failed.request_id
    );
    assert_eq!(message(&document), says);
    assert!(
        failed.log.contains("Task timed out after 1.00 seconds"),
        "{}",
        failed.log
    );
    assert!(failed.log.contains("Status: timeout"), "{}", failed.log);
    let after = server.invoke("slow", &json!({})).success();
    assert_ne!(before, after);
}

#[test]
fn a_process_that_ends_is_an_exit_error() {
    let server = Server::start();
    let cases = [
        (
            "exit-0",
            "import os\n\ndef handler(e, c):\n    os._exit(0)\n",
            "Runtime exited without providing a reason",
        ),
        (
            "exit-3",
            "import os\n\ndef handler(e, c):\n    os._exit(3)\n",
            "Runtime exited with error: exit status 3",
        ),
        (
            "sys-exit",
            "import sys\n\ndef handler(e, c):\n    sys.exit(2)\n",
            "Runtime exited with error: exit status 2",
        ),
        (
            "killed",
            "import os, signal\n\ndef handler(e, c):\n    os.kill(os.getpid(), signal.SIGABRT)\n",
            "Runtime exited with error: signal: aborted",
        ),
    ];
    for (name, source, says) in cases {
        let failed = invoke_once(&server, name, source);
        let document = failed.failure();
        assert_eq!(
            document["errorType"], "Runtime.ExitError",
            "{name}: {document}"
        );
        assert_eq!(
            message(&document),
            format!("RequestId: {} Error: {says}", failed.request_id),
            "{name}"
        );
        assert!(
            failed.log.contains("REPORT RequestId: "),
            "{name}: {}",
            failed.log
        );
    }
}

#[test]
fn too_much_memory_kills_the_function_and_nothing_else() {
    let server = Server::start();
    let source = "def handler(event, context):\n    block = bytearray(event['mb'] << 20)\n    \
                  for i in range(0, len(block), 4096):\n        block[i] = 1\n    return len(block)\n";
    server.function("hungry", source).memory(128).create();
    assert_eq!(
        server.invoke("hungry", &json!({"mb": 40})).success(),
        json!(40 << 20)
    );
    let failed = server.invoke("hungry", &json!({"mb": 400}));
    let document = failed.failure();
    assert_eq!(document["errorType"], "Runtime.OutOfMemory", "{document}");
    let says = format!(
        "RequestId: {} Error: Runtime exited with error: signal: killed",
        failed.request_id
    );
    assert_eq!(message(&document), says);
    assert!(
        failed.log.contains("Max Memory Used: 128 MB"),
        "{}",
        failed.log
    );
    assert_eq!(
        server.invoke("hungry", &json!({"mb": 1})).success(),
        json!(1 << 20)
    );
}

#[test]
fn an_init_that_ends_the_process_is_an_exit_error() {
    let server = Server::start();
    let failed = invoke_once(&server, "init-exit", "import os\nos._exit(7)\n");
    let document = failed.failure();
    assert_eq!(document["errorType"], "Runtime.ExitError", "{document}");
    assert!(
        message(&document).ends_with("Runtime exited with error: exit status 7"),
        "{document}"
    );
}

#[test]
fn a_slow_init_is_cut_off_and_tried_again_under_the_functions_timeout() {
    let server = Server::start();
    // Longer than the 10 s of the init phase, shorter than the timeout of the invocation.
    let source = "import time\ntime.sleep(11)\n\ndef handler(event, context):\n    return 'done'\n";
    server.function("slow-init", source).timeout(30).create();
    let invoked = server.invoke("slow-init", &json!({}));
    assert_eq!(invoked.success(), json!("done"));
    let source = "import time\ntime.sleep(60)\n\ndef handler(event, context):\n    return 1\n";
    server.function("endless-init", source).timeout(1).create();
    let failed = server.invoke("endless-init", &json!({}));
    assert_eq!(
        failed.failure()["errorType"],
        "Sandbox.Timedout",
        "{}",
        failed.json()
    );
    assert!(message(&failed.json()).ends_with("Task timed out after 1.00 seconds"));
}
