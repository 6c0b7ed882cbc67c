//! What invocations that wait cost when each has an instance and when they share one.

use std::time::Duration;

use anyhow::Context as _;
use kiln_testkit::{Server, archive, programs};
use serde_json::{Value, json};

use crate::load::{self, Load};
use crate::report::{Report, Row, Section, Target};
use crate::statistics::median;
use crate::subject::{Scale, Subject};

const CONNECTIONS: usize = 16;
/// How long each invocation waits: for a database, say.
const WAIT_MS: u32 = 20;
const MEMORY_MB: u32 = 512;
const MIB: f64 = (1 << 20) as f64;

/// What one kind of function took.
struct Taken {
    per_second: f64,
    instances: f64,
    promised_mb: f64,
    private_mb: f64,
}

pub(super) fn measure(scale: &Scale, report: &mut Report) -> anyhow::Result<()> {
    let program = std::fs::read(programs::example("rust_concurrent"))?;
    let package = archive::programs(&[("bootstrap", &program)]);
    let alone = run(scale, &package, 1)?;
    let shared = run(scale, &package, CONNECTIONS)?;
    let row = |name, unit, of: fn(&Taken) -> f64, target| Row {
        name,
        value: of(&shared),
        unit,
        floor: Some(of(&alone)),
        target,
    };
    report.add(Section {
        title: "Density",
        method: format!(
            "A function of {MEMORY_MB} MB on AWS's `lambda_runtime` that waits {WAIT_MS} ms, over \
             {CONNECTIONS} connections, {} rounds of {} ms: with `kiln:concurrency` {CONNECTIONS}, beside \
             the same function with 1. Memory: what instances are promised, and what is private to \
             their processes and the stems beside them.",
            scale.rounds,
            scale.round.as_millis()
        ),
        rows: vec![
            row("density_instances", "", |one| one.instances, Target::AtMost(1.0)),
            row("density_promised", "MB", |one| one.promised_mb, Target::AtMost(512.0)),
            row("density_private", "MB", |one| one.private_mb, Target::AtMost(32.0)),
            row(
                "density_rate_c16",
                "requests/s",
                |one| one.per_second,
                Target::RatioAtLeast(0.8),
            ),
        ],
        detail: vec![],
    });
    Ok(())
}

fn run(scale: &Scale, package: &[u8], at_a_time: usize) -> anyhow::Result<Taken> {
    let subject = Subject::start(&[]);
    let create = |server: &Server, name: &str| {
        server
            .function(name, "")
            .zip(package.to_vec())
            .set("Runtime", json!("provided.al2023"))
            .set("Tags", json!({"kiln:concurrency": at_a_time.to_string()}))
            .environment(json!({"WAIT_MS": WAIT_MS.to_string()}))
            .memory(MEMORY_MB)
            .create()
    };
    let names = subject.deploy_with("dense", 1, create);
    let load = Load {
        count_max: usize::MAX,
        time_max: scale.round,
        ..subject.load(&names, CONNECTIONS)?
    };
    load::run(&load)?;
    let mut rates = Vec::new();
    for _ in 0..scale.rounds {
        rates.push(load::run(&load)?.per_second());
    }
    let status = status(&subject)?;
    let number = |pointer: &str| status.pointer(pointer).and_then(Value::as_f64);
    std::thread::sleep(Duration::from_millis(100));
    Ok(Taken {
        per_second: median(&rates),
        instances: number("/instances/started").context("instances")?,
        promised_mb: number("/memory/promisedBytes").context("memory")? / MIB,
        private_mb: subject.private_bytes_below() as f64 / MIB,
    })
}

fn status(subject: &Subject) -> anyhow::Result<Value> {
    let request = subject.server.request("GET", "/_kiln/status");
    let status = request.signed("kiln").send().expect_status(200);
    Ok(status.json())
}
