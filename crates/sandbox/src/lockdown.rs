//! The last steps before untrusted code: identity, capabilities, limits, landlock and seccomp.
//! `runtimes/python/kiln_runtime/lockdown.py` does the same for children of a Python zygote; keep
//! the two alike.

use std::io;
use std::os::fd::BorrowedFd;

use kiln_types::limits;
use rustix::process::{Resource, Rlimit, setrlimit};
use rustix::thread::{
    CapabilitySet, CapabilitySets, Gid, Uid, remove_capability_from_bounding_set, set_capabilities,
    set_no_new_privs, set_thread_groups, set_thread_res_gid, set_thread_res_uid,
};
use seccompiler::sock_filter;

use crate::seccomp;
use crate::sys;

/// Makes the calling process an ordinary, unprivileged one; without a user, in tests, one that is still
/// root. What comes after must not rely on any right.
pub(crate) fn lock_down(
    uid: Option<u32>,
    landlock: Option<BorrowedFd<'_>>,
    filter: Option<&[sock_filter]>,
) -> io::Result<()> {
    limit_resources()?;
    if let Some(uid) = uid {
        become_user(uid)?;
    }
    set_no_new_privs(true)?;
    if let Some(ruleset) = landlock {
        sys::restrict_to(ruleset)?;
    }
    if let Some(filter) = filter {
        seccomp::install(filter)?;
    }
    Ok(())
}

/// Takes on a user and a group that have no rights.
fn become_user(uid: u32) -> io::Result<()> {
    drop_bounding_set(CapabilitySet::empty());
    set_thread_groups(&[])?;
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(uid));
    set_thread_res_gid(gid, gid, gid)?;
    set_thread_res_uid(uid, uid, uid)?;
    keep_capabilities(CapabilitySet::empty())
}

/// Leaves the calling process these capabilities and no way to regain others.
pub(crate) fn keep_capabilities(kept: CapabilitySet) -> io::Result<()> {
    let sets = CapabilitySets {
        effective: kept,
        permitted: kept,
        inheritable: CapabilitySet::empty(),
    };
    Ok(set_capabilities(None, sets)?)
}

/// Takes all other capabilities out of what an exec could give.
pub(crate) fn drop_bounding_set(kept: CapabilitySet) {
    for bit in 0..64 {
        let capability = CapabilitySet::from_bits_retain(1 << bit);
        if !kept.contains(capability) {
            // EINVAL ends the kernel's list; EPERM (already without CAP_SETPCAP) changes nothing,
            // and no_new_privs makes the bounding set moot.
            let _ = remove_capability_from_bounding_set(capability);
        }
    }
}

fn limit_resources() -> io::Result<()> {
    let exactly = |most: u64| Rlimit {
        current: Some(most),
        maximum: Some(most),
    };
    setrlimit(Resource::Nofile, exactly(limits::OPEN_FILES_MAX))?;
    // Counted by uid, which is the sandbox's alone.
    setrlimit(Resource::Nproc, exactly(limits::PROCESSES_MAX))?;
    // No file is that small, and of all limits 1 alone keeps the kernel from starting the program that
    // `core_pattern` may name: on the host, as root. The filter keeps it at that.
    setrlimit(Resource::Core, exactly(1))?;
    Ok(())
}
