//! Schedules: each tick becomes one event of the function that wants it.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Duration;

use kiln_testkit::{Ledger, Server};
use kiln_types::{Clock as _, SystemClock, Timestamp};
use serde_json::json;

use super::aws;
use super::heard::{Heard, NOTES};
use crate::ledger;
use crate::load::Load;
use crate::report::Checked;
use crate::site::Site;

/// When a schedule is due after it was made, so that many are due while nobody is there.
const AHEAD: Duration = Duration::from_secs(3);

/// Schedules that are due once, soon after they are made.
pub(crate) struct Schedules {
    clock: SystemClock,
    accepted: Mutex<BTreeSet<String>>,
    tried: Mutex<u64>,
}

impl Schedules {
    const NAME: &'static str = "schedules";

    pub(crate) fn new() -> Self {
        Self {
            clock: SystemClock::start(),
            accepted: Mutex::default(),
            tried: Mutex::default(),
        }
    }

    fn due(&self) -> Timestamp {
        self.clock.timestamp() + AHEAD
    }
}

impl Load for Schedules {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn prepare(&self, server: &Server, outside: &Ledger) {
        ledger::create(outside, server, Self::NAME, NOTES);
    }

    fn workers(&self) -> usize {
        1
    }

    fn send(&self, site: &Site, _: usize) -> bool {
        let mut tried = self.tried.lock().expect("no sender panics");
        *tried += 1;
        let name = format!("s{tried}");
        let due = self
            .due()
            .to_jiff()
            .strftime("%Y-%m-%dT%H:%M:%S")
            .to_string();
        let schedule = json!({
            "ScheduleExpression": format!("at({due})"),
            "FlexibleTimeWindow": {"Mode": "OFF"},
            "ActionAfterCompletion": "DELETE",
            "Target": {
                "Arn": aws::function(Self::NAME), "RoleArn": "arn:aws:iam::000000000000:role/r",
                "Input": json!({"of": name}).to_string(),
            },
        });
        let path = format!("/schedules/{name}");
        let answered = site.with(|server| {
            let create = server.request("POST", &path).json(&schedule);
            create.signed("scheduler").try_send()
        });
        let is_made = answered.is_some_and(|answer| answer.status == 200);
        if is_made {
            let mut accepted = self.accepted.lock().expect("no sender panics");
            accepted.insert(name);
        }
        is_made
    }

    fn waits(&self, server: &Server, _: &[Vec<String>]) -> Option<String> {
        let page = server.request("GET", "/schedules?MaxResults=1");
        let page = page.signed("scheduler").send().expect_status(200).json();
        let first = page["Schedules"][0]["Name"].as_str()?;
        Some(format!("schedule {first} and perhaps others"))
    }

    fn check(&self, _: &Server, lines: &[Vec<String>]) -> Checked {
        let accepted = self.accepted.lock().expect("no sender panics");
        Heard::read(Self::NAME, lines).check(&accepted)
    }
}
