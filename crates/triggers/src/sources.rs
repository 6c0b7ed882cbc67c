//! Every source that there is, by what a mapping names.

use std::sync::Arc;

use kiln_store::Store;
use kiln_types::{Clock, EventSource, Mapping};

use crate::config::Config;
use crate::messages::MessageSource;
use crate::secrets::{Secrets, Stored};
use crate::source::Source;

mod arrivals;
mod attribute;
mod dial;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod image;
mod kafka;
mod mqtt;
mod mysql;
mod nats;
mod postgres;
mod published;
mod rabbitmq;
mod redis;
mod scram;
mod sqs;
mod tls;

/// The source of a mapping, by what it is like.
pub(crate) enum Made {
    /// It remembers a place.
    Stream(Arc<dyn Source>),
    /// It remembers messages.
    Messages(Arc<dyn MessageSource>),
}

/// Makes the source of a mapping.
pub(crate) trait MakeSources: Send + Sync + 'static {
    /// It does nothing before it is told to.
    fn make(&self, mapping: &Mapping) -> Made;
}

/// Real sources.
pub(crate) struct Sources {
    config: Config,
    secrets: Secrets,
    store: Store,
    clock: Arc<dyn Clock>,
}

impl Sources {
    pub(crate) fn new(config: &Config, store: Store, clock: Arc<dyn Clock>) -> Self {
        let kept = Stored::new(store.secrets().clone(), clock.clone());
        Self {
            config: config.clone(),
            secrets: Secrets::new(config.secrets_dir.clone()).kept_by(kept),
            store,
            clock,
        }
    }
}

impl MakeSources for Sources {
    fn make(&self, mapping: &Mapping) -> Made {
        match &mapping.source {
            EventSource::Postgres(source) => Made::Stream(Arc::new(postgres::Postgres::new(
                mapping,
                source.clone(),
                self.secrets.clone(),
                &self.config,
                self.clock.clone(),
            ))),
            EventSource::Mysql(source) => Made::Stream(Arc::new(mysql::Mysql::new(
                mapping,
                source.clone(),
                self.secrets.clone(),
                &self.config,
                self.store.clone(),
            ))),
            EventSource::Redis(source) => Made::Stream(Arc::new(redis::Redis::new(
                mapping,
                source.clone(),
                self.secrets.clone(),
                &self.config,
                self.store.clone(),
                self.clock.clone(),
            ))),
            EventSource::Nats(source) => Made::Stream(Arc::new(nats::Nats::new(
                mapping,
                source.clone(),
                self.secrets.clone(),
                &self.config,
                self.clock.clone(),
            ))),
            EventSource::Mqtt(source) => Made::Stream(Arc::new(mqtt::Mqtt::new(
                mapping,
                source.clone(),
                self.secrets.clone(),
                &self.config,
                self.store.clone(),
                self.clock.clone(),
            ))),
            EventSource::RabbitMq(source) => Made::Stream(Arc::new(rabbitmq::RabbitMq::new(
                mapping,
                source.clone(),
                self.secrets.clone(),
                &self.config,
                self.clock.clone(),
            ))),
            EventSource::Kafka(source) => Made::Stream(Arc::new(kafka::Kafka::new(
                mapping,
                source.clone(),
                self.secrets.clone(),
                &self.config,
                self.store.clone(),
                self.clock.clone(),
            ))),
            EventSource::Queue(queue) => Made::Messages(Arc::new(sqs::Queue::new(
                queue.clone(),
                self.store.clone(),
                self.clock.clone(),
            ))),
        }
    }
}
