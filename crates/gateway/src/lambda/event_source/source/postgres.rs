//! A PostgreSQL database as a source: an endpoint, tables as topics, secrets by their names.

use kiln_types::mapping::postgres::{PostgresSource, TableName};

use super::self_managed::{self, refuse_others};
use crate::context::Context;
use crate::error::Result;
use crate::lambda::generated as wire;
use crate::lambda::refusal::invalid;

/// The endpoint type: Kiln's own.
pub(super) const ENDPOINT_TYPE: &str = "POSTGRESQL";

/// The endpoint as the API shows it.
pub(in super::super) fn self_managed(source: &PostgresSource) -> wire::SelfManagedEventSource {
    self_managed::shown(ENDPOINT_TYPE, &source.endpoint)
}

/// The names of the secrets as the API shows them.
pub(in super::super) fn access(source: &PostgresSource) -> Vec<wire::SourceAccessConfiguration> {
    let root = source.root_certificates.as_ref();
    self_managed::access(Some(&source.credentials), root)
}

/// Changes who asks the database.
pub(super) fn update(
    context: &Context,
    source: &mut PostgresSource,
    input: &wire::UpdateEventSourceMappingRequest,
) -> Result<()> {
    refuse_others!(input, ENDPOINT_TYPE);
    if let Some(access) = &input.source_access_configurations {
        (source.credentials, source.root_certificates) =
            self_managed::credentials(context, ENDPOINT_TYPE, access)?;
    }
    Ok(())
}

/// Reads the source of a new mapping.
pub(super) fn read(
    context: &Context,
    input: &wire::CreateEventSourceMappingRequest,
    endpoints: &[String],
) -> Result<PostgresSource> {
    refuse_others!(input, ENDPOINT_TYPE);
    let endpoint = self_managed::endpoint(ENDPOINT_TYPE, endpoints)?;
    check_position(input)?;
    let what = "the tables, such as public.orders";
    let tables: Vec<TableName> = self_managed::topics(ENDPOINT_TYPE, input, what)?;
    let access = input.source_access_configurations.as_deref();
    let (credentials, root_certificates) =
        self_managed::credentials(context, ENDPOINT_TYPE, access.unwrap_or_default())?;
    Ok(PostgresSource {
        endpoint,
        tables,
        credentials,
        root_certificates,
    })
}

/// A replication slot begins where it is made: it knows nothing from before.
fn check_position(input: &wire::CreateEventSourceMappingRequest) -> Result<()> {
    self_managed::check_timestamp(input)?;
    match input.starting_position.as_deref() {
        None | Some("LATEST") => Ok(()),
        Some(other) => Err(invalid(format!(
            "Unsupported starting position for event sources of the type {ENDPOINT_TYPE}: {other}. Changes from \
             before the mapping are not kept by the database, so only LATEST is supported."
        ))),
    }
}
