//! Whose events are claimed next, and how many. Pure: no clocks, no waits.
//!
//! Three rules decide it, all by what is *held*: the events of a function that run or are being claimed.
//!
//! 1. **Room for others.** A function may hold less than what is free, and the functions of an account
//!    together may (the dynamic threshold of Choudhury and Hahne, 1998): however many events somebody
//!    has, whoever comes next finds a place at once. One place each account has in any case, and each
//!    function while not all are taken.
//! 2. **Least first.** Whoever holds least is next, of accounts first and then of the account's
//!    functions; of equals whoever has waited longest.
//! 3. **What the function bears.** Its window grows while its events run and halves when one is
//!    refused, so that a limit is found and not run into again and again.
//!
//! The first rule holds of the bytes of the events as it does of their number: those in flight are in memory.
//!
//! A lane (a function's place in the queue) is in one of four states:
//!
//! ```text
//!  empty ──arrived──► waiting for a time ──tick──► ready ──► claiming ──claimed──► waiting, ready or empty
//! ```

use std::collections::{BTreeSet, HashMap};

use kiln_store::queue::{Arrival, Ask, Lane};
use kiln_types::{AccountId, Timestamp};

mod lane;
mod window;

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;

use lane::{LaneState, Stage};

/// A lane asks for this many at first; for twice as many when it got all it asked for.
const ASK_FIRST: u32 = 4;
/// What the payloads of events in flight take in memory, about: an account's first event is claimed in any
/// case. Whoever's events find no room there wait until others have ended.
const IN_FLIGHT_BYTES_MAX: u64 = 256 << 20;
/// What one claim brings at most, but for a single event that is larger; kept free until it is back.
const CLAIM_BYTES_MAX: u64 = 2 << 20;
/// How long a lane rests whose claim failed.
const REST: std::time::Duration = std::time::Duration::from_secs(1);

/// What happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event {
    /// A function has an event that is due from some time on.
    Arrived(Arrival),
    /// A claim came back with so many events; the first of those left is due then.
    Claimed {
        /// Whose.
        lane: Lane,
        /// How many.
        taken: u32,
        /// What they take.
        bytes: u64,
        /// When the next is due.
        next: Option<Timestamp>,
    },
    /// A claim failed.
    ClaimFailed {
        /// Whose.
        lane: Lane,
    },
    /// An event that was claimed has been settled.
    Ended {
        /// Whose.
        lane: Lane,
        /// What it took.
        bytes: u64,
        /// Whether a limit or a failure kept it from running.
        was_refused: bool,
    },
    /// Time has passed.
    Tick,
    /// Nothing more may be claimed.
    Stop,
}

/// Decides what is claimed.
#[derive(Debug)]
pub(super) struct Core {
    in_flight_max: u32,
    lanes: HashMap<Lane, LaneState>,
    accounts: HashMap<AccountId, Account>,
    /// Lanes that wait for a time.
    timers: BTreeSet<(Timestamp, Lane)>,
    /// Accounts with ready lanes, by what they hold and since when they wait.
    order: BTreeSet<(u32, u64, AccountId)>,
    /// What all hold.
    held: u32,
    /// What that takes in memory.
    bytes: u64,
    /// Counts turns, so that of equals whoever had none for longest is next.
    turn: u64,
    is_stopped: bool,
}

#[derive(Debug, Default)]
struct Account {
    held: u32,
    bytes: u64,
    turn: u64,
    /// Its ready lanes, by what they hold and since when they wait.
    ready: BTreeSet<(u32, u64, Lane)>,
}

impl Core {
    pub(super) fn new(in_flight_max: u32) -> Self {
        Self {
            in_flight_max: in_flight_max.max(1),
            lanes: HashMap::new(),
            accounts: HashMap::new(),
            timers: BTreeSet::new(),
            order: BTreeSet::new(),
            held: 0,
            bytes: 0,
            turn: 0,
            is_stopped: false,
        }
    }

    /// Takes note, and says what to claim.
    pub(super) fn on(&mut self, event: Event, now: Timestamp) -> Vec<Ask> {
        match event {
            Event::Arrived(arrival) => self.arrived(arrival),
            Event::Claimed {
                lane,
                taken,
                bytes,
                next,
            } => self.claimed(lane, taken, bytes, next),
            Event::ClaimFailed { lane } => self.claimed(lane, 0, 0, Some(now + REST)),
            Event::Ended {
                lane,
                bytes,
                was_refused,
            } => self.ended(lane, bytes, was_refused),
            Event::Tick => {}
            Event::Stop => self.is_stopped = true,
        }
        if self.is_stopped {
            return Vec::new();
        }
        self.wake(now);
        self.choose()
    }

