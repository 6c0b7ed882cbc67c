//! What extensions are told by way of telemetry, and what the log says of them.

use std::time::Duration;

use kiln_types::Timestamp;

use super::{Driver, Process};
use crate::lifecycle::{Farewell, InitFailure, Phase, State};
use crate::report::{Finished, record};
use crate::telemetry::{Source, Telemetry};

impl Driver {
    /// Whoever gets telemetry; none when nobody wants to have the platform's.
    pub(super) fn subscribers(&mut self) -> Option<&mut Telemetry> {
        let telemetry = self.process.as_mut()?.ensemble.telemetry();
        telemetry.wants(Source::Platform).then_some(telemetry)
    }

    /// Extensions have printed these lines.
    pub(super) fn log_extensions(&mut self, lines: Vec<String>) {
        let (now, time) = (self.context.clock.now(), self.context.clock.timestamp());
        for line in lines {
            if let Some(process) = &mut self.process {
                let telemetry = process.ensemble.telemetry();
                telemetry.line(Source::Extension, time, &line);
            }
            self.journal.function(line, time, now);
        }
    }

    /// The network says something about what the function does.
    pub(super) fn log_notice(&mut self, notice: String) {
        let (now, time) = (self.context.clock.now(), self.context.clock.timestamp());
        self.journal.function(notice, time, now);
    }

    /// The same of all that was not heard yet.
    pub(super) fn log_notices(&mut self) {
        let line = |process: &mut Process| process.line.as_mut()?.waiting_notice();
        while let Some(notice) = self.process.as_mut().and_then(line) {
            self.log_notice(notice);
        }
    }

    /// An extension gets telemetry from now on.
    pub(super) fn log_subscription(&mut self, name: &str, types: &[&'static str]) {
        let now = self.context.clock.timestamp();
        if let Some(record) = self.reporter.subscription(name, types, now) {
            self.journal.platform(record, now);
        }
        if let Some(telemetry) = self.subscribers() {
            let kind = "platform.telemetrySubscription";
            telemetry.platform(now, kind, || record::subscription(name, types));
        }
    }

    /// Init is over: it is known who the extensions are.
    pub(super) fn observe_init(&mut self) {
        if self.restored.is_some() {
            let (_, duration) = self.init_took();
            self.log_restore_report(duration, None);
            self.has_restored();
        }
        let Some(process) = &self.process else {
            return;
        };
        if !process.ensemble.has_extensions() {
            return;
        }
        self.lifecycle
            .set_farewell(match process.ensemble.has_externals() {
                true => Farewell::Extensions,
                false => Farewell::Runtime,
            });
        let now = self.context.clock.timestamp();
        for listed in process.ensemble.extensions() {
            if let Some(record) = self.reporter.extension(&listed, now) {
                self.journal.platform(record, now);
            }
            if let Some(telemetry) = self.subscribers() {
                telemetry.platform(now, "platform.extension", || {
                    record::extension(&listed.name, listed.state, &listed.events)
                });
            }
        }
        let (phase, duration) = self.init_took();
        if self.restored.is_some() {
            return self.observe_restore(duration);
        }
        let how = self.reporter.how();
        if let Some(telemetry) = self.subscribers() {
            telemetry.platform(now, "platform.initRuntimeDone", || {
                record::init_runtime_done(how, phase, None)
            });
            telemetry.platform(now, "platform.initReport", || {
                record::init_report(how, phase, None, duration)
            });
        }
    }

    /// On whose time an init ran that has just ended, and for how long.
    fn init_took(&self) -> (Phase, Duration) {
        match *self.lifecycle.state() {
            State::Idle {
                init: Some(init), ..
            }
            | State::Busy {
                init: Some(init), ..
            } => (Phase::Init, init),
            State::Crowded { .. } => match self.lifecycle.first_of_crowd() {
                Some((_, Some(init))) => (Phase::Init, init),
                Some((since, None)) => (Phase::Invoke, self.context.clock.now().since(since)),
                None => (Phase::Invoke, Duration::ZERO),
            },
            State::Busy { since, .. } => (Phase::Invoke, self.context.clock.now().since(since)),
            _ => (Phase::Invoke, Duration::ZERO),
        }
    }

    /// Init has failed.
    pub(super) fn observe_failed_init(
        &mut self,
        phase: Phase,
        failure: InitFailure,
        duration: Duration,
    ) {
        let now = self.context.clock.timestamp();
        let class = self.init_error_type(failure).to_owned();
        let how = self.reporter.how();
        if let Some(telemetry) = self.subscribers() {
            let failure = Some((failure, class.as_str()));
            telemetry.platform(now, "platform.initRuntimeDone", || {
                record::init_runtime_done(how, phase, failure)
            });
            telemetry.platform(now, "platform.initReport", || {
                record::init_report(how, phase, failure, duration)
            });
        }
    }

    /// An invocation begins.
    pub(super) fn observe_start(&mut self, now: Timestamp) {
        let version = self.spec.configuration.version;
        let (Some(in_flight), Some(process)) = (self.flights.current(), &mut self.process) else {
            return;
        };
        let invocation = &in_flight.invocation;
        process
            .ensemble
            .telemetry()
            .platform(now, "platform.start", || {
                record::start(invocation.request_id, version, invocation.trace.as_deref())
            });
    }

    /// The runtime has answered, or will not.
    pub(super) fn observe_runtime_done(&mut self, finished: &Finished<'_>, trace: Option<&str>) {
        let now = self.context.clock.timestamp();
        if let Some(telemetry) = self.subscribers() {
            telemetry.platform(now, "platform.runtimeDone", || {
                record::runtime_done_traced(finished, finished.report.started, trace)
            });
        }
    }

    /// An invocation is over.
    pub(super) fn observe_report(&mut self, finished: &Finished<'_>, now: Timestamp) {
        let memory = self.spec.configuration.memory;
        if let Some(telemetry) = self.subscribers() {
            telemetry.platform(now, "platform.report", || record::report(finished, memory));
        }
    }
}
