//! Tells whoever runs events that some have come: by function and earliest time, so that a flood
//! takes no more memory than one event.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use kiln_types::{FunctionId, Timestamp};
use tokio::sync::Notify;

use super::key::Lane;

/// A function has an event that is due from then on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// Its place in the queue.
    pub lane: Lane,
    /// Which.
    pub function: FunctionId,
    /// When.
    pub due: Timestamp,
}

/// What has arrived since it was last asked. Clones share it.
#[derive(Clone, Default)]
pub struct Arrivals {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    first: Mutex<HashMap<Lane, Arrival>>,
    notify: Notify,
}

impl Arrivals {
    pub(super) fn tell(&self, arrival: Arrival) {
        let mut first = self.shared.first.lock().expect("no holder panics");
        let known = first.entry(arrival.lane).or_insert_with(|| arrival.clone());
        // A lane may have become another function's.
        if arrival.due < known.due || arrival.function != known.function {
            *known = arrival;
        }
        drop(first);
        self.shared.notify.notify_one();
    }

    /// What has arrived, at most one a function; waits until there is something.
    pub async fn take(&self) -> Vec<Arrival> {
        loop {
            let notified = self.shared.notify.notified();
            let taken = std::mem::take(&mut *self.shared.first.lock().expect("no holder panics"));
            if !taken.is_empty() {
                return taken.into_values().collect();
            }
            notified.await;
        }
    }
}
