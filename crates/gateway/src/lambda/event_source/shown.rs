//! A mapping as the API shows it.

use kiln_types::{EventSource, Mapping};

use super::{Shown, source};
use crate::context::Context;
use crate::lambda::generated as wire;

/// Why a mapping is in its state: no mapping changes its state by itself.
const REASON: &str = "User action";

pub(super) fn shown(context: &Context, mapping: &Mapping) -> Shown {
    let settings = &mapping.settings;
    let kept = |name: &str| mapping.kept.get(name).cloned();
    let seconds = |secs: Option<u32>| secs.map_or(-1, i64::from);
    let on_failure = settings.on_failure.as_ref().map(ToString::to_string);
    let response_types = settings
        .reports_failures
        .then(|| "ReportBatchItemFailures".to_owned());
    let EventSource::Postgres(postgres) = &mapping.source;
    Shown {
        uuid: Some(mapping.id.to_string()),
        event_source_mapping_arn: Some(arn(context, mapping)),
        function_arn: Some(mapping.function.to_string()),
        state: Some(mapping.state.to_string()),
        state_transition_reason: Some(REASON.to_owned()),
        last_processing_result: Some(mapping.last_result.clone()),
        last_modified: Some(mapping.modified.as_millis() as f64 / 1_000.0),
        starting_position: Some("LATEST".to_owned()),
        batch_size: Some(settings.batch_size.into()),
        maximum_batching_window_in_seconds: Some(settings.window_secs.into()),
        parallelization_factor: Some(settings.parallel.into()),
        maximum_retry_attempts: Some(seconds(settings.retries)),
        maximum_record_age_in_seconds: Some(seconds(settings.age_max_secs)),
        bisect_batch_on_function_error: Some(settings.bisects),
        tumbling_window_in_seconds: Some(settings.tumbling_secs.into()),
        function_response_types: Some(response_types.into_iter().collect()),
        destination_config: Some(wire::DestinationConfig {
            on_success: None,
            on_failure: Some(wire::OnFailure {
                destination: on_failure,
            }),
        }),
        filter_criteria: filters(&settings.filters),
        kms_key_arn: kept("KMSKeyArn").and_then(|value| value.as_str().map(str::to_owned)),
        metrics_config: kept("MetricsConfig").and_then(read),
        logging_config: kept("LoggingConfig").and_then(read),
        topics: Some(
            postgres
                .tables
                .iter()
                .map(|table| table.as_str().to_owned())
                .collect(),
        ),
        source_access_configurations: Some(source::access(postgres)),
        self_managed_event_source: Some(source::self_managed(postgres)),
        ..Default::default()
    }
}

/// The mapping's own ARN.
pub(super) fn arn(context: &Context, mapping: &Mapping) -> String {
    let (region, account) = (&context.config.region, &mapping.account);
    let id = mapping.id;
    format!("arn:aws:lambda:{region}:{account}:event-source-mapping:{id}")
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
