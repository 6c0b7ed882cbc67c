//! A queue of a RabbitMQ broker as a source: AWS's members for Amazon MQ, and the broker as an endpoint.

use kiln_types::mapping::rabbitmq::{BrokerName, RabbitMqSource};
use kiln_types::{Mapping, SecretArn};

use super::self_managed::{self, refuse_others};
use crate::context::Context;
use crate::error::Result;
use crate::lambda::generated as wire;
use crate::lambda::refusal::invalid;

/// The endpoint type: Kiln's own.
pub(super) const ENDPOINT_TYPE: &str = "RABBITMQ";
const VIRTUAL_HOST: &str = "VIRTUAL_HOST";

/// The endpoint as the API shows it.
pub(in super::super) fn self_managed(source: &RabbitMqSource) -> wire::SelfManagedEventSource {
    self_managed::shown(ENDPOINT_TYPE, &source.endpoint)
}

/// The virtual host and the names of the secrets as the API shows them.
pub(in super::super) fn access(source: &RabbitMqSource) -> Vec<wire::SourceAccessConfiguration> {
    let root = source.root_certificates.as_ref();
    let mut shown = self_managed::access(Some(&source.credentials), root);
    shown.extend(
        source
            .virtual_host
            .as_ref()
            .map(|name| wire::SourceAccessConfiguration {
                type_: Some(VIRTUAL_HOST.to_owned()),
                uri: Some(name.as_str().to_owned()),
            }),
    );
    shown
}

/// Changes who asks the broker.
pub(super) fn update(
    context: &Context,
    source: &mut RabbitMqSource,
    input: &wire::UpdateEventSourceMappingRequest,
) -> Result<()> {
    refuse_others!(input, ENDPOINT_TYPE);
    if let Some(access) = &input.source_access_configurations {
        let access = Access::read(context, access)?;
        let virtual_host = access.virtual_host.as_ref().map(BrokerName::as_str);
        if virtual_host.is_some_and(|name| name != source.virtual_host()) {
            return Err(invalid(
                "The virtual host of an event source mapping cannot be changed: make another mapping.",
            ));
        }
        source.credentials = access.credentials;
        source.root_certificates = access.root_certificates;
    }
    Ok(())
}

/// Reads the source of a new mapping.
pub(super) fn read(
    context: &Context,
    input: &wire::CreateEventSourceMappingRequest,
    endpoints: &[String],
) -> Result<RabbitMqSource> {
    refuse_others!(input, ENDPOINT_TYPE);
    let endpoint = self_managed::endpoint(ENDPOINT_TYPE, endpoints)?;
    if input.topics.is_some() {
        return Err(invalid(format!(
            "Topics are not supported for event sources of the type {ENDPOINT_TYPE}: use Queues, which has one."
        )));
    }
    if input.starting_position.is_some() || input.starting_position_timestamp.is_some() {
        return Err(invalid(format!(
            "StartingPosition is not valid for event sources of the type {ENDPOINT_TYPE}."
        )));
    }
    let [queue] = input.queues.as_deref().unwrap_or_default() else {
        return Err(invalid(format!(
            "Queues is required for event sources of the type {ENDPOINT_TYPE}, and has one."
        )));
    };
    let access = input.source_access_configurations.as_deref();
    let access = Access::read(context, access.unwrap_or_default())?;
    Ok(RabbitMqSource {
        endpoint,
        virtual_host: access.virtual_host,
        queue: name("queue", queue)?,
        credentials: access.credentials,
        root_certificates: access.root_certificates,
    })
}

/// Refuses what needs an order of messages, or a name of each.
pub(in super::super) fn check(mapping: &Mapping) -> Result<()> {
    let settings = &mapping.settings;
    let given = [
        ("FunctionResponseTypes", settings.reports_failures),
        ("TumblingWindowInSeconds", settings.tumbling_secs > 0),
    ];
    match given.iter().find(|(_, is_given)| *is_given) {
        Some((name, _)) => Err(invalid(format!(
            "Unsupported {name} parameter for given event source mapping type."
        ))),
        None => Ok(()),
    }
}

/// Who asks the broker, and for which part of it.
struct Access {
    virtual_host: Option<BrokerName>,
    credentials: SecretArn,
    root_certificates: Option<SecretArn>,
}

impl Access {
    fn read(context: &Context, access: &[wire::SourceAccessConfiguration]) -> Result<Self> {
        let is_host =
            |entry: &&wire::SourceAccessConfiguration| entry.type_.as_deref() == Some(VIRTUAL_HOST);
        let hosts: Vec<_> = access.iter().filter(is_host).collect();
        let virtual_host = match hosts[..] {
            [] => None,
            [entry] => Some(name(
                "virtual host",
                entry.uri.as_deref().unwrap_or_default(),
            )?),
            _ => {
                return Err(invalid(format!(
                    "The source access type {VIRTUAL_HOST} is given twice."
                )));
            }
        };
        let secrets: Vec<_> = access
            .iter()
            .filter(|entry| !is_host(entry))
            .cloned()
            .collect();
        let (credentials, root_certificates) =
            self_managed::credentials(context, ENDPOINT_TYPE, &secrets)?;
        Ok(Self {
            virtual_host,
            credentials,
            root_certificates,
        })
    }
}

fn name(what: &str, text: &str) -> Result<BrokerName> {
    let read: std::result::Result<BrokerName, _> = text.parse();
    read.map_err(|error| invalid(format!("The {what} cannot be: the {error}.")))
}
