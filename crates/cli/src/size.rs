//! `kiln size`: how many instances a load needs.
//!
//! The load is told, or it is that of a function of a server in its busiest part of the time looked
//! at: what is sized for the average is too small when it matters.

mod erlang;
mod load;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::api::Client;
use crate::output::Rows;
use crate::{Format, duration, output};
use load::{Load, Observed};

/// Memory of a function unless told: AWS's default.
const MEMORY_MB: u64 = 128;

/// Which load, and what is enough.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
With a name, rate, run time and memory are those the server observed, in the busiest hour (or 24th part)
of the time looked at; without one they are told and no server is asked.

Examples:
  kiln size --rate 100 --duration-ms 80
  kiln size sum --since 7d --throttled 0.1")]
pub struct Args {
    /// A function whose observed load is taken
    name: Option<String>,
    /// Invocations per second
    #[arg(long, value_name = "NUMBER", value_parser = positive, required_unless_present = "name")]
    rate: Option<f64>,
    /// How long one takes on average, in milliseconds
    #[arg(long, value_name = "NUMBER", value_parser = positive, required_unless_present = "name")]
    duration_ms: Option<f64>,
    /// Memory of an instance in MB [default: 128, or the function's]
    #[arg(long, value_name = "MB")]
    memory: Option<u64>,
    /// How many of a hundred may be throttled, or start cold
    #[arg(long, value_name = "PERCENT", default_value = "1", value_parser = percent)]
    throttled: f64,
    /// How many of a hundred may have to wait
    #[arg(long, value_name = "PERCENT", default_value = "5", value_parser = percent)]
    waiting: f64,
    /// How far back to look, such as 90s, 10m, 24h or 7d
    #[arg(long, default_value = "24h", value_name = "TIME", value_parser = duration::parse)]
    since: Duration,
}

/// Whether the answer needs no server.
pub(crate) fn needs_no_server(args: &Args) -> bool {
    args.name.is_none()
}

/// Sizes for a load that was told.
pub(crate) fn run_alone(format: Format, args: &Args) -> Result<ExitCode> {
    answer(format, args, None)
}

/// Sizes for the load of a function.
pub(crate) async fn run(client: &Client, format: Format, args: &Args) -> Result<ExitCode> {
    let Some(name) = &args.name else {
        return run_alone(format, args);
    };
    let observed = load::observe(client, name, args.since).await?;
    if observed.is_none() && (args.rate.is_none() || args.duration_ms.is_none()) {
        bail!(
            "'{name}' was not invoked in the time looked at\n  \
             next: look further back with --since, or tell --rate and --duration-ms"
        );
    }
    answer(format, args, observed.as_ref())
}

