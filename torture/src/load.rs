//! Sources of events: what each is asked, and what it promises by its answers.

mod aws;
mod events;
mod feeds;
mod heard;
mod published;
mod queues;
mod schedules;

use std::path::Path;
use std::time::Duration;

use kiln_testkit::{Ledger, Server};

use crate::report::Checked;
use crate::site::Site;

/// How long a source may take to be ready.
const PREPARED_MAX: Duration = Duration::from_secs(60);

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

    /// What of it has not ended that the server does not count among its events.
    fn waits(&self, _server: &Server, _lines: &[Vec<String>]) -> Option<String> {
        None
    }

    /// Compares what was accepted with the lines of the ledger, when everything has ended.
    fn check(&self, server: &Server, lines: &[Vec<String>]) -> Checked;
}

/// All of them. What the server needs to know secretly of sources is put into the directory.
pub(crate) fn all(secrets: &Path) -> Vec<Box<dyn Load>> {
    let mut all: Vec<Box<dyn Load>> = Vec::new();
    for fate in events::Fate::ALL {
        all.push(Box::new(events::Events::new(fate)));
    }
    for kind in queues::Kind::ALL {
        all.push(Box::new(queues::Queue::new(kind)));
    }
    all.push(Box::new(schedules::Schedules::new()));
    for through in published::Through::ALL {
        all.push(Box::new(published::Published::new(through)));
    }
    for feed in feeds::Feed::all(secrets) {
        all.push(Box::new(feed));
    }
    all
}
