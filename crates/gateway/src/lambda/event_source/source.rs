//! Which source is meant, and by whom it may be asked.

use kiln_types::{EventSource, Mapping, MappingId};

use crate::context::Context;
use crate::error::{ApiError, Result};
use crate::lambda::generated as wire;
use crate::lambda::refusal::{conflict, invalid};

pub(super) mod kafka;
pub(super) mod mqtt;
pub(super) mod mysql;
pub(super) mod nats;
pub(super) mod postgres;
pub(super) mod rabbitmq;
pub(super) mod redis;
mod self_managed;
pub(super) mod sqs;

/// Services whose events AWS has functions hear of, and which Kiln does not have yet.
const SERVICES: [&str; 5] = ["kinesis", "dynamodb", "kafka", "mq", "rds"];

/// Reads the source of a new mapping.
pub(super) fn read(
    context: &Context,
    input: &wire::CreateEventSourceMappingRequest,
) -> Result<EventSource> {
    if let Some(arn) = &input.event_source_arn {
        return match arn.split(':').nth(2).unwrap_or_default() {
            "sqs" => sqs::read(context, input, arn).map(EventSource::Queue),
            service if SERVICES.contains(&service) => Err(invalid(format!(
                "Kiln has no event sources of the service {service} yet."
            ))),
            _ => Err(unrecognized()),
        };
    }
    let endpoints = input.self_managed_event_source.as_ref();
    let endpoints = endpoints.and_then(|source| source.endpoints.as_ref());
    let endpoints: Vec<_> = endpoints.into_iter().flatten().collect();
    match endpoints[..] {
        [(kind, endpoints)] if kind == postgres::ENDPOINT_TYPE => {
            postgres::read(context, input, endpoints).map(EventSource::Postgres)
        }
        [(kind, endpoints)] if mysql::ENDPOINT_TYPES.contains(&kind.as_str()) => {
            mysql::read(context, input, kind, endpoints).map(EventSource::Mysql)
        }
        [(kind, endpoints)] if redis::ENDPOINT_TYPES.contains(&kind.as_str()) => {
            redis::read(context, input, kind, endpoints).map(EventSource::Redis)
        }
        [(kind, endpoints)] if nats::ENDPOINT_TYPES.contains(&kind.as_str()) => {
            nats::read(context, input, kind, endpoints).map(EventSource::Nats)
        }
        [(kind, endpoints)] if kind == mqtt::ENDPOINT_TYPE => {
            mqtt::read(context, input, endpoints).map(EventSource::Mqtt)
        }
        [(kind, endpoints)] if kind == rabbitmq::ENDPOINT_TYPE => {
            rabbitmq::read(context, input, endpoints).map(EventSource::RabbitMq)
        }
        [(kind, servers)] if kind == kafka::ENDPOINT_TYPE => {
            kafka::read(context, input, servers).map(EventSource::Kafka)
        }
        [(kind, _)] => Err(invalid(format!(
            "Kiln has no event sources of the type {kind} yet."
        ))),
        _ => Err(unrecognized()),
    }
}

/// Changes what may be changed of a source: who asks it.
pub(super) fn update(
    context: &Context,
    source: &mut EventSource,
    input: &wire::UpdateEventSourceMappingRequest,
) -> Result<()> {
    match source {
        EventSource::Postgres(source) => postgres::update(context, source, input),
        EventSource::Mysql(source) => mysql::update(context, source, input),
        EventSource::Redis(source) => redis::update(context, source, input),
        EventSource::Nats(source) => nats::update(context, source, input),
        EventSource::Mqtt(source) => mqtt::update(context, source, input),
        EventSource::RabbitMq(source) => rabbitmq::update(context, source, input),
        EventSource::Kafka(source) => kafka::update(context, source, input),
        EventSource::Queue(_) => sqs::check_update(input),
    }
}

/// The ARN of a source that has one.
pub(super) fn arn(source: &EventSource) -> Option<String> {
    match source {
        EventSource::Postgres(_)
        | EventSource::Mysql(_)
        | EventSource::Redis(_)
        | EventSource::Nats(_)
        | EventSource::Mqtt(_)
        | EventSource::RabbitMq(_)
        | EventSource::Kafka(_) => None,
        EventSource::Queue(arn) => Some(arn.to_string()),
    }
}

/// Says which mapping is in the way of another, as AWS says it of this source.
pub(super) fn exists_already(wanted: &Mapping, existing: MappingId) -> ApiError {
    let function = &wanted.function;
    let what = match &wanted.source {
        EventSource::Postgres(source) => {
            let tables = source.tables.iter().map(|table| table.as_str());
            self_managed_repeats(&source.endpoint, &function.to_string(), tables)
        }
        EventSource::Mysql(source) => {
            let tables = source.tables.iter().map(|table| table.as_str());
            self_managed_repeats(&source.endpoint, &function.to_string(), tables)
        }
        EventSource::Redis(source) => {
            let names = source.heard.names().iter().map(|name| name.as_str());
            self_managed_repeats(&source.endpoint, &function.to_string(), names)
        }
        EventSource::Nats(source) => {
            let names = source.heard.subjects().iter().map(|name| name.as_str());
            self_managed_repeats(&source.endpoint, &function.to_string(), names)
        }
        EventSource::Mqtt(source) => {
            let filters = source.filters.iter().map(|filter| filter.as_str());
            self_managed_repeats(&source.endpoint, &function.to_string(), filters)
        }
        EventSource::RabbitMq(source) => {
            let (endpoint, queue) = (&source.endpoint, source.queue.as_str());
            format!(
                "An event source mapping with event source (\"{endpoint}\"), function (\"{function}\"), queues (\"{queue}\")"
            )
        }
        EventSource::Kafka(source) => {
            let servers: Vec<_> = source.servers.iter().map(ToString::to_string).collect();
            let topics = std::iter::once(source.topic.as_str());
            self_managed_repeats(&servers.join(","), &function.to_string(), topics)
        }
        EventSource::Queue(arn) => {
            let name = &function.name;
            format!(
                "An event source mapping with SQS arn (\" {arn} \") and function (\" {name} \")"
            )
        }
    };
    conflict(format!(
        "{what} already exists. Please update or delete the existing mapping with UUID {existing}"
    ))
}

fn self_managed_repeats<'a>(
    endpoint: &impl std::fmt::Display,
    function: &str,
    topics: impl Iterator<Item = &'a str>,
) -> String {
    let topics: Vec<_> = topics.collect();
    format!(
        "An event source mapping with event source (\"{endpoint}\"), function (\"{function}\"), topics (\"{}\")",
        topics.join(",")
    )
}

fn unrecognized() -> ApiError {
    invalid("Unrecognized event source.")
}
