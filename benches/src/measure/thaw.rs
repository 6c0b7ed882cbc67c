//! What an instance that was frozen costs its next invocation.

use std::time::Duration;

use crate::load::{self, Load};
use crate::report::{Report, Row, Section, Target, number};
use crate::statistics::{micros, percentile};
use crate::subject::{ONE_CORE, Scale, Subject};

/// Between two requests: ten times the grace before an instance is frozen.
const PAUSE: Duration = Duration::from_millis(100);
const FREEZE_SOON: [&str; 2] = ["--freeze-after-ms", "10"];
const FREEZE_NEVER: [&str; 2] = ["--freeze-after-ms", "600000"];

pub(super) fn measure(scale: &Scale, report: &mut Report) -> anyhow::Result<()> {
    let frozen = latencies(scale, &FREEZE_SOON)?;
    let awake = latencies(scale, &FREEZE_NEVER)?;
    let of = |latencies: &[Duration], part| micros(percentile(latencies, part));
    let cost = |part| (of(&frozen, part) - of(&awake, part)).max(0.0);
    let row = |name, part| Row {
        name,
        value: cost(part),
        unit: "us",
        floor: None,
        target: Target::AtMost(1_000.0),
    };
    report.add(Section {
        title: "Thawing",
        method: format!(
            "A warm function invoked every {} ms, {} times, by a server that freezes idle instances \
             after 10 ms and by one that does not: the difference of their medians, and of their 90th \
             percentiles.",
            PAUSE.as_millis(),
            scale.dry
        ),
        rows: vec![row("thaw_p50", 0.5), row("thaw_p90", 0.9)],
        detail: vec![format!(
            "p50 frozen {} µs, awake {} µs",
            number(of(&frozen, 0.5)),
            number(of(&awake, 0.5))
        )],
    });
    Ok(())
}

fn latencies(scale: &Scale, arguments: &[&str]) -> anyhow::Result<Vec<Duration>> {
    let subject = Subject::start(arguments);
    let names = subject.deploy("thaw", 1, ONE_CORE);
    load::run(&subject.load(&names, 1)?)?;
    let load = Load {
        count_max: scale.dry,
        pause: PAUSE,
        ..subject.load(&names, 1)?
    };
    Ok(load::run(&load)?.latencies)
}
