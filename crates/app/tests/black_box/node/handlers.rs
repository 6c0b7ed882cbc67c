//! Which handlers there may be, and what they are given.

use kiln_testkit::{Server, programs, runtimes};
use serde_json::{Value, json};

use super::{builder, function, server};

/// Names and contents.
type Files<'a> = &'a [(&'a str, &'a str)];

#[test]
fn every_node_of_this_machine_runs_functions_from_a_stem_and_afresh() {
    let nodes = runtimes::nodes();
    assert!(!nodes.is_empty());
    let server = Server::builder().nodes(nodes.clone()).start();
    let source = "exports.handler = async (event) => [event.a + event.b, process.versions.node.split('.')[0],\n\
                  process.env.AWS_EXECUTION_ENV];\n";
    for node in nodes {
        for start in ["zygote", "fresh"] {
            let name = format!("node{}-{start}", node.major);
            function(&server, &name, &[("index.js", source)])
                .set("Runtime", json!(node.runtime()))
                .set("Tags", json!({"kiln:start": start}))
                .create();
            let expected = json!([
                3,
                node.major.to_string(),
                format!("AWS_Lambda_{}", node.runtime())
            ]);
            for _ in 0..2 {
                let invoked = server.invoke(&name, &json!({"a": 1, "b": 2}));
                assert_eq!(invoked.success(), expected, "{name}");
            }
        }
    }
}

#[test]
fn modules_of_every_kind_hold_handlers() {
    let server = server();
    let cases: &[(&str, &str, Files)] = &[
        (
            "esm",
            "index.handler",
            &[(
                "index.mjs",
                "export const handler = async () => typeof require;",
            )],
        ),
        (
            "cjs",
            "index.handler",
            &[("index.cjs", "exports.handler = async () => typeof require;")],
        ),
        (
            "by-type",
            "index.handler",
            &[
                ("package.json", "{\"type\": \"module\"}"),
                (
                    "index.js",
                    "export const handler = async () => typeof require;",
                ),
            ],
        ),
        (
            "nested",
            "src/app.api.get",
            &[(
                "src/app.js",
                "exports.api = { get: async () => __dirname };",
            )],
        ),
        (
            "awaits-at-top",
            "index.handler",
            &[(
                "index.mjs",
                "const value = await new Promise((done) => setTimeout(done, 20, 'awaited'));\n\
                 export const handler = async () => value;",
            )],
        ),
        (
            "default-of-commonjs",
            "index.handler",
            &[
                ("package.json", "{\"type\": \"module\"}"),
                (
                    "index.js",
                    "import { handler as h } from './lib.cjs';\nexport const handler = h;",
                ),
                (
                    "lib.cjs",
                    "module.exports = { handler: async () => 'from lib' };",
                ),
            ],
        ),
    ];
    for (name, handler, files) in cases {
        function(&server, name, files)
            .set("Handler", json!(handler))
            .create();
    }
    let result = |name: &str| server.invoke(name, &json!({})).success();
    assert_eq!(result("esm"), json!("undefined"));
    assert_eq!(result("cjs"), json!("function"));
    assert_eq!(result("by-type"), json!("undefined"));
    assert_eq!(result("nested"), json!("/var/task/src"));
    assert_eq!(result("awaits-at-top"), json!("awaited"));
    assert_eq!(result("default-of-commonjs"), json!("from lib"));
}

