//! The data directory: whose it is, who may enter it, and that one server has it at a time.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::error::Error;

/// Refuses a data directory, or a link to one, that somebody else made: who owns it can read and replace what is in it. Who had
/// this server started by `sudo` may have made it.
pub(crate) fn refuse_foreign_dir(dir: &Path) -> Result<(), Error> {
    let own =
        fs::metadata("/proc/self").map_err(Error::file("look at", Path::new("/proc/self")))?;
    let by_sudo = std::env::var("SUDO_UID")
        .ok()
        .and_then(|uid| uid.parse().ok());
    for about in [fs::symlink_metadata(dir), fs::metadata(dir)] {
        let owner = match about {
            Ok(about) => about.uid(),
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(Error::file("look at", dir)(error)),
        };
        let is_trusted = owner == own.uid() || owner == 0 || by_sudo == Some(owner);
        if !is_trusted {
            return Err(Error::Foreign {
                dir: dir.to_owned(),
                owner,
            });
        }
    }
    Ok(())
}

/// Makes a directory that only the server's own user may enter: it holds keys and users' code.
pub(crate) fn make_private_dir(dir: &Path) -> Result<(), Error> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.map_err(Error::file("make directory", dir))?;
    let owner_only = Permissions::from_mode(0o700);
    fs::set_permissions(dir, owner_only).map_err(Error::file("set permissions of", dir))
}

/// The kernel gives the lock up when the process ends, however it ends, so that the file may stay.
pub(crate) fn take_lock(dir: &Path, pid: u32) -> Result<File, Error> {
    let path: PathBuf = dir.join("lock");
    let opened = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path);
    let mut file = opened.map_err(Error::file("open", &path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut pid = String::new();
            let known = file.read_to_string(&mut pid).is_ok() && !pid.trim().is_empty();
            let pid = if known {
                pid.trim().to_owned()
            } else {
                "unknown".to_owned()
            };
            return Err(Error::InUse {
                dir: dir.to_owned(),
                pid,
            });
        }
        Err(TryLockError::Error(error)) => return Err(Error::file("lock", &path)(error)),
    }
    let written = file.set_len(0).and_then(|()| writeln!(file, "{pid}"));
    written.map_err(Error::file("write", &path))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{chown, symlink};

    use super::*;

    #[test]
    fn a_directory_of_somebody_elses_is_refused_and_a_link_to_one() {
        let dir = tempfile::tempdir().unwrap();
        let (own, other, link) = (
            dir.path().join("own"),
            dir.path().join("other"),
            dir.path().join("link"),
        );
        refuse_foreign_dir(&own).unwrap();
        make_private_dir(&own).unwrap();
        refuse_foreign_dir(&own).unwrap();
        fs::create_dir(&other).unwrap();
        // Only root may give something away.
        if chown(&other, Some(65_534), None).is_err() {
            return;
        }
        symlink(&other, &link).unwrap();
        for foreign in [&other, &link] {
            let refused = refuse_foreign_dir(foreign).unwrap_err();
            assert!(matches!(refused, Error::Foreign { owner: 65_534, .. }));
        }
    }
}
