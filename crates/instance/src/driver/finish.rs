//! The end of an invocation: what is reported, logged and answered.

use std::time::Duration;

use bytes::Bytes;
use kiln_network::Line;
use kiln_sandbox::Exit;
use kiln_types::{InvocationReport, InvocationStatus, RequestId, Traffic};
use tokio::sync::oneshot;

use super::shares::Each;
use super::{Answer, Driver, Process};
use crate::error::Error;
use crate::failure::{self, Failure, INVALID_ENTRYPOINT};
use crate::lifecycle::{Ending, InitFailure};
use crate::report::Finished;
use crate::response::Sink;

/// How an invocation ended, in the words of its report.
struct Verdict {
    status: InvocationStatus,
    payload: Bytes,
    error_type: Option<String>,
    /// What the platform writes in the log about it.
    line: Option<String>,
}

/// What an invocation has used.
struct Used {
    memory_peak_bytes: u64,
    cpu: Duration,
    traffic: Traffic,
    /// Its part of the time, where it shared its instance.
    share: Option<Duration>,
}

/// An invocation that was answered and whose log has not ended.
pub(super) struct Answered {
    request: RequestId,
    /// As it is logged.
    report: InvocationReport,
    /// What the caller is told: what goes wrong after an answer is for the log.
    status: InvocationStatus,
    error_type: Option<String>,
    /// What of the answer was passed on as it was made, in bytes.
    streamed_bytes: u64,
    /// Where the report goes, when its caller wants the end of the log too.
    answer: Option<oneshot::Sender<Result<InvocationReport, Error>>>,
}

impl Driver {
    /// Answers the invocation and writes the last records of its log.
    pub(super) fn finish(&mut self, ending: Ending, duration: Duration, init: Option<Duration>) {
        if self.flights.are_several() {
            // What is unfinished may be a neighbour's.
            self.read_output();
        } else {
            self.end_output();
        }
        self.log_notices();
        self.pass_on(ending, duration, init);
        self.end_log();
    }

    /// Passes on what the runtime has answered; it is not done with the invocation yet.
    pub(super) fn answer(&mut self, duration: Duration, init: Option<Duration>) {
        self.settled.send_replace(None);
        self.pass_on(Ending::Answered, duration, init);
    }

    /// Writes the last records of an invocation that was answered before.
    pub(super) fn close(&mut self, ending: Ending, duration: Duration) {
        self.end_output();
        let request = self.answered.as_ref().map(|answered| answered.request);
        let failed = request.filter(|_| ending != Ending::Answered);
        let verdict = failed.map(|request| self.verdict(ending, request));
        let Some(answered) = &mut self.answered else {
            return;
        };
        let said = match answered.answer {
            Some(_) => duration,
            None => answered.report.duration,
        };
        answered.report.duration = duration;
        if let Some(process) = &self.process {
            answered.report.memory_peak_bytes = process.cell.memory_peak_bytes();
        }
        if let Some(verdict) = verdict {
            answered.report.status = verdict.status;
            answered.error_type = verdict.error_type;
            self.log_line(verdict.line);
        }
        self.end_log();
        self.settled
            .send_replace(Some(duration.saturating_sub(said)));
    }

    fn pass_on(&mut self, ending: Ending, duration: Duration, init: Option<Duration>) {
        let Some(in_flight) = self.flights.take() else {
            return;
        };
        let request = in_flight.invocation.request_id;
        let verdict = self.verdict(ending, request);
        let Used {
            memory_peak_bytes,
            cpu,
            traffic,
            share,
        } = self.used(in_flight.began);
        let (init, restore) = self.init_or_restore(init);
        let report = InvocationReport {
            status: verdict.status,
            payload: verdict.payload,
            started: in_flight.started,
            duration,
            share,
            init,
            restore,
            memory_peak_bytes,
            cpu,
            traffic,
            log_tail: None,
        };
        self.log_line(verdict.line);
        let streamed_bytes = in_flight.sink.as_ref().map_or(0, Sink::written);
        let finished = Finished {
            request,
            report: &report,
            error_type: verdict.error_type.as_deref(),
            streamed_bytes,
        };
        let trace = in_flight.invocation.trace.as_deref();
        self.observe_runtime_done(&finished, trace);
        // The log costs microseconds: a caller who does not ask for it does not wait for it.
        let answer = match in_flight.invocation.wants_log_tail {
            true => Some(in_flight.answer),
            false => {
                let _ = in_flight.answer.send(Ok(report.clone()));
                None
            }
        };
        self.answered = Some(Answered {
            request,
            status: report.status,
            report,
            error_type: verdict.error_type,
            streamed_bytes,
            answer,
        });
    }

