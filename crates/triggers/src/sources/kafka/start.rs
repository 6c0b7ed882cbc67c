//! Where partitions begin: behind what the group has got to; where it has got nowhere yet, as the mapping says; and where the
//! topic is not what it was, with their first record.

use std::collections::{BTreeMap, BTreeSet};

use kiln_types::mapping::Begin;

use super::Kafka;
use super::api::{EARLIEST, LATEST, ListOffsets};
use super::cluster::{Cluster, Layout};
use super::errors::refused;
use super::group::Group;
use crate::source::Trouble;

/// What decides where partitions begin.
pub(super) struct Start<'a> {
    pub(super) topic: &'a str,
    pub(super) begin: Begin,
    /// What is done although the group may not know.
    pub(super) done: BTreeMap<u32, i64>,
}

impl Start<'_> {
    /// The offset at which each partition begins.
    pub(super) async fn of_all(
        &self,
        cluster: &mut Cluster,
        group: &mut Group,
        layout: &Layout,
    ) -> Result<BTreeMap<u32, i64>, Trouble> {
        let numbers: Vec<i32> = layout.leaders.keys().map(|number| *number as i32).collect();
        let mut places = group.places(cluster, &numbers).await?;
        places.retain(|number, _| layout.leaders.contains_key(number));
        for (number, done) in &self.done {
            let place = places.entry(*number).or_insert(*done);
            *place = (*place).max(*done);
        }
        let all = layout.leaders.keys().copied();
        let missing: BTreeSet<u32> = all.filter(|number| !places.contains_key(number)).collect();
        // Partitions that were added later begin where they begin: what was written there is new.
        let time = match (places.is_empty(), self.begin) {
            (false, _) | (true, Begin::TrimHorizon) => EARLIEST,
            (true, Begin::Latest) => LATEST,
            (true, Begin::At(time)) => time.as_millis().max(0),
        };
        let mut found = offsets(cluster, self.topic, layout, &missing, time).await?;
        let late: BTreeSet<u32> = found
            .iter()
            .filter(|(_, offset)| **offset < 0)
            .map(|(number, _)| *number)
            .collect();
        // Nothing is as late as the time.
        found.extend(offsets(cluster, self.topic, layout, &late, LATEST).await?);
        places.extend(found);
        Ok(places)
    }
}

/// Partitions that are not what they were: they are heard from their beginning, by somebody who knows nothing of before.
pub(super) struct Anew {
    pub(super) numbers: BTreeSet<u32>,
    pub(super) why: String,
}

impl Anew {
    /// All of a topic that was made again.
    pub(super) fn of_all(layout: &Layout) -> Self {
        Self {
            numbers: layout.leaders.keys().copied().collect(),
            why: "it was made again".to_owned(),
        }
    }

    /// Has the group begin anew in those that there are. Only then it is noted which topic this is: until then it is tried
    /// again, whatever happens.
    pub(super) async fn begin(
        &self,
        kafka: &Kafka,
        cluster: &mut Cluster,
        group: &mut Group,
        layout: &Layout,
    ) -> Result<(), Trouble> {
        let (topic, why) = (kafka.source.topic.as_str(), &*self.why);
        let is_there = |number: &&u32| layout.leaders.contains_key(number);
        let numbers = self.numbers.iter().filter(is_there).copied().collect();
        let firsts = offsets(cluster, topic, layout, &numbers, EARLIEST).await?;
        group.move_to(cluster, &firsts).await?;
        kafka.identity.keep(layout.topic).await?;
        tracing::warn!(
            topic,
            why,
            "a topic is another than it was, or was set back; it is heard from its beginning"
        );
        Ok(())
    }
}

/// The offsets at which partitions have a time: asks their leaders.
pub(super) async fn offsets(
    cluster: &Cluster,
    topic: &str,
    layout: &Layout,
    numbers: &BTreeSet<u32>,
    time: i64,
) -> Result<BTreeMap<u32, i64>, Trouble> {
    let mut by_leader: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
    for number in numbers {
        let leader = layout.leaders.get(number).copied().flatten();
        let leader = leader.ok_or_else(|| {
            Trouble::new(format!("nobody leads the partition {number} of {topic}"))
        })?;
        by_leader.entry(leader).or_default().push(*number as i32);
    }
    let mut found = BTreeMap::new();
    for (leader, partitions) in by_leader {
        let question = ListOffsets {
            topic,
            partitions: &partitions,
            time,
        };
        for (number, error, offset) in cluster.dial(leader).await?.ask(&question).await? {
            if error != 0 {
                return Err(refused(error));
            }
            found.insert(number as u32, offset);
        }
    }
    found.retain(|number, _| numbers.contains(number));
    match found.len() == numbers.len() {
        true => Ok(found),
        false => Err(Trouble::new(format!(
            "the cluster does not say where the partitions of {topic} begin"
        ))),
    }
}
