//! Cold starts: request to response of the first invocation of a function, over HTTP with SigV4.

use std::time::Duration;

use crate::floor::import_boto3::{self, Fresh};
use crate::load::{self, Answers};
use crate::report::{Report, Row, Section, Target, number};
use crate::statistics::{median, millis, percentile};
use crate::subject::{HANDLER_OF_NOTHING, ONE_CORE, SMALLEST, Scale, Subject, python_and_pack};

/// Between two samples: the pool makes a new stem meanwhile, as it does between real cold starts.
const PAUSE: Duration = Duration::from_millis(30);
/// Samples of which the REPORT line is read, to say where the time goes.
const REPORTED: usize = 9;

pub(super) fn measure(scale: &Scale, report: &mut Report) -> anyhow::Result<()> {
    let (python, pack) = python_and_pack();
    let floor = import_boto3::measure(&python, &pack, scale.fresh)?;
    stem(scale, &floor, report)?;
    small(scale, &floor, report)?;
    dry(scale, &floor, report)?;
    fresh(scale, &floor, report)
}

fn stem(scale: &Scale, floor: &Fresh, report: &mut Report) -> anyhow::Result<()> {
    let subject = Subject::start(&[]);
    let answers = first_invocations(&subject, ONE_CORE, scale.cold)?;
    let detail = detail(&subject, &answers);
    let floor = millis(percentile(&floor.times, 0.5));
    let p50 = millis(percentile(&answers.latencies, 0.5));
    let p99 = millis(percentile(&answers.latencies, 0.99));
    let row = |name, value, unit, floor, target| Row {
        name,
        value,
        unit,
        floor,
        target,
    };
    report.add(Section {
        title: "Cold start from a stem",
        method: format!(
            "{} functions of {ONE_CORE} MB (one core) whose handler imports boto3, each invoked once, one after the other, {} ms \
             apart. Floor: `python -c 'import boto3'` with the same interpreter and packages, median \
             of {}.",
            scale.cold,
            PAUSE.as_millis(),
            scale.fresh
        ),
        rows: vec![
            row("cold_start_stem_p50", p50, "ms", Some(floor), Target::AtMost(1.5)),
            row("cold_start_stem_p99", p99, "ms", Some(floor), Target::AtMost(5.0)),
            row("cold_start_speedup", floor / p50, "times", None, Target::AtLeast(100.0)),
        ],
        detail,
    });
    Ok(())
}

fn small(scale: &Scale, floor: &Fresh, report: &mut Report) -> anyhow::Result<()> {
    let subject = Subject::start(&[]);
    let answers = first_invocations(&subject, SMALLEST, scale.dry)?;
    report.add(Section {
        title: "Cold start of the smallest function",
        method: format!(
            "The same for {} functions of {SMALLEST} MB, which have 7 % of a core: what does not fit \
             into the first 7 ms waits for the next period of 100 ms.",
            scale.dry
        ),
        rows: vec![Row {
            name: "cold_start_128mb_p50",
            value: millis(percentile(&answers.latencies, 0.5)),
            unit: "ms",
            floor: Some(millis(percentile(&floor.times, 0.5))),
            target: Target::AtMost(1.5),
        }],
        detail: vec![tail(&answers)],
    });
    Ok(())
}

fn dry(scale: &Scale, floor: &Fresh, report: &mut Report) -> anyhow::Result<()> {
    let subject = Subject::start(&["--stems", "0"]);
    let answers = first_invocations(&subject, ONE_CORE, scale.dry)?;
    report.add(Section {
        title: "Cold start with a dry pool",
        method: format!("The same with `--stems 0`: {} forks on demand.", scale.dry),
        rows: vec![Row {
            name: "cold_start_dry_p50",
            value: millis(percentile(&answers.latencies, 0.5)),
            unit: "ms",
            floor: Some(millis(percentile(&floor.times, 0.5))),
            target: Target::AtMost(6.0),
        }],
        detail: detail(&subject, &answers),
    });
    Ok(())
}

fn fresh(scale: &Scale, floor: &Fresh, report: &mut Report) -> anyhow::Result<()> {
    let subject = Subject::start(&["--start", "fresh"]);
    let answers = first_invocations(&subject, ONE_CORE, scale.fresh)?;
    let floor = millis(percentile(&floor.times, 0.5));
    report.add(Section {
        title: "Cold start of a fresh interpreter",
        method: format!(
            "The same with `--start fresh`: {} interpreters executed anew in a sandbox. It promises \
             no more than to be about as fast as the floor, which has neither sandbox nor handler.",
            scale.fresh
        ),
        rows: vec![Row {
            name: "cold_start_fresh_p50",
            value: millis(percentile(&answers.latencies, 0.5)),
            unit: "ms",
            floor: Some(floor),
            target: Target::AtMost(floor * 1.25),
        }],
        detail: detail(&subject, &answers),
    });
    Ok(())
}

fn first_invocations(subject: &Subject, memory: u32, count: usize) -> anyhow::Result<Answers> {
    let names = subject.deploy("cold", count, memory);
    // The first connection and the first request of a server warm up code paths, not instances.
    subject.server.result_of("warm-up", HANDLER_OF_NOTHING);
    std::thread::sleep(PAUSE * 4);
    let mut load = subject.load(&names, 1)?;
    load.pause = PAUSE;
    load::run(&load)
}

fn detail(subject: &Subject, answers: &Answers) -> Vec<String> {
    let reported: Vec<(f64, f64)> = (0..REPORTED)
        .filter_map(|index| {
            std::thread::sleep(PAUSE);
            subject.reported_cold(&format!("reported-{index}"))
        })
        .collect();
    let init = median(&reported.iter().map(|(init, _)| *init).collect::<Vec<_>>());
    let duration = median(
        &reported
            .iter()
            .map(|(_, duration)| *duration)
            .collect::<Vec<_>>(),
    );
    vec![
        tail(answers),
        format!(
            "REPORT lines of {} more: init {} ms, duration {} ms (medians); the rest is HTTP, SigV4, \
             admission and the lease",
            reported.len(),
            number(init),
            number(duration)
        ),
    ]
}

fn tail(answers: &Answers) -> String {
    let parts: Vec<String> = [0.1, 0.5, 0.9, 0.99, 1.0]
        .iter()
        .map(|part| number(millis(percentile(&answers.latencies, *part))))
        .collect();
    format!("p10 p50 p90 p99 max: {} ms", parts.join(" "))
}
