//! `PutBucketNotificationConfiguration`.
//!
//! Functions must be there and let S3 invoke them, queues and topics must be there and keep no order. Each queue and each
//! topic is sent `s3:TestEvent`, in the transaction that keeps the configuration.
//!
//! AWS differs: a function's policy is asked here, and not again for each event. With
//! `x-amz-skip-destination-validation` a destination need not be there yet and is sent no `s3:TestEvent`; whose it
//! is, and what its policy says if it is there, counts all the same.

use kiln_policy::keys;
use kiln_store::objects::ObjectError;
use kiln_types::{Bucket, FunctionArn, QueueArn, Recipient, TopicArn};

use super::super::needs;
use super::super::request::{Answer, Request, empty};
use super::notification;
use crate::access::{self, Guest, Need};

/// Who S3 is in policies.
const SERVICE: &str = "s3.amazonaws.com";

pub(in super::super) async fn handle(request: Request) -> Answer {
    let bucket = request.bucket()?;
    let wanted = notification::read(&request.document().await?)?;
    needs::check_recipients(&request.context, wanted.rules.iter().map(|rule| &rule.to))?;
    let skips = request
        .header("x-amz-skip-destination-validation")
        .is_some_and(|it| it == "true");
    let failures: Vec<(String, String)> = wanted
        .rules
        .iter()
        .filter_map(|rule| {
            let refused = refusal(&request, &bucket, &rule.to)?;
            // Whoever is not there yet may come; whoever is may refuse.
            let is_skipped = skips && matches!(refused, Refusal::Absent(_));
            (!is_skipped).then(|| (rule.to.to_string(), refused.into_text()))
        })
        .collect();
    if !failures.is_empty() {
        return Err(notification::not_validated(&failures));
    }
    let cause = request.cause();
    let events = request.object_events();
    let first = wanted.rules.iter().filter(|_| !skips);
    let first = first.flat_map(|rule| events.test(&bucket, &rule.to, &cause));
    let (first, now) = (first.collect(), request.now());
    let set = request
        .objects()
        .set_notifications(&bucket.id(), wanted, first, now)
        .await;
    match set {
        // It was deleted just now.
        Err(ObjectError::Refused(refusal)) => {
            let why = ("the destination queue".to_owned(), refusal.to_string());
            Err(notification::not_validated(&[why]))
        }
        set => Ok(set.map(|()| empty(200))?),
    }
}

/// Why somebody cannot be told.
enum Refusal {
    Absent(&'static str),
    Denied(String),
}

impl Refusal {
    fn into_text(self) -> String {
        match self {
            Refusal::Absent(text) => text.to_owned(),
            Refusal::Denied(text) => text,
        }
    }
}

fn refusal(request: &Request, bucket: &Bucket, to: &Recipient) -> Option<Refusal> {
    let is_own = *to.account() == bucket.account && *to.region() == request.context.config.region;
    if !is_own {
        let text = "The destination must be in the account and the region of the bucket";
        return Some(Refusal::Denied(text.to_owned()));
    }
    match to {
        Recipient::Function(arn) => of_function(request, bucket, arn),
        Recipient::Queue(arn) => of_queue(request, arn),
        Recipient::Topic(arn) => of_topic(request, arn),
        Recipient::Bus(_) => Some(Refusal::Denied(
            "The destination is not supported".to_owned(),
        )),
    }
}

fn of_function(request: &Request, bucket: &Bucket, arn: &FunctionArn) -> Option<Refusal> {
    const ABSENT: Refusal = Refusal::Absent("The destination Lambda function does not exist");
    let Some(function) = request.context.deps.store.function(&arn.id()) else {
        return Some(ABSENT);
    };
    if function.version_of(arn.qualifier.as_ref()).is_none() {
        return Some(ABSENT);
    }
    let need = Need::new("lambda:InvokeFunction", arn.to_string())
        .with(keys::SOURCE_ARN, Some(bucket.name.arn()))
        .with(keys::SOURCE_ACCOUNT, Some(bucket.account.as_str()));
    let asking = request.context.asking();
    let of = (&*function, arn.qualifier.as_ref());
    let is_granted = access::lets_in(asking, Guest::Service(SERVICE), of, &[need]);
    match is_granted {
        true => None,
        false => Some(Refusal::Denied(format!(
            "Not authorized to invoke function [{arn}]"
        ))),
    }
}

fn of_queue(request: &Request, arn: &QueueArn) -> Option<Refusal> {
    if arn.queue.name.is_fifo() {
        let text = "FIFO SQS queues are not supported";
        return Some(Refusal::Denied(text.to_owned()));
    }
    let queue = request.context.deps.store.messages().get(&arn.queue);
    queue
        .is_none()
        .then_some(Refusal::Absent("The destination queue does not exist"))
}

fn of_topic(request: &Request, arn: &TopicArn) -> Option<Refusal> {
    if arn.topic.name.is_fifo() {
        let text = "SNS FIFO topics are not supported";
        return Some(Refusal::Denied(text.to_owned()));
    }
    let topic = request.context.deps.store.topics().get(&arn.topic);
    topic
        .is_none()
        .then_some(Refusal::Absent("The destination topic does not exist"))
}
