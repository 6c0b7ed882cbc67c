//! What is counted while a trace runs.

use super::trace::Trace;
use crate::refusal::ThrottleReason;

/// Points of the curves of memory over time.
pub(super) const POINTS: usize = 240;

/// Counts, and memory over time. Memory that is neither busy nor ending is idle, also while an
/// instance that was started ahead of need is in its init.
pub(super) struct Observed {
    pub(super) functions: Vec<Calls>,
    pub(super) refused: [u64; ThrottleReason::ALL.len()],
    pub(super) decisions: u64,
    /// Of the requests that waited for an instance, how long, without inits.
    pub(super) waits_us: Vec<u64>,
    /// The sum of the inits that requests waited for.
    pub(super) init_us: u64,
    pub(super) requests: u64,
    pub(super) billed_ms: u64,
    pub(super) billed_mb_ms: u64,
    pub(super) busy: Level,
    pub(super) idle: Level,
    pub(super) instances: u64,
    pub(super) instances_max: u64,
    pub(super) memory_mb_max: u64,
    now_us: u64,
    point_us: u64,
}

/// What a request waited for before it ran.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waits {
    /// An init.
    pub(super) init_us: u64,
    /// Memory, the right to start, or an instance that came back before its own was there.
    pub(super) queue_us: u64,
}

/// How a function was called.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Calls {
    pub(super) granted: u64,
    pub(super) cold: u64,
    pub(super) refused: u64,
}

/// An amount of memory over time.
#[derive(Debug, Clone)]
pub(super) struct Level {
    pub(super) now_mb: u64,
    /// By point, in MB·µs; the last is for what happens after the trace's span.
    points: Vec<u128>,
}

impl Observed {
    pub(super) fn new(trace: &Trace) -> Self {
        let level = Level {
            now_mb: 0,
            points: vec![0; POINTS + 1],
        };
        Self {
            functions: vec![Calls::default(); trace.functions.len()],
            refused: Default::default(),
            decisions: 0,
            waits_us: Vec::new(),
            init_us: 0,
            requests: 0,
            billed_ms: 0,
            billed_mb_ms: 0,
            busy: level.clone(),
            idle: level,
            instances: 0,
            instances_max: 0,
            memory_mb_max: 0,
            now_us: 0,
            point_us: (trace.span.as_micros() as u64)
                .div_ceil(POINTS as u64)
                .max(1),
        }
    }

    /// Time passes.
    pub(super) fn pass(&mut self, now_us: u64) {
        while self.now_us < now_us {
            let point = ((self.now_us / self.point_us) as usize).min(POINTS);
            let end = match point == POINTS {
                true => now_us,
                false => now_us.min((point as u64 + 1) * self.point_us),
            };
            let passed = u128::from(end - self.now_us);
            for level in [&mut self.busy, &mut self.idle] {
                level.points[point] += u128::from(level.now_mb) * passed;
            }
            self.now_us = end;
        }
    }

    /// An instance starts.
    pub(super) fn starts(&mut self, memory_mb: u64) {
        self.idle.now_mb += memory_mb;
        self.instances += 1;
        self.instances_max = self.instances_max.max(self.instances);
        self.memory_mb_max = self.memory_mb_max.max(self.busy.now_mb + self.idle.now_mb);
    }

    /// An instance gets an invocation.
    pub(super) fn works(&mut self, memory_mb: u64) {
        self.idle.now_mb -= memory_mb;
        self.busy.now_mb += memory_mb;
    }

    /// An instance has run its invocation.
    pub(super) fn rests(&mut self, memory_mb: u64) {
        self.busy.now_mb -= memory_mb;
        self.idle.now_mb += memory_mb;
    }

    /// An instance that runs nothing ends.
    pub(super) fn ends(&mut self, memory_mb: u64) {
        self.idle.now_mb -= memory_mb;
        self.instances -= 1;
    }

    /// A request got an instance.
    pub(super) fn granted(&mut self, function: u32, waits: Waits) {
        let calls = &mut self.functions[function as usize];
        calls.granted += 1;
        calls.cold += u64::from(waits.init_us > 0);
        self.init_us += waits.init_us;
        if waits.queue_us > 0 {
            self.waits_us.push(waits.queue_us);
        }
    }

    /// A request got none.
    pub(super) fn refused(&mut self, function: u32, reason: ThrottleReason) {
        self.functions[function as usize].refused += 1;
        self.refused[reason.index()] += 1;
    }

    /// An invocation is charged: whole milliseconds, as AWS counts.
    pub(super) fn billed(&mut self, memory_mb: u64, time_us: u64) {
        let billed_ms = time_us.div_ceil(1_000);
        self.requests += 1;
        self.billed_ms += billed_ms;
        self.billed_mb_ms += billed_ms * memory_mb;
    }
}

impl Observed {
    /// Busy and idle memory within the trace's span, in GB, on average for each point.
    pub(super) fn memory_gb(&self) -> Vec<(f64, f64)> {
        let gb = |mb_us: u128| mb_us as f64 / 1024.0 / self.point_us as f64;
        let points = self.busy.points.iter().zip(&self.idle.points);
        let points = points.take(POINTS);
        points.map(|(busy, idle)| (gb(*busy), gb(*idle))).collect()
    }
}

impl Level {
    /// All of it, in GB-seconds.
    pub(super) fn gb_seconds(&self) -> f64 {
        self.points.iter().sum::<u128>() as f64 / 1024.0 / 1e6
    }
}
