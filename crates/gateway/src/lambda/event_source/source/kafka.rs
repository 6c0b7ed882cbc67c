//! A topic of a Kafka cluster that somebody runs: AWS's own members.
//!
//! AWS differs: connections are encrypted as soon as somebody logs in, unless all bootstrap servers are on this machine, and where
//! certificates are named; the secret has a `host`, with all bootstrap servers.

use kiln_types::Mapping;
use kiln_types::mapping::kafka::{
    GroupName, KafkaLogin, KafkaServer, KafkaSource, Mechanism, TopicName,
};
use kiln_types::{InvalidName, SecretArn};

use super::self_managed::{self, refuse_awss};
use crate::context::Context;
use crate::error::Result;
use crate::lambda::generated as wire;
use crate::lambda::refusal::invalid;

/// The endpoint type: AWS's.
pub(super) const ENDPOINT_TYPE: &str = "KAFKA_BOOTSTRAP_SERVERS";
/// Servers that may be named (service model).
const SERVERS_MAX: usize = 10;
/// How a user proves who it is.
const MECHANISMS: [(&str, Mechanism); 3] = [
    ("BASIC_AUTH", Mechanism::Plain),
    ("SASL_SCRAM_256_AUTH", Mechanism::Scram256),
    ("SASL_SCRAM_512_AUTH", Mechanism::Scram512),
];
const ROOT: &str = "SERVER_ROOT_CA_CERTIFICATE";
/// What AWS's own network needs, and nobody else.
const OF_AWSS_NETWORK: [&str; 2] = ["VPC_SUBNET", "VPC_SECURITY_GROUP"];

/// The bootstrap servers as the API shows them.
pub(in super::super) fn self_managed(source: &KafkaSource) -> wire::SelfManagedEventSource {
    let servers = source.servers.iter().map(ToString::to_string).collect();
    wire::SelfManagedEventSource {
        endpoints: Some([(ENDPOINT_TYPE.to_owned(), servers)].into()),
    }
}

/// The names of the secrets as the API shows them.
pub(in super::super) fn access(source: &KafkaSource) -> Vec<wire::SourceAccessConfiguration> {
    let entry = |kind: &str, secret: &SecretArn| wire::SourceAccessConfiguration {
        type_: Some(kind.to_owned()),
        uri: Some(secret.to_string()),
    };
    let login = source.login.as_ref().map(|login| {
        let names = MECHANISMS.iter();
        let name = names.clone().find(|(_, of)| *of == login.mechanism);
        entry(name.map_or("", |(name, _)| name), &login.secret)
    });
    let root = source.root_certificates.as_ref();
    let root = root.map(|secret| entry(ROOT, secret));
    login.into_iter().chain(root).collect()
}

/// Where it begins, and with AT_TIMESTAMP when that is.
pub(in super::super) fn position(source: &KafkaSource) -> (&'static str, Option<f64>) {
    self_managed::position(source.begin)
}

/// The consumer group: of the mapping's own it has the name.
pub(in super::super) fn group(
    mapping: &Mapping,
    source: &KafkaSource,
) -> wire::SelfManagedKafkaEventSourceConfig {
    let group = source.group.as_ref().map(|group| group.as_str().to_owned());
    wire::SelfManagedKafkaEventSourceConfig {
        consumer_group_id: Some(group.unwrap_or_else(|| mapping.id.to_string())),
        schema_registry_config: None,
        consumption_mode: None,
    }
}

/// Changes who asks the cluster.
pub(super) fn update(
    context: &Context,
    source: &mut KafkaSource,
    input: &wire::UpdateEventSourceMappingRequest,
) -> Result<()> {
    // How many read a topic is Kiln's to say: provisioned pollers are taken by nobody.
    refuse_awss!(input, ENDPOINT_TYPE);
    let config = input.self_managed_kafka_event_source_config.as_ref();
    if let Some(asked) = consumer_group(config)?
        && Some(&asked) != source.group.as_ref()
    {
        return Err(invalid(
            "The ConsumerGroupId of an event source mapping cannot be changed: make another mapping.",
        ));
    }
    if let Some(access) = &input.source_access_configurations {
        (source.login, source.root_certificates) = read_access(context, access)?;
    }
    Ok(())
}

