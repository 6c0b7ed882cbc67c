//! More than one invocation in an instance, for functions that ask for it.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use kiln_testkit::{FunctionBuilder, Invoked, Server, programs, wait_for};
use serde_json::{Value, json};

use super::custom_runtimes::{custom, python, python_client};

/// A runtime with a thread for each invocation at a time. Events say what to do, in order: `meet` so many
/// others, `sleep` so many seconds, `exit` with a status.
const THREADS: &str = "import sys, threading, time, urllib.error, uuid
ME, COME = str(uuid.uuid4()), threading.Condition()
STREAM, come = os.environ['AWS_LAMBDA_LOG_STREAM_NAME'], 0
def handle(event):
    global come
    with COME:
        come += 1
        COME.notify_all()
        if not COME.wait_for(lambda: come >= event.get('meet', 0), 5):
            return 'nobody came'
    time.sleep(event.get('sleep', 0))
    if 'exit' in event: os._exit(event['exit'])
    print('done with', event.get('name'), flush=True)
    return {'me': ME, 'stream': STREAM}
def work():
    while True:
        id, event = next_event()
        try: respond(id, handle(event))
        except urllib.error.HTTPError as error: print('too late:', error.code, flush=True)
for _ in range(int(os.environ.get('AWS_LAMBDA_MAX_CONCURRENCY', 1))):
    threading.Thread(target=work).start()
";

fn threads<'a>(server: &'a Server, name: &str, at_a_time: u32) -> FunctionBuilder<'a> {
    sharing(python(server, name, THREADS).memory(1024), at_a_time)
}

