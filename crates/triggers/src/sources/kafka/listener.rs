//! Feeds what comes into a topic, part by part, and has the group move once that is done.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use kiln_types::Moment;

use super::Kafka;
use super::api::{EARLIEST, Fetched, LATEST};
use super::batches::{Batch, Chunk, Open};
use super::cluster::{Cluster, Layout};
use super::decompress::{BATCH_BYTES_MAX, Unread};
use super::errors::{OFFSET_OUT_OF_RANGE, may_pass, refused};
use super::group::Group;
use super::partition::{Partition, Reach};
use super::readers::{Heard, Readers};
use super::record::{offset, place, record};
use super::start::{Start, offsets};
use crate::source::{Feed, Item, Parts, Trouble};

/// How often the group is told again how far it has got: clusters forget what nobody says for some days.
const KEEP_EVERY: Duration = Duration::from_secs(60 * 60);
/// The first rest before leaders are looked for again; twice as long after each further failure.
const REST_FIRST: Duration = Duration::from_millis(250);
/// The longest.
const REST_MAX: Duration = Duration::from_secs(10);
/// Failures in a row after which somebody is told of partitions that cannot be read, or that it is over if none can.
const FAILURES_MAX: u32 = 5;
/// Payloads that are decompressed where they are. Larger ones must not hold up everybody else.
const INLINE_BYTES_MAX: usize = 64 * 1024;

