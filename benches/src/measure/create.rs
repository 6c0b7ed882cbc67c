//! Instances created a second, and the memory of the idle ones they become.

use std::time::Duration;

use anyhow::{Context as _, ensure};

use crate::floor::import_boto3;
use crate::load::{self, Answers};
use crate::report::{Report, Row, Section, Target, number};
use crate::statistics::{millis, percentile};
use crate::subject::{ONE_CORE, Scale, Subject, python_and_pack};

/// Callers at once. The idle instances whose memory is measured come from the second.
const PARALLEL: [(&str, usize); 3] = [
    ("instances_per_second_1", 1),
    ("instances_per_second_10", 10),
    ("instances_per_second_100", 100),
];
const MIB: f64 = 1_048_576.0;
const GIB: f64 = 1_073_741_824.0;
/// Until idle instances are frozen and the pools are full again.
const SETTLE: Duration = Duration::from_millis(1_500);

pub(super) fn measure(scale: &Scale, report: &mut Report) -> anyhow::Result<()> {
    let mut rows = Vec::new();
    let mut detail = Vec::new();
    let mut crowd = None;
    for (name, connections) in PARALLEL {
        let made = create(scale, connections)?;
        rows.push(Row {
            name,
            value: made.answers.per_second(),
            unit: "1/s",
            floor: None,
            target: Target::AtLeast(300.0),
        });
        detail.push(format!(
            "{connections} at a time: p50 latency {} ms; {}",
            number(millis(percentile(&made.answers.latencies, 0.5))),
            made.spent
        ));
        if connections == 10 {
            crowd = Some(made);
        }
    }
    report.add(Section {
        title: "Instances created a second",
        method: format!(
            "{} functions, each invoked once, 1, 10 and 100 at a time on a server of their own: every \
             answer needs a new instance, and the time includes HTTP, SigV4, the import of boto3 and \
             the handler. Published for Firecracker: 150/s a host.",
            scale.instances
        ),
        rows,
        detail,
    });
    let crowd = crowd.context("10 is one of the numbers")?;
    idle(scale, report, crowd)
}

/// A server full of idle instances, and how they came to be.
struct Crowd {
    subject: Subject,
    answers: Answers,
    spent: String,
    before: Memory,
}

/// What is in use.
struct Memory {
    private: u64,
    available: u64,
    processes: usize,
}

impl Memory {
    fn of(subject: &Subject) -> Self {
        Self {
            private: subject.private_bytes_below(),
            available: available_bytes(),
            processes: subject.server.process().descendants().len(),
        }
    }
}

fn create(scale: &Scale, connections: usize) -> anyhow::Result<Crowd> {
    let subject = Subject::start(&[]);
    let names = subject.deploy("create", scale.instances, ONE_CORE);
    std::thread::sleep(SETTLE);
    let before = Memory::of(&subject);
    let spent = subject.spent();
    let answers = load::run(&subject.load(&names, connections)?)?;
    let spent = subject.spent().per_request(spent, names.len());
    Ok(Crowd {
        subject,
        answers,
        spent,
        before,
    })
}

fn idle(scale: &Scale, report: &mut Report, crowd: Crowd) -> anyhow::Result<()> {
    std::thread::sleep(SETTLE);
    let after = Memory::of(&crowd.subject);
    let before = crowd.before;
    let made = after.processes.saturating_sub(before.processes);
    ensure!(
        made >= scale.instances,
        "only {made} processes for {} idle instances",
        scale.instances
    );
    let count = scale.instances as f64;
    let private = after.private.saturating_sub(before.private) as f64 / count;
    let available = before.available.saturating_sub(after.available) as f64 / count;
    let (python, pack) = python_and_pack();
    let floor = import_boto3::measure(&python, &pack, 1)?.private_bytes as f64;
    report.add(Section {
        title: "Memory of an idle instance",
        method: format!(
            "The private memory (`smaps_rollup`, Private_*) that all processes below the daemon gained \
             when these {} functions got an idle instance each, divided by {}. Floor: a Python process \
             that imported boto3.",
            scale.instances, scale.instances
        ),
        rows: vec![
            Row {
                name: "idle_instance_private",
                value: private / MIB,
                unit: "MiB",
                floor: Some(floor / MIB),
                target: Target::AtMost(3.0),
            },
            Row {
                name: "idle_instances_per_gib",
                value: GIB / private,
                unit: "instances",
                floor: Some(GIB / floor),
                target: Target::AtLeast(300.0),
            },
        ],
        detail: vec![format!(
            "{} processes below the daemon; the machine's available memory fell by {} MiB an instance \
             (with the kernel's share)",
            after.processes,
            number(available / MIB)
        )],
    });
    Ok(())
}

fn available_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"));
    let kib = line.and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or_default() * 1_024
}
