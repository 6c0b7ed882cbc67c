//! Instances that are made of a snapshot, and what becomes of those that cannot be.

use std::sync::Arc;
use std::time::Duration;

use kiln_types::{Initialization, Restore};

use super::{Driver, Evidence};
use crate::lifecycle::InitFailure;
use crate::report::record;
use crate::snapshots::{Kept, Next};

/// The class of hooks that fail after the restore, as AWS's runtime says it.
const HOOK_ERROR: &str = "Runtime.AfterRestoreError";

impl Driver {
    /// Whether an error of this class is of a hook that runs after the restore.
    pub(super) fn is_of_hook(&self, class: Option<&str>) -> bool {
        self.reporter.how() == Initialization::SnapStart && class == Some(HOOK_ERROR)
    }

    /// The process has become a copy, and its hooks begin. Says whether that means anything.
    pub(super) fn on_resumed(&mut self) -> bool {
        let is_expected = self.restoring.is_some() && self.resumed.is_none();
        if is_expected {
            self.resumed = Some(self.context.clock.now());
        }
        is_expected
    }

    /// Its hooks took so long. Says whether that means anything.
    pub(super) fn on_restored(&mut self, hooks: Duration) -> bool {
        let is_expected = self.restoring.is_some() && self.restored.is_none();
        if is_expected {
            self.restored = Some(hooks);
        }
        is_expected
    }

    /// It could not, and initialises as any; the snapshot is good for nobody.
    pub(super) fn on_not_restored(&mut self, why: &str) -> bool {
        let is_expected = self.restoring.is_some() && self.restored.is_none();
        if is_expected {
            tracing::info!(instance = %self.id, why, "an instance could not be made of a snapshot");
            if self.give_up_snapshot() == Next::Another {
                // Asking is what has it taken.
                drop(self.context.snapshots.get(&self.spec));
            }
        }
        is_expected
    }

    /// The instance was made of its snapshot, and needs it no more.
    pub(super) fn has_restored(&mut self) {
        self.restoring = None;
        self.lifecycle.set_restoring(false);
        if let Some(key) = self.spec.snapshot_key() {
            self.context.snapshots.is_good(&key);
        }
    }

    /// Has the next attempt initialise; nothing is made of the snapshot any more.
    pub(super) fn give_up_snapshot(&mut self) -> Next {
        let broken = self.end_restoring();
        let (Some(broken), Some(key)) = (broken, self.spec.snapshot_key()) else {
            return Next::Nothing;
        };
        let next = self.context.snapshots.is_broken(&key, &broken);
        self.context.after_useless_snapshot(&self.spec, next);
        next
    }

    /// Has the next attempt initialise.
    pub(super) fn end_restoring(&mut self) -> Option<Arc<Kept>> {
        self.resumed = None;
        self.restored = None;
        self.lifecycle.set_restoring(false);
        self.restoring.take()
    }

    /// Restoring has failed.
    pub(super) fn report_failed_restore(&mut self, failure: InitFailure, duration: Duration) {
        let error_type = self.init_error_type(failure).to_owned();
        self.log_restore_report(duration, Some((failure, &error_type)));
        if failure.is_of_restore() && !self.flights.is_empty() {
            let hooks = self
                .resumed
                .map(|since| self.context.clock.now().since(since));
            let hooks = hooks.unwrap_or_default();
            self.failed_restore = Some(Restore { duration, hooks });
        }
        let is_of_hooks = match failure {
            InitFailure::RestoreTimedOut => self.resumed.is_some(),
            failure => failure.is_of_restore(),
        };
        if !failure.is_of_restore() {
            self.evidence = Evidence::default();
        }
        match is_of_hooks {
            // One failed or waits for something: the snapshot is as good as before.
            true => drop(self.end_restoring()),
            false => {
                self.give_up_snapshot();
            }
        }
    }

    /// What the report of the first invocation says of init, or of what came in its place.
    pub(super) fn init_or_restore(
        &mut self,
        init: Option<Duration>,
    ) -> (Option<Duration>, Option<Restore>) {
        match (init, self.restored) {
            (Some(duration), Some(hooks)) => {
                self.restored = None;
                // It is the function that says what they took.
                let hooks = hooks.min(duration);
                (None, Some(Restore { duration, hooks }))
            }
            (init, _) => (init, self.failed_restore.take()),
        }
    }

    /// Restoring begins.
    pub(super) fn log_restore_start(&mut self) {
        let now = self.context.clock.timestamp();
        let runtime = self.spec.configuration.runtime.as_ref();
        if let Some(runtime) = runtime.filter(|_| self.spec.logs_text()) {
            let line = format!("RESTORE_START Runtime Version: {runtime}");
            self.journal.platform(line, now);
        }
    }

    /// Restoring is over, well or not.
    pub(super) fn log_restore_report(
        &mut self,
        duration: Duration,
        failure: Option<(InitFailure, &str)>,
    ) {
        if !self.spec.logs_text() {
            return;
        }
        let millis = duration.as_secs_f64() * 1000.0;
        let status = match failure {
            None => String::new(),
            Some((InitFailure::TimedOut | InitFailure::RestoreTimedOut, _)) => {
                "\tStatus: timeout".to_owned()
            }
            Some((_, class)) => format!("\tStatus: error\tError Type: {class}"),
        };
        let line = format!("RESTORE_REPORT Restore Duration: {millis:.2} ms{status}");
        self.journal.platform(line, self.context.clock.timestamp());
    }

    /// What extensions hear of an instance that was restored.
    pub(super) fn observe_restore(&mut self, duration: Duration) {
        let now = self.context.clock.timestamp();
        let start = record::restore_start(&self.spec);
        if let Some(telemetry) = self.subscribers() {
            telemetry.platform(now, "platform.restoreStart", || start);
            let done = "platform.restoreRuntimeDone";
            telemetry.platform(now, done, record::restore_runtime_done);
            telemetry.platform(now, "platform.restoreReport", || {
                record::restore_report(duration)
            });
        }
    }
}
