//! Doing what the lifecycle says.

use std::io;
use std::time::Duration;

use tokio::net::unix::pipe::Receiver;

use super::launch::INIT_CPU_MILLIS;
use super::process::Process;
use super::{Driver, Evidence};
use crate::error::Error;
use crate::lifecycle::{Action, Event, InitFailure, Phase};
use crate::output::Piece;
use crate::runtime::{Init, Invoke, TimeLimit};
use crate::telemetry::Source;

/// How much output one drain reads. A process may write as fast as it is read, so there is an end.
const DRAIN_BYTES_MAX: usize = 1024 * 1024;
/// How much output is read before other tasks and the timers have their turn.
const TURN_BYTES_MAX: usize = 64 * 1024;
/// Room for pieces that is kept between reads.
const PIECES_KEPT: usize = 1024;
/// How much output may wait for the first invocation to begin. The mark that it waits behind can be
/// written by the function too: beyond this, it is not believed and the output is logged.
const HELD_BYTES_MAX: usize = 1024 * 1024;

impl Driver {
    /// Lets the lifecycle decide and does what it says.
    pub(super) fn on(&mut self, event: Event) {
        self.follows(event);
    }

    /// The same, and whether anything followed.
    pub(super) fn follows(&mut self, event: Event) -> bool {
        let now = self.context.clock.now();
        let actions = self.lifecycle.on(event, now);
        let anything = !actions.is_empty();
        for action in actions {
            self.perform(action);
        }
        anything
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::About(request) => self.flights.speak_of(request),
            Action::GiveUp => self.give_up(),
            Action::Lease => {
                self.share();
                self.lease();
            }
            Action::Discard => {
                self.end_output();
                self.shares.restart();
                self.beginning = None;
                self.process = None;
                self.log_pieces();
                if self.flights.is_empty() {
                    self.shared.unloaded.cancel();
                }
            }
            Action::Initialise => self.initialise(),
            Action::DeliverAfterInit => self.deliver(true),
            Action::Deliver => self.deliver(false),
            Action::Freeze => self.freeze(),
            Action::Thaw => self.thaw(),
            Action::Alarm(moment) => {
                let wait = moment.since(self.context.clock.now());
                self.alarm
                    .as_mut()
                    .reset(tokio::time::Instant::now() + wait);
            }
            Action::InitOver => self.end_init(),
            Action::Begin => self.begin(),
            Action::Finish {
                ending,
                duration,
                init,
            } => self.finish(ending, duration, init),
            Action::Answer { duration, init } => self.answer(duration, init),
            Action::Close { ending, duration } => self.close(ending, duration),
            Action::RefuseStart => {
                let why = self.evidence.lease_error.clone();
                let untrusted = self.evidence.untrusted.clone().map(Error::Untrusted);
                let error =
                    untrusted.unwrap_or_else(|| why.map_or(Error::Lost, Error::StartFailed));
                if let Some(in_flight) = self.flights.take() {
                    let _ = in_flight.answer.send(Err(error));
                }
            }
            Action::ReportInit {
                phase,
                failure,
                duration,
            } => {
                self.report_init(phase, failure, duration);
            }
            Action::Terminate => {
                if let Some(process) = &self.process {
                    process.cell.terminate();
                }
            }
            Action::KillRuntime => {
                if let Some(process) = &mut self.process {
                    process.kill_runtime();
                }
            }
            Action::TellExtensions { reason, deadline } => {
                let left = deadline.since(self.context.clock.now());
                let deadline = self.context.clock.timestamp() + left;
                if let Some(process) = &mut self.process {
                    process.ensemble.shut_down(reason.as_str(), deadline);
                }
            }
            Action::Kill => {
                if let Some(process) = &mut self.process {
                    process.kill();
                }
            }
        }
    }

    /// Tells the runtime what function it is; where there are extensions, when it has begun.
    fn initialise(&mut self) {
        let process = self.process.as_ref();
        if process.is_some_and(|process| !process.ensemble.has_externals()) {
            self.introduce();
        }
    }

    /// Tells the runtime what function it is.
    pub(super) fn introduce(&mut self) {
        let Some(process) = &mut self.process else {
            return;
        };
        let init = Init::new(&self.spec, &self.variables, None);
        if self.restoring.is_none() {
            return process.ensemble.initialise(&init);
        }
        process.ensemble.restore(&init);
        self.log_restore_start();
    }

    /// Sends the invocation; before init is done its deadline is not known yet.
    fn deliver(&mut self, before_init: bool) {
        let (Some(process), Some(in_flight)) = (&mut self.process, self.flights.current()) else {
            return;
        };
        let timeout = self.spec.configuration.timeout.duration();
        let time = match before_init {
            true => TimeLimit::After(timeout),
            false => TimeLimit::At(self.context.clock.timestamp() + timeout),
        };
        let invocation = &in_flight.invocation;
        process.ensemble.deliver(Invoke {
            request_id: invocation.request_id,
            time,
            invoked_arn: invocation.invoked_arn.to_string(),
            trace: invocation.trace.clone(),
            client_context: invocation.client_context.clone(),
            tenant: invocation.tenant.clone(),
            event: invocation.payload.clone(),
            sink: in_flight.sink.clone(),
        });
    }

    /// An answer to the invocation comes too late from here on.
    fn give_up(&mut self) {
        if let (Some(process), Some(in_flight)) = (&mut self.process, self.flights.current()) {
            process.ensemble.give_up(in_flight.invocation.request_id);
        }
    }

    /// Who has not begun to use the instance does now, where several may.
    pub(super) fn share(&mut self) {
        if !self.spec.slots().are_shared() {
            return;
        }
        let cpu = self.process.as_ref().map_or(Duration::ZERO, Process::cpu);
        let now = self.context.clock.now();
        for in_flight in self.flights.not_begun() {
            in_flight.began = Some(self.shares.begin(now, cpu));
        }
    }

    /// The invocation's time begins.
    fn begin(&mut self) {
        let now = self.context.clock.timestamp();
        let Some(in_flight) = self.flights.current() else {
            return;
        };
        in_flight.started = now;
        if let Some(record) = self.reporter.start(in_flight.invocation.request_id, now) {
            self.journal.platform(record, now);
        }
        self.share();
        self.observe_start(now);
        self.log_pieces();
    }

    /// Logs the output of init. When init and a short invocation end together, a mark in the
    /// output tells the two apart.
    fn end_init(&mut self) {
        self.shared.ready.cancel();
        self.read_output();
        self.observe_init();
        let share = self.spec.configuration.memory.cpu_millis();
        if let Some(process) = &mut self.process {
            process.output.init_over = true;
            if share < INIT_CPU_MILLIS
                && let Err(error) = process.cell.limit_cpu(share)
            {
                tracing::warn!(instance = %self.id, %error, "an instance keeps the processor time of its init");
            }
        }
    }

    fn freeze(&mut self) {
        let Some(process) = &self.process else { return };
        if let Err(error) = process.cell.freeze() {
            tracing::warn!(instance = %self.id, %error, "an idle instance could not be frozen");
        }
    }

    fn thaw(&mut self) {
        let Some(process) = &self.process else { return };
        if let Err(error) = process.cell.thaw() {
            // It cannot answer: its time will run out, or its end will be seen.
            tracing::warn!(instance = %self.id, %error, "a frozen instance could not be thawed");
        }
    }

    fn report_init(&mut self, phase: Phase, failure: InitFailure, duration: Duration) {
        self.read_output();
        if self.restoring.is_some() {
            return self.report_failed_restore(failure, duration);
        }
        let now = self.context.clock.timestamp();
        let error_type = self.init_error_type(failure).to_owned();
        let record = self
            .reporter
            .init_failed(phase, failure, &error_type, duration, now);
        if let Some(record) = record {
            self.journal.platform(record, now);
        }
        self.observe_failed_init(phase, failure, duration);
        if phase == Phase::Init && !failure.is_of_restore() {
            self.evidence = Evidence::default();
        }
    }

    /// Reads what the process has written, without waiting, and logs it.
    pub(super) fn read_output(&mut self) {
        // Past tokio: it may not have heard yet of what is there already.
        let read = |pipe: &Receiver, buffer: &mut [u8]| Ok(rustix::io::read(pipe, buffer)?);
        self.read_output_with(DRAIN_BYTES_MAX, read);
    }

    /// The same when tokio has announced output, so that it learns when there is no more.
    pub(super) async fn read_announced_output(&mut self) {
        let read = self.read_output_with(TURN_BYTES_MAX, |pipe, buffer| pipe.try_read(buffer));
        if read >= TURN_BYTES_MAX {
            // A worker that always finds this task ready looks at its timers after 61 turns only,
            // the one that would end the flood included; a task that yields waits until it has.
            tokio::task::yield_now().await;
        }
    }

    /// Reads until there is no more or `bytes_max` was reached, and says how much it was.
    fn read_output_with(
        &mut self,
        bytes_max: usize,
        read: impl Fn(&Receiver, &mut [u8]) -> io::Result<usize>,
    ) -> usize {
        let Some(process) = &mut self.process else {
            return 0;
        };
        let output = &mut process.output;
        let mut buffer = [0; 16 * 1024];
        let mut total = 0;
        while output.open && total < bytes_max {
            match read(&output.pipe, &mut buffer) {
                Ok(0) => output.open = false,
                Ok(read) => {
                    total += read;
                    output.splitter.feed(&buffer[..read], &mut self.pieces);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    output.open = error.kind() == io::ErrorKind::WouldBlock;
                    break;
                }
            }
        }
        self.log_pieces();
        total
    }

    /// Logs an unfinished line too: nothing more will come of this invocation.
    pub(super) fn end_output(&mut self) {
        self.read_output();
        if let Some(process) = &mut self.process {
            process.output.splitter.flush(&mut self.pieces);
        }
        self.log_pieces();
    }

    /// Logs what was read; what follows the end of init waits for the invocation to begin.
    fn log_pieces(&mut self) {
        let init_over = self
            .process
            .as_ref()
            .is_none_or(|process| process.output.init_over);
        let end = match init_over {
            true => self.pieces.len(),
            false => self.pieces_of_init(),
        };
        if end == 0 {
            return;
        }
        let (now, time) = (self.context.clock.now(), self.context.clock.timestamp());
        for piece in self.pieces.drain(..end) {
            if let Piece::Record(message) = piece {
                if let Some(process) = &mut self.process {
                    let telemetry = process.ensemble.telemetry();
                    telemetry.line(Source::Function, time, &message);
                }
                self.journal.function(message, time, now);
            }
        }
        // A mebibyte of empty lines is a large list, and an instance lives for long.
        self.pieces.shrink_to(PIECES_KEPT);
    }

    /// How many of the pieces that were read are init's.
    fn pieces_of_init(&self) -> usize {
        let mark = self
            .pieces
            .iter()
            .position(|piece| *piece == Piece::InitOver);
        let Some(mark) = mark else {
            return self.pieces.len();
        };
        let held: usize = self.pieces[mark..].iter().map(Piece::bytes).sum();
        if held > HELD_BYTES_MAX {
            self.pieces.len()
        } else {
            mark
        }
    }
}
