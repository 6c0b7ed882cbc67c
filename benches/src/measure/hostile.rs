//! What a quiet function notices of a neighbour that takes all it can get.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::load::{self, Load};
use crate::report::{Report, Row, Section, Target, number};
use crate::statistics::{median, micros, percentile};
use crate::subject::{ONE_CORE, Scale, Subject};

/// The attacker of the black-box tests.
const TAKER: &str = include_str!("../../../crates/app/tests/black_box/probes/hostile.py");
const MIB: f64 = 1_048_576.0;
/// Between two requests of the quiet function, which is busy 5 % of the time at most.
const PAUSE: Duration = Duration::from_millis(4);
/// What is given an attack to begin before it is measured.
const RUN_UP: Duration = Duration::from_millis(200);

pub(super) fn measure(scale: &Scale, report: &mut Report) -> anyhow::Result<()> {
    let subject = Subject::start(&[]);
    let quiet = subject.deploy("quiet", 1, ONE_CORE);
    let taker = subject.server.function("taker", TAKER);
    taker.memory(ONE_CORE).timeout(60).create();
    subject
        .server
        .invoke("taker", &json!({"take": "nothing"}))
        .success();
    let load = Load {
        count_max: usize::MAX,
        time_max: scale.round,
        pause: PAUSE,
        ..subject.load(&quiet, 1)?
    };
    load::run(&load)?;
    let resident_before = subject.server.process().resident_bytes() as f64 / MIB;
    let mut rows = Vec::new();
    let mut detail = Vec::new();
    for (name, event) in attacks(scale.round) {
        let (mut alone, mut beside) = (vec![], vec![]);
        for _ in 0..scale.rounds {
            alone.push(load::run(&load)?.latencies);
            beside.push(under_attack(&subject, &event, &load)?);
        }
        let tail = |rounds: &[Vec<Duration>], part| {
            let each = rounds.iter().map(|round| micros(percentile(round, part)));
            median(&each.collect::<Vec<_>>())
        };
        detail.push(format!(
            "{name}: p50 {} µs alone, {} µs beside",
            number(tail(&alone, 0.5)),
            number(tail(&beside, 0.5))
        ));
        let floor = tail(&alone, 0.99);
        rows.push(Row {
            name,
            value: tail(&beside, 0.99),
            unit: "us",
            floor: Some(floor),
            target: Target::AtMost(floor * 2.0),
        });
    }
    let resident = subject.server.process().resident_bytes() as f64 / MIB;
    rows.push(Row {
        name: "hostile_daemon_growth",
        value: (resident - resident_before).max(0.0),
        unit: "MiB",
        floor: None,
        target: Target::AtMost(64.0),
    });
    report.add(Section {
        title: "A quiet function beside a hostile one",
        method: format!(
            "The 99th percentile of a warm function invoked every {} ms over one connection, while \
             another of {ONE_CORE} MB (one core) spins in four processes, forks, fills memory, fills \
             /tmp or floods its log, again and again. Floor: the same function alone, in rounds of {} ms \
             in turn; medians of {} rounds. The promise is at most twice the time. Last: how much the \
             daemon's resident memory grew in all of it.",
            PAUSE.as_millis(),
            scale.round.as_millis(),
            scale.rounds
        ),
        rows,
        detail,
    });
    Ok(())
}

fn attacks(round: Duration) -> [(&'static str, Value); 5] {
    [
        (
            "hostile_processor_p99",
            json!({"take": "processor", "seconds": round.as_secs_f64()}),
        ),
        ("hostile_processes_p99", json!({"take": "processes"})),
        ("hostile_memory_p99", json!({"take": "memory"})),
        ("hostile_disk_p99", json!({"take": "disk"})),
        (
            "hostile_log_p99",
            json!({"take": "log", "kibibytes": 65_536}),
        ),
    ]
}

/// The quiet function's latencies while the attack is made again and again.
fn under_attack(subject: &Subject, event: &Value, load: &Load) -> anyhow::Result<Vec<Duration>> {
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                subject.server.invoke("taker", event);
            }
        });
        std::thread::sleep(RUN_UP);
        let answers = load::run(load);
        is_over.store(true, Ordering::Relaxed);
        Ok(answers?.latencies)
    })
}
