//! `kiln simulate`: what each keep-alive policy would do with a trace of invocations.
//!
//! The scheduler's own core runs over the trace in virtual time; this reads the options, prices what
//! was used and shows it.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, ValueEnum, value_parser};
use kiln_cli::{Format, Rows};
use kiln_metering::{PriceSheet, cost};
use kiln_scheduler::simulate::{self, Assumed, Report, Shape, Synthetic, Trace};
use kiln_scheduler::{Config, PolicyName};
use kiln_store::UsageSummary;
use kiln_types::{Architecture, Clock, FunctionId, SystemClock};
use serde_json::{Value, json};

use crate::settings::{Idle, KeepAlive, Scaling};
use crate::wiring;

/// What `kiln simulate` can be told.
#[derive(Debug, Args)]
#[command(after_help = "\
A trace is a CSV file with the columns timestamp (seconds), function, duration (milliseconds) and memory
(MB), and init (milliseconds) if it is known; or the invocations-per-minute file of a day of the Azure
Functions data set of 2019, with the files of run times and memory beside it.

Examples:
  kiln simulate                                      a made-up day, all policies
  kiln simulate day_inv.csv --memory-budget-mb 65536 --picture day.svg
  kiln simulate --shape bursty --seed 7 --output json")]
pub(crate) struct Options {
    /// The trace; without one it is made up
    trace: Option<PathBuf>,
    /// Only these policies
    #[arg(
        long,
        value_enum,
        value_name = "NAMES",
        value_delimiter = ',',
        default_values = ["fixed", "greedy-dual", "histogram", "adaptive"]
    )]
    policies: Vec<KeepAlive>,
    /// Memory that all live instances together may be promised, in MiB [default: no limit]
    #[arg(long, value_name = "MIB")]
    memory_budget_mb: Option<u64>,
    /// How long an init takes where the trace does not say, in milliseconds
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 250)]
    init_ms: u64,
    /// Decides everything that is random
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
    /// How the functions of a made-up trace are called
    #[arg(long, value_enum, default_value_t = ShapeName::Mixed)]
    shape: ShapeName,
    /// Functions of a made-up trace
    #[arg(long, value_name = "COUNT", default_value_t = 200, value_parser = value_parser!(u32).range(1..=100_000))]
    functions: u32,
    /// Invocations of a made-up trace, about
    #[arg(long, value_name = "COUNT", default_value_t = 200_000)]
    invocations: u64,
    /// How many hours a made-up trace has
    #[arg(long, value_name = "COUNT", default_value_t = 24, value_parser = value_parser!(u64).range(1..=8_760))]
    hours: u64,
    /// Draw the result into this SVG file
    #[arg(long, value_name = "FILE")]
    picture: Option<PathBuf>,
    #[command(flatten)]
    scaling: Scaling,
    #[command(flatten)]
    idle: Idle,
}

/// How the functions of a made-up trace are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ShapeName {
    /// A quarter of them in each of the other ways.
    Mixed,
    /// At any moment, with the same rate.
    Steady,
    /// More by day than by night.
    Diurnal,
    /// By a timer.
    Periodic,
    /// Many at once, then long nothing.
    Bursty,
}

pub(crate) fn run(options: &Options, format: Format) -> anyhow::Result<ExitCode> {
    let clock = SystemClock::start();
    let trace = options.trace()?;
    let names: Vec<PolicyName> = options.policies.iter().map(|name| (*name).into()).collect();
    let since = clock.now();
    let reports = simulate::compare(&trace, &options.config(), &names);
    let took = clock.now().since(since);
    if let Some(path) = &options.picture {
        std::fs::write(path, simulate::picture(&trace, &reports))
            .with_context(|| format!("write the picture {}", path.display()))?;
    }
    match format {
        Format::Json => kiln_cli::print_json(&document(options, &trace, &reports, took)?)?,
        Format::Table => {
            announce(options, &trace);
            kiln_cli::print(&table(&reports))?;
            eprintln!("{} runs in {:.1} s", reports.len(), took.as_secs_f64());
        }
    }
    Ok(ExitCode::SUCCESS)
}

impl Options {
    fn trace(&self) -> anyhow::Result<Trace> {
        let Some(path) = &self.trace else {
            let synthetic = Synthetic {
                functions: self.functions,
                invocations: self.invocations,
                span: Duration::from_secs(3_600 * self.hours),
                shape: self.shape.into(),
                seed: self.seed,
            };
            return Ok(synthetic.trace()?);
        };
        let assumed = Assumed {
            init: Duration::from_millis(self.init_ms),
            seed: self.seed,
        };
        Ok(simulate::read(path, assumed)?)
    }

