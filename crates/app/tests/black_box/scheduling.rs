//! Who runs an invocation: new instances, warm ones, limits, freezing and keep-alive.

use std::collections::BTreeSet;
use std::time::Duration;

use kiln_testkit::{Server, wait_for};
use serde_json::{Value, json};

/// Says which instance it is and how often it ran, after sleeping.
const WHO: &str = "import time, uuid\nME, RUNS = str(uuid.uuid4()), 0\n\n\
                   def handler(event, context):\n    global RUNS\n    RUNS += 1\n    \
                   time.sleep(event.get('sleep', 0))\n    return [ME, RUNS]\n";

fn invoke_many(server: &Server, name: &str, event: &Value, count: usize) -> Vec<Value> {
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..count)
            .map(|_| scope.spawn(|| server.invoke(name, event).success()))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    })
}

#[test]
fn parallel_invocations_have_an_instance_each() {
    let server = Server::start();
    server.function("who", WHO).create();
    let answers = invoke_many(&server, "who", &json!({"sleep": 1}), 12);
    let instances: BTreeSet<&str> = answers
        .iter()
        .map(|answer| answer[0].as_str().unwrap())
        .collect();
    // One after the other they would share an instance.
    assert_eq!(instances.len(), 12);
}

#[test]
fn one_instance_serves_one_invocation_after_the_other() {
    let server = Server::start();
    server.function("who", WHO).create();
    let first = server.invoke("who", &json!({})).success();
    for run in 2..=20 {
        assert_eq!(
            server.invoke("who", &json!({})).success(),
            json!([first[0], run])
        );
    }
}

#[test]
fn the_most_recently_used_instance_is_taken_first() {
    let server = Server::start();
    server.function("who", WHO).create();
    let answers = invoke_many(&server, "who", &json!({"sleep": 0.5}), 3);
    assert_eq!(answers.len(), 3);
    let chosen = server.invoke("who", &json!({})).success();
    for _ in 0..5 {
        assert_eq!(server.invoke("who", &json!({})).success()[0], chosen[0]);
    }
}

#[test]
fn new_code_and_settings_are_used_at_once() {
    let server = Server::start();
    server
        .function("changing", "def handler(e, c):\n    return 1\n")
        .create();
    assert_eq!(server.invoke("changing", &json!({})).success(), json!(1));
    let zip = {
        use base64::Engine as _;
        let zip = kiln_testkit::archive::python(
            "import os\n\ndef handler(e, c):\n    return os.environ.get('NAME', '2')\n",
        );
        base64::engine::general_purpose::STANDARD.encode(zip)
    };
    let path = "/2015-03-31/functions/changing/code";
    server
        .lambda("PUT", path)
        .json(&json!({"ZipFile": zip}))
        .send()
        .expect_status(200);
    server.wait_until_active("changing");
    assert_eq!(server.invoke("changing", &json!({})).success(), json!("2"));
    let path = "/2015-03-31/functions/changing/configuration";
    let variables = json!({"Environment": {"Variables": {"NAME": "3"}}});
    server
        .lambda("PUT", path)
        .json(&variables)
        .send()
        .expect_status(200);
    server.wait_until_active("changing");
    assert_eq!(server.invoke("changing", &json!({})).success(), json!("3"));
}

#[test]
fn invocation_takes_an_instance_that_comes_back_before_its_own_has_initialised() {
    let server = Server::start();
    let source = format!("import time\ntime.sleep(4)\n{WHO}");
    server.function("slow", &source).timeout(20).create();
    let first = server.invoke("slow", &json!({})).success();
    let both = invoke_many(&server, "slow", &json!({"sleep": 0.3}), 2);
    assert!(
        both.iter().all(|answer| answer[0] == first[0]),
        "nobody waited for another init: {both:?}"
    );
}

/// Answers of parallel invocations that find a function allowed one instance, and another after a
/// second.
fn beyond_the_burst(wait_max_ms: &str) -> Vec<kiln_testkit::Response> {
    let limits = ["--burst-starts", "1", "--starts-per-second", "1"];
    let wait = ["--wait-max-ms", wait_max_ms];
    let server = Server::builder().args(&limits).args(&wait).start();
    server.function("who", WHO).timeout(10).create();
    std::thread::scope(|scope| {
        let invoke = || {
            let target = "/2015-03-31/functions/who/invocations";
            server.lambda("POST", target).body(r#"{"sleep": 3}"#).send()
        };
        let threads: Vec<_> = (0..2).map(|_| scope.spawn(invoke)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    })
}

#[test]
fn starts_beyond_the_burst_are_refused_with_awss_reason() {
    let answers = beyond_the_burst("100");
    let refused: Vec<_> = answers
        .iter()
        .filter(|answer| answer.status == 429)
        .collect();
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].error_type(), "TooManyRequestsException");
    assert_eq!(
        refused[0].json()["Reason"],
        "FunctionInvocationRateLimitExceeded"
    );
    assert_eq!(refused[0].header("retry-after"), "1");
}

