//! What a tick of EventBridge Scheduler says: to its target, or to its dead-letter queue.

use std::collections::BTreeMap;

use bytes::Bytes;
use kiln_events::schedule::Timetable;
use kiln_invoke::fan_out::Notice;
use kiln_store::messages::NewMessage;
use kiln_store::queue::{Delivery, NewEvent};
use kiln_store::schedules::Schedule;
use kiln_types::{
    FunctionArn, MessageAttribute, MessageId, QueueArn, Region, RequestId, Timestamp,
};
use serde_json::json;

use super::core::{Failure, Plan};

/// Who sends messages.
const SENDER: &str = "scheduler.amazonaws.com";
/// Characters of an error that a dead letter holds.
const ERROR_MAX: usize = 1_024;

/// A tick of a schedule, as what it says is written.
pub(crate) struct Saying<'a> {
    pub(crate) schedule: &'a Schedule,
    pub(crate) timetable: Option<&'a Timetable>,
    pub(crate) plan: &'a Plan,
    pub(crate) region: &'a Region,
}

impl Saying<'_> {
    /// To a function.
    pub(crate) fn event(&self, to: &FunctionArn) -> Delivery {
        let text = Bytes::from(self.text());
        Delivery::Event(NewEvent::plain(RequestId::random(), to, text))
    }

    /// To a queue.
    pub(crate) fn message(&self, to: &QueueArn, group: Option<&String>) -> Delivery {
        Delivery::Message(NewMessage {
            group: group.cloned(),
            ..self.says(to, self.text())
        })
    }

    /// To a topic.
    pub(crate) fn notice(&self) -> Notice {
        Notice::plain(self.text(), None)
    }

    /// To the dead-letter queue, if there is one: the attributes are AWS's (user guide, "Configuring a dead-letter
    /// queue").
    pub(crate) fn dead_letter(&self, failure: &Failure) -> Option<Delivery> {
        let to = self.schedule.settings.target.dead_letters.as_ref()?;
        let target = self.schedule.settings.target.receiver.arn(self.region);
        let error: String = failure.message.chars().take(ERROR_MAX).collect();
        let retries = self.plan.attempts.to_string();
        let mut attributes = BTreeMap::new();
        let mut put = |name: &str, value: String| {
            attributes.insert(name.to_owned(), MessageAttribute::string(value));
        };
        put("SCHEDULE_ARN", self.schedule.id.arn(self.region));
        put("TARGET_ARN", target);
        put("ERROR_CODE", failure.code.to_owned());
        put("ERROR_MESSAGE", error);
        put("RETRY_ATTEMPTS", retries);
        if let Some(condition) = failure.condition {
            put("EXHAUSTED_RETRY_CONDITION", condition.to_owned());
        }
        put("SCHEDULED_TIME", time(self.plan.due));
        put("EXECUTION_ID", self.execution_id());
        put("IS_PAYLOAD_TRUNCATED", "false".to_owned());
        Some(Delivery::Message(NewMessage {
            attributes,
            ..self.says(to, self.text())
        }))
    }

    fn says(&self, to: &QueueArn, body: String) -> NewMessage {
        NewMessage::plain(MessageId::random(), &to.queue, body, SENDER)
    }

    fn text(&self) -> String {
        let id = &self.schedule.id;
        let arn = id.arn(self.region);
        match &self.schedule.settings.target.input {
            Some(input) => input
                .replace("<aws.scheduler.schedule-arn>", &arn)
                .replace("<aws.scheduler.scheduled-time>", &time(self.plan.due))
                .replace("<aws.scheduler.execution-id>", &self.execution_id())
                .replace(
                    "<aws.scheduler.attempt-number>",
                    &self.attempt().to_string(),
                ),
            None => json!({
                "version": "0",
                "id": RequestId::random().to_string(),
                "detail-type": "Scheduled Event",
                "source": "aws.scheduler",
                "account": id.account.as_str(),
                "time": time(self.plan.due),
                "region": self.region.to_string(),
                "resources": [arn],
                "detail": "{}",
            })
            .to_string(),
        }
    }

    fn attempt(&self) -> u32 {
        self.plan.attempts.saturating_add(1)
    }

    fn execution_id(&self) -> String {
        let timetable = self.timetable;
        timetable.map_or_else(String::new, |it| it.execution_id(self.plan.due))
    }
}

/// As AWS writes it: `2026-11-27T10:00:00Z`.
fn time(time: Timestamp) -> String {
    time.to_jiff().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
