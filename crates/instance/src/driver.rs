//! The task that owns one instance: it waits for what happens, lets the lifecycle decide, and does
//! what it says.

mod finish;
mod launch;
mod perform;
mod wait;

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kiln_sandbox::Exit;
use kiln_types::log::LogStream;
use kiln_types::{InstanceId, Invocation, InvocationReport, Moment, RequestId, Timestamp};
use tokio::net::unix::pipe;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Sleep;

use crate::channel;
use crate::environment;
use crate::error::Error;
use crate::handle::{Command, Other, Shared};
use crate::host::Context;
use crate::isolation::{Cell, Future, NoCell};
use crate::journal::Journal;
use crate::lifecycle::{Event, Lifecycle, State};
use crate::log_stream;
use crate::output::{Piece, Splitter};
use crate::report::Reporter;
use crate::runtime::{self, Reply, Runtime};
use crate::spec::Spec;
use wait::Input;

/// How long a process that closed its channel may take to end by itself before it is killed:
/// its own exit status says more than ours.
const EXIT_GRACE: Duration = Duration::from_millis(100);
/// How many replies from which nothing follows one process may send. Our runtimes send one (READY);
/// the function can write to the channel too, and one that goes on has broken it.
const STRAY_REPLIES_MAX: u32 = 16;

/// Owns one instance from its start to its end.
pub(crate) struct Driver {
    id: InstanceId,
    context: Arc<Context>,
    spec: Arc<Spec>,
    shared: Arc<Shared>,
    commands: mpsc::Receiver<Command>,
    lifecycle: Lifecycle,
    leasing: Option<Lease>,
    process: Option<Process>,
    alarm: Pin<Box<Sleep>>,
    in_flight: Option<InFlight>,
    answered: Option<finish::Answered>,
    /// How much longer than its report says the last invocation took; none while it goes on.
    settled: watch::Sender<Option<Duration>>,
    evidence: Evidence,
    stream: Arc<LogStream>,
    variables: BTreeMap<String, String>,
    journal: Journal,
    reporter: Reporter,
    pieces: Vec<Piece>,
}

type Lease = Future<'static, Result<Box<dyn Cell>, NoCell>>;

/// The sandbox, the runtime in it, and our end of its output.
struct Process {
    cell: Box<dyn Cell>,
    runtime: Box<dyn Runtime>,
    /// Whether the runtime can still be talked to.
    listening: bool,
    /// Replies from which nothing followed, so far.
    stray_replies: u32,
    output: Output,
    /// CPU time when the last invocation ended.
    cpu: Duration,
    /// What it had used when it was killed.
    used: Option<Used>,
}

/// What a sandbox has used.
#[derive(Debug, Clone, Copy)]
struct Used {
    memory_peak_bytes: u64,
    cpu: Duration,
    out_of_memory_kills: u64,
}

struct Output {
    pipe: pipe::Receiver,
    open: bool,
    splitter: Splitter,
    /// Whether init is over, so that output is the invocation's.
    init_over: bool,
}

/// The invocation that was accepted and is not answered yet.
struct InFlight {
    invocation: Invocation,
    answer: oneshot::Sender<Result<InvocationReport, Error>>,
    started: Timestamp,
}

/// What the next ending will be made of.
#[derive(Default)]
struct Evidence {
    /// How the process ended.
    exit: Option<Exit>,
    /// What the runtime answered: the error's class when it is one, and the body.
    answer: Option<Answer>,
    /// Why init failed: class and document.
    init_error: Option<(Option<String>, Bytes)>,
    /// Why there is no sandbox.
    lease_error: Option<String>,
    /// Why the function's program cannot be executed.
    not_executable: Option<String>,
    /// What was wrong with the runtime.
    broken: Option<String>,
}

enum Answer {
    Response(Bytes),
    TooLarge,
    Error {
        error_type: Option<String>,
        document: Bytes,
    },
}

