//! A shell: everything that isolates, made before it is known for whom.

use std::io;
use std::mem::ManuallyDrop;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::mount::MountAttrFlags;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with};
use rustix::process::Signal;
use rustix::thread::{CapabilitySet, set_no_new_privs};

use super::{CgroupDirectory, Setting, init, step, template};
use crate::cgroup::Version;
use crate::layers::Layer;
use crate::protocol::FromInit;
use crate::sys::Fork;
use crate::volume::VOLUMES;
use crate::{landlock, lockdown, mount, network, sys, wire};

/// Everything but the network namespace: that one takes long, so init makes it itself and the
/// spawner goes on.
const NAMESPACES: libc::c_int =
    libc::CLONE_NEWNS | libc::CLONE_NEWPID | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS;
/// What init needs to turn a child into an ordinary user. A zygote enters init's namespaces, which the
/// kernel allows only to who has all of these.
const KEPT: CapabilitySet = CapabilitySet::SETUID
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::SETPCAP);
const SHARED_MEMORY_BYTES: &str = "67108864";
/// Connections that may wait to be accepted at one listener. Beyond it the kernel lets a program in
/// the sandbox try again, for a second and longer.
const BACKLOG_MAX: i32 = 64;
/// Of `/proc`: files about the whole machine that no function needs. Some can be read by root only;
/// they are here so that this does not depend on permissions.
const MASKED_FILES: &[&str] = &[
    "kcore",
    "keys",
    "key-users",
    "kallsyms",
    "kmsg",
    "interrupts",
    "latency_stats",
    "sched_debug",
    "sysrq-trigger",
    "timer_list",
    "vmallocinfo",
];
const MASKED_DIRECTORIES: &[&str] = &["acpi", "asound", "bus", "driver", "fs", "irq", "scsi"];

/// The shell to make.
pub(super) struct Plan {
    pub id: u64,
    pub uid: u32,
    pub tmp_bytes: u64,
    pub control: OwnedFd,
}

/// What init needs when the shell is made.
pub(super) struct Made {
    pub control: OwnedFd,
    pub ruleset: Option<OwnedFd>,
}

/// Forks the init of a new shell.
pub(super) fn spawn(setting: &Setting, plan: Plan) -> io::Result<(i32, OwnedFd)> {
    let birth = birth_group(setting, plan.id)?;
    let namespaces = setting.layers_off.namespaces(NAMESPACES);
    // SAFETY: the spawner has a single thread.
    match unsafe { sys::fork_into(namespaces, birth.as_ref().map(AsFd::as_fd)) }? {
        Fork::Parent(pid, pidfd) => Ok((pid, pidfd)),
        Fork::Child => child(setting, plan),
    }
}

fn child(setting: &Setting, plan: Plan) -> ! {
    // A panic must not unwind into the spawner's loop, of which this process has a copy.
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let uid = plan.uid;
        // Never dropped: when `make` succeeds its number is closed already.
        let control = ManuallyDrop::new(plan.control.try_clone());
        match make(setting, plan) {
            Ok(made) => init::run(setting, uid, made),
            Err(error) => {
                let failed = FromInit::Failed {
                    reason: error.to_string(),
                };
                // When this does not arrive either, the daemon sees the connection end.
                if let Ok(control) = &*control {
                    let _ = wire::send(control, &failed, &[]);
                }
            }
        }
    }));
    sys::exit_now(i32::from(result.is_err()) + 1)
}

fn make(setting: &Setting, plan: Plan) -> io::Result<Made> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    // First, so that all memory from here on is counted.
    join(setting, plan.id).map_err(step("join the control groups"))?;
    let off = setting.layers_off;
    let own = off.namespaces(libc::CLONE_NEWNET | libc::CLONE_NEWCGROUP);
    sys::unshare(own).map_err(step("make namespaces"))?;
    if !off.has(Layer::NetworkNamespace) {
        sys::raise_loopback().map_err(step("raise the loopback interface"))?;
    }
    let listeners = setting
        .listeners
        .iter()
        .map(|address| listener(address).map_err(step(&format!("listen on {address}"))))
        .collect::<io::Result<Vec<_>>>()?;
    let uplink = setting
        .uplink
        .map(network::build)
        .transpose()
        .map_err(step("make the way out"))?;
    if !off.has(Layer::UtsNamespace) {
        rustix::system::sethostname(b"kiln")?;
    }
    attach_own_file_systems(plan.tmp_bytes)?;
    let ruleset = if off.has(Layer::Landlock) {
        None
    } else {
        landlock::ruleset()
            .map_err(io::Error::other)
            .map_err(step("make landlock rules"))?
    };
    set_no_new_privs(true)?;
    if !off.has(Layer::User) {
        lockdown::drop_bounding_set(KEPT);
        lockdown::keep_capabilities(KEPT)?;
    }
    // Before all but two descriptors are closed: what runs in the sandbox must not accept from
    // listeners that are the daemon's.
    let fds = listeners.iter().chain(uplink.iter().flatten());
    let fds: Vec<_> = fds.chain(&ruleset).map(AsFd::as_fd).collect();
    wire::send(&plan.control, &FromInit::Ready, &fds)?;
    drop((listeners, uplink));
    keep_only(plan.control, ruleset)
}

