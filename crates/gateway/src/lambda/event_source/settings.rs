//! How a mapping's events reach its function: what callers may set, and what holds when they do not.

use std::collections::BTreeMap;

use kiln_types::{EventSource, FunctionArn, Mapping, MappingSettings};
use serde_json::{Value, json};

use super::{destination, filters, source};
use crate::context::Context;
use crate::error::Result;
use crate::lambda::function::tenancy;
use crate::lambda::generated as wire;
use crate::lambda::refusal::invalid;
use crate::lambda::target::Target;

/// Least age at which records may be given up (developer guide, "Lambda parameters for DynamoDB event
/// source mappings").
const AGE_SECS_MIN: i64 = 60;

/// What creating and updating have in common; none leaves a setting as it is.
#[derive(Default)]
pub(super) struct Asked {
    pub(super) enabled: Option<bool>,
    batch_size: Option<i64>,
    window_secs: Option<i64>,
    parallel: Option<i64>,
    retries: Option<i64>,
    age_max_secs: Option<i64>,
    bisects: Option<bool>,
    tumbling_secs: Option<i64>,
    response_types: Option<Vec<String>>,
    destinations: Option<wire::DestinationConfig>,
    filters: Option<wire::FilterCriteria>,
    scaling: Option<wire::ScalingConfig>,
    kept: BTreeMap<String, Value>,
}

/// The same fields of two inputs.
macro_rules! asked {
    ($input:ident) => {
        Self {
            enabled: $input.enabled,
            batch_size: $input.batch_size,
            window_secs: $input.maximum_batching_window_in_seconds,
            parallel: $input.parallelization_factor,
            retries: $input.maximum_retry_attempts,
            age_max_secs: $input.maximum_record_age_in_seconds,
            bisects: $input.bisect_batch_on_function_error,
            tumbling_secs: $input.tumbling_window_in_seconds,
            response_types: $input.function_response_types.take(),
            destinations: $input.destination_config.take(),
            filters: $input.filter_criteria.take(),
            scaling: $input.scaling_config.take(),
            kept: [
                (
                    "KMSKeyArn",
                    $input.kms_key_arn.as_ref().map(|arn| json!(arn)),
                ),
                (
                    "MetricsConfig",
                    $input.metrics_config.as_ref().map(|of| json!(of)),
                ),
                (
                    "LoggingConfig",
                    $input.logging_config.as_ref().map(|of| json!(of)),
                ),
            ]
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?)))
            .collect(),
        }
    };
}

impl Asked {
    pub(super) fn create(input: &mut wire::CreateEventSourceMappingRequest) -> Self {
        asked!(input)
    }

    pub(super) fn update(input: &mut wire::UpdateEventSourceMappingRequest) -> Self {
        asked!(input)
    }

    /// Changes a mapping. The service model has checked the ranges that it knows.
    pub(super) fn apply(self, context: &Context, mapping: &mut Mapping) -> Result<()> {
        let number = |asked: Option<i64>| asked.and_then(|asked| u32::try_from(asked).ok());
        let bounded = |asked: i64| u32::try_from(asked).ok();
        if let Some(age) = self.age_max_secs
            && age != -1
            && age < AGE_SECS_MIN
        {
            return Err(invalid(format!(
                "MaximumRecordAgeInSeconds must be -1 or at least {AGE_SECS_MIN}, not {age}."
            )));
        }
        if let Some(config) = self.destinations {
            mapping.settings.on_failure = destination::read(context, mapping, config)?;
        }
        let source = &mapping.source;
        let settings = &mut mapping.settings;
        settings.batch_size = number(self.batch_size).unwrap_or(settings.batch_size);
        settings.window_secs = number(self.window_secs).unwrap_or(settings.window_secs);
        settings.parallel = number(self.parallel).unwrap_or(settings.parallel);
        settings.tumbling_secs = number(self.tumbling_secs).unwrap_or(settings.tumbling_secs);
        settings.retries = self.retries.map_or(settings.retries, bounded);
        settings.age_max_secs = self.age_max_secs.map_or(settings.age_max_secs, bounded);
        settings.bisects = self.bisects.unwrap_or(settings.bisects);
        if let Some(types) = self.response_types {
            settings.reports_failures = !types.is_empty();
        }
        if let Some(criteria) = self.filters {
            settings.filters = filters::read(source, criteria)?;
        }
        if settings.tumbling_secs > 0 && settings.parallel > 1 {
            return Err(invalid(
                "TumblingWindowInSeconds cannot be combined with a ParallelizationFactor above 1: a window has one state.",
            ));
        }
        if let Some(scaling) = self.scaling {
            settings.concurrency_max = number(scaling.maximum_concurrency);
        }
        mapping.kept.extend(self.kept);
        match &mapping.source {
            EventSource::Postgres(_)
            | EventSource::Mysql(_)
            | EventSource::Redis(_)
            | EventSource::Nats(_)
            | EventSource::Mqtt(_) => Ok(()),
            EventSource::RabbitMq(_) => source::rabbitmq::check(mapping),
            EventSource::Kafka(_) => source::kafka::check(mapping),
            EventSource::Queue(queue) => source::sqs::check(context, mapping, queue),
        }
    }
}

/// What holds of a source's mapping unless it is told otherwise.
pub(super) fn defaults(source: &EventSource) -> MappingSettings {
    MappingSettings {
        batch_size: match source {
            EventSource::Postgres(_)
            | EventSource::Mysql(_)
            | EventSource::Redis(_)
            | EventSource::Nats(_)
            | EventSource::Mqtt(_)
            | EventSource::RabbitMq(_)
            | EventSource::Kafka(_) => 100,
            EventSource::Queue(_) => 10,
        },
        window_secs: 0,
        parallel: 1,
        retries: None,
        age_max_secs: None,
        bisects: false,
        reports_failures: false,
        tumbling_secs: 0,
        on_failure: None,
        filters: Vec::new(),
        concurrency_max: None,
    }
}

/// The function that is to hear of events, if there is such a function with such a version or alias.
pub(super) fn function(context: &Context, name: &str) -> Result<FunctionArn> {
    let missing = || invalid("Function does not exist");
    let target = Target::read(context, name, None)?;
    let qualifier = target.read_qualifier().ok_or_else(missing)?;
    let function = context.deps.store.function(&target.id());
    let function = function.ok_or_else(missing)?;
    let version = function.version_of(qualifier.as_ref());
    match version.and_then(|version| function.version(version)) {
        Some(version) => {
            tenancy::refuse(version, "An event source mapping")?;
            Ok(target.arn.qualified(qualifier))
        }
        None => Err(missing()),
    }
}
