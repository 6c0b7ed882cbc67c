//! A cluster: which brokers there are, who leads which partition, and who keeps the places of a group.

use std::collections::BTreeMap;

use kiln_types::mapping::kafka::KafkaServer;

use super::api::{Broker, Described, Metadata, Request};
use super::connection::{Connection, Way, lost};
use super::errors::{UNKNOWN_TOPIC, may_pass, refused};
use super::identity::TopicId;
use crate::source::Trouble;

/// Brokers that a cluster may have, and partitions that a topic may: more than any is known to have. Each costs memory
/// and each broker a connection, however little it says.
const BROKERS_MAX: usize = 1_000;
const PARTITIONS_MAX: usize = 10_000;

/// Where a broker is.
pub(super) type Place = (String, u16);

/// The brokers that are known.
pub(super) struct Cluster {
    pub(super) way: Way,
    servers: Vec<Place>,
    topic: String,
    brokers: BTreeMap<i32, Place>,
    /// One of them that answers questions.
    any: Option<Connection>,
}

/// A topic as it is now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) topic: Option<TopicId>,
    /// Who leads each partition, where somebody does.
    pub(super) leaders: BTreeMap<u32, Option<i32>>,
}

impl Cluster {
    pub(super) fn new(way: Way, servers: &[KafkaServer], topic: &str) -> Self {
        let place = |server: &KafkaServer| (server.host.clone(), server.port);
        Self {
            way,
            servers: servers.iter().map(place).collect(),
            topic: topic.to_owned(),
            brokers: BTreeMap::new(),
            any: None,
        }
    }

    /// Where a broker is, if it is one.
    pub(super) fn place(&self, broker: i32) -> Option<&Place> {
        self.brokers.get(&broker)
    }

    /// Connects to a broker.
    pub(super) async fn dial(&self, broker: i32) -> Result<Connection, Trouble> {
        let place = self.place(broker);
        let (host, port) = place.ok_or_else(|| lost("a broker is named that is none"))?;
        Connection::open(&self.way, host, *port).await
    }

    /// Connects to a broker that was just named.
    pub(super) async fn dial_named(&self, broker: Broker) -> Result<Connection, Trouble> {
        let place = broker.place();
        let (host, port) = place.ok_or_else(|| lost("a broker has a port that is none"))?;
        Connection::open(&self.way, &host, port).await
    }

    /// Asks whoever answers: the one that did last, then those that are known, then those that were named.
    pub(super) async fn ask<R: Request>(&mut self, question: &R) -> Result<R::Answer, Trouble> {
        // It is of no use if this is given up half-way.
        if let Some(mut connection) = self.any.take()
            && let Ok(answer) = connection.ask(question).await
        {
            self.any = Some(connection);
            return Ok(answer);
        }
        let mut why = lost("no broker is known");
        let places = self.brokers.values().chain(&self.servers);
        let mut tried: Vec<&Place> = Vec::new();
        for place in places {
            if tried.contains(&place) {
                continue;
            }
            tried.push(place);
            let asked = async {
                let mut connection = Connection::open(&self.way, &place.0, place.1).await?;
                let answer = connection.ask(question).await?;
                Ok((connection, answer))
            };
            match asked.await {
                Ok((connection, answer)) => {
                    self.any = Some(connection);
                    return Ok(answer);
                }
                Err(trouble) => why = trouble,
            }
        }
        Err(why)
    }

    /// Looks at the topic.
    pub(super) async fn look(&mut self) -> Result<Layout, Trouble> {
        let topic = self.topic.clone();
        let Described { brokers, topic } = self.ask(&Metadata { topic: &topic }).await?;
        if brokers.len() > BROKERS_MAX {
            return Err(Trouble::new(format!(
                "the cluster names more than {BROKERS_MAX} brokers"
            )));
        }
        let places = brokers
            .into_iter()
            .filter_map(|broker| Some((broker.id, broker.place()?)));
        self.brokers = places.collect();
        let missing = || Trouble::new(format!("the cluster has no topic {}", self.topic));
        let topic = topic.ok_or_else(missing)?;
        match topic.error {
            UNKNOWN_TOPIC => return Err(missing()),
            0 => {}
            error if may_pass(error) => {}
            error => return Err(refused(error)),
        }
        if topic.partitions.len() > PARTITIONS_MAX {
            return Err(Trouble::new(format!(
                "the topic {} has more than {PARTITIONS_MAX} partitions",
                self.topic
            )));
        }
        let leaders = topic.partitions.iter().filter_map(|partition| {
            let leader = Some(partition.leader).filter(|leader| self.brokers.contains_key(leader));
            Some((u32::try_from(partition.number).ok()?, leader))
        });
        let leaders: BTreeMap<_, _> = leaders.collect();
        if leaders.is_empty() {
            return Err(Trouble::new(format!(
                "the cluster does not have the topic {} yet",
                self.topic
            )));
        }
        Ok(Layout {
            topic: topic.id,
            leaders,
        })
    }
}

impl Broker {
    /// Where it is; none if its port is none.
    fn place(self) -> Option<Place> {
        Some((self.host, u16::try_from(self.port).ok()?))
    }
}
