//! A host without processes: instances that take time and fail as a seed says.
//!
//! Time is tokio's, so that a test with paused time runs as fast as it can decide.

use std::marker::PhantomData;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use kiln_types::{
    Initialization, InstanceId, Invocation, InvocationReport, InvocationStatus, Timestamp,
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::host::{Demand, Host, Instance, NoReport};

/// How simulated instances behave. Shares are in thousandths.
#[derive(Debug, Clone)]
pub struct Behaviour {
    /// Determines every latency and failure.
    pub seed: u64,
    /// How long init takes.
    pub init: Range<Duration>,
    /// How long an invocation takes.
    pub run: Range<Duration>,
    /// How long an instance goes on after it has answered.
    pub tail: Range<Duration>,
    /// How long an instance takes to be gone.
    pub stop: Range<Duration>,
    /// Of the starts, how many fail.
    pub start_failures: u32,
    /// Of the invocations, how many find their instance lost.
    pub losses: u32,
    /// Of the invocations, how many end their instance (timeout, crash).
    pub crashes: u32,
    /// Of the invocations that ran, how many have an outcome that nobody knows.
    pub unknowns: u32,
}

impl Default for Behaviour {
    /// No failures, and times of a small Python function.
    fn default() -> Self {
        let millis = Duration::from_millis;
        Self {
            seed: 1,
            init: millis(1)..millis(5),
            run: millis(1)..millis(20),
            tail: millis(0)..millis(0),
            stop: millis(1)..millis(3),
            start_failures: 0,
            losses: 0,
            crashes: 0,
            unknowns: 0,
        }
    }
}

/// Starts simulated instances. Clones share what they count.
pub struct SimulatedHost<S> {
    shared: Arc<Shared>,
    spec: PhantomData<fn() -> S>,
}

/// A simulated instance.
#[derive(Clone)]
pub struct SimulatedInstance {
    id: InstanceId,
    memory_bytes: u64,
    slots: u32,
    shared: Arc<Shared>,
    life: Arc<Life>,
}

struct Shared {
    behaviour: Behaviour,
    random: Mutex<SplitMix>,
    invocations: AtomicU64,
    overlaps: AtomicU64,
    live: AtomicUsize,
    live_max: AtomicUsize,
    memory_bytes: AtomicU64,
    memory_bytes_max: AtomicU64,
}

#[derive(Default)]
struct Life {
    initialised: tokio::sync::OnceCell<Result<Duration, NoReport>>,
    busy: AtomicU32,
    /// Until when it goes on with what it answered last, and how long that is.
    tail: Mutex<Option<(Instant, Duration)>>,
    /// Told to end when it runs nothing.
    stop: AtomicBool,
    /// Ends now.
    stopping: CancellationToken,
    gone: CancellationToken,
}

/// An invocation under way; when it is over, an instance that was told to stop ends. Dropped early
/// it counts as over: nobody can tell that from one that ended at this moment.
struct Running<'a>(&'a Life);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Ordering::SeqCst);
        self.0.end_if_told();
    }
}

impl Life {
    fn end_if_told(&self) {
        if self.stop.load(Ordering::SeqCst) && self.busy.load(Ordering::SeqCst) == 0 {
            self.stopping.cancel();
        }
    }
}

/// What a simulated host has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Invocations that ran.
    pub invocations: u64,
    /// Invocations that were sent to an instance that already ran as many as it takes: always a bug.
    pub overlaps: u64,
    /// Instances alive now.
    pub live: usize,
    /// The most instances alive at once.
    pub live_max: usize,
    /// The most memory promised at once, in bytes.
    pub memory_bytes_max: u64,
}

/// A small seeded generator (SplitMix64): the same seed gives the same numbers everywhere.
#[derive(Debug, Clone)]
pub struct SplitMix(u64);

impl SplitMix {
    /// Starts a sequence.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`, which is not zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next_u64() % bound
    }

    /// A time in the range; its start when the range is empty.
    pub fn duration(&mut self, range: &Range<Duration>) -> Duration {
        let nanos = range.end.saturating_sub(range.start).as_nanos() as u64;
        range.start + Duration::from_nanos(if nanos == 0 { 0 } else { self.below(nanos) })
    }

    /// True in this share of cases, in thousandths.
    pub fn chance(&mut self, thousandths: u32) -> bool {
        self.below(1000) < thousandths.into()
    }
}

impl<S> SimulatedHost<S> {
    /// A host whose instances behave like this.
    pub fn new(behaviour: Behaviour) -> Self {
        let shared = Shared {
            random: Mutex::new(SplitMix::new(behaviour.seed)),
            behaviour,
            invocations: AtomicU64::new(0),
            overlaps: AtomicU64::new(0),
            live: AtomicUsize::new(0),
            live_max: AtomicUsize::new(0),
            memory_bytes: AtomicU64::new(0),
            memory_bytes_max: AtomicU64::new(0),
        };
        Self {
            shared: Arc::new(shared),
            spec: PhantomData,
        }
    }

    /// What happened so far.
    pub fn seen(&self) -> Seen {
        let shared = &self.shared;
        Seen {
            invocations: shared.invocations.load(Ordering::SeqCst),
            overlaps: shared.overlaps.load(Ordering::SeqCst),
            live: shared.live.load(Ordering::SeqCst),
            live_max: shared.live_max.load(Ordering::SeqCst),
            memory_bytes_max: shared.memory_bytes_max.load(Ordering::SeqCst),
        }
    }
}

