//! Cold starts of a native program: a custom runtime written with AWS's crate for Rust.

use std::process::Command;
use std::time::Duration;

use kiln_testkit::{FunctionBuilder, Server, archive, programs};
use serde_json::json;

use crate::floor::program;
use crate::load::Answers;
use crate::report::{Report, Row, Section, Target};
use crate::statistics::{millis, percentile};
use crate::subject::{ONE_CORE, Scale, Subject};

/// What [`rows`] have for their floor.
pub(super) const FLOOR: &str =
    "Floor: starting `/bin/true` and waiting for its end, without sandbox, runtime or handler.";
/// Between two samples: the pool makes a new sandbox meanwhile.
pub(super) const PAUSE: Duration = Duration::from_millis(30);

pub(super) fn measure(scale: &Scale, report: &mut Report) -> anyhow::Result<()> {
    let program = std::fs::read(programs::example("rust_function"))?;
    let package = archive::programs(&[("bootstrap", &program)]);
    let subject = Subject::start(&[]);
    let create = |server: &Server, name: &str| function(server, name, &package).create();
    let answers = subject.first_invocations(scale.dry, PAUSE, create)?;
    let targets = [
        ("native_cold_start_p50", 0.5, Target::AtMost(2.5)),
        ("native_cold_start_p99", 0.99, Target::AtMost(16.0)),
    ];
    report.add(Section {
        title: "Cold start of a native custom runtime",
        method: format!(
            "{} functions of {ONE_CORE} MB with the Rust program on AWS's `lambda_runtime`, each \
             invoked once, {} ms apart. {FLOOR}",
            scale.dry,
            PAUSE.as_millis()
        ),
        rows: rows(scale, &answers, targets)?,
        detail: vec![],
    });
    Ok(())
}

/// Parts of the answers' latencies, beside the floor of a native program.
pub(super) fn rows(
    scale: &Scale,
    answers: &Answers,
    targets: [(&'static str, f64, Target); 2],
) -> anyhow::Result<Vec<Row>> {
    let floor = program::measure(&mut Command::new("/bin/true"), scale.dry)?;
    let floor = millis(percentile(&floor, 0.5));
    let row = |(name, part, target)| Row {
        name,
        value: millis(percentile(&answers.latencies, part)),
        unit: "ms",
        floor: Some(floor),
        target,
    };
    Ok(targets.into_iter().map(row).collect())
}

fn function<'a>(server: &'a Server, name: &str, package: &[u8]) -> FunctionBuilder<'a> {
    server
        .function(name, "")
        .zip(package.to_vec())
        .set("Runtime", json!("provided.al2023"))
        .memory(ONE_CORE)
}
