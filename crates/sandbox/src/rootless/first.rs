//! The first process of the pid namespace. When it ends the kernel ends everything in it, so it ends
//! last: after `kill -9` the spawner still clears control groups away.

use std::io::{self, PipeReader, Read};
use std::path::Path;
use std::time::Duration;

use rustix::process::{Signal, WaitOptions, set_parent_process_death_signal, setsid, wait};

use super::{code_of, pass_on};
use crate::mount;
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
        Fork::Parent(server, _) => look_after(server, signals),
    }
}

fn look_after(server: i32, signals: &Awaited) -> ! {
    let mut code = None;
    loop {
        match (signals.next(code.map(|_| ENDING_MAX)), code) {
            (None, Some(code)) => sys::exit_now(code),
            (None, None) => {}
            (Some(signal), _) if signal == Signal::CHILD.as_raw() => {
                let is_alone = reap(server, &mut code);
                if let (true, Some(code)) = (is_alone, code) {
                    sys::exit_now(code);
                }
            }
            (Some(signal), _) if signal == OUTSIDE_IS_GONE.as_raw() => {
                pass_on(libc::SIGKILL, server);
            }
            (Some(signal), _) => pass_on(signal, server),
        }
    }
}

/// Reaps what has ended; notes how the server did. Says whether no child is left.
fn reap(server: i32, code: &mut Option<i32>) -> bool {
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) => {
                if pid.as_raw_nonzero().get() == server {
                    *code = Some(code_of(status));
                }
            }
            Ok(None) => return false,
            Err(_) => return true,
        }
    }
}
