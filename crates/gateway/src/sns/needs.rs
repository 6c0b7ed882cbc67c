//! What operations on topics need to be allowed. A topic's policy has a say.
//!
//! Source: "Actions, resources, and condition keys for Amazon SNS" in the service authorization reference.

use kiln_types::SubscriptionArn;

use super::generated::Operation;
use crate::access::{Guarded, Members, Need};

impl Guarded for Operation {
    const SERVICE: &'static str = "sns";

    fn name(self) -> &'static str {
        Operation::name(self)
    }

    fn needs(self, of: &Members<'_>) -> Vec<Need> {
        use Operation::*;
        let is_nobody = of.context.caller.is_nobody();
        match self {
            // Whoever has the link that a message named: see `open`.
            ConfirmSubscription | Unsubscribe if is_nobody => Vec::new(),
            ListTopics | ListSubscriptions => vec![of.need("*")],
            CreateTopic => vec![of.need(of.arn(of.text_or_empty("Name")))],
            Publish | PublishBatch => vec![topic(of, "Publish")],
            Subscribe => subscribed(of),
            SetSubscriptionAttributes => {
                let own = of.need(subscription(of.text_or_empty("SubscriptionArn")));
                let dead_letters = dead_letters(of.text("AttributeValue"));
                [Some(own), dead_letters].into_iter().flatten().collect()
            }
            GetSubscriptionAttributes | Unsubscribe => {
                vec![of.need(subscription(of.text_or_empty("SubscriptionArn")))]
            }
            TagResource | UntagResource | ListTagsForResource => {
                vec![of.need(of.text_or_empty("ResourceArn"))]
            }
            _ => vec![topic(of, Operation::name(self))],
        }
    }
}

fn topic(of: &Members<'_>, action: &str) -> Need {
    let arn = of.text("TopicArn").or_else(|| of.text("TargetArn"));
    of.need_as(action, arn.unwrap_or("*"))
}

fn subscription(text: &str) -> String {
    let arn = text.parse::<SubscriptionArn>();
    arn.map_or_else(|_| text.to_owned(), |arn| arn.to_string())
}

/// What is published will be sent there in the caller's name.
fn subscribed(of: &Members<'_>) -> Vec<Need> {
    let endpoint = of.text("Endpoint");
    let subscribe = topic(of, "Subscribe")
        .with("sns:Protocol", of.text("Protocol"))
        .with("sns:Endpoint", endpoint);
    let sent = endpoint.and_then(Need::to_send);
    let redrive = of.text_in("Attributes", "RedrivePolicy");
    let all = [Some(subscribe), sent, dead_letters(redrive)];
    all.into_iter().flatten().collect()
}

/// The queue that a redrive policy names, if that is what it is.
fn dead_letters(redrive: Option<&str>) -> Option<Need> {
    let redrive: serde_json::Value = serde_json::from_str(redrive?).ok()?;
    Need::to_send(redrive.get("deadLetterTargetArn")?.as_str()?)
}
