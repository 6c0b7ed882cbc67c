//! The root that every sandbox starts from: the machine's software, read-only, and nothing else of
//! the machine.
//!
//! The spawner lives in it too, with the host's root detached, so a child cannot inherit more than
//! this by any mistake.

use std::fs;
use std::io;
use std::ops::Range;
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};
use rustix::mount::{MountAttrFlags, MountPropagationFlags, UnmountFlags, mount_change, unmount};

use super::step;
use crate::{mount, rootless, sys};

/// Directories of software, bound where the host has them. `/usr/local` is left out: people keep
/// scripts with secrets there. `/usr/share/nodejs` is part of Debian's Node.
const SOFTWARE: &[&str] = &[
    "usr/bin",
    "usr/sbin",
    "usr/lib",
    "usr/lib32",
    "usr/lib64",
    "usr/libexec",
    "usr/share/zoneinfo",
    "usr/share/nodejs",
    "usr/share/ca-certificates",
    "etc/alternatives",
];
/// Links to the above on today's distributions, directories of their own on older ones.
const SHORT_NAMES: &[&str] = &["bin", "sbin", "lib", "lib32", "lib64"];
/// Where a sandbox's own mounts go.
const EMPTY: &[&str] = &[
    "proc",
    "tmp",
    "dev",
    // The loader searches these for libraries, and for ever passes over what was not there when it
    // looked first: in a zygote that is before code and layers are mounted.
    "opt/lib",
    "var/task/lib",
    "mnt",
    "var/runtime",
    "var/lang",
    "var/snapshot",
    "etc",
];
/// Where what is mounted is also to be found. Node's ES modules look into `/node_modules` and know
/// no variable that would say where else to look.
const LINKS: &[(&str, &str)] = &[("node_modules", "/var/runtime/node_modules")];
/// Files of the host's `/etc` that programs need and that tell nothing about the machine's users
/// or services.
const COPIED: &[&str] = &[
    "etc/ld.so.cache",
    "etc/ld.so.conf",
    "etc/mime.types",
    "etc/protocols",
    "etc/services",
    "etc/ssl/openssl.cnf",
    "etc/ssl/certs/ca-certificates.crt",
    "etc/pki/tls/certs/ca-bundle.crt",
    "etc/pki/tls/openssl.cnf",
];
const GENERATED: &[(&str, &str)] = &[
    (
        "etc/hosts",
        // The last two are what AWS calls an environment within it.
        "127.0.0.1 localhost kiln sandbox.localdomain sandbox\n::1 localhost\n",
    ),
    ("etc/hostname", "kiln\n"),
    (
        "etc/nsswitch.conf",
        "passwd: files\ngroup: files\nhosts: files dns\nservices: files\n",
    ),
    // `network::NAME_SERVER`, which a test compares.
    ("etc/resolv.conf", RESOLV_CONF),
    ("etc/machine-id", ""),
];
/// The name server that every sandbox finds.
pub(crate) const RESOLV_CONF: &str = "nameserver 169.254.169.253\n";
/// Number and name of the harmless character devices.
const DEVICES: &[(u32, &str)] = &[
    (3, "null"),
    (5, "zero"),
    (7, "full"),
    (8, "random"),
    (9, "urandom"),
];
const DEVICE_LINKS: &[(&str, &str)] = &[
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
];

/// Takes away the `/proc` of the template, where it has one. What came of it stays.
pub(super) fn leave_proc() -> io::Result<()> {
    if rootless::is_mapped() {
        unmount("/proc", UnmountFlags::DETACH)?;
    }
    Ok(())
}

