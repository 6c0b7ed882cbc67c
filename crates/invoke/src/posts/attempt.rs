//! One try of a post, and what follows from it.
//!
//! AWS's rules: an answer of 2xx takes the message; 429 and 5xx, and none in time, are tried again by the delivery policy; any
//! other answer is final. A post that is given up becomes a message of the dead-letter queue.

use std::collections::BTreeMap;
use std::time::Duration;

use http::StatusCode;
use kiln_events::delivery_policy::DeliveryPolicy;
use kiln_events::posted::Posted;
use kiln_store::LiveTopic;
use kiln_store::messages::NewMessage;
use kiln_store::posts::Post;
use kiln_store::queue::DeliverError;
use kiln_types::{
    HttpEndpoint, MessageAttribute, MessageId, QueueArn, Subscriber, Subscription, SubscriptionId,
};

use super::client::Body;
use super::core::{Ended, Try};
use super::driver::Shared;

/// Who sends dead letters.
const SENDER: &str = "sns.amazonaws.com";
/// How long a post waits that the store could not read, or whose dead letter has no room.
const STORE_REST: Duration = Duration::from_secs(5);
/// What bodies are said to be unless told.
const CONTENT_TYPE: &str = "text/plain; charset=UTF-8";

/// Where a post goes.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) endpoint: HttpEndpoint,
    pub(super) policy: DeliveryPolicy,
    topic_arn: String,
    subscription_arn: String,
    is_raw: bool,
    is_pending: bool,
    dead_letters: Option<QueueArn>,
}

/// What became of a try.
enum Verdict {
    Taken,
    /// With AWS's code or the status, and why.
    Failed(String, String),
    /// It is final.
    Refused(String, String),
}

impl Target {
    /// Where posts of a subscription go; of one that is gone or no endpoint, nowhere.
    pub(super) fn of(live: &LiveTopic, id: SubscriptionId, shared: &Shared) -> Option<Self> {
        let subscription: &Subscription = live.subscriptions.get(&id)?;
        let Subscriber::Http(endpoint) = &subscription.to else {
            return None;
        };
        let topic_policy = live.topic.delivery.as_deref();
        let policy = DeliveryPolicy::of(topic_policy, subscription.delivery.as_deref());
        let policy = policy.or_else(|error| {
            // It was valid when it was kept.
            tracing::error!(%error, %id, "the delivery policy of a subscription cannot be read; set it again");
            DeliveryPolicy::of(None, None)
        });
        let region = &shared.region;
        Some(Self {
            endpoint: endpoint.clone(),
            policy: policy.ok()?,
            topic_arn: live.topic.id.arn(region).to_string(),
            subscription_arn: subscription.arn(region).to_string(),
            is_raw: subscription.is_raw,
            is_pending: subscription.is_pending(),
            dead_letters: subscription.dead_letters.clone(),
        })
    }
}

/// Tries a post; tells how that ended.
pub(super) async fn attempt(shared: &Shared, tried: &Try, target: Option<Target>) -> Ended {
    let post = match shared.store.posts().get(tried.key).await {
        Ok(Some(post)) => post,
        Ok(None) => return Ended::Gone { is_well: true },
        Err(error) => {
            tracing::error!(%error, "a post cannot be read; trying again");
            return later(shared);
        }
    };
    let posted: Option<Posted> = serde_json::from_slice(&post.document).ok();
    let (Some(posted), Some(target)) = (posted, target) else {
        // Nobody wants it any more.
        return done(shared, tried, true).await;
    };
    if posted.is_confirmation() != target.is_pending {
        return done(shared, tried, true).await;
    }
    match deliver(shared, &target, &posted).await {
        Verdict::Taken => done(shared, tried, true).await,
        Verdict::Failed(code, why) => {
            let failures = post.failures + 1;
            match target.policy.delay(failures) {
                Some(delay) => again(shared, tried, failures, delay, &why).await,
                None => give_up(shared, tried, &target, &post, (posted, code, why)).await,
            }
        }
        Verdict::Refused(code, why) => {
            give_up(shared, tried, &target, &post, (posted, code, why)).await
        }
    }
}

