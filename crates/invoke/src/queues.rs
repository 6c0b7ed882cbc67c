//! What message queues need done in the background: messages that are too old and queues that are gone
//! are removed, and dead letters are moved on.

mod calendar;

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kiln_store::Store;
use kiln_store::messages::Move;
use kiln_types::Clock;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::calendar::Believed;

/// How often messages that are too old are looked for. Nobody receives one in between.
const EXPIRE_EVERY: Duration = Duration::from_secs(60);
/// How often the calendar is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long to wait before the store is asked again that failed.
const STORE_REST: Duration = Duration::from_secs(1);
/// Messages that are moved in one transaction.
const PART_MAX: u32 = 100;
/// Parts a second of a task that has a rate.
const PARTS_PER_SECOND: u32 = 10;

/// What the tasks share.
struct Keeper {
    store: Store,
    clock: Arc<dyn Clock>,
    tracker: TaskTracker,
    stop: CancellationToken,
    /// Tasks that are being performed.
    moving: Mutex<HashSet<i64>>,
}

/// Looks after message queues until `stop`. A task that moves messages goes on at the next start.
pub fn keep_queues(
    store: Store,
    clock: Arc<dyn Clock>,
    tracker: &TaskTracker,
    stop: CancellationToken,
) {
    let keeper = Arc::new(Keeper {
        store,
        clock,
        tracker: tracker.clone(),
        stop,
        moving: Mutex::default(),
    });
    tracker.spawn(
        keeper
            .clone()
            .until_stopped(look_at_calendar(keeper.clone())),
    );
    tracker.spawn(keeper.clone().until_stopped(expire(keeper.clone())));
    tracker.spawn(keeper.clone().until_stopped(clear(keeper.clone())));
    tracker.spawn(keeper.clone().until_stopped(watch_moves(keeper)));
}

impl Keeper {
    async fn until_stopped(self: Arc<Self>, work: impl Future<Output = ()>) {
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = work => {}
        }
    }
}

/// Says up to which time messages may be too old.
async fn look_at_calendar(keeper: Arc<Keeper>) {
    let now = || (keeper.clock.timestamp(), keeper.clock.now());
    let (calendar, moment) = now();
    let mut believed = Believed::new(calendar, moment);
    loop {
        let (calendar, moment) = now();
        let time = believed.time(calendar, moment);
        keeper.store.messages().age_until(time);
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn expire(keeper: Arc<Keeper>) {
    loop {
        match keeper
            .store
            .messages()
            .expire(keeper.clock.timestamp())
            .await
        {
            Ok(0) => {}
            Ok(messages) => tracing::info!(messages, "messages past their retention were removed"),
            Err(error) => {
                tracing::error!(%error, "messages past their retention could not be removed");
            }
        }
        tokio::time::sleep(EXPIRE_EVERY).await;
    }
}

async fn clear(keeper: Arc<Keeper>) {
    loop {
        match keeper.store.messages().clear().await {
            Ok(_) => keeper.store.messages().something_is_over().await,
            Err(error) => {
                tracing::error!(%error, "the space of removed messages could not be given back; trying again");
                tokio::time::sleep(STORE_REST).await;
            }
        }
    }
}

/// Performs every task that was started, also before the server was.
async fn watch_moves(keeper: Arc<Keeper>) {
    loop {
        match keeper.store.messages().running_moves().await {
            Ok(moves) => {
                for task in moves {
                    if keeper
                        .moving
                        .lock()
                        .expect("no holder panics")
                        .insert(task.id)
                    {
                        let keeper = keeper.clone();
                        let work = perform(keeper.clone(), task);
                        keeper.tracker.spawn(keeper.clone().until_stopped(work));
                    }
                }
                keeper.store.messages().move_was_started().await;
            }
            Err(error) => {
                tracing::error!(%error, "tasks that move messages cannot be read; trying again");
                tokio::time::sleep(STORE_REST).await;
            }
        }
    }
}

/// Moves part after part, at the task's rate.
async fn perform(keeper: Arc<Keeper>, task: Move) {
    let (count, rest) = pace(task.per_second);
    let mut after = Some(0);
    while let Some(from) = after {
        let now = keeper.clock.timestamp();
        match keeper
            .store
            .messages()
            .move_part(task.id, from, count, now)
            .await
        {
            Ok(part) => after = part.next,
            Err(kiln_store::Error::Closed | kiln_store::Error::Stopped(_)) => break,
            Err(error) => {
                tracing::error!(%error, queue = %task.source, "dead letters cannot be moved; trying again");
                tokio::time::sleep(STORE_REST).await;
            }
        }
        tokio::time::sleep(rest).await;
    }
    keeper
        .moving
        .lock()
        .expect("no holder panics")
        .remove(&task.id);
}

/// How many messages are moved at a time, and how long to rest after them.
fn pace(per_second: Option<u32>) -> (u32, Duration) {
    match per_second {
        None => (PART_MAX, Duration::ZERO),
        Some(rate) => {
            let count = (rate / PARTS_PER_SECOND).max(1);
            (count, Duration::from_secs(1) * count / rate.max(1))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_moves_as_many_a_second_as_it_may() {
        for rate in [1, 7, 10, 99, 500] {
            let (count, rest) = pace(Some(rate));
            let moved = f64::from(count) / rest.as_secs_f64();
            assert!((moved - f64::from(rate)).abs() < 0.01, "{rate}: {moved}");
        }
        assert_eq!(pace(None), (PART_MAX, Duration::ZERO));
    }
}
