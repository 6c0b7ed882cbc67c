//! Which source is meant, and by whom it may be asked.

use kiln_types::mapping::postgres::{PostgresEndpoint, PostgresSource, TableName};
use kiln_types::{EventSource, SecretArn};

use crate::context::Context;
use crate::error::{ApiError, Result};
use crate::lambda::generated as wire;
use crate::lambda::refusal::invalid;

/// The endpoint type of PostgreSQL databases: Kiln's own.
const POSTGRESQL: &str = "POSTGRESQL";
/// The services whose events AWS has functions hear of. Kiln has none of them yet.
const SERVICES: [&str; 6] = ["sqs", "kinesis", "dynamodb", "kafka", "mq", "rds"];

/// Refuses what only other sources have, in both inputs.
macro_rules! refuse_others {
    ($input:ident) => {
        let given = [
            ("ScalingConfig", $input.scaling_config.is_some()),
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
                "{name} is not supported for event sources of the type POSTGRESQL."
            )));
        }
    };
}

/// Reads the source of a new mapping.
pub(super) fn read(
    context: &Context,
    input: &wire::CreateEventSourceMappingRequest,
) -> Result<EventSource> {
    if let Some(arn) = &input.event_source_arn {
        let service = arn.split(':').nth(2).unwrap_or_default();
        return Err(match SERVICES.contains(&service) {
            true => invalid(format!(
                "Kiln has no event sources of the service {service} yet."
            )),
            false => unrecognized(),
        });
    }
    let endpoints = input.self_managed_event_source.as_ref();
    let endpoints = endpoints.and_then(|source| source.endpoints.as_ref());
    let endpoints: Vec<_> = endpoints.into_iter().flatten().collect();
    match endpoints[..] {
        [(kind, endpoints)] if kind == POSTGRESQL => {
            postgres(context, input, endpoints).map(EventSource::Postgres)
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
    let EventSource::Postgres(postgres) = source;
    refuse_others!(input);
    if let Some(access) = &input.source_access_configurations {
        let (credentials, root_certificates) = secrets(context, access)?;
        postgres.credentials = credentials;
        postgres.root_certificates = root_certificates;
    }
    Ok(())
}

/// The ARN of a source that has one.
pub(super) fn arn(source: &EventSource) -> Option<String> {
    match source {
        EventSource::Postgres(_) => None,
    }
}

/// A source and what is heard of it, as messages say it.
pub(super) fn spoken(source: &EventSource) -> (String, String) {
    let EventSource::Postgres(source) = source;
    let topics: Vec<_> = source.tables.iter().map(|table| table.as_str()).collect();
    (source.endpoint.to_string(), topics.join(","))
}

/// A PostgreSQL source's endpoint as the API shows it.
pub(super) fn self_managed(source: &PostgresSource) -> wire::SelfManagedEventSource {
    let endpoints = vec![source.endpoint.to_string()];
    wire::SelfManagedEventSource {
        endpoints: Some([(POSTGRESQL.to_owned(), endpoints)].into()),
    }
}

/// The names of a PostgreSQL source's secrets as the API shows them.
pub(super) fn access(source: &PostgresSource) -> Vec<wire::SourceAccessConfiguration> {
    let entry = |kind: &str, secret: &SecretArn| wire::SourceAccessConfiguration {
        type_: Some(kind.to_owned()),
        uri: Some(secret.to_string()),
    };
    let credentials = entry("BASIC_AUTH", &source.credentials);
    let root = source.root_certificates.as_ref();
    let root = root.map(|secret| entry("SERVER_ROOT_CA_CERTIFICATE", secret));
    [credentials].into_iter().chain(root).collect()
}

fn unrecognized() -> ApiError {
    invalid("Unrecognized event source.")
}

fn postgres(
    context: &Context,
    input: &wire::CreateEventSourceMappingRequest,
    endpoints: &[String],
) -> Result<PostgresSource> {
    refuse_others!(input);
    if input.queues.is_some() {
        return Err(invalid(
            "Queues are not supported for event sources of the type POSTGRESQL: name tables as Topics.",
        ));
    }
    let [endpoint] = endpoints else {
        return Err(invalid(
            "An event source of the type POSTGRESQL has one endpoint.",
        ));
    };
    check_position(input)?;
    let topics = input.topics.as_deref().unwrap_or_default();
    if topics.is_empty() {
        return Err(invalid(
            "Topics are required for event sources of the type POSTGRESQL: the tables, such as public.orders.",
        ));
    }
    let tables = topics.iter().map(|topic| topic.parse());
    let mut tables: Vec<TableName> = tables
        .collect::<std::result::Result<_, _>>()
        .map_err(|error: kiln_types::InvalidName| invalid(format!("The {error}.")))?;
    let mut named = std::collections::HashSet::new();
    tables.retain(|table| named.insert(table.clone()));
    let access = input.source_access_configurations.as_deref();
    let (credentials, root_certificates) = secrets(context, access.unwrap_or_default())?;
    Ok(PostgresSource {
        endpoint: read_endpoint(endpoint)?,
        tables,
        credentials,
        root_certificates,
    })
}

fn read_endpoint(text: &str) -> Result<PostgresEndpoint> {
    // The message would repeat a password.
    if text.contains('@') {
        return Err(invalid(
            "An endpoint holds no user and no password: name a secret with both as BASIC_AUTH in SourceAccessConfigurations.",
        ));
    }
    text.parse()
        .map_err(|error: kiln_types::InvalidName| invalid(format!("The {error}.")))
}

/// A replication slot begins where it is made: it knows nothing from before.
fn check_position(input: &wire::CreateEventSourceMappingRequest) -> Result<()> {
    let position = input.starting_position.as_deref();
    if input.starting_position_timestamp.is_some() && position != Some("AT_TIMESTAMP") {
        return Err(invalid(
            "Timestamp only valid with StartingPosition AT_TIMESTAMP",
        ));
    }
    match position {
        None | Some("LATEST") => Ok(()),
        Some(other) => Err(invalid(format!(
            "Unsupported starting position for event sources of the type POSTGRESQL: {other}. Changes from \
             before the mapping are not kept by the database, so only LATEST is supported."
        ))),
    }
}

/// The secret with the credentials, and the one with the certificates that vouch for the server.
fn secrets(
    context: &Context,
    access: &[wire::SourceAccessConfiguration],
) -> Result<(SecretArn, Option<SecretArn>)> {
    let (mut credentials, mut root) = (None, None);
    for entry in access {
        let kind = entry.type_.as_deref().unwrap_or_default();
        let place = match kind {
            "BASIC_AUTH" => &mut credentials,
            "SERVER_ROOT_CA_CERTIFICATE" => &mut root,
            _ => {
                return Err(invalid(format!(
                    "The source access type {kind} is not supported for event sources of the type POSTGRESQL."
                )));
            }
        };
        if place.is_some() {
            return Err(invalid(format!(
                "The source access type {kind} is given twice."
            )));
        }
        *place = Some(secret(context, entry.uri.as_deref().unwrap_or_default())?);
    }
    let missing = || invalid("Required 'sourceAccessConfigurations' parameter is missing.");
    Ok((credentials.ok_or_else(missing)?, root))
}

fn secret(context: &Context, uri: &str) -> Result<SecretArn> {
    let read: std::result::Result<SecretArn, _> = uri.parse();
    let arn = read.map_err(|error| invalid(format!("The {error}.")))?;
    if arn.account != context.caller.account || arn.region != context.config.region {
        return Err(invalid(format!(
            "The secret {arn} is not one of this account and region."
        )));
    }
    Ok(arn)
}
