//! The first process of a sandbox: starts programs when asked to, and reaps what nobody else waits
//! for. When it ends the kernel ends everything in the sandbox.

use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::PathBuf;

use rustix::process::{Pid, Signal, WaitOptions, kill_process_group, wait};
use rustix::thread::{Uid, set_thread_res_uid};

use super::shell::Made;
use super::{Setting, exit_of, step};
use crate::layers::Layer;
use crate::protocol::{Fault, FromInit, MAIN, ToInit};
use crate::sys::Fork;
use crate::{lockdown, sys, wire};

struct Program {
    argv: Vec<String>,
    env: Vec<(String, String)>,
    cwd: PathBuf,
    /// The main program has one.
    channel: Option<OwnedFd>,
    output: OwnedFd,
}

/// Why a program does not run, and what the kernel's error is about.
struct Failed {
    error: io::Error,
    on: Fault,
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        let on = Fault::Program;
        Self { error, on }
    }
}

/// The numbers of the programs that run, by pid.
type Running = HashMap<i32, u32>;

/// Serves the daemon until the connection ends, or after [`ToInit::Detach`] until killed.
pub(super) fn run(setting: &Setting, uid: u32, made: Made) {
    let Ok(children) = sys::child_events() else {
        return;
    };
    let Made { control, ruleset } = made;
    let mut running = Running::new();
    loop {
        let (message, child) = sys::wait_readable(control.as_fd(), children.as_fd(), -1);
        if child {
            sys::clear_child_events(&children);
            reap(&control, &mut running);
        }
        if !message {
            continue;
        }
        // No longer than it must be: every page of it would be this sandbox's for ever, and its first
        // write a fault, while a function waits to begin.
        let Ok(length) = wire::waiting_bytes(&control) else {
            return;
        };
        let mut buffer = vec![0; length];
        match wire::receive::<ToInit>(&control, &mut buffer) {
            Ok(Some((
                ToInit::Exec {
                    number,
                    argv,
                    env,
                    cwd,
                },
                mut fds,
            ))) => {
                let (output, channel) = (fds.pop(), fds.pop());
                let answer = match output.filter(|_| channel.is_some() == (number == MAIN)) {
                    Some(output) => {
                        let program = Program {
                            argv,
                            env,
                            cwd,
                            channel,
                            output,
                        };
                        start(setting, uid, ruleset.as_ref(), program)
                    }
                    None => Err(io::Error::other("a program lacks a descriptor").into()),
                };
                let answer = match answer {
                    Ok(pid) => {
                        running.insert(pid, number);
                        FromInit::Started
                    }
                    Err(Failed { error, on }) => FromInit::ExecFailed {
                        reason: error.to_string(),
                        // Others have a step in front and no number.
                        errno: error.raw_os_error(),
                        on,
                    },
                };
                let _ = wire::send(&control, &answer, &[]);
            }
            Ok(Some((ToInit::Signal { number, signal }, _))) => {
                send_signal(&running, uid, number, signal);
            }
            Ok(Some((ToInit::Detach, _))) => {
                drop((control, ruleset));
                return reap_for_ever(&children);
            }
            // The daemon is gone, or has gone mad: end the sandbox.
            Ok(None) | Err(_) => return,
        }
    }
}

fn reap_for_ever(children: &OwnedFd) {
    loop {
        let (child, _) = sys::wait_readable(children.as_fd(), children.as_fd(), -1);
        if child {
            sys::clear_child_events(children);
            while let Ok(Some(_)) = wait(WaitOptions::NOHANG) {}
        }
    }
}

fn reap(control: &OwnedFd, running: &mut Running) {
    while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
        if let Some(number) = running.remove(&pid.as_raw_nonzero().get()) {
            let exit = exit_of(status);
            // A daemon that is gone needs no news; the connection's end is seen next.
            let _ = wire::send(control, &FromInit::Exited { number, exit }, &[]);
        }
    }
}