fn answer(format: Format, args: &Args, observed: Option<&Observed>) -> Result<ExitCode> {
    let load = Load {
        rate: args.rate.or(observed.map(|one| one.rate)).unwrap_or(0.0),
        duration_ms: args
            .duration_ms
            .or(observed.map(|one| one.duration_ms))
            .unwrap_or(0.0),
        squared_variation: observed.map_or(1.0, |one| one.squared_variation),
    };
    let memory_mb = args
        .memory
        .or(observed.map(|one| one.memory_mb))
        .unwrap_or(MEMORY_MB);
    let sizing = Sizing::of(load, args, memory_mb)?;
    match format {
        Format::Json => output::print_json(&document(&sizing, args, observed))?,
        Format::Table => {
            output::print(&table(&sizing, args))?;
            if let Some(observed) = observed {
                output::print(&format!("\n{}", compared(&sizing, observed)))?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// How many instances are enough.
struct Sizing {
    load: Load,
    memory_mb: u64,
    for_throttled: u32,
    for_waiting: u32,
    staffed: f64,
}

impl Sizing {
    fn of(load: Load, args: &Args, memory_mb: u64) -> Result<Self> {
        let erlangs = load.erlangs();
        let too_many = || {
            format!(
                "{erlangs:.0} invocations at a time need more than {} instances",
                erlang::INSTANCES_MAX
            )
        };
        Ok(Self {
            for_throttled: erlang::for_blocked(erlangs, args.throttled).with_context(too_many)?,
            for_waiting: erlang::for_waits(erlangs, args.waiting).with_context(too_many)?,
            staffed: erlang::square_root_staffing(erlangs, args.waiting),
            load,
            memory_mb,
        })
    }

    fn mean_wait_ms(&self, instances: u32) -> f64 {
        let (erlangs, variation) = (self.load.erlangs(), self.load.squared_variation);
        erlang::mean_wait(erlangs, instances, variation) * self.load.duration_ms
    }
}

fn table(sizing: &Sizing, args: &Args) -> String {
    let load = &sizing.load;
    let erlangs = load.erlangs();
    let mut rows = Rows::new(&[
        "",
        ">INSTANCES",
        ">MEMORY",
        ">BUSY",
        ">THROTTLED",
        ">WAIT",
        ">MEAN WAIT",
    ]);
    let mut row = |name: String, instances: u32| {
        let wait_ms = sizing.mean_wait_ms(instances);
        rows.push([
            name,
            instances.to_string(),
            output::show_bytes((u64::from(instances) * sizing.memory_mb) << 20),
            percent_text(erlangs / f64::from(instances)),
            percent_text(erlang::blocked(erlangs, instances)),
            percent_text(erlang::waits(erlangs, instances)),
            match wait_ms.is_finite() {
                true => format!("{wait_ms:.2} ms"),
                false => "no end".to_owned(),
            },
        ]);
    };
    row("the load alone".to_owned(), (erlangs.ceil() as u32).max(1));
    row(
        format!("at most {} wait", percent_text(args.waiting)),
        sizing.for_waiting,
    );
    row(
        format!("at most {} throttled or cold", percent_text(args.throttled)),
        sizing.for_throttled,
    );
    format!(
        "{:.2} invocations a second of {:.1} ms are {erlangs:.2} at a time.\n\
         Square-root staffing for the same waiting: {:.1} instances.\n\n{}",
        load.rate,
        load.duration_ms,
        sizing.staffed,
        rows.render()
    )
}

/// What was seen beside what the formulas say.
fn compared(sizing: &Sizing, observed: &Observed) -> String {
    let mut rows = Rows::pairs();
    let mut row = |name: &str, value: String| rows.push([name.to_owned(), value]);
    row("observed since", observed.since.to_string());
    row("invocations", observed.invocations.to_string());
    row(
        "busiest part",
        format!("{:.2} a second for {} s", observed.rate, observed.part_secs),
    );
    let cold = format!(
        "{} ({})",
        observed.cold_starts,
        percent_text(observed.cold_rate())
    );
    row("cold starts", cold);
    let predicted = erlang::blocked(sizing.load.erlangs(), sizing.for_throttled);
    row(
        &format!("cold with {} kept warm", sizing.for_throttled),
        percent_text(predicted),
    );
    let as_if = erlang::for_blocked(sizing.load.erlangs(), observed.cold_rate());
    if let Some(instances) = as_if.filter(|_| observed.cold_starts > 0) {
        row("as cold as with", format!("{instances} kept warm"));
    }
    row(
        "reserved concurrency",
        match observed.reserved {
            Some(reserved) if reserved < u64::from(sizing.for_throttled) => {
                format!("{reserved}: fewer than needed")
            }
            Some(reserved) => format!("{reserved}: enough"),
            None => "none".to_owned(),
        },
    );
    rows.render()
}

fn document(sizing: &Sizing, args: &Args, observed: Option<&Observed>) -> Value {
    let erlangs = sizing.load.erlangs();
    let enough = |instances: u32| {
        let wait_ms = sizing.mean_wait_ms(instances);
        json!({
            "instances": instances,
            "memoryBytes": (u64::from(instances) * sizing.memory_mb) << 20,
            "throttled": erlang::blocked(erlangs, instances),
            "waits": erlang::waits(erlangs, instances),
            "meanWaitMs": wait_ms.is_finite().then_some(wait_ms),
        })
    };
    json!({
        "ratePerSecond": sizing.load.rate,
        "durationMs": sizing.load.duration_ms,
        "load": erlangs,
        "targets": { "throttled": args.throttled, "waiting": args.waiting },
        "forThrottled": enough(sizing.for_throttled),
        "forWaiting": enough(sizing.for_waiting),
        "squareRootStaffing": sizing.staffed,
        "observed": observed.map(|one| json!({
            "since": one.since.as_millis(),
            "invocations": one.invocations,
            "coldStarts": one.cold_starts,
            "coldRate": one.cold_rate(),
            "busiestPartSeconds": one.part_secs,
            "reservedConcurrency": one.reserved,
        })),
    })
}

fn percent_text(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() && number > 0.0 => Ok(number),
        _ => Err(format!("'{text}' is not a number above 0")),
    }
}

/// Reads a percentage as a share.
fn percent(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number > 0.0 && number < 100.0 => Ok(number / 100.0),
        _ => Err(format!("'{text}' is not a percentage between 0 and 100")),
    }
}

#[cfg(test)]
mod tests;