struct Listener<'a> {
    kafka: &'a Kafka,
    cluster: Cluster,
    group: Group,
    feed: Feed,
    layout: Layout,
    partitions: BTreeMap<u32, Partition>,
    readers: Readers,
    /// The batch that is being read, and of which partition it is.
    open: Option<(u32, Open)>,
    outbox: VecDeque<Item>,
    /// Where the group is.
    kept: BTreeMap<u32, i64>,
    keep_at: Moment,
    look_at: Moment,
    failures: u32,
    /// Whether somebody was told of partitions that cannot be read.
    is_told: bool,
    /// Records that were gone before they were read.
    missed: i64,
    /// Whether the topic is another than it was: nothing more is read or kept.
    is_over: bool,
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
        outbox: VecDeque::from([Item::Opened]),
        kept: starts,
        keep_at: now + KEEP_EVERY,
        look_at: now + kafka.look_every,
        failures: 0,
        is_told: false,
        missed: 0,
        is_over: false,
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
            if self.outbox.is_empty() && !self.is_over {
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
                () = stop.cancelled() => return self.keep().await,
                changed = self.feed.parts.changed() => match changed {
                    Ok(()) => self.keep().await?,
                    Err(_) => return Ok(()),
                },
                room = items.reserve(), if has_news => match room {
                    Ok(room) => {
                        room.send(self.outbox.pop_front().expect("it has news"));
                        may_ask = false;
                    }
                    Err(_) => return Ok(()),
                },
                heard = self.readers.next(), if is_waiting => self.hear(heard).await?,
                () = tokio::time::sleep(wake), if !self.is_over => tokio::select! {
                    kept = self.keep_house() => kept?,
                    () = stop.cancelled() => return self.keep().await,
                },
            }
        }
    }

    /// Asks every leader that is not busy for what is new where there is room for it.
    fn ask(&mut self) {
        if self.is_over {
            return;
        }
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
        for (leader, partitions) in wanted {
            if let Some(at) = self.cluster.place(leader) {
                self.readers.ask(leader, at, partitions);
            }
        }
    }

    /// Makes records of what came of a partition that there is room for.
    async fn read_on(&mut self) -> Result<(), Trouble> {
        let full = self.feed.parts.borrow().full.clone();
        if let Some((number, _)) = self
            .open
            .as_ref()
            .filter(|(number, _)| !full.contains(number))
        {
            let number = *number;
            return self.read_some(number);
        }
        let topic = self.kafka.source.topic.as_str();
        for (number, partition) in &mut self.partitions {
            if full.contains(number) {
                continue;
            }
            let batch = partition.next_batch();
            let batch = batch.map_err(|what| wrong(topic, *number, partition.next, &what))?;
            if let Some(batch) = batch {
                let number = *number;
                // One that is full keeps its batch as it came, and opens it again.
                self.open = None;
                let opened = open(batch).await;
                let at = partition.next;
                let opened = opened.map_err(|unread| wrong(topic, number, at, &told(unread)))?;
                self.open = Some((number, opened));
                return self.read_some(number);
            }
        }
        Ok(())
    }

    /// Makes records of some of the batch that is open.
    fn read_some(&mut self, number: u32) -> Result<(), Trouble> {
        let (Some((_, open)), Some(partition)) = (&mut self.open, self.partitions.get_mut(&number))
        else {
            return Ok(());
        };
        let topic = self.kafka.source.topic.as_str();
        let at = partition.next;
        let messages = open.some(at);
        let messages = messages.map_err(|unread| wrong(topic, number, at, &told(unread)))?;
        let now = self.kafka.clock.timestamp();
        for message in &messages {
            let record = record(message, topic, number, now);
            partition.next = message.offset + 1;
            self.outbox.push_back(Item::PartRecord(number, record));
            let behind = place(partition.next);
            self.outbox.push_back(Item::PartMark(number, behind));
        }
        if messages.is_empty() {
            partition.next = open.next();
            partition.batch = None;
            self.open = None;
            let behind = place(partition.next);
            self.outbox.push_back(Item::PartMark(number, behind));
        }
        Ok(())
    }

    /// A broker answered, or did not.
    async fn hear(&mut self, heard: Heard) -> Result<(), Trouble> {
        if self.is_over {
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
            .all(|partition| partition.reach == Reach::Given)
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
                partition.chunk = Chunk::new(fetched.batches, fetched.aborted);
            }
            OFFSET_OUT_OF_RANGE => return self.find_again(number).await,
            error if may_pass(error) => return self.lose(&[number], refused(error)),
            error => return Err(refused(error)),
        }
        Ok(())
    }

    /// Some partitions cannot be read before it is looked again who leads them.
    fn lose(&mut self, numbers: &[u32], why: Trouble) -> Result<(), Trouble> {
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
        let lost = partitions.filter(|(_, of)| of.reach != Reach::Given);
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

    fn rest(&mut self) {
        let rest = REST_FIRST
            .saturating_mul(1 << self.failures.min(16))
            .min(REST_MAX);
        self.failures = self.failures.saturating_add(1);
        let now = self.kafka.clock.now();
        self.look_at = self.look_at.min(now + rest);
    }

    /// The next offset of a partition is not there: what was has been removed, or the topic is another.
    async fn find_again(&mut self, number: u32) -> Result<(), Trouble> {
        let one = BTreeSet::from([number]);
        let topic = self.kafka.source.topic.as_str();
        let mut found = [0; 2];
        for (place, time) in [EARLIEST, LATEST].into_iter().enumerate() {
            let at = offsets(&self.cluster, topic, &self.layout, &one, time).await;
            match at {
                Ok(at) => found[place] = at.get(&number).copied().unwrap_or(0),
                Err(trouble) => return self.lose(&[number], trouble),
            }
        }
        let [first, end] = found;
        let Some(partition) = self.partitions.get_mut(&number) else {
            return Ok(());
        };
        if partition.next > end {
            return self
                .begin_anew(
                    &one,
                    &format!("{topic}-{number} ends before what was read of it"),
                )
                .await;
        }
        if partition.next < first {
            self.missed += first - partition.next;
            partition.next = first;
            let text = format!(
                "{} records were removed from {topic} before they were read: keep them longer",
                self.missed
            );
            self.outbox.push_back(Item::PartMark(number, place(first)));
            self.outbox.push_back(Item::Health(Some(text)));
        }
        Ok(())
    }

    /// The topic is not what it was: the partitions are heard from their beginning, by somebody who knows nothing of before.
    async fn begin_anew(&mut self, numbers: &BTreeSet<u32>, why: &str) -> Result<(), Trouble> {
        let topic = self.kafka.source.topic.as_str();
        let firsts = offsets(&self.cluster, topic, &self.layout, numbers, EARLIEST).await?;
        self.group.move_to(&mut self.cluster, &firsts).await?;
        tracing::warn!(
            topic,
            why,
            "a topic is another than it was, or was set back; it is heard from its beginning"
        );
        self.is_over = true;
        self.outbox.clear();
        self.outbox.push_back(Item::Anew);
        Ok(())
    }

    /// Has the group move to where all is done.
    async fn keep(&mut self) -> Result<(), Trouble> {
        if self.is_over {
            return Ok(());
        }
        let news: BTreeMap<u32, i64> = done(&self.feed.parts.borrow_and_update())
            .filter(|(part, at)| self.kept.get(part).is_some_and(|kept| kept < at))
            .collect();
        if news.is_empty() {
            return Ok(());
        }
        self.group.move_to(&mut self.cluster, &news).await?;
        self.kept.extend(news);
        Ok(())
    }

    /// What is done from time to time.
    async fn keep_house(&mut self) -> Result<(), Trouble> {
        let now = self.kafka.clock.now();
        if now >= self.keep_at {
            self.keep_at = now + KEEP_EVERY;
            self.group.move_to(&mut self.cluster, &self.kept).await?;
        }
        if now < self.look_at {
            return Ok(());
        }
        self.look_at = now + self.kafka.look_every;
        let layout = match self.cluster.look().await {
            Ok(layout) => layout,
            Err(trouble) if self.failures >= FAILURES_MAX => return Err(trouble),
            Err(_) => {
                self.rest();
                return Ok(());
            }
        };
        let before = std::mem::replace(&mut self.layout, layout);
        if before.topic.is_some()
            && self.layout.topic.is_some()
            && before.topic != self.layout.topic
        {
            let all = self.layout.leaders.keys().copied().collect();
            return self.begin_anew(&all, "it was made again").await;
        }
        let mut leaderless = Vec::new();
        for (number, partition) in &mut self.partitions {
            if partition.reach == Reach::Lost {
                partition.reach = Reach::Tried;
            }
            if self.layout.leaders.get(number).copied().flatten().is_none() {
                leaderless.push(*number);
            }
        }
        if !leaderless.is_empty() {
            self.lose(&leaderless, Trouble::new("nobody leads them"))?;
        }
        self.add_partitions().await
    }

    /// Begins to read partitions that are new.
    async fn add_partitions(&mut self) -> Result<(), Trouble> {
        let leaders = self.layout.leaders.iter();
        let new = leaders
            .filter(|(number, leader)| leader.is_some() && !self.partitions.contains_key(number));
        let new: BTreeSet<u32> = new.map(|(number, _)| *number).collect();
        if new.is_empty() {
            return Ok(());
        }
        let topic = self.kafka.source.topic.as_str();
        let firsts = offsets(&self.cluster, topic, &self.layout, &new, EARLIEST).await?;
        self.group.move_to(&mut self.cluster, &firsts).await?;
        for (number, first) in firsts {
            self.partitions.insert(number, Partition::at(first));
            self.kept.insert(number, first);
        }
        Ok(())
    }
}

/// The offsets up to which all is done.
fn done(parts: &Parts) -> impl Iterator<Item = (u32, i64)> {
    let confirmed = parts.confirmed.iter();
    confirmed.filter_map(|(part, at)| Some((*part, offset(at)?)))
}

/// Opens a batch; a large one where that holds up nobody.
async fn open(batch: Batch) -> Result<Open, Unread> {
    if batch.size() <= INLINE_BYTES_MAX {
        return batch.open();
    }
    let opened = tokio::task::spawn_blocking(move || batch.open());
    opened.await.unwrap_or(Err(Unread::Broken))
}

fn wrong(topic: &str, number: u32, at: i64, what: &str) -> Trouble {
    Trouble::new(format!(
        "the batch at offset {at} of {topic}-{number} {what}"
    ))
}

fn told(unread: Unread) -> String {
    match unread {
        Unread::Broken => "cannot be read".to_owned(),
        Unread::TooLarge => {
            format!("has more than {BATCH_BYTES_MAX} bytes once it is decompressed")
        }
        Unread::Unknown(how) => format!("is compressed in a way that nobody here knows: {how}"),
    }
}
