//! Load on every source of events while the server is killed with -9 at random and started again.
//! A ledger outside the server, a directory that functions write to, says what ran.
//!
//! ```text
//!  loads ──accepted──► what they were promised ─┐
//!    │                                          ├─► check: every promise kept once, in order where
//!    ▼                                          │   order was promised
//!  server (killed, started) ──► functions ──► ledger
//! ```
//!
//! Start reading at [`run`]; a source is a `Load` in `load/`.

mod chaos;
mod ledger;
mod load;
mod report;
mod site;

use std::time::Duration;

use kiln_testkit::Ledger;
use kiln_types::{Clock as _, SystemClock};

use chaos::Chaos;
pub use report::Report;
use site::Site;

/// How long everything that was accepted may take to end once nobody kills any more.
const DRAIN_MAX: Duration = Duration::from_secs(240);

/// What to do.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// What the pauses between kills are drawn from.
    pub seed: u64,
    /// How long there is load.
    pub time: Duration,
    /// How many kills at least, evenly over that time.
    pub kills_min: u32,
}

/// Does it.
pub fn run(plan: &Plan) -> Report {
    let clock = SystemClock::start();
    let outside = Ledger::new();
    let secrets = tempfile::tempdir().expect("a directory can be made");
    let loads = load::all(secrets.path());
    let site = Site::start(&outside, secrets.path());
    for load in &loads {
        site.with(|server| load.prepare(server, &outside));
    }
    let mut chaos = Chaos::new(plan);
    std::thread::scope(|scope| {
        for load in &loads {
            for worker in 0..load.workers() {
                let (load, site) = (load.as_ref(), &site);
                scope.spawn(move || site.keep_busy(|| load.send(site, worker)));
            }
        }
        let started = clock.now();
        while clock.now().since(started) < plan.time || chaos.kills() < plan.kills_min {
            std::thread::sleep(chaos.pause());
            site.kill();
            chaos.has_killed();
        }
        site.stop_load();
    });
    let waiting = site.drain(&outside, &loads, DRAIN_MAX);
    let mut report = Report::new(plan, chaos.kills(), &waiting);
    for load in &loads {
        let checked = site.with(|server| load.check(server, &ledger::lines(&outside)));
        report.add(load.name(), checked);
    }
    let redelivered = site.figures()["redelivered"].as_u64();
    report.compare_repeats(redelivered.unwrap_or_default());
    site.end();
    report
}
