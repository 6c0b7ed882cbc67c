//! Cold starts of Node.js functions: from a stem, and executed anew.

use std::process::Command;
use std::time::Duration;

use kiln_testkit::runtimes::{self, Node};
use kiln_testkit::{FunctionBuilder, Server, archive};
use serde_json::json;

use crate::floor::program;
use crate::load::Answers;
use crate::report::{Report, Row, Section, Target};
use crate::statistics::{millis, percentile};
use crate::subject::{ONE_CORE, Scale, Subject};

const HANDLER: &[u8] =
    b"exports.handler = async (event) => ({ result: event.num1 + event.num2 });\n";
/// Between two samples: the pool makes a new stem meanwhile, which takes a core 50 ms.
const PAUSE: Duration = Duration::from_millis(120);

pub(super) fn measure(scale: &Scale, report: &mut Report) -> anyhow::Result<()> {
    let Some(node) = runtimes::nodes().pop() else {
        eprintln!("  not measured: this machine has no Node.js with an even version");
        return Ok(());
    };
    let mut nothing = Command::new(&node.executable);
    let floor = program::measure(nothing.args(["-e", "0"]), scale.fresh)?;
    let floor = millis(percentile(&floor, 0.5));
    let stems = first_invocations(&node, &[], scale.dry)?;
    let fresh = first_invocations(&node, &["--start", "fresh"], scale.fresh)?;
    let row = |name, answers: &Answers, part, target| Row {
        name,
        value: millis(percentile(&answers.latencies, part)),
        unit: "ms",
        floor: Some(floor),
        target,
    };
    report.add(Section {
        title: "Cold start of Node.js",
        method: format!(
            "{} functions of {ONE_CORE} MB in {}, each invoked once, {} ms apart, from a stem; then {} \
             with `--start fresh`. Floor: `node -e 0` with the same program, median of {}, which has \
             neither sandbox nor handler.",
            scale.dry,
            node.runtime(),
            PAUSE.as_millis(),
            scale.fresh,
            scale.fresh
        ),
        rows: vec![
            row("node_cold_start_stem_p50", &stems, 0.5, Target::AtMost(1.5)),
            row("node_cold_start_stem_p99", &stems, 0.99, Target::AtMost(10.0)),
            row("node_cold_start_fresh_p50", &fresh, 0.5, Target::AtMost(floor * 1.5)),
        ],
        detail: vec![],
    });
    Ok(())
}

/// Invokes functions of one memory size, of which the server has learned to keep stems.
fn first_invocations(node: &Node, args: &[&str], count: usize) -> anyhow::Result<Answers> {
    let subject = Subject::start_with(Server::builder().nodes(vec![node.clone()]), args);
    let create = |server: &Server, name: &str| function(server, name, node).create();
    subject.first_invocations(count, PAUSE, create)
}

fn function<'a>(server: &'a Server, name: &str, node: &Node) -> FunctionBuilder<'a> {
    server
        .function(name, "")
        .zip(archive::zip(&[("index.js", HANDLER)]))
        .set("Runtime", json!(node.runtime()))
        .memory(ONE_CORE)
}
