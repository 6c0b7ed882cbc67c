//! The spawner: a small process with one thread that makes every other process.
//!
//! The daemon must not fork itself: a fork of a program with threads is undefined behaviour in all
//! but name, and one of a large process costs 80 ms per GiB. The spawner is the same executable
//! started again as `kiln __spawner`, with a `SOCK_SEQPACKET` connection to the daemon as its
//! standard input. It moves into a root of its own, which every child inherits, makes shells and
//! zygotes, reaps them and removes their control groups. When the connection ends, so does all
//! that it made: nothing outlives the daemon, however that ended.

mod init;
mod shell;
mod template;
mod zygote;

use std::collections::{HashMap, HashSet};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, kill_process, wait};
use seccompiler::sock_filter;

use crate::cgroup::{Place, Version};
use crate::layers::LayersOff;
use crate::network::QueueKind;
use crate::protocol::{FromSpawner, ToSpawner};
use crate::sandbox::Exit;
use crate::sys::Fork;
use crate::{seccomp, sys, wire};

/// As if all of the machine's memory were a process's own, to the kernel when it looks for one to end.
const OOM_SCORE: &str = "1000";
/// How long to wait before trying again to remove a control group whose last process is reaped
/// but not yet gone from it.
const RETRY_MS: i32 = 2;
/// How often to try at the end, when nobody is left to tell (1 s in all).
const FINAL_ATTEMPTS_MAX: usize = 500;

/// One directory in which every sandbox gets a control group. Held open: its path is not reachable
/// from the spawner's root.
struct CgroupDirectory {
    version: Version,
    parent: OwnedFd,
    name: PathBuf,
    directory: OwnedFd,
}

/// What every child needs to know.
struct Setting {
    cgroups: Vec<CgroupDirectory>,
    filter: Vec<sock_filter>,
    listeners: Vec<SocketAddr>,
    uplink: Option<QueueKind>,
    layers_off: LayersOff,
}

struct Spawner {
    daemon: OwnedFd,
    children: OwnedFd,
    setting: Setting,
    /// Inits by pid.
    inits: HashMap<i32, u64>,
    /// Zygotes, and processes that keep a user namespace.
    others: HashSet<i32>,
    /// Sandboxes whose processes are reaped and whose control groups could not be removed yet.
    ending: Vec<u64>,
    buffer: Vec<u8>,
}

