//! The program that the tests of this crate start as their spawner, and a way to measure:
//!
//! `instance_host PACK [COUNT]` (root) takes a runtime pack made by `runtimes/python/build-pack`
//! and prints how long invocations of a function take through `Handle::invoke`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use kiln_types::{Clock, Initialization, InstanceId, LogRecord, MemoryMb, SystemClock};
use tokio_util::task::TaskTracker;

#[path = "../tests/python/setting.rs"]
mod setting;

struct Nowhere;

impl kiln_instance::LogSink for Nowhere {
    fn write(&self, _: Vec<LogRecord>) {}
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.get(1).map(String::as_str) {
        Some("__spawner") => kiln_sandbox::spawner_main(),
        Some(pack) => {
            let count = arguments
                .get(2)
                .and_then(|count| count.parse().ok())
                .unwrap_or(5_000);
            let runtime = tokio::runtime::Runtime::new().expect("a runtime");
            runtime.block_on(measure(PathBuf::from(pack), count));
            ExitCode::SUCCESS
        }
        None => {
            eprintln!("usage: instance_host PACK [COUNT]");
            ExitCode::FAILURE
        }
    }
}

async fn measure(pack: PathBuf, count: usize) {
    let directory = tempfile::tempdir().expect("a directory");
    let clock = Arc::new(SystemClock::start());
    let python = setting::Installed::read(&pack);
    let exe = PathBuf::from("/proc/self/exe");
    let pythons = std::slice::from_ref(&python);
    let (sandboxes, config) = setting::start(exe, directory.path(), pythons).await;
    let tracker = TaskTracker::new();
    let host = kiln_instance::Host::new(
        config,
        sandboxes.clone(),
        Arc::new(Nowhere),
        clock.clone(),
        tracker,
    );
    let code = "import boto3\ndef handler(event, context): return {'result': sum(event)}";
    let mut spec = setting::spec(&python, directory.path(), code);
    // A whole core: with less, invocations without a pause are throttled, and that is measured.
    Arc::make_mut(&mut spec.configuration).memory = MemoryMb::new(1769).expect("in range");
    let spec = Arc::new(spec);
    // Stems are made in the background.
    tokio::time::sleep(Duration::from_secs(3)).await;

    let mut cold = Vec::new();
    let mut init = Vec::new();
    for number in 0..30 {
        let began = clock.now();
        let handle = host.start(
            InstanceId(number),
            Arc::clone(&spec),
            Initialization::OnDemand,
        );
        let report = handle
            .invoke(setting::invocation("[1,2]"))
            .await
            .expect("it runs");
        cold.push(clock.now().since(began));
        init.push(report.init.unwrap_or_default());
        handle.stop();
        handle.stopped().await;
        // Lets the pool fill up again.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let handle = host.start(InstanceId(1000), spec, Initialization::OnDemand);
    let (mut warm, mut thawed, mut cpu) = (Vec::new(), Vec::new(), Duration::ZERO);
    for number in 0..count {
        let began = clock.now();
        let report = handle
            .invoke(setting::invocation("[1,2]"))
            .await
            .expect("it runs");
        warm.push(clock.now().since(began));
        assert_eq!(report.payload, r#"{"result": 3}"#);
        if number > 0 {
            cpu += report.cpu;
        }
    }
    for _ in 0..count / 10 {
        handle.freeze();
        tokio::time::sleep(Duration::from_millis(1)).await;
        let began = clock.now();
        let _ = handle.invoke(setting::invocation("[1,2]")).await;
        thawed.push(clock.now().since(began));
    }
    print("cold start, first invocation", &mut cold);
    print("init as reported", &mut init);
    print("warm invocation", &mut warm);
    print("invocation of a frozen instance", &mut thawed);
    println!("cpu of a warm invocation: {:?}", cpu / count as u32);
    drop(handle);
    sandboxes.shutdown().await;
}

fn print(what: &str, times: &mut [Duration]) {
    times.sort_unstable();
    let at = |part: usize| times[(times.len() - 1) * part / 100];
    println!(
        "{what}: p50 {:?}, p99 {:?}, n {}",
        at(50),
        at(99),
        times.len()
    );
}
