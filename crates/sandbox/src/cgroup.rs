//! Control groups: what a sandbox may use, what it used, and its freezing.
//!
//! The layout of the machine is read from `/proc/self/mountinfo`: pure v2, pure v1, or v1 with a v2
//! tree that holds no controllers (then limits go to v1 and freezing to v2, which is 20 times
//! faster than the v1 freezer). Kiln touches only its own `kiln-<name>` directory in each tree: at its
//! top, or without root in the group that Kiln was started in ([`own`]).

mod leftovers;
mod meters;
pub(crate) mod mounts;
pub(crate) mod own;
mod v1;
mod v2;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::request::Limits;
use crate::rootless;

pub(crate) use meters::Meters;
use mounts::Mounted;

/// How often to look whether processes stand still: at first soon, since most do at once.
const FROZEN_PAUSE_MIN: Duration = Duration::from_micros(50);
const FROZEN_PAUSE_MAX: Duration = Duration::from_millis(5);
/// The part of the machine's memory that all sandboxes together leave, and what that is at least.
const RESERVE: u64 = 16;
const RESERVE_BYTES_MIN: u64 = 256 << 20;

/// Which interface a directory speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Version {
    V1,
    V2,
}

/// Where one controller of this machine is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    pub version: Version,
    pub mount: PathBuf,
}

/// Where each controller of this machine is; `None` where there is none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Layout {
    pub memory: Option<Place>,
    pub cpu: Option<Place>,
    pub cpu_time: Option<Place>,
    pub pids: Option<Place>,
    pub freezer: Option<Place>,
}

/// This server's directories in every tree.
#[derive(Debug)]
pub(crate) struct Tree {
    memory: Place,
    cpu: Place,
    cpu_time: Place,
    pids: Place,
    freezer: Place,
}

/// How a process gets into the control groups of a sandbox.
///
/// Not by `cgroup.procs`: to move a process the kernel stops every fork and exit of the machine, for
/// which it waits until each processor has been through its scheduler, about 10 ms. A lone thread that
/// moves itself and a process that is born in its group wait for nothing.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entrance {
    /// Files of version 1 to which a process of one thread writes `0`.
    pub tasks: Vec<PathBuf>,
    /// The directory of version 2 for `clone3`. There is at most one such tree.
    pub birth: Option<PathBuf>,
}

/// The control groups of one sandbox. Cheap to clone; holds no descriptors.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    tree: Arc<Tree>,
    id: u64,
}

impl Layout {
    /// Reads the layout of this machine.
    pub fn detect() -> io::Result<Self> {
        let controllers =
            |mount: &Path| fs::read_to_string(mount.join("cgroup.controllers")).unwrap_or_default();
        let trees = match rootless::is_rootless() {
            true => own::detect()?,
            false => mounts::read()?,
        };
        Ok(Self::of(&trees, controllers))
    }

    fn of(mounted: &[Mounted], v2_controllers: impl Fn(&Path) -> String) -> Self {
        let at = |mounted: &Mounted, version| Place {
            version,
            mount: mounted.point.clone(),
        };
        let v2 = mounted
            .iter()
            .find(|mounted| mounted.kind == mounts::Kind::V2);
        let any_v2 = v2.map(|mounted| at(mounted, Version::V2));
        let v2_names = v2.map(|mounted| v2_controllers(&mounted.point));
        let v2_names = v2_names.unwrap_or_default();
        let in_v1 = |name: &str| {
            let found = mounted.iter().find(|mounted| mounted.has_in_v1(name));
            found.map(|mounted| at(mounted, Version::V1))
        };
        let in_v2 = |name: &str| {
            let has = v2_names.split_whitespace().any(|other| other == name);
            any_v2.clone().filter(|_| has)
        };
        let cpu = in_v1("cpu").or_else(|| in_v2("cpu"));
        Layout {
            memory: in_v1("memory").or_else(|| in_v2("memory")),
            cpu_time: in_v1("cpuacct").or_else(|| any_v2.clone()),
            cpu,
            pids: in_v1("pids").or_else(|| in_v2("pids")),
            freezer: any_v2.or_else(|| in_v1("freezer")),
        }
    }

    /// The directories of the server with this name, when every controller is there.
    pub fn tree(&self, name: &str) -> Option<Tree> {
        let own = |place: &Option<Place>| {
            let place = place.as_ref()?;
            let mount = place.mount.join(format!("kiln-{name}"));
            Some(Place {
                version: place.version,
                mount,
            })
        };
        Some(Tree {
            memory: own(&self.memory)?,
            cpu: own(&self.cpu)?,
            cpu_time: own(&self.cpu_time)?,
            pids: own(&self.pids)?,
            freezer: own(&self.freezer)?,
        })
    }
}

impl Tree {
    /// The distinct places, in which each sandbox has a directory named for its id.
    pub fn places(&self) -> Vec<Place> {
        let all = [
            &self.memory,
            &self.cpu,
            &self.cpu_time,
            &self.pids,
            &self.freezer,
        ];
        let mut found: Vec<Place> = Vec::new();
        for place in all {
            if !found.contains(place) {
                found.push(place.clone());
            }
        }
        found
    }

    /// Makes the directories.
    pub fn create(&self) -> io::Result<()> {
        for place in self.places() {
            match fs::create_dir(&place.mount) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
        }
        let wanted = [
            ("memory", &self.memory),
            ("cpu", &self.cpu),
            ("pids", &self.pids),
        ];
        for (name, place) in wanted {
            if place.version == Version::V2 {
                v2::enable(&place.mount, name)?;
            }
        }
        self.limit_all()
    }

