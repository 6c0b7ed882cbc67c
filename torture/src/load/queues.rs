//! Message queues as event sources: what was sent runs its function and is gone only then; a group keeps its order, and what
//! fails too often becomes one dead letter.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use kiln_testkit::{Ledger, Server};
use serde_json::{Value, json};

use super::aws::{self, QUEUES};
use crate::ledger;
use crate::load::Load;
use crate::report::Checked;
use crate::site::Site;

/// What a queue is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// In no order.
    Standard,
    /// In the order of its groups; its function fails now and then.
    Fifo,
    /// Its function always fails.
    Dead,
}

/// A queue under load.
pub(crate) struct Queue {
    kind: Kind,
    senders: Vec<Mutex<Sender>>,
}

/// What one sender knows.
#[derive(Default)]
struct Sender {
    /// The number of the next message.
    next: u64,
    /// Those that were accepted.
    accepted: Vec<u64>,
}

/// A batch stays hidden for so long after a kill: as long as a function may take.
const HIDDEN_SECS: u32 = 10;
/// Receives before a message is a dead letter: a kill uses up one, and there is none to spare.
const RECEIVES_MAX: u32 = 1_000;
const DEAD_RECEIVES_MAX: u32 = 2;
const SENDERS: usize = 3;

/// A line for each message and each time that it was received.
const TAKES: &str = "def handler(event, context):
    for record in event['Records']:
        note(context.function_name, record['body'], record['attributes']['ApproximateReceiveCount'])
";
const TAKES_IN_ORDER: &str = "def handler(event, context):
    for record in event['Records']:
        body = record['body']
        number = body.split(':')[1]
        if number.rstrip('0') == '5' and is_first('refused', body):
            raise ValueError(body)
        note(context.function_name, body, record['attributes']['ApproximateReceiveCount'])
";
const FAILS: &str = "def handler(event, context):
    raise ValueError('always')
";

impl Kind {
    pub(crate) const ALL: [Kind; 3] = [Kind::Standard, Kind::Fifo, Kind::Dead];

    /// Of the queue and of its function.
    fn name(self) -> &'static str {
        match self {
            Kind::Standard => "queue",
            Kind::Fifo => "queue-in-order",
            Kind::Dead => "queue-of-failures",
        }
    }

    fn queue(self) -> String {
        match self {
            Kind::Fifo => format!("{}.fifo", self.name()),
            _ => self.name().to_owned(),
        }
    }

    fn source(self) -> &'static str {
        match self {
            Kind::Standard => TAKES,
            Kind::Fifo => TAKES_IN_ORDER,
            Kind::Dead => FAILS,
        }
    }
}

fn path(queue: &str) -> String {
    format!("/000000000000/{queue}")
}

fn arn(queue: &str) -> String {
    format!("arn:aws:sqs:us-east-1:000000000000:{queue}")
}

/// The queue that gets what failed too often.
fn dead_letters(queue: &str) -> String {
    match queue.strip_suffix(".fifo") {
        Some(name) => format!("{name}-dead.fifo"),
        None => format!("{queue}-dead"),
    }
}

impl Queue {
    pub(crate) fn new(kind: Kind) -> Self {
        let senders = (0..SENDERS).map(|_| Mutex::default()).collect();
        Self { kind, senders }
    }

    /// All bodies that were accepted.
    fn accepted(&self) -> BTreeSet<String> {
        let mut all = BTreeSet::new();
        for (number, sender) in self.senders.iter().enumerate() {
            let sender = sender.lock().expect("no sender panics");
            all.extend(sender.accepted.iter().map(|sent| body(number, *sent)));
        }
        all
    }

    /// How often each message was there at the end, which is to say in the dead-letter queue.
    fn dead(&self, server: &Server) -> BTreeMap<String, usize> {
        let queue = dead_letters(&self.kind.queue());
        let ask =
            json!({"QueueUrl": path(&queue), "MaxNumberOfMessages": 10, "VisibilityTimeout": 600});
        let mut count = BTreeMap::new();
        loop {
            let page = QUEUES.call(server, "ReceiveMessage", &ask);
            let Some(messages) = page["Messages"].as_array().filter(|all| !all.is_empty()) else {
                return count;
            };
            for message in messages {
                let body = message["Body"].as_str().unwrap_or_default();
                *count.entry(body.to_owned()).or_default() += 1;
            }
        }
    }

    /// The same of messages that a function took: each receive counts once.
    fn taken(&self, lines: &[Vec<String>], faults: &mut Vec<String>) -> BTreeMap<String, usize> {
        let mut receives = BTreeSet::new();
        let mut count = BTreeMap::new();
        for words in lines.iter().filter(|words| words[0] == self.kind.name()) {
            let [_, body, receive] = &words[..] else {
                continue;
            };
            if !receives.insert((body, receive)) {
                faults.push(format!("message {body} ran twice of one receive"));
            }
            *count.entry(body.clone()).or_default() += 1;
        }
        count
    }
}

/// What a message says: who sent it, and its number.
fn body(sender: usize, number: u64) -> String {
    format!("{sender}:{number}")
}

