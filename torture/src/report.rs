//! What came of it.

use std::fmt;
use std::time::Duration;

use crate::Plan;

/// What a load found.
#[derive(Debug, Default)]
pub(crate) struct Checked {
    /// What was promised, by the server's own answers.
    pub(crate) accepted: usize,
    /// How often an event ran again that had ended.
    pub(crate) repeated: usize,
    /// How often its source handed something out again that had ended.
    pub(crate) received_again: usize,
    /// Every broken promise.
    pub(crate) faults: Vec<String>,
}

/// The whole run.
#[derive(Debug)]
pub struct Report {
    seed: u64,
    time: Duration,
    kills: u32,
    redelivered: u64,
    loads: Vec<(&'static str, Checked)>,
    faults: Vec<String>,
}

impl Report {
    /// What still waited when its time was over is not as it should be.
    pub(crate) fn new(plan: &Plan, kills: u32, waiting: &[String]) -> Self {
        let late = waiting.iter();
        let late = late.map(|what| format!("still waiting when the time was over: {what}"));
        Self {
            seed: plan.seed,
            time: plan.time,
            kills,
            redelivered: 0,
            loads: Vec::new(),
            faults: late.collect(),
        }
    }

    pub(crate) fn add(&mut self, name: &'static str, checked: Checked) {
        let faults = checked.faults.iter();
        self.faults
            .extend(faults.map(|fault| format!("{name}: {fault}")));
        self.loads.push((name, checked));
    }

    /// What runs again must have been running when the server was killed, and be counted as that.
    pub(crate) fn compare_repeats(&mut self, redelivered: u64) {
        let repeated: usize = self.loads.iter().map(|(_, checked)| checked.repeated).sum();
        self.redelivered = redelivered;
        if repeated as u64 > redelivered {
            let fault = format!("{repeated} ran again, and {redelivered} are counted");
            self.faults.push(fault);
        }
    }

    /// Every broken promise; none is as it should be.
    pub fn faults(&self) -> &[String] {
        &self.faults
    }

    /// What was accepted of all loads together.
    pub fn accepted(&self) -> usize {
        self.loads.iter().map(|(_, checked)| checked.accepted).sum()
    }

    /// How often the server was killed.
    pub fn kills(&self) -> u32 {
        self.kills
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seed, seconds, kills) = (self.seed, self.time.as_secs(), self.kills);
        let redelivered = self.redelivered;
        writeln!(
            f,
            "seed {seed}, {seconds} s of load, {kills} kills, {redelivered} events begun again"
        )?;
        writeln!(
            f,
            "{:<24}{:>10}{:>10}{:>8}",
            "load", "accepted", "repeated", "faults"
        )?;
        for (
            name,
            Checked {
                accepted,
                repeated,
                received_again,
                faults,
            },
        ) in &self.loads
        {
            let repeated = repeated + received_again;
            writeln!(
                f,
                "{name:<24}{accepted:>10}{repeated:>10}{:>8}",
                faults.len()
            )?;
        }
        for fault in &self.faults {
            writeln!(f, "BROKEN: {fault}")?;
        }
        match self.faults.len() {
            0 => writeln!(f, "nothing that was accepted is lost"),
            count => writeln!(f, "{count} promises were broken"),
        }
    }
}
