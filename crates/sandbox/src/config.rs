//! What a server of sandboxes is told at start.

use std::net::SocketAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::layers::LayersOff;
use crate::request::Program;
use crate::root::ROOT;

/// Everything [`Sandboxes::start`](crate::Sandboxes::start) needs to know.
#[derive(Debug, Clone)]
pub struct Config {
    /// What to execute, with the argument `__spawner`, as the spawner: usually `/proc/self/exe`.
    pub exe: PathBuf,
    /// A directory of this server's own; it is created when missing.
    pub state_dir: PathBuf,
    /// Names this server's cgroups (`kiln-<name>`). Only one running server may have a name.
    pub name: String,
    /// The first of the uids (and gids) that sandboxes run as.
    pub uid_base: u32,
    /// How many sandboxes may exist at once, pooled ones included. Beyond it a lease fails with
    /// [`Error::Full`](crate::Error::Full).
    pub sandboxes_max: usize,
    /// What sandboxes can be made of.
    pub images: Vec<Image>,
    /// How many sandboxes to keep prepared.
    pub pool: PoolConfig,
    /// Where every sandbox's own loopback interface is listened on, from before any program runs in
    /// it. Whoever leases a sandbox gets those listeners that its request names; the others are
    /// closed. At most [`Config::LISTENERS_MAX`].
    pub listeners: Vec<SocketAddr>,
    /// Whether sandboxes have a way out into the world, for those requests that ask for it
    /// ([`Request::network`](crate::Request::network)).
    pub network: bool,
    /// Walls to leave out. For tests of defence in depth only.
    pub layers_off: LayersOff,
}

impl Config {
    /// The default of [`Config::uid_base`]: in the range that no convention gives to anybody (see
    /// "Users, Groups, UIDs and GIDs on systemd Systems"), above people, services and `subuid` users.
    pub const UID_BASE: u32 = 1_900_000_000;
    /// The least [`Config::uid_base`]: below are root, services, people and `nobody`.
    pub const UID_BASE_MIN: u32 = 65_536;
    /// The most [`Config::listeners`]: each costs a prepared sandbox one descriptor.
    pub const LISTENERS_MAX: usize = 8;

    /// The uids that sandboxes run as, one each; `None` where the first is too small or the last
    /// is beyond what the kernel has (its largest number means "none").
    pub(crate) fn uids(&self) -> Option<Range<u32>> {
        let count = u32::try_from(self.sandboxes_max).ok()?;
        let end = self.uid_base.checked_add(count)?;
        (self.uid_base >= Self::UID_BASE_MIN).then_some(self.uid_base..end)
    }
}

/// How many sandboxes are kept prepared. A lease that finds its pool empty makes one at need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolConfig {
    /// Shells: namespaces, cgroups, mounts and an init, but no program yet.
    pub shells: usize,
    /// Stems of each image with a zygote, and of each program that is to be booted ahead: shells
    /// with a booted and warmed interpreter inside.
    pub stems_per_image: usize,
}

/// What a kind of sandbox contains besides the machine's own software.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// For example `python3.11`.
    pub name: String,
    /// For example the interpreter at `/var/lang` and the runtime pack at `/var/runtime`. The
    /// targets must be among the directories that every sandbox has: `/opt`, `/var/lang`,
    /// `/var/runtime`, `/var/task`, `/mnt`.
    pub mounts: Vec<Mount>,
    /// The program, as seen inside a sandbox, that forks children on request; it must be trusted.
    pub zygote: Option<Vec<String>>,
    /// The zygote's environment, which its children start with.
    pub env: Vec<(String, String)>,
    /// Programs to boot ahead of need from the start, before a request asks for one
    /// ([`Start::Ahead`](crate::Start::Ahead)).
    pub ahead: Vec<Program>,
}

/// A directory of the host that a sandbox sees, read-only, without devices and setuid programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// The directory on the host.
    pub source: PathBuf,
    /// Where the sandbox sees it. At `/` it is a layer of a container image, which replaces the
    /// machine's software; the sandbox must be started with [`Start::Exec`](crate::Start::Exec).
    pub target: PathBuf,
}

impl Mount {
    /// Whether it is a layer of the sandbox's root.
    pub(crate) fn is_root(&self) -> bool {
        self.target == Path::new(ROOT)
    }
}
