//! How failures of Node.js functions reach their caller: the documents that AWS makes.

use kiln_testkit::runtimes;
use serde_json::{Value, json};

use super::{function, invoke_once, server};

fn message(document: &Value) -> &str {
    document["errorMessage"]
        .as_str()
        .unwrap_or_else(|| panic!("{document}"))
}

#[test]
fn an_exception_has_type_message_and_trace_and_the_instance_lives_on() {
    let server = server();
    let source = "class Broken extends Error { name = 'Broken'; }\nlet calls = 0;\n\
                  exports.handler = async (event) => {\n  calls += 1;\n\
                  if (event.fine) return calls;\n  throw new Broken('it broke');\n};\n";
    let failed = invoke_once(&server, "throws", source);
    let document = failed.failure();
    assert_eq!(document["errorType"], "Broken");
    assert_eq!(document["errorMessage"], "it broke");
    let trace = document["trace"].as_array().unwrap();
    let place = trace[1].as_str().unwrap();
    assert!(place.contains("(/var/task/index.js:6:9)"), "{trace:?}");
    assert!(
        failed.log.contains(
            "\tERROR\tInvoke Error \t{\"errorType\":\"Broken\",\"errorMessage\":\"it broke\""
        ),
        "{}",
        failed.log
    );
    let after = server.invoke("throws", &json!({"fine": true}));
    assert_eq!(after.success(), json!(2));
}

#[test]
fn anything_that_is_thrown_or_rejected_is_an_error() {
    let server = server();
    let cases = [
        ("text", "async () => { throw 'oops'; }", "string", "oops"),
        (
            "type-error",
            "async () => null.x",
            "TypeError",
            "Cannot read properties of null (reading 'x')",
        ),
        (
            "at-once",
            "() => { throw new RangeError('now'); }",
            "RangeError",
            "now",
        ),
        (
            "rejects",
            "() => Promise.reject(new Error('later'))",
            "Error",
            "later",
        ),
    ];
    for (name, handler, error_type, says) in cases {
        let document =
            invoke_once(&server, name, &format!("exports.handler = {handler};")).failure();
        assert_eq!(document["errorType"], error_type, "{name}: {document}");
        assert_eq!(message(&document), says, "{name}");
    }
    if runtimes::newest_node().major < 24 {
        let source = "exports.handler = (e, context, callback) => callback(new Error('called'));";
        let document = invoke_once(&server, "callback", source).failure();
        assert_eq!(message(&document), "called");
    }
}

#[test]
fn a_handler_that_cannot_be_loaded_says_why() {
    let server = server();
    let cases = [
        (
            "no-file",
            "exports.x = 1;",
            "absent.handler",
            "Runtime.ImportModuleError",
            "Error: Cannot find module 'absent'\nRequire stack:\n- /var/runtime/index.mjs",
        ),
        (
            "no-module",
            "require('nope_nope');",
            "index.handler",
            "Runtime.ImportModuleError",
            "Error: Cannot find module 'nope_nope'\nRequire stack:\n- /var/task/index.js\n- /var/runtime/index.mjs",
        ),
        (
            "no-handler",
            "exports.other = 1;",
            "index.handler",
            "Runtime.HandlerNotFound",
            "index.handler is undefined or not exported",
        ),
        (
            "no-function",
            "exports.handler = 1;",
            "index.handler",
            "Runtime.HandlerNotFound",
            "index.handler is not a function",
        ),
        (
            "malformed",
            "",
            "index",
            "Runtime.MalformedHandlerName",
            "Bad handler",
        ),
        (
            "outside",
            "",
            "../index.handler",
            "Runtime.MalformedHandlerName",
            "'../index.handler' is not a valid handler name. Use absolute paths when specifying root directories in handler names.",
        ),
        (
            "throws-at-init",
            "throw new RangeError('no');",
            "index.handler",
            "RangeError",
            "no",
        ),
    ];
    for (name, source, handler, error_type, says) in cases {
        function(&server, name, &[("index.js", source)])
            .set("Handler", json!(handler))
            .create();
        let document = server.invoke(name, &json!({})).failure();
        assert_eq!(document["errorType"], error_type, "{document}");
        assert_eq!(message(&document), says);
    }
    for (name, file) in [("syntax", "index.js"), ("syntax-module", "index.mjs")] {
        function(&server, name, &[(file, "\nlet x = ;\n")]).create();
        let document = server.invoke(name, &json!({})).failure();
        assert_eq!(
            document["errorType"], "Runtime.UserCodeSyntaxError",
            "{document}"
        );
        assert_eq!(message(&document), "SyntaxError: Unexpected token ';'");
        let trace = document["trace"].to_string();
        assert!(
            file != "index.js" || trace.contains("/var/task/index.js:2"),
            "{trace}"
        );
    }
}

#[test]
fn errors_that_nobody_handles_end_the_process_and_answer_the_caller() {
    let server = server();
    let cases = [
        (
            "rejection",
            "async () => { Promise.reject(new Error('lost')); await new Promise((done) => setTimeout(done, 5000)); }",
            "Runtime.UnhandledPromiseRejection",
            "Error: lost",
            "Unhandled Promise Rejection",
        ),
        (
            "exception",
            "() => new Promise(() => setTimeout(() => { throw new Error('late'); }, 5))",
            "Error",
            "late",
            "Uncaught Exception",
        ),
    ];
    for (name, handler, error_type, says, logged) in cases {
        let source = format!("console.log('loading');\nexports.handler = {handler};");
        let failed = invoke_once(&server, name, &source);
        let document = failed.failure();
        assert_eq!(document["errorType"], error_type, "{document}");
        assert_eq!(message(&document), says);
        assert!(
            failed.log.contains(&format!("\tERROR\t{logged} \t{{")),
            "{}",
            failed.log
        );
        // A new process answers next.
        let again = server.invoke(name, &json!({}));
        assert!(again.log.contains("Init Duration"), "{}", again.log);
    }
}

#[test]
fn a_promise_that_is_never_settled_is_an_error_and_not_a_timeout() {
    let server = server();
    let never = "exports.handler = async () => { await new Promise(() => {}); };";
    let document = invoke_once(&server, "never", never).failure();
    assert_eq!(document["errorType"], "Runtime.NodeJsExit", "{document}");
    function(
        &server,
        "never-loaded",
        &[("index.mjs", "await new Promise(() => {});")],
    )
    .create();
    let document = server.invoke("never-loaded", &json!({})).failure();
    assert_eq!(document["errorType"], "Runtime.ExitError", "{document}");
    assert!(message(&document).ends_with("exit status 13"), "{document}");
}

#[test]
fn a_result_that_is_no_json_or_too_long_is_an_error() {
    let server = server();
    let circle = "exports.handler = async () => { const a = {}; a.a = a; return a; };";
    let document = invoke_once(&server, "circle", circle).failure();
    assert_eq!(message(&document), "Unable to stringify response body");
    let long = "exports.handler = async () => 'x'.repeat(7 * 1024 * 1024);";
    let document = invoke_once(&server, "long", long).failure();
    assert_eq!(
        document["errorType"], "Function.ResponseSizeTooLarge",
        "{document}"
    );
    let event = json!({"text": "é".repeat(1024 * 1024)});
    let echo = "exports.handler = async (event) => event;";
    function(&server, "echo", &[("index.js", echo)]).create();
    assert_eq!(server.invoke("echo", &event).success(), event);
}