/// Moves the calling process into a mount namespace and a root of its own, built over `root`.
pub(super) fn enter(root: &Path, uids: Range<u32>) -> io::Result<()> {
    sys::unshare(libc::CLONE_NEWNS).map_err(step("make a mount namespace"))?;
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", private).map_err(|e| step("make mounts private")(e.into()))?;
    rustix::process::umask(Mode::empty());
    let plain = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
    let base = mount::tmpfs(&[("mode", "755"), ("size", "16m")], plain)
        .map_err(step("make the root's file system"))?;
    mount::attach(&base, root).map_err(step("attach the root"))?;
    std::env::set_current_dir(root)?;

    bind_software()?;
    for directory in EMPTY {
        make_directory(Path::new(directory))?;
    }
    for (path, target) in LINKS {
        symlink(target, path)?;
    }
    write_etc(uids).map_err(step("write /etc"))?;
    make_devices().map_err(step("make /dev"))?;
    if rootless::is_mapped() {
        // The kernel lets the root of a user namespace see processes anew only where it sees them all
        // already. Each shell and zygote takes it away when it has its own.
        let proc = mount::proc(true).map_err(step("make /proc"))?;
        mount::attach(proc, Path::new("proc")).map_err(step("attach /proc"))?;
    }

    rustix::process::pivot_root(".", ".").map_err(|e| step("change the root")(e.into()))?;
    unmount(".", UnmountFlags::DETACH).map_err(|e| step("detach the host's root")(e.into()))?;
    std::env::set_current_dir("/")?;
    let sealed = libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV;
    sys::set_mount_attributes(&base, sealed, false).map_err(step("make the root read-only"))
}

fn bind_software() -> io::Result<()> {
    for path in SOFTWARE {
        bind(path)?;
    }
    for path in SHORT_NAMES {
        let host = Path::new("/").join(path);
        if let Ok(target) = fs::read_link(&host) {
            symlink(target, path)?;
        } else {
            bind(path)?;
        }
    }
    Ok(())
}

/// Binds a directory of the host, when there is one, read-only with all that is mounted in it.
fn bind(path: &str) -> io::Result<()> {
    let host = Path::new("/").join(path);
    // A link (as /usr/lib64 is on some distributions) is copied: what it points to is here too.
    if let Ok(target) = fs::read_link(&host) {
        return symlink(target, path);
    }
    if !host.is_dir() {
        return Ok(());
    }
    make_directory(Path::new(path))?;
    let software = mount::detached(&host, true)?;
    mount::attach(software, Path::new(path)).map_err(step(&format!("bind /{path}")))
}

fn write_etc(uids: Range<u32>) -> io::Result<()> {
    for path in COPIED {
        if let Ok(content) = fs::read(Path::new("/").join(path)) {
            write(path, &content)?;
        }
    }
    for (path, content) in GENERATED {
        write(path, content.as_bytes())?;
    }
    let (passwd, group) = accounts(uids);
    write("etc/passwd", passwd.as_bytes())?;
    write("etc/group", group.as_bytes())?;
    // Where other programs look for the certificates.
    if Path::new("etc/ssl/certs/ca-certificates.crt").exists() {
        symlink("certs/ca-certificates.crt", "etc/ssl/cert.pem")?;
    }
    symlink("/usr/share/zoneinfo/UTC", "etc/localtime")
}

/// `passwd` and `group` with an entry for whoever a sandbox may run as, at home where it can write:
/// programs ask for the name and the home of their user, and some end when there is none.
fn accounts(uids: Range<u32>) -> (String, String) {
    let mut passwd = "root:x:0:0:root:/:/usr/sbin/nologin\n".to_owned();
    let mut group = "root:x:0:\n".to_owned();
    for id in uids {
        passwd += &format!("sbx_user{id}:x:{id}:{id}::/tmp:/bin/sh\n");
        group += &format!("sbx_user{id}:x:{id}:\n");
    }
    (passwd, group)
}

fn write(path: &str, content: &[u8]) -> io::Result<()> {
    if let Some(parent) = Path::new(path).parent() {
        make_directory(parent)?;
    }
    fs::write(path, content)?;
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o644))
}

fn make_devices() -> io::Result<()> {
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    let devices = mount::tmpfs(&[("mode", "755"), ("size", "64k")], attributes)?;
    mount::attach(&devices, Path::new("dev"))?;
    for (minor, name) in DEVICES {
        let mode = Mode::from_raw_mode(0o666);
        let path = Path::new("dev").join(name);
        if rootless::is_mapped() {
            fs::write(&path, "")?;
            mount::attach(mount::device(&Path::new("/dev").join(name))?, &path)?;
            continue;
        }
        mknodat(
            CWD,
            &path,
            FileType::CharacterDevice,
            mode,
            makedev(1, *minor),
        )?;
    }
    for (name, target) in DEVICE_LINKS {
        symlink(target, Path::new("dev").join(name))?;
    }
    make_directory(Path::new("dev/shm"))?;
    let sealed = libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NOEXEC;
    sys::set_mount_attributes(&devices, sealed, false)
}

fn make_directory(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(path)
}
