//! Event source mappings: whose events a function hears of, and how they reach it.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::account::{AccountId, Region};
use crate::arn::FunctionArn;
use crate::clock::Timestamp;
use crate::event_invoke::Destination;
use crate::id::MappingId;
use crate::message::QueueArn;

mod endpoint;
pub mod kafka;
pub mod mqtt;
pub mod mysql;
pub mod nats;
pub mod postgres;
pub mod rabbitmq;
pub mod redis;

pub use endpoint::{Begin, StartingPosition, TlsMode, is_loopback};
use kafka::KafkaSource;
use mqtt::MqttSource;
use mysql::MysqlSource;
use nats::NatsSource;
use postgres::PostgresSource;
use rabbitmq::RabbitMqSource;
use redis::RedisSource;

/// What a mapping says of its work before there was any.
pub const NOTHING_PROCESSED: &str = "No records processed";
/// What it says after its function took a batch.
pub const PROCESSED: &str = "OK";

/// A source, a function, and how the one's events reach the other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mapping {
    /// Names it.
    pub id: MappingId,
    /// Whose it is.
    pub account: AccountId,
    /// What hears of the events.
    pub function: FunctionArn,
    /// Where they come from. It stays what it is.
    pub source: EventSource,
    /// How they reach the function.
    pub settings: MappingSettings,
    /// Whether they shall.
    pub is_enabled: bool,
    /// What the mapping is doing.
    pub state: MappingState,
    /// How its work went last, in words.
    pub last_result: String,
    /// Whether it may have made something at its source, to be removed with it.
    #[serde(default)]
    pub has_made: bool,
    /// When its caller last changed it.
    pub modified: Timestamp,
    /// Counts its caller's changes: whoever carries one out says which.
    pub revision: u64,
    /// Its tags.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// Settings that are kept and given back but not acted on, by the API's own names.
    #[serde(default)]
    pub kept: BTreeMap<String, serde_json::Value>,
}

/// Where events come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventSource {
    /// Changes of tables of a PostgreSQL database.
    Postgres(PostgresSource),
    /// Changes of tables of a MariaDB or MySQL database.
    Mysql(MysqlSource),
    /// What happens in a Redis or Valkey server.
    Redis(RedisSource),
    /// What is published to a NATS server.
    Nats(NatsSource),
    /// What is published to topics of an MQTT broker.
    Mqtt(MqttSource),
    /// Messages of a queue of a RabbitMQ broker.
    #[serde(rename = "rabbitmq")]
    RabbitMq(RabbitMqSource),
    /// Records of a topic of a Kafka cluster.
    Kafka(KafkaSource),
    /// Messages of a message queue of this server.
    Queue(QueueArn),
}

/// How events reach the function. Ranges and defaults depend on the source, and are the API's to check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MappingSettings {
    /// Records of one invocation, at most.
    pub batch_size: u32,
    /// How long the first record of a batch waits for others, in seconds.
    pub window_secs: u32,
    /// Batches in flight at a time; records with one key keep their order.
    pub parallel: u32,
    /// How often a batch is tried again after a function error; none: until it succeeds.
    pub retries: Option<u32>,
    /// How old a record may become before it is given up, in seconds; none: as old as it gets.
    pub age_max_secs: Option<u32>,
    /// Whether a batch on which the function failed is split in two.
    pub bisects: bool,
    /// Whether the function may say which records it failed on.
    pub reports_failures: bool,
    /// The length of windows over which the function keeps a state, in seconds; 0: none.
    pub tumbling_secs: u32,
    /// Who is told of what is given up.
    pub on_failure: Option<Destination>,
    /// Patterns of which a record must match one, if there are any.
    pub filters: Vec<String>,
    /// Batches of a message queue in flight at a time, at most; none: as many as there can be.
    #[serde(default)]
    pub concurrency_max: Option<u32>,
}

