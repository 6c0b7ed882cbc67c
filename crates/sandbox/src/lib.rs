//! Isolation: namespaces, cgroups, seccomp, landlock, zygotes and pools of prepared sandboxes.
//!
//! Knows nothing of functions, HTTP or AWS. The daemon holds [`Sandboxes`]; a separate small
//! process, the spawner ([`spawner_main`]), makes every other process. A sandbox begins as a *shell*
//! (namespaces, control groups, mounts, an init); a program executed in it, or a child forked from
//! its image's *zygote*, is its main process. A *stem* is a shell with a main process that is booted
//! and waits. Further programs run beside the main process where the lease asked for it. Start
//! reading at `handle.rs` (lease), then `maker.rs` (how), then `spawner.rs`.
//!
//! Invariants: the daemon never forks; nothing in a sandbox descends from a process that could see
//! the host's files; untrusted code begins only behind `lockdown.rs` (or its Python twin); when the
//! daemon's connection to the spawner ends, everything ends.
#![allow(unsafe_code)]

mod cgroup;
mod config;
mod error;
mod examine;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod handle;
mod injector;
mod landlock;
mod layers;
mod lockdown;
mod maker;
mod memory_groups;
mod mount;
mod network;
mod pool;
mod programs;
mod protocol;
mod registry;
mod request;
mod root;
pub mod rootless;
mod sandbox;
mod seccomp;
mod server;
mod snapshot;
mod spawner;
mod supervisor;
mod sys;
mod volume;
mod wire;
mod zygote;

pub use config::{Config, Image, Mount, PoolConfig};
pub use error::Error;
pub use examine::{Finding, Status, examine, examine_network};
pub use handle::{Sandboxes, Statistics};
pub use layers::{Layer, LayersOff};
pub use memory_groups::{Allowance, MemoryGroup};
pub use network::{Answer, Attempt, NAME_SERVER, NAME_SERVER_PORT, Uplink, UplinkSockets};
pub use programs::Companion;
pub use request::{Limits, Program, Request, Start, Volume};
pub use sandbox::{Exit, Network, Sandbox};
pub use seccomp::forbid_what_nobody_needs;
pub use snapshot::{Point, SNAPSHOT_DIR, Snapshot, waiting_code};
pub use spawner::spawner_main;
