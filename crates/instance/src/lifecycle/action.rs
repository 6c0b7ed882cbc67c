//! What an instance's task is told to do.

use std::time::Duration;

use kiln_types::{Moment, RequestId};

use super::state::{InitFailure, Phase, Reason};

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// Get a sandbox with a runtime in it.
    Lease,
    /// Give the sandbox up: kill and forget it.
    Discard,
    /// What follows is about this invocation. Left out where there is one at a time.
    About(RequestId),
    /// Forget the invocation of which the runtime may still hold the event: an answer comes too late.
    GiveUp,
    /// Tell the runtime what function it is.
    Initialise,
    /// Send the invocation behind the init message: its time counts from the end of init.
    DeliverAfterInit,
    /// Send the invocation: its time counts from now.
    Deliver,
    /// Freeze the processes.
    Freeze,
    /// Let the processes run again.
    Thaw,
    /// Raise [`Event::Alarm`](super::Event::Alarm) then; replaces an earlier alarm.
    Alarm(Moment),
    /// Init is over: output so far is its own.
    InitOver,
    /// The invocation has begun: its log starts here.
    Begin,
    /// The invocation is over: answer it and end its log.
    Finish {
        /// How.
        ending: Ending,
        /// Its run time.
        duration: Duration,
        /// The init time it reports.
        init: Option<Duration>,
    },
    /// The runtime has answered: pass it on. What it does from here on is still the invocation's.
    Answer {
        /// The run time until now.
        duration: Duration,
        /// The init time it reports.
        init: Option<Duration>,
    },
    /// The invocation that was answered is over too: end its log.
    Close {
        /// How the time after its answer ended: [`Ending::Answered`] as it should.
        ending: Ending,
        /// Its whole run time.
        duration: Duration,
    },
    /// The waiting invocation did not run, for want of a sandbox or of time to get one.
    RefuseStart,
    /// Log that init failed.
    ReportInit {
        /// On whose time.
        phase: Phase,
        /// Why.
        failure: InitFailure,
        /// How long it took.
        duration: Duration,
    },
    /// Ask the runtime's process to end.
    Terminate,
    /// Kill the runtime's process and leave the extensions.
    KillRuntime,
    /// Tell external extensions that the instance ends.
    TellExtensions {
        /// Why.
        reason: Reason,
        /// When they are killed.
        deadline: Moment,
    },
    /// Kill the process.
    Kill,
}

/// How an invocation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The runtime answered, with a result or an error.
    Answered,
    /// Its time was up.
    TimedOut,
    /// The process ended.
    Exited,
    /// The runtime broke the protocol.
    Broken,
    /// An extension ended that should not.
    Extension,
    /// The function could not be initialised, twice.
    InitFailed(InitFailure),
}