/// What a mapping is doing.
///
/// ```text
///  Creating ──► Enabled ◄──► Updating        whatever it was: Deleting ──► gone
///      │        │     ▲
///      │   Disabling Enabling
///      ▼        ▼     │
///      └──────► Disabled ◄──► Updating
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum MappingState {
    /// It is new and has not been taken up yet.
    Creating,
    /// It shall listen and does not yet.
    Enabling,
    /// It listens, or tries to.
    Enabled,
    /// It shall not listen and may still.
    Disabling,
    /// It does not listen.
    Disabled,
    /// Its settings have changed and may not be in force yet.
    Updating,
    /// What it made at its source is being removed; then it is gone.
    Deleting,
}

impl Mapping {
    /// `arn:aws:lambda:<region>:<account>:event-source-mapping:<id>`.
    pub fn arn(&self, region: &Region) -> String {
        let (account, id) = (&self.account, self.id);
        format!("arn:aws:lambda:{region}:{account}:event-source-mapping:{id}")
    }

    /// Whether both bring the same events to the same function: one of the two is too many.
    pub fn repeats(&self, other: &Mapping) -> bool {
        self.account == other.account
            && self.function == other.function
            && self.source.is_same(&other.source)
    }
}

impl EventSource {
    /// Whether both have the same events.
    pub fn is_same(&self, other: &EventSource) -> bool {
        match (self, other) {
            (EventSource::Postgres(one), EventSource::Postgres(other)) => one.is_same(other),
            (EventSource::Mysql(one), EventSource::Mysql(other)) => one.is_same(other),
            (EventSource::Redis(one), EventSource::Redis(other)) => one.is_same(other),
            (EventSource::Nats(one), EventSource::Nats(other)) => one.is_same(other),
            (EventSource::Mqtt(one), EventSource::Mqtt(other)) => one.is_same(other),
            (EventSource::RabbitMq(one), EventSource::RabbitMq(other)) => one.is_same(other),
            (EventSource::Kafka(one), EventSource::Kafka(other)) => one.is_same(other),
            (EventSource::Queue(one), EventSource::Queue(other)) => one == other,
            _ => false,
        }
    }
}

impl MappingSettings {
    /// How long the first record of a batch waits for others.
    pub fn window(&self) -> Duration {
        Duration::from_secs(self.window_secs.into())
    }

    /// How old a record may become.
    pub fn age_max(&self) -> Option<Duration> {
        self.age_max_secs
            .map(|secs| Duration::from_secs(secs.into()))
    }

    /// The length of windows with a state.
    pub fn tumbling(&self) -> Option<Duration> {
        let secs = Some(self.tumbling_secs).filter(|secs| *secs > 0);
        secs.map(|secs| Duration::from_secs(secs.into()))
    }
}

impl MappingState {
    /// Where a mapping rests that shall be enabled, or shall not.
    pub fn at_rest(is_enabled: bool) -> Self {
        match is_enabled {
            true => MappingState::Enabled,
            false => MappingState::Disabled,
        }
    }

    /// Whether it waits for nothing: only then may a caller change the mapping.
    pub fn is_at_rest(self) -> bool {
        matches!(self, MappingState::Enabled | MappingState::Disabled)
    }

    /// Where a change leads that a caller makes.
    pub fn after_change(was_enabled: bool, is_enabled: bool) -> Self {
        match (was_enabled, is_enabled) {
            (false, true) => MappingState::Enabling,
            (true, false) => MappingState::Disabling,
            _ => MappingState::Updating,
        }
    }

    /// The name that the API gives it.
    pub fn as_str(self) -> &'static str {
        match self {
            MappingState::Creating => "Creating",
            MappingState::Enabling => "Enabling",
            MappingState::Enabled => "Enabled",
            MappingState::Disabling => "Disabling",
            MappingState::Disabled => "Disabled",
            MappingState::Updating => "Updating",
            MappingState::Deleting => "Deleting",
        }
    }
}

impl fmt::Display for MappingState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
