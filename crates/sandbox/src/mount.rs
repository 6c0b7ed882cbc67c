//! Mounts by descriptor: a directory of the host becomes a detached mount first, which is then
//! attached in the namespace where it is needed. No path of the host is ever looked up inside a
//! sandbox.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, FsPickFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags,
    fsconfig_create, fsconfig_reconfigure, fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen,
    fspick, move_mount, open_tree,
};

use crate::{rootless, sys};

/// The kernel takes fewer bytes than these as the value of an option.
const OPTION_BYTES_MAX: usize = 256;

const READ_ONLY: u64 = libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV;

/// A read-only copy of a directory's mount, attached nowhere. Without `recursive` other mounts
/// beneath the directory are not part of it.
pub(crate) fn detached(source: &Path, recursive: bool) -> io::Result<OwnedFd> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    if recursive {
        flags |= OpenTreeFlags::AT_RECURSIVE;
    }
    let mount = open_tree(CWD, source, flags)?;
    sys::set_mount_attributes(&mount, READ_ONLY, recursive)?;
    Ok(mount)
}

/// A copy of a directory's mount in which users are translated, attached nowhere.
pub(crate) fn translated(
    source: &Path,
    is_read_only: bool,
    users: impl AsFd,
) -> io::Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let mount = open_tree(CWD, source, flags)?;
    let attributes = match is_read_only {
        true => READ_ONLY,
        false => libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV,
    };
    sys::translate_mount(&mount, attributes, users)?;
    Ok(mount)
}

/// A copy of what is mounted at a path, with all that is mounted in it and as it is; attached nowhere.
pub(crate) fn copied(source: &Path) -> io::Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_RECURSIVE;
    Ok(open_tree(CWD, source, flags)?)
}

/// Several directories as one, read-only, later ones over earlier ones; attached nowhere.
pub(crate) fn union(sources: &[&Path]) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let open = |source: &&Path| rustix::fs::open(*source, flags, Mode::empty());
    let opened = sources.iter().map(open).collect::<Result<Vec<_>, _>>()?;
    // By descriptor: the kernel takes 255 bytes of an option and would read `:` and `\` in a path.
    // Its first directory is the uppermost.
    let names = opened.iter().rev();
    let names: Vec<_> = names
        .map(|fd| format!("/proc/self/fd/{}", fd.as_raw_fd()))
        .collect();
    let attributes = MountAttrFlags::MOUNT_ATTR_RDONLY
        | MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV;
    // Marks of what is hidden are where an ordinary user may put them.
    let switches: &[&str] = if rootless::is_mapped() {
        &["userxattr"]
    } else {
        &[]
    };
    let lower = names.join(":");
    if lower.len() < OPTION_BYTES_MAX {
        return new_file_system("overlay", &[("lowerdir", &lower)], switches, attributes);
    }
    // One by one, which kernels before 6.8 do not know.
    let each: Vec<_> = names
        .iter()
        .map(|name| ("lowerdir+", name.as_str()))
        .collect();
    new_file_system("overlay", &each, switches, attributes)
}

/// Attaches a detached mount in the calling thread's mount namespace.
pub(crate) fn attach(mount: impl AsFd, target: &Path) -> io::Result<()> {
    Ok(move_mount(
        mount,
        "",
        CWD,
        target,
        MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH,
    )?)
}

/// A new file system in memory, attached nowhere.
pub(crate) fn tmpfs(options: &[(&str, &str)], attributes: MountAttrFlags) -> io::Result<OwnedFd> {
    new_file_system("tmpfs", options, &[], attributes)
}

/// A new view of the processes of the calling process's pid namespace, attached nowhere.
pub(crate) fn proc(hide_others: bool) -> io::Result<OwnedFd> {
    let attributes = MountAttrFlags::MOUNT_ATTR_RDONLY
        | MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    let options: &[(&str, &str)] = if hide_others {
        &[("hidepid", "invisible")]
    } else {
        &[]
    };
    new_file_system("proc", options, &[], attributes)
}

/// The same for whom all is to see and to write.
pub(crate) fn own_proc() -> io::Result<OwnedFd> {
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    new_file_system("proc", &[], &[], attributes)
}

/// A device of the host, attached nowhere: who may not make devices can still use those that are there.
pub(crate) fn device(source: &Path) -> io::Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let device = open_tree(CWD, source, flags)?;
    let attributes = libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NOEXEC;
    sys::set_mount_attributes(&device, attributes, false)?;
    Ok(device)
}

fn new_file_system(
    kind: &str,
    options: &[(&str, &str)],
    switches: &[&str],
    attributes: MountAttrFlags,
) -> io::Result<OwnedFd> {
    let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    for (key, value) in options {
        fsconfig_set_string(context.as_fd(), *key, *value)?;
    }
    for switch in switches {
        fsconfig_set_flag(context.as_fd(), *switch)?;
    }
    fsconfig_create(context.as_fd())?;
    Ok(fsmount(
        context.as_fd(),
        FsMountFlags::FSMOUNT_CLOEXEC,
        attributes,
    )?)
}

/// Changes the size of the file system in memory that is attached at `target`. In place, because
/// landlock rules hold on to it.
pub(crate) fn resize_tmpfs(target: &Path, bytes: u64) -> io::Result<()> {
    let context = fspick(CWD, target, FsPickFlags::FSPICK_CLOEXEC)?;
    fsconfig_set_string(context.as_fd(), "size", bytes.to_string())?;
    Ok(fsconfig_reconfigure(context.as_fd())?)
}
