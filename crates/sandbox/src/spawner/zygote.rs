//! Starts the process from which stems are forked: a trusted program in a mount namespace of its
//! own, with the root of all sandboxes and its image's mounts, in the host's pid namespace.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;

use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::Signal;
use rustix::thread::CapabilitySet;

use super::{Setting, step, template};
use crate::layers::Layer;
use crate::sys::Fork;
use crate::{lockdown, mount, seccomp, sys};

/// What it takes to enter a shell's namespaces and to make a child an ordinary user there.
const KEPT: CapabilitySet = CapabilitySet::SYS_ADMIN
    .union(CapabilitySet::SYS_CHROOT)
    .union(CapabilitySet::SETUID)
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::SETPCAP);
/// The zygote's descriptors: its connection, the filter that its children install, and a `/proc` where
/// one can be made. Its root has none: it looks at itself there, and closes it before it is asked for
/// children.
const CONTROL: i32 = 3;
const FILTER: i32 = 4;
const PROC: i32 = 5;

/// Starts a zygote. `fds` are its connection and one detached mount per target.
pub(super) fn spawn(
    setting: &Setting,
    argv: &[String],
    env: &[(String, String)],
    targets: &[PathBuf],
    mut fds: Vec<OwnedFd>,
) -> io::Result<i32> {
    if fds.len() != targets.len() + 1 {
        return Err(io::Error::other(
            "a zygote needs a connection and its mounts",
        ));
    }
    let mounts = fds.split_off(1);
    let control = fds.remove(0);
    let filter = memfd_create("seccomp", MemfdFlags::CLOEXEC)?;
    if !setting.layers_off.has(Layer::Seccomp) {
        rustix::io::pwrite(&filter, &seccomp::bytes(&setting.filter), 0)?;
    }
    let text = |text: String| CString::new(text).map_err(io::Error::other);
    let argv = argv
        .iter()
        .cloned()
        .map(text)
        .collect::<io::Result<Vec<_>>>()?;
    let env = env
        .iter()
        .map(|(key, value)| text(format!("{key}={value}")));
    let env = env.collect::<io::Result<Vec<_>>>()?;
    // SAFETY: the spawner has a single thread.
    match unsafe { sys::fork(libc::CLONE_NEWNS) }? {
        Fork::Parent(pid, _) => Ok(pid),
        Fork::Child => {
            let error = become_zygote(&argv, &env, targets, &mounts, &control, &filter);
            // The daemon's error output: nobody else listens yet.
            eprintln!("zygote {argv:?}: {error}");
            sys::exit_now(127)
        }
    }
}

fn become_zygote(
    argv: &[CString],
    env: &[CString],
    targets: &[PathBuf],
    mounts: &[OwnedFd],
    control: &OwnedFd,
    filter: &OwnedFd,
) -> io::Error {
    let result = (|| {
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
        for (mount, target) in mounts.iter().zip(targets) {
            let doing = format!("attach {}", target.display());
            mount::attach(mount, target).map_err(step(&doing))?;
        }
        let null = std::fs::File::open("/dev/null")?;
        let proc =
            mount::proc(true).and_then(|proc| Ok(rustix::io::fcntl_dupfd_cloexec(proc, 64)?));
        template::leave_proc().map_err(step("leave the template's /proc"))?;
        let control = rustix::io::fcntl_dupfd_cloexec(control, 64)?;
        let filter = rustix::io::fcntl_dupfd_cloexec(filter, 64)?;
        // SAFETY: this process only execs or exits from here on; no owner runs again.
        unsafe {
            sys::duplicate_to(null.as_raw_fd(), 0)?;
            sys::duplicate_to(null.as_raw_fd(), 1)?;
            sys::duplicate_to(control.as_raw_fd(), CONTROL)?;
            sys::duplicate_to(filter.as_raw_fd(), FILTER)?;
            let last = match &proc {
                Ok(proc) => {
                    sys::duplicate_to(proc.as_raw_fd(), PROC)?;
                    PROC
                }
                Err(_) => FILTER,
            };
            sys::close_from(last + 1);
        }
        std::mem::forget((null, control, filter, proc));
        sys::reset_signals();
        lockdown::drop_bounding_set(KEPT);
        lockdown::keep_capabilities(KEPT)?;
        let program = argv
            .first()
            .ok_or_else(|| io::Error::other("no program is named"))?;
        let argv: Vec<&CStr> = argv.iter().map(CString::as_c_str).collect();
        let env: Vec<&CStr> = env.iter().map(CString::as_c_str).collect();
        Ok::<_, io::Error>(sys::execute(program, &argv, &env))
    })();
    match result {
        Ok(error) | Err(error) => error,
    }
}
