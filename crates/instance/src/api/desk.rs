//! Where the handlers of requests and the driver meet.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use kiln_types::RequestId;
use tokio::sync::Notify;

use crate::extensions::roster::{Notice, Roster};
use crate::runtime_api::exchange::{Event, Exchange};
use crate::spec::Spec;
use crate::telemetry::Subscription;

/// Requests and connections from which nothing follows that a runtime may make without being slowed
/// down; the count begins anew when something follows.
const STRAYS_MAX: u32 = 16;
/// How long each further one takes: a hundred per second and connection cost little.
const STRAY_PAUSE: Duration = Duration::from_millis(10);

/// The conversations with the programs of one instance, and who waits for an event.
#[derive(Debug)]
pub(crate) struct Desk {
    spec: Arc<Spec>,
    has_runtime_api: bool,
    exchange: Mutex<Exchange>,
    handed_over: Notify,
    roster: Mutex<Roster>,
    noticed: Notify,
    /// What the driver has not taken yet; no more than there are extensions.
    subscriptions: Mutex<Vec<Subscription>>,
}

impl Desk {
    /// For an instance with these external extensions. Without `has_runtime_api` its runtime talks to
    /// Kiln in another way.
    pub(crate) fn new(spec: Arc<Spec>, external: &[String], has_runtime_api: bool) -> Self {
        Self {
            has_runtime_api,
            exchange: Mutex::new(Exchange::new(spec.slots())),
            handed_over: Notify::new(),
            roster: Mutex::new(Roster::new(external).of_shared(spec.slots().are_shared())),
            spec,
            noticed: Notify::new(),
            subscriptions: Mutex::default(),
        }
    }

    /// The function.
    pub(crate) fn spec(&self) -> &Spec {
        &self.spec
    }

    pub(crate) fn has_runtime_api(&self) -> bool {
        self.has_runtime_api
    }

    /// The state of the conversation with the runtime. Held for the length of a decision.
    pub(crate) fn exchange(&self) -> MutexGuard<'_, Exchange> {
        self.exchange.lock().expect("decisions do not panic")
    }

    /// The state of those with the extensions. Held for the length of a decision.
    pub(crate) fn roster(&self) -> MutexGuard<'_, Roster> {
        self.roster.lock().expect("decisions do not panic")
    }

    /// An extension wants telemetry; it replaces what the same one wanted before.
    pub(crate) fn subscribe(&self, subscription: Subscription) {
        let mut waiting = self.subscriptions();
        waiting.retain(|other| other.name != subscription.name);
        waiting.push(subscription);
    }

    /// Whether anything happened that the driver has not seen.
    pub(crate) fn has_news(&self) -> bool {
        self.roster().take_changed() || !self.subscriptions().is_empty()
    }

    /// Who wants telemetry and was not served yet.
    pub(crate) fn take_subscriptions(&self) -> Vec<Subscription> {
        std::mem::take(&mut *self.subscriptions())
    }

    fn subscriptions(&self) -> MutexGuard<'_, Vec<Subscription>> {
        self.subscriptions.lock().expect("decisions do not panic")
    }

    /// Hands an event over to whoever waits for it now or later.
    pub(crate) fn hand_over(&self, event: Event) {
        self.exchange().hand_over(event);
        self.handed_over.notify_one();
    }

    /// Waits for an event. May be dropped at any time without losing one.
    pub(crate) async fn event(&self) -> Event {
        let _waiting = Asking::new(self);
        loop {
            self.handed_over.notified().await;
            let mut exchange = self.exchange();
            if let Some(event) = exchange.take_event() {
                // Those handed over at once may have left one notice together.
                if exchange.has_event() {
                    self.handed_over.notify_one();
                }
                return event;
            }
        }
    }

    /// Has extensions look for what was noted for them.
    pub(crate) fn wake_extensions(&self) {
        self.noticed.notify_waiters();
    }

    /// Waits for what an extension is to be told. May be dropped at any time without losing it.
    pub(crate) async fn notice(&self, extension: RequestId) -> Notice {
        loop {
            let mut noticed = std::pin::pin!(self.noticed.notified());
            // From here on none is missed.
            noticed.as_mut().enable();
            if let Some(notice) = self.roster().take_notice(extension) {
                return notice;
            }
            noticed.await;
        }
    }

    /// Something followed from a request.
    pub(crate) fn progressed(&self) {
        self.exchange().forget_strays();
    }

    /// Counts a request or a connection from which nothing followed, and says how long to pause.
    pub(crate) fn count_stray(&self) -> Option<Duration> {
        let strays = self.exchange().count_stray();
        // Each of several at a time may come over a connection of its own.
        let strays_max = STRAYS_MAX + 2 * (self.spec.slots().get() - 1);
        (strays > strays_max).then_some(STRAY_PAUSE)
    }
}

/// One who waits for an event; no longer when dropped.
struct Asking<'a>(&'a Desk);

impl<'a> Asking<'a> {
    fn new(desk: &'a Desk) -> Self {
        desk.exchange().count_waiting(true);
        Self(desk)
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.0.exchange().count_waiting(false);
    }
}