/// The body of the hidden command `__spawner`: call it first thing in `main`, before any thread.
pub fn spawner_main() -> ExitCode {
    // SAFETY: nothing of ours has opened descriptors yet; what was inherited must not reach
    // sandboxes.
    unsafe { sys::close_from(3) };
    match take_connection().and_then(run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("spawner: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The daemon starts us with the connection as standard input.
fn take_connection() -> io::Result<OwnedFd> {
    let daemon = rustix::io::fcntl_dupfd_cloexec(io::stdin(), 3)?;
    let null = std::fs::File::open("/dev/null")?;
    // SAFETY: descriptor 0 has no owner: the standard library uses it by number.
    unsafe { sys::duplicate_to(null.as_raw_fd(), 0)? };
    Ok(daemon)
}

fn run(daemon: OwnedFd) -> io::Result<()> {
    // A session of its own, so that Ctrl-C reaches the daemon only, which then ends us in order.
    let _ = rustix::process::setsid();
    // Should the machine run out of memory all the same, functions are ended before anything else: all that is forked here has it.
    std::fs::write("/proc/self/oom_score_adj", OOM_SCORE).map_err(step("raise the OOM score"))?;
    // Children of a zygote that ended become ours to reap.
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    let mut buffer = vec![0; wire::MESSAGE_BYTES_MAX];
    // The descriptor beside it keeps the server's name taken until this process has ended.
    let Some((message, _name_lock)) = wire::receive::<ToSpawner>(&daemon, &mut buffer)? else {
        return Ok(());
    };
    let setting = match prepare(message) {
        Ok(setting) => setting,
        Err(error) => {
            return wire::send(
                &daemon,
                &FromSpawner::Refused {
                    reason: error.to_string(),
                },
                &[],
            );
        }
    };
    let children = sys::child_events()?;
    wire::send(&daemon, &FromSpawner::Ready, &[])?;
    let mut spawner = Spawner {
        daemon,
        children,
        setting,
        inits: HashMap::new(),
        others: HashSet::new(),
        ending: Vec::new(),
        buffer,
    };
    let served = spawner.serve();
    spawner.end();
    match served {
        // The daemon left while something was on its way to it.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        served => served,
    }
}

fn prepare(message: ToSpawner) -> io::Result<Setting> {
    let ToSpawner::Prepare {
        root,
        cgroups,
        uids,
        listeners,
        uplink,
        layers_off,
    } = message
    else {
        return Err(io::Error::other("the first message must be Prepare"));
    };
    let cgroups = cgroups
        .iter()
        .map(CgroupDirectory::open)
        .collect::<io::Result<_>>()?;
    template::enter(&root, uids)?;
    Ok(Setting {
        cgroups,
        filter: seccomp::compile(),
        listeners,
        uplink,
        layers_off,
    })
}

impl Spawner {
    fn serve(&mut self) -> io::Result<()> {
        loop {
            let timeout = if self.ending.is_empty() { -1 } else { RETRY_MS };
            let (message, child) =
                sys::wait_readable(self.daemon.as_fd(), self.children.as_fd(), timeout);
            if child {
                sys::clear_child_events(&self.children);
            }
            if child || !self.ending.is_empty() {
                self.reap()?;
            }
            if message && !self.answer()? {
                return Ok(());
            }
        }
    }

    /// Serves one message. Says whether the daemon is still there.
    fn answer(&mut self) -> io::Result<bool> {
        let received = wire::receive::<ToSpawner>(&self.daemon, &mut self.buffer);
        let Some((message, fds)) = received? else {
            return Ok(false);
        };
        match message {
            ToSpawner::Prepare { .. } => return Err(io::Error::other("prepared already")),
            ToSpawner::Shell { id, uid, tmp_bytes } => match self.shell(id, uid, tmp_bytes, fds) {
                Ok((pid, pidfd)) => {
                    self.inits.insert(pid, id);
                    self.tell(&FromSpawner::Shell { id }, &[pidfd.as_fd()])?;
                }
                Err(error) => {
                    self.setting.remove_groups(id);
                    self.tell(
                        &FromSpawner::ShellFailed {
                            id,
                            reason: error.to_string(),
                        },
                        &[],
                    )?;
                }
            },
            ToSpawner::Zygote {
                number,
                argv,
                env,
                targets,
            } => match zygote::spawn(&self.setting, &argv, &env, &targets, fds) {
                Ok(pid) => {
                    self.others.insert(pid);
                    self.tell(&FromSpawner::Zygote { number, pid }, &[])?;
                }
                Err(error) => {
                    let reason = error.to_string();
                    self.tell(&FromSpawner::ZygoteFailed { number, reason }, &[])?;
                }
            },
            ToSpawner::Namespace { number } => match keep_namespace() {
                Ok((pid, pidfd)) => {
                    self.others.insert(pid);
                    self.tell(&FromSpawner::Namespace { number, pid }, &[pidfd.as_fd()])?;
                }
                Err(error) => {
                    let reason = format!("make a user namespace: {error}");
                    self.tell(&FromSpawner::NamespaceFailed { number, reason }, &[])?;
                }
            },
        }
        Ok(true)
    }

    fn shell(
        &self,
        id: u64,
        uid: u32,
        tmp_bytes: u64,
        mut fds: Vec<OwnedFd>,
    ) -> io::Result<(i32, OwnedFd)> {
        let control = fds
            .pop()
            .ok_or_else(|| io::Error::other("no control connection"))?;
        for cgroup in &self.setting.cgroups {
            rustix::fs::mkdirat(
                &cgroup.directory,
                id.to_string(),
                Mode::from_raw_mode(0o755),
            )?;
        }
        shell::spawn(
            &self.setting,
            shell::Plan {
                id,
                uid,
                tmp_bytes,
                control,
            },
        )
    }

    fn tell(&self, message: &FromSpawner, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        wire::send(&self.daemon, message, fds)
    }

    fn reap(&mut self) -> io::Result<()> {
        let mut strangers = Vec::new();
        while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
            let pid = pid.as_raw_nonzero().get();
            match self.inits.remove(&pid) {
                Some(id) => self.ending.push(id),
                None => {
                    self.others.remove(&pid);
                    let exit = exit_of(status);
                    strangers.push(FromSpawner::Reaped { pid, exit });
                }
            }
        }
        // First all, then the news: the daemon may leave while it is being told.
        let ending = std::mem::take(&mut self.ending);
        let (gone, still): (Vec<u64>, _) = ending
            .into_iter()
            .partition(|id| self.setting.remove_groups(*id));
        self.ending = still;
        for news in strangers {
            self.tell(&news, &[])?;
        }
        for id in gone {
            self.tell(&FromSpawner::Gone { id }, &[])?;
        }
        Ok(())
    }

    /// Ends everything that was made and clears it away.
    fn end(&mut self) {
        for pid in self.others.iter().chain(self.inits.keys()) {
            if let Some(pid) = Pid::from_raw(*pid) {
                // One that ended meanwhile is what we want.
                let _ = kill_process(pid, Signal::KILL);
            }
        }
        for id in self.inits.values() {
            self.setting.thaw(*id);
        }
        while let Ok(Some((pid, _))) = wait(WaitOptions::empty()) {
            self.ending
                .extend(self.inits.remove(&pid.as_raw_nonzero().get()));
        }
        for _ in 0..FINAL_ATTEMPTS_MAX {
            self.ending.retain(|id| !self.setting.remove_groups(*id));
            if self.ending.is_empty() {
                break;
            }
            thread::sleep(Duration::from_millis(RETRY_MS as u64));
        }
        for cgroup in &self.setting.cgroups {
            // What cannot be removed now is removed by the next server of this name.
            let _ = rustix::fs::unlinkat(&cgroup.parent, &cgroup.name, AtFlags::REMOVEDIR);
        }
    }
}

impl CgroupDirectory {
    fn open(place: &Place) -> io::Result<Self> {
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::RDONLY;
        let path = &place.mount;
        let parent = path
            .parent()
            .ok_or_else(|| io::Error::other("a cgroup has a parent"))?;
        let name = path
            .file_name()
            .ok_or_else(|| io::Error::other("a cgroup has a name"))?;
        Ok(Self {
            version: place.version,
            parent: rustix::fs::open(parent, flags, Mode::empty())?,
            name: name.into(),
            directory: rustix::fs::open(path, flags, Mode::empty())?,
        })
    }
}

impl Setting {
    /// Removes the control groups of a sandbox whose processes are reaped. Says whether none is
    /// left.
    fn remove_groups(&self, id: u64) -> bool {
        let name = id.to_string();
        self.cgroups.iter().fold(true, |all, cgroup| {
            let removed = rustix::fs::unlinkat(&cgroup.directory, &name, AtFlags::REMOVEDIR);
            all && matches!(removed, Ok(()) | Err(rustix::io::Errno::NOENT))
        })
    }

    /// Lets processes stopped by the v1 freezer run, without which they cannot die.
    fn thaw(&self, id: u64) {
        for cgroup in &self.cgroups {
            let file = format!("{id}/freezer.state");
            let flags = OFlags::WRONLY | OFlags::CLOEXEC;
            if let Ok(file) = rustix::fs::openat(&cgroup.directory, file, flags, Mode::empty()) {
                let _ = rustix::io::write(file, b"THAWED");
            }
        }
    }
}

/// Forks a process that keeps a user namespace until it is killed.
fn keep_namespace() -> io::Result<(i32, OwnedFd)> {
    // SAFETY: the spawner has a single thread.
    match unsafe { sys::fork(libc::CLONE_NEWUSER) }? {
        Fork::Parent(pid, pidfd) => Ok((pid, pidfd)),
        Fork::Child => {
            let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
            // SAFETY: no owner of a descriptor in this copy of the spawner ever runs again.
            unsafe { sys::close_from(0) };
            loop {
                thread::park();
            }
        }
    }
}

fn exit_of(status: WaitStatus) -> Exit {
    match status.terminating_signal() {
        Some(signal) => Exit::Signal(signal),
        None => Exit::Code(status.exit_status().unwrap_or(-1)),
    }
}

/// Names the step that failed.
fn step(what: &str) -> impl FnOnce(io::Error) -> io::Error {
    move |error| io::Error::new(error.kind(), format!("{what}: {error}"))
}
