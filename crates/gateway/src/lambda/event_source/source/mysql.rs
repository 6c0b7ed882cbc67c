//! A MariaDB or MySQL database as a source: an endpoint, tables as topics, secrets by their names.

use kiln_types::mapping::StartingPosition;
use kiln_types::mapping::mysql::{Brand, MysqlEndpoint, MysqlSource, MysqlTable};

use super::self_managed::{self, refuse_others};
use crate::context::Context;
use crate::error::Result;
use crate::lambda::generated as wire;
use crate::lambda::refusal::invalid;

/// The endpoint types: Kiln's own.
pub(super) const ENDPOINT_TYPES: [&str; 2] = ["MARIADB", "MYSQL"];

fn endpoint_type(brand: Brand) -> &'static str {
    match brand {
        Brand::MariaDb => ENDPOINT_TYPES[0],
        Brand::MySql => ENDPOINT_TYPES[1],
    }
}

/// The endpoint as the API shows it.
pub(in super::super) fn self_managed(source: &MysqlSource) -> wire::SelfManagedEventSource {
    self_managed::shown(endpoint_type(source.endpoint.brand), &source.endpoint)
}

/// The names of the secrets as the API shows them.
pub(in super::super) fn access(source: &MysqlSource) -> Vec<wire::SourceAccessConfiguration> {
    let root = source.root_certificates.as_ref();
    self_managed::access(Some(&source.credentials), root)
}

/// Changes who asks the database.
pub(super) fn update(
    context: &Context,
    source: &mut MysqlSource,
    input: &wire::UpdateEventSourceMappingRequest,
) -> Result<()> {
    let kind = endpoint_type(source.endpoint.brand);
    refuse_others!(input, kind);
    if let Some(access) = &input.source_access_configurations {
        (source.credentials, source.root_certificates) =
            self_managed::credentials(context, kind, access)?;
    }
    Ok(())
}

/// Reads the source of a new mapping.
pub(super) fn read(
    context: &Context,
    input: &wire::CreateEventSourceMappingRequest,
    kind: &str,
    endpoints: &[String],
) -> Result<MysqlSource> {
    refuse_others!(input, kind);
    let endpoint: MysqlEndpoint = self_managed::endpoint(kind, endpoints)?;
    if endpoint_type(endpoint.brand) != kind {
        let scheme = kind.to_ascii_lowercase();
        return Err(invalid(format!(
            "An endpoint of the type {kind} begins with {scheme}://."
        )));
    }
    let starting_position = position(kind, input)?;
    let what = "the tables, such as orders or shop.orders";
    let tables: Vec<MysqlTable> = self_managed::topics(kind, input, what)?;
    let access = input.source_access_configurations.as_deref();
    let (credentials, root_certificates) =
        self_managed::credentials(context, kind, access.unwrap_or_default())?;
    Ok(MysqlSource {
        endpoint,
        tables,
        credentials,
        root_certificates,
        starting_position,
    })
}

/// A binary log is read from its end or from its oldest file that is still there.
fn position(kind: &str, input: &wire::CreateEventSourceMappingRequest) -> Result<StartingPosition> {
    self_managed::check_timestamp(input)?;
    match input.starting_position.as_deref() {
        None | Some("LATEST") => Ok(StartingPosition::Latest),
        Some("TRIM_HORIZON") => Ok(StartingPosition::TrimHorizon),
        Some(other) => Err(invalid(format!(
            "Unsupported starting position for event sources of the type {kind}: {other}. \
             A binary log is read from LATEST or from TRIM_HORIZON."
        ))),
    }
}
