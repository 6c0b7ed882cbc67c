//! Decides whose post is tried next. Pure: the time is an argument.
//!
//! Each subscription has a lane, in which posts lie by the time at which they are due. A lane has [`LANE_MAX`] tries under way
//! at most, and one while its last one failed. Of [`TRIES_MAX`] all together, lanes that fail have [`FAILING_MAX`]: so
//! endpoints that do not answer hold up others for no longer than the one try takes by which that is learnt. Lanes take
//! turns.

use std::collections::{BTreeSet, HashMap};

use kiln_store::posts::{PostKey, Waiting};
use kiln_types::{SubscriptionId, Timestamp, TopicId};

/// Tries under way at once.
pub(super) const TRIES_MAX: usize = 256;
/// Of them, those to endpoints whose last try failed.
const FAILING_MAX: usize = TRIES_MAX / 2;
/// Of them, those to one endpoint.
const LANE_MAX: usize = 8;

/// What waits, and what is under way.
#[derive(Debug, Default)]
pub(super) struct Core {
    lanes: HashMap<SubscriptionId, Lane>,
    /// Lanes with room for a try, by when the next may begin.
    asleep: BTreeSet<(Timestamp, SubscriptionId)>,
    /// Lanes that may begin a try, by when they last did; those that fail apart.
    ready: [BTreeSet<(u64, SubscriptionId)>; 2],
    /// Tries under way; those to lanes that failed apart.
    running: [usize; 2],
    turns: u64,
}

/// A post that is to be tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Try {
    pub(super) key: PostKey,
    pub(super) topic: TopicId,
    pub(super) subscription: SubscriptionId,
    /// Whether it counts among those that fail.
    is_failing: bool,
}

/// How a try ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// The post is gone.
    Gone {
        /// Whether the endpoint answered.
        is_well: bool,
    },
    /// It is to be tried again then.
    Again(Timestamp),
}

#[derive(Debug)]
struct Lane {
    topic: TopicId,
    waiting: BTreeSet<(Timestamp, PostKey)>,
    running: usize,
    is_failing: bool,
    /// No try begins before.
    rests_until: Timestamp,
    turn: u64,
    /// Where it stands among those that are asleep.
    asleep_at: Option<Timestamp>,
}

impl Core {
    /// A post waits. Told again, it waits once.
    pub(super) fn waits(&mut self, post: Waiting) {
        let lane = self.lanes.entry(post.subscription).or_insert_with(|| Lane {
            topic: post.topic,
            waiting: BTreeSet::new(),
            running: 0,
            is_failing: false,
            rests_until: Timestamp::default(),
            turn: 0,
            asleep_at: None,
        });
        lane.waiting.insert((post.due, post.key));
        self.place(post.subscription);
    }

    /// The next post to be tried, if there is one and room for it.
    pub(super) fn next(&mut self, now: Timestamp) -> Option<Try> {
        self.wake(now);
        let [well, failing] = [&self.ready[0], &self.ready[1]].map(|lanes| lanes.first().copied());
        let is_full = self.running.iter().sum::<usize>() >= TRIES_MAX;
        let may_fail = self.running[1] < FAILING_MAX;
        // By turns, as those that fail may be well again.
        let (_, id) = match (well, failing.filter(|_| may_fail)) {
            _ if is_full => None,
            (Some(well), Some(failing)) => Some(well.min(failing)),
            (well, failing) => well.or(failing),
        }?;
        self.unplace(id);
        self.turns += 1;
        let lane = self.lanes.get_mut(&id)?;
        let (_, key) = lane.waiting.pop_first()?;
        lane.running += 1;
        lane.turn = self.turns;
        let started = Try {
            key,
            topic: lane.topic.clone(),
            subscription: id,
            is_failing: lane.is_failing,
        };
        self.running[usize::from(started.is_failing)] += 1;
        self.place(id);
        Some(started)
    }

    /// No other try of the subscription begins before.
    pub(super) fn rests(&mut self, id: SubscriptionId, until: Timestamp) {
        self.unplace(id);
        if let Some(lane) = self.lanes.get_mut(&id) {
            lane.rests_until = until;
        }
        self.place(id);
    }

    /// A try ended.
    pub(super) fn ended(&mut self, tried: &Try, ended: Ended) {
        self.running[usize::from(tried.is_failing)] -= 1;
        let id = tried.subscription;
        self.unplace(id);
        let Some(lane) = self.lanes.get_mut(&id) else {
            return;
        };
        lane.running -= 1;
        match ended {
            Ended::Gone { is_well } => lane.is_failing = !is_well,
            Ended::Again(due) => {
                lane.is_failing = true;
                lane.waiting.insert((due, tried.key));
            }
        }
        if lane.waiting.is_empty() && lane.running == 0 {
            self.lanes.remove(&id);
        }
        self.place(id);
    }

    /// Tries under way.
    pub(super) fn running(&self) -> usize {
        self.running.iter().sum()
    }

    /// When there may be something to do that there is not yet.
    pub(super) fn wakes(&self) -> Option<Timestamp> {
        self.asleep.first().map(|(at, _)| *at)
    }

    fn wake(&mut self, now: Timestamp) {
        while let Some((at, id)) = self.asleep.first().copied()
            && at <= now
        {
            self.asleep.pop_first();
            if let Some(lane) = self.lanes.get_mut(&id) {
                lane.asleep_at = None;
                self.ready[usize::from(lane.is_failing)].insert((lane.turn, id));
            }
        }
    }

    /// Has a lane that can begin a try stand where it is found.
    fn place(&mut self, id: SubscriptionId) {
        self.unplace(id);
        let Some(lane) = self.lanes.get_mut(&id) else {
            return;
        };
        let max = if lane.is_failing { 1 } else { LANE_MAX };
        if let Some((due, _)) = lane.waiting.first()
            && lane.running < max
        {
            let at = (*due).max(lane.rests_until);
            lane.asleep_at = Some(at);
            self.asleep.insert((at, id));
        }
    }

    fn unplace(&mut self, id: SubscriptionId) {
        let Some(lane) = self.lanes.get_mut(&id) else {
            return;
        };
        if let Some(at) = lane.asleep_at.take() {
            self.asleep.remove(&(at, id));
        }
        for ready in &mut self.ready {
            ready.remove(&(lane.turn, id));
        }
    }
}

#[cfg(test)]
mod tests;
