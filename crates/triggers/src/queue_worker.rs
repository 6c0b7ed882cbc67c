//! What the mapping of a message queue does while it is enabled: pollers, each a task, that take a batch, have the
//! function run on it, and settle it message by message.
//!
//! A message is gone only after the function has taken it. What the function fails on stays hidden for as long as its
//! queue says and is received again then; what could not be run is kept hidden and tried again, so that a limit of the
//! function uses up none of its receives.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use kiln_types::Mapping;
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_util::sync::CancellationToken;

use crate::handle::Shared;
use crate::messages::MessageSource;
use crate::pollers::{Event, Pollers};
use crate::results::Results;
use crate::supervisor::{is_unchanged, settle, write};

mod held;
mod poller;

use poller::{Poller, Said};

/// The longest sleep: nothing depends on it.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// The working state of a mapping.
pub(crate) struct QueueWorker {
    setting: Arc<Setting>,
    said: UnboundedReceiver<Said>,
    results: Results,
    /// Pollers whose end was not heard of.
    alive: u32,
    first: u32,
}

/// What the pollers of a mapping share.
struct Setting {
    shared: Arc<Shared>,
    mapping: Arc<Mapping>,
    source: Arc<dyn MessageSource>,
    filters: kiln_events::filter::Filters,
    pollers: Mutex<Pollers>,
    tell: tokio::sync::mpsc::UnboundedSender<Said>,
    /// After this none takes anything.
    stop: CancellationToken,
}

impl QueueWorker {
    pub(crate) fn new(
        shared: Arc<Shared>,
        mapping: Arc<Mapping>,
        source: Arc<dyn MessageSource>,
    ) -> Self {
        let (tell, said) = unbounded_channel();
        let (pollers, first) = Pollers::new(mapping.settings.concurrency_max);
        let filters = crate::filters::read(&mapping);
        let results = Results::new(mapping.last_result.clone());
        let setting = Setting {
            shared,
            mapping,
            source,
            filters,
            pollers: Mutex::new(pollers),
            tell,
            stop: CancellationToken::new(),
        };
        Self {
            setting: Arc::new(setting),
            said,
            results,
            alive: 0,
            first,
        }
    }

    /// Works until the definition changes or the server stops.
    pub(crate) async fn run(mut self, changed: &Notify) {
        let setting = self.setting.clone();
        self.start(self.first);
        settle(&setting.shared, &setting.mapping).await;
        while is_unchanged(&setting.shared, &setting.mapping) {
            self.show().await;
            let sleep = self.sleep();
            tokio::select! {
                () = setting.shared.deps.stop.cancelled() => break,
                () = changed.notified() => {}
                Some(said) = self.said.recv() => self.hear(said),
                () = tokio::time::sleep(sleep) => {
                    let now = setting.shared.deps.clock.now();
                    let started = setting.pollers().on(Event::Tick, now).started;
                    self.start(started);
                }
            }
        }
        self.leave().await;
    }

    fn start(&mut self, count: u32) {
        for _ in 0..count {
            self.alive += 1;
            let poller = Poller::new(self.setting.clone());
            self.setting.shared.deps.tracker.spawn(poller.run());
        }
    }

    fn sleep(&self) -> Duration {
        let now = self.setting.shared.deps.clock.now();
        let wakes = [self.setting.pollers().wake_at(), self.results.due()];
        let wake = wakes.into_iter().flatten().min();
        // Timers fire up to a millisecond early.
        let until = wake.map(|wake| wake.since(now) + Duration::from_millis(1));
        until.unwrap_or(LOOK_AGAIN).min(LOOK_AGAIN)
    }

    fn hear(&mut self, said: Said) {
        match said {
            Said::Started(count) => self.start(count),
            Said::Listens => self.results.trouble(None),
            Said::Succeeded => self.results.succeeded(),
            Said::Failed => self.results.failed(),
            Said::Problem(text) => self.results.last(text),
            Said::Trouble(text) => {
                if self.results.is_new_trouble(&text) {
                    let mapping = self.setting.mapping.id;
                    tracing::warn!(%mapping, error = text, "an event source cannot be listened to; trying again");
                }
                self.results.trouble(Some(text));
                self.results.hasten();
            }
            Said::Ended => self.alive -= 1,
        }
    }

    /// Writes how it went last, if that is new and not written too often.
    async fn show(&mut self) {
        let shared = &self.setting.shared;
        if let Some(text) = self.results.take_new(shared.deps.clock.now()) {
            write(shared, self.setting.mapping.id, move |mapping| {
                mapping.last_result.clone_from(&text);
            })
            .await;
        }
    }

    /// Has nothing more taken, and waits for what runs.
    async fn leave(mut self) {
        self.setting.stop.cancel();
        while self.alive > 0 {
            match self.said.recv().await {
                // They would end at once.
                Some(Said::Started(_)) => {}
                Some(said) => self.hear(said),
                None => break,
            }
        }
        self.results.hasten();
        self.show().await;
    }
}

impl Setting {
    fn pollers(&self) -> MutexGuard<'_, Pollers> {
        self.pollers.lock().expect("no holder panics")
    }
}
