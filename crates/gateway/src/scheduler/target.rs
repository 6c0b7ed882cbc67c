//! Whom a schedule tells: functions, message queues and topics.
//!
//! AWS differs: other targets are refused, the universal one (`arn:aws:scheduler:::aws-sdk:…`) too. The role is stored
//! and shown, and not assumed: a schedule may tell every function, queue and topic of its
//! account.

use kiln_types::limits::{ASYNC_PAYLOAD_BYTES_MAX, MESSAGE_BYTES_MAX, PUBLISHED_BYTES_MAX};
use kiln_types::{
    FunctionArn, QueueArn, Receiver, Region, ScheduleTarget, TopicArn, not_in_messages,
};

use super::generated::{DeadLetterConfig, RetryPolicy, SqsParameters, Target};
use super::refusal::invalid;
use crate::context::Context;
use crate::error::Result;

/// Attributes of the context, and what a value of each may be: what is JSON with these is JSON with others.
const ATTRIBUTES: [(&str, &str); 4] = [
    ("<aws.scheduler.schedule-arn>", "arn"),
    ("<aws.scheduler.scheduled-time>", "2026-01-01T00:00:00Z"),
    ("<aws.scheduler.execution-id>", "0123456789abcdef"),
    ("<aws.scheduler.attempt-number>", "1"),
];

/// Reads a target.
pub(super) fn read(context: &Context, target: &Target) -> Result<ScheduleTarget> {
    refuse_others_parameters(target)?;
    let receiver = receiver(context, target)?;
    if let Some(input) = &target.input {
        check_input(&receiver, input)?;
    }
    let policy = target.retry_policy.clone().unwrap_or_default();
    let number = |given: Option<i64>, default| match given {
        Some(given) => u32::try_from(given).unwrap_or(default),
        None => default,
    };
    let dead_letters = target.dead_letter_config.as_ref();
    let dead_letters = dead_letters.and_then(|config| config.arn.as_ref());
    Ok(ScheduleTarget {
        receiver,
        role: target.role_arn.clone(),
        input: target.input.clone(),
        retries_max: number(policy.maximum_retry_attempts, ScheduleTarget::RETRIES_MAX),
        age_max_secs: number(
            policy.maximum_event_age_in_seconds,
            ScheduleTarget::AGE_MAX_SECS,
        ),
        dead_letters: dead_letters.map(|arn| queue(context, arn)).transpose()?,
    })
}

/// Shows a target as it was given, and what it was not given.
pub(super) fn show(target: &ScheduleTarget, region: &Region) -> Target {
    let group = match &target.receiver {
        Receiver::Queue(_, Some(group)) => Some(group.clone()),
        _ => None,
    };
    Target {
        arn: target.receiver.arn(region),
        role_arn: target.role.clone(),
        input: target.input.clone(),
        retry_policy: Some(RetryPolicy {
            maximum_event_age_in_seconds: Some(target.age_max_secs.into()),
            maximum_retry_attempts: Some(target.retries_max.into()),
        }),
        dead_letter_config: target.dead_letters.as_ref().map(|arn| DeadLetterConfig {
            arn: Some(arn.to_string()),
        }),
        sqs_parameters: group.map(|group| SqsParameters {
            message_group_id: Some(group),
        }),
        ..Default::default()
    }
}

fn receiver(context: &Context, target: &Target) -> Result<Receiver> {
    let group = target.sqs_parameters.as_ref();
    let group = group.and_then(|parameters| parameters.message_group_id.clone());
    match target.arn.split(':').nth(2) {
        Some("lambda") => {
            if target.sqs_parameters.is_some() {
                return Err(no_sqs_parameters(target));
            }
            let arn: FunctionArn = target.arn.parse().map_err(|_| not_an_arn(target))?;
            let is_here =
                arn.region == context.config.region && arn.account == context.caller.account;
            match is_here {
                true => Ok(Receiver::Function(arn)),
                false => Err(elsewhere(&target.arn)),
            }
        }
        Some("sqs") => {
            let arn = queue(context, &target.arn)?;
            match (arn.queue.name.is_fifo(), &group) {
                (true, None) => Err(invalid(
                    "SqsParameters with a MessageGroupId must be provided for a FIFO queue.",
                )),
                (false, Some(_)) => {
                    Err(invalid("MessageGroupId is only supported for FIFO queues."))
                }
                _ => Ok(Receiver::Queue(arn, group)),
            }
        }
        Some("sns") => topic(context, target).map(Receiver::Topic),
        Some(_) => Err(invalid(format!(
            "Kiln does not have the target {} yet: use a Lambda function, an SQS queue or an SNS topic.",
            target.arn
        ))),
        None => Err(not_an_arn(target)),
    }
}

