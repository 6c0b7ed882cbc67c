//! WebAssembly: instances in a warm process, cold starts end to end, and warm invocations.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};
use kiln_testkit::{FunctionBuilder, Server, programs};
use serde_json::json;

use crate::load;
use crate::report::{Report, Row, Section, Target};
use crate::statistics::{micros, percentile};
use crate::subject::{ONE_CORE, Scale, Subject};

/// Between two samples: the pool makes a new stem meanwhile.
const PAUSE: Duration = Duration::from_millis(60);
/// Instances in a warm process.
const INSTANCES: usize = 5_000;

pub(super) fn measure(scale: &Scale, report: &mut Report) -> anyhow::Result<()> {
    let command = wat::parse_file(programs::repository().join("examples/wasm/hello.wat"))?;
    let component = wat::parse_file(programs::repository().join("examples/wasm/http.wat"))?;
    let instances = instances(&command)?;
    let of_component = self::instances(&component)?;
    let subject = Subject::start(&[]);
    let create = |server: &Server, name: &str| function(server, name, &command).create();
    let cold = subject.first_invocations(scale.dry, PAUSE, create)?;
    let warm = load::run(&load::Load {
        count_max: usize::MAX,
        time_max: scale.round,
        ..subject.load(&["warm-up".to_owned()], 1)?
    })?;
    let row = |name, samples: &[Duration], part, target| Row {
        name,
        value: micros(percentile(samples, part)),
        unit: "us",
        floor: None,
        target,
    };
    let promise = Target::AtMost(100.0);
    report.add(Section {
        title: "WebAssembly",
        method: format!(
            "The instances that `kiln-wasm measure` makes of examples/wasm in one process, {INSTANCES} \
             of the command and as many of the HTTP component, each with a store, WASI and two \
             directories of its own: what each invocation pays. Then {} functions of {ONE_CORE} MB with the \
             command, each invoked once, {} ms apart: from request to response, with sandbox, loading \
             of the code and instance. Then one of them, one request after the other.",
            scale.dry,
            PAUSE.as_millis()
        ),
        rows: vec![
            row("wasm_instance_command_p50", &instances, 0.5, promise),
            row("wasm_instance_component_p50", &of_component, 0.5, promise),
            row("wasm_cold_start_p50", &cold.latencies, 0.5, Target::AtMost(2_500.0)),
            row("wasm_warm_p50", &warm.latencies, 0.5, Target::AtMost(400.0)),
        ],
        detail: vec![format!(
            "p99: {:.0} µs an instance of the command, {:.0} µs of the component, {:.0} µs a cold start, \
             {:.0} µs a warm invocation",
            micros(percentile(&instances, 0.99)),
            micros(percentile(&of_component, 0.99)),
            micros(percentile(&cold.latencies, 0.99)),
            micros(percentile(&warm.latencies, 0.99)),
        )],
    });
    Ok(())
}

/// How long instances of a module take in one process; the first ones warm it up.
fn instances(module: &[u8]) -> anyhow::Result<Vec<Duration>> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("module.wasm");
    std::fs::write(&file, module)?;
    let output = measured(&file)?;
    let samples = output.lines().skip(INSTANCES / 10).map(|line| {
        let nanos = line.parse().context("read a time")?;
        Ok(Duration::from_nanos(nanos))
    });
    samples.collect()
}

fn measured(file: &Path) -> anyhow::Result<String> {
    let program = programs::kiln().with_file_name("kiln-wasm");
    let mut command = Command::new(program);
    command.arg("measure").arg(file).arg(INSTANCES.to_string());
    let output = command.output().context("start kiln-wasm")?;
    ensure!(output.status.success(), "{output:?}");
    Ok(String::from_utf8(output.stdout)?)
}

fn function<'a>(server: &'a Server, name: &str, module: &[u8]) -> FunctionBuilder<'a> {
    server
        .function(name, "")
        .zip(module.to_vec())
        .set("Runtime", json!("provided.wasm"))
        .memory(ONE_CORE)
}
