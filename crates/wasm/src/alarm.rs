//! The guest's time limit: a thread that moves the engine's epoch on when the time is up.
//!
//! The daemon ends a function whose time is up with everything around it. This is the wall inside, in
//! case that the daemon cannot: a guest is interrupted wherever it is, a little later.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use wasmtime::Engine;

/// How long after the function's time its guest is interrupted. The daemon is first unless it is stuck.
pub(crate) const GRACE: Duration = Duration::from_millis(500);

/// Wakes a guest that overruns.
pub(crate) struct Alarm {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// When to interrupt.
    at: Option<Instant>,
    /// When the thread looks again by itself.
    looks_at: Option<Instant>,
}

impl Alarm {
    /// Starts the thread. It sleeps while no alarm is set.
    pub(crate) fn start(engine: &Engine) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let (engine, watched) = (engine.clone(), Arc::clone(&shared));
        thread::Builder::new()
            .name("alarm".to_owned())
            .spawn(move || watched.watch(&engine))?;
        Ok(Self { shared })
    }

    /// Interrupts whatever guest runs after so long.
    pub(crate) fn set(&self, after: Duration) {
        let at = now() + after;
        let mut state = self.shared.lock();
        state.at = Some(at);
        // A thread that looks sooner anyway need not be woken: that costs more than the call.
        if state.looks_at.is_none_or(|looks_at| looks_at > at) {
            self.shared.changed.notify_one();
        }
    }

    /// Nobody is to be interrupted any more.
    pub(crate) fn clear(&self) {
        self.shared.lock().at = None;
    }
}

impl Shared {
    fn watch(&self, engine: &Engine) {
        let mut state = self.lock();
        loop {
            let Some(at) = state.at else {
                state.looks_at = None;
                let waited = self.changed.wait(state);
                state = waited.unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = at.saturating_duration_since(now());
            if left.is_zero() {
                state.at = None;
                engine.increment_epoch();
                continue;
            }
            state.looks_at = Some(at);
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "a program of its own, which runs one guest in real time: there is no clock to be given"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}
