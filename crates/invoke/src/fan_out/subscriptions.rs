//! The subscriptions of a topic, read: filter policies that need no more parsing.

use std::sync::Arc;

use kiln_events::filter_policy::{Attribute, FilterPolicy, Scope};
use kiln_store::LiveTopic;
use kiln_types::{AttributeValue, MessageAttribute, Region, Subscription};

/// A topic whose subscriptions were read.
pub(super) struct Subscriptions {
    /// As it was then: by its address it is told whether it is still so.
    pub(super) of: Arc<LiveTopic>,
    pub(super) arn: String,
    pub(super) all: Vec<ReadSubscription>,
}

/// Somebody who gets what is published.
pub(super) struct ReadSubscription {
    pub(super) arn: String,
    pub(super) subscription: Arc<Subscription>,
    filter: Option<FilterPolicy>,
}

impl Subscriptions {
    pub(super) fn read(of: Arc<LiveTopic>, region: &Region) -> Self {
        let all = of.subscriptions.values();
        let all = all.filter_map(|subscription| read(subscription, region));
        Self {
            all: all.collect(),
            arn: of.topic.id.arn(region).to_string(),
            of,
        }
    }
}

fn read(subscription: &Arc<Subscription>, region: &Region) -> Option<ReadSubscription> {
    if subscription.is_pending() {
        return None;
    }
    let arn = subscription.arn(region).to_string();
    let scope = match subscription.filters_body {
        true => Scope::MessageBody,
        false => Scope::MessageAttributes,
    };
    let filter = subscription.filter.as_ref();
    let filter = filter.map(|filter| FilterPolicy::parse(filter, scope));
    match filter.transpose() {
        Ok(filter) => Some(ReadSubscription {
            subscription: subscription.clone(),
            arn,
            filter,
        }),
        Err(error) => {
            // It was valid when it was kept.
            tracing::error!(%error, subscription = %arn, "the filter policy of a subscription cannot be read; set it again");
            None
        }
    }
}

impl ReadSubscription {
    /// Whether it wants a message.
    pub(super) fn wants<'a>(
        &self,
        attributes: impl IntoIterator<Item = (&'a String, &'a MessageAttribute)>,
        text: &str,
    ) -> bool {
        let Some(filter) = &self.filter else {
            return true;
        };
        let attributes = attributes.into_iter().map(|(name, attribute)| Attribute {
            name,
            data_type: &attribute.data_type,
            value: match &attribute.value {
                AttributeValue::Text(text) => text,
                AttributeValue::Binary(_) => "",
            },
        });
        filter.passes(&attributes.collect::<Vec<_>>(), text)
    }
}
