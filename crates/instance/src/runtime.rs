//! The program in a sandbox that runs the handler, as the driver talks to it.
//!
//! There are two ways: built-in runtimes exchange frames on an inherited socket
//! ([`Channel`](crate::channel::Channel)), everything else speaks AWS's Runtime API over HTTP. The
//! driver and the lifecycle know neither: they hand over a function and its invocations, and take
//! [`Reply`]s, by way of the [`Ensemble`](crate::ensemble::Ensemble) of runtime and extensions.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use kiln_sandbox::Point;
use kiln_types::{RequestId, TenantId, Timestamp};

use crate::isolation::Future;
use crate::response::Sink;
use crate::spec::Spec;

/// One runtime. It is the user's code that speaks through it, so nothing it says is trusted.
pub(crate) trait Runtime: Send {
    /// Tells it which function it is. What cannot be sent shows in [`next`](Self::next).
    fn initialise(&mut self, init: &Init<'_>);

    /// The same to one that is to become the copy of an initialised process. Where it cannot,
    /// [`Reply::NotRestored`] says so and it initialises.
    fn restore(&mut self, init: &Init<'_>) {
        self.initialise(init);
    }

    /// Hands it an invocation, also before it has initialised. What cannot be sent shows in
    /// [`next`](Self::next).
    fn deliver(&mut self, invoke: Invoke);

    /// Forgets an invocation that it was handed and has not answered: the answer comes too late.
    fn give_up(&mut self, request: RequestId);

    /// Whether its answer to an invocation also says that it waits for the next one; if not,
    /// [`Reply::Waiting`] does.
    fn answers_last(&self) -> bool;

    /// What it says next. May be dropped and called again at any time.
    fn next(&mut self) -> Future<'_, Result<Reply, Error>>;

    /// What it had said before it ended or its time was up, also what tokio has not announced;
    /// none when there is no more. Takes what it reads from `bytes_left` and reads nothing when
    /// that is used up: a process may write as fast as it is read.
    fn said<'a>(
        &'a mut self,
        bytes_left: &'a mut usize,
    ) -> Future<'a, Result<Option<Reply>, Error>>;
}

/// Which function it is.
#[derive(Debug)]
pub(crate) struct Init<'a> {
    pub(crate) handler: &'a str,
    pub(crate) env: &'a BTreeMap<String, String>,
    pub(crate) log_format: &'a str,
    pub(crate) log_level: Option<&'a str>,
    /// Whether to wait, when the function is loaded, to be copied: with this code.
    pub(crate) snapshot: Option<&'a str>,
}

impl<'a> Init<'a> {
    /// Says so of this function.
    pub(crate) fn new(
        spec: &'a Spec,
        env: &'a BTreeMap<String, String>,
        snapshot: Option<&'a str>,
    ) -> Self {
        let configuration = &spec.configuration;
        let logging = &configuration.logging;
        let level = logging.application_level.filter(|_| !spec.logs_text());
        Self {
            handler: configuration.handler.as_deref().unwrap_or_default(),
            env,
            log_format: logging.format.as_str(),
            log_level: level.map(|level| level.as_str()),
            snapshot,
        }
    }
}

/// An invocation for it.
#[derive(Debug, Clone)]
pub(crate) struct Invoke {
    pub(crate) request_id: RequestId,
    pub(crate) time: TimeLimit,
    pub(crate) invoked_arn: String,
    pub(crate) trace: Option<String>,
    pub(crate) client_context: Option<String>,
    pub(crate) tenant: Option<TenantId>,
    pub(crate) event: Bytes,
    /// Where the answer goes as it is made, if that is wanted and the runtime can.
    pub(crate) sink: Option<Sink>,
}

/// When the time of an invocation is up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TimeLimit {
    /// Then.
    At(Timestamp),
    /// So long after the runtime takes it: it waits for init.
    After(Duration),
}

/// What it says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// It has booted.
    Booted,
    /// The function is loaded.
    InitDone,
    /// It has become a copy, and its hooks begin.
    Resumed,
    /// This is what they took.
    Restored {
        /// As it says.
        hooks: Duration,
    },
    /// It is loaded and waits to be copied.
    Waits(Point),
    /// It is loaded and cannot be copied.
    Unfit(String),
    /// It could not become a copy, for this reason, and initialises.
    NotRestored(String),
    /// The function cannot be loaded.
    InitError {
        /// The class, such as `Runtime.ImportModuleError`.
        error_type: Option<String>,
        /// The error document.
        document: Bytes,
    },
    /// The handler returned.
    Response {
        /// To which invocation.
        request_id: RequestId,
        /// What; none when it was longer than a response may be and was not sent.
        body: Option<Bytes>,
    },
    /// The handler raised.
    Error {
        /// In which invocation.
        request_id: RequestId,
        /// The class, such as `ValueError`.
        error_type: Option<String>,
        /// The error document.
        document: Bytes,
        /// Whether the process ends after this: nobody handled the error.
        is_last: bool,
    },
    /// It waits for the next invocation.
    Waiting,
}

/// It is gone or broke the protocol.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// It closed its end.
    #[error("the runtime closed its channel")]
    Closed,
    /// It sent something that makes no sense.
    #[error("the runtime sent {0}")]
    Malformed(&'static str),
    /// The connection failed.
    #[error("the channel to the runtime failed: {0}")]
    Io(#[from] std::io::Error),
}
