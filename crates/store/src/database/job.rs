//! Changes waiting for the writer thread.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rusqlite::{Connection, Transaction};
use tokio::sync::oneshot;

use crate::error::{Doing, Error};

/// Why none of a group was committed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The database refused, for this reason.
    Commit(String),
    /// The disk failed, now or earlier; nothing is written any more.
    Stopped,
}

impl Failure {
    fn error(&self, doing: &'static str) -> Error {
        match self {
            Failure::Commit(why) => Error::Database {
                doing,
                source: why.clone().into(),
            },
            Failure::Stopped => Error::Stopped(doing),
        }
    }
}

/// A change: run inside a transaction, finished after its commit.
pub(super) trait Job: Send {
    /// Whether somebody waits for it.
    fn is_urgent(&self) -> bool;
    /// Whether it must survive a power cut, in a database whose commits do.
    fn needs_disk(&self) -> bool;
    fn run(&mut self, transaction: &mut Transaction<'_>);
    /// `failure` says why the commit failed, if it did.
    fn finish(self: Box<Self>, failure: Option<&Failure>);
}

/// A change whose caller waits for the commit.
pub(super) struct Urgent<W, P, T, E> {
    doing: &'static str,
    needs_disk: bool,
    work: Option<W>,
    publish: P,
    result: Option<Result<T, E>>,
    reply: oneshot::Sender<Result<T, E>>,
}

/// A change that nobody waits for.
pub(super) struct Lazy<W, F> {
    doing: &'static str,
    work: Option<W>,
    failed: F,
    result: Result<(), Error>,
}

impl<W, P, T, E> Urgent<W, P, T, E> {
    pub(super) fn new(
        doing: &'static str,
        work: W,
        publish: P,
        reply: oneshot::Sender<Result<T, E>>,
    ) -> Self {
        Self {
            doing,
            needs_disk: true,
            work: Some(work),
            publish,
            result: None,
            reply,
        }
    }

    /// The same of a change that need not survive a power cut.
    pub(super) fn for_the_kernel(self) -> Self {
        Self {
            needs_disk: false,
            ..self
        }
    }
}

impl<W, F> Lazy<W, F> {
    pub(super) fn new(doing: &'static str, work: W, failed: F) -> Self {
        let result = Ok(());
        Self {
            doing,
            work: Some(work),
            failed,
            result,
        }
    }
}

impl<W, P, T, E> Job for Urgent<W, P, T, E>
where
    W: FnOnce(&Connection) -> Result<T, E> + Send,
    P: FnOnce(&T) + Send,
    T: Send,
    E: From<Error> + Send,
{
    fn is_urgent(&self) -> bool {
        true
    }

    fn needs_disk(&self) -> bool {
        self.needs_disk
    }

    fn run(&mut self, transaction: &mut Transaction<'_>) {
        self.result = self
            .work
            .take()
            .map(|work| in_savepoint(self.doing, transaction, work));
    }

    fn finish(self: Box<Self>, failure: Option<&Failure>) {
        let not_run = Failure::Commit("the change was not run".to_owned());
        let result = match (self.result, failure) {
            (Some(Err(refusal)), _) => Err(refusal),
            (Some(Ok(value)), None) => Ok(value),
            (_, failure) => Err(failure.unwrap_or(&not_run).error(self.doing).into()),
        };
        if let Ok(value) = &result {
            (self.publish)(value);
        }
        // A caller that went away cancels nothing: the change is made all the same.
        let _ = self.reply.send(result);
    }
}

impl<W, F> Job for Lazy<W, F>
where
    W: FnOnce(&Connection) -> Result<(), Error> + Send,
    F: FnOnce() + Send,
{
    fn is_urgent(&self) -> bool {
        false
    }

    fn needs_disk(&self) -> bool {
        true
    }

    fn run(&mut self, transaction: &mut Transaction<'_>) {
        if let Some(work) = self.work.take() {
            self.result = in_savepoint(self.doing, transaction, work);
        }
    }

    fn finish(self: Box<Self>, failure: Option<&Failure>) {
        let error = match (self.result, failure) {
            (Ok(()), None) => return,
            (Err(error), _) => error.to_string(),
            (Ok(()), Some(failure)) => failure.error(self.doing).to_string(),
        };
        tracing::error!(
            doing = self.doing,
            error,
            "a change in the background failed"
        );
        (self.failed)();
    }
}

/// What `work` wrote before it refused or panicked is rolled back.
fn in_savepoint<T, E: From<Error>>(
    doing: &'static str,
    transaction: &mut Transaction<'_>,
    work: impl FnOnce(&Connection) -> Result<T, E>,
) -> Result<T, E> {
    let savepoint = transaction.savepoint().doing(doing)?;
    // Nothing that a panic could leave half-done survives: the savepoint is dropped unreleased,
    // and callers' own state is published only after a commit.
    match catch_unwind(AssertUnwindSafe(|| work(&savepoint))) {
        Ok(Ok(value)) => {
            savepoint.commit().doing(doing)?;
            Ok(value)
        }
        Ok(Err(refusal)) => Err(refusal),
        Err(_) => Err(Error::Panicked(doing).into()),
    }
}
