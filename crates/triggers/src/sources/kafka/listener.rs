//! Feeds what comes into a topic, part by part, and has the group move once that is done.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use kiln_types::Moment;

use super::Kafka;
use super::batches::{Chunk, Open};
use super::cluster::{Cluster, Layout};
use super::errors::{OFFSET_OUT_OF_RANGE, refused};
use super::fetch::Fetched;
use super::group::Group;
use super::partition::{Partition, Reach};
use super::readers::{Heard, Readers};
use super::record::offset;
use super::start::{Anew, Start};
use crate::source::{Feed, Item, Parts, Trouble};

/// How often the group is told again how far it has got: clusters forget what nobody says for some days.
pub(super) const KEEP_EVERY: Duration = Duration::from_secs(60 * 60);
/// The first rest before leaders are looked for again; twice as long after each further failure.
const REST_FIRST: Duration = Duration::from_millis(250);
/// The longest.
const REST_MAX: Duration = Duration::from_secs(10);
/// Failures in a row after which somebody is told of partitions that cannot be read, or that it is over if none can.
pub(super) const FAILURES_MAX: u32 = 5;

/// The working state of a connection to a cluster: what came is read in `reading`, all else looked after in `house`.
pub(super) struct Listener<'a> {
    pub(super) kafka: &'a Kafka,
    pub(super) cluster: Cluster,
    pub(super) group: Group,
    pub(super) feed: Feed,
    pub(super) layout: Layout,
    pub(super) partitions: BTreeMap<u32, Partition>,
    pub(super) readers: Readers,
    /// The batch that is being read, and of which partition it is.
    pub(super) open: Option<(u32, Open)>,
    /// The partition that was read last: others have their turn before it has another.
    pub(super) last: u32,
    pub(super) outbox: VecDeque<Item>,
    /// Where the group is.
    pub(super) kept: BTreeMap<u32, i64>,
    pub(super) keep_at: Moment,
    pub(super) look_at: Moment,
    /// Failures to read some partition, in a row.
    pub(super) failures: u32,
    /// Whether somebody was told of partitions that cannot be read.
    is_told: bool,
    /// Records that were gone before they were read.
    pub(super) missed: u64,
    /// Partitions that somebody will hear from their beginning who knows nothing of before: nothing more is read, and of
    /// these nothing kept.
    pub(super) anew: Option<BTreeSet<u32>>,
}

/// Feeds a topic's records until it is told to stop or cannot.
pub(super) async fn listen(kafka: &Kafka, feed: Feed) -> Result<(), Trouble> {
    let topic = kafka.source.topic.as_str();
    let mut cluster = kafka.cluster().await?;
    let mut group = kafka.group();
    let layout = cluster.look().await?;
    if kafka.has_own_group() {
        feed.make().await?;
    }
    if kafka.identity.has_changed(layout.topic).await? {
        // Also when nobody listened at that time.
        let anew = Anew::of_all(&layout);
        anew.begin(kafka, &mut cluster, &mut group, &layout).await?;
        let _ = feed.say(Item::Anew).await;
        return Err(Trouble::new(format!(
            "the topic {topic} was made again: it is heard from its beginning"
        )));
    }
    kafka.identity.keep(layout.topic).await?;
    let start = Start {
        topic,
        begin: kafka.source.begin,
        done: done(&feed.parts.borrow()).collect(),
    };
    let starts = start.of_all(&mut cluster, &mut group, &layout).await?;
    // From here on it is known where the mapping began, whatever happens before anything is done.
    group.move_to(&mut cluster, &starts).await?;
    let now = kafka.clock.now();
    let partitions = starts
        .iter()
        .map(|(number, next)| (*number, Partition::at(*next)));
    let listener = Listener {
        readers: Readers::new(cluster.way.clone(), topic),
        partitions: partitions.collect(),
        kafka,
        cluster,
        group,
        feed,
        layout,
        open: None,
        last: 0,
        outbox: VecDeque::from([Item::Opened]),
        kept: starts,
        keep_at: now + KEEP_EVERY,
        look_at: now + kafka.look_every,
        failures: 0,
        is_told: false,
        missed: 0,
        anew: None,
    };
    listener.run().await
}