    fn config(&self) -> Config {
        let memory_budget_bytes = self
            .memory_budget_mb
            .map_or(u64::MAX, |mib| mib.saturating_mul(1 << 20));
        Config {
            memory_budget_bytes,
            instances_max: usize::MAX,
            ..wiring::scaling(&self.scaling, &self.idle)
        }
    }
}

impl From<ShapeName> for Shape {
    fn from(name: ShapeName) -> Self {
        match name {
            ShapeName::Mixed => Shape::Mixed,
            ShapeName::Steady => Shape::Steady,
            ShapeName::Diurnal => Shape::Diurnal,
            ShapeName::Periodic => Shape::Periodic,
            ShapeName::Bursty => Shape::Bursty,
        }
    }
}

fn announce(options: &Options, trace: &Trace) {
    eprintln!(
        "{}: {} functions, {} invocations in {:.1} hours, {:.1} at a time on average; seed {}",
        trace.name,
        trace.functions(),
        trace.invocations(),
        trace.span().as_secs_f64() / 3_600.0,
        trace.load(),
        options.seed
    );
}

/// What the invocations would cost by the price sheet, and what keeping idle memory would if it
/// were charged as busy memory is.
fn prices(report: &Report) -> (String, String) {
    let sheet = PriceSheet::default();
    let trace = FunctionId {
        account: Default::default(),
        name: "trace".parse().expect("a valid name"),
    };
    let price = |count: u64, memory_mb_ms: u64| {
        let usage = UsageSummary {
            count,
            memory_mb_ms,
            ..UsageSummary::new(trace.clone(), Architecture::X86_64)
        };
        cost([&usage], &sheet).total().rounded(4).to_string()
    };
    let idle_mb_ms = report.wasted_gb_seconds * 1024.0 * 1e3;
    (
        price(report.invocations, report.billed_mb_ms),
        price(0, idle_mb_ms as u64),
    )
}

/// A line for each measure, a column for each policy.
fn table(reports: &[Report]) -> String {
    let mut headings = vec![String::new()];
    headings.extend(reports.iter().map(|report| format!(">{}", report.policy)));
    let headings: Vec<&str> = headings.iter().map(String::as_str).collect();
    let mut rows = Rows::new(&headings);
    for (name, value) in measures() {
        let mut cells = vec![name.to_owned()];
        cells.extend(reports.iter().map(value));
        rows.push(cells);
    }
    rows.render()
}

type Measure = fn(&Report) -> String;

