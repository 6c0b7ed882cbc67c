//! One SQLite database: a writer thread that commits in groups, and readers beside it.
//!
//! Changes are jobs on a channel. The writer runs all that are waiting in one transaction, each in
//! a savepoint of its own so that one that fails takes no other with it, commits once, and only
//! then completes them in order. A job that refuses or panics leaves no trace.
//!
//! When SQLite itself gives a transaction up (the disk is full), all of its group have failed. When
//! the disk fails under a commit the writer stops for good: after a sync that failed the kernel may
//! have dropped what it did not write, and a later one that succeeds proves nothing.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};
use tokio::sync::{Semaphore, oneshot};

use crate::error::{Doing, Error};

mod ahead;
mod checkpoint;
mod job;
mod migrate;
#[cfg(test)]
mod tests;

pub(crate) use checkpoint::Checkpoint;
use checkpoint::Checkpointer;
use job::{Failure, Job, Lazy, Urgent};

/// Changes that may wait at once; further callers wait before they are queued.
const JOBS_MAX: usize = 4_096;
/// Changes committed together: bounds how long the first of a group waits for the last.
const GROUP_MAX: usize = 512;
/// Statements that a connection keeps prepared. With fewer than a file has in use, each would be compiled
/// time and again, which takes longer than to run it; rusqlite's own 16 are.
const STATEMENTS_MAX: usize = 128;
/// 8 KiB were 1.5 times as fast as 4 KiB for appends.
const PAGE_BYTES: u32 = 8_192;
/// How long a connection waits for another one's lock.
const BUSY: Duration = Duration::from_secs(5);
/// How often a log is tried to be emptied before readers are told to be in the way.
const TRIES_MAX: usize = 6;
/// Idle read connections kept open.
const READERS_IDLE_MAX: usize = 4;

/// What a database file is for and how it must be kept.
pub(crate) struct Spec {
    /// The name of the file in the data directory.
    pub(crate) file: &'static str,
    /// What a commit waits for.
    pub(crate) durability: Durability,
    /// How long jobs that nobody waits for may gather before they are committed.
    pub(crate) linger: Duration,
    /// Who copies what was committed from the log into the database.
    pub(crate) checkpoint: Checkpoint,
    /// Whether what is deleted or replaced is overwritten on the disk.
    pub(crate) wipes: bool,
    /// The statements that lead from each format to the next; the first makes the tables.
    pub(crate) migrations: &'static [&'static str],
}

/// What a commit waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    /// The disk: a commit survives a power cut.
    Disk,
    /// The kernel: a commit survives the process, the last ones may be lost in a power cut.
    Kernel,
}

/// An open database.
pub(crate) struct Database {
    path: PathBuf,
    jobs: Mutex<Option<Sender<Box<dyn Job>>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
    permits: Arc<Semaphore>,
    readers: Arc<Mutex<Vec<Connection>>>,
    /// Held while a group is committed, and while the file is written anew.
    gate: Arc<Mutex<()>>,
}

impl Database {
    pub(crate) fn open(dir: &Path, spec: &Spec) -> Result<Self, Error> {
        Self::open_with(dir, spec, |_| Ok(())).map(|(database, ())| database)
    }