/// A socket in the calling process's network namespace, where it stays whoever accepts from it.
fn listener(address: &SocketAddr) -> io::Result<OwnedFd> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(family, SocketType::STREAM, flags, None)?;
    bind(&socket, address)?;
    listen(&socket, BACKLOG_MAX)?;
    Ok(socket)
}

/// The control group of version 2 that init is born in, where there is one.
fn birth_group(setting: &Setting, id: u64) -> io::Result<Option<OwnedFd>> {
    let mut groups = setting.cgroups.iter();
    let group = groups.find(|cgroup| cgroup.version == Version::V2);
    let open = |group: &CgroupDirectory| {
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::RDONLY;
        let opened = rustix::fs::openat(&group.directory, id.to_string(), flags, Mode::empty());
        opened.map_err(io::Error::from)
    };
    group.map(open).transpose()
}

/// Moves this process, which has one thread, into the control groups of version 1.
fn join(setting: &Setting, id: u64) -> io::Result<()> {
    let groups = setting.cgroups.iter();
    for cgroup in groups.filter(|cgroup| cgroup.version == Version::V1) {
        let file = format!("{id}/tasks");
        let flags = OFlags::WRONLY | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&cgroup.directory, file, flags, Mode::empty())?;
        rustix::io::write(file, b"0")?;
    }
    Ok(())
}

fn attach_own_file_systems(tmp_bytes: u64) -> io::Result<()> {
    let plain = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
    let size = tmp_bytes.to_string();
    let tmp =
        mount::tmpfs(&[("mode", "1777"), ("size", &size)], plain).map_err(step("make /tmp"))?;
    mount::attach(tmp, Path::new("/tmp")).map_err(step("attach /tmp"))?;
    let options = [("mode", "1777"), ("size", SHARED_MEMORY_BYTES)];
    let shm = mount::tmpfs(&options, plain | MountAttrFlags::MOUNT_ATTR_NOEXEC)
        .map_err(step("make /dev/shm"))?;
    mount::attach(shm, Path::new("/dev/shm")).map_err(step("attach /dev/shm"))?;
    let proc = mount::proc(true).map_err(step("make /proc"))?;
    template::leave_proc().map_err(step("leave the template's /proc"))?;
    mount::attach(proc, Path::new("/proc")).map_err(step("attach /proc"))?;
    mask().map_err(step("mask /proc"))?;
    // Last: the mask is made of the empty directory that lies beneath.
    let options = [("mode", "755"), ("size", "64k"), ("nr_inodes", "16")];
    let volumes = mount::tmpfs(&options, plain | MountAttrFlags::MOUNT_ATTR_NOEXEC)
        .map_err(step("make /mnt"))?;
    mount::attach(volumes, Path::new(VOLUMES)).map_err(step("attach /mnt"))
}

/// Covers what of `/proc` is about the machine.
fn mask() -> io::Result<()> {
    let proc = Path::new("/proc");
    for file in MASKED_FILES
        .iter()
        .map(|name| proc.join(name))
        .filter(|path| path.exists())
    {
        // An empty device that fails or gives nothing, whatever is done to it.
        mount::attach(mount::detached(Path::new("/dev/null"), false)?, &file)?;
    }
    for path in MASKED_DIRECTORIES
        .iter()
        .map(|name| proc.join(name))
        .filter(|p| p.exists())
    {
        // An empty directory of the root.
        mount::attach(mount::detached(Path::new("/mnt"), false)?, &path)?;
    }
    Ok(())
}

/// Closes all descriptors but the standard ones, the connection (3) and the ruleset (4).
fn keep_only(control: OwnedFd, ruleset: Option<OwnedFd>) -> io::Result<Made> {
    let has_ruleset = ruleset.is_some();
    // Both out of the way first, so that neither is overwritten by the other.
    let control = ManuallyDrop::new(control);
    let ruleset = ManuallyDrop::new(ruleset);
    let high = |fd: &OwnedFd| rustix::io::fcntl_dupfd_cloexec(fd, 64).map(ManuallyDrop::new);
    let control = high(&control)?;
    let ruleset = ruleset.as_ref().map(high).transpose()?;
    // SAFETY: every owner of a descriptor in this copy of the spawner's memory is forgotten: this
    // process never returns to the spawner's code.
    unsafe {
        sys::duplicate_to(control.as_raw_fd(), 3)?;
        if let Some(ruleset) = &ruleset {
            sys::duplicate_to(ruleset.as_raw_fd(), 4)?;
        }
        sys::close_from(if has_ruleset { 5 } else { 4 });
        Ok(Made {
            control: sys::inherited(3),
            ruleset: has_ruleset.then(|| sys::inherited(4)),
        })
    }
}
