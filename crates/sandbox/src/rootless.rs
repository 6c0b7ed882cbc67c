//! Without root on the host: Kiln goes on as the root of a user namespace, where it may make sandboxes
//! and nothing else.
//!
//! Inside, 0 is the user who started Kiln, and each of the sandboxes' uids is one of the user's
//! subordinate ids (subuid(5)), which `newuidmap` and `newgidmap` map. No other user of the host
//! exists there. The rest of this crate is the same as under root, with these exceptions, each where
//! it is made: devices are the host's, bound ([`template`](crate::spawner)); control groups are below
//! the one that the process is in (`cgroup/own.rs`); directories of the host cannot be given to
//! sandboxes with their users translated (`volume.rs`).
//!
//! Three processes of one program:
//!
//! ```text
//! kiln serve            outside, the user: passes signals on, ends as the server did
//!    └─ first           pid 1 of a pid namespace: reaps; ends the server when the one outside is gone
//!          └─ server    what `kiln serve` is under root
//! ```
//!
//! The pid namespace is needed: a zygote leaves its own for each child and comes back, and the kernel
//! lets nobody into a namespace that belongs to a more powerful user.

mod examine;
mod first;
mod ids;
mod outside;

use std::fs;
use std::io::{self, Write};
use std::ops::Range;
use std::sync::OnceLock;

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use crate::cgroup;
use crate::error::Error;
use crate::examine::Status;
use crate::seccomp::forbid_what_nobody_needs;
use crate::sys::{self, Awaited, Fork};

pub(crate) use examine::examine;
use ids::Extent;
pub(crate) use ids::covers;

/// What the server is told by signals, and so is passed on to it.
const PASSED_ON: [Signal; 6] = [
    Signal::HUP,
    Signal::INT,
    Signal::QUIT,
    Signal::TERM,
    Signal::USR1,
    Signal::USR2,
];
/// The process that [`enter`] was called in; set in those that it made.
static OUTSIDE: OnceLock<u32> = OnceLock::new();
const NAMESPACES: libc::c_int = libc::CLONE_NEWUSER | libc::CLONE_NEWNS | libc::CLONE_NEWPID;

/// Whether this process is an ordinary user, who must [`enter`] before sandboxes can be made.
pub fn is_ordinary_user() -> bool {
    !rustix::process::geteuid().is_root()
}

/// Whether this process is in a user namespace that is not the machine's own: one that [`enter`] made,
/// or a container's.
pub fn is_mapped() -> bool {
    static IS_MAPPED: OnceLock<bool> = OnceLock::new();
    let look = || own_map("uid_map").is_ok_and(|map| !ids::is_whole(&map));
    // What was looked up before `enter` is of the process outside.
    has_entered() || *IS_MAPPED.get_or_init(look)
}

/// Whether this process came through [`enter`], and so is what an ordinary user started.
pub fn has_entered() -> bool {
    OUTSIDE.get().is_some()
}

/// The number by which the server's user knows it: that of the process outside, where there is one.
pub fn server_pid() -> u32 {
    OUTSIDE.get().copied().unwrap_or_else(std::process::id)
}

/// Whether this process has not the powers of the machine's root.
pub(crate) fn is_rootless() -> bool {
    is_ordinary_user() || is_mapped()
}

/// What users of this process's namespace are outside of it.
pub(crate) fn own_map(file: &str) -> io::Result<Vec<Extent>> {
    fs::read_to_string(format!("/proc/self/{file}")).map(|text| ids::parse_map(&text))
}

/// Leaves the control group of version 2 that this process is in to sandboxes: only a group without
/// processes may have groups with limits below it. This process moves into one below it. Does nothing for the machine's root.
///
/// # Errors
/// What [`enter`] needs is missing, other programs are in the group too, or this process cannot move. Then nothing has changed.
pub fn leave_group(uids: &Range<u32>) -> Result<(), Error> {
    if !is_rootless() {
        return Ok(());
    }
    if is_ordinary_user() {
        refuse_what_lacks(uids)?;
    }
    cgroup::own::leave()
}

fn refuse_what_lacks(uids: &Range<u32>) -> Result<(), Error> {
    let mut findings = examine(uids).into_iter();
    match findings.find(|finding| finding.status == Status::Missing) {
        Some(finding) => Err(Error::Refused {
            finding: format!("{}: {}", finding.name, finding.detail),
            remedy: finding.remedy.unwrap_or_default(),
        }),
        None => Ok(()),
    }
}

/// Goes on in a new process, as the root of a user namespace in which `uids` are the user's subordinate
/// ids. Returns there; the calling process stays behind, passes signals on, and ends when and as
/// the other does.
///
/// # Errors
/// Something is missing, or this process has more than one thread. Then nothing has changed.
pub fn enter(uids: Range<u32>) -> Result<(), Error> {
    refuse_what_lacks(&uids)?;
    let doing = "make a user namespace";
    let mapping = ids::Mapping::of_this_user(&uids).map_err(Error::system(doing))?;
    let threads = fs::read_dir("/proc/self/task").map_err(Error::system(doing))?;
    if threads.count() != 1 {
        let error = io::Error::other("this process has threads already");
        return Err(Error::system(doing)(error));
    }
    let all = [&PASSED_ON[..], &[Signal::CHILD, first::OUTSIDE_IS_GONE]].concat();
    let signals = Awaited::block(&all).map_err(Error::system(doing))?;
    let (start, mut go) = io::pipe().map_err(Error::system(doing))?;
    let outside = std::process::id();
    // SAFETY: this process has a single thread, as was looked at above.
    match unsafe { sys::fork(NAMESPACES) } {
        Ok(Fork::Child) => {
            drop(go);
            let _ = OUTSIDE.set(outside);
            if let Err(error) = first::begin(start, &signals) {
                eprintln!("kiln: make a user namespace: {error}");
                sys::exit_now(1);
            }
            Ok(())
        }
        Ok(Fork::Parent(pid, _)) => {
            drop(start);
            // Before, newuidmap must be able to gain rights.
            let begun = mapping
                .write(pid)
                .and_then(|()| forbid_what_nobody_needs())
                .and_then(|()| go.write_all(&[1]));
            match begun {
                Ok(()) => outside::wait_for(pid, &signals),
                Err(error) => {
                    end(pid);
                    signals.release();
                    Err(Error::system(doing)(error))
                }
            }
        }
        Err(error) => {
            signals.release();
            Err(Error::system(doing)(error))
        }
    }
}

/// Kills a child and waits for its end.
fn end(pid: i32) {
    let pid = Pid::from_raw(pid);
    if let Some(pid) = pid {
        let _ = kill_process(pid, Signal::KILL);
    }
    let _ = waitpid(pid, WaitOptions::empty());
}

/// What a shell would call the end of a process.
fn code_of(status: rustix::process::WaitStatus) -> i32 {
    let signal = status.terminating_signal().map(|signal| 128 + signal);
    signal.or(status.exit_status()).unwrap_or(1)
}

/// Sends a signal that was received to a process of ours.
fn pass_on(signal: i32, pid: i32) {
    if let (Some(pid), Some(signal)) = (Pid::from_raw(pid), Signal::from_named_raw(signal)) {
        // One that ended meanwhile needs no signal.
        let _ = kill_process(pid, signal);
    }
}
