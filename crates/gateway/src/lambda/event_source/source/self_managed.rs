//! What sources have in common that AWS has no name for: one endpoint under a type of their own, secrets by their names,
//! and nothing that only other sources have.

use kiln_types::mapping::Begin;
use kiln_types::{SecretArn, Timestamp};

use crate::context::Context;
use crate::error::{ApiError, Result};
use crate::lambda::generated as wire;
use crate::lambda::refusal::invalid;
use crate::wire::seconds;

/// Refuses what only AWS's own sources have, in both inputs.
macro_rules! refuse_awss {
    ($input:ident, $kind:expr) => {
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
        ];
        if let Some((name, _)) = given.iter().find(|(_, is_given)| *is_given) {
            return Err(self_managed::foreign(name, $kind));
        }
    };
}
pub(super) use refuse_awss;

/// The same, and what a Kafka cluster has.
macro_rules! refuse_others {
    ($input:ident, $kind:expr) => {
        self_managed::refuse_awss!($input, $kind);
        if $input.self_managed_kafka_event_source_config.is_some() {
            let name = "SelfManagedKafkaEventSourceConfig";
            return Err(self_managed::foreign(name, $kind));
        }
    };
}
pub(super) use refuse_others;

/// Another kind of source has such a member.
pub(super) fn foreign(name: &str, kind: &str) -> ApiError {
    invalid(format!(
        "{name} is not supported for event sources of the type {kind}."
    ))
}

/// The secret with the credentials, and the one with the certificates that vouch for the server.
pub(super) type Secrets = (Option<SecretArn>, Option<SecretArn>);

/// An endpoint as the API shows it.
pub(super) fn shown(kind: &str, endpoint: &impl ToString) -> wire::SelfManagedEventSource {
    wire::SelfManagedEventSource {
        endpoints: Some([(kind.to_owned(), vec![endpoint.to_string()])].into()),
    }
}

/// The names of the secrets as the API shows them.
pub(super) fn access(
    credentials: Option<&SecretArn>,
    root: Option<&SecretArn>,
) -> Vec<wire::SourceAccessConfiguration> {
    let entry = |kind: &str, secret: &SecretArn| wire::SourceAccessConfiguration {
        type_: Some(kind.to_owned()),
        uri: Some(secret.to_string()),
    };
    let credentials = credentials.map(|secret| entry("BASIC_AUTH", secret));
    let root = root.map(|secret| entry("SERVER_ROOT_CA_CERTIFICATE", secret));
    credentials.into_iter().chain(root).collect()
}

/// The one endpoint that there is.
pub(super) fn endpoint<T>(kind: &str, endpoints: &[String]) -> Result<T>
where
    T: std::str::FromStr<Err = kiln_types::InvalidName>,
{
    let [text] = endpoints else {
        return Err(invalid(format!(
            "An event source of the type {kind} has one endpoint."
        )));
    };
    // The message would repeat a password.
    if text.contains('@') {
        return Err(invalid(
            "An endpoint holds no user and no password: name a secret with both as BASIC_AUTH in SourceAccessConfigurations.",
        ));
    }
    let read = text.parse();
    read.map_err(|error: kiln_types::InvalidName| invalid(format!("The {error}.")))
}

/// What is heard of there where that has no queues; `what` says what they are.
pub(super) fn topics<T>(
    kind: &str,
    input: &wire::CreateEventSourceMappingRequest,
    what: &str,
) -> Result<Vec<T>>
where
    T: std::str::FromStr<Err = kiln_types::InvalidName> + PartialEq,
{
    if input.queues.is_some() {
        return Err(invalid(format!(
            "Queues are not supported for event sources of the type {kind}: use Topics, which are {what}."
        )));
    }
    names(kind, input, what)
}

/// What is heard of there, each once.
pub(super) fn names<T>(
    kind: &str,
    input: &wire::CreateEventSourceMappingRequest,
    what: &str,
) -> Result<Vec<T>>
where
    T: std::str::FromStr<Err = kiln_types::InvalidName> + PartialEq,
{
    let mut read: Vec<T> = Vec::new();
    for topic in input.topics.as_deref().unwrap_or_default() {
        let topic = topic.parse();
        let topic =
            topic.map_err(|error: kiln_types::InvalidName| invalid(format!("The {error}.")))?;
        if !read.contains(&topic) {
            read.push(topic);
        }
    }
    match read.is_empty() {
        true => Err(invalid(format!(
            "Topics are required for event sources of the type {kind}: {what}."
        ))),
        false => Ok(read),
    }
}

