//! Node.js processes: their time, their memory, their end, and what they share.

use std::collections::BTreeSet;

use serde_json::json;

use super::{builder, function, invoke_once, server};

#[test]
fn a_timeout_discards_the_instance() {
    let server = server();
    let source = "const me = crypto.randomUUID();\n\
                  exports.handler = async (event) => {\n\
                  if (event.spin) for (;;);\n  if (event.wait) await new Promise((r) => setTimeout(r, 30000));\n\
                  return me;\n};";
    let source = format!("const crypto = require('node:crypto');\n{source}");
    function(&server, "slow", &[("index.js", &source)])
        .timeout(1)
        .create();
    let mut seen = BTreeSet::new();
    for event in [json!({"wait": true}), json!({"spin": true})] {
        seen.insert(server.invoke("slow", &json!({})).success().to_string());
        let failed = server.invoke("slow", &event);
        let document = failed.failure();
        assert_eq!(document["errorType"], "Sandbox.Timedout", "{document}");
        let says = format!("{} Task timed out after 1.00 seconds", failed.request_id);
        assert!(failed.log.contains(&says), "{}", failed.log);
    }
    assert_eq!(seen.len(), 2);
}

#[test]
fn a_process_that_ends_is_an_exit_error_and_loses_none_of_its_output() {
    let server = server();
    let source = "exports.handler = async () => {\n\
                  for (let i = 0; i < 20000; i++) process.stdout.write(`line ${i}\\n`);\n\
                  process.exit(3);\n};";
    let failed = invoke_once(&server, "exits", source);
    let document = failed.failure();
    assert_eq!(document["errorType"], "Runtime.ExitError", "{document}");
    let says = document["errorMessage"].as_str().unwrap();
    assert!(
        says.ends_with("Runtime exited with error: exit status 3"),
        "{says}"
    );
    assert!(failed.log.contains("line 19999"), "{}", failed.log);
}

#[test]
fn cold_starts_from_stems_share_no_randomness() {
    let server = builder().args(&["--stems", "3"]).start();
    let source = "const crypto = require('node:crypto');\n\
                  exports.handler = async () => [Math.random(), crypto.randomUUID(),\n\
                  globalThis.crypto?.randomUUID() ?? crypto.randomUUID(), crypto.randomBytes(16).toString('hex'),\n\
                  crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' }).x];";
    let mut drawn = BTreeSet::new();
    for instance in 0..4 {
        let name = format!("random-{instance}");
        let invoked = invoke_once(&server, &name, source);
        assert!(invoked.log.contains("Init Duration"), "{}", invoked.log);
        let values = invoked.success();
        drawn.extend(values.as_array().unwrap().iter().map(ToString::to_string));
    }
    assert_eq!(drawn.len(), 4 * 5, "{drawn:?}");
}

#[test]
fn a_stem_knows_nothing_of_other_functions_and_everything_of_its_own() {
    let server = server();
    let source = "exports.handler = async () => ({ ...process.env });";
    function(&server, "environment", &[("index.js", source)])
        .environment(json!({"TABLE": "orders", "TZ": "Asia/Tokyo"}))
        .create();
    let found = server.invoke("environment", &json!({})).success();
    let expected = [
        ("TABLE", "orders"),
        ("TZ", "Asia/Tokyo"),
        ("LANG", "en_US.UTF-8"),
        ("LAMBDA_TASK_ROOT", "/var/task"),
        ("LAMBDA_RUNTIME_DIR", "/var/runtime"),
        ("_HANDLER", "index.handler"),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
        (
            "PATH",
            "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin",
        ),
    ];
    for (name, value) in expected {
        assert_eq!(found[name], value, "{name}: {found}");
    }
    let time = "exports.handler = async () => new Date(0).getHours();";
    function(&server, "tokyo", &[("index.js", time)])
        .environment(json!({"TZ": "Asia/Tokyo"}))
        .create();
    assert_eq!(server.invoke("tokyo", &json!({})).success(), json!(9));
}

