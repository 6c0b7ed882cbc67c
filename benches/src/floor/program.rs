//! A program that is started, does nothing much and ends.

use std::process::Command;
use std::time::Duration;

use anyhow::ensure;
use kiln_types::{Clock as _, SystemClock};

/// How long each of these many runs takes.
pub(crate) fn measure(command: &mut Command, samples: usize) -> anyhow::Result<Vec<Duration>> {
    let mut times = Vec::new();
    for _ in 0..samples {
        let clock = SystemClock::start();
        let status = command.status()?;
        times.push(clock.now().since_start());
        ensure!(status.success(), "{command:?} failed: {status}");
    }
    Ok(times)
}