/// Reads the source of a new mapping.
pub(super) fn read(
    context: &Context,
    input: &wire::CreateEventSourceMappingRequest,
    servers: &[String],
) -> Result<KafkaSource> {
    refuse_awss!(input, ENDPOINT_TYPE);
    if input.queues.is_some() {
        return Err(invalid(
            "Unsupported Queues parameter for given event source mapping type.",
        ));
    }
    let [topic] = input.topics.as_deref().unwrap_or_default() else {
        return Err(invalid(
            "Topics is required for event sources of the type KAFKA_BOOTSTRAP_SERVERS, and has one.",
        ));
    };
    if input.starting_position.is_none() {
        return Err(invalid(
            "StartingPosition is required for event sources of the type KAFKA_BOOTSTRAP_SERVERS: TRIM_HORIZON, LATEST or AT_TIMESTAMP.",
        ));
    }
    self_managed::check_timestamp(input)?;
    let access = input.source_access_configurations.as_deref();
    let (login, root_certificates) = read_access(context, access.unwrap_or_default())?;
    let topic: std::result::Result<TopicName, _> = topic.parse();
    let config = input.self_managed_kafka_event_source_config.as_ref();
    Ok(KafkaSource {
        servers: read_servers(servers)?,
        topic: topic.map_err(wrong)?,
        group: consumer_group(config)?,
        begin: self_managed::begin(input)?,
        login,
        root_certificates,
    })
}

/// Refuses what only shards have.
pub(in super::super) fn check(mapping: &Mapping) -> Result<()> {
    let settings = &mapping.settings;
    let given = [
        ("ParallelizationFactor", settings.parallel > 1),
        ("TumblingWindowInSeconds", settings.tumbling_secs > 0),
    ];
    match given.iter().find(|(_, is_given)| *is_given) {
        Some((name, _)) => Err(invalid(format!(
            "Unsupported {name} parameter for given event source mapping type."
        ))),
        None => Ok(()),
    }
}

fn read_servers(texts: &[String]) -> Result<Vec<KafkaServer>> {
    let mut servers: Vec<KafkaServer> = Vec::new();
    for text in texts {
        // The message would repeat a password.
        if text.contains('@') {
            return Err(invalid(
                "A bootstrap server is <host>:<port>, without a user and a password: name a secret with both in SourceAccessConfigurations.",
            ));
        }
        let server: KafkaServer = text.parse().map_err(wrong)?;
        if !servers.contains(&server) {
            servers.push(server);
        }
    }
    match servers.len() {
        1..=SERVERS_MAX => Ok(servers),
        _ => Err(invalid(format!(
            "An event source of the type {ENDPOINT_TYPE} has 1 to {SERVERS_MAX} bootstrap servers."
        ))),
    }
}

fn consumer_group(
    config: Option<&wire::SelfManagedKafkaEventSourceConfig>,
) -> Result<Option<GroupName>> {
    let Some(config) = config else {
        return Ok(None);
    };
    if config.schema_registry_config.is_some() {
        return Err(invalid(
            "SchemaRegistryConfig is not supported: records reach the function as they were sent, and it reads their schema itself.",
        ));
    }
    if config
        .consumption_mode
        .as_deref()
        .is_some_and(|mode| mode != "Stream")
    {
        return Err(invalid(
            "The ConsumptionMode Queue is not supported: a topic is read as a stream.",
        ));
    }
    let group = config.consumer_group_id.as_ref();
    group.map(|name| name.parse().map_err(wrong)).transpose()
}

/// Who asks, and who vouches for the brokers.
fn read_access(
    context: &Context,
    access: &[wire::SourceAccessConfiguration],
) -> Result<(Option<KafkaLogin>, Option<SecretArn>)> {
    let (mut login, mut root) = (None, None);
    for entry in access {
        let name = entry.type_.as_deref().unwrap_or_default();
        if OF_AWSS_NETWORK.contains(&name) {
            return Err(invalid(format!(
                "The source access type {name} is AWS's network's: Kiln reaches brokers as the machine does that it runs on."
            )));
        }
        let secret = || self_managed::secret(context, entry.uri.as_deref().unwrap_or_default());
        let mechanism = MECHANISMS.iter().find(|(known, _)| *known == name);
        match mechanism {
            Some((_, mechanism)) if login.is_none() => {
                login = Some(KafkaLogin {
                    mechanism: *mechanism,
                    secret: secret()?,
                });
            }
            Some(_) => {
                return Err(invalid(
                    "SourceAccessConfigurations name more than one way to log in.",
                ));
            }
            None if name == ROOT && root.is_none() => root = Some(secret()?),
            None if name == ROOT => {
                return Err(invalid(format!(
                    "The source access type {ROOT} is given twice."
                )));
            }
            None => {
                return Err(invalid(format!(
                    "The source access type {name} is not supported for event sources of the type {ENDPOINT_TYPE}."
                )));
            }
        }
    }
    Ok((login, root))
}

fn wrong(error: InvalidName) -> crate::error::ApiError {
    invalid(format!("The {error}."))
}