impl Listener<'_> {
    async fn run(mut self) -> Result<(), Trouble> {
        let items = self.feed.items.clone();
        let stop = self.feed.stop.clone();
        // That something is handed on changes nothing of what is asked for.
        let mut may_ask = true;
        loop {
            if self.outbox.is_empty() && self.anew.is_none() {
                self.read_on().await?;
                may_ask = true;
            }
            if std::mem::replace(&mut may_ask, true) {
                self.ask();
            }
            let has_news = !self.outbox.is_empty();
            let is_waiting = self.readers.is_waiting();
            let wake = self.look_at.min(self.keep_at);
            let wake = wake.since(self.kafka.clock.now()) + Duration::from_millis(1);
            tokio::select! {
                // What is done is said whatever else there is.
                biased;
                () = stop.cancelled() => return self.keep().await,
                changed = self.feed.parts.changed() => match changed {
                    Ok(()) => self.keep().await?,
                    Err(_) => return Ok(()),
                },
                () = tokio::time::sleep(wake), if self.anew.is_none() => tokio::select! {
                    kept = self.keep_house() => kept?,
                    () = stop.cancelled() => return self.keep().await,
                },
                heard = self.readers.next(), if is_waiting => self.hear(heard).await?,
                room = items.reserve(), if has_news => match room {
                    Ok(room) => {
                        room.send(self.outbox.pop_front().expect("it has news"));
                        may_ask = false;
                    }
                    Err(_) => return Ok(()),
                },
            }
        }
    }

    /// Asks every leader that is not busy for what is new where there is room for it.
    fn ask(&mut self) {
        if self.anew.is_some() {
            return;
        }
        let room = self.room();
        let parts = self.feed.parts.borrow();
        let mut wanted: BTreeMap<i32, Vec<(i32, i64, i32)>> = BTreeMap::new();
        for (number, partition) in &self.partitions {
            let leader = self.layout.leaders.get(number).copied().flatten();
            let is_wanted = partition.is_read() && partition.reach != Reach::Lost;
            if let Some(leader) = leader.filter(|leader| !self.readers.is_busy(*leader))
                && is_wanted
                && !parts.full.contains(number)
            {
                let what = (*number as i32, partition.next, partition.bytes_max);
                wanted.entry(leader).or_default().push(what);
            }
        }
        let room = room / wanted.len().max(1);
        for (leader, partitions) in wanted {
            if let Some(at) = self.cluster.place(leader) {
                let id = self.layout.topic;
                self.readers.ask(leader, at, id, partitions, room);
            }
        }
    }

    /// A broker answered, or did not.
    async fn hear(&mut self, heard: Heard) -> Result<(), Trouble> {
        if self.anew.is_some() {
            return Ok(());
        }
        let of = match heard.answer {
            Ok(of) => of,
            Err(trouble) => {
                let leaders = self.layout.leaders.iter();
                let led = leaders.filter(|(_, leader)| **leader == Some(heard.broker));
                let led: Vec<u32> = led.map(|(number, _)| *number).collect();
                return self.lose(&led, trouble);
            }
        };
        for fetched in of {
            self.take(fetched).await?;
        }
        if self
            .partitions
            .values()
            .all(|partition| partition.reach == Reach::Given && !partition.is_broken)
        {
            self.failures = 0;
            if std::mem::take(&mut self.is_told) {
                self.outbox.push_back(Item::Health(None));
            }
        }
        Ok(())
    }

    async fn take(&mut self, fetched: Fetched) -> Result<(), Trouble> {
        let Some((number, partition)) = u32::try_from(fetched.number)
            .ok()
            .and_then(|number| Some((number, self.partitions.get_mut(&number)?)))
        else {
            return Ok(());
        };
        match fetched.error {
            0 => {
                partition.reach = Reach::Given;
                // What else the answer holds of others does not stay for as long as this does.
                let batches = Bytes::copy_from_slice(&fetched.batches);
                partition.chunk = Chunk::new(batches, fetched.aborted);
                Ok(())
            }
            OFFSET_OUT_OF_RANGE => self.find_again(number).await,
            error => self.lose(&[number], refused(error)),
        }
    }

    /// Some partitions cannot be read before it is looked again who leads them.
    pub(super) fn lose(&mut self, numbers: &[u32], why: Trouble) -> Result<(), Trouble> {
        let is_first = !self.partitions.values().any(|of| of.reach == Reach::Lost);
        for number in numbers {
            if let Some(partition) = self.partitions.get_mut(number) {
                partition.reach = Reach::Lost;
            }
        }
        if is_first {
            self.rest();
        }
        if self.failures < FAILURES_MAX {
            return Ok(());
        }
        let partitions = self.partitions.iter();
        let lost = partitions.filter(|(_, of)| of.reach != Reach::Given || of.is_broken);
        let lost: Vec<_> = lost.map(|(number, _)| number.to_string()).collect();
        if lost.len() == self.partitions.len() {
            return Err(why);
        }
        let topic = self.kafka.source.topic.as_str();
        let text = format!(
            "partitions {} of {topic} cannot be read: {why}",
            lost.join(", ")
        );
        self.is_told = true;
        self.outbox.push_back(Item::Health(Some(text)));
        Ok(())
    }

    pub(super) fn rest(&mut self) {
        let rest = REST_FIRST
            .saturating_mul(1 << self.failures.min(16))
            .min(REST_MAX);
        self.failures = self.failures.saturating_add(1);
        let now = self.kafka.clock.now();
        self.look_at = self.look_at.min(now + rest);
    }
}

/// The offsets up to which all is done.
pub(super) fn done(parts: &Parts) -> impl Iterator<Item = (u32, i64)> {
    let confirmed = parts.confirmed.iter();
    confirmed.filter_map(|(part, at)| Some((*part, offset(at)?)))
}
