//! What the daemon itself uses while nothing runs.

use crate::report::{Report, Row, Section, Target, number};
use crate::subject::{SMALLEST, Scale, Subject};

const MIB: f64 = 1_048_576.0;

pub(super) fn measure(scale: &Scale, report: &mut Report) -> anyhow::Result<()> {
    let subject = Subject::start(&[]);
    let daemon = subject.server.process();
    let at_start = daemon.resident_bytes() as f64 / MIB;
    subject.deploy("idle", scale.functions, SMALLEST);
    std::thread::sleep(std::time::Duration::from_secs(1));
    let before = subject.spent();
    std::thread::sleep(scale.idle);
    let after = subject.spent();
    let share = |after: std::time::Duration, before: std::time::Duration| {
        after.saturating_sub(before).as_secs_f64() / scale.idle.as_secs_f64() * 100.0
    };
    let with_functions = daemon.resident_bytes() as f64 / MIB;
    let row = |name, value, unit, target| Row {
        name,
        value,
        unit,
        floor: None,
        target,
    };
    let below: Vec<String> = daemon
        .descendants()
        .iter()
        .map(|process| number(process.private_bytes().unwrap_or_default() as f64 / MIB))
        .collect();
    report.add(Section {
        title: "The daemon at rest",
        method: format!(
            "Resident memory of the daemon's process when it is ready, and with {} functions created \
             through the API and none invoked; its processor time over the next {} s.",
            scale.functions,
            scale.idle.as_secs()
        ),
        rows: vec![
            row("daemon_resident_at_start", at_start, "MiB", Target::AtMost(40.0)),
            row("daemon_resident_1000_functions", with_functions, "MiB", Target::AtMost(40.0)),
            row(
                "daemon_idle_cpu",
                share(after.daemon, before.daemon),
                "%",
                Target::AtMost(0.5),
            ),
        ],
        detail: vec![
            format!("private memory of the processes below it (spawner, zygotes, pools): {} MiB", below.join(" + ")),
            format!("their processor time: {} %", number(share(after.sandboxes, before.sandboxes))),
        ],
    });
    Ok(())
}
