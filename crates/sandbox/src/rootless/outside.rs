//! The process that the user started: it stays what it was, in no namespace of ours.

use rustix::process::{Pid, Signal, WaitOptions, waitpid};

use super::{code_of, pass_on};
use crate::sys::{self, Awaited};

/// Passes signals on to the first process inside until that has ended, and ends as it did.
pub(super) fn wait_for(first: i32, signals: &Awaited) -> ! {
    loop {
        match signals.next(None) {
            Some(signal) if signal == Signal::CHILD.as_raw() => {
                let ended = waitpid(Pid::from_raw(first), WaitOptions::NOHANG);
                if let Ok(Some((_, status))) = ended {
                    sys::exit_now(code_of(status));
                }
            }
            Some(signal) => pass_on(signal, first),
            None => {}
        }
    }
}
