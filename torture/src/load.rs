//! Sources of events: what each is asked, and what it promises by its answers.

mod events;

use kiln_testkit::{Ledger, Server};

use crate::report::Checked;
use crate::site::Site;

/// One source under load.
pub(crate) trait Load: Sync {
    /// What it is called in the report.
    fn name(&self) -> &'static str;

    /// Makes what it needs on a new server.
    fn prepare(&self, server: &Server, outside: &Ledger);

    /// How many send at a time.
    fn workers(&self) -> usize;

    /// Sends once, and remembers what was accepted. Says whether it was.
    fn send(&self, site: &Site, worker: usize) -> bool;

    /// Compares what was accepted with the lines of the ledger, when everything has ended.
    fn check(&self, server: &Server, lines: &[Vec<String>]) -> Checked;
}

/// All of them.
pub(crate) fn all() -> Vec<Box<dyn Load>> {
    let events = events::Fate::ALL.into_iter();
    events
        .map(|fate| Box::new(events::Events::new(fate)) as Box<dyn Load>)
        .collect()
}