/// Reads who asks.
pub(super) fn secrets(
    context: &Context,
    kind: &str,
    access: &[wire::SourceAccessConfiguration],
) -> Result<Secrets> {
    let (mut credentials, mut root) = (None, None);
    for entry in access {
        let name = entry.type_.as_deref().unwrap_or_default();
        let place = match name {
            "BASIC_AUTH" => &mut credentials,
            "SERVER_ROOT_CA_CERTIFICATE" => &mut root,
            _ => {
                return Err(invalid(format!(
                    "The source access type {name} is not supported for event sources of the type {kind}."
                )));
            }
        };
        if place.is_some() {
            return Err(invalid(format!(
                "The source access type {name} is given twice."
            )));
        }
        *place = Some(secret(context, entry.uri.as_deref().unwrap_or_default())?);
    }
    Ok((credentials, root))
}

/// The same where there must be credentials.
pub(super) fn credentials(
    context: &Context,
    kind: &str,
    access: &[wire::SourceAccessConfiguration],
) -> Result<(SecretArn, Option<SecretArn>)> {
    let (credentials, root) = secrets(context, kind, access)?;
    let missing = || invalid("Required 'sourceAccessConfigurations' parameter is missing.");
    Ok((credentials.ok_or_else(missing)?, root))
}

/// Reads the name of a secret.
pub(super) fn secret(context: &Context, uri: &str) -> Result<SecretArn> {
    let read: std::result::Result<SecretArn, _> = uri.parse();
    let arn = read.map_err(|error| invalid(format!("The {error}.")))?;
    if arn.account != context.caller.account || arn.region != context.config.region {
        return Err(invalid(format!(
            "The secret {arn} is not one of this account and region."
        )));
    }
    Ok(arn)
}

/// Nobody keeps what happened before: a mapping begins when it listens.
pub(super) fn only_latest(kind: &str, input: &wire::CreateEventSourceMappingRequest) -> Result<()> {
    match input.starting_position.as_deref() {
        None | Some("LATEST") => Ok(()),
        Some(other) => Err(unsupported(kind, other, "only LATEST is")),
    }
}

/// A mapping cannot begin there.
pub(super) fn unsupported(kind: &str, position: &str, what: &str) -> ApiError {
    invalid(format!(
        "Unsupported starting position for event sources of the type {kind}: {position}; {what} supported."
    ))
}

/// Where a mapping begins in what its source keeps.
pub(super) fn begin(input: &wire::CreateEventSourceMappingRequest) -> Result<Begin> {
    match input.starting_position.as_deref() {
        None | Some("LATEST") => Ok(Begin::Latest),
        Some("TRIM_HORIZON") => Ok(Begin::TrimHorizon),
        Some(_) => match input.starting_position_timestamp {
            Some(time) => Ok(Begin::At(Timestamp::from_millis((time * 1_000.0) as i64))),
            None => Err(invalid(
                "StartingPositionTimestamp is required with StartingPosition AT_TIMESTAMP.",
            )),
        },
    }
}

/// The same as the API shows it, and with AT_TIMESTAMP when that is.
pub(super) fn position(begin: Begin) -> (&'static str, Option<f64>) {
    match begin {
        Begin::Latest => ("LATEST", None),
        Begin::TrimHorizon => ("TRIM_HORIZON", None),
        Begin::At(time) => ("AT_TIMESTAMP", Some(seconds(time))),
    }
}

/// A time to begin at stands only with the position that wants one.
pub(super) fn check_timestamp(input: &wire::CreateEventSourceMappingRequest) -> Result<()> {
    let position = input.starting_position.as_deref();
    if input.starting_position_timestamp.is_some() && position != Some("AT_TIMESTAMP") {
        return Err(invalid(
            "Timestamp only valid with StartingPosition AT_TIMESTAMP",
        ));
    }
    Ok(())
}