    fn log_line(&mut self, line: Option<String>) {
        if let Some(line) = line
            && self.spec.logs_text()
        {
            self.journal.platform(line, self.context.clock.timestamp());
        }
    }

    fn end_log(&mut self) {
        let Some(answered) = self.answered.take() else {
            return;
        };
        let now = self.context.clock.timestamp();
        self.journal.end_of_invocation(now);
        let finished = Finished {
            request: answered.request,
            report: &answered.report,
            error_type: answered.error_type.as_deref(),
            streamed_bytes: answered.streamed_bytes,
        };
        for record in self.reporter.finish(&finished, now) {
            self.journal.platform(record, now);
        }
        self.observe_report(&finished, now);
        if let Some(answer) = answered.answer {
            let log_tail = self.journal.take_tail(answered.request);
            let _ = answer.send(Ok(InvocationReport {
                status: answered.status,
                log_tail,
                ..answered.report
            }));
        }
    }

    fn verdict(&mut self, ending: Ending, request: RequestId) -> Verdict {
        match ending {
            Ending::Answered => self.answered(),
            Ending::TimedOut => self.timed_out(request),
            Ending::Exited => self.exited(request),
            Ending::Broken => self.broken(request, InvocationStatus::Crash),
            Ending::Extension => self.extension(request, InvocationStatus::Crash),
            Ending::InitFailed(InitFailure::Error) => self.init_error(),
            Ending::InitFailed(InitFailure::Hook) => Verdict {
                status: InvocationStatus::RestoreError,
                ..self.init_error()
            },
            Ending::InitFailed(InitFailure::TimedOut) => self.timed_out(request),
            Ending::InitFailed(InitFailure::RestoreTimedOut) => Verdict::of(
                &Failure::restore_timed_out(request),
                InvocationStatus::RestoreTimeout,
            ),
            Ending::InitFailed(InitFailure::Exited) => Verdict {
                status: InvocationStatus::InitError,
                ..self.exited(request)
            },
            Ending::InitFailed(InitFailure::Broken) => {
                self.broken(request, InvocationStatus::InitError)
            }
            Ending::InitFailed(InitFailure::NotExecutable) => self.not_executable(request),
            Ending::InitFailed(InitFailure::Extension) => {
                self.extension(request, InvocationStatus::InitError)
            }
        }
    }

    fn answered(&mut self) -> Verdict {
        let (status, payload, error_type) = match self.evidence.answer.take() {
            Some(Answer::Response(body)) => (InvocationStatus::Success, body, None),
            Some(Answer::Error {
                error_type,
                document,
            }) => (InvocationStatus::Error, document, error_type),
            Some(Answer::TooLarge) | None => {
                let failure = Failure::response_too_large();
                let error_type = Some(failure.error_type.to_owned());
                (InvocationStatus::Error, failure.document(), error_type)
            }
        };
        Verdict {
            status,
            payload,
            error_type,
            line: None,
        }
    }

    fn timed_out(&self, request: RequestId) -> Verdict {
        let timeout = self.spec.configuration.timeout.duration();
        let failure = Failure::timed_out(request, timeout);
        let now = self.context.clock.timestamp();
        let line = format!("{now} {request} {}", failure::timeout_sentence(timeout));
        Verdict {
            line: Some(line),
            ..Verdict::of(&failure, InvocationStatus::Timeout)
        }
    }

    fn exited(&self, request: RequestId) -> Verdict {
        let out_of_memory = self.out_of_memory();
        let exit = self.evidence.exit.unwrap_or(Exit::Signal(9));
        let mut failure = Failure::exited(request, exit, out_of_memory);
        // An internal extension that has said why is the cause.
        let process = self.process.as_ref();
        if let Some(class) = process.and_then(|process| process.ensemble.fault()) {
            failure.error_type = class;
        }
        let status = match out_of_memory {
            true => InvocationStatus::OutOfMemory,
            false => InvocationStatus::Crash,
        };
        let line = format!("{}\n{}", failure.message, failure.error_type);
        Verdict {
            line: Some(line),
            ..Verdict::of(&failure, status)
        }
    }

