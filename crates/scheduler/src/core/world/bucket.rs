//! How fast a function started instances, by the definition: in no length of time more than the burst
//! and what is refilled in it.

use kiln_types::Moment;

use crate::config::Config;

/// When a function's instances were started.
#[derive(Default)]
pub(super) struct Bucket {
    starts: Vec<Moment>,
    /// Whether the function was deleted: one made again under its name begins with a full bucket, but
    /// only once nothing is left of the old one.
    pub(super) unknown: bool,
}

impl Bucket {
    pub(super) fn started(&mut self, now: Moment) {
        self.starts.push(now);
    }

    /// Whether one more start would keep to the definition.
    pub(super) fn can_start(&self, config: &Config, now: Moment) -> bool {
        let (burst, rate) = (
            f64::from(config.burst_starts),
            f64::from(config.starts_per_second),
        );
        self.starts.iter().rev().enumerate().all(|(later, start)| {
            let starts = later as f64 + 2.0;
            starts <= burst + rate * now.since(*start).as_secs_f64() + 1e-6
        })
    }
}
