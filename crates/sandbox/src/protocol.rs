//! What the daemon, the spawner, inits and zygotes say to each other.
//!
//! `runtimes/python/kiln_runtime/zygote.py` speaks the last two.

use std::net::SocketAddr;
use std::ops::Range;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::cgroup::Place;
use crate::layers::LayersOff;
use crate::network::QueueKind;
use crate::sandbox::Exit;

/// From the daemon to the spawner.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum ToSpawner {
    /// The first message, and only the first. Beside it: the lock on the server's name.
    Prepare {
        /// An empty directory over which the root of all sandboxes is built.
        root: PathBuf,
        /// In each of them every sandbox gets a control group named for its id.
        cgroups: Vec<Place>,
        /// The users that sandboxes run as: each has an entry in `/etc/passwd`.
        uids: Range<u32>,
        /// Where every sandbox is listened on.
        listeners: Vec<SocketAddr>,
        /// Whether sandboxes get a way out, and how.
        uplink: Option<QueueKind>,
        layers_off: LayersOff,
    },
    /// Make a shell. Beside it: init's end of its control connection.
    Shell { id: u64, uid: u32, tmp_bytes: u64 },
    /// Start a zygote. Beside it: its end of its control connection, then one detached mount per
    /// target.
    Zygote {
        number: u64,
        argv: Vec<String>,
        env: Vec<(String, String)>,
        targets: Vec<PathBuf>,
    },
    /// Make a process in a user namespace of its own, which does nothing until it is killed.
    Namespace { number: u64 },
}

/// From the spawner to the daemon.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum FromSpawner {
    /// Prepared.
    Ready,
    /// The root cannot be built; the spawner ends.
    Refused { reason: String },
    /// The init of a shell runs. Beside it: its pidfd.
    Shell { id: u64 },
    /// No process was made for the shell.
    ShellFailed { id: u64, reason: String },
    /// All processes of a sandbox are reaped and its control groups removed.
    Gone { id: u64 },
    /// The zygote's process was made.
    Zygote { number: u64, pid: i32 },
    /// No process was made for the zygote.
    ZygoteFailed { number: u64, reason: String },
    /// The process in a user namespace was made. Beside it: its pidfd.
    Namespace { number: u64, pid: i32 },
    /// It was not.
    NamespaceFailed { number: u64, reason: String },
    /// A child that is no init ended: a zygote, or one whose zygote ended before it.
    Reaped { pid: i32, exit: Exit },
}

/// The number of the main process among the programs of a sandbox.
pub(crate) const MAIN: u32 = 0;

/// From the daemon to the init of a sandbox.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum ToInit {
    /// Start a program. Beside it: the channel, which only [`MAIN`] has, and its output.
    Exec {
        /// Names it in what follows.
        number: u32,
        argv: Vec<String>,
        env: Vec<(String, String)>,
        cwd: PathBuf,
    },
    /// Send a signal to a program that was started, and to the processes of its group.
    Signal { number: u32, signal: i32 },
    /// Nothing is to be started any more; live on without this connection.
    Detach,
}

/// What is wrong when a program cannot be run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Fault {
    Program,
    WorkingDirectory,
}

/// From the init of a sandbox to the daemon.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum FromInit {
    /// The shell is made. Beside it: one listener for each address of [`ToSpawner::Prepare`], then
    /// the descriptors of the way out, if there is one, then the landlock ruleset, where the kernel has
    /// landlock.
    Ready,
    /// The shell cannot be made; init ends.
    Failed { reason: String },
    /// The program runs.
    Started,
    /// The program cannot be run; with the kernel's error where that was about the program itself or
    /// its working directory.
    ExecFailed {
        reason: String,
        errno: Option<i32>,
        on: Fault,
    },
    /// A program ended.
    Exited { number: u32, exit: Exit },
}

/// From the daemon to a zygote.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ToZygote {
    /// Beside it: the sandbox's init (a pidfd), the channel, the output, with `landlock` the
    /// ruleset, with `birth` the control group to be born in, then the `tasks` files of those to join.
    Fork {
        id: u64,
        uid: u32,
        landlock: bool,
        birth: bool,
        warm: bool,
        /// What the child limits itself to.
        files_max: u64,
        processes_max: u64,
    },
}

/// From a zygote to the daemon.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FromZygote {
    /// Warmed up; requests that came before are answered from now on.
    Ready,
    /// `pid` is the child's in the host's pid namespace.
    Forked { id: u64, pid: i32 },
    /// No child was made.
    Failed { id: u64, reason: String },
    /// A child ended: one of the two is there.
    Exited {
        id: u64,
        code: Option<i32>,
        signal: Option<i32>,
    },
}
