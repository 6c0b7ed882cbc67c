//! What is handed to a bus, a topic or a bucket, and becomes one event of the function that wants it.

use std::collections::BTreeSet;
use std::sync::Mutex;

use kiln_testkit::{Ledger, Request, Server};
use serde_json::json;

use super::aws::{self, BUSES};
use super::heard::{Heard, NOTES};
use crate::ledger;
use crate::load::Load;
use crate::report::Checked;
use crate::site::Site;

/// Who passes it on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Through {
    /// A rule of the default bus.
    Bus,
    /// A subscription of a topic.
    Topic,
    /// A notification of a bucket.
    Bucket,
}

/// What was handed over in one way.
pub(crate) struct Published {
    through: Through,
    sent: Mutex<u64>,
    accepted: Mutex<BTreeSet<String>>,
}

/// The topic, and the bucket.
const NAME: &str = "published";

impl Through {
    pub(crate) const ALL: [Through; 3] = [Through::Bus, Through::Topic, Through::Bucket];

    /// The function's name, and the load's.
    fn name(self) -> &'static str {
        match self {
            Through::Bus => "published",
            Through::Topic => "published-to-topic",
            Through::Bucket => "put-into-bucket",
        }
    }

    /// The service that invokes the function, and needs its leave.
    fn service(self) -> &'static str {
        match self {
            Through::Bus => "events",
            Through::Topic => "sns",
            Through::Bucket => "s3",
        }
    }

    /// Has the function hear of what comes.
    fn prepare(self, server: &Server) {
        let function = aws::function(self.name());
        let leave = json!({
            "StatementId": NAME, "Action": "lambda:InvokeFunction",
            "Principal": format!("{}.amazonaws.com", self.service()),
        });
        let path = format!("/2015-03-31/functions/{}/policy", self.name());
        let given = server.lambda("POST", &path).json(&leave);
        given.send().expect_status(201);
        match self {
            Through::Bus => {
                let pattern = json!({"source": [NAME]}).to_string();
                let rule = json!({"Name": NAME, "EventPattern": pattern});
                BUSES.call(server, "PutRule", &rule);
                let target = json!({"Id": "1", "Arn": function});
                let targets = json!({"Rule": NAME, "Targets": [target]});
                BUSES.call(server, "PutTargets", &targets);
            }
            Through::Topic => {
                let made = topics(server, &[("Action", "CreateTopic"), ("Name", NAME)]);
                made.send().expect_status(200);
                let subscribed = topics(
                    server,
                    &[
                        ("Action", "Subscribe"),
                        ("TopicArn", &topic()),
                        ("Protocol", "lambda"),
                        ("Endpoint", &function),
                    ],
                );
                subscribed.send().expect_status(200);
            }
            Through::Bucket => {
                let made = server.request("PUT", &format!("/{NAME}")).signed("s3");
                made.send().expect_status(200);
                let wants = format!(
                    "<NotificationConfiguration><CloudFunctionConfiguration>\
                     <CloudFunction>{function}</CloudFunction><Event>s3:ObjectCreated:*</Event>\
                     </CloudFunctionConfiguration></NotificationConfiguration>"
                );
                let put = server.request("PUT", &format!("/{NAME}?notification"));
                put.body(wants).signed("s3").send().expect_status(200);
            }
        }
    }

    /// Hands over the one with this number. Gives what the function will hear of it by, if it was accepted.
    fn hand_over(self, server: &Server, number: u64) -> Option<String> {
        match self {
            Through::Bus => {
                let entry = json!({"Source": NAME, "DetailType": "happened", "Detail": "{}"});
                let input = json!({"Entries": [entry]});
                let answer = BUSES.try_call(server, "PutEvents", &input)?;
                Some(answer["Entries"][0]["EventId"].as_str()?.to_owned())
            }
            Through::Topic => {
                let message = number.to_string();
                let publish = topics(
                    server,
                    &[
                        ("Action", "Publish"),
                        ("TopicArn", &topic()),
                        ("Message", &message),
                    ],
                );
                let answer = publish.try_send()?;
                (answer.status == 200).then_some(message)
            }
            Through::Bucket => {
                let key = number.to_string();
                let put = server.request("PUT", &format!("/{NAME}/{key}"));
                let answer = put.body("x").signed("s3").try_send()?;
                (answer.status == 200).then_some(key)
            }
        }
    }
}

impl Published {
    pub(crate) fn new(through: Through) -> Self {
        Self {
            through,
            sent: Mutex::default(),
            accepted: Mutex::default(),
        }
    }
}

impl Load for Published {
    fn name(&self) -> &'static str {
        self.through.name()
    }

    fn prepare(&self, server: &Server, outside: &Ledger) {
        ledger::create(outside, server, self.name(), NOTES);
        self.through.prepare(server);
    }

    fn workers(&self) -> usize {
        1
    }

    fn send(&self, site: &Site, _: usize) -> bool {
        let mut sent = self.sent.lock().expect("no sender panics");
        *sent += 1;
        let known = site.with(|server| self.through.hand_over(server, *sent));
        let is_accepted = known.is_some();
        self.accepted
            .lock()
            .expect("no sender panics")
            .extend(known);
        is_accepted
    }

    fn check(&self, _: &Server, lines: &[Vec<String>]) -> Checked {
        let accepted = self.accepted.lock().expect("no sender panics");
        Heard::read(self.name(), lines).check(&accepted)
    }
}

fn topic() -> String {
    format!("arn:aws:sns:us-east-1:000000000000:{NAME}")
}

/// A call of the topics' service, in its query protocol.
fn topics<'a>(server: &'a Server, parameters: &[(&str, &str)]) -> Request<'a> {
    let pairs: Vec<String> = parameters
        .iter()
        .map(|(name, value)| format!("{name}={}", value.replace(':', "%3A")))
        .collect();
    server
        .request("POST", "/")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(pairs.join("&"))
        .signed("sns")
}
