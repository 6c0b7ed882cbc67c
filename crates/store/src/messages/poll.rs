//! Waits for messages.
//!
//! Whoever waits sleeps until a message arrives or a hidden one can be received; nobody asks again and
//! again. An arrival wakes one of them, and whoever stops waiting wakes another: it may have been the one
//! that knew of the next message.

use std::sync::Arc;
use std::time::Duration;

use kiln_types::Clock;
use tokio::sync::Notify;

use super::Messages;
use super::message::Message;
use super::receive::{Receive, ReceiveError};

/// Wakes another when its owner stops waiting, however that is.
struct PassOn(Arc<Notify>);

impl Drop for PassOn {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

impl Messages {
    /// Takes messages as [`Messages::receive`] does, and waits for the first for so long, or until it is told to stop.
    /// Dropped while it waits, it takes none; dropped while it takes some, those stay hidden for as long as if
    /// somebody had them.
    pub async fn poll(
        &self,
        ask: Receive,
        wait: Duration,
        clock: &dyn Clock,
        stop: impl Future<Output = ()>,
    ) -> Result<Vec<Message>, ReceiveError> {
        let live = self.registry.get(&ask.queue);
        let live = live.ok_or_else(|| ReceiveError::NoQueue(ask.queue.clone()))?;
        let end = clock.now() + wait;
        let _pass_on = PassOn(live.arrivals.clone());
        let mut stop = std::pin::pin!(stop);
        loop {
            // Before it is looked, so that what arrives meanwhile is not missed.
            let mut arrival = std::pin::pin!(live.arrivals.notified());
            arrival.as_mut().enable();
            let received = self.receive(ask.clone(), clock.timestamp()).await?;
            let left = end.since(clock.now());
            if !received.messages.is_empty() || left.is_zero() {
                return Ok(received.messages);
            }
            let until_next = received.next.map(|next| {
                let ms = next.as_millis() - clock.timestamp().as_millis();
                Duration::from_millis(ms.max(1) as u64)
            });
            let sleep = until_next.map_or(left, |until| until.min(left));
            tokio::select! {
                () = arrival => {}
                () = tokio::time::sleep(sleep) => {}
                () = &mut stop => return Ok(Vec::new()),
            }
        }
    }
}