    /// The same, and makes a change, in a transaction of its own, before any other.
    pub(crate) fn open_with<T>(
        dir: &Path,
        spec: &Spec,
        first: impl FnOnce(&Connection) -> Result<T, Error>,
    ) -> Result<(Self, T), Error> {
        let path = dir.join(spec.file);
        // Made before SQLite does, so that it, its log and its index are for their owner only.
        let made = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path);
        made.map_err(Error::file("open", &path))?;
        let mut connection = Connection::open(&path).doing("open database")?;
        configure(&connection, spec).doing("configure database")?;
        migrate::migrate(&mut connection, &path, spec.migrations)?;
        let transaction = connection.transaction().doing("open database")?;
        let made = first(&transaction)?;
        transaction.commit().doing("open database")?;
        let checkpointer = Checkpointer::start(spec.checkpoint, &mut connection, &path)?;
        let (sender, receiver) = mpsc::channel();
        let linger = spec.linger;
        let gate = Arc::new(Mutex::new(()));
        let writer = Writer {
            gate: gate.clone(),
            connection,
            durability: spec.durability,
            waits_for: spec.durability,
            is_stopped: false,
        };
        let writer = thread::Builder::new()
            .name(format!("store {}", spec.file))
            .spawn(move || write_until_closed(writer, &receiver, linger, checkpointer))
            .map_err(Error::file("start the writer thread of", &path))?;
        let database = Self {
            path,
            jobs: Mutex::new(Some(sender)),
            writer: Mutex::new(Some(writer)),
            permits: Arc::new(Semaphore::new(JOBS_MAX)),
            readers: Arc::default(),
            gate,
        };
        Ok((database, made))
    }

    /// Writes the file anew, so that nothing is left of what was deleted or replaced in it, and then makes a change, unless somebody
    /// reads the log. While the store is being opened.
    pub(crate) fn write_anew(
        &self,
        then: impl FnOnce(&Connection) -> Result<(), Error>,
    ) -> Result<(), Error> {
        const DOING: &str = "write the database anew";
        if !vacuum(&self.path).doing(DOING)? {
            tracing::warn!(
                file = %self.path.display(),
                "somebody reads the log: what was deleted is in it until the next start"
            );
            return Ok(());
        }
        then(&open_apart(&self.path).doing(DOING)?)
    }

    /// The same at any time: nothing is left in the file nor in its log. Changes wait meanwhile, and readers may hold it up.
    pub(crate) async fn wipe(&self) -> Result<(), Error> {
        const DOING: &str = "write the database anew";
        let (path, gate) = (self.path.clone(), self.gate.clone());
        let wiped = tokio::task::spawn_blocking(move || {
            let _held = gate.lock().expect("no holder panics");
            vacuum(&path)
        });
        let mut is_done = wiped
            .await
            .map_err(|_| Error::Panicked(DOING))?
            .doing(DOING)?;
        for _ in 0..TRIES_MAX {
            if is_done {
                return Ok(());
            }
            is_done = self.empty_log().await?;
        }
        Err(Error::Database {
            doing: DOING,
            source: "somebody reads its log without end; try again later".into(),
        })
    }

    /// Copies the log into the file and empties it, so that nothing is left of what was deleted or replaced, if the file wipes
    /// that. Says whether nobody was in the way.
    pub(crate) async fn empty_log(&self) -> Result<bool, Error> {
        const DOING: &str = "empty a database's log";
        let path = self.path.clone();
        let empty = move || empty_log(&open_apart(&path)?);
        let task = tokio::task::spawn_blocking(empty);
        task.await.map_err(|_| Error::Panicked(DOING))?.doing(DOING)
    }

    /// The same while the store is being opened.
    pub(crate) fn empty_log_now(&self) -> Result<bool, Error> {
        let emptied = open_apart(&self.path).and_then(|connection| empty_log(&connection));
        emptied.doing("empty a database's log")
    }

    /// Runs `work` on the writer thread and waits until its change is committed.
    pub(crate) async fn write<T, E>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        self.write_then(doing, work, |_| ()).await
    }

    /// The same, and lets `publish` see the result after the commit and before the next one: what
    /// is published is always in the order of the commits.
    pub(crate) async fn write_then<T, E>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&Connection) -> Result<T, E> + Send + 'static,
        publish: impl FnOnce(&T) + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let _permit = self.permits.acquire().await.map_err(|_| Error::Closed)?;
        let (reply, answer) = oneshot::channel();
        self.submit(Box::new(Urgent::new(doing, work, publish, reply)))?;
        answer.await.unwrap_or_else(|_| Err(Error::Closed.into()))
    }

    /// The same of a change that survives the process, and of which a power cut may cost the last ones:
    /// its caller does not wait for the disk, unless it is committed together with others that do.
    pub(crate) async fn write_to_kernel<T, E>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&Connection) -> Result<T, E> + Send + 'static,
        publish: impl FnOnce(&T) + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let _permit = self.permits.acquire().await.map_err(|_| Error::Closed)?;
        let (reply, answer) = oneshot::channel();
        let job = Urgent::new(doing, work, publish, reply);
        self.submit(Box::new(job.for_the_kernel()))?;
        answer.await.unwrap_or_else(|_| Err(Error::Closed.into()))
    }

    /// Queues a change that nobody waits for; a failure is logged, and `failed` is called. It is
    /// committed within the database's linger time, or together with the next change that somebody
    /// waits for.
    pub(crate) fn write_later(
        &self,
        doing: &'static str,
        work: impl FnOnce(&Connection) -> Result<(), Error> + Send + 'static,
        failed: impl FnOnce() + Send + 'static,
    ) -> Result<(), Error> {
        self.submit(Box::new(Lazy::new(doing, work, failed)))
    }

    fn submit(&self, job: Box<dyn Job>) -> Result<(), Error> {
        let jobs = self.jobs.lock().expect("no holder panics");
        let sender = jobs.as_ref().ok_or(Error::Closed)?;
        sender.send(job).map_err(|_| Error::Closed)
    }

    /// Runs `work` on a read connection, off the async threads. It sees all that was committed
    /// before the call.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let path = self.path.clone();
        let readers = self.readers.clone();
        let task = tokio::task::spawn_blocking(move || {
            let idle = readers.lock().expect("no holder panics").pop();
            let connection = match idle {
                Some(connection) => connection,
                None => open_reader(&path)?,
            };
            let result = work(&connection);
            let mut idle = readers.lock().expect("no holder panics");
            if idle.len() < READERS_IDLE_MAX {
                idle.push(connection);
            }
            result
        });
        task.await.map_err(|_| Error::Panicked(doing))?.doing(doing)
    }

    /// Reads while the store is being opened, on the calling thread.
    pub(crate) fn read_now<T>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, Error> {
        open_reader(&self.path)
            .and_then(|connection| work(&connection))
            .doing(doing)
    }

    /// Commits what is queued, writes it through to the disk and ends the writer thread.
    pub(crate) async fn close(&self) -> Result<(), Error> {
        self.permits.close();
        let Some(writer) = self.stop() else {
            return Ok(());
        };
        let ended = tokio::task::spawn_blocking(move || writer.join()).await;
        match ended {
            Ok(Ok(())) => Ok(()),
            _ => Err(Error::Panicked("close database")),
        }
    }

    fn stop(&self) -> Option<JoinHandle<()>> {
        self.jobs.lock().expect("no holder panics").take();
        self.readers.lock().expect("no holder panics").clear();
        self.writer.lock().expect("no holder panics").take()
    }
}

