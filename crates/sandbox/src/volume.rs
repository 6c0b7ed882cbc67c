//! Volumes: directories of the host in which a sandbox is the owner.
//!
//! Each sandbox is a user of its own, so files that one makes would be closed to the next. A mount
//! can translate: in it the directory's owner and the sandbox's user are the same. The translation
//! is a user namespace, which lives in a process of the spawner's until the mount has it.

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::process::{Signal, pidfd_send_signal};

use crate::error::Error;
use crate::request::Volume;
use crate::rootless;
use crate::server::Server;

/// Below it volumes are attached; each sandbox has a small file system of its own there.
pub(crate) const VOLUMES: &str = "/mnt";

/// The kernel translates users of those file systems only that were mounted in the user namespace.
const WITHOUT_ROOT: &str = "a directory of the host cannot be shared without root";

/// A volume and how its users are translated for one sandbox.
#[derive(Debug)]
pub(crate) struct Mapped {
    pub volume: Volume,
    pub users: OwnedFd,
}

impl Server {
    /// Prepares volumes for the sandbox that runs as this user.
    pub async fn map(&self, volumes: &[Volume], uid: u32) -> Result<Vec<Mapped>, Error> {
        let mut mapped = Vec::with_capacity(volumes.len());
        for volume in volumes {
            check(volume)?;
            if rootless::is_mapped() {
                return Err(failed(volume, io::Error::other(WITHOUT_ROOT)));
            }
            let failed = |source| failed(volume, source);
            let owner = fs::metadata(&volume.source).map_err(failed)?;
            if !volume.is_read_only && owner.uid() == 0 {
                let why = "sandboxes would be root there: give the directory to a user (chown)";
                return Err(failed(io::Error::other(why)));
            }
            let (pid, process) = self.spawner().await?.namespace().await?;
            let users = translate(pid, &owner, uid);
            // It keeps nothing alive any more; the descriptor does.
            let _ = pidfd_send_signal(process.as_fd(), Signal::KILL);
            mapped.push(Mapped {
                volume: volume.clone(),
                users: users.map_err(failed)?,
            });
        }
        Ok(mapped)
    }
}

/// Makes the owner in the user namespace of a process the sandbox's user outside of it.
fn translate(pid: i32, owner: &fs::Metadata, uid: u32) -> io::Result<OwnedFd> {
    let process = Path::new("/proc").join(pid.to_string());
    fs::write(process.join("uid_map"), format!("{} {uid} 1", owner.uid()))?;
    fs::write(process.join("gid_map"), format!("{} {uid} 1", owner.gid()))?;
    Ok(fs::File::open(process.join("ns/user"))?.into())
}

fn check(volume: &Volume) -> Result<(), Error> {
    let target = &volume.target;
    let is_below = target.parent() == Some(Path::new(VOLUMES)) && target.file_name().is_some();
    match is_below {
        true => Ok(()),
        false => {
            let why = format!("a volume lies directly below {VOLUMES}");
            Err(failed(volume, io::Error::other(why)))
        }
    }
}

/// A volume cannot be mounted.
pub(crate) fn failed(volume: &Volume, source: io::Error) -> Error {
    Error::Mount {
        source_dir: volume.source.clone(),
        target: volume.target.clone(),
        source,
    }
}
