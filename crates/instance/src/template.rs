//! Takes the snapshot of a version: initialises it in a sandbox like any other, lets its hooks run,
//! copies what is then in memory, and ends it.

use std::sync::Arc;
use std::time::Duration;

use kiln_sandbox::{Exit, Point, Snapshot};
use kiln_types::Initialization;
use tokio::net::unix::pipe;

use crate::channel::Channel;
use crate::driver::launch;
use crate::environment::{self, Facts};
use crate::host::Context;
use crate::isolation::{Cell, NoCell, Unfit};
use crate::journal::Journal;
use crate::log_stream;
use crate::output::{Piece, Splitter};
use crate::runtime::{Error, Init, Reply, Runtime};
use crate::snapshots::SNAPSHOT_BYTES_MAX;
use crate::spec::Spec;

/// The least time that initialising for a snapshot may take, as on AWS; a function with a longer timeout
/// has that.
const INIT_MAX: Duration = Duration::from_secs(130);
/// How long a process that closed its channel may take to end.
const EXIT_GRACE: Duration = Duration::from_secs(1);

/// Why there is no snapshot.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoSnapshot {
    /// The function cannot be initialised.
    #[error("{reason}")]
    Failed {
        /// AWS's code of a state.
        code: &'static str,
        /// What went wrong, for the function's owner.
        reason: String,
    },
    /// It can, and has something that cannot be kept; it is initialised for each instance.
    #[error("no snapshot can be taken: {0}")]
    Unfit(String),
    /// The version was deleted meanwhile.
    #[error("the version is gone")]
    Gone,
    /// The server failed, or is shutting down; another attempt may succeed.
    #[error("take a snapshot: {0}")]
    Other(String),
}

/// The sandbox in which a version is initialised, and its log.
struct Template<'a> {
    context: &'a Context,
    spec: &'a Spec,
    channel: Channel,
    output: pipe::Receiver,
    splitter: Splitter,
    journal: Journal,
}

/// Takes a snapshot of a version.
pub(crate) async fn take(context: &Arc<Context>, spec: &Arc<Spec>) -> Result<Snapshot, NoSnapshot> {
    let code = kiln_sandbox::waiting_code().map(hex::encode);
    let dir = context.snapshots.new_dir().zip(code);
    let (dir, code) = dir.ok_or_else(|| NoSnapshot::Unfit("this server has none".to_owned()))?;
    let stream = log_stream::new(spec, context.clock.timestamp());
    let variables = environment::variables(&Facts {
        config: &context.config,
        spec,
        credentials: context.credentials(spec).as_ref(),
        stream: &stream,
        how: Initialization::SnapStart,
    });
    let request = launch::template_request(context, spec)
        .ok_or_else(|| NoSnapshot::Unfit("its runtime cannot be started so".to_owned()))?;
    spec.guard.check().await.map_err(NoSnapshot::Other)?;
    let mut cell = context
        .isolation
        .lease(request)
        .await
        .map_err(|why| match why {
            NoCell::NotExecutable(why)
            | NoCell::Untrusted(why)
            | NoCell::NoWorkingDirectory(why)
            | NoCell::Other(why)
            | NoCell::Extension(_, why) => NoSnapshot::Other(why),
        })?;
    // Init may connect; what it leaves open is closed in every copy.
    let uplink = cell.take_uplink();
    let _line = uplink.map(|uplink| context.networks.open(uplink, &spec.network));
    let _door = launch::open_door(context, spec, &mut *cell).map_err(|why| match why {
        NoCell::Other(why) => NoSnapshot::Other(why),
        other => NoSnapshot::Other(format!("{other:?}")),
    })?;
    let now = context.clock.now();
    let mut template = Template {
        context,
        spec,
        channel: Channel::new(cell.take_channel()),
        output: cell.take_output(),
        splitter: Splitter::default(),
        journal: Journal::new(Arc::clone(&context.logs), stream, now),
    };
    template.start_line();
    let init = Init::new(spec, &variables, Some(&code));
    template.channel.initialise(&init);
    let limit = spec.configuration.timeout.duration().max(INIT_MAX);
    let waited = tokio::time::timeout(limit, template.until_ready(&mut *cell)).await;
    let took = context.clock.now().since(now);
    let ready = waited.unwrap_or_else(|_| {
        Err(failed(
            "FunctionError.InitTimeout",
            format!(
                "The function's initialisation takes longer than {} seconds.",
                limit.as_secs()
            ),
        ))
    });
    template.end(took, ready.as_ref().err());
    let point = ready?;
    let copying = context.tracker.spawn_blocking(move || {
        let snapshot = cell.snapshot(&point, &dir, SNAPSHOT_BYTES_MAX);
        drop(cell);
        snapshot
    });
    match copying.await {
        Ok(Ok(snapshot)) => Ok(snapshot),
        Ok(Err(Unfit::Process(why))) => Err(NoSnapshot::Unfit(why)),
        Ok(Err(Unfit::Other(why))) => Err(NoSnapshot::Other(why)),
        Err(_) => Err(NoSnapshot::Other("the server shuts down".to_owned())),
    }
}

