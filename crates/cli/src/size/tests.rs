//! Sizing with and without a server.

use std::sync::atomic::{AtomicUsize, Ordering};

use clap::Parser;
use serde_json::json;

use super::*;
use crate::scripted::{Asked, Reply, ok, serve};

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: Args,
}

fn args(words: &[&str]) -> Args {
    let words = ["size"].iter().chain(words);
    Line::try_parse_from(words).expect("valid arguments").args
}

fn refused(words: &[&str]) -> String {
    let words = ["size"].iter().chain(words);
    let error = Line::try_parse_from(words).err();
    error.expect("invalid arguments").to_string()
}

fn sizing(args: &Args) -> Sizing {
    let load = Load {
        rate: args.rate.unwrap(),
        duration_ms: args.duration_ms.unwrap(),
        squared_variation: 1.0,
    };
    Sizing::of(load, args, MEMORY_MB).unwrap()
}

#[test]
fn load_that_is_told_is_sized_by_both_formulas() {
    let args = args(&["--rate", "1000", "--duration-ms", "50"]);
    let sizing = sizing(&args);
    assert_eq!((sizing.for_waiting, sizing.for_throttled), (64, 64));
    let text = table(&sizing, &args);
    for part in [
        "50.00 at a time",
        "64",
        "at most 5.00 % wait",
        "8192.0 MiB",
        "no end",
    ] {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }
}

#[test]
fn load_too_large_to_size_is_an_error_and_not_a_loop() {
    let args = args(&["--rate", "1e12", "--duration-ms", "1e6"]);
    let load = Load {
        rate: 1e12,
        duration_ms: 1e6,
        squared_variation: 1.0,
    };
    let error = Sizing::of(load, &args, MEMORY_MB)
        .err()
        .unwrap()
        .to_string();
    assert!(error.contains("more than 10000000 instances"), "{error}");
}

#[test]
fn numbers_that_make_no_sense_are_refused() {
    assert!(refused(&[]).contains("--rate"));
    assert!(refused(&["--rate", "0", "--duration-ms", "1"]).contains("above 0"));
    assert!(refused(&["f", "--waiting", "100"]).contains("between 0 and 100"));
    assert!(refused(&["f", "--throttled", "nan"]).contains("between 0 and 100"));
}

/// A server whose function had 3,600 invocations in one hour and 60 in each of the others.
fn script() -> impl Fn(&Asked) -> Reply + Send + Sync + 'static {
    let asked_for_usage = AtomicUsize::new(0);
    move |asked| {
        if asked.line.contains("/functions/sum") {
            return ok(&json!({
                "Configuration": { "FunctionName": "sum", "MemorySize": 256 },
                "Concurrency": { "ReservedConcurrentExecutions": 2 },
            }));
        }
        let invocations = match asked_for_usage.fetch_add(1, Ordering::SeqCst) {
            0 => 4_980,
            5 => 3_600,
            _ => 60,
        };
        ok(&json!({ "functions": [{
            "functionName": "sum", "invocations": invocations, "coldStarts": 50,
            "billedMs": invocations * 2_000, "durationP50Ms": 1_900, "durationP99Ms": 2_500,
        }]}))
    }
}

#[tokio::test]
async fn observed_load_is_that_of_the_busiest_hour() {
    let (observed, asked) = serve(script(), |client| async move {
        load::observe(&client, "sum", Duration::from_secs(86_400)).await
    })
    .await;
    let observed = observed.unwrap().unwrap();
    assert_eq!((observed.invocations, observed.part_secs), (4_980, 3_600));
    assert_eq!((observed.rate, observed.duration_ms), (1.0, 2_000.0));
    assert_eq!((observed.memory_mb, observed.reserved), (256, Some(2)));
    assert_eq!(asked.len(), 26, "the function, the day, and its hours");
    assert!(asked[1].line.contains("function=sum"), "{}", asked[1].line);
}

#[test]
fn observed_cold_starts_stand_beside_those_of_the_formula() {
    let observed = Observed {
        since: kiln_types::Timestamp::from_millis(0),
        invocations: 4_980,
        cold_starts: 249,
        rate: 1.0,
        part_secs: 3_600,
        duration_ms: 2_000.0,
        squared_variation: 0.1,
        memory_mb: 256,
        reserved: Some(2),
    };
    let args = args(&["sum", "--rate", "1", "--duration-ms", "2000"]);
    let sizing = sizing(&args);
    assert_eq!(sizing.for_throttled, 7);
    let text = compared(&sizing, &observed);
    for part in [
        "249 (5.00 %)",
        "5 kept warm",
        "2: fewer than needed",
        "cold with 7 kept warm",
    ] {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }
    let document = document(&sizing, &args, Some(&observed));
    assert_eq!(document["observed"]["coldStarts"], 249);
    assert_eq!(document["forThrottled"]["instances"], 7);
}
