//! Functions that abuse what connects them with the server: their output and their channel.

use std::process::Stdio;
use std::time::Duration;

use kiln_testkit::Server;
use kiln_types::{Clock as _, SystemClock};
use serde_json::json;

#[test]
fn a_function_that_floods_its_output_is_timed_out() {
    let server = Server::start();
    let source = "import os\n\ndef handler(event, context):\n    while True:\n        \
                  os.write(1, b'x' * 65536)\n";
    server.function("flood", source).timeout(2).create();
    let clock = SystemClock::start();
    let failure = server.invoke("flood", &json!({})).failure();
    assert_eq!(failure["errorType"], "Sandbox.Timedout");
    let took = clock.now().since_start();
    assert!(took < Duration::from_secs(20), "{took:?}");
}

#[test]
fn a_function_that_floods_its_channel_is_ended() {
    let server = Server::builder()
        .expect_log("a runtime broke its protocol")
        .start();
    let source = "import os\n\ndef handler(event, context):\n    while True:\n        \
                  os.write(3, b'\\0\\0\\0\\5\\x10\\0\\0\\0\\0' * 1000)\n";
    server.function("flood", source).timeout(5).create();
    let failure = server.invoke("flood", &json!({})).failure();
    assert_eq!(failure["errorType"], "Runtime.Unknown");
}

#[test]
fn a_shutdown_does_not_wait_for_a_function_beyond_its_patience() {
    let server = Server::builder()
        .args(&["--drain-secs", "1"])
        .expect_log("instances are ended while they run")
        .expect_log("cut off connections that outlived shutdown")
        .start();
    let source = "import time\n\ndef handler(event, context):\n    print('asleep', flush=True)\n    \
                  time.sleep(60)\n";
    server.function("sleeper", source).timeout(90).create();
    let mut caller = server
        .kiln(&["invoke", "sleeper", "--payload", "{}"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    server.log_until("/aws/lambda/sleeper", "asleep");
    let clock = SystemClock::start();
    server.stop();
    let took = clock.now().since_start();
    let answer = caller.wait().unwrap();
    assert!(!answer.success(), "the invocation was cut off");
    assert!(took < Duration::from_secs(20), "{took:?}");
}
