//! What becomes of events when the server ends, however it ends.

use std::time::Duration;

use kiln_testkit::{Server, programs, wait_for};
use serde_json::{Value, json};

use super::{Ledger, SOON, figures, send, until_empty};

#[test]
fn nothing_accepted_is_lost_by_kill_9() {
    let ledger = Ledger::new();
    let setting = ledger.setting();
    let start = |home| {
        let builder = Server::builder().args(&["--file-system", &setting]);
        match home {
            None => builder.start(),
            Some(home) => builder.home(home).start(),
        }
    };
    let mut server = start(None);
    ledger.create(&server, "runs");
    let mut accepted = Vec::new();
    for round in 0..4 {
        // Killed while some wait, some run and some have just ended.
        for number in 0..40 {
            accepted.push(send(&server, "runs", &json!({"number": number})));
            std::thread::sleep(Duration::from_millis(round));
        }
        server = start(Some(server.kill9()));
    }
    let figures = until_empty(&server);
    let count = ledger.count();
    let lost: Vec<_> = accepted
        .iter()
        .filter(|id| !count.contains_key(*id))
        .collect();
    assert!(lost.is_empty(), "{lost:?} of {}", accepted.len());
    assert_eq!(
        count.len(),
        accepted.len(),
        "nothing ran that was not accepted"
    );
    assert_eq!(figures["succeeded"], json!(accepted.len()));
    let twice: usize = count.values().map(|runs| runs - 1).sum();
    let redelivered = figures["redelivered"].as_u64().unwrap();
    assert!(
        twice as u64 <= redelivered,
        "{twice} ran again, {redelivered} are counted"
    );
}

#[test]
fn a_server_that_is_told_to_stop_keeps_what_waits() {
    let ledger = Ledger::new();
    let setting = ledger.setting();
    let server = Server::builder().args(&["--file-system", &setting]).start();
    ledger.create(&server, "runs");
    let accepted: Vec<_> = (0..60)
        .map(|n| send(&server, "runs", &json!({"n": n})))
        .collect();
    let server = Server::builder()
        .args(&["--file-system", &setting])
        .home(server.stop())
        .start();
    let figures = until_empty(&server);
    assert_eq!(
        figures["redelivered"],
        json!(0),
        "what ran has ended, what waited was not begun"
    );
    let count = ledger.count();
    assert!(accepted.iter().all(|id| count[id] == 1), "{count:?}");
}

#[test]
fn what_outlives_the_drain_is_redelivered_and_not_judged() {
    let server = Server::builder()
        .args(&["--drain-secs", "1"])
        .expect_log("instances are ended while they run")
        .start();
    let source = "import time\n\ndef handler(event, context):\n    \
        print('begun')\n    time.sleep(event['sleep'])\n";
    server.function("slow", source).timeout(60).create();
    let id = send(&server, "slow", &json!({"sleep": 20}));
    server.log_until("/aws/lambda/slow", "begun");
    let server = Server::builder().home(server.stop()).start();
    let figures = wait_for("its second start", SOON, || {
        let events = figures(&server);
        (events["inFlight"] == 1).then_some(events)
    });
    assert_eq!(
        (&figures["redelivered"], &figures["retried"]),
        (&json!(1), &json!(0))
    );
    let shown = programs::run(&mut server.kiln(&["events", "show", &id])).stdout;
    let shown: Value = serde_json::from_slice(&shown).unwrap();
    assert_eq!(
        (&shown["state"], &shown["redelivered"]),
        (&json!("running"), &json!(1))
    );
    drop(server.kill9());
}
