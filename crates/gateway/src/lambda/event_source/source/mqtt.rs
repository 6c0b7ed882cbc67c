//! An MQTT broker as a source: an endpoint, topic filters as topics, a secret by its name.

use kiln_types::mapping::mqtt::MqttSource;

use super::self_managed::{self, refuse_others};
use crate::context::Context;
use crate::error::Result;
use crate::lambda::generated as wire;

/// The endpoint type, Kiln's own.
pub(super) const ENDPOINT_TYPE: &str = "MQTT";

/// The endpoint as the API shows it.
pub(in super::super) fn self_managed(source: &MqttSource) -> wire::SelfManagedEventSource {
    self_managed::shown(ENDPOINT_TYPE, &source.endpoint)
}

/// The names of the secrets as the API shows them.
pub(in super::super) fn access(source: &MqttSource) -> Vec<wire::SourceAccessConfiguration> {
    let root = source.root_certificates.as_ref();
    self_managed::access(source.credentials.as_ref(), root)
}

/// Changes who asks the broker.
pub(super) fn update(
    context: &Context,
    source: &mut MqttSource,
    input: &wire::UpdateEventSourceMappingRequest,
) -> Result<()> {
    refuse_others!(input, ENDPOINT_TYPE);
    if let Some(access) = &input.source_access_configurations {
        (source.credentials, source.root_certificates) =
            self_managed::secrets(context, ENDPOINT_TYPE, access)?;
    }
    Ok(())
}

/// Reads the source of a new mapping.
pub(super) fn read(
    context: &Context,
    input: &wire::CreateEventSourceMappingRequest,
    endpoints: &[String],
) -> Result<MqttSource> {
    refuse_others!(input, ENDPOINT_TYPE);
    let endpoint = self_managed::endpoint(ENDPOINT_TYPE, endpoints)?;
    self_managed::check_timestamp(input)?;
    self_managed::only_latest(ENDPOINT_TYPE, input)?;
    let filters =
        self_managed::topics(ENDPOINT_TYPE, input, "topic filters, such as house/+/door")?;
    let access = input.source_access_configurations.as_deref();
    let (credentials, root_certificates) =
        self_managed::secrets(context, ENDPOINT_TYPE, access.unwrap_or_default())?;
    Ok(MqttSource {
        endpoint,
        filters,
        credentials,
        root_certificates,
    })
}