/// Signals a program and its group. It is not reaped yet, so its number is nobody else's.
fn send_signal(running: &Running, uid: u32, number: u32, signal: i32) {
    let found = running.iter().find(|(_, running)| **running == number);
    let pid = found.and_then(|(pid, _)| Pid::from_raw(*pid));
    let (Some(pid), Some(signal)) = (pid, Signal::from_named_raw(signal)) else {
        return;
    };
    // Init is another user without the right to signal this one. A child may, which is reaped as any;
    // nobody in the sandbox can trace it, because it has changed its user.
    // SAFETY: init has a single thread.
    if let Ok(Fork::Child) = unsafe { sys::fork(0) } {
        let uid = Uid::from_raw(uid);
        if set_thread_res_uid(uid, uid, uid).is_ok() {
            // A group whose last process has just ended is what was wanted.
            let _ = kill_process_group(pid, signal);
        }
        sys::exit_now(0);
    }
}

/// Starts a program and waits until it runs.
fn start(
    setting: &Setting,
    uid: u32,
    ruleset: Option<&OwnedFd>,
    program: Program,
) -> Result<i32, Failed> {
    let (mut status, report) = io::pipe().map_err(step("make a pipe"))?;
    // SAFETY: init has a single thread.
    match unsafe { sys::fork(0) }.map_err(step("fork"))? {
        Fork::Child => {
            let Failed { error, on } =
                become_program(setting, uid, ruleset, &program, report.into());
            // `become_program` has left the report on this descriptor.
            let number = error.raw_os_error().unwrap_or_default();
            // The kernel's numbers are positive.
            let number = match on {
                Fault::Program => number,
                Fault::WorkingDirectory => -number,
            };
            let report = [&number.to_ne_bytes(), error.to_string().as_bytes()].concat();
            // SAFETY: it is open until the exec that has just failed.
            let _ = rustix::io::write(unsafe { sys::inherited(REPORT) }, &report);
            sys::exit_now(127)
        }
        Fork::Parent(pid, _) => {
            drop(report);
            let mut report = Vec::new();
            status
                .read_to_end(&mut report)
                .map_err(step("read a report"))?;
            match report.split_first_chunk() {
                None => Ok(pid),
                Some((number, text)) => Err(match i32::from_ne_bytes(*number) {
                    0 => io::Error::other(String::from_utf8_lossy(text).into_owned()).into(),
                    number => Failed {
                        error: io::Error::from_raw_os_error(number.abs()),
                        on: if number < 0 {
                            Fault::WorkingDirectory
                        } else {
                            Fault::Program
                        },
                    },
                }),
            }
        }
    }
}

/// The main program's end of its channel.
const CHANNEL: i32 = 3;
/// Where the child reports why it could not become the program, the kernel's number (0: none, less: it is
/// about the working directory) and a text; closed by a successful exec.
const REPORT: i32 = 4;
const RULESET: i32 = 5;

fn become_program(
    setting: &Setting,
    uid: u32,
    ruleset: Option<&OwnedFd>,
    program: &Program,
    report: OwnedFd,
) -> Failed {
    let has_ruleset = match arrange_descriptors(ruleset, program, &report) {
        Ok(()) => ruleset.is_some(),
        Err(error) => return step("arrange descriptors")(error).into(),
    };
    std::mem::forget(report);
    let result = (|| {
        let _ = rustix::process::setsid();
        sys::reset_signals();
        let strings = Strings::of(program)?;
        // SAFETY: arranged above, and owned by nobody in this process.
        let ruleset = has_ruleset.then(|| unsafe { sys::inherited(RULESET) });
        let off = setting.layers_off;
        let filter = (!off.has(Layer::Seccomp)).then_some(setting.filter.as_slice());
        let uid = (!off.has(Layer::User)).then_some(uid);
        std::env::set_current_dir(&program.cwd).map_err(|error| Failed {
            error,
            on: Fault::WorkingDirectory,
        })?;
        lockdown::lock_down(uid, ruleset.as_ref().map(AsFd::as_fd), filter)
            .map_err(step("lock down"))?;
        Ok::<_, Failed>(strings.execute())
    })();
    match result {
        Ok(error) => error.into(),
        Err(failed) => failed,
    }
}