#[test]
fn start_beyond_the_burst_waits_for_its_token() {
    let answers = beyond_the_burst("10000");
    assert!(answers.iter().all(|answer| answer.status == 200));
    let instance = |answer: &kiln_testkit::Response| answer.json()[0].clone();
    assert_ne!(instance(&answers[0]), instance(&answers[1]));
}

#[test]
fn a_reservation_holds_for_the_invocations_right_after_its_answer() {
    let server = Server::start();
    server.function("limited", WHO).create();
    server.invoke("limited", &json!({})).success();
    let path = "/2017-10-31/functions/limited/concurrency";
    for round in 0..10 {
        let one = json!({"ReservedConcurrentExecutions": 1});
        server
            .lambda("PUT", path)
            .json(&one)
            .send()
            .expect_status(200);
        let invoke = || {
            let path = "/2015-03-31/functions/limited/invocations";
            server
                .lambda("POST", path)
                .json(&json!({"sleep": 0.3}))
                .send()
        };
        let (first, second) = std::thread::scope(|scope| {
            let (first, second) = (scope.spawn(invoke), scope.spawn(invoke));
            (first.join().unwrap(), second.join().unwrap())
        });
        let refused = match first.status {
            200 => second,
            _ => first,
        };
        assert_eq!(refused.status, 429, "round {round}: {}", refused.text());
        let reason = refused.json()["Reason"].clone();
        assert_eq!(reason, "ReservedFunctionConcurrentInvocationLimitExceeded");
        server.lambda("DELETE", path).send().expect_status(204);
    }
}

#[test]
fn reserved_concurrency_is_a_limit_and_zero_is_off() {
    let server = Server::start();
    server.function("limited", WHO).create();
    let path = "/2017-10-31/functions/limited/concurrency";
    server
        .lambda("PUT", path)
        .json(&json!({"ReservedConcurrentExecutions": 1}))
        .send()
        .expect_status(200);
    std::thread::scope(|scope| {
        let holder = scope.spawn(|| server.invoke("limited", &json!({"sleep": 3})).success());
        std::thread::sleep(Duration::from_millis(700));
        let refused = server
            .lambda("POST", "/2015-03-31/functions/limited/invocations")
            .body("{}")
            .send();
        assert_eq!(refused.status, 429, "{}", refused.text());
        assert_eq!(refused.error_type(), "TooManyRequestsException");
        let body = refused.json();
        assert_eq!(
            body["Reason"], "ReservedFunctionConcurrentInvocationLimitExceeded",
            "{body}"
        );
        assert_eq!(refused.message(), "Rate Exceeded.");
        assert!(
            !refused.header("retry-after").is_empty(),
            "{:?}",
            refused.headers
        );
        holder.join().unwrap();
    });
    server.invoke("limited", &json!({})).success();
    server
        .lambda("PUT", path)
        .json(&json!({"ReservedConcurrentExecutions": 0}))
        .send()
        .expect_status(200);
    let off = server
        .lambda("POST", "/2015-03-31/functions/limited/invocations")
        .body("{}")
        .send();
    assert_eq!(off.status, 429, "{}", off.text());
    server.lambda("DELETE", path).send().expect_status(204);
    server.invoke("limited", &json!({})).success();
}

#[test]
fn the_accounts_concurrency_is_a_limit_for_all_together() {
    let server = Server::builder().args(&["--concurrency", "2"]).start();
    server.function("a", WHO).create();
    server.function("b", WHO).create();
    std::thread::scope(|scope| {
        for name in ["a", "b"] {
            let server = &server;
            scope.spawn(move || server.invoke(name, &json!({"sleep": 3})).success());
        }
        std::thread::sleep(Duration::from_millis(700));
        let refused = server
            .lambda("POST", "/2015-03-31/functions/a/invocations")
            .body("{}")
            .send();
        assert_eq!(refused.status, 429, "{}", refused.text());
        assert_eq!(
            refused.json()["Reason"],
            "ConcurrentInvocationLimitExceeded"
        );
    });
    server.invoke("a", &json!({})).success();
}

