//! Requests a second at 16 and 64 connections, beside a bare hyper server and AWS's own client.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use kiln_testkit::{clients, runtimes};

use crate::floor;
use crate::load::{self, Load, request};
use crate::report::{Report, Row, Section, Target};
use crate::statistics::{median, millis, percentile};
use crate::subject::{HANDLER, ONE_CORE, Scale, Subject};

/// Runtime processes behind the Runtime API: two a core gave the most requests a second.
const WORKERS: usize = 4;
const WARM_UP: Duration = Duration::from_millis(700);

pub(super) fn measure(scale: &Scale, report: &mut Report) -> anyhow::Result<()> {
    let subject = Subject::start(&[]);
    let names = subject.deploy("rate", 1, ONE_CORE);
    let hyper = floor::Process::start(&["floor-hyper"])?;
    let task = tempfile::tempdir()?;
    std::fs::write(task.path().join("index.py"), HANDLER)?;
    let ric = start_awslambdaric(task.path())?;
    at(16, scale, report, &subject, &names, &hyper, Some(&ric))?;
    drop(ric);
    at(64, scale, report, &subject, &names, &hyper, None)
}

fn at(
    connections: usize,
    scale: &Scale,
    report: &mut Report,
    subject: &Subject,
    names: &[String],
    hyper: &floor::Process,
    ric: Option<&floor::Process>,
) -> anyhow::Result<()> {
    let kiln = Load {
        count_max: usize::MAX,
        time_max: scale.round,
        ..subject.load(names, connections)?
    };
    let bare = Load {
        to: hyper.address,
        ..kiln.clone()
    };
    let event = request(
        "POST",
        "/invoke",
        "localhost",
        &[],
        b"{\"num1\": 1, \"num2\": 2}",
    );
    let ric = ric.map(|ric| Load {
        to: ric.address,
        requests: Arc::new(vec![event]),
        ..kiln.clone()
    });
    for load in [Some(&kiln), ric.as_ref()].into_iter().flatten() {
        load::run(&Load {
            time_max: WARM_UP,
            ..load.clone()
        })?;
    }
    let (mut ours, mut floors, mut peers, mut tails) = (vec![], vec![], vec![], vec![]);
    let mut detail = String::new();
    for _ in 0..scale.rounds {
        floors.push(load::run(&bare)?.per_second());
        let before = subject.spent();
        let answers = load::run(&kiln)?;
        detail = subject.spent().per_request(before, answers.latencies.len());
        ours.push(answers.per_second());
        tails.push(millis(percentile(&answers.latencies, 0.99)));
        if let Some(ric) = &ric {
            peers.push(load::run(ric)?.per_second());
        }
    }
    let row = |name, floor: &[f64], target| Row {
        name,
        value: median(&ours),
        unit: "requests/s",
        floor: Some(median(floor)),
        target,
    };
    let (title, mut rows) = match connections {
        16 => (
            "Rate at 16",
            vec![row("rate_c16", &floors, Target::RatioAtLeast(0.3))],
        ),
        _ => (
            "Rate at 64",
            vec![row("rate_c64", &floors, Target::RatioAtLeast(0.3))],
        ),
    };
    if ric.is_some() {
        rows.push(row(
            "rate_c16_awslambdaric",
            &peers,
            Target::RatioAtLeast(4.0),
        ));
    }
    report.add(Section {
        title,
        method: format!(
            "{connections} keep-alive connections, signed requests, {} rounds of {} ms in turn with \
             the floors: a bare hyper server, and (at 16) awslambdaric in {WORKERS} processes behind \
             a Runtime API on hyper. All share the cores with the generator. Medians of the rounds.",
            scale.rounds,
            scale.round.as_millis()
        ),
        rows,
        detail: vec![detail, format!("p99 latency: {:.1} ms", median(&tails))],
    });
    Ok(())
}

fn start_awslambdaric(task: &std::path::Path) -> anyhow::Result<floor::Process> {
    let python = runtimes::newest_python();
    let text = |path: &std::path::Path| path.to_str().map(str::to_owned).context("a UTF-8 path");
    floor::Process::start(&[
        "floor-awslambdaric",
        "--python",
        &text(&python.executable)?,
        "--pack",
        &text(&clients::awslambdaric_packages(&runtimes::newest_python()))?,
        "--task",
        &text(task)?,
        "--workers",
        &WORKERS.to_string(),
    ])
}
