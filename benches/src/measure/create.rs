//! Instances created a second, and the memory of the idle ones they become.

use std::time::Duration;

use anyhow::ensure;
use kiln_testkit::process::Process;

use crate::floor::import_boto3;
use crate::load;
use crate::report::{Report, Row, Section, Target, number};
use crate::statistics::{millis, percentile};
use crate::subject::{ONE_CORE, Scale, Subject, python_and_pack};

const CONNECTIONS: usize = 8;
const MIB: f64 = 1_048_576.0;
const GIB: f64 = 1_073_741_824.0;
/// Until idle instances are frozen and the pools are full again.
const SETTLE: Duration = Duration::from_millis(1_500);

pub(super) fn measure(scale: &Scale, report: &mut Report) -> anyhow::Result<()> {
    let subject = Subject::start(&[]);
    let names = subject.deploy("create", scale.instances, ONE_CORE);
    std::thread::sleep(SETTLE);
    let private_before = subject.private_bytes_below();
    let available_before = available_bytes();
    let processes_before = subject.server.process().descendants().len();
    let spent = subject.spent();
    let answers = load::run(&subject.load(&names, CONNECTIONS)?)?;
    let spent = subject.spent().per_request(spent, names.len());
    report.add(Section {
        title: "Instances created a second",
        method: format!(
            "{} functions, each invoked once, {CONNECTIONS} at a time: every answer needs a new \
             instance, and the time includes HTTP, SigV4, the import of boto3 and the handler. \
             Published for Firecracker: 150/s a host.",
            scale.instances
        ),
        rows: vec![Row {
            name: "instances_per_second",
            value: answers.per_second(),
            unit: "1/s",
            floor: None,
            target: Target::AtLeast(300.0),
        }],
        detail: vec![
            spent,
            format!(
                "p50 latency meanwhile: {} ms",
                number(millis(percentile(&answers.latencies, 0.5)))
            ),
        ],
    });
    std::thread::sleep(SETTLE);
    let processes = subject.server.process().descendants();
    let made = processes.len().saturating_sub(processes_before);
    ensure!(
        made >= names.len(),
        "only {made} processes for {} idle instances",
        names.len()
    );
    let count = names.len() as f64;
    let private = subject.private_bytes_below().saturating_sub(private_before) as f64 / count;
    let available = available_before.saturating_sub(available_bytes()) as f64 / count;
    idle(scale, report, private, available, &processes)
}

fn idle(
    scale: &Scale,
    report: &mut Report,
    private: f64,
    available: f64,
    processes: &[Process],
) -> anyhow::Result<()> {
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
            processes.len(),
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