#[test]
fn aws_sdk_is_there_for_require_and_for_import_and_a_function_may_bring_its_own() {
    let server = server();
    let required = "const { S3Client } = require('@aws-sdk/client-s3');\n\
                    exports.handler = async () => [typeof S3Client, require.resolve('@aws-sdk/client-s3')];";
    let imported = "import { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';\n\
                    import { createRequire } from 'node:module';\n\
                    const same = createRequire(import.meta.url)('@aws-sdk/lib-dynamodb').DynamoDBDocumentClient;\n\
                    export const handler = async () => [typeof DynamoDBDocumentClient, same === DynamoDBDocumentClient];";
    let own = &[
        (
            "index.js",
            "exports.handler = async () => require('@aws-sdk/client-s3').own;",
        ),
        (
            "node_modules/@aws-sdk/client-s3/index.js",
            "exports.own = 'mine';",
        ),
    ];
    function(&server, "requires", &[("index.js", required)]).create();
    function(&server, "imports", &[("index.mjs", imported)]).create();
    function(&server, "brings", own).create();
    let result = |name: &str| server.invoke(name, &json!({})).success();
    let place = "/var/runtime/node_modules/@aws-sdk/client-s3/dist-cjs/index.js";
    assert_eq!(result("requires"), json!(["function", place]));
    assert_eq!(result("imports"), json!(["function", true]));
    assert_eq!(result("brings"), json!("mine"));
}

#[test]
fn context_has_what_aws_gives_it() {
    let server = server();
    let source = "exports.handler = async (event, context) => {\n\
                  const left = context.getRemainingTimeInMillis();\n\
                  return { ...context, left: left > 1000 && left <= 5000, methods: typeof context.done,\n\
                  stdout: [process.stdout.fd, process.stdout.writable], cwd: process.cwd() };\n};";
    function(&server, "context", &[("index.js", source)])
        .memory(256)
        .timeout(5)
        .create();
    let client = "eyJjdXN0b20iOnsia2V5IjoidmFsdWUifX0=";
    let response = server
        .lambda("POST", "/2015-03-31/functions/context/invocations")
        .header("x-amz-client-context", client)
        .body("{}")
        .send();
    let context: Value = response.json();
    let id = response.header("x-amzn-requestid");
    assert_eq!(context["awsRequestId"], id);
    let expected = [
        ("functionName", json!("context")),
        ("functionVersion", json!("$LATEST")),
        ("memoryLimitInMB", json!("256")),
        ("logGroupName", json!("/aws/lambda/context")),
        ("clientContext", json!({"custom": {"key": "value"}})),
        ("callbackWaitsForEmptyEventLoop", json!(true)),
        ("left", json!(true)),
        ("methods", json!("function")),
        ("stdout", json!([1, true])),
        ("cwd", json!("/var/task")),
        (
            "invokedFunctionArn",
            json!("arn:aws:lambda:us-east-1:000000000000:function:context"),
        ),
    ];
    for (member, value) in expected {
        if runtimes::newest_node().major < 24
            || !["callbackWaitsForEmptyEventLoop", "methods"].contains(&member)
        {
            assert_eq!(context[member], value, "{member}");
        }
    }
}

#[test]
fn callbacks_answer_when_the_event_loop_is_empty_or_at_once_when_told_so() {
    if runtimes::newest_node().major >= 24 {
        return; // Gone, as on AWS.
    }
    let server = server();
    let waits = "let ran = 0;\nexports.handler = (event, context, callback) => {\n\
                 setTimeout(() => { ran += 1; }, 50);\n\
                 context.callbackWaitsForEmptyEventLoop = event.waits;\n\
                 callback(null, { before: ran });\n};";
    function(&server, "waits", &[("index.js", waits)]).create();
    let result = |event: Value| server.invoke("waits", &event).success();
    assert_eq!(result(json!({"waits": true})), json!({"before": 0}));
    // The timer has run before the first answer was given.
    assert_eq!(result(json!({"waits": false})), json!({"before": 1}));
    let cases = [
        (
            "succeed",
            "(e, context) => { context.succeed('yes'); }",
            json!("yes"),
        ),
        (
            "done",
            "(e, context) => { setTimeout(() => context.done(null, [1]), 5); }",
            json!([1]),
        ),
        ("forgets", "() => { setTimeout(() => {}, 5); }", json!(null)),
        ("returns-nothing", "async () => {}", json!(null)),
    ];
    for (name, handler, expected) in cases {
        function(
            &server,
            name,
            &[("index.js", &format!("exports.handler = {handler};"))],
        )
        .create();
        assert_eq!(
            server.invoke(name, &json!({})).success(),
            expected,
            "{name}"
        );
    }
}

