//! A PostgreSQL database as a source: an endpoint, tables as topics, secrets by their names.

use std::collections::HashSet;

use kiln_types::SecretArn;
use kiln_types::mapping::postgres::{PostgresEndpoint, PostgresSource, TableName};

use crate::context::Context;
use crate::error::Result;
use crate::lambda::generated as wire;
use crate::lambda::refusal::invalid;

/// The endpoint type: Kiln's own.
pub(super) const ENDPOINT_TYPE: &str = "POSTGRESQL";

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

/// The endpoint as the API shows it.
pub(in super::super) fn self_managed(source: &PostgresSource) -> wire::SelfManagedEventSource {
    let endpoints = vec![source.endpoint.to_string()];
    wire::SelfManagedEventSource {
        endpoints: Some([(ENDPOINT_TYPE.to_owned(), endpoints)].into()),
    }
}

/// The names of the secrets as the API shows them.
pub(in super::super) fn access(source: &PostgresSource) -> Vec<wire::SourceAccessConfiguration> {
    let entry = |kind: &str, secret: &SecretArn| wire::SourceAccessConfiguration {
        type_: Some(kind.to_owned()),
        uri: Some(secret.to_string()),
    };
    let credentials = entry("BASIC_AUTH", &source.credentials);
    let root = source.root_certificates.as_ref();
    let root = root.map(|secret| entry("SERVER_ROOT_CA_CERTIFICATE", secret));
    [credentials].into_iter().chain(root).collect()
}

/// Changes who asks the database.
pub(super) fn update(
    context: &Context,
    source: &mut PostgresSource,
    input: &wire::UpdateEventSourceMappingRequest,
) -> Result<()> {
    refuse_others!(input);
    if let Some(access) = &input.source_access_configurations {
        (source.credentials, source.root_certificates) = secrets(context, access)?;
    }
    Ok(())
}

/// Reads the source of a new mapping.
pub(super) fn read(
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
    let mut named = HashSet::new();
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
