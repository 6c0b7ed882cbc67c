//! Targets of rules, as they are read and shown.
//!
//! AWS differs: targets are functions, queues, topics and buses; others are refused, by their service. So are input
//! settings of buses, which get events as they are. How often and how long delivery is tried again
//! (`RetryPolicy`) is kept and given back: delivery is to the queues of functions and messages, which are there or
//! not.

use kiln_events::transform::{Input, Transformer, Wanted};
use kiln_types::{QueueArn, Recipient, Target, TargetInput};

use super::generated as wire;
use super::refusal::invalid;
use crate::context::Context;
use crate::error::{ApiError, Result};

/// Reads and checks a target.
pub(super) fn read(context: &Context, given: wire::Target) -> Result<(String, Target)> {
    refuse_others(&given)?;
    let id = given.id.clone();
    let to = recipient(context, &given.arn)?;
    let input = read_input(&given)?;
    let group = given.sqs_parameters.and_then(|it| it.message_group_id);
    match &to {
        Recipient::Queue(arn) if arn.queue.name.is_fifo() && group.is_none() => {
            return Err(invalid(format!(
                "Parameter(s) SqsParameters must be specified for target: {id}."
            )));
        }
        Recipient::Topic(arn) if arn.topic.name.is_fifo() => {
            return Err(invalid(format!(
                "Parameter {arn} is not valid. Reason: a topic that is a target is a standard topic."
            )));
        }
        Recipient::Bus(_) if input != TargetInput::Whole => {
            return Err(invalid(format!(
                "Input, InputPath and InputTransformer are not supported for target {id}: a bus gets events as they are."
            )));
        }
        _ => {}
    }
    let dead_letters = given.dead_letter_config.and_then(|config| config.arn);
    let dead_letters = dead_letters
        .map(|arn| dead_letter_queue(context, &arn))
        .transpose()?;
    let policy = given.retry_policy;
    let number = |number: Option<i64>| number.and_then(|number| u32::try_from(number).ok());
    let target = Target {
        to,
        input,
        group,
        role: given.role_arn,
        dead_letters,
        retries: number(policy.as_ref().and_then(|it| it.maximum_retry_attempts)),
        age_max_secs: number(
            policy
                .as_ref()
                .and_then(|it| it.maximum_event_age_in_seconds),
        ),
    };
    Ok((id, target))
}

/// A target as the API shows it.
pub(super) fn shown(id: &str, target: &Target) -> wire::Target {
    let (mut input, mut input_path, mut transformer) = (None, None, None);
    match &target.input {
        TargetInput::Whole => {}
        TargetInput::Constant(text) => input = Some(text.clone()),
        TargetInput::Part(path) => input_path = Some(path.clone()),
        TargetInput::Template { paths, template } => {
            transformer = Some(wire::InputTransformer {
                input_paths_map: (!paths.is_empty()).then(|| paths.clone()),
                input_template: template.clone(),
            });
        }
    }
    let group = target.group.clone();
    let has_policy = target.retries.is_some() || target.age_max_secs.is_some();
    wire::Target {
        id: id.to_owned(),
        arn: target.to.to_string(),
        role_arn: target.role.clone(),
        input,
        input_path,
        input_transformer: transformer,
        sqs_parameters: group.map(|group| wire::SqsParameters {
            message_group_id: Some(group),
        }),
        dead_letter_config: target.dead_letters.as_ref().map(|arn| {
            let arn = Some(arn.to_string());
            wire::DeadLetterConfig { arn }
        }),
        retry_policy: has_policy.then(|| wire::RetryPolicy {
            maximum_retry_attempts: target.retries.map(i64::from),
            maximum_event_age_in_seconds: target.age_max_secs.map(i64::from),
        }),
        ..Default::default()
    }
}

/// Who is sent events. Whether there is such a one shows when there is something to send.
fn recipient(context: &Context, arn: &str) -> Result<Recipient> {
    let wrong = || {
        invalid(format!(
            "Parameter {arn} is not valid. Reason: Provided Arn is not in correct format."
        ))
    };
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let ["arn", _, service, _, _, _] = parts[..] else {
        return Err(wrong());
    };
    if !["lambda", "sqs", "sns", "events"].contains(&service) {
        return Err(ApiError::not_implemented(format_args!(
            "targets of the service {service}"
        )));
    }
    let to: Recipient = arn.parse().map_err(|_| wrong())?;
    is_own(context, &to, arn)?;
    Ok(to)
}

/// An account is a tenant: nobody sends to another's functions, queues and topics.
fn is_own(context: &Context, to: &Recipient, arn: &str) -> Result<()> {
    let is_own = *to.account() == context.caller.account && *to.region() == context.config.region;
    is_own.then_some(()).ok_or_else(|| {
        invalid(format!(
            "Parameter {arn} is not valid. Reason: the target must be in the account and the region of the rule."
        ))
    })
}

fn dead_letter_queue(context: &Context, text: &str) -> Result<QueueArn> {
    let wrong = || {
        invalid(format!(
            "Parameter {text} is not valid. Reason: a dead-letter queue is a standard queue."
        ))
    };
    let arn: QueueArn = text.parse().map_err(|_| wrong())?;
    is_own(context, &Recipient::Queue(arn.clone()), text)?;
    match arn.queue.name.is_fifo() {
        true => Err(wrong()),
        false => Ok(arn),
    }
}

fn read_input(given: &wire::Target) -> Result<TargetInput> {
    let transformer = given.input_transformer.as_ref();
    let paths = transformer.and_then(|it| it.input_paths_map.clone());
    let paths = paths.unwrap_or_default();
    let pairs: Vec<(&str, &str)> = paths
        .iter()
        .map(|(name, path)| (name.as_str(), path.as_str()))
        .collect();
    let wanted = Wanted {
        input: given.input.as_deref(),
        input_path: given.input_path.as_deref(),
        transformer: transformer.map(|it| Transformer {
            paths: &pairs,
            template: &it.input_template,
        }),
    };
    Input::parse(&given.id, &wanted).map_err(|error| invalid(error.to_string()))?;
    let constant = given.input.clone().map(TargetInput::Constant);
    let part = given.input_path.clone().map(TargetInput::Part);
    let template = transformer.map(|it| it.input_template.clone());
    let template = template.map(|template| TargetInput::Template { paths, template });
    Ok(constant.or(part).or(template).unwrap_or_default())
}

/// Parameters of targets that there are none of.
fn refuse_others(given: &wire::Target) -> Result<()> {
    let others = [
        (given.kinesis_parameters.is_some(), "KinesisParameters"),
        (
            given.run_command_parameters.is_some(),
            "RunCommandParameters",
        ),
        (given.ecs_parameters.is_some(), "EcsParameters"),
        (given.batch_parameters.is_some(), "BatchParameters"),
        (given.http_parameters.is_some(), "HttpParameters"),
        (
            given.redshift_data_parameters.is_some(),
            "RedshiftDataParameters",
        ),
        (
            given.sage_maker_pipeline_parameters.is_some(),
            "SageMakerPipelineParameters",
        ),
        (given.app_sync_parameters.is_some(), "AppSyncParameters"),
    ];
    match others.into_iter().find(|(is_given, _)| *is_given) {
        Some((_, name)) => Err(ApiError::not_implemented(format_args!(
            "targets with {name}"
        ))),
        None => Ok(()),
    }
}