/// Waits for the writer, so that the data directory is never given up under its feet.
impl Drop for Database {
    fn drop(&mut self) {
        if let Some(writer) = self.stop()
            && writer.join().is_err()
        {
            tracing::error!(file = %self.path.display(), "the store's writer thread panicked");
        }
    }
}

/// Whether the log could be emptied: nobody read it.
fn vacuum(path: &Path) -> rusqlite::Result<bool> {
    let connection = open_apart(path)?;
    connection.execute_batch("VACUUM")?;
    empty_log(&connection)
}

fn configure(connection: &Connection, spec: &Spec) -> rusqlite::Result<()> {
    // Only a new file takes them.
    connection.pragma_update(None, "page_size", PAGE_BYTES)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    wait_for(connection, spec.durability)?;
    connection.pragma_update(None, "secure_delete", spec.wipes)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "wal_autocheckpoint", 2_000)?;
    let log_bytes_max = spec.checkpoint.log_bytes_max();
    connection.pragma_update(None, "journal_size_limit", log_bytes_max)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    connection.busy_timeout(BUSY)
}

/// Says what commits wait for from here on.
fn wait_for(connection: &Connection, durability: Durability) -> rusqlite::Result<()> {
    let synchronous = match durability {
        Durability::Disk => "FULL",
        Durability::Kernel => "NORMAL",
    };
    connection.pragma_update(None, "synchronous", synchronous)
}

/// A connection beside the writer's, for what is done to the file as a whole.
fn open_apart(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY)?;
    Ok(connection)
}