/// Messages of a group that ran before one that was sent earlier had.
fn out_of_order(name: &str, lines: &[Vec<String>]) -> Vec<String> {
    let mut next = [0; SENDERS];
    let mut faults = Vec::new();
    for words in lines.iter().filter(|words| words[0] == name) {
        let read = words.get(1).and_then(|body| body.split_once(':'));
        let read = read.and_then(|(sender, number)| {
            Some((sender.parse::<usize>().ok()?, number.parse::<u64>().ok()?))
        });
        let Some((sender, number)) = read else {
            continue;
        };
        // One that ran before may run again.
        if number > next[sender] {
            faults.push(format!(
                "message {sender}:{number} ran before {}",
                next[sender]
            ));
        }
        next[sender] = next[sender].max(number + 1);
    }
    faults
}

impl Load for Queue {
    fn name(&self) -> &'static str {
        self.kind.name()
    }

    fn prepare(&self, server: &Server, outside: &Ledger) {
        let queue = self.kind.queue();
        let dead = dead_letters(&queue);
        let receives = match self.kind {
            Kind::Dead => DEAD_RECEIVES_MAX,
            _ => RECEIVES_MAX,
        };
        let redrive = json!({"deadLetterTargetArn": arn(&dead), "maxReceiveCount": receives});
        let mut attributes = json!({});
        if self.kind == Kind::Fifo {
            attributes["FifoQueue"] = "true".into();
        }
        let make = |name: &str, attributes: &Value| {
            let input = json!({"QueueName": name, "Attributes": attributes});
            QUEUES.call(server, "CreateQueue", &input);
        };
        make(&dead, &attributes);
        attributes["VisibilityTimeout"] = HIDDEN_SECS.to_string().into();
        attributes["RedrivePolicy"] = redrive.to_string().into();
        make(&queue, &attributes);
        ledger::create(outside, server, self.kind.name(), self.kind.source());
        let mapping = json!({"FunctionName": self.kind.name(), "EventSourceArn": arn(&queue), "BatchSize": 3});
        aws::map(server, &mapping);
    }

    fn workers(&self) -> usize {
        SENDERS
    }

    fn send(&self, site: &Site, worker: usize) -> bool {
        let mut sender = self.senders[worker].lock().expect("no sender panics");
        let body = body(worker, sender.next);
        let mut input = json!({"QueueUrl": path(&self.kind.queue()), "MessageBody": body});
        if self.kind == Kind::Fifo {
            input["MessageGroupId"] = worker.to_string().into();
            input["MessageDeduplicationId"] = body.into();
        }
        let sent = site.with(|server| QUEUES.try_call(server, "SendMessage", &input));
        if sent.is_some() {
            let number = sender.next;
            sender.accepted.push(number);
        }
        // Sent again without an answer it would be two messages, but where it is deduplicated.
        if sent.is_some() || self.kind != Kind::Fifo {
            sender.next += 1;
        }
        sent.is_some()
    }

    fn waits(&self, server: &Server, _: &[Vec<String>]) -> Option<String> {
        let names = [
            "ApproximateNumberOfMessages",
            "ApproximateNumberOfMessagesNotVisible",
        ];
        let input = json!({"QueueUrl": path(&self.kind.queue()), "AttributeNames": names});
        let found = QUEUES.call(server, "GetQueueAttributes", &input);
        let [visible, hidden] = names.map(|name| &found["Attributes"][name]);
        if visible == "0" && hidden == "0" {
            return None;
        }
        let result = aws::last_result(server, self.kind.name());
        Some(format!(
            "{visible} visible and {hidden} hidden messages ({result})"
        ))
    }

    fn check(&self, server: &Server, lines: &[Vec<String>]) -> Checked {
        let mut faults = Vec::new();
        let ends = match self.kind {
            Kind::Dead => self.dead(server),
            _ => self.taken(lines, &mut faults),
        };
        let accepted = self.accepted();
        let lost = accepted.iter().filter(|body| !ends.contains_key(*body));
        faults.extend(lost.map(|body| format!("message {body} is lost")));
        let again = ends.values().map(|count| count - 1).sum();
        if self.kind == Kind::Fifo {
            faults.extend(out_of_order(self.kind.name(), lines));
        }
        Checked {
            accepted: accepted.len(),
            received_again: again,
            faults,
            ..Checked::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(bodies: &[&str]) -> Vec<Vec<String>> {
        let line = |body: &&str| vec!["q".to_owned(), (*body).to_owned(), "1".to_owned()];
        bodies.iter().map(line).collect()
    }

    #[test]
    fn a_group_may_repeat_and_may_not_skip() {
        let fine = lines(&["0:0", "1:0", "0:1", "0:0", "0:1", "0:2"]);
        assert_eq!(out_of_order("q", &fine), [""; 0]);
        let skips = lines(&["0:0", "0:2", "0:1"]);
        assert_eq!(out_of_order("q", &skips), ["message 0:2 ran before 1"]);
    }

    #[test]
    fn a_receive_that_ran_twice_is_a_fault() {
        let queue = Queue::new(Kind::Standard);
        let mut faults = Vec::new();
        let line = |receive: &str| vec!["queue".to_owned(), "0:0".to_owned(), receive.to_owned()];
        queue.taken(&[line("1"), line("2")], &mut faults);
        assert!(faults.is_empty());
        queue.taken(&[line("1"), line("1")], &mut faults);
        assert_eq!(faults.len(), 1);
    }
}