fn topic(context: &Context, target: &Target) -> Result<TopicArn> {
    if target.sqs_parameters.is_some() {
        return Err(no_sqs_parameters(target));
    }
    let arn: TopicArn = target.arn.parse().map_err(|_| not_an_arn(target))?;
    if arn.region != context.config.region || arn.topic.account != context.caller.account {
        return Err(elsewhere(&target.arn));
    }
    match arn.topic.name.is_fifo() {
        true => Err(invalid(format!(
            "The target {arn} must be a standard topic."
        ))),
        false => Ok(arn),
    }
}

fn no_sqs_parameters(target: &Target) -> crate::error::ApiError {
    invalid(format!(
        "SqsParameters is not supported for target {}",
        target.arn
    ))
}

fn queue(context: &Context, text: &str) -> Result<QueueArn> {
    let arn: QueueArn = text
        .parse()
        .map_err(|_| invalid(format!("Provided Arn is not in correct format: {text}")))?;
    let is_here =
        arn.region == context.config.region && arn.queue.account == context.caller.account;
    match is_here {
        true => Ok(arn),
        false => Err(elsewhere(text)),
    }
}

fn not_an_arn(target: &Target) -> crate::error::ApiError {
    invalid(format!(
        "Provided Arn is not in correct format: {}",
        target.arn
    ))
}

fn elsewhere(arn: &str) -> crate::error::ApiError {
    invalid(format!(
        "The target {arn} must be in the account and the region of the schedule."
    ))
}

/// What only other targets have.
fn refuse_others_parameters(target: &Target) -> Result<()> {
    let others = [
        ("EcsParameters", target.ecs_parameters.is_some()),
        (
            "EventBridgeParameters",
            target.event_bridge_parameters.is_some(),
        ),
        (
            "EventBridgePutEventsV2Parameters",
            target.event_bridge_put_events_v2_parameters.is_some(),
        ),
        (
            "EventBridgePutRawEventsParameters",
            target.event_bridge_put_raw_events_parameters.is_some(),
        ),
        ("KinesisParameters", target.kinesis_parameters.is_some()),
        (
            "SageMakerPipelineParameters",
            target.sage_maker_pipeline_parameters.is_some(),
        ),
    ];
    match others.into_iter().find(|(_, is_there)| *is_there) {
        Some((name, _)) => Err(invalid(format!(
            "{name} is not supported for target {}",
            target.arn
        ))),
        None => Ok(()),
    }
}

fn check_input(receiver: &Receiver, input: &str) -> Result<()> {
    let bytes_max = match receiver {
        Receiver::Function(_) => ASYNC_PAYLOAD_BYTES_MAX,
        Receiver::Topic(_) => PUBLISHED_BYTES_MAX,
        Receiver::Queue(..) | Receiver::Rule(_) => MESSAGE_BYTES_MAX,
    };
    if input.len() > bytes_max {
        return Err(invalid(format!(
            "The Input of a target must have at most {bytes_max} bytes."
        )));
    }
    let Receiver::Function(_) = receiver else {
        return match not_in_messages(input) {
            None => Ok(()),
            Some(bad) => Err(invalid(format!(
                "The Input of a message queue must not hold the character #x{:X}.",
                u32::from(bad)
            ))),
        };
    };
    let filled = ATTRIBUTES
        .into_iter()
        .fold(input.to_owned(), |text, (name, value)| {
            text.replace(name, value)
        });
    match serde_json::from_str::<serde::de::IgnoredAny>(&filled) {
        Ok(_) => Ok(()),
        Err(error) => Err(invalid(format!(
            "The Input of a Lambda function must be JSON: {error}"
        ))),
    }
}