/// Whether it could be: nobody read what is in it for longer than [`BUSY`].
fn empty_log(connection: &Connection) -> rusqlite::Result<bool> {
    let is_busy: bool =
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    Ok(!is_busy)
}

fn open_reader(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    Ok(connection)
}

/// The one connection that writes.
struct Writer {
    gate: Arc<Mutex<()>>,
    connection: Connection,
    /// What the database's commits wait for, and what they wait for at the moment.
    durability: Durability,
    waits_for: Durability,
    /// Whether the disk failed under a commit: nothing more is written.
    is_stopped: bool,
}

fn write_until_closed(
    mut writer: Writer,
    jobs: &Receiver<Box<dyn Job>>,
    linger: Duration,
    checkpointer: Option<Checkpointer>,
) {
    while let Ok(first) = jobs.recv() {
        let group = gather(first, jobs, linger);
        writer.commit(group);
        if let Some(checkpointer) = &checkpointer
            && !writer.is_stopped
        {
            checkpointer.committed(&writer.connection);
        }
    }
    drop(checkpointer);
    if writer.is_stopped {
        return;
    }
    let connection = writer.connection;
    // Whatever `synchronous` says, a checkpoint syncs: nothing is left to chance at shutdown.
    let checkpoint = "PRAGMA wal_checkpoint(TRUNCATE)";
    if let Err(error) = connection.query_row(checkpoint, [], |_| Ok(())) {
        tracing::warn!(%error, "could not checkpoint a database at shutdown");
    }
}

/// All jobs that are waiting; while nobody waits for any of them, also those that come soon.
fn gather(
    first: Box<dyn Job>,
    jobs: &Receiver<Box<dyn Job>>,
    linger: Duration,
) -> Vec<Box<dyn Job>> {
    let mut awaited = first.is_urgent();
    let mut group = vec![first];
    while group.len() < GROUP_MAX {
        let wait = if awaited { Duration::ZERO } else { linger };
        let Ok(job) = jobs.recv_timeout(wait) else {
            break;
        };
        awaited |= job.is_urgent();
        group.push(job);
    }
    group
}

impl Writer {
    fn commit(&mut self, mut group: Vec<Box<dyn Job>>) {
        let gate = self.gate.clone();
        let held = gate.lock().expect("no holder panics");
        let failure = match self.is_stopped {
            true => Some(Failure::Stopped),
            false => self.run(&mut group).err(),
        };
        if failure == Some(Failure::Stopped) && !self.is_stopped {
            self.is_stopped = true;
            tracing::error!(
                file = self.connection.path(),
                "the disk failed under a change: nothing more is written to this file; \
                 see to the disk and start Kiln again"
            );
        }
        drop(held);
        for job in group {
            job.finish(failure.as_ref());
        }
    }

    fn run(&mut self, group: &mut [Box<dyn Job>]) -> Result<(), Failure> {
        let failed = |error: rusqlite::Error| Failure::Commit(error.to_string());
        self.prepare(group).map_err(failed)?;
        let begin = TransactionBehavior::Immediate;
        let transaction = self.connection.transaction_with_behavior(begin);
        let mut transaction = transaction.map_err(failed)?;
        for job in group {
            job.run(&mut transaction);
            // Else what the next ones write would be committed, each by itself.
            if transaction.is_autocommit() {
                let why = "the database gave the transaction up, which a full disk has it do";
                return Err(Failure::Commit(why.to_owned()));
            }
        }
        transaction
            .commit()
            .map_err(|error| match error.sqlite_error_code() {
                Some(ErrorCode::SystemIoFailure) => Failure::Stopped,
                _ => failed(error),
            })
    }

    /// Has the commit of a group wait for what its jobs need. A later commit that waits for the disk has
    /// the earlier ones written too: they are in the same log.
    fn prepare(&mut self, group: &[Box<dyn Job>]) -> rusqlite::Result<()> {
        let needed = match group.iter().any(|job| job.needs_disk()) {
            true => self.durability,
            false => Durability::Kernel,
        };
        if needed != self.waits_for {
            wait_for(&self.connection, needed)?;
            self.waits_for = needed;
        }
        Ok(())
    }
}