fn sharing(function: FunctionBuilder<'_>, at_a_time: u32) -> FunctionBuilder<'_> {
    function.set("Tags", json!({"kiln:concurrency": at_a_time.to_string()}))
}

/// Invokes once with each event, all at the same time.
fn at_once(server: &Server, name: &str, events: &[Value]) -> Vec<Invoked> {
    std::thread::scope(|scope| {
        let invoke = |event| scope.spawn(move || server.invoke(name, event));
        let threads: Vec<_> = events.iter().map(invoke).collect();
        let join = |thread: std::thread::ScopedJoinHandle<'_, Invoked>| thread.join().unwrap();
        threads.into_iter().map(join).collect()
    })
}

/// What is different in their results.
fn different(invoked: &[Invoked], member: &str) -> BTreeSet<String> {
    let member = |one: &Invoked| one.success()[member].to_string();
    invoked.iter().map(member).collect()
}

/// An invocation's own REPORT line: the tail of the log has those of its neighbours too.
fn report(invoked: &Invoked) -> &str {
    let begin = format!("REPORT RequestId: {}\t", invoked.request_id);
    let mut lines = invoked.log.lines();
    let own = lines.find(|line| line.starts_with(&begin));
    own.unwrap_or_else(|| panic!("{}", invoked.log))
}

#[test]
fn invocations_meet_in_one_instance_and_one_too_many_has_another() {
    let server = Server::start();
    threads(&server, "shared", 4).create();
    let met = at_once(&server, "shared", &vec![json!({"meet": 4}); 4]);
    assert_eq!(different(&met, "me").len(), 1);
    assert_eq!(different(&met, "stream").len(), 1);
    let with_init = met
        .iter()
        .filter(|one| report(one).contains("Init Duration"));
    assert_eq!(with_init.count(), 1, "its init is the first one's");
    let more = at_once(&server, "shared", &vec![json!({"sleep": 1.5}); 5]);
    assert_eq!(different(&more, "me").len(), 2);
}

#[test]
fn without_the_tag_each_has_an_instance_of_its_own() {
    let server = Server::start();
    python(&server, "alone", THREADS).create();
    let alone = at_once(&server, "alone", &vec![json!({"sleep": 1}); 3]);
    assert_eq!(different(&alone, "me").len(), 3);
}

#[test]
fn the_tag_can_be_changed_and_takes_effect_on_new_instances() {
    let server = Server::start();
    python(&server, "later", THREADS).create();
    server.invoke("later", &json!({})).success();
    let arn = "arn:aws:lambda:us-east-1:000000000000:function:later";
    let tags = json!({"Tags": {"kiln:concurrency": "3"}});
    let tagged = server.lambda("POST", &format!("/2017-03-31/tags/{arn}"));
    tagged.json(&tags).send().expect_status(204);
    let met = at_once(&server, "later", &vec![json!({"meet": 3}); 3]);
    assert_eq!(different(&met, "me").len(), 1);
}

#[test]
fn a_crash_fails_all_that_are_in_flight() {
    let server = Server::start();
    threads(&server, "crashes", 3).create();
    let events = [
        json!({"meet": 3, "sleep": 0.3, "exit": 7}),
        json!({"meet": 3, "sleep": 5}),
        json!({"meet": 3, "sleep": 5}),
    ];
    for failed in at_once(&server, "crashes", &events) {
        let document = failed.failure();
        assert_eq!(document["errorType"], "Runtime.ExitError");
        let expected = format!(
            "RequestId: {} Error: Runtime exited with error: exit status 7",
            failed.request_id
        );
        assert_eq!(document["errorMessage"], expected);
        assert!(report(&failed).contains("Error Type: Runtime.ExitError"));
    }
    server.invoke("crashes", &json!({})).success();
}

#[test]
fn a_timeout_hurts_its_own_invocation_only_and_ends_the_instance_after_the_others() {
    let server = Server::start();
    threads(&server, "slow", 3).timeout(3).create();
    let before = server.invoke("slow", &json!({})).success();
    let (slow, beside) = std::thread::scope(|scope| {
        let slow = scope.spawn(|| server.invoke("slow", &json!({"sleep": 3.4})));
        std::thread::sleep(Duration::from_millis(1_500));
        // Both in the same instance; this one ends after the other's time was up and it has answered.
        let beside = server.invoke("slow", &json!({"sleep": 2.4, "name": "the neighbour"}));
        (slow.join().unwrap(), beside)
    });
    let document = slow.failure();
    assert_eq!(document["errorType"], "Sandbox.Timedout");
    let expected = format!(
        "RequestId: {} Error: Task timed out after 3.00 seconds",
        slow.request_id
    );
    assert_eq!(document["errorMessage"], expected);
    assert_eq!(beside.success()["me"], before["me"]);
    assert!(beside.log.contains("too late: 410\n"), "{}", beside.log);
    assert!(beside.log.contains("done with the neighbour\n"));
    let after = server.invoke("slow", &json!({})).success();
    assert_ne!(after["me"], before["me"]);
}

#[test]
fn the_runtime_crate_for_rust_runs_several_at_a_time() {
    let server = Server::start();
    let program = fs::read(programs::example("rust_concurrent")).unwrap();
    sharing(custom(&server, "meet", &[("bootstrap", &program)]), 16).create();
    let met = at_once(&server, "meet", &vec![json!({"together": 16}); 16]);
    assert_eq!(different(&met, "process").len(), 1);
    for number in 17..40 {
        server
            .invoke("meet", &json!({"together": number}))
            .success();
    }
}

#[test]
fn aws_s_runtime_client_for_python_forks_a_process_for_each_at_a_time() {
    let server = Server::start();
    let app = "import os, time
def handler(event, context):
    if event.get('fail'): raise ValueError('as asked')
    open('/tmp/' + context.aws_request_id, 'w').close()
    until = time.time() + 5
    while len(os.listdir('/tmp')) < 3:
        if time.time() > until: raise TimeoutError('nobody came')
        time.sleep(0.01)
    return {'parent': os.getppid(), 'process': os.getpid()}
";
    sharing(python_client(&server, "forks", app), 3).create();
    let met = at_once(&server, "forks", &vec![json!({}); 3]);
    assert_eq!(different(&met, "parent").len(), 1);
    assert_eq!(different(&met, "process").len(), 3);
    let failed = server.invoke("forks", &json!({"fail": true})).failure();
    assert_eq!(failed["errorType"], "ValueError");
}

#[test]
fn those_that_share_an_instance_are_charged_its_time_once() {
    let server = Server::start();
    threads(&server, "charged", 4).create();
    server.invoke("charged", &json!({})).success();
    let usage = || {
        let output = programs::run(&mut server.kiln(&["usage", "--output", "json"]));
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        let functions = document["functions"].as_array().unwrap().clone();
        functions
            .into_iter()
            .find(|function| function["functionName"] == "charged")
    };
    let wait = |count: u64| {
        wait_for("usage", Duration::from_secs(10), || {
            usage().filter(|usage| usage["invocations"] == count)
        })
    };
    let before = wait(1)["billedMs"].as_u64().unwrap();
    let shared = at_once(&server, "charged", &vec![json!({"meet": 5, "sleep": 1}); 4]);
    for one in &shared {
        let duration = report(one).split("\tDuration: ").nth(1).unwrap();
        let duration: f64 = duration.split(' ').next().unwrap().parse().unwrap();
        assert!(duration >= 1_000.0, "{}", one.log);
    }
    let billed = wait(5)["billedMs"].as_u64().unwrap() - before;
    // Each ran for a second and more; together the instance did too, and not four times as long. The rest
    // is a machine that is busy.
    assert!((1_000..3_000).contains(&billed), "{billed}");
}

#[test]
fn the_tag_is_refused_where_it_cannot_be_kept() {
    let server = Server::start();
    let refused = sharing(server.function("built-in", ""), 2).try_create();
    let refused = refused.expect_status(400);
    assert_eq!(refused.error_type(), "InvalidParameterValueException");
    let takes_one = format!("{} takes one", server.runtime());
    assert!(
        refused.message().contains(&takes_one),
        "{}",
        refused.message()
    );
    let refused = threads(&server, "too-many", 129).try_create();
    let says = "The tag kiln:concurrency must be a whole number from 1 to 128, not '129'.";
    assert_eq!(refused.expect_status(400).message(), says);
}
