//! Hears of posts, has those tried that are due, and ends when the server does.

use std::sync::Arc;
use std::time::Duration;

use kiln_store::Store;
use kiln_types::{Clock, Confirmation, Region, Timestamp};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::attempt::{Target, attempt};
use super::client::Client;
use super::core::{Core, Ended, Try};
use crate::fan_out::FanOut;

/// How long is slept at most while a post has a time: the calendar may have jumped meanwhile.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// How long a store rests that failed.
const STORE_REST: Duration = Duration::from_secs(1);
/// How long tries that are under way may go on when the server stops; then they are made again after the next start.
const FINISH_WITHIN: Duration = Duration::from_secs(3);
/// How often subscriptions that nobody confirmed are looked for.
const FORGET_EVERY: Duration = Duration::from_secs(3_600);
/// How long a subscription may be confirmed, as on AWS: two days.
pub(crate) const CONFIRM_WITHIN: Duration = Duration::from_secs(2 * 86_400);

/// What posting needs.
pub struct PostDeps {
    /// Where posts, topics and queues are.
    pub store: Store,
    /// Publishes; knows the server's key and counts what is lost.
    pub fan_out: FanOut,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Where the server is.
    pub region: Region,
    /// Owns the tasks.
    pub tracker: TaskTracker,
    /// Cancelled when the server stops.
    pub stop: CancellationToken,
}

pub(super) struct Shared {
    pub(super) store: Store,
    pub(super) fan_out: FanOut,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) region: Region,
    pub(super) client: Client,
    tracker: TaskTracker,
    stop: CancellationToken,
}

/// Posts what waits until the server stops.
pub fn keep_posts(deps: PostDeps) {
    let shared = Arc::new(Shared {
        store: deps.store,
        client: Client::new(deps.fan_out.reach().clone()),
        fan_out: deps.fan_out,
        clock: deps.clock,
        region: deps.region,
        tracker: deps.tracker.clone(),
        stop: deps.stop,
    });
    deps.tracker.spawn(drive(shared.clone()));
    deps.tracker.spawn(forget(shared));
}

async fn drive(shared: Arc<Shared>) {
    let mut core = Core::default();
    let (tell, mut told) = unbounded_channel::<(Try, Ended)>();
    let posts = shared.store.posts();
    // What comes while this is read is heard of twice, and waits once.
    while let Err(error) = begin(&shared, &mut core).await {
        tracing::error!(%error, "posts cannot be read; trying again");
        tokio::select! {
            () = shared.stop.cancelled() => return,
            () = tokio::time::sleep(STORE_REST) => {}
        }
    }
    while !shared.stop.is_cancelled() {
        let now = shared.clock.timestamp();
        while let Some(tried) = core.next(now) {
            start(&shared, &mut core, tried, now, &tell);
        }
        tokio::select! {
            () = shared.stop.cancelled() => {}
            () = sleep(core.wakes(), now) => {}
            Some((tried, ended)) = told.recv() => core.ended(&tried, ended),
            arrived = posts.arrived() => {
                for post in arrived {
                    core.waits(post);
                }
            }
        }
    }
    let finish = async {
        while core.running() > 0
            && let Some((tried, ended)) = told.recv().await
        {
            core.ended(&tried, ended);
        }
    };
    // Nobody is left who hears of the rest: they are made again.
    drop(tokio::time::timeout(FINISH_WITHIN, finish).await);
}

async fn begin(shared: &Shared, core: &mut Core) -> Result<(), kiln_store::Error> {
    for post in shared.store.posts().waiting().await? {
        core.waits(post);
    }
    Ok(())
}

fn start(
    shared: &Arc<Shared>,
    core: &mut Core,
    tried: Try,
    now: Timestamp,
    tell: &UnboundedSender<(Try, Ended)>,
) {
    let live = shared.store.topics().get(&tried.topic);
    let target = live.and_then(|live| Target::of(&live, tried.subscription, shared));
    if let Some(target) = &target
        && !target.policy.spacing().is_zero()
    {
        core.rests(tried.subscription, now + target.policy.spacing());
    }
    let (shared, tell) = (shared.clone(), tell.clone());
    shared.tracker.clone().spawn(async move {
        let ended = tokio::select! {
            ended = attempt(&shared, &tried, target) => ended,
            () = too_late(&shared) => return,
        };
        // Without anybody who hears of it the server stops.
        let _ = tell.send((tried, ended));
    });
}

/// The server stops, and has waited.
async fn too_late(shared: &Shared) {
    shared.stop.cancelled().await;
    tokio::time::sleep(FINISH_WITHIN).await;
}

async fn sleep(until: Option<Timestamp>, now: Timestamp) {
    let Some(until) = until else {
        return std::future::pending().await;
    };
    let ms = u64::try_from(until.as_millis() - now.as_millis()).unwrap_or(0);
    // A lane that is due has no room: it waits for an end, not for a time.
    let wait = match ms {
        0 => LOOK_AGAIN,
        ms => Duration::from_millis(ms).min(LOOK_AGAIN),
    };
    tokio::time::sleep(wait).await;
}

/// Forgets subscriptions that nobody confirmed in time.
async fn forget(shared: Arc<Shared>) {
    while !shared.stop.is_cancelled() {
        let now = shared.clock.timestamp();
        let topics = shared.store.topics();
        let late = topics.all_subscriptions().into_iter().filter(|one| {
            matches!(&one.confirmation, Confirmation::Pending { since, .. } if *since + CONFIRM_WITHIN < now)
        });
        for one in late.collect::<Vec<_>>() {
            if let Err(error) = topics.unsubscribe(&one.topic, one.id).await {
                tracing::error!(%error, "a subscription that nobody confirmed cannot be forgotten");
            }
        }
        tokio::select! {
            () = shared.stop.cancelled() => {}
            () = tokio::time::sleep(FORGET_EVERY) => {}
        }
    }
}
