//! The first process of the pid namespace. When it ends the kernel ends everything in it, so it ends
//! last: after `kill -9` the spawner still clears control groups away.

use std::io::{self, PipeReader, Read};
use std::path::Path;
use std::time::Duration;

use kiln_types::{Clock, Moment, SystemClock};
use rustix::process::{Signal, WaitOptions, set_parent_process_death_signal, setsid, wait};
use rustix::thread::set_thread_groups;

use super::{code_of, pass_on};
use crate::mount;
use crate::seccomp::forbid_what_nobody_needs;
use crate::sys::{self, Awaited, Fork};

/// What the kernel sends when the process outside has ended.
pub(super) const OUTSIDE_IS_GONE: Signal = Signal::POWER;
/// How long after the server's end the spawner and its children may take to end.
const ENDING_MAX: Duration = Duration::from_secs(10);

/// Waits for its users, and forks the server, in which this returns.
pub(super) fn begin(mut start: PipeReader, signals: &Awaited) -> io::Result<()> {
    set_parent_process_death_signal(Some(OUTSIDE_IS_GONE))?;
    start.read_exact(&mut [0])?;
    // It keeps its end as long as it lives: had it ended before the line above, nothing would tell.
    if sys::is_readable(&start) {
        return Err(io::Error::other("the process outside has ended"));
    }
    drop(start);
    // Groups that are not mapped would be kept for ever: whoever is in that of a container engine's socket would reach it from
    // inside.
    set_thread_groups(&[]).map_err(|error| {
        io::Error::new(error.kind(), format!("leave the user's groups: {error}"))
    })?;
    // A session of its own, so that Ctrl-C reaches the process outside only, which passes it on once.
    setsid()?;
    let proc = mount::own_proc().map_err(|error| {
        let why = "a /proc of its own (a container hides parts of /proc: give it an unmasked one)";
        io::Error::new(error.kind(), format!("{why}: {error}"))
    })?;
    mount::attach(proc, Path::new("/proc"))?;
    // SAFETY: this process is a fork of one with a single thread.
    match unsafe { sys::fork(0) }? {
        Fork::Child => {
            signals.release();
            Ok(())
        }
        // The server does so itself.
        Fork::Parent(server, _) => {
            forbid_what_nobody_needs()?;
            look_after(server, signals)
        }
    }
}

fn look_after(server: i32, signals: &Awaited) -> ! {
    let clock = SystemClock::start();
    // How the server ended, and when.
    let mut ended: Option<(i32, Moment)> = None;
    loop {
        let left = ended.map(|(_, at)| ENDING_MAX.saturating_sub(clock.now().since(at)));
        if let (Some((code, _)), Some(Duration::ZERO)) = (ended, left) {
            sys::exit_now(code);
        }
        match signals.next(left) {
            Some(signal) if signal == Signal::CHILD.as_raw() => {
                let (code, is_alone) = reap(server);
                ended = ended.or(code.map(|code| (code, clock.now())));
                if let (true, Some((code, _))) = (is_alone, ended) {
                    sys::exit_now(code);
                }
            }
            // Its number may be another's by now.
            Some(_) if ended.is_some() => {}
            Some(signal) if signal == OUTSIDE_IS_GONE.as_raw() => pass_on(libc::SIGKILL, server),
            Some(signal) => pass_on(signal, server),
            None => {}
        }
    }
}

/// Reaps what has ended. Says how the server did, if it is among that, and whether no child is left.
fn reap(server: i32) -> (Option<i32>, bool) {
    let mut code = None;
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) => {
                if pid.as_raw_nonzero().get() == server {
                    code = Some(code_of(status));
                }
            }
            Ok(None) => return (code, false),
            Err(_) => return (code, true),
        }
    }
}