fn measures() -> [(&'static str, Measure); 21] {
    [
        ("invocations", |one| one.invocations.to_string()),
        ("cold starts", |one| one.cold_starts.to_string()),
        ("  % of invocations", |one| percent_of(one.cold_rate)),
        ("  % of a function: p25", |one| {
            percent_of(one.cold_rate_by_function.p25)
        }),
        ("  p50", |one| percent_of(one.cold_rate_by_function.p50)),
        ("  p75", |one| percent_of(one.cold_rate_by_function.p75)),
        ("  p90", |one| percent_of(one.cold_rate_by_function.p90)),
        ("  init waited for, mean ms", |one| {
            format!("{:.3}", one.cold_ms_mean)
        }),
        ("started ahead / used", |one| {
            format!("{} / {}", one.started_ahead, one.started_ahead_used)
        }),
        ("idle memory, GB-hours", |one| hours(one.wasted_gb_seconds)),
        ("busy memory, GB-hours", |one| hours(one.busy_gb_seconds)),
        ("most memory, GB", |one| {
            format!("{:.1}", one.memory_max_mb as f64 / 1024.0)
        }),
        ("most instances", |one| one.instances_max.to_string()),
        ("evicted for memory", |one| one.evicted.to_string()),
        ("queued", |one| one.queued.to_string()),
        ("  p50 ms", |one| format!("{:.0}", one.queued_ms.p50)),
        ("  p99 ms", |one| format!("{:.0}", one.queued_ms.p99)),
        ("throttled", |one| one.throttles().to_string()),
        ("cost by AWS's prices, USD", |one| prices(one).0),
        ("idle memory at that price, USD", |one| prices(one).1),
        ("decisions", |one| one.decisions.to_string()),
    ]
}

fn percent_of(share: f64) -> String {
    format!("{:.2}", share * 100.0)
}

fn hours(gb_seconds: f64) -> String {
    format!("{:.1}", gb_seconds / 3_600.0)
}

fn document(
    options: &Options,
    trace: &Trace,
    reports: &[Report],
    took: Duration,
) -> anyhow::Result<Value> {
    let mut policies = Vec::with_capacity(reports.len());
    for report in reports {
        let mut policy = serde_json::to_value(report).context("render a report")?;
        let (cost_usd, idle_cost_usd) = prices(report);
        policy["costUsd"] = cost_usd.into();
        policy["idleCostUsd"] = idle_cost_usd.into();
        policies.push(policy);
    }
    Ok(json!({
        "trace": {
            "name": trace.name,
            "functions": trace.functions(),
            "invocations": trace.invocations(),
            "spanSeconds": trace.span().as_secs_f64(),
            "load": trace.load(),
        },
        "seed": options.seed,
        "elapsedSeconds": took.as_secs_f64(),
        "policies": policies,
    }))
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;

    #[derive(Parser)]
    #[command(name = "kiln simulate", disable_help_flag = true)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    const HEAD: &str = "\
# kiln simulate

Runs the scheduler's own code over a trace of invocations in virtual time, once for each keep-alive policy, and
shows side by side how many invocations started cold, how much memory idle instances held, what waited and what was
throttled. It needs no server. What the policies are and how they compare is in
[keep-alive.md](../guide/keep-alive.md).

";

    const TAIL: &str = "
## What is counted

- **cold start**: an invocation that waited for an init. `% of a function` is the share of each function's own
  invocations, and how that is spread over the functions that were called.
- **idle memory**: the memory of instances that run nothing, times time: kept warm, or started ahead of a request.
- **queued**: invocations that waited for memory, for the right to start an instance, or for one that came back before
  their own had initialised, and then ran.
- **throttled**: invocations that got 429; `--output json` has AWS's reasons.
- **cost**: what the invocations would cost by AWS's list prices, init included; below it the idle memory at the
  price of busy memory, which is what the policy spends.

Instances start and stop at no cost but time, every invocation succeeds, and one longer than 15 minutes is cut there.
`--output json` has every number under its own name, with the seed and the time the simulation took.
";

    fn options(words: &[&str]) -> Options {
        let words = ["simulate"].iter().chain(words);
        Line::try_parse_from(words).expect("valid options").options
    }

    #[test]
    fn reference_page_is_the_one_that_the_declaration_gives() {
        let help = Line::command()
            .term_width(100)
            .render_long_help()
            .to_string();
        let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
        let help = lines.join("\n");
        let page = format!("{HEAD}```text\n{}\n```\n{TAIL}", help.trim_end());
        kiln_testkit::page::assert_rendered("simulate.md", &page);
    }

    #[test]
    fn every_measure_is_in_the_table_for_every_policy() {
        let options = options(&["--invocations", "2000", "--functions", "10"]);
        let names: Vec<PolicyName> = options.policies.iter().map(|name| (*name).into()).collect();
        assert_eq!(names, PolicyName::ALL);
        let trace = options.trace().unwrap();
        let reports = simulate::compare(&trace, &options.config(), &names);
        let text = table(&reports);
        assert_eq!(text.lines().count(), 1 + measures().len());
        for line in text.lines().skip(1) {
            let values = line.split("  ").filter(|cell| !cell.trim().is_empty());
            assert_eq!(values.count(), 5, "{line}");
        }
    }

    #[test]
    fn invocations_are_priced_by_the_price_sheet() {
        let options = options(&["--invocations", "1000", "--policies", "fixed"]);
        let trace = options.trace().unwrap();
        let reports = simulate::compare(&trace, &options.config(), &[PolicyName::Fixed]);
        let document = document(&options, &trace, &reports, Duration::ZERO).unwrap();
        let policy = &document["policies"][0];
        let gb_seconds = policy["billedMbMs"].as_f64().unwrap() / 1024.0 / 1e3;
        let requests = policy["invocations"].as_f64().unwrap();
        let expected = gb_seconds * 0.000_016_666_7 + requests * 0.000_000_2;
        let cost: f64 = policy["costUsd"].as_str().unwrap().parse().unwrap();
        assert!((cost - expected).abs() < 1e-4, "{cost} {expected}");
        assert_eq!(document["seed"], 1);
    }
}