    /// When a tick is wanted.
    pub(super) fn wake_at(&self) -> Option<Timestamp> {
        self.timers.first().map(|(due, _)| *due)
    }

    /// What runs or is being claimed.
    pub(super) fn held(&self) -> u32 {
        self.held
    }

    /// Since when the event waits that could have been claimed first. Looks at every lane.
    pub(super) fn waiting_since(&self, now: Timestamp) -> Option<Timestamp> {
        let due = self.lanes.values().filter_map(|lane| lane.next);
        due.filter(|due| *due <= now).min()
    }

    fn arrived(&mut self, arrival: Arrival) {
        let Arrival {
            lane: id,
            function,
            due,
        } = arrival;
        let known = self.lanes.get(&id);
        // It was reused: nothing of the function before is left but what is on its way here.
        if let Some(old) = known.filter(|known| known.function != function) {
            let (account, held, bytes) = (old.function.account.clone(), old.held, old.bytes);
            self.leave_queue(id);
            self.release(&account, id, held, bytes);
            self.lanes.remove(&id);
        }
        let fresh = || LaneState::new(function, self.in_flight_max);
        let lane = self.lanes.entry(id).or_insert_with(fresh);
        if lane.next.is_some_and(|next| next <= due) {
            return;
        }
        lane.next = Some(due);
        if lane.stage != Stage::Claiming {
            self.wait_for(id, due);
        }
    }

    fn claimed(&mut self, id: Lane, taken: u32, bytes: u64, next: Option<Timestamp>) {
        let Some(lane) = self.lanes.get_mut(&id) else {
            return;
        };
        let (asked, account) = (lane.asked, lane.function.account.clone());
        let kept_free = std::mem::take(&mut lane.asked_bytes);
        lane.claimed(taken);
        // What arrived while the claim was under way may or may not be what it tells of.
        let next = [next, lane.next].into_iter().flatten().min();
        lane.next = next;
        if asked > 0 {
            self.occupy(&account, id, bytes);
        }
        self.release(&account, id, asked - taken.min(asked), kept_free);
        match next {
            Some(due) => self.wait_for(id, due),
            None => self.forget_if_empty(id),
        }
    }

    fn ended(&mut self, id: Lane, bytes: u64, was_refused: bool) {
        // The end may be that of an event whose function had the lane before.
        let lane = self.lanes.get_mut(&id);
        let Some(lane) = lane.filter(|lane| lane.held > lane.asked) else {
            return;
        };
        lane.window.ended(was_refused);
        let left = lane.bytes - lane.asked_bytes;
        let bytes = match lane.held - lane.asked {
            1 => left,
            _ => bytes.min(left),
        };
        let account = lane.function.account.clone();
        self.release(&account, id, 1, bytes);
        self.forget_if_empty(id);
    }

    /// Takes room in memory.
    fn occupy(&mut self, account: &AccountId, id: Lane, bytes: u64) {
        if let Some(lane) = self.lanes.get_mut(&id) {
            lane.bytes += bytes;
        }
        self.bytes += bytes;
        self.with_account(account, |account| account.bytes += bytes);
    }

    /// Gives places and room in memory back.
    fn release(&mut self, account: &AccountId, id: Lane, count: u32, bytes: u64) {
        let stage = self.lanes.get(&id).map(|lane| lane.stage);
        let is_ready = stage == Some(Stage::Ready);
        if is_ready {
            self.leave_queue(id);
        }
        if let Some(lane) = self.lanes.get_mut(&id) {
            lane.held -= count;
            lane.bytes -= bytes;
        }
        self.held -= count;
        self.bytes -= bytes;
        self.with_account(account, |account| {
            account.held -= count;
            account.bytes -= bytes;
        });
        if is_ready {
            self.enter_queue(id);
        }
    }

    /// What hangs on nothing any more is forgotten; an account with its last lane.
    fn forget_if_empty(&mut self, id: Lane) {
        let lane = self.lanes.get(&id);
        let Some(lane) = lane.filter(|lane| lane.is_empty()) else {
            return;
        };
        let account = lane.function.account.clone();
        self.lanes.remove(&id);
        if let Some(known) = self.accounts.get(&account)
            && known.held == 0
            && known.ready.is_empty()
        {
            self.accounts.remove(&account);
        }
    }

