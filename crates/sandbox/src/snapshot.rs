//! Snapshots: the memory of an initialised process as files, out of which processes in other
//! sandboxes are made.
//!
//! The *original* is an ordinary sandbox in which a function was initialised and waits in
//! [`code`]. The daemon looks at its memory from outside ([`memory`], [`scan`]), plans how another child
//! of the same zygote becomes a copy of it ([`plan`]), and copies what the plan needs, all of it within
//! limits ([`effort`]). Then the original is killed: nothing stays that
//! instances could see, signal or share, and nothing that runs untrusted code has a right that other
//! sandboxes have not. A copy is an ordinary sandbox too, with its own user, namespaces, limits, `/tmp`
//! and walls, whose process replaces its own memory. See
//! `docs/decisions/2026-11-26-snapshots-are-files.md`.

mod code;
mod effort;
mod memory;
mod plan;
mod scan;

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

use crate::error::Error;
use crate::sandbox::Sandbox;
use effort::{Effort, Refusal};
use memory::Process;
use plan::{ADDRESS, PAGES_FD, Plan, Planner};

/// Where a sandbox that is to become a copy finds the snapshot; mount it there.
pub const SNAPSHOT_DIR: &str = "/var/snapshot";
/// How long the processes of a sandbox may take to stand still: microseconds, unless one waits in the
/// kernel for a disk.
const FREEZING_MAX: Duration = Duration::from_secs(5);
const CHUNK_BYTES: usize = 1 << 20;

/// Where a process waits to be copied, as its runtime says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Point {
    /// The address of the saved registers.
    pub state: u64,
    /// What the runtime of another sandbox compares with its own: equal in all children of one
    /// zygote, and different in every other.
    pub lineage: String,
}

/// A snapshot that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Its directory.
    pub dir: PathBuf,
    /// Its size on disk.
    pub bytes: u64,
}

/// What a runtime must know to become the copy.
#[derive(Debug, Serialize)]
struct Head<'a> {
    lineage: &'a str,
    pid: i32,
    /// Where to map the plan, how long it is, and what in it to call with which argument.
    address: u64,
    plan_bytes: u64,
    entry: u64,
    steps: u64,
    pages_fd: u32,
    files: &'a [(u32, String)],
}

/// The code with which a process waits to be copied: its first byte is the entry. None where this
/// machine has no snapshots.
pub fn waiting_code() -> Option<&'static [u8]> {
    code::IS_SUPPORTED.then(|| code::code().0)
}

impl Sandbox {
    /// Copies the memory of the main process, which waits, to a directory that is made for it. The
    /// sandbox is frozen from then on: nothing is left to do with it but to drop it. Takes as long as
    /// writing the memory does: not for a thread that serves others.
    ///
    /// # Errors
    /// [`Error::NotSnapshottable`] when the process has something that cannot be copied.
    pub fn snapshot(&self, point: &Point, dir: &Path, bytes_max: u64) -> Result<Snapshot, Error> {
        self.freeze()?;
        let group = &self.body.group;
        group
            .await_frozen(FREEZING_MAX)
            .map_err(Error::system("wait until a sandbox is frozen"))?;
        let Some(pid) = self.body.registry.main(self.body.id) else {
            let why = "its process was not forked from a zygote";
            return Err(Error::NotSnapshottable(why.to_owned()));
        };
        let original = find(pid, self.body.uid).map_err(Error::system("find a process"))?;
        take(&original, point, dir, bytes_max)
    }
}

/// The process that has this number and runs as this user. Nobody outside of the sandbox does, and in it
/// nothing can end, so it is the one that was meant.
fn find(pid: i32, uid: u32) -> io::Result<Process> {
    let process = Process::open(pid)?;
    match process.status()?.uid == uid {
        true => Ok(process),
        false => Err(io::ErrorKind::NotFound.into()),
    }
}

fn take(original: &Process, point: &Point, dir: &Path, bytes_max: u64) -> Result<Snapshot, Error> {
    let failed = |refusal: Refusal| match refusal {
        Refusal::Unfit(why) => Error::NotSnapshottable(why),
        Refusal::Io(error) => Error::system("write a snapshot")(error),
    };
    let taken = write(original, point, dir, bytes_max);
    if taken.is_err() {
        // Half of one is worth nothing. What cannot be removed is at the next start.
        let _ = fs::remove_dir_all(dir);
    }
    taken.map_err(failed)
}

fn write(
    original: &Process,
    point: &Point,
    dir: &Path,
    bytes_max: u64,
) -> Result<Snapshot, Refusal> {
    if !code::IS_SUPPORTED {
        return Err(Refusal::unfit("this machine's processor is not known"));
    }
    let status = original.status()?;
    if status.threads != 1 {
        let others = status.threads - 1;
        return Err(Refusal::Unfit(format!("it has {others} more threads")));
    }
    if original.has_children()? {
        return Err(Refusal::unfit("it has child processes"));
    }
    let parent = Process::open(status.parent)?;
    // Still its parent, so it had not ended, and its number was nobody else's, when it was opened.
    if original.status()?.parent != status.parent {
        return Err(io::Error::other("the zygote ended meanwhile").into());
    }
    let mut effort = Effort::new();
    let plan = Planner::new(original, &parent, bytes_max, &mut effort).plan()?;
    fs::create_dir_all(dir)?;
    fs::set_permissions(dir, Permissions::from_mode(0o755))?;
    effort.begin_copying();
    copy(original, &plan, &mut create(dir, "pages")?, &effort)?;
    let (code, become_at) = code::code();
    let encoded = encode(code, &plan, point.state);
    create(dir, "plan")?.write_all(&encoded)?;
    let head = Head {
        lineage: &point.lineage,
        pid: status.inner_pid,
        address: ADDRESS,
        plan_bytes: encoded.len() as u64,
        entry: ADDRESS + become_at as u64,
        steps: ADDRESS + steps_at(code) as u64,
        pages_fd: PAGES_FD,
        files: &plan.files,
    };
    let head = serde_json::to_vec(&head).map_err(io::Error::from)?;
    create(dir, "head.json")?.write_all(&head)?;
    Ok(Snapshot {
        dir: dir.to_owned(),
        bytes: plan.bytes + encoded.len() as u64 + head.len() as u64,
    })
}

fn copy(original: &Process, plan: &Plan, pages: &mut File, effort: &Effort) -> Result<(), Refusal> {
    let mut buffer = vec![0; CHUNK_BYTES];
    for (start, end) in &plan.copied {
        let mut at = *start;
        while at < *end {
            effort.go_on()?;
            let length = ((end - at) as usize).min(buffer.len());
            original.read(at, &mut buffer[..length])?;
            pages.write_all(&buffer[..length])?;
            at += length as u64;
        }
    }
    Ok(())
}

/// The code and behind it the steps.
fn encode(code: &[u8], plan: &Plan, state: u64) -> Vec<u8> {
    let mut encoded = code.to_vec();
    encoded.resize(steps_at(code), 0);
    let end = [u64::MAX, state, 0, 0, 0, 0, 0, 0];
    for step in plan.steps.iter().chain([&end]) {
        encoded.extend(step.iter().flat_map(|word| word.to_ne_bytes()));
    }
    encoded
}

fn steps_at(code: &[u8]) -> usize {
    code.len().next_multiple_of(64)
}

/// A new file that every sandbox may read and nobody may write.
fn create(dir: &Path, name: &str) -> io::Result<File> {
    let path = dir.join(name);
    let file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&path)?;
    file.set_permissions(Permissions::from_mode(0o444))?;
    Ok(file)
}
