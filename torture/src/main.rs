//! `cargo xtask torture [SEED] [MINUTES]`.

use std::process::ExitCode;

use clap::Parser;
use kiln_torture::Plan;

#[derive(Parser)]
#[command(
    name = "kiln-torture",
    about = "Kills a server with -9 again and again under load, and proves that nothing it accepted was lost"
)]
struct Arguments {
    /// What the pauses between kills are drawn from: the same again with the same seed, as far as
    /// the machine allows
    #[arg(default_value_t = 1)]
    seed: u64,
    /// How long there is load
    #[arg(default_value_t = 10)]
    minutes: u64,
    /// How many kills at least
    #[arg(long, default_value_t = 50)]
    kills: u32,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let report = kiln_torture::run(&Plan {
        seed: arguments.seed,
        time: std::time::Duration::from_secs(arguments.minutes * 60),
        kills_min: arguments.kills,
    });
    print!("{report}");
    match report.faults().is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}
