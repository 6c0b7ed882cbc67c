//! A NATS server as a source: an endpoint, subjects as topics, a queue group as the queue, a secret by its name.

use kiln_types::mapping::nats::{Heard, NatsEndpoint, NatsSource, NatsSubject};

use super::self_managed::{self, refuse_others};
use crate::context::Context;
use crate::error::Result;
use crate::lambda::generated as wire;
use crate::lambda::refusal::invalid;

/// The endpoint types, Kiln's own: what is published, and what a stream of JetStream keeps of it.
pub(super) const ENDPOINT_TYPES: [&str; 2] = ["NATS", "NATS_JETSTREAM"];

fn endpoint_type(source: &NatsSource) -> &'static str {
    match source.heard {
        Heard::Subjects { .. } => ENDPOINT_TYPES[0],
        Heard::Stream { .. } => ENDPOINT_TYPES[1],
    }
}

/// The endpoint as the API shows it.
pub(in super::super) fn self_managed(source: &NatsSource) -> wire::SelfManagedEventSource {
    self_managed::shown(endpoint_type(source), &source.endpoint)
}

/// The names of the secrets as the API shows them.
pub(in super::super) fn access(source: &NatsSource) -> Vec<wire::SourceAccessConfiguration> {
    let root = source.root_certificates.as_ref();
    self_managed::access(source.credentials.as_ref(), root)
}

/// Where it begins, and with AT_TIMESTAMP when that is.
pub(in super::super) fn position(source: &NatsSource) -> (&'static str, Option<f64>) {
    match &source.heard {
        Heard::Subjects { .. } => ("LATEST", None),
        Heard::Stream { begin, .. } => self_managed::position(*begin),
    }
}

/// The queue group, if there is one.
pub(in super::super) fn queues(source: &NatsSource) -> Option<Vec<String>> {
    match &source.heard {
        Heard::Subjects {
            queue_group: Some(group),
            ..
        } => Some(vec![group.as_str().to_owned()]),
        _ => None,
    }
}

/// Changes who asks the server.
pub(super) fn update(
    context: &Context,
    source: &mut NatsSource,
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
) -> Result<NatsSource> {
    refuse_others!(input, kind);
    let endpoint: NatsEndpoint = self_managed::endpoint(kind, endpoints)?;
    self_managed::check_timestamp(input)?;
    let is_stream = kind == ENDPOINT_TYPES[1];
    let heard = match (is_stream, &endpoint.stream) {
        (true, Some(name)) => Heard::Stream {
            stream: name.clone(),
            subject: subject(kind, input)?,
            begin: self_managed::begin(input)?,
        },
        (true, None) => {
            return Err(invalid(format!(
                "The endpoint of an event source of the type {kind} names a stream: nats://<host>:<port>/<stream>."
            )));
        }
        (false, None) => published(kind, input)?,
        (false, Some(_)) => {
            return Err(invalid(format!(
                "The endpoint of an event source of the type {kind} names no stream: that is for {}.",
                ENDPOINT_TYPES[1]
            )));
        }
    };
    let access = input.source_access_configurations.as_deref();
    let (credentials, root_certificates) =
        self_managed::secrets(context, kind, access.unwrap_or_default())?;
    Ok(NatsSource {
        endpoint,
        heard,
        credentials,
        root_certificates,
    })
}

/// One subject: older servers filter by no more.
fn subject(kind: &str, input: &wire::CreateEventSourceMappingRequest) -> Result<NatsSubject> {
    let names: Vec<NatsSubject> =
        self_managed::topics(kind, input, "a subject of the stream, or > for all of them")?;
    let [subject] = &names[..] else {
        return Err(invalid(format!(
            "An event source of the type {kind} has one subject, which may have wildcards: use a mapping for each."
        )));
    };
    Ok(subject.clone())
}

/// Nobody keeps what was published.
fn published(kind: &str, input: &wire::CreateEventSourceMappingRequest) -> Result<Heard> {
    self_managed::only_latest(kind, input)?;
    let subjects = self_managed::names(kind, input, "subjects, such as orders.>")?;
    let group = input.queues.as_deref().and_then(<[_]>::first);
    let group = group.map(|name| name.parse()).transpose();
    let queue_group =
        group.map_err(|error: kiln_types::InvalidName| invalid(format!("The {error}.")))?;
    Ok(Heard::Subjects {
        subjects,
        queue_group,
    })
}
