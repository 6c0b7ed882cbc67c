//! What is looked after beside reading: who leads what, partitions that are new, offsets that are not there, and how far the
//! group has got.

use std::collections::{BTreeMap, BTreeSet};

use super::api::{EARLIEST, LATEST};
use super::errors::{OFFSET_OUT_OF_RANGE, refused};
use super::listener::{FAILURES_MAX, KEEP_EVERY, Listener, done};
use super::partition::{Partition, Reach};
use super::record::place;
use super::start::{Anew, offsets};
use crate::source::{Item, Trouble};

impl Listener<'_> {
    /// The next offset of a partition is not there: what was has been removed, or the topic is another.
    pub(super) async fn find_again(&mut self, number: u32) -> Result<(), Trouble> {
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
            let why = format!("{topic}-{number} ends before what was read of it");
            return self.begin_anew(Anew { numbers: one, why }).await;
        }
        if partition.next >= first {
            // It is there, whatever the leader said.
            return self.lose(&[number], refused(OFFSET_OUT_OF_RANGE));
        }
        self.missed = self.missed.saturating_add(first.abs_diff(partition.next));
        partition.next = first;
        let text = format!(
            "{} records were removed from {topic} before they were read: keep them longer",
            self.missed
        );
        self.outbox.push_back(Item::PartMark(number, place(first)));
        self.outbox.push_back(Item::Health(Some(text)));
        Ok(())
    }

    /// The topic is not what it was: it is over here.
    async fn begin_anew(&mut self, anew: Anew) -> Result<(), Trouble> {
        let (cluster, group) = (&mut self.cluster, &mut self.group);
        anew.begin(self.kafka, cluster, group, &self.layout).await?;
        self.anew = Some(anew.numbers);
        self.outbox.clear();
        self.outbox.push_back(Item::Anew);
        Ok(())
    }

    /// Has the group move to where all is done.
    pub(super) async fn keep(&mut self) -> Result<(), Trouble> {
        let anew = self.anew.as_ref();
        let news: BTreeMap<u32, i64> = done(&self.feed.parts.borrow_and_update())
            .filter(|(part, at)| self.kept.get(part).is_some_and(|kept| kept < at))
            .filter(|(part, _)| anew.is_none_or(|anew| !anew.contains(part)))
            .collect();
        if news.is_empty() {
            return Ok(());
        }
        self.group.move_to(&mut self.cluster, &news).await?;
        self.kept.extend(news);
        Ok(())
    }

    /// What is done from time to time.
    pub(super) async fn keep_house(&mut self) -> Result<(), Trouble> {
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
        // That a broker of before 2.8 is asked changes nothing of which topic it is.
        self.layout.topic = self.layout.topic.or(before.topic);
        if before.topic.is_some() && before.topic != self.layout.topic {
            let mut anew = Anew::of_all(&self.layout);
            anew.numbers.extend(self.partitions.keys());
            return self.begin_anew(anew).await;
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
        let Ok(firsts) = offsets(&self.cluster, topic, &self.layout, &new, EARLIEST).await else {
            // Those that are read go on.
            self.rest();
            return Ok(());
        };
        self.group.move_to(&mut self.cluster, &firsts).await?;
        for (number, first) in firsts {
            self.partitions.insert(number, Partition::at(first));
            self.kept.insert(number, first);
        }
        Ok(())
    }
}