async fn deliver(shared: &Shared, target: &Target, posted: &Posted) -> Verdict {
    let body = match body(shared, target, posted).await {
        Ok(body) => body,
        Err(error) => {
            tracing::error!(%error, "a message for an HTTP endpoint cannot be signed; trying again");
            return Verdict::Failed("InternalError".to_owned(), error.to_string());
        }
    };
    match shared.client.post(&target.endpoint, body).await {
        Ok(status) if status.is_success() => Verdict::Taken,
        Ok(status) => {
            let why = format!("the endpoint answered {status}");
            let code = status.as_u16().to_string();
            match status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() {
                true => Verdict::Failed(code, why),
                false => Verdict::Refused(code, why),
            }
        }
        Err(error) => Verdict::Failed("NO_ANSWER".to_owned(), error.to_string()),
    }
}

async fn body(
    shared: &Shared,
    target: &Target,
    posted: &Posted,
) -> Result<Body, super::sign::SignError> {
    let mut headers = vec![
        ("x-amz-sns-message-type", posted.r#type.clone()),
        ("x-amz-sns-message-id", posted.message_id.clone()),
        ("x-amz-sns-topic-arn", target.topic_arn.clone()),
    ];
    let is_raw = target.is_raw && !posted.is_confirmation();
    if !posted.is_confirmation() {
        let arn = target.subscription_arn.clone();
        headers.push(("x-amz-sns-subscription-arn", arn));
    }
    let text = if is_raw {
        headers.push(("x-amz-sns-rawdelivery", "true".to_owned()));
        posted.message.clone()
    } else {
        let mut signed = posted.clone();
        let endpoint = shared.fan_out.endpoint();
        shared.fan_out.signer().sign(&mut signed, endpoint).await?;
        signed.text()
    };
    let content_type = target.policy.content_type().unwrap_or(CONTENT_TYPE);
    Ok(Body {
        content_type: content_type.to_owned(),
        headers,
        text,
    })
}

async fn done(shared: &Shared, tried: &Try, is_well: bool) -> Ended {
    match shared.store.posts().done(tried.key).await {
        Ok(()) => Ended::Gone { is_well },
        Err(error) => {
            tracing::error!(%error, "a post cannot be forgotten; it will be made again");
            later(shared)
        }
    }
}

async fn again(shared: &Shared, tried: &Try, failures: u32, delay: Duration, why: &str) -> Ended {
    let due = shared.clock.timestamp() + delay;
    tracing::debug!(subscription = %tried.subscription, failures, ?delay, why, "an HTTP endpoint did not take a message");
    let kept = shared.store.posts().again(tried.key, failures, due).await;
    match kept {
        Ok(()) => Ended::Again(due),
        Err(error) => {
            tracing::error!(%error, "a post cannot be kept for later; it is made again all the same");
            later(shared)
        }
    }
}

async fn give_up(
    shared: &Shared,
    tried: &Try,
    target: &Target,
    post: &Post,
    (posted, code, why): (Posted, String, String),
) -> Ended {
    let now = shared.clock.timestamp();
    if let Some(letter) = letter(target, &posted, &code, &why) {
        match shared.store.posts().bury(tried.key, letter, now).await {
            Ok(()) => return Ended::Gone { is_well: false },
            Err(DeliverError::Refused(refusal)) => {
                tracing::warn!(%refusal, "the dead-letter queue of a subscription takes no message");
            }
            Err(error) => {
                tracing::error!(%error, "a post cannot be given up; trying again");
                return later(shared);
            }
        }
    }
    if posted.is_confirmation() {
        tracing::info!(subscription = %target.subscription_arn, why, "an HTTP endpoint could not be asked whether it subscribes");
    } else {
        shared.fan_out.lost_one();
        tracing::warn!(
            subscription = %target.subscription_arn, message = %posted.message_id, tries = post.failures + 1, why,
            "an HTTP endpoint did not take a message and no dead-letter queue takes it"
        );
    }
    done(shared, tried, false).await
}

/// What the dead-letter queue gets: as much as the endpoint would have, unsigned.
fn letter(target: &Target, posted: &Posted, code: &str, why: &str) -> Option<NewMessage> {
    let queue = target.dead_letters.as_ref()?;
    if posted.is_confirmation() {
        return None;
    }
    let body = match target.is_raw {
        true => posted.message.clone(),
        false => posted.text(),
    };
    let attributes = [("ErrorCode", code), ("ErrorMessage", why)]
        .map(|(name, value)| (name.to_owned(), MessageAttribute::string(value)));
    Some(NewMessage {
        attributes: BTreeMap::from(attributes),
        ..NewMessage::plain(MessageId::random(), &queue.queue, body, SENDER)
    })
}

fn later(shared: &Shared) -> Ended {
    Ended::Again(shared.clock.timestamp() + STORE_REST)
}
