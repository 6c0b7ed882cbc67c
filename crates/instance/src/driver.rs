//! The task that owns one instance: it waits for what happens, lets the lifecycle decide, and does
//! what it says.

mod finish;
mod flights;
mod hear;
pub(crate) mod launch;
mod observe;
mod perform;
mod process;
mod restore;
mod shares;
mod wait;

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kiln_sandbox::Exit;
use kiln_types::log::LogStream;
use kiln_types::{
    Initialization, InstanceId, Invocation, InvocationReport, Moment, Network, Restore,
};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Sleep;

use crate::ensemble::Word;
use crate::environment::{self, Facts};
use crate::error::Error;
use crate::failure::{INVALID_ENTRYPOINT, INVALID_WORKING_DIRECTORY};
use crate::handle::{Command, Other, Shared};
use crate::host::Context;
use crate::isolation::{Future, NoCell};
use crate::journal::Journal;
use crate::lifecycle::{Event, InitFailure, Lifecycle, State};
use crate::log_stream;
use crate::output::Piece;
use crate::report::Reporter;
use crate::response::Sink;
use crate::runtime;
use crate::snapshots::Kept;
use crate::spec::Spec;
use flights::{Flights, InFlight};
use process::Process;
use shares::Shares;
use wait::Input;

/// What the log says where a function asks for a network and there is none.
const NO_NETWORK: &str =
    "Network: there is none, because this machine cannot give functions one (see kiln doctor)";

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
    /// The main program is being started, after the extensions.
    beginning: Option<Future<'static, Result<(), NoCell>>>,
    alarm: Pin<Box<Sleep>>,
    flights: Flights,
    /// What those have used that share the instance.
    shares: Shares,
    answered: Option<finish::Answered>,
    /// How much longer than its report says the last invocation took; none while it goes on.
    settled: watch::Sender<Option<Duration>>,
    /// The snapshot that the instance is being made of.
    restoring: Option<Arc<Kept>>,
    /// When it had become a copy, and the function's hooks began.
    resumed: Option<Moment>,
    /// What the function's hooks took after that, until it is reported.
    restored: Option<Duration>,
    /// A restore that failed while an invocation waited for it, until it is reported.
    failed_restore: Option<Restore>,
    evidence: Evidence,
    stream: Arc<LogStream>,
    variables: BTreeMap<String, String>,
    journal: Journal,
    reporter: Reporter,
    pieces: Vec<Piece>,
}

