//! A message queue as a source: what only streams have is refused, and its times must go together.

use kiln_types::{FunctionArn, Mapping, QueueArn};

use crate::context::Context;
use crate::error::Result;
use crate::lambda::generated as wire;
use crate::lambda::refusal::invalid;

/// Records above which a batch must have time to fill; a FIFO queue has no larger ones.
const SMALL_BATCH_MAX: u32 = 10;

/// Refuses what only other sources have, in both inputs.
macro_rules! refuse_others {
    ($input:ident) => {
        let given = [
            (
                "ParallelizationFactor",
                $input.parallelization_factor.is_some(),
            ),
            (
                "MaximumRetryAttempts",
                $input.maximum_retry_attempts.is_some(),
            ),
            (
                "MaximumRecordAgeInSeconds",
                $input.maximum_record_age_in_seconds.is_some(),
            ),
            (
                "BisectBatchOnFunctionError",
                $input.bisect_batch_on_function_error.is_some(),
            ),
            (
                "TumblingWindowInSeconds",
                $input.tumbling_window_in_seconds.is_some(),
            ),
            ("DestinationConfig", names_any(&$input.destination_config)),
            (
                "SourceAccessConfigurations",
                $input.source_access_configurations.is_some(),
            ),
            (
                "ProvisionedPollerConfig",
                $input.provisioned_poller_config.is_some(),
            ),
            (
                "DocumentDBEventSourceConfig",
                $input.document_db_event_source_config.is_some(),
            ),
            (
                "AmazonManagedKafkaEventSourceConfig",
                $input.amazon_managed_kafka_event_source_config.is_some(),
            ),
            (
                "SelfManagedKafkaEventSourceConfig",
                $input.self_managed_kafka_event_source_config.is_some(),
            ),
        ];
        if let Some((name, _)) = given.iter().find(|(_, is_given)| *is_given) {
            return Err(invalid(format!(
                "Unsupported {name} parameter for given event source mapping type."
            )));
        }
    };
}

/// Reads the source of a new mapping.
pub(in super::super) fn read(
    context: &Context,
    input: &wire::CreateEventSourceMappingRequest,
    arn: &str,
) -> Result<QueueArn> {
    if input.starting_position.is_some() || input.starting_position_timestamp.is_some() {
        return Err(invalid(
            "StartingPosition is not valid for SQS event sources.",
        ));
    }
    refuse_others!(input);
    let given = [
        ("Topics", input.topics.is_some()),
        ("Queues", input.queues.is_some()),
        (
            "SelfManagedEventSource",
            input.self_managed_event_source.is_some(),
        ),
    ];
    if let Some((name, _)) = given.iter().find(|(_, is_given)| *is_given) {
        return Err(invalid(format!(
            "Unsupported {name} parameter for given event source mapping type."
        )));
    }
    let missing = || {
        invalid(
            "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. SQS Error Message: The specified queue does not exist.",
        )
    };
    let queue: QueueArn = arn.parse().map_err(|_| missing())?;
    let is_own =
        queue.queue.account == context.caller.account && queue.region == context.config.region;
    let found = context.deps.store.messages().get(&queue.queue);
    match found.is_some() && is_own {
        true => Ok(queue),
        false => Err(missing()),
    }
}

/// Refuses to change what a queue's mapping does not have.
pub(super) fn check_update(input: &wire::UpdateEventSourceMappingRequest) -> Result<()> {
    refuse_others!(input);
    Ok(())
}

/// Whether the settings of a queue's mapping go together, and with its queue and its function.
pub(in super::super) fn check(
    context: &Context,
    mapping: &Mapping,
    queue: &QueueArn,
) -> Result<()> {
    let settings = &mapping.settings;
    let is_fifo = queue.queue.name.is_fifo();
    if is_fifo && settings.batch_size > SMALL_BATCH_MAX {
        return Err(invalid(format!(
            "The batch size of a FIFO queue must not be greater than {SMALL_BATCH_MAX}."
        )));
    }
    if is_fifo && settings.window_secs > 0 {
        return Err(invalid(
            "MaximumBatchingWindowInSeconds is not supported for FIFO queues.",
        ));
    }
    if settings.batch_size > SMALL_BATCH_MAX && settings.window_secs == 0 {
        return Err(invalid(
            "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10",
        ));
    }
    let found = context.deps.store.messages().get(&queue.queue);
    let visibility_secs = found.map(|found| found.settings.visibility_timeout_secs);
    let timeout_secs = timeout_secs(context, &mapping.function);
    match visibility_secs.zip(timeout_secs) {
        Some((visibility, timeout)) if visibility < timeout => Err(invalid(format!(
            "Queue visibility timeout: {visibility} seconds is less than Function timeout: {timeout} seconds"
        ))),
        _ => Ok(()),
    }
}

fn timeout_secs(context: &Context, arn: &FunctionArn) -> Option<u32> {
    let function = context.deps.store.function(&arn.id())?;
    let version = function.version_of(arn.qualifier.as_ref())?;
    function
        .version(version)
        .map(|version| version.timeout.get())
}

fn names_any(config: &Option<wire::DestinationConfig>) -> bool {
    let config = config.as_ref();
    let named = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
    let on_success = config.and_then(|config| config.on_success.as_ref());
    let on_failure = config.and_then(|config| config.on_failure.as_ref());
    on_success.is_some_and(|to| named(&to.destination))
        || on_failure.is_some_and(|to| named(&to.destination))
}
