//! Where the handlers of requests and the driver meet.

use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::Notify;

use super::exchange::{Event, Exchange};

/// Requests and connections from which nothing follows that a runtime may make without being slowed
/// down; the count begins anew when something follows.
const STRAYS_MAX: u32 = 16;
/// How long each further one takes: a hundred per second and connection cost little.
const STRAY_PAUSE: Duration = Duration::from_millis(10);

/// One runtime's [`Exchange`], and who waits for an event.
#[derive(Debug, Default)]
pub(super) struct Desk {
    exchange: Mutex<Exchange>,
    handed_over: Notify,
}

impl Desk {
    /// The state of the conversation. Held for the length of a decision.
    pub(super) fn exchange(&self) -> MutexGuard<'_, Exchange> {
        self.exchange.lock().expect("decisions do not panic")
    }

    /// Hands an event over to whoever waits for it now or later.
    pub(super) fn hand_over(&self, event: Event) {
        self.exchange().hand_over(event);
        self.handed_over.notify_one();
    }

    /// Waits for an event. May be dropped at any time without losing one.
    pub(super) async fn event(&self) -> Event {
        loop {
            self.handed_over.notified().await;
            if let Some(event) = self.exchange().take_event() {
                return event;
            }
        }
    }

    /// Counts a request or a connection from which nothing followed, and says how long to pause.
    pub(super) fn count_stray(&self) -> Option<Duration> {
        let strays = self.exchange().count_stray();
        (strays > STRAYS_MAX).then_some(STRAY_PAUSE)
    }
}
