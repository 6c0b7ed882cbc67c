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
    /// Added to the image's mounts: the code at `/var/task`, layers at `/opt`.
    pub mounts: Vec<Mount>,
    /// Which of [`Config::listeners`](crate::Config::listeners) to have.
    pub listeners: Vec<SocketAddr>,
}

/// How the main process of a sandbox begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// As a fork of the image's zygote.
    Zygote,
    /// As a program.
    Exec {
        /// The program's path inside the sandbox, and its arguments.
        argv: Vec<String>,
        /// The whole environment.
        env: Vec<(String, String)>,
        /// The working directory inside the sandbox.
        cwd: PathBuf,
    },
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
