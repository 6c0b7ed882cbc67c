//! Replays: what is in an archive goes to its bus once more, in the order in which it happened, each event once.
//!
//! One task makes the steps of all replays that go on, turn by turn; a step's events are expanded as when they were
//! published, and what they come to is kept together with how far the replay is. After a crash it goes on from there. The
//! same task removes what archives need not keep any longer.

use std::sync::Arc;
use std::time::Duration;

use kiln_events::envelope::Envelope;
use kiln_store::Store;
use kiln_store::archives::{Step, Stepped};
use kiln_types::{Clock, Replay, ReplayState, Timestamp};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::fan_out::{FanOut, Publication, Tick};

/// How long a step that could not be made waits.
const STEP_REST: Duration = Duration::from_millis(200);
/// How long a replay waits for room, and the store rests that failed.
const REST: Duration = Duration::from_secs(1);
/// How often events are looked for that are too old.
const EXPIRE_EVERY: Duration = Duration::from_secs(600);
/// How long replays are remembered that are over, as on AWS: 90 days.
const REMEMBERED: i64 = 90 * 86_400_000;

struct Keeper {
    store: Store,
    fan_out: FanOut,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
}

/// What came of a step of each replay.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Round {
    /// None goes on.
    Idle,
    /// None could go on.
    Stuck,
    Moved,
}

/// Looks after archives and replays until `stop`.
pub fn keep_archives(
    store: Store,
    fan_out: FanOut,
    clock: Arc<dyn Clock>,
    tracker: &TaskTracker,
    stop: CancellationToken,
) {
    let keeper = Arc::new(Keeper {
        store,
        fan_out,
        clock,
        stop,
    });
    tracker.spawn(replay(keeper.clone()));
    tracker.spawn(expire(keeper));
}

async fn replay(keeper: Arc<Keeper>) {
    let replays = keeper.store.archives().replays();
    while !keeper.stop.is_cancelled() {
        let rest = match keeper.step().await {
            Ok(Round::Moved) => continue,
            Ok(Round::Stuck) => Some(STEP_REST),
            Ok(Round::Idle) => None,
            Err(error) => {
                tracing::error!(%error, "replays cannot go on; trying again");
                Some(REST)
            }
        };
        let waited = async {
            match rest {
                Some(rest) => tokio::time::sleep(rest).await,
                None => replays.one_began().await,
            }
        };
        tokio::select! {
            () = keeper.stop.cancelled() => {}
            () = waited => {}
        }
    }
}

async fn expire(keeper: Arc<Keeper>) {
    let archives = keeper.store.archives();
    while !keeper.stop.is_cancelled() {
        let now = keeper.clock.timestamp();
        let before = Timestamp::from_millis(now.as_millis() - REMEMBERED);
        let expired = async {
            archives.replays().forget(before).await?;
            archives.expire(now).await
        };
        match expired.await {
            Ok(0) => {}
            Ok(events) => tracing::info!(events, "events were removed from archives"),
            Err(error) => tracing::error!(%error, "archived events could not be removed"),
        }
        tokio::select! {
            () = keeper.stop.cancelled() => {}
            () = archives.something_is_over() => {}
            () = tokio::time::sleep(EXPIRE_EVERY) => {}
        }
    }
}

impl Keeper {
    /// A step of each replay that goes on.
    async fn step(&self) -> Result<Round, kiln_store::Error> {
        let replays = self.store.archives().replays();
        let mut round = Round::Idle;
        for step in replays.steps().await? {
            round = round.max(Round::Stuck);
            let now = self.clock.timestamp();
            let mut after = self.after(&step, now);
            let deliveries = std::mem::take(&mut after.sent.deliveries);
            let advance = replays.advance(&step, after.count, after.replay, deliveries, now);
            match advance.await? {
                Stepped::Done => {
                    self.fan_out.was_delivered(&after.sent);
                    round = Round::Moved;
                }
                Stepped::Stale => round = Round::Moved,
                // A queue went away since it was looked at.
                Stepped::Refused(refusal) => {
                    tracing::debug!(replay = %step.replay.id, %refusal, "a step of a replay is made anew");
                }
                Stepped::Full(full) => {
                    tracing::warn!(replay = %step.replay.id, %full, "a replay waits for room");
                    tokio::time::sleep(REST).await;
                }
            }
        }
        Ok(round)
    }

    /// What a step comes to.
    fn after(&self, step: &Step, now: Timestamp) -> After {
        let (state, reason) = if step.replay.state == ReplayState::Cancelling {
            (ReplayState::Cancelled, None)
        } else if self.store.archives().get(&step.replay.archive).is_none() {
            let reason = "The archive was deleted.".to_owned();
            (ReplayState::Failed, Some(reason))
        } else if step.events.is_empty() {
            (ReplayState::Completed, None)
        } else {
            let events = step.events.iter();
            let publications = events.map(|one| publication(&step.replay, &one.event));
            match self.send(step, publications.collect(), now) {
                Ok(after) => return after,
                Err(reason) => (ReplayState::Failed, Some(reason)),
            }
        };
        After {
            count: 0,
            replay: Replay {
                state,
                reason,
                ended: Some(now),
                ..step.replay.clone()
            },
            sent: Tick::default(),
        }
    }

    fn send(
        &self,
        step: &Step,
        publications: Result<Vec<Publication>, serde_json::Error>,
        now: Timestamp,
    ) -> Result<After, String> {
        let publications = publications.map_err(|error| error.to_string())?;
        let sent = self.fan_out.replay(&publications, &step.replay.rules, now);
        let (count, sent) = sent.map_err(|refusal| refusal.to_string())?;
        let last = count.checked_sub(1).map(|last| step.events[last].at);
        Ok(After {
            count,
            replay: Replay {
                state: ReplayState::Running,
                last: last.or(step.replay.last),
                ..step.replay.clone()
            },
            sent,
        })
    }
}

/// A replay after a step.
struct After {
    /// How many of the step's events were sent.
    count: usize,
    replay: Replay,
    sent: Tick,
}

fn publication(replay: &Replay, event: &[u8]) -> Result<Publication, serde_json::Error> {
    let event: Envelope = serde_json::from_slice(event)?;
    Ok(Publication {
        bus: replay.bus.clone(),
        event: Envelope {
            replay_name: Some(replay.id.name.to_string()),
            ..event
        },
        trace: None,
    })
}