type Lease = Future<'static, Result<launch::Leased, NoCell>>;

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
    /// Why the function's code must not run.
    untrusted: Option<String>,
    /// Why the function's program cannot be executed.
    not_executable: Option<(&'static str, String)>,
    /// What was wrong with the runtime.
    broken: Option<String>,
    /// What was wrong with an extension: class and sentence.
    extension: Option<(&'static str, String)>,
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
        (how, now): (Initialization, Moment),
    ) -> Self {
        let configuration = &spec.configuration;
        let (init_timeout, timeout) = (
            match how {
                Initialization::OnDemand | Initialization::SnapStart => context.config.init_timeout,
                Initialization::Provisioned => context.config.provisioned_init_timeout,
            },
            configuration.timeout.duration(),
        );
        let stream = log_stream::new(&spec, context.clock.timestamp());
        // Hooks run where it says so, also when there is no snapshot to start from.
        let how = match spec.snapshot_key() {
            Some(_) => Initialization::SnapStart,
            None => how,
        };
        let restoring = context.snapshots.get(&spec);
        let mut lifecycle = Lifecycle::new(init_timeout, timeout, now).with_slots(spec.slots());
        lifecycle.set_restoring(restoring.is_some());
        Self {
            id,
            shared: handles.shared,
            commands: handles.commands,
            lifecycle,
            leasing: None,
            process: None,
            beginning: None,
            alarm: Box::pin(tokio::time::sleep(Duration::ZERO)),
            flights: Flights::default(),
            shares: Shares::default(),
            answered: None,
            settled: handles.settled,
            restoring,
            resumed: None,
            restored: None,
            failed_restore: None,
            evidence: Evidence::default(),
            variables: environment::variables(&Facts {
                config: &context.config,
                spec: &spec,
                credentials: context.credentials(&spec).as_ref(),
                stream: &stream,
                how,
            }),
            journal: Journal::new(Arc::clone(&context.logs), Arc::clone(&stream), now),
            reporter: Reporter::new(
                &configuration.logging,
                configuration.version,
                configuration.memory,
                how,
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
            Input::Command(Command::Invoke(invocation, sink, answer)) => {
                self.accept(invocation, sink, answer);
            }
            Input::Command(Command::Freeze) => self.on(Event::Freeze),
            Input::Stop => self.on(Event::Stop),
            Input::Kill => self.on(Event::Kill),
            Input::Leased(leased) => self.on_leased(leased),
            Input::Begun(begun) => self.on_begun(begun),
            Input::Word(Ok(word)) => {
                let may_flood = matches!(word, Word::Printed(_));
                self.on_word(word);
                if may_flood {
                    // So that timers have their turn, as with the function's output.
                    tokio::task::yield_now().await;
                }
            }
            Input::Word(Err(runtime::Error::Closed)) => self.on_closed().await,
            Input::Word(Err(error)) => self.on_broken(error.to_string()),
            Input::Output => self.read_announced_output().await,
            Input::Notice(notice) => self.log_notice(notice),
            Input::Exited(exit) => self.on_exited(exit).await,
            Input::Alarm => {
                // Who answered in time has answered.
                self.take_said().await;
                self.on(Event::Alarm);
            }
        }
    }

    fn on_leased(&mut self, leased: Result<launch::Leased, NoCell>) {
        match leased.and_then(|leased| self.enter(leased)) {
            Ok(process) => {
                let lacks_network = process.line.is_none() && self.spec.network != Network::None;
                self.process = Some(process);
                if lacks_network {
                    self.log_notice(NO_NETWORK.to_owned());
                }
                self.on(Event::Leased);
            }
            Err(why) => self.cannot_start(why),
        }
    }

    /// The main program was started after the extensions, or could not be.
    fn on_begun(&mut self, begun: Result<(), NoCell>) {
        match begun {
            Ok(()) => self.introduce(),
            Err(NoCell::Other(why)) => self.on_broken(why),
            Err(why) => self.cannot_start(why),
        }
    }

    fn cannot_start(&mut self, why: NoCell) {
        match why {
            NoCell::NotExecutable(why) => self.cannot_execute(INVALID_ENTRYPOINT, why),
            NoCell::NoWorkingDirectory(why) => self.cannot_execute(INVALID_WORKING_DIRECTORY, why),
            NoCell::Extension(class, why) => {
                self.evidence.extension = Some((class, why));
                self.on(Event::CannotStart(InitFailure::Extension));
            }
            NoCell::Untrusted(why) => {
                self.evidence.untrusted = Some(why);
                self.on(Event::LeaseFailed);
            }
            NoCell::Other(why) => {
                self.evidence.lease_error = Some(why);
                self.on(Event::LeaseFailed);
            }
        }
    }

    fn cannot_execute(&mut self, class: &'static str, why: String) {
        self.evidence.not_executable = Some((class, why));
        self.on(Event::CannotStart(InitFailure::NotExecutable));
    }

    fn accept(
        &mut self,
        invocation: Invocation,
        sink: Option<Sink>,
        answer: oneshot::Sender<Result<InvocationReport, Error>>,
    ) {
        if let Some(refusal) = self.lifecycle.refusal() {
            // A caller that is gone does not care.
            let _ = answer.send(Err(refusal));
            return;
        }
        let request_id = invocation.request_id;
        if invocation.wants_log_tail {
            self.journal.keep_tail(request_id);
        }
        if self.flights.is_empty() {
            self.evidence = Evidence::default();
        }
        let started = self.context.clock.timestamp();
        self.flights.add(InFlight {
            invocation,
            sink,
            answer,
            started,
            began: None,
        });
        self.on(Event::Invoke(request_id));
        if self.lifecycle.initialises_for_invocations() {
            self.share();
        }
    }

    /// Nothing is left to do: what still waits was not run.
    async fn end(mut self) {
        self.leasing = None;
        self.beginning = None;
        self.process = None;
        self.commands.close();
        while let Some(command) = self.commands.recv().await {
            if let Command::Invoke(_, _, answer) = command {
                let _ = answer.send(Err(Error::Lost));
            }
        }
        self.journal.flush();
        self.shared.stopped.cancel();
        tracing::debug!(instance = %self.id, "an instance has ended");
    }
}

#[cfg(test)]
mod tests;
