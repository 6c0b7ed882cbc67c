//! One function's place in the queue, as the core sees it.

use kiln_types::{FunctionId, Timestamp};

use super::ASK_FIRST;
use super::window::Window;

/// What a lane waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// For an event.
    Empty,
    /// For a time.
    Waiting(Timestamp),
    /// For a place.
    Ready,
    /// For a claim.
    Claiming,
}

/// One function's place in the queue.
#[derive(Debug)]
pub(super) struct LaneState {
    pub(super) function: FunctionId,
    pub(super) stage: Stage,
    /// When the first of its events is due that nobody has claimed, at the earliest.
    pub(super) next: Option<Timestamp>,
    /// Its events that run or are being claimed.
    pub(super) held: u32,
    /// What they take in memory.
    pub(super) bytes: u64,
    /// What of that is kept free for those that are being claimed.
    pub(super) asked_bytes: u64,
    /// When it had its last turn.
    pub(super) turn: u64,
    pub(super) window: Window,
    /// Places it has been given and not asked with yet.
    pub(super) wanted: u32,
    /// Places it has asked with.
    pub(super) asked: u32,
    /// How many it may ask for at once.
    ask_max: u32,
}

impl LaneState {
    pub(super) fn new(function: FunctionId, in_flight_max: u32) -> Self {
        Self {
            function,
            stage: Stage::Empty,
            next: None,
            held: 0,
            bytes: 0,
            asked_bytes: 0,
            turn: 0,
            window: Window::new(in_flight_max),
            wanted: 0,
            asked: 0,
            ask_max: ASK_FIRST,
        }
    }

    /// Whether it may have another place, as far as it alone is concerned.
    pub(super) fn may_ask(&self) -> bool {
        self.wanted < self.ask_max && self.held < self.window.size()
    }

    /// Asks with the places it has been given; tells how many.
    pub(super) fn claims(&mut self) -> u32 {
        self.stage = Stage::Claiming;
        self.asked = std::mem::take(&mut self.wanted);
        self.next = None;
        self.asked
    }

    /// What it asked for came, or a part. How many it has is not known, only whether it had as many as
    /// it asked for.
    pub(super) fn claimed(&mut self, taken: u32) {
        self.ask_max = match taken {
            all if all >= self.asked => self.ask_max.max(self.asked.saturating_mul(2)),
            some => some.max(ASK_FIRST),
        };
        self.asked = 0;
        self.stage = Stage::Empty;
    }

    /// Whether nothing hangs on it.
    pub(super) fn is_empty(&self) -> bool {
        self.stage == Stage::Empty && self.held == 0 && self.next.is_none()
    }
}