#[test]
fn packages_of_the_runtime_load_with_the_code_that_was_compiled_with_the_pack() {
    let server = server();
    let source = "const { statistics } = require('/var/runtime/kiln_runtime/compile_cache.js');\n\
                  const { S3Client } = require('@aws-sdk/client-s3');\n\
                  new S3Client({ region: 'us-east-1' });\n\
                  exports.handler = async () => statistics;";
    let cases = [
        ("stem", "zygote", 128, json!({})),
        ("fresh", "fresh", 512, json!({})),
        (
            "other-flags",
            "zygote",
            128,
            json!({"NODE_OPTIONS": "--stack-trace-limit=5"}),
        ),
    ];
    for (name, start, memory, environment) in cases {
        function(&server, name, &[("index.js", source)])
            .set("Tags", json!({"kiln:start": start}))
            .environment(environment)
            .memory(memory)
            .create();
        let found = server.invoke(name, &json!({})).success();
        if name == "other-flags" {
            assert_eq!(found, json!({"used": 0, "wasRefused": true}));
        } else {
            assert_eq!(found["wasRefused"], false, "{name}: {found}");
            assert!(found["used"].as_u64() > Some(10), "{name}: {found}");
        }
    }
}

#[test]
fn garbage_is_collected_before_it_fills_the_memory_of_a_small_function() {
    let server = server();
    // 24 MB are kept, 400 MB are dropped on the way.
    let source = "const kept = Array.from({ length: 24 }, () => new Array(131072).fill(0.5));\n\
                  exports.handler = async () => {\n\
                  for (let i = 0; i < 400; i++) kept[i % 24] = new Array(131072).fill(i + 0.5);\n\
                  return kept.length;\n};";
    for memory in [128, 192] {
        let name = format!("garbage-{memory}");
        function(&server, &name, &[("index.js", source)])
            .memory(memory)
            .timeout(60)
            .create();
        assert_eq!(server.invoke(&name, &json!({})).success(), json!(24));
    }
}

#[test]
fn too_much_memory_kills_the_function_and_nothing_else() {
    let server = server();
    let source = "exports.handler = async (event) => Buffer.alloc(event.mb << 20, 1).length;";
    function(&server, "hungry", &[("index.js", source)])
        .memory(128)
        .create();
    assert_eq!(
        server.invoke("hungry", &json!({"mb": 20})).success(),
        json!(20 << 20)
    );
    let document = server.invoke("hungry", &json!({"mb": 400})).failure();
    assert_eq!(document["errorType"], "Runtime.OutOfMemory", "{document}");
    assert_eq!(
        server.invoke("hungry", &json!({"mb": 1})).success(),
        json!(1 << 20)
    );
}

#[test]
fn threads_children_and_sockets_work_inside() {
    let server = server();
    let source = "const { Worker } = require('node:worker_threads');\n\
                  const { execFileSync } = require('node:child_process');\n\
                  const fs = require('node:fs/promises');\n\
                  const http = require('node:http');\n\
                  const threaded = () => new Promise((done, fail) => new Worker(\n\
                  'require(\"node:worker_threads\").parentPort.postMessage(6 * 7)', { eval: true })\n\
                  .once('message', done).once('error', fail));\n\
                  const served = () => new Promise((done) => { const s = http.createServer((q, r) => r.end('served'));\n\
                  s.listen(0, '127.0.0.1', async () => {\n\
                  const answer = await fetch(`http://127.0.0.1:${s.address().port}/`);\n\
                  done(await answer.text()); s.closeAllConnections(); s.close(); }); });\n\
                  exports.handler = async () => {\n\
                  await fs.writeFile('/tmp/file', 'written');\n\
                  return [await threaded(), execFileSync(process.execPath, ['-p', '1+1']).toString().trim(),\n\
                  (await fs.readFile('/tmp/file')).toString(), await served()];\n};";
    let invoked = invoke_once(&server, "everything", source);
    assert_eq!(invoked.success(), json!([42, "2", "written", "served"]));
}
