//! EventBridge Scheduler: each tick runs its function once, whatever happens to the server.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kiln_testkit::{Response, Server, wait_for};
use kiln_types::{Clock, SystemClock, Timestamp};
use serde_json::{Value, json};

use crate::client;
use crate::events::Ledger;

/// How long a tick may take on a loaded machine.
const SOON: Duration = Duration::from_secs(60);

fn start(ledger: &Ledger) -> Server {
    let server = Server::builder().args(&["--file-system", &ledger.setting()]);
    server.start()
}

fn now_secs() -> i64 {
    SystemClock::start().timestamp().as_millis() / 1_000
}

fn at(secs: i64) -> String {
    let text = Timestamp::from_millis(secs * 1_000).to_string();
    format!("at({})", &text[..19])
}

/// A schedule that tells a function its name and the time.
fn schedule(name: &str, function: &str, expression: &str) -> Value {
    json!({
        "ScheduleExpression": expression,
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "Target": {
            "Arn": format!("arn:aws:lambda:us-east-1:000000000000:function:{function}"),
            "RoleArn": "arn:aws:iam::000000000000:role/scheduler",
            "Input": json!({"name": name, "at": "<aws.scheduler.scheduled-time>"}).to_string(),
        },
    })
}

fn ask(server: &Server, method: &str, name: &str, body: &Value) -> Response {
    let request = server.request(method, &format!("/schedules/{name}"));
    match body.is_null() {
        true => request.signed("scheduler").send(),
        false => request.json(body).signed("scheduler").send(),
    }
}

fn create(server: &Server, name: &str, body: &Value) {
    ask(server, "POST", name, body).expect_status(200);
}

/// Which executions each schedule had: a request id each. One that runs when the server is killed runs again under
/// the same id.
fn executions(ledger: &Ledger) -> BTreeMap<String, BTreeSet<String>> {
    let mut executions: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for (id, event) in ledger.runs() {
        let name = event["name"].as_str().unwrap().to_owned();
        executions.entry(name).or_default().insert(id);
    }
    executions
}

fn until_run(ledger: &Ledger, name: &str) {
    wait_for(name, SOON, || {
        executions(ledger).contains_key(name).then_some(())
    });
}

#[test]
fn boto3_makes_changes_and_lists_schedules() {
    let server = Server::start();
    client::python(&server, "boto3_schedules.py", &[]);
}

#[test]
fn a_schedule_runs_its_function_at_its_time_and_is_deleted_when_it_is_done() {
    let ledger = Ledger::new();
    let server = start(&ledger);
    ledger.create(&server, "runs");
    let due = now_secs() + 3;
    let mut once = schedule("once", "runs", &at(due));
    once["ActionAfterCompletion"] = json!("DELETE");
    create(&server, "once", &once);
    create(&server, "stays", &schedule("stays", "runs", &at(due)));
    until_run(&ledger, "once");
    until_run(&ledger, "stays");
    assert!(now_secs() >= due);
    let run = ledger.runs().into_iter().next().unwrap().1;
    let expected = Timestamp::from_millis(due * 1_000).to_string();
    assert_eq!(run["at"], json!(format!("{}Z", &expected[..19])));
    ask(&server, "GET", "once", &Value::Null).expect_status(404);
    ask(&server, "GET", "stays", &Value::Null).expect_status(200);
}

#[test]
fn a_rate_runs_at_once_and_a_schedule_that_is_paused_does_not() {
    let ledger = Ledger::new();
    let server = start(&ledger);
    ledger.create(&server, "runs");
    let mut paused = schedule("paused", "runs", "rate(1 minute)");
    paused["State"] = json!("DISABLED");
    create(&server, "paused", &paused);
    create(&server, "rate", &schedule("rate", "runs", "rate(1 hour)"));
    until_run(&ledger, "rate");
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(executions(&ledger).len(), 1);
    paused["State"] = json!("ENABLED");
    paused["ScheduleExpression"] = json!("rate(2 minutes)");
    ask(&server, "PUT", "paused", &paused).expect_status(200);
    until_run(&ledger, "paused");
}

#[test]
fn a_tick_that_was_missed_runs_once_after_the_next_start() {
    let ledger = Ledger::new();
    let server = start(&ledger);
    ledger.create(&server, "runs");
    // Long enough to stop before, on a loaded machine.
    let due = now_secs() + 8;
    create(&server, "missed", &schedule("missed", "runs", &at(due)));
    let home = server.stop();
    assert!(executions(&ledger).is_empty(), "the server stopped in time");
    while now_secs() <= due {
        std::thread::sleep(Duration::from_millis(100));
    }
    let server = Server::builder()
        .home(home)
        .args(&["--file-system", &ledger.setting()])
        .start();
    until_run(&ledger, "missed");
    let home = server.stop();
    let server = Server::builder()
        .home(home)
        .args(&["--file-system", &ledger.setting()])
        .start();
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(executions(&ledger)["missed"].len(), 1);
    drop(server);
}

#[test]
fn kill_9_around_ticks_runs_each_exactly_once() {
    const COUNT: i64 = 60;
    let ledger = Ledger::new();
    let mut server = start(&ledger);
    ledger.create(&server, "runs");
    let first = now_secs() + 4;
    // Three a second for twenty seconds.
    for number in 0..COUNT {
        let name = format!("tick-{number}");
        let body = schedule(&name, "runs", &at(first + number / 3));
        create(&server, &name, &body);
    }
    while now_secs() < first + COUNT / 3 {
        let pause = Duration::from_millis(1_000 + u64::from(std::process::id()) * 37 % 900);
        std::thread::sleep(pause);
        let home = server.kill9();
        let again = Server::builder().home(home);
        let setting = ledger.setting();
        server = again.args(&["--file-system", &setting]).start();
    }
    wait_for("all ticks", SOON, || {
        (executions(&ledger).len() as i64 == COUNT).then_some(())
    });
    std::thread::sleep(Duration::from_secs(2));
    let executions = executions(&ledger);
    let doubled: Vec<_> = executions
        .iter()
        .filter(|(_, ids)| ids.len() != 1)
        .collect();
    assert!(doubled.is_empty(), "{doubled:?}");
}

#[test]
fn a_tick_for_a_function_that_is_gone_is_counted_and_logged() {
    let server = Server::builder()
        .expect_log("a tick of a schedule was given up")
        .start();
    create(&server, "gone", &schedule("gone", "absent", "rate(1 hour)"));
    let status = || {
        let status = server.request("GET", "/_kiln/status").signed("kiln");
        status.send().expect_status(200).json()["schedules"].clone()
    };
    let lost = json!({"fired": 0, "deadLettered": 0, "lost": 1});
    wait_for("a tick", SOON, || (status() == lost).then_some(()));
}
