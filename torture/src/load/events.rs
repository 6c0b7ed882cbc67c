//! Asynchronous invocation: what was answered by 202 ends in exactly one of the ways there are.

use std::collections::BTreeMap;
use std::sync::Mutex;

use kiln_testkit::{Ledger, Server};
use serde_json::json;

use crate::ledger;
use crate::load::Load;
use crate::report::Checked;
use crate::site::Site;

/// What becomes of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Its function succeeds.
    Succeeds,
    /// Its function fails once, and then succeeds.
    FailsOnce,
    /// Its function always fails, and another is told.
    IsTold,
    /// Its function always fails, and nobody is to be told.
    IsKept,
}

/// Events of one fate.
pub(crate) struct Events {
    fate: Fate,
    accepted: Mutex<Vec<String>>,
}

const SUCCEEDS: &str = "def handler(event, context):
    note('succeeds', context.aws_request_id)
";
const FAILS_ONCE: &str = "def handler(event, context):
    if is_first('tried', context.aws_request_id):
        raise ValueError('once')
    note('fails-once', context.aws_request_id)
";
const FAILS: &str = "def handler(event, context):
    note('fails', context.aws_request_id)
    raise ValueError('always')
";
const TOLD: &str = "def handler(event, context):
    note('is-told', event['requestContext']['requestId'])
";

impl Fate {
    pub(crate) const ALL: [Fate; 4] = [Fate::Succeeds, Fate::FailsOnce, Fate::IsTold, Fate::IsKept];

    /// The function's name, and what stands before an event that ended in the ledger.
    fn name(self) -> &'static str {
        match self {
            Fate::Succeeds => "succeeds",
            Fate::FailsOnce => "fails-once",
            Fate::IsTold => "is-told",
            Fate::IsKept => "is-kept",
        }
    }

    fn source(self) -> &'static str {
        match self {
            Fate::Succeeds => SUCCEEDS,
            Fate::FailsOnce => FAILS_ONCE,
            Fate::IsTold | Fate::IsKept => FAILS,
        }
    }
}

impl Events {
    pub(crate) fn new(fate: Fate) -> Self {
        let accepted = Mutex::default();
        Self { fate, accepted }
    }

    /// How often each event reached its end, as the ledger or the server has it.
    fn ends(&self, server: &Server, lines: &[Vec<String>]) -> BTreeMap<String, usize> {
        let ended: Vec<String> = if self.fate == Fate::IsKept {
            dead_letters(server, self.fate.name())
        } else {
            let ours = lines.iter().filter(|words| words[0] == self.fate.name());
            ours.filter_map(|words| words.get(1).cloned()).collect()
        };
        let mut count = BTreeMap::new();
        for id in ended {
            *count.entry(id).or_default() += 1;
        }
        count
    }
}

impl Load for Events {
    fn name(&self) -> &'static str {
        self.fate.name()
    }

    fn prepare(&self, server: &Server, outside: &Ledger) {
        let name = self.fate.name();
        ledger::create(outside, server, name, self.fate.source());
        let mut config = json!({ "MaximumRetryAttempts": 1 });
        if self.fate == Fate::IsTold {
            ledger::create(outside, server, "told", TOLD);
            let arn = "arn:aws:lambda:us-east-1:000000000000:function:told";
            config["DestinationConfig"] = json!({ "OnFailure": { "Destination": arn } });
        }
        let path = format!("/2019-09-25/functions/{name}/event-invoke-config");
        let put = server.lambda("PUT", &path).json(&config);
        put.send().expect_status(200);
    }

    fn workers(&self) -> usize {
        1
    }

    fn send(&self, site: &Site, _: usize) -> bool {
        let path = format!("/2015-03-31/functions/{}/invocations", self.fate.name());
        let answered = site.with(|server| {
            let event = server.lambda("POST", &path).body("{}");
            event.header("x-amz-invocation-type", "Event").try_send()
        });
        // Without an answer nothing was promised.
        let Some(answer) = answered.filter(|answer| answer.status == 202) else {
            return false;
        };
        let id = answer.header("x-amzn-requestid").to_owned();
        self.accepted.lock().expect("no sender panics").push(id);
        true
    }

    fn check(&self, server: &Server, lines: &[Vec<String>]) -> Checked {
        let ends = self.ends(server, lines);
        let accepted = self.accepted.lock().expect("no sender panics");
        let lost = accepted.iter().filter(|id| !ends.contains_key(*id));
        Checked {
            accepted: accepted.len(),
            repeated: ends.values().map(|count| count - 1).sum(),
            faults: lost.map(|id| format!("event {id} is lost")).collect(),
            ..Checked::default()
        }
    }
}

/// The ids of what was given up and is kept.
fn dead_letters(server: &Server, function: &str) -> Vec<String> {
    let (mut ids, mut after) = (Vec::new(), String::new());
    loop {
        let path = format!("/_kiln/events?state=dead&function={function}&limit=1000{after}");
        let page = server.request("GET", &path).signed("kiln");
        let page = page.send().expect_status(200).json();
        let events = page["events"].as_array().into_iter().flatten();
        let found = events.filter_map(|event| event["requestId"].as_str());
        ids.extend(found.map(str::to_owned));
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return ids,
        }
    }
}
