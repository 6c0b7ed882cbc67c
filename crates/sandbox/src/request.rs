//! What is asked of a sandbox.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::config::Mount;

/// A sandbox to be had.
#[derive(Debug, Clone)]
pub struct Request {
    /// The name of one of [`Config::images`](crate::Config::images).
    pub image: String,
    /// How the main process begins.
    pub start: Start,
    /// What the sandbox may use.
    pub limits: Limits,
    /// Added to the image's mounts: the code at `/var/task`, layers at `/opt`. Directories mounted
    /// at the same place are seen as one, later ones over earlier ones.
    pub mounts: Vec<Mount>,
    /// Directories of the host that sandboxes share with each other and with the host.
    pub volumes: Vec<Volume>,
    /// Which of [`Config::listeners`](crate::Config::listeners) to have.
    pub listeners: Vec<SocketAddr>,
    /// Whether to have a way out into the world ([`Sandbox::take_uplink`](crate::Sandbox::take_uplink)).
    /// Without, programs that connect anywhere are told that the network is unreachable.
    pub network: bool,
    /// Whether programs can be started beside the main process
    /// ([`Sandbox::start_beside`](crate::Sandbox::start_beside)). A main process that is a program
    /// then waits for [`Sandbox::begin`](crate::Sandbox::begin). Costs one descriptor.
    pub companions: bool,
}

/// How the main process of a sandbox begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// As a fork of the image's zygote.
    Zygote,
    /// As a program that was booted ahead of need, for interpreters that cannot fork. The pool
    /// keeps stems of the programs that were asked for last.
    Ahead {
        /// Executed before it is known for whom, so it must be trusted and its environment
        /// nobody's: it boots, warms up, sends a first byte on its channel and waits.
        stem: Program,
        /// What to execute when no stem is ready: it knows its user and needs no preparation.
        otherwise: Program,
    },
    /// As a program.
    Exec(Program),
}

/// A program to execute.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Program {
    /// The program's path inside the sandbox, and its arguments.
    pub argv: Vec<String>,
    /// The whole environment.
    pub env: Vec<(String, String)>,
    /// The working directory inside the sandbox.
    pub cwd: PathBuf,
}

/// A directory of the host, without devices and setuid programs, that a sandbox sees and may write.
///
/// Sandboxes are different users, and the files must be everybody's: whoever owns the directory owns
/// what a sandbox makes there, and the sandbox's user appears as that owner. The kernel maps the two
/// (an idmapped mount), which most file systems of a disk can do and those of a network cannot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// The directory on the host.
    pub source: PathBuf,
    /// Where the sandbox sees it: a name directly below `/mnt`.
    pub target: PathBuf,
    /// Whether the sandbox may only read it.
    pub is_read_only: bool,
}

/// What one sandbox may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Memory of all its processes and of its `/tmp` and `/dev/shm`. Beyond it the kernel kills a
    /// process of the sandbox ([`Sandbox::out_of_memory_kills`](crate::Sandbox::out_of_memory_kills)).
    pub memory_bytes: u64,
    /// Thousandths of a core; beyond it the sandbox waits for the next period of 100 ms.
    pub cpu_millis: u32,
    /// Processes and threads; beyond it `fork` fails with `EAGAIN`.
    pub processes: u64,
    /// Size of `/tmp`; beyond it a write fails with `ENOSPC`.
    pub tmp_bytes: u64,
}
