//! Copies what was committed from a database's log into the database itself.
//!
//! A checkpoint writes pages all over the file and syncs it, 100 ms and more for a large log. A database
//! whose writers cannot wait so long has a thread with a connection of its own for that, which stops
//! nobody. But a log begins anew only when all of it has been copied and nobody has written since, which
//! under load never is so: at its limit the writer itself copies the little that the thread has not.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread::{self, JoinHandle};

use rusqlite::Connection;
use rusqlite::hooks::Wal;

use super::PAGE_BYTES;
use super::ahead::Ahead;
use crate::error::{Doing, Error};

/// Pages in the log from which the thread copies: 8 MiB, a few milliseconds' writing.
const BESIDE_PAGES: i32 = 1_024;
/// Pages in the log from which the writer does: 128 MiB.
const INLINE_PAGES: i32 = 16 * 1_024;

/// Who copies what was committed from the log into the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Checkpoint {
    /// The writer, now and then, while changes wait.
    Inline,
    /// A thread of its own.
    Beside,
}

impl Checkpoint {
    /// What is kept of a log that begins anew, in bytes. To shorten one that is needed again at its full length has it grow again,
    /// which is slow ([`Ahead`]).
    pub(super) fn log_bytes_max(self) -> i64 {
        match self {
            Checkpoint::Inline => 64 << 20,
            Checkpoint::Beside => 160 << 20,
        }
    }
}

/// What the writer of a database with [`Checkpoint::Beside`] holds. Dropped, it ends the thread.
pub(super) struct Checkpointer {
    /// The log's pages after the last commit.
    pages: Arc<AtomicI32>,
    ahead: Ahead,
    wake: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpointer {
    /// Starts the thread, if the database has one.
    pub(super) fn start(
        checkpoint: Checkpoint,
        writer: &mut Connection,
        path: &Path,
    ) -> Result<Option<Self>, Error> {
        if checkpoint == Checkpoint::Inline {
            return Ok(None);
        }
        // Takes the place of SQLite's own hook, which is what copies automatically.
        let pages = Arc::new(AtomicI32::new(0));
        let counter = pages.clone();
        let count = move |_: &mut Wal, pages| {
            counter.store(pages, Ordering::Relaxed);
            Ok(())
        };
        writer.wal_hook(Some(count)).doing("configure database")?;
        let own = Connection::open(path).doing("open database")?;
        let (wake, woken) = mpsc::sync_channel(1);
        let thread = thread::Builder::new()
            .name("store checkpoint".to_owned())
            .spawn(move || copy_when_woken(&own, &woken))
            .map_err(Error::file("start the checkpoint thread of", path))?;
        Ok(Some(Self {
            pages,
            ahead: Ahead::of(path, PAGE_BYTES.into())?,
            wake: Some(wake),
            thread: Some(thread),
        }))
    }

    /// Called on the writer's thread after each commit.
    pub(super) fn committed(&self, writer: &Connection) {
        let pages = self.pages.load(Ordering::Relaxed);
        if pages >= INLINE_PAGES {
            copy(writer);
        } else if pages >= BESIDE_PAGES
            && let Some(wake) = &self.wake
        {
            // Full: it has been told already.
            let _ = wake.try_send(());
        }
        // Without room the next commit makes it, or says why it cannot.
        let _ = self.ahead.make_room(pages.max(0).unsigned_abs().into());
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.wake.take();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("a checkpoint thread of the store panicked");
        }
    }
}

fn copy_when_woken(connection: &Connection, woken: &Receiver<()>) {
    while woken.recv().is_ok() {
        copy(connection);
    }
}

/// Copies what nobody needs in the log any more; waits for nobody.
fn copy(connection: &Connection) {
    let copied = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
    if let Err(error) = copied {
        tracing::warn!(%error, "could not checkpoint a database; its log grows");
    }
}