/// 0 = /dev/null, 1 and 2 = output, 3 = channel, and until the exec 4 = report, 5 = ruleset. A program
/// without a channel has no descriptor 3.
fn arrange_descriptors(
    ruleset: Option<&OwnedFd>,
    program: &Program,
    report: &OwnedFd,
) -> io::Result<()> {
    let null_file = std::fs::File::open("/dev/null")?;
    let high = |fd: &dyn AsFd| rustix::io::fcntl_dupfd_cloexec(fd.as_fd(), 64);
    // All out of the way first, so that none is overwritten before its turn.
    let sources = [
        high(&null_file)?,
        high(&program.output)?,
        match &program.channel {
            Some(channel) => high(channel)?,
            None => high(&null_file)?,
        },
        high(report)?,
    ];
    let ruleset = ruleset.map(|fd| high(fd)).transpose()?;
    let [null, output, channel, report] = &sources;
    let order = [
        (null, 0),
        (output, 1),
        (output, 2),
        (channel, CHANNEL),
        (report, REPORT),
    ];
    // SAFETY: this process only arranges descriptors and execs or exits; no owner runs again.
    unsafe {
        for (source, target) in order {
            sys::duplicate_to(source.as_raw_fd(), target)?;
        }
        if let Some(ruleset) = &ruleset {
            sys::duplicate_to(ruleset.as_raw_fd(), RULESET)?;
        }
        sys::close_from(if ruleset.is_some() {
            RULESET + 1
        } else {
            REPORT + 1
        });
    }
    std::mem::forget((null_file, sources, ruleset));
    let without_channel = program.channel.is_none().then_some(CHANNEL);
    for fd in [REPORT, RULESET].into_iter().chain(without_channel) {
        // SAFETY: takes numbers only. There may be no ruleset.
        unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) };
    }
    Ok(())
}

struct Strings {
    argv: Vec<CString>,
    env: Vec<CString>,
}

impl Strings {
    fn of(program: &Program) -> io::Result<Self> {
        let text = |text: String| CString::new(text).map_err(io::Error::other);
        let argv = program
            .argv
            .iter()
            .cloned()
            .map(text)
            .collect::<io::Result<Vec<_>>>()?;
        if argv.is_empty() {
            return Err(io::Error::other("no program is named"));
        }
        let env = program
            .env
            .iter()
            .map(|(key, value)| text(format!("{key}={value}")));
        Ok(Self {
            argv,
            env: env.collect::<io::Result<_>>()?,
        })
    }

    fn execute(&self) -> io::Error {
        let argv: Vec<&CStr> = self.argv.iter().map(CString::as_c_str).collect();
        let env: Vec<&CStr> = self.env.iter().map(CString::as_c_str).collect();
        let mut error = io::Error::from_raw_os_error(libc::ENOENT);
        for candidate in self.candidates() {
            error = sys::execute(&candidate, &argv, &env);
            // What a shell passes over too.
            if !matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENOTDIR)) {
                break;
            }
        }
        error
    }

    /// Where the program may be: a name without a slash is looked for where its own `PATH` says.
    fn candidates(&self) -> Vec<CString> {
        let name = &self.argv[0];
        if name.as_bytes().contains(&b'/') {
            return vec![name.clone()];
        }
        let path = self.env.iter().find_map(|variable| {
            let value = variable.as_bytes().strip_prefix(b"PATH=")?;
            Some(value.split(|byte| *byte == b':'))
        });
        let directories = path.into_iter().flatten().filter(|dir| !dir.is_empty());
        let join = |dir: &[u8]| CString::new([dir, b"/", name.as_bytes()].concat()).ok();
        directories.filter_map(join).collect()
    }
}