impl Template<'_> {
    /// Waits until the function is loaded, its hooks have run and it waits to be copied.
    async fn until_ready(&mut self, cell: &mut dyn Cell) -> Result<Point, NoSnapshot> {
        let mut reading = true;
        loop {
            let said = tokio::select! {
                said = Runtime::next(&mut self.channel) => said,
                readable = self.output.readable(), if reading => {
                    reading = readable.is_ok() && self.read_output();
                    continue;
                }
            };
            match said {
                Ok(Reply::Waits(point)) => return Ok(point),
                Ok(Reply::Unfit(why)) => return Err(NoSnapshot::Unfit(why)),
                Ok(Reply::InitError {
                    error_type,
                    document,
                }) => {
                    let class = error_type.unwrap_or_else(|| "Runtime.Unknown".to_owned());
                    return Err(failed(
                        "FunctionError.RuntimeInitError",
                        reason(&class, &document),
                    ));
                }
                Ok(Reply::Booted) => {}
                Ok(Reply::InitDone) => {
                    let why = "the runtime pack is older than the server; build it again";
                    return Err(NoSnapshot::Unfit(why.to_owned()));
                }
                Ok(_) => return Err(failed("FunctionError", "The runtime broke its protocol.")),
                Err(Error::Closed) => return Err(self.ended(cell).await),
                Err(error) => return Err(failed("FunctionError", format!("{error}."))),
            }
        }
    }

    async fn ended(&mut self, cell: &mut dyn Cell) -> NoSnapshot {
        let exit = tokio::time::timeout(EXIT_GRACE, cell.exited()).await;
        let code = "FunctionError.RuntimeInitError";
        match exit {
            Ok(Exit::Signal(9)) if cell.out_of_memory_kills() > 0 => failed(
                "FunctionError.InitResourceExhausted",
                "The function's initialisation needs more memory than it has.",
            ),
            Ok(Exit::Code(status)) => failed(
                code,
                format!(
                    "Runtime.ExitError: the runtime exited with status {status} while it was initialised."
                ),
            ),
            Ok(Exit::Signal(signal)) => failed(
                code,
                format!(
                    "Runtime.ExitError: the runtime was ended by signal {signal} while it was initialised."
                ),
            ),
            Err(_) => failed(code, "Runtime.ExitError: the runtime closed its channel."),
        }
    }

    /// Logs what there is; says whether more may come.
    fn read_output(&mut self) -> bool {
        let mut buffer = [0; 16 * 1024];
        let open = match self.output.try_read(&mut buffer) {
            Ok(0) => false,
            Ok(read) => {
                let mut pieces = Vec::new();
                self.splitter.feed(&buffer[..read], &mut pieces);
                self.log(pieces);
                true
            }
            Err(error) => error.kind() == std::io::ErrorKind::WouldBlock,
        };
        self.journal.flush();
        open
    }

    fn log(&mut self, pieces: Vec<Piece>) {
        let (now, time) = (self.context.clock.now(), self.context.clock.timestamp());
        for piece in pieces {
            if let Piece::Record(message) = piece {
                self.journal.function(message, time, now);
            }
        }
    }

    fn start_line(&mut self) {
        let runtime = self.spec.configuration.runtime.as_ref();
        if let Some(runtime) = runtime.filter(|_| self.spec.logs_text()) {
            let line = format!("INIT_START Runtime Version: {runtime}");
            self.journal.platform(line, self.context.clock.timestamp());
        }
    }

    /// Logs how it went.
    fn end(&mut self, took: Duration, failure: Option<&NoSnapshot>) {
        self.read_output();
        let mut pieces = Vec::new();
        self.splitter.flush(&mut pieces);
        self.log(pieces);
        if self.spec.logs_text() {
            let status = match failure {
                None => String::new(),
                Some(NoSnapshot::Failed { code, .. }) => {
                    format!("\tStatus: error\tError Type: {code}")
                }
                Some(why) => format!("\tSnapshot: {why}"),
            };
            let millis = took.as_secs_f64() * 1000.0;
            let line = format!("INIT_REPORT Init Duration: {millis:.2} ms\tPhase: init{status}");
            self.journal.platform(line, self.context.clock.timestamp());
        }
        self.journal.flush();
    }
}

fn failed(code: &'static str, reason: impl Into<String>) -> NoSnapshot {
    let reason = reason.into();
    NoSnapshot::Failed { code, reason }
}

/// How much of a function's own message is kept as the reason why a version is not ready.
const REASON_CHARS_MAX: usize = 1_000;

/// The class and the message of an error document.
fn reason(class: &str, document: &[u8]) -> String {
    let document: serde_json::Value = serde_json::from_slice(document).unwrap_or_default();
    match document["errorMessage"].as_str() {
        Some(message) => {
            // It is kept with the version.
            let shown: String = message.chars().take(REASON_CHARS_MAX).collect();
            format!("{class}: {shown}")
        }
        None => class.to_owned(),
    }
}
