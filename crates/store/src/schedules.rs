//! Schedules: what is due when, in groups.
//!
//! Their tables stand in the database of the queue of events, so that one transaction delivers what a schedule
//! has to say and moves the schedule on ([`Schedules::fire`]): after a crash either both happened or neither, and so
//! each tick is delivered once. When a schedule is due next is told by the caller: what expressions mean is not known
//! here.
//!
//! ```text
//!  create ──► due ──fire──► due again … ──fire──► done ──► (deleted)
//!              │  ▲                                 ▲
//!              ▼  └─replace─┐                       │
//!            paused ────────┴───────────────────────┘
//! ```
//!
//! Everything that is due lies in one index, by the time at which it runs: a tick is found without looking at what is
//! not due. Start reading at `fire.rs`, then `definitions.rs` and `groups.rs`.

use std::sync::{Arc, Mutex};

use kiln_types::ScheduleId;
use tokio::sync::Notify;

use crate::error::Error;
use crate::queue::Queue;

mod definitions;
mod fire;
mod groups;
mod record;
mod schema;
mod tokens;
mod totals;

pub use definitions::ListSchedules;
pub use fire::{Fired, Firing, Then};
pub use groups::{GROUPS_MAX, ScheduleGroup};
pub use record::{Due, NewSchedule, Replacement, Schedule};
pub(crate) use schema::TABLES;
pub use tokens::{TOKENS_KEPT, Token};
pub use totals::{Ended, ScheduleTotals};

/// Schedules of an account, at most; AWS's quota.
pub const SCHEDULES_MAX: u64 = 1_000_000;

/// Schedules and their groups. Clones share them.
#[derive(Clone)]
pub struct Schedules {
    queue: Queue,
    changed: Arc<Notify>,
    totals: Arc<Mutex<ScheduleTotals>>,
}

/// Why a schedule or a group is not what was asked. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ScheduleError {
    /// The name is taken.
    #[error("schedule {0} exists already")]
    Exists(ScheduleId),
    /// There is no such schedule.
    #[error("schedule {0} does not exist")]
    NotFound(ScheduleId),
    /// The group's name is taken.
    #[error("schedule group {0} exists already")]
    GroupExists(String),
    /// There is no such group.
    #[error("schedule group {0} does not exist")]
    NoGroup(String),
    /// The group is being deleted.
    #[error("schedule group {0} is being deleted")]
    GroupDeleting(String),
    /// The account has as many schedules as it may.
    #[error("the account has {SCHEDULES_MAX} schedules, the most that it may have")]
    TooMany,
    /// The account has as many groups as it may.
    #[error("the account has {GROUPS_MAX} schedule groups, the most that it may have")]
    TooManyGroups,
    /// The store could not keep it.
    #[error(transparent)]
    Store(#[from] Error),
}

impl Schedules {
    pub(crate) fn open(queue: Queue) -> Result<Self, Error> {
        let totals = queue
            .database()
            .read_now("read ticks", ScheduleTotals::read)?;
        Ok(Self {
            queue,
            changed: Arc::default(),
            totals: Arc::new(Mutex::new(totals)),
        })
    }

    /// What became of all ticks. From memory.
    pub fn totals(&self) -> ScheduleTotals {
        *self.totals.lock().expect("no holder panics")
    }

    /// Waits until a schedule was made or changed; a change before the call counts once.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    fn tell(&self) {
        self.changed.notify_one();
    }
}
