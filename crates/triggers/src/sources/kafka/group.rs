//! The place of a mapping, kept by the cluster under the name of a consumer group, so that Kafka's own tools show how far it
//! has got. Kiln is no member of the group: it reads all partitions itself.

use std::collections::BTreeMap;
use std::time::Duration;

use super::api::{DeleteGroup, FindCoordinator, OfPartition, OffsetCommit, OffsetFetch, Request};
use super::cluster::Cluster;
use super::connection::Connection;
use super::errors::{GROUP_NOT_EMPTY, NO_SUCH_GROUP, is_of_members, may_pass, refused};
use crate::source::Trouble;

/// How often it is tried to find whoever keeps the group's places. A new group takes a moment.
const TRIES: u32 = 6;
/// The first rest between two; each further one is longer.
const REST: Duration = Duration::from_millis(200);

/// A group, and whoever keeps its places.
pub(super) struct Group {
    name: String,
    topic: String,
    coordinator: Option<Connection>,
}

/// Why a question has no answer yet.
enum Failure {
    /// It may have one when it is asked again, perhaps of somebody else.
    Passing(Trouble),
    Lasting(Trouble),
}

impl Group {
    pub(super) fn new(name: &str, topic: &str) -> Self {
        Self {
            name: name.to_owned(),
            topic: topic.to_owned(),
            coordinator: None,
        }
    }

    /// Where it has got to, in partitions in which it has got anywhere.
    pub(super) async fn places(
        &mut self,
        cluster: &mut Cluster,
        partitions: &[i32],
    ) -> Result<BTreeMap<u32, i64>, Trouble> {
        let (name, topic) = (self.name.clone(), self.topic.clone());
        let question = OffsetFetch {
            group: &name,
            topic: &topic,
            partitions,
        };
        let answer = self.ask(cluster, &question, |(error, of)| {
            let own = of.iter().map(|(_, error, _)| *error);
            own.chain([*error]).find(|error| *error != 0).unwrap_or(0)
        });
        let (_, of) = answer.await?;
        let places = of.into_iter().filter(|(_, _, offset)| *offset >= 0);
        let place = |(number, _, offset): OfPartition| Some((u32::try_from(number).ok()?, offset));
        Ok(places.filter_map(place).collect())
    }

    /// Has it get to these offsets.
    pub(super) async fn move_to(
        &mut self,
        cluster: &mut Cluster,
        offsets: &BTreeMap<u32, i64>,
    ) -> Result<(), Trouble> {
        let (name, topic) = (self.name.clone(), self.topic.clone());
        let offsets: Vec<_> = offsets
            .iter()
            .map(|(number, offset)| (*number as i32, *offset))
            .collect();
        let question = OffsetCommit {
            group: &name,
            topic: &topic,
            offsets: &offsets,
        };
        let answer = self.ask(cluster, &question, |of| {
            let errors = of.iter().map(|(_, error)| *error);
            errors.into_iter().find(|error| *error != 0).unwrap_or(0)
        });
        answer.await.map(|_| ())
    }

    /// Removes it. It is no error when there is none; a broker that cannot remove groups forgets one by itself.
    pub(super) async fn remove(&mut self, cluster: &mut Cluster) -> Result<(), Trouble> {
        let name = self.name.clone();
        match self.coordinator(cluster).await {
            Ok(coordinator) if !coordinator.knows::<DeleteGroup<'_>>() => return Ok(()),
            _ => {}
        }
        let question = DeleteGroup { group: &name };
        let answer = self.ask(cluster, &question, |error| match *error {
            NO_SUCH_GROUP => 0,
            error => error,
        });
        answer.await.map(|_| ())
    }

    /// Asks whoever keeps the places; `error` finds what is wrong with an answer.
    async fn ask<R: Request>(
        &mut self,
        cluster: &mut Cluster,
        question: &R,
        error: impl Fn(&R::Answer) -> i16,
    ) -> Result<R::Answer, Trouble> {
        let mut tries = 0;
        loop {
            tries += 1;
            let failure = match self.ask_once(cluster, question).await {
                Ok(answer) => match error(&answer) {
                    0 => return Ok(answer),
                    error => self.failure(error),
                },
                Err(failure) => failure,
            };
            match failure {
                Failure::Passing(_) if tries < TRIES => self.coordinator = None,
                Failure::Passing(trouble) | Failure::Lasting(trouble) => {
                    self.coordinator = None;
                    return Err(trouble);
                }
            }
            tokio::time::sleep(REST * tries).await;
        }
    }

    async fn ask_once<R: Request>(
        &mut self,
        cluster: &mut Cluster,
        question: &R,
    ) -> Result<R::Answer, Failure> {
        let coordinator = self.coordinator(cluster).await?;
        coordinator.ask(question).await.map_err(Failure::Passing)
    }

    async fn coordinator(&mut self, cluster: &mut Cluster) -> Result<&mut Connection, Failure> {
        if self.coordinator.is_none() {
            let question = FindCoordinator { group: &self.name };
            let (error, broker) = cluster.ask(&question).await.map_err(Failure::Passing)?;
            if error != 0 {
                return Err(self.failure(error));
            }
            let dialled = cluster.dial_named(broker).await;
            self.coordinator = Some(dialled.map_err(Failure::Passing)?);
        }
        Ok(self.coordinator.as_mut().expect("it is there now"))
    }

    fn failure(&self, error: i16) -> Failure {
        let name = &self.name;
        match error {
            error if is_of_members(error) => Failure::Lasting(Trouble::new(format!(
                "the consumer group {name} has members, and only they may say how far it has got: end them, or use another ConsumerGroupId"
            ))),
            GROUP_NOT_EMPTY => Failure::Lasting(Trouble::new(format!(
                "the consumer group {name} has members and cannot be removed: end them"
            ))),
            error if may_pass(error) => Failure::Passing(refused(error)),
            error => Failure::Lasting(refused(error)),
        }
    }
}
