//! Traces whose outcome can be told by hand, and what must hold for any.

use std::path::Path;
use std::time::Duration;

use kiln_types::MemoryMb;

use super::trace::{Arrival, Trace, TraceFunction};
use super::{Report, Shape, Synthetic, compare, engine, siblings};
use crate::config::Config;
use crate::keep_alive::PolicyName;

const MINUTE: u64 = 60;

/// One function of 1 GB whose init takes 2 s and that runs 1 s, called at these seconds.
fn trace(seconds: &[u64]) -> Trace {
    let function = TraceFunction {
        memory: MemoryMb::new(1_024).unwrap(),
        init: Duration::from_secs(2),
    };
    let arrivals = seconds.iter().map(|at| Arrival {
        at_us: at * 1_000_000,
        function: 0,
        run_us: 1_000_000,
    });
    let span = Duration::from_secs(3_600);
    Trace::new("test".to_owned(), vec![function], arrivals.collect(), span).unwrap()
}

fn run(trace: &Trace, policy: PolicyName) -> Report {
    let config = Config {
        memory_budget_bytes: u64::MAX,
        policy,
        ..Config::default()
    };
    engine::run(trace, config)
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() < 0.01
}

#[test]
fn cold_starts_waste_and_bill_are_those_counted_by_hand() {
    // 10 minutes kept: the third call finds nothing.
    let report = run(&trace(&[0, 5 * MINUTE, 20 * MINUTE]), PolicyName::Fixed);
    assert_eq!((report.invocations, report.cold_starts), (3, 2));
    assert!(close(report.cold_ms_mean, 4_000.0 / 3.0));
    assert!(
        close(report.busy_gb_seconds, 2.0 + 1.0 + 2.0 + 1.0 + 1.0),
        "inits are busy"
    );
    let idle = 300.0 - 3.0 + 600.0 + 600.0;
    assert!(
        close(report.wasted_gb_seconds, idle),
        "{}",
        report.wasted_gb_seconds
    );
    assert_eq!(report.billed_ms, 3 * 1_000 + 2 * 2_000);
    assert_eq!(report.billed_mb_ms, report.billed_ms * 1_024);
    assert_eq!((report.instances_max, report.memory_max_mb), (1, 1_024));
}

#[test]
fn greedy_dual_keeps_what_there_is_room_for() {
    let report = run(
        &trace(&[0, 5 * MINUTE, 20 * MINUTE]),
        PolicyName::GreedyDual,
    );
    assert_eq!(report.cold_starts, 1);
    assert!(close(report.wasted_gb_seconds, 3_600.0 - 5.0));
}

#[test]
fn histogram_starts_ahead_of_a_timer_and_keeps_nothing_between() {
    let seconds: Vec<u64> = (0..30).map(|no| no * 20 * MINUTE).collect();
    let histogram = run(&trace(&seconds), PolicyName::Histogram);
    assert_eq!(histogram.cold_starts, 5, "until it is known");
    assert_eq!(histogram.started_ahead_used, 25);
    let fixed = run(&trace(&seconds), PolicyName::Fixed);
    assert_eq!(fixed.cold_starts, 30);
    assert!(histogram.wasted_gb_seconds < fixed.wasted_gb_seconds);
}

#[test]
fn requests_beyond_memory_wait_and_are_refused() {
    let config = Config {
        memory_budget_bytes: 1 << 30,
        policy: PolicyName::Fixed,
        ..Config::default()
    };
    // One runs 3 s, init included: the other has waited its second then.
    let report = engine::run(&trace(&[0, 0]), config.clone());
    assert_eq!((report.invocations, report.throttles()), (1, 1));
    assert_eq!(report.throttled["ConcurrentInvocationLimitExceeded"], 1);
    let report = engine::run(&trace(&[0, 2, 10, 10]), config);
    assert_eq!((report.invocations, report.queued), (4, 2));
    assert!(
        close(report.queued_ms.p50, 1_000.0),
        "{:?}",
        report.queued_ms
    );
}

#[test]
fn every_invocation_runs_or_is_refused_and_the_same_seed_gives_the_same_report() {
    let synthetic = Synthetic {
        functions: 60,
        invocations: 20_000,
        span: Duration::from_secs(6 * 3_600),
        shape: Shape::Mixed,
        seed: 11,
    };
    let trace = synthetic.trace().unwrap();
    let config = Config {
        memory_budget_bytes: 4 << 30,
        account_concurrency: 40,
        ..Config::default()
    };
    let reports = compare(&trace, &config, &PolicyName::ALL);
    let again = compare(&synthetic.trace().unwrap(), &config, &PolicyName::ALL);
    for (report, again) in reports.iter().zip(&again) {
        let answered = report.invocations + report.throttles();
        assert_eq!(answered, trace.invocations() as u64, "{}", report.policy);
        assert!(report.memory_max_mb <= 4 << 10, "{}", report.policy);
        assert!(report.throttles() > 0, "the limits were reached");
        assert_eq!(format!("{report:?}"), format!("{again:?}"));
    }
}

#[test]
fn memory_over_time_ends_with_the_trace() {
    // The last one runs on after the hour.
    let mut trace = trace(&[0, 3_599]);
    trace.arrivals[1].run_us = 900_000_000;
    let report = run(&trace, PolicyName::GreedyDual);
    assert_eq!(report.memory_gb.len(), 240);
    for (busy, idle) in &report.memory_gb {
        assert!(busy + idle < 1.001, "{busy} {idle}");
    }
    assert!(report.busy_gb_seconds > 900.0, "it is counted all the same");
}

#[test]
fn picture_shows_every_policy() {
    let trace = trace(&[0, 5 * MINUTE, 20 * MINUTE]);
    let reports = compare(&trace, &Config::default(), &PolicyName::ALL);
    let svg = super::picture(&trace, &reports);
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
    for policy in PolicyName::ALL {
        assert!(svg.contains(policy.as_str()), "{}", policy.as_str());
    }
    assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
}

#[test]
fn other_files_of_a_day_are_found_by_both_ways_to_name_them() {
    let [run, mem] = siblings(Path::new("/d/azure_inv.csv")).unwrap();
    assert_eq!(run, Path::new("/d/azure_run.csv"));
    assert_eq!(mem, Path::new("/d/azure_mem.csv"));
    let path = Path::new("invocations_per_function_md.anon.d01.csv");
    let [run, mem] = siblings(path).unwrap();
    assert_eq!(
        run,
        Path::new("function_durations_percentiles.anon.d01.csv")
    );
    assert_eq!(mem, Path::new("app_memory_percentiles.anon.d01.csv"));
    assert_eq!(siblings(Path::new("trace.csv")), None);
}