impl<S> Clone for SimulatedHost<S> {
    fn clone(&self) -> Self {
        Self {
            shared: self.shared.clone(),
            spec: PhantomData,
        }
    }
}

impl<S: Demand> Host for SimulatedHost<S> {
    type Spec = S;
    type Instance = SimulatedInstance;

    const BINDS_LATE: bool = true;

    fn start(&self, id: InstanceId, spec: &Arc<S>, _: Initialization) -> SimulatedInstance {
        let memory_bytes = spec.memory().bytes();
        let shared = &self.shared;
        let live = shared.live.fetch_add(1, Ordering::SeqCst) + 1;
        shared.live_max.fetch_max(live, Ordering::SeqCst);
        let memory = shared
            .memory_bytes
            .fetch_add(memory_bytes, Ordering::SeqCst)
            + memory_bytes;
        shared.memory_bytes_max.fetch_max(memory, Ordering::SeqCst);
        SimulatedInstance {
            id,
            memory_bytes,
            slots: spec.slots().get(),
            shared: shared.clone(),
            life: Arc::new(Life::default()),
        }
    }
}

impl SimulatedInstance {
    /// Which one it is.
    pub fn id(&self) -> InstanceId {
        self.id
    }

    fn tail(&self) -> Option<(Instant, Duration)> {
        *self.life.tail.lock().expect("no holder panics")
    }

    fn draw<T>(&self, draw: impl FnOnce(&mut SplitMix, &Behaviour) -> T) -> T {
        let mut random = self.shared.random.lock().expect("no holder panics");
        draw(&mut random, &self.shared.behaviour)
    }

    /// Runs the init once, whoever asks first.
    async fn initialise(&self) -> Result<Duration, NoReport> {
        let init = self.life.initialised.get_or_init(|| async {
            let (takes, fails) = self.draw(|random, behaviour| {
                (
                    random.duration(&behaviour.init),
                    random.chance(behaviour.start_failures),
                )
            });
            tokio::time::sleep(takes).await;
            if fails {
                self.life.stopping.cancel();
                return Err(NoReport::StartFailed("simulated".to_owned()));
            }
            Ok(takes)
        });
        init.await.clone()
    }

    async fn run(&self, invocation: Invocation) -> Result<InvocationReport, NoReport> {
        if self.life.stop.load(Ordering::SeqCst) {
            return Err(NoReport::Lost);
        }
        let first = !self.life.initialised.initialized();
        let init = self.initialise().await?;
        let (takes, lost, crashes, unknown) = self.draw(|random, behaviour| {
            let takes = random.duration(&behaviour.run);
            (
                takes,
                random.chance(behaviour.losses),
                random.chance(behaviour.crashes),
                random.chance(behaviour.unknowns),
            )
        });
        if lost || self.life.stopping.is_cancelled() {
            self.life.stopping.cancel();
            return Err(NoReport::Lost);
        }
        let killed = tokio::select! {
            () = tokio::time::sleep(takes) => false,
            () = self.life.stopping.cancelled() => true,
        };
        let crashes = crashes || killed;
        self.shared.invocations.fetch_add(1, Ordering::SeqCst);
        if unknown {
            self.life.stopping.cancel();
            return Err(NoReport::Unknown);
        }
        if crashes {
            self.life.stopping.cancel();
        }
        let status = if crashes {
            InvocationStatus::Crash
        } else {
            InvocationStatus::Success
        };
        Ok(InvocationReport {
            status,
            payload: if crashes {
                Bytes::new()
            } else {
                invocation.payload
            },
            started: Timestamp::default(),
            duration: takes,
            restore: None,
            share: None,
            init: first.then_some(init),
            memory_peak_bytes: self.memory_bytes / 4,
            cpu: takes / 2,
            traffic: Default::default(),
            log_tail: None,
        })
    }
}

impl Instance for SimulatedInstance {
    async fn invoke(&self, invocation: Invocation) -> Result<InvocationReport, NoReport> {
        // Of several nobody says when they are done after an answer.
        let in_tail = self.slots == 1 && self.tail().is_some_and(|(end, _)| Instant::now() < end);
        if self.life.busy.fetch_add(1, Ordering::SeqCst) >= self.slots || in_tail {
            self.shared.overlaps.fetch_add(1, Ordering::SeqCst);
        }
        let _running = Running(&self.life);
        let report = self.run(invocation).await;
        let tail = self.draw(|random, behaviour| random.duration(&behaviour.tail));
        *self.life.tail.lock().expect("no holder panics") = Some((Instant::now() + tail, tail));
        report
    }

    async fn settled(&self) -> Duration {
        let Some((end, tail)) = self.tail() else {
            return Duration::ZERO;
        };
        tokio::time::sleep_until(end).await;
        tail
    }

    async fn ready(&self) -> Result<(), NoReport> {
        self.initialise().await.map(|_| ())
    }

    async fn stopped(&self) {
        self.life.stopping.cancelled().await;
        let takes = self.draw(|random, behaviour| random.duration(&behaviour.stop));
        tokio::time::sleep(takes).await;
        if !self.life.gone.is_cancelled() {
            self.life.gone.cancel();
            self.shared.live.fetch_sub(1, Ordering::SeqCst);
            self.shared
                .memory_bytes
                .fetch_sub(self.memory_bytes, Ordering::SeqCst);
        }
    }

    fn freeze(&self) {}

    fn stop(&self) {
        self.life.stop.store(true, Ordering::SeqCst);
        self.life.end_if_told();
    }

    fn kill(&self) {
        self.life.stop.store(true, Ordering::SeqCst);
        self.life.stopping.cancel();
    }
}
