//! A mapping as the API shows it.

use kiln_types::{EventSource, Mapping, MappingSettings};

use super::{Shown, source};
use crate::context::Context;
use crate::lambda::generated as wire;
use crate::wire::seconds;

pub(super) fn shown(context: &Context, mapping: &Mapping) -> Shown {
    let settings = &mapping.settings;
    let kept = |name: &str| mapping.kept.get(name).cloned();
    let response_types = settings
        .reports_failures
        .then(|| "ReportBatchItemFailures".to_owned());
    let shown = Shown {
        uuid: Some(mapping.id.to_string()),
        event_source_mapping_arn: Some(mapping.arn(&context.config.region)),
        event_source_arn: source::arn(&mapping.source),
        function_arn: Some(mapping.function.to_string()),
        state: Some(mapping.state.to_string()),
        last_processing_result: Some(mapping.last_result.clone()),
        last_modified: Some(seconds(mapping.modified)),
        batch_size: Some(settings.batch_size.into()),
        maximum_batching_window_in_seconds: Some(settings.window_secs.into()),
        function_response_types: Some(response_types.into_iter().collect()),
        filter_criteria: filters(&settings.filters),
        kms_key_arn: kept("KMSKeyArn").and_then(|value| value.as_str().map(str::to_owned)),
        metrics_config: kept("MetricsConfig").and_then(read),
        logging_config: kept("LoggingConfig").and_then(read),
        ..Default::default()
    };
    match &mapping.source {
        EventSource::Postgres(source) => Shown {
            starting_position: Some("LATEST".to_owned()),
            topics: topics(source.tables.iter().map(|table| table.as_str())),
            source_access_configurations: Some(source::postgres::access(source)),
            self_managed_event_source: Some(source::postgres::self_managed(source)),
            ..of_stream(shown, settings)
        },
        EventSource::Mysql(source) => Shown {
            starting_position: Some(source.starting_position.as_str().to_owned()),
            topics: topics(source.tables.iter().map(|table| table.as_str())),
            source_access_configurations: Some(source::mysql::access(source)),
            self_managed_event_source: Some(source::mysql::self_managed(source)),
            ..of_stream(shown, settings)
        },
        EventSource::Redis(source) => Shown {
            starting_position: Some(source::redis::position(source).to_owned()),
            topics: topics(source.heard.names().iter().map(|name| name.as_str())),
            source_access_configurations: Some(source::redis::access(source)),
            self_managed_event_source: Some(source::redis::self_managed(source)),
            ..of_stream(shown, settings)
        },
        EventSource::Nats(source) => {
            let (position, at) = source::nats::position(source);
            Shown {
                starting_position: Some(position.to_owned()),
                starting_position_timestamp: at,
                topics: topics(source.heard.subjects().iter().map(|name| name.as_str())),
                queues: source::nats::queues(source),
                source_access_configurations: Some(source::nats::access(source)),
                self_managed_event_source: Some(source::nats::self_managed(source)),
                ..of_stream(shown, settings)
            }
        }
        EventSource::Mqtt(source) => Shown {
            starting_position: Some("LATEST".to_owned()),
            topics: topics(source.filters.iter().map(|filter| filter.as_str())),
            source_access_configurations: Some(source::mqtt::access(source)),
            self_managed_event_source: Some(source::mqtt::self_managed(source)),
            ..of_stream(shown, settings)
        },
        EventSource::RabbitMq(source) => Shown {
            queues: topics(std::iter::once(source.queue.as_str())),
            source_access_configurations: Some(source::rabbitmq::access(source)),
            self_managed_event_source: Some(source::rabbitmq::self_managed(source)),
            ..of_stream(shown, settings)
        },
        EventSource::Kafka(source) => {
            let (position, at) = source::kafka::position(source);
            Shown {
                starting_position: Some(position.to_owned()),
                starting_position_timestamp: at,
                topics: topics(std::iter::once(source.topic.as_str())),
                source_access_configurations: Some(source::kafka::access(source)),
                self_managed_event_source: Some(source::kafka::self_managed(source)),
                self_managed_kafka_event_source_config: Some(source::kafka::group(mapping, source)),
                // A partition has one batch in flight, and no state.
                parallelization_factor: None,
                tumbling_window_in_seconds: None,
                ..of_stream(shown, settings)
            }
        }
        EventSource::Queue(_) => Shown {
            state_transition_reason: Some("USER_INITIATED".to_owned()),
            scaling_config: settings.concurrency_max.map(|max| wire::ScalingConfig {
                maximum_concurrency: Some(max.into()),
            }),
            ..shown
        },
    }
}

/// With what only streams have.
fn of_stream(shown: Shown, settings: &MappingSettings) -> Shown {
    let number = |limit: Option<u32>| limit.map_or(-1, i64::from);
    let on_failure = settings.on_failure.as_ref().map(ToString::to_string);
    Shown {
        state_transition_reason: Some("User action".to_owned()),
        parallelization_factor: Some(settings.parallel.into()),
        maximum_retry_attempts: Some(number(settings.retries)),
        maximum_record_age_in_seconds: Some(number(settings.age_max_secs)),
        bisect_batch_on_function_error: Some(settings.bisects),
        tumbling_window_in_seconds: Some(settings.tumbling_secs.into()),
        destination_config: Some(wire::DestinationConfig {
            on_success: None,
            on_failure: Some(wire::OnFailure {
                destination: on_failure,
            }),
        }),
        ..shown
    }
}

fn topics<'a>(names: impl Iterator<Item = &'a str>) -> Option<Vec<String>> {
    Some(names.map(str::to_owned).collect())
}

fn filters(patterns: &[String]) -> Option<wire::FilterCriteria> {
    let filter = |pattern: &String| wire::Filter {
        pattern: Some(pattern.clone()),
    };
    (!patterns.is_empty()).then(|| wire::FilterCriteria {
        filters: Some(patterns.iter().map(filter).collect()),
    })
}

/// What was kept of a structure; it was one when it was kept.
fn read<T: serde::de::DeserializeOwned>(kept: serde_json::Value) -> Option<T> {
    serde_json::from_value(kept).ok()
}