    /// Changes an account and keeps the order true.
    fn with_account(&mut self, id: &AccountId, change: impl FnOnce(&mut Account)) {
        let account = self.accounts.entry(id.clone()).or_default();
        self.order.remove(&(account.held, account.turn, id.clone()));
        change(account);
        if !account.ready.is_empty() {
            self.order.insert((account.held, account.turn, id.clone()));
        }
    }

    fn wait_for(&mut self, id: Lane, due: Timestamp) {
        self.leave_queue(id);
        let Some(lane) = self.lanes.get_mut(&id) else {
            return;
        };
        lane.stage = Stage::Waiting(due);
        self.timers.insert((due, id));
    }

    /// Those whose time has come are ready.
    fn wake(&mut self, now: Timestamp) {
        while let Some((due, id)) = self.timers.first().copied()
            && due <= now
        {
            self.timers.pop_first();
            if let Some(lane) = self.lanes.get_mut(&id) {
                lane.stage = Stage::Ready;
                self.enter_queue(id);
            }
        }
    }

    fn enter_queue(&mut self, id: Lane) {
        let Some(lane) = self.lanes.get(&id) else {
            return;
        };
        let (entry, account) = ((lane.held, lane.turn, id), lane.function.account.clone());
        self.with_account(&account, |account| {
            account.ready.insert(entry);
        });
    }

    fn leave_queue(&mut self, id: Lane) {
        let Some(lane) = self.lanes.get(&id) else {
            return;
        };
        match lane.stage {
            Stage::Waiting(due) => {
                self.timers.remove(&(due, id));
            }
            Stage::Ready => {
                let (entry, account) = ((lane.held, lane.turn, id), lane.function.account.clone());
                self.with_account(&account, |account| {
                    account.ready.remove(&entry);
                });
            }
            Stage::Empty | Stage::Claiming => {}
        }
    }

    /// Gives out places until nobody may have another; asks for what each got.
    fn choose(&mut self) -> Vec<Ask> {
        let mut asking = BTreeSet::new();
        while let Some(id) = self.next_lane() {
            self.give(id);
            asking.insert(id);
        }
        let mut asks = Vec::with_capacity(asking.len());
        for id in asking {
            self.leave_queue(id);
            if let Some(lane) = self.lanes.get_mut(&id) {
                asks.push(Ask {
                    lane: id,
                    count_max: lane.claims(),
                    bytes_max: CLAIM_BYTES_MAX,
                });
            }
        }
        asks
    }

    /// The ready lane that is next, if any may have a place. Whoever holds least stands first, so that
    /// where one holds too much all after it do.
    fn next_lane(&self) -> Option<Lane> {
        if self.held >= self.in_flight_max.saturating_mul(2) {
            return None;
        }
        let free = self.in_flight_max.saturating_sub(self.held);
        let free_bytes = IN_FLIGHT_BYTES_MAX.saturating_sub(self.bytes);
        let next_of = |account: &Account| {
            let left = free.saturating_sub(account.held);
            let mut ready = account.ready.iter();
            let left_bytes = free_bytes.saturating_sub(account.bytes);
            let bears = |id: &Lane| {
                let has_room = |lane: &&LaneState| account.held == 0 || lane.bytes < left_bytes;
                let lane = self.lanes.get(id).filter(has_room);
                lane.is_some_and(LaneState::may_ask)
            };
            // An account with many functions must not take all places by one for each.
            let one_each = account.held == 0 || free > 0;
            let found = ready
                .by_ref()
                .take_while(|(held, ..)| (*held == 0 && one_each) || *held < left)
                .find(|(.., id)| bears(id));
            found.map(|(.., id)| *id)
        };
        self.order
            .iter()
            .find_map(|(.., id)| self.accounts.get(id).and_then(next_of))
    }

    fn give(&mut self, id: Lane) {
        self.leave_queue(id);
        self.turn += 1;
        let turn = self.turn;
        let Some(lane) = self.lanes.get_mut(&id) else {
            return;
        };
        lane.held += 1;
        lane.wanted += 1;
        lane.turn = turn;
        let bytes = match lane.asked_bytes {
            0 => CLAIM_BYTES_MAX,
            _ => 0,
        };
        lane.asked_bytes += bytes;
        let account = lane.function.account.clone();
        self.held += 1;
        self.with_account(&account, |account| {
            account.held += 1;
            account.turn = turn;
        });
        self.occupy(&account, id, bytes);
        self.enter_queue(id);
    }
}
