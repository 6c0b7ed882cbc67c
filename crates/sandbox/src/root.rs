//! A root of a sandbox's own: the layers of a container image in the place of the machine's software.
//!
//! A shell has the machine's software for its root. An image replaces it while the sandbox is filled:
//! its layers become one read-only overlay, the sandbox's own file systems (`/proc`, `/dev`, `/tmp`,
//! `/mnt`) and the few files of `/etc` that are the platform's appear in it, and it takes the place
//! of the root for every process, init included. Nothing of the former root can be reached any more.
//!
//! An image may have anything at those places, links that lead elsewhere too. Over its layers lies one
//! of Kiln's own, the *dressing*, which has a plain directory or file at each of them: nothing of an
//! image is ever followed.

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::mount::{UnmountFlags, unmount};

use crate::error::Error;
use crate::{landlock, mount};

/// The target of mounts that are the sandbox's root.
pub(crate) const ROOT: &str = "/";
/// What the sandbox has already and keeps, with all that is mounted in it.
const KEPT: [&str; 4] = ["proc", "dev", "tmp", "mnt"];
/// Files that are the platform's and no image's.
const FILES: [&str; 3] = ["etc/hosts", "etc/hostname", "etc/resolv.conf"];
/// An empty directory of every shell, at which the new root is put together.
const SITE: &str = "/var/task";

/// Makes the dressing of all images, which has the places of what a sandbox keeps.
pub(crate) fn make_dressing(state_dir: &Path) -> Result<PathBuf, Error> {
    let dressing = state_dir.join("dressing");
    let make = || {
        for directory in KEPT.iter().chain(&["etc"]) {
            make_directory(&dressing.join(directory))?;
        }
        for file in FILES {
            let path = dressing.join(file);
            fs::write(&path, "")?;
            fs::set_permissions(path, fs::Permissions::from_mode(0o644))?;
        }
        make_directory(&dressing)
    };
    make().map_err(Error::system(format!("make {}", dressing.display())))?;
    Ok(dressing)
}

fn make_directory(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(path)?;
    // Again: the process's umask may have taken something away.
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
}

/// The layers as one, dressed, attached nowhere.
pub(crate) fn detached(layers: &[&Path], dressing: &Path) -> io::Result<OwnedFd> {
    let all: Vec<&Path> = layers.iter().copied().chain([dressing]).collect();
    mount::union(&all)
}

/// Puts an image in the place of the root of the sandbox whose mounts the calling thread sees, and
/// lets its programs read it.
pub(crate) fn replace(image: &OwnedFd, ruleset: Option<BorrowedFd<'_>>) -> io::Result<()> {
    if let Some(ruleset) = ruleset {
        landlock::allow_reading(ruleset, image.as_fd())?;
    }
    let site = Path::new(SITE);
    mount::attach(image, site)?;
    for kept in KEPT.iter().chain(&FILES) {
        let copy = mount::copied(&Path::new("/").join(kept))?;
        mount::attach(copy, &site.join(kept))?;
    }
    // The kernel changes the root of every process whose root this was: here, of init.
    std::env::set_current_dir(site)?;
    rustix::process::pivot_root(".", ".")?;
    unmount(".", UnmountFlags::DETACH)?;
    std::env::set_current_dir("/")
}