    fn broken(&self, request: RequestId, status: InvocationStatus) -> Verdict {
        let why = self
            .evidence
            .broken
            .as_deref()
            .unwrap_or("the runtime broke its protocol");
        Verdict::of(&Failure::broken(request, why), status)
    }

    fn extension(&self, request: RequestId, status: InvocationStatus) -> Verdict {
        let (class, why) = match &self.evidence.extension {
            Some((class, why)) => (*class, why.as_str()),
            None => ("Extension.Crash", "an extension failed"),
        };
        let failure = Failure::of_extension(request, class, why);
        let line = format!("{}\n{}", failure.message, failure.error_type);
        Verdict {
            line: Some(line),
            ..Verdict::of(&failure, status)
        }
    }

    fn not_executable(&self, request: RequestId) -> Verdict {
        let evidence = self.evidence.not_executable.as_ref();
        let (class, why) = evidence.map_or((INVALID_ENTRYPOINT, ""), |(class, why)| (*class, why));
        let failure = Failure::not_executable(request, class, why);
        let line = format!("{}\n{}", failure.message, failure.error_type);
        Verdict {
            line: Some(line),
            ..Verdict::of(&failure, InvocationStatus::InitError)
        }
    }

    fn init_error(&self) -> Verdict {
        let (error_type, payload) = self.evidence.init_error.clone().unwrap_or_default();
        Verdict {
            status: InvocationStatus::InitError,
            payload,
            error_type,
            line: None,
        }
    }

    /// The class of an init that failed, for its report.
    pub(super) fn init_error_type(&self, failure: InitFailure) -> &str {
        match failure {
            InitFailure::Error | InitFailure::Hook => {
                let class = self
                    .evidence
                    .init_error
                    .as_ref()
                    .and_then(|(class, _)| class.as_deref());
                class.unwrap_or("Runtime.Unknown")
            }
            InitFailure::TimedOut | InitFailure::RestoreTimedOut => "Sandbox.Timedout",
            InitFailure::Exited if self.out_of_memory() => "Runtime.OutOfMemory",
            InitFailure::Exited => "Runtime.ExitError",
            InitFailure::Broken => "Runtime.Unknown",
            InitFailure::NotExecutable => {
                let evidence = self.evidence.not_executable.as_ref();
                evidence.map_or(INVALID_ENTRYPOINT, |(class, _)| class)
            }
            InitFailure::Extension => {
                let evidence = self.evidence.extension.as_ref();
                evidence.map_or("Extension.Crash", |(class, _)| class)
            }
        }
    }

    /// Whether the kernel killed the main process for memory. A child that it killed is the
    /// function's own affair, whatever ends the main process later.
    fn out_of_memory(&self) -> bool {
        let killed = matches!(self.evidence.exit, Some(Exit::Signal(9)));
        let process = self.process.as_ref();
        killed && process.map_or(0, Process::out_of_memory_kills) > 0
    }

    /// The memory peak, and the CPU time since the invocation before; of those that share the
    /// instance, from the moment they `began`, the invocation's part. Traffic is all since the end before.
    fn used(&mut self, began: Option<Each>) -> Used {
        let now = self.context.clock.now();
        let process = self.process.as_mut();
        let total = process.as_ref().map_or(Duration::ZERO, |one| one.cpu());
        let share = began.map(|began| self.shares.end(began, now, total));
        let Some(process) = process else {
            return Used {
                memory_peak_bytes: 0,
                cpu: Duration::ZERO,
                traffic: Traffic::default(),
                share: share.map(|share| share.time),
            };
        };
        let spent = total.saturating_sub(process.cpu);
        process.cpu = total;
        let traffic = process.line.as_ref().map(Line::traffic).unwrap_or_default();
        let exchanged = traffic.since(process.traffic);
        process.traffic = traffic;
        Used {
            memory_peak_bytes: process.memory_peak_bytes(),
            cpu: share.map_or(spent, |share| share.cpu),
            traffic: exchanged,
            share: share.map(|share| share.time),
        }
    }
}

impl Verdict {
    fn of(failure: &Failure, status: InvocationStatus) -> Self {
        Self {
            status,
            payload: failure.document(),
            error_type: Some(failure.error_type.to_owned()),
            line: None,
        }
    }
}
