//! Schedules and buses: each tick, and each event that was published, becomes one event of the function that wants it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::Duration;

use kiln_testkit::{Ledger, Server};
use kiln_types::{Clock as _, SystemClock, Timestamp};
use serde_json::json;

use super::aws::{self, BUSES};
use crate::ledger;
use crate::load::Load;
use crate::report::Checked;
use crate::site::Site;

/// When a schedule is due after it was made, so that many are due while nobody is there.
const AHEAD: Duration = Duration::from_secs(3);

/// A line for what happened, and the event by which the function heard of it.
const NOTES: &str = "def handler(event, context):
    note(context.function_name, event['of'] if 'of' in event else event['id'], context.aws_request_id)
";

/// What the function has heard of.
struct Heard {
    /// What happened, with the events that told of it and how often each ran.
    events: BTreeMap<String, BTreeMap<String, usize>>,
}

impl Heard {
    fn read(name: &str, lines: &[Vec<String>]) -> Self {
        let mut events: BTreeMap<String, BTreeMap<String, usize>> = BTreeMap::new();
        for words in lines.iter().filter(|words| words[0] == name) {
            if let [_, of, request] = &words[..] {
                let told = events.entry(of.clone()).or_default();
                *told.entry(request.clone()).or_default() += 1;
            }
        }
        Self { events }
    }

    /// What was promised must have been told by one event, however often that began.
    fn check(&self, accepted: &BTreeSet<String>) -> Checked {
        let lost = accepted.iter().filter(|of| !self.events.contains_key(*of));
        let mut faults: Vec<_> = lost.map(|of| format!("{of} is lost")).collect();
        let doubled = self.events.iter().filter(|(_, told)| told.len() > 1);
        faults.extend(doubled.map(|(of, told)| format!("{of} was told by {} events", told.len())));
        let runs = self.events.values().flat_map(BTreeMap::values);
        Checked {
            accepted: accepted.len(),
            repeated: runs.map(|count| count - 1).sum(),
            faults,
            ..Checked::default()
        }
    }
}

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

/// Events on a bus that a rule sends to a function.
pub(crate) struct Published {
    accepted: Mutex<BTreeSet<String>>,
}

impl Published {
    const NAME: &'static str = "published";

    pub(crate) fn new() -> Self {
        Self {
            accepted: Mutex::default(),
        }
    }
}

impl Load for Published {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn prepare(&self, server: &Server, outside: &Ledger) {
        ledger::create(outside, server, Self::NAME, NOTES);
        let pattern = json!({"source": [Self::NAME]}).to_string();
        let rule = json!({"Name": Self::NAME, "EventPattern": pattern});
        BUSES.call(server, "PutRule", &rule);
        let target = json!({"Id": "1", "Arn": aws::function(Self::NAME)});
        let targets = json!({"Rule": Self::NAME, "Targets": [target]});
        BUSES.call(server, "PutTargets", &targets);
    }

    fn workers(&self) -> usize {
        1
    }

    fn send(&self, site: &Site, _: usize) -> bool {
        let entry = json!({"Source": Self::NAME, "DetailType": "happened", "Detail": "{}"});
        let input = json!({"Entries": [entry]});
        let answer = site.with(|server| BUSES.try_call(server, "PutEvents", &input));
        let id = answer.and_then(|answer| {
            let id = answer["Entries"][0]["EventId"].as_str()?;
            Some(id.to_owned())
        });
        let mut accepted = self.accepted.lock().expect("no sender panics");
        let is_accepted = id.is_some();
        accepted.extend(id);
        is_accepted
    }

    fn check(&self, _: &Server, lines: &[Vec<String>]) -> Checked {
        let accepted = self.accepted.lock().expect("no sender panics");
        Heard::read(Self::NAME, lines).check(&accepted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(of: &str, request: &str) -> Vec<String> {
        ["x", of, request].map(str::to_owned).to_vec()
    }

    #[test]
    fn one_event_may_run_again_and_two_are_a_fault() {
        let accepted = ["a", "b"].map(str::to_owned).into();
        let lines = [line("a", "1"), line("a", "1"), line("b", "2")];
        let checked = Heard::read("x", &lines).check(&accepted);
        assert_eq!((checked.repeated, checked.faults.len()), (1, 0));
        let lines = [line("a", "1"), line("a", "2")];
        let checked = Heard::read("x", &lines).check(&accepted);
        assert_eq!(checked.faults, ["b is lost", "a was told by 2 events"]);
    }
}
