//! Measures what the design promises, each beside its floor or peer in the same run.
//!
//! A measure is a function in [`measure`] from a [`subject`] (real servers of the release binary,
//! each with its own data directory) to rows of the [`report`]. Floors are in [`floor`]; all HTTP
//! load comes from [`load`]. `--quick` prints a line a row, the full run writes `REPORT.md`.

mod floor;
mod load;
mod measure;
mod report;
mod starts;
mod statistics;
mod subject;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::report::Report;
use crate::subject::Scale;

/// Measures the promises of the design.
#[derive(Debug, Parser)]
struct Arguments {
    /// One line a measure on stdout: `name value unit floor ratio target ok|short`.
    #[arg(long)]
    quick: bool,
    /// Only groups of measures whose name contains this: cold, native, image, node, snapshot, wasm,
    /// warm, thaw, rate, accept, access, density, create, idle, daemon, hostile.
    #[arg(long)]
    only: Option<String>,
    #[command(subcommand)]
    floor: Option<Floor>,
}

/// The floors that are servers run as processes of their own, as Kiln does.
#[derive(Debug, Subcommand)]
enum Floor {
    /// A bare hyper server that answers every request at once.
    #[command(hide = true)]
    FloorHyper,
    /// AWS's Python client behind a hyper Runtime API.
    #[command(hide = true)]
    FloorAwslambdaric(floor::awslambdaric::Arguments),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match &arguments.floor {
        Some(Floor::FloorHyper) => floor::hyper::serve(),
        Some(Floor::FloorAwslambdaric(arguments)) => floor::awslambdaric::serve(arguments),
        None => measure_all(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn measure_all(arguments: &Arguments) -> anyhow::Result<()> {
    let scale = if arguments.quick {
        Scale::QUICK
    } else {
        Scale::FULL
    };
    let only = arguments.only.as_deref().unwrap_or_default();
    let mut report = Report::new();
    for (name, run) in measure::GROUPS {
        if name.contains(only) {
            eprintln!("measuring: {name}");
            run(&scale, &mut report)?;
        }
    }
    if !arguments.quick && only.is_empty() {
        report.write()?;
    }
    Ok(())
}