#[test]
fn an_idle_instance_is_frozen_and_thaws_for_its_next_invocation() {
    let server = Server::builder().args(&["--freeze-after-ms", "50"]).start();
    let source = "import threading, time\nTICKS = 0\n\ndef tick():\n    global TICKS\n    while True:\n        \
                  time.sleep(0.01)\n        TICKS += 1\n\n\
                  threading.Thread(target=tick, daemon=True).start()\n\ndef handler(event, context):\n    \
                  time.sleep(event['sleep'])\n    return TICKS\n";
    server.function("ticking", source).create();
    let before = server
        .invoke("ticking", &json!({"sleep": 0.5}))
        .success()
        .as_i64()
        .unwrap();
    assert!(
        before > 15,
        "the thread runs while the handler does: {before}"
    );
    std::thread::sleep(Duration::from_secs(2));
    let after = server
        .invoke("ticking", &json!({"sleep": 0}))
        .success()
        .as_i64()
        .unwrap();
    // Two seconds awake would be about 190 ticks; the grace before freezing is 50 ms.
    assert!(after - before < 40, "{before} {after}");
}

#[test]
fn idle_instances_end_after_their_keep_alive() {
    let server = Server::builder().args(&["--keep-alive-secs", "1"]).start();
    let source = "import os, time\n\ndef handler(event, context):\n    time.sleep(0.5)\n    \
                  return os.getuid()\n";
    server.function("who", source).create();
    let uids = invoke_many(&server, "who", &json!({}), 6);
    let processes: Vec<_> = uids
        .iter()
        .flat_map(|uid| server.processes_of(uid.as_u64().unwrap() as u32))
        .collect();
    assert!(processes.len() >= 6, "{uids:?} {processes:?}");
    wait_for("the idle instances to end", Duration::from_secs(10), || {
        processes
            .iter()
            .all(|process| !process.is_alive())
            .then_some(())
    });
    assert!(
        server
            .invoke("who", &json!({}))
            .log
            .contains("Init Duration")
    );
}

#[test]
fn idle_instances_make_room_when_memory_is_short() {
    let server = Server::builder()
        .args(&["--memory-budget-mb", "1024", "--keep-alive", "fixed"])
        .start();
    for number in 0..12 {
        let name = format!("room-{number}");
        server.function(&name, WHO).memory(256).create();
        server.invoke(&name, &json!({})).success();
    }
    // Only four fit at once, and the last one used is still warm. Which others are is for the
    // keep-alive policy to say: an instance that took long to start is worth more.
    assert_eq!(server.invoke("room-11", &json!({})).success()[1], 2);
    let status = kiln_testkit::programs::run(&mut server.kiln(&["status", "--output", "json"]));
    let status: Value = serde_json::from_slice(&status.stdout).unwrap();
    assert!(status["instances"]["idle"].as_u64() <= Some(4), "{status}");
    assert!(
        status["instances"]["evicted"].as_u64() >= Some(8),
        "{status}"
    );
}

#[test]
fn a_function_larger_than_the_server_is_refused_and_not_throttled() {
    let server = Server::start();
    server.function("large", WHO).memory(512).create();
    let server = Server::builder()
        .home(server.stop())
        .args(&["--memory-budget-mb", "256"])
        .start();
    let invoked = server
        .lambda("POST", "/2015-03-31/functions/large/invocations")
        .body("{}")
        .send();
    let created = server.function("larger", WHO).memory(512).try_create();
    for refused in [invoked, created] {
        assert_eq!(refused.status, 400, "{}", refused.text());
        assert_eq!(refused.error_type(), "InvalidParameterValueException");
        let message = refused.message();
        for part in ["512 MB", "256 MB", "--memory-budget-mb"] {
            assert!(message.contains(part), "{message}");
        }
    }
}

#[test]
fn a_caller_that_hangs_up_cancels_nothing() {
    let server = Server::start();
    server.function("who", WHO).create();
    let first = server.invoke("who", &json!({})).success();
    let path = "/2015-03-31/functions/who/invocations";
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let gone = server.lambda("POST", path).body("{\"sleep\": 1}");
            gone.send_and_hang_up(Duration::from_millis(300));
        });
    });
    std::thread::sleep(Duration::from_millis(1_500));
    assert_eq!(
        server.invoke("who", &json!({})).success(),
        json!([first[0], 3])
    );
}

#[test]
fn more_callers_than_stems_are_all_served() {
    let server = Server::builder().args(&["--stems", "2"]).start();
    for number in 0..30 {
        server.function(&format!("burst-{number}"), WHO).create();
    }
    std::thread::scope(|scope| {
        for number in 0..30 {
            let server = &server;
            scope.spawn(move || {
                server
                    .invoke(&format!("burst-{number}"), &json!({}))
                    .success()
            });
        }
    });
}

#[test]
fn fresh_starts_behave_as_forked_ones() {
    let server = Server::builder().args(&["--start", "fresh"]).start();
    server.function("who", WHO).create();
    let first = server.invoke("who", &json!({})).success();
    assert_eq!(
        server.invoke("who", &json!({})).success(),
        json!([first[0], 2])
    );
    server
        .function("fails", "def handler(e, c):\n    raise KeyError('x')\n")
        .create();
    assert_eq!(
        server.invoke("fails", &json!({})).failure()["errorType"],
        "KeyError"
    );
}