#[test]
fn streams_are_answered_whole_and_urls_read_their_prelude() {
    let server = server();
    let text = "exports.handler = awslambda.streamifyResponse(async (event, stream) => {\n\
                stream.setContentType('text/plain');\n\
                for (const word of ['one', ' ', 'two']) stream.write(word);\n\
                stream.end();\n});";
    let page = "import { pipeline } from 'node:stream/promises';\nimport { Readable } from 'node:stream';\n\
                export const handler = awslambda.streamifyResponse(async (event, stream) => {\n\
                const http = awslambda.HttpResponseStream.from(stream, { statusCode: 201,\n\
                headers: { 'content-type': 'text/html', 'x-own': '1' }, cookies: ['a=b'] });\n\
                await pipeline(Readable.from(['<p>', 'hello', '</p>']), http);\n});";
    function(&server, "text", &[("index.js", text)]).create();
    assert_eq!(&server.invoke("text", &json!({})).payload[..], b"one two");
    function(&server, "page", &[("index.mjs", page)]).create();
    let payload = server.invoke("page", &json!({})).payload;
    assert!(
        payload.ends_with(b"\0\0\0\0\0\0\0\0<p>hello</p>"),
        "{payload:?}"
    );
    let response = super::open_url(&server, "page");
    assert_eq!(response.status, 201);
    assert_eq!(response.header("content-type"), "text/html");
    assert_eq!(response.header("x-own"), "1");
    assert_eq!(response.header("set-cookie"), "a=b");
    assert_eq!(&response.body[..], b"<p>hello</p>");
}

#[test]
fn import_finds_what_node_path_names() {
    let server = server();
    let files = &[
        (
            "index.mjs",
            "import own from 'own';\nimport { S3Client } from '@aws-sdk/client-s3';\n\
                       export const handler = async () => [own, typeof S3Client];",
        ),
        (
            "layer/node_modules/own/index.js",
            "module.exports = 'from NODE_PATH';",
        ),
    ];
    function(&server, "node-path", files)
        .environment(json!({"NODE_PATH": "/var/task/layer/node_modules:/var/runtime/node_modules"}))
        .create();
    let result = server.invoke("node-path", &json!({})).success();
    assert_eq!(result, json!(["from NODE_PATH", "function"]));
}

#[test]
fn variables_that_node_reads_at_boot_are_honoured() {
    let server = builder().start();
    let source = "exports.handler = async () => [process.execArgv.length, process.env.NODE_OPTIONS,\n\
                  require('node:v8').getHeapStatistics().heap_size_limit < 200 * 1048576, new Error().stack.split('\\n').length];";
    function(&server, "options", &[("index.js", source)])
        .environment(json!({"NODE_OPTIONS": "--stack-trace-limit=1"}))
        .create();
    let result = server.invoke("options", &json!({})).success();
    assert_eq!(result[1], "--stack-trace-limit=1");
    // Executed for this function: with a heap for its 128 MB.
    assert_eq!((&result[2], &result[3]), (&json!(true), &json!(2)));
}

#[test]
fn example_greeter_is_deployed_by_the_command_line_and_greets() {
    let server = server();
    let example = programs::repository().join("examples/greeter");
    let deploy = ["deploy", example.to_str().unwrap()];
    programs::run(&mut server.kiln(&deploy));
    let described = programs::run(&mut server.kiln(&["describe", "greeter", "--output", "json"]));
    let described = String::from_utf8(described.stdout).unwrap();
    assert!(described.contains("index.handler"), "{described}");
    let response = super::open_url(&server, "greeter");
    assert_eq!(response.status, 200);
    assert_eq!(response.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(&response.body[..], b"<h1>Hello, world!</h1>\n");
}
