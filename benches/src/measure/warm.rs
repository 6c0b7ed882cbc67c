//! Warm latency: one connection, one request at a time.

use std::time::Duration;

use crate::floor;
use crate::load::{self, Load};
use crate::report::{Report, Row, Section, Target};
use crate::statistics::{median, micros, percentile};
use crate::subject::{ONE_CORE, Scale, Subject};

pub(super) fn measure(scale: &Scale, report: &mut Report) -> anyhow::Result<()> {
    let subject = Subject::start(&[]);
    let names = subject.deploy("warm", 1, ONE_CORE);
    let hyper = floor::Process::start(&["floor-hyper"])?;
    let kiln = Load {
        count_max: usize::MAX,
        time_max: scale.round,
        ..subject.load(&names, 1)?
    };
    let bare = Load {
        to: hyper.address,
        ..kiln.clone()
    };
    load::run(&Load {
        time_max: Duration::from_millis(300),
        ..kiln.clone()
    })?;
    let (mut ours, mut floors, mut tails, mut requests) = (vec![], vec![], vec![], 0);
    let before = subject.spent();
    for _ in 0..scale.rounds {
        floors.push(micros(percentile(&load::run(&bare)?.latencies, 0.5)));
        let answers = load::run(&kiln)?;
        ours.push(micros(percentile(&answers.latencies, 0.5)));
        tails.push(micros(percentile(&answers.latencies, 0.99)));
        requests += answers.latencies.len();
    }
    let spent = subject.spent().per_request(before, requests);
    report.add(Section {
        title: "Warm latency",
        method: format!(
            "One connection, one signed request after the other, {} rounds of {} ms, each after a \
             round against a bare hyper server (the floor) by the same generator. The median of the \
             rounds' medians. The handler's own time, about 1 µs, is not subtracted.",
            scale.rounds,
            scale.round.as_millis()
        ),
        rows: vec![Row {
            name: "warm_latency_p50",
            value: median(&ours),
            unit: "us",
            floor: Some(median(&floors)),
            target: Target::AtMost(150.0),
        }],
        detail: vec![
            format!("p99: {:.0} µs", median(&tails)),
            format!("{spent} (the generator also served the floor)"),
        ],
    });
    Ok(())
}
