//! A Redis or Valkey server as a source: an endpoint, a stream or patterns of keys as topics, a secret by its name.

use kiln_types::mapping::StartingPosition;
use kiln_types::mapping::redis::{Heard, KeyName, RedisSource};

use super::self_managed::{self, refuse_others};
use crate::context::Context;
use crate::error::Result;
use crate::lambda::generated as wire;
use crate::lambda::refusal::invalid;

/// The endpoint types, Kiln's own: a stream, and changes of keys.
pub(super) const ENDPOINT_TYPES: [&str; 2] = ["REDIS", "REDIS_KEYSPACE"];

fn endpoint_type(source: &RedisSource) -> &'static str {
    match source.heard {
        Heard::Stream { .. } => ENDPOINT_TYPES[0],
        Heard::Keys { .. } => ENDPOINT_TYPES[1],
    }
}

/// The endpoint as the API shows it.
pub(in super::super) fn self_managed(source: &RedisSource) -> wire::SelfManagedEventSource {
    self_managed::shown(endpoint_type(source), &source.endpoint)
}

/// The names of the secrets as the API shows them.
pub(in super::super) fn access(source: &RedisSource) -> Vec<wire::SourceAccessConfiguration> {
    let root = source.root_certificates.as_ref();
    self_managed::access(source.credentials.as_ref(), root)
}

/// Where it begins.
pub(in super::super) fn position(source: &RedisSource) -> &'static str {
    match source.heard {
        Heard::Stream {
            starting_position, ..
        } => starting_position.as_str(),
        Heard::Keys { .. } => StartingPosition::Latest.as_str(),
    }
}

/// Changes who asks the server.
pub(super) fn update(
    context: &Context,
    source: &mut RedisSource,
    input: &wire::UpdateEventSourceMappingRequest,
) -> Result<()> {
    let kind = endpoint_type(source);
    refuse_others!(input, kind);
    if let Some(access) = &input.source_access_configurations {
        (source.credentials, source.root_certificates) =
            self_managed::secrets(context, kind, access)?;
    }
    Ok(())
}

/// Reads the source of a new mapping.
pub(super) fn read(
    context: &Context,
    input: &wire::CreateEventSourceMappingRequest,
    kind: &str,
    endpoints: &[String],
) -> Result<RedisSource> {
    refuse_others!(input, kind);
    let endpoint = self_managed::endpoint(kind, endpoints)?;
    let is_stream = kind == ENDPOINT_TYPES[0];
    let heard = match is_stream {
        true => stream(kind, input)?,
        false => keys(kind, input)?,
    };
    let access = input.source_access_configurations.as_deref();
    let (credentials, root_certificates) =
        self_managed::secrets(context, kind, access.unwrap_or_default())?;
    Ok(RedisSource {
        endpoint,
        heard,
        credentials,
        root_certificates,
    })
}

/// One stream: entries of two have no order.
fn stream(kind: &str, input: &wire::CreateEventSourceMappingRequest) -> Result<Heard> {
    let names: Vec<KeyName> = self_managed::topics(kind, input, "the key of a stream")?;
    let [key] = &names[..] else {
        return Err(invalid(format!(
            "An event source of the type {kind} has one stream: use a mapping for each."
        )));
    };
    self_managed::check_timestamp(input)?;
    let starting_position = match input.starting_position.as_deref() {
        None | Some("LATEST") => StartingPosition::Latest,
        Some("TRIM_HORIZON") => StartingPosition::TrimHorizon,
        Some(other) => {
            let what = "LATEST and TRIM_HORIZON are";
            return Err(self_managed::unsupported(kind, other, what));
        }
    };
    Ok(Heard::Stream {
        key: key.clone(),
        starting_position,
    })
}

/// Nobody keeps what happened to keys.
fn keys(kind: &str, input: &wire::CreateEventSourceMappingRequest) -> Result<Heard> {
    self_managed::check_timestamp(input)?;
    self_managed::only_latest(kind, input)?;
    let patterns = self_managed::topics(kind, input, "patterns of keys, such as session:*")?;
    Ok(Heard::Keys { patterns })
}