    /// Leaves the machine some memory that is no sandbox's, however many of them there are.
    fn limit_all(&self) -> io::Result<()> {
        let machine = machine_memory()?;
        let most = machine - (machine / RESERVE).max(RESERVE_BYTES_MIN).min(machine / 2);
        let file = match self.memory.version {
            Version::V1 => "memory.limit_in_bytes",
            Version::V2 => "memory.max",
        };
        fs::write(self.memory.mount.join(file), most.to_string())
    }

    /// Kills what an earlier server of this name left running and removes its directories.
    pub fn remove_leftovers(&self) -> io::Result<usize> {
        let directories: Vec<_> = self.places().into_iter().map(|p| p.mount).collect();
        leftovers::remove(&directories)
    }

    /// The groups of one sandbox.
    pub fn group(self: &Arc<Self>, id: u64) -> Group {
        Group {
            tree: Arc::clone(self),
            id,
        }
    }
}

/// The machine's memory, in bytes.
fn machine_memory() -> io::Result<u64> {
    let text = fs::read_to_string("/proc/meminfo")?;
    let kib = text.lines().find_map(|line| {
        let kib = line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB")?;
        kib.parse::<u64>().ok()
    });
    kib.map(|kib| kib << 10)
        .ok_or_else(|| io::Error::other("/proc/meminfo does not tell MemTotal"))
}

impl Group {
    /// Sets every limit.
    pub fn limit(&self, limits: &Limits) -> io::Result<()> {
        let memory = self.directory(&self.tree.memory);
        match self.tree.memory.version {
            Version::V1 => v1::limit_memory(&memory, limits.memory_bytes)?,
            Version::V2 => v2::limit_memory(&memory, limits.memory_bytes)?,
        }
        self.limit_cpu(limits.cpu_millis)?;
        // One more than asked for: the sandbox's init counts.
        let processes = limits.processes.saturating_add(1).to_string();
        fs::write(self.directory(&self.tree.pids).join("pids.max"), processes)
    }

    /// Sets the share of processor time, in thousandths of a core.
    pub fn limit_cpu(&self, millis: u32) -> io::Result<()> {
        let directory = self.directory(&self.tree.cpu);
        match self.tree.cpu.version {
            Version::V1 => v1::limit_cpu(&directory, millis),
            Version::V2 => v2::limit_cpu(&directory, millis),
        }
    }

    /// Stops all processes where they are.
    pub fn freeze(&self) -> io::Result<()> {
        let directory = self.directory(&self.tree.freezer);
        match self.tree.freezer.version {
            Version::V1 => v1::freeze(&directory),
            Version::V2 => v2::freeze(&directory),
        }
    }

    /// Waits until all processes stand still, which those that are being frozen do as soon as they leave
    /// the kernel.
    pub fn await_frozen(&self, time_max: Duration) -> io::Result<()> {
        let directory = self.directory(&self.tree.freezer);
        let (mut waited, mut pause) = (Duration::ZERO, FROZEN_PAUSE_MIN);
        loop {
            let is_frozen = match self.tree.freezer.version {
                Version::V1 => v1::is_frozen(&directory)?,
                Version::V2 => v2::is_frozen(&directory)?,
            };
            if is_frozen {
                return Ok(());
            }
            if waited >= time_max {
                return Err(io::ErrorKind::TimedOut.into());
            }
            thread::sleep(pause);
            waited += pause;
            pause = (pause * 2).min(FROZEN_PAUSE_MAX);
        }
    }

    /// Lets all processes run on.
    pub fn thaw(&self) -> io::Result<()> {
        let directory = self.directory(&self.tree.freezer);
        match self.tree.freezer.version {
            Version::V1 => v1::thaw(&directory),
            Version::V2 => v2::thaw(&directory),
        }
    }

    /// Whether frozen processes must be thawed before they can die of a signal.
    pub fn must_thaw_to_die(&self) -> bool {
        self.tree.freezer.version == Version::V1
    }

    /// Opens what tells peak memory and processor time.
    pub fn meters(&self) -> io::Result<Meters> {
        let (memory, cpu) = (&self.tree.memory, &self.tree.cpu_time);
        Meters::open(
            (&self.directory(memory), memory.version),
            (&self.directory(cpu), cpu.version),
        )
    }

    /// Processes killed because the memory limit was reached.
    pub fn out_of_memory_kills(&self) -> io::Result<u64> {
        let directory = self.directory(&self.tree.memory);
        match self.tree.memory.version {
            Version::V1 => value_of(&directory.join("memory.oom_control"), "oom_kill"),
            Version::V2 => value_of(&directory.join("memory.events"), "oom_kill"),
        }
    }

    /// How a process gets in.
    pub fn entrance(&self) -> Entrance {
        let (mut tasks, mut birth) = (Vec::new(), None);
        for place in self.tree.places() {
            let directory = self.directory(&place);
            match place.version {
                Version::V1 => tasks.push(directory.join("tasks")),
                Version::V2 => birth = Some(directory),
            }
        }
        Entrance { tasks, birth }
    }

    fn directory(&self, place: &Place) -> PathBuf {
        place.mount.join(self.id.to_string())
    }
}

/// The number after a name in a file of `name number` lines.
fn value_of(path: &Path, name: &str) -> io::Result<u64> {
    let text = fs::read_to_string(path)?;
    let mut lines = text.lines().filter_map(|line| line.split_once(' '));
    let found = lines.find(|(key, _)| *key == name);
    let (_, value) = found.ok_or_else(|| io::Error::other(format!("no {name} in the file")))?;
    value.trim().parse().map_err(io::Error::other)
}

#[cfg(test)]
mod tests;