impl Driver {
    /// An instance whose time counts from `now`.
    pub(crate) fn new(
        id: InstanceId,
        context: Arc<Context>,
        spec: Arc<Spec>,
        handles: Other,
        now: Moment,
    ) -> Self {
        let configuration = &spec.configuration;
        let (init_timeout, timeout) = (
            context.config.init_timeout,
            configuration.timeout.duration(),
        );
        let stream = log_stream::new(&spec, context.clock.timestamp());
        Self {
            id,
            shared: handles.shared,
            commands: handles.commands,
            lifecycle: Lifecycle::new(init_timeout, timeout, now),
            leasing: None,
            process: None,
            alarm: Box::pin(tokio::time::sleep(Duration::ZERO)),
            in_flight: None,
            answered: None,
            settled: handles.settled,
            evidence: Evidence::default(),
            variables: environment::variables(&context.config, &spec, &stream),
            journal: Journal::new(Arc::clone(&context.logs), Arc::clone(&stream), now),
            reporter: Reporter::new(
                &configuration.logging,
                configuration.version,
                configuration.memory,
            ),
            stream,
            pieces: Vec::new(),
            context,
            spec,
        }
    }

    /// Lives the instance's life.
    pub(crate) async fn run(mut self) {
        tracing::debug!(instance = %self.id, stream = %self.stream.name, "an instance starts");
        self.lease();
        while !matches!(self.lifecycle.state(), State::Stopped) {
            let input = self.wait().await;
            self.take(input).await;
            self.journal.flush();
        }
        self.end().await;
    }

    /// Turns what was waited for into an event.
    async fn take(&mut self, input: Input) {
        match input {
            Input::Command(Command::Invoke(invocation, answer)) => self.accept(invocation, answer),
            Input::Command(Command::Freeze) => self.on(Event::Freeze),
            Input::Stop => self.on(Event::Stop),
            Input::Kill => self.on(Event::Kill),
            Input::Leased(leased) => self.on_leased(leased),
            Input::Reply(Ok(reply)) => self.on_reply(reply),
            Input::Reply(Err(runtime::Error::Closed)) => self.on_closed().await,
            Input::Reply(Err(error)) => self.on_broken(error.to_string()),
            Input::Output => self.read_announced_output().await,
            Input::Exited(exit) => self.on_exited(exit).await,
            Input::Alarm => {
                // Who answered in time has answered.
                self.take_said().await;
                self.on(Event::Alarm);
            }
        }
    }

    fn on_leased(&mut self, leased: Result<Box<dyn Cell>, NoCell>) {
        let entered = leased.and_then(|mut cell| {
            let runtime = self.runtime(&mut *cell)?;
            Ok(Process::new(cell, runtime))
        });
        match entered {
            Ok(process) => {
                self.process = Some(process);
                self.on(Event::Leased);
            }
            Err(NoCell::NotExecutable(why)) => {
                self.evidence.not_executable = Some(why);
                self.on(Event::NotExecutable);
            }
            Err(NoCell::Other(why)) => {
                self.evidence.lease_error = Some(why);
                self.on(Event::LeaseFailed);
            }
        }
    }

    fn accept(
        &mut self,
        invocation: Invocation,
        answer: oneshot::Sender<Result<InvocationReport, Error>>,
    ) {
        if let Some(refusal) = self.lifecycle.refusal() {
            // A caller that is gone does not care.
            let _ = answer.send(Err(refusal));
            return;
        }
        let request_id = invocation.request_id;
        if invocation.wants_log_tail {
            self.journal.keep_tail();
        }
        self.evidence = Evidence::default();
        let started = self.context.clock.timestamp();
        self.in_flight = Some(InFlight {
            invocation,
            answer,
            started,
        });
        self.on(Event::Invoke(request_id));
    }

    fn on_reply(&mut self, reply: Reply) {
        let meant_something = match reply {
            Reply::Booted if self.lifecycle.is_initialised() => {
                return self.on_broken("the runtime booted twice".to_owned());
            }
            Reply::Booted => false,
            Reply::InitDone => self.follows(Event::InitDone),
            Reply::InitError {
                error_type,
                document,
            } => {
                self.evidence.init_error = Some((error_type, document));
                let first = self.follows(Event::InitFailed);
                self.evidence.init_error = None;
                first
            }
            Reply::Response { request_id, body } => {
                self.evidence.answer = Some(body.map_or(Answer::TooLarge, Answer::Response));
                self.follows_answer(request_id)
            }
            Reply::Error {
                request_id,
                error_type,
                document,
                is_last,
            } => {
                if is_last {
                    // The next invocation must not meet a process that is about to end.
                    self.on(Event::Stop);
                }
                self.evidence.answer = Some(Answer::Error {
                    error_type,
                    document,
                });
                self.follows_answer(request_id)
            }
            Reply::Waiting => self.follows(Event::Waiting),
        };
        // An answer that nobody waited for is not kept.
        self.evidence.answer = None;
        if !meant_something {
            self.on_stray_reply();
        }
    }

