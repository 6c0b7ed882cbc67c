//! AWS's Extensions API of 2020-01-01: programs that run beside a function, or within its runtime, and
//! hear of its invocations and its end.
//!
//! *External* extensions are the executable files in `/opt/extensions`; they start before the runtime
//! and may outlive it by two seconds. *Internal* ones are registered by code inside the runtime's
//! process. Who may say what is decided by `roster`; `routes` reads requests; `external` holds the
//! programs.

pub(crate) mod external;
pub(crate) mod roster;
mod routes;
#[cfg(test)]
mod tests;

use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use kiln_sandbox::Mount;

#[cfg(feature = "fuzzing")]
pub(crate) use routes::registration;
pub(crate) use routes::{identifier, respond};

/// The first step of its paths.
pub(crate) const VERSION: &str = "2020-01-01";
/// Where external extensions are inside a sandbox.
pub(crate) const DIRECTORY: &str = "/opt/extensions";
/// Extensions of one instance, external and internal together.
pub(crate) const EXTENSIONS_MAX: usize = 10;

/// A directory in the one that is mounted. Links are for the sandbox to follow: here they would lead
/// elsewhere.
fn directory_in(source: &Path, inside: &Path) -> Option<PathBuf> {
    let mut directory = source.to_owned();
    for step in inside {
        directory.push(step);
        let found = directory.symlink_metadata().ok()?;
        if !found.is_dir() {
            return None;
        }
    }
    Some(directory)
}

/// The names of the external extensions that these mounts bring, in order. A file of a later mount
/// replaces that of an earlier one.
pub(crate) fn names(mounts: &[Mount]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for mount in mounts {
        // Whether the file may be executed is for the kernel to say; a folder is none.
        let Ok(inside) = Path::new(DIRECTORY).strip_prefix(&mount.target) else {
            continue;
        };
        let Some(directory) = directory_in(&mount.source, inside) else {
            continue;
        };
        let Ok(entries) = std::fs::read_dir(directory) else {
            continue;
        };
        for entry in entries.flatten() {
            let (Ok(kind), Ok(name)) = (entry.file_type(), entry.file_name().into_string()) else {
                continue;
            };
            // How a layer of an image says that a file of one below it is gone.
            let is_gone = kind.is_char_device();
            if is_gone {
                names.retain(|known| *known != name);
            } else if !kind.is_dir() && !names.contains(&name) {
                names.push(name);
            }
        }
    }
    names.sort_unstable();
    names
}