    /// An answer came. Says whether anything followed from it.
    fn follows_answer(&mut self, request: RequestId) -> bool {
        let process = self.process.as_ref();
        let is_last = process.is_some_and(|process| process.runtime.answers_last());
        self.follows(match is_last {
            true => Event::Answered(request),
            false => Event::Responded(request),
        })
    }

    /// Nothing followed from a reply. Each costs a wake-up, so they have an end.
    fn on_stray_reply(&mut self) {
        let Some(process) = &mut self.process else {
            return;
        };
        process.stray_replies += 1;
        if process.stray_replies > STRAY_REPLIES_MAX {
            self.on_broken("the runtime sent frames that nobody asked for".to_owned());
        }
    }

    /// The channel cannot be used any more, and the process with it.
    fn on_broken(&mut self, why: String) {
        self.stop_listening();
        tracing::warn!(instance = %self.id, %why, "a runtime broke its protocol");
        self.evidence.broken = Some(why);
        self.on(Event::Broken);
    }

    /// Takes what the runtime has said by now: one frame of the longest kind at most.
    async fn take_said(&mut self) {
        let mut bytes_left = channel::FRAME_BYTES_MAX;
        while let Some(process) = &mut self.process
            && process.listening
        {
            match process.runtime.said(&mut bytes_left).await {
                Ok(Some(reply)) => self.on_reply(reply),
                Ok(None) => return,
                Err(_) => self.stop_listening(),
            }
        }
    }

    fn stop_listening(&mut self) {
        if let Some(process) = &mut self.process {
            process.listening = false;
        }
    }

    /// The process closed its channel: it is ending, or it cannot be used any more.
    async fn on_closed(&mut self) {
        self.stop_listening();
        let Some(process) = &mut self.process else {
            return;
        };
        let by_itself = tokio::time::timeout(EXIT_GRACE, process.cell.exited()).await;
        let exit = match by_itself {
            Ok(exit) => exit,
            Err(_) => {
                process.kill();
                process.cell.exited().await
            }
        };
        self.on_exited(exit).await;
    }

    /// The process has ended. What it said before that counts, also what tokio has not announced.
    async fn on_exited(&mut self, exit: Exit) {
        // A process it left behind may hold the channel open and write for ever.
        if let Some(process) = &mut self.process {
            process.kill();
        }
        if let Some(process) = &mut self.process {
            process.runtime.ended().await;
        }
        self.take_said().await;
        self.stop_listening();
        self.evidence.exit = Some(exit);
        self.on(Event::Exited);
    }

    /// Nothing is left to do: what still waits was not run.
    async fn end(mut self) {
        self.leasing = None;
        self.process = None;
        self.commands.close();
        while let Some(command) = self.commands.recv().await {
            if let Command::Invoke(_, answer) = command {
                let _ = answer.send(Err(Error::Lost));
            }
        }
        self.journal.flush();
        self.shared.stopped.cancel();
        tracing::debug!(instance = %self.id, "an instance has ended");
    }
}

impl Process {
    fn new(mut cell: Box<dyn Cell>, runtime: Box<dyn Runtime>) -> Self {
        let pipe = cell.take_output();
        let output = Output {
            pipe,
            open: true,
            splitter: Splitter::default(),
            init_over: false,
        };
        Self {
            cell,
            runtime,
            listening: true,
            stray_replies: 0,
            output,
            cpu: Duration::ZERO,
            used: None,
        }
    }

    /// Kills everything in the sandbox. What it used is read first, because its meters go with it.
    fn kill(&mut self) {
        let cell = &self.cell;
        self.used.get_or_insert_with(|| Used {
            memory_peak_bytes: cell.memory_peak_bytes(),
            cpu: cell.cpu(),
            out_of_memory_kills: cell.out_of_memory_kills(),
        });
        cell.kill();
    }

    fn memory_peak_bytes(&self) -> u64 {
        let killed = self.used.map(|used| used.memory_peak_bytes);
        killed.unwrap_or_else(|| self.cell.memory_peak_bytes())
    }

    fn cpu(&self) -> Duration {
        let killed = self.used.map(|used| used.cpu);
        killed.unwrap_or_else(|| self.cell.cpu())
    }

    /// Read by path, unlike the others: only when a process has ended.
    fn out_of_memory_kills(&self) -> u64 {
        let killed = self.used.map(|used| used.out_of_memory_kills);
        killed.unwrap_or_else(|| self.cell.out_of_memory_kills())
    }
}

#[cfg(test)]
mod tests;
