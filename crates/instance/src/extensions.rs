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

use std::path::Path;

use kiln_sandbox::Mount;

pub(crate) use routes::{identifier, respond};

/// The first step of its paths.
pub(crate) const VERSION: &str = "2020-01-01";
/// Where external extensions are inside a sandbox.
pub(crate) const DIRECTORY: &str = "/opt/extensions";
/// Extensions of one instance, external and internal together.
pub(crate) const EXTENSIONS_MAX: usize = 10;

/// The names of the external extensions that these mounts bring, in order. A file of a later mount
/// replaces that of an earlier one.
pub(crate) fn names(mounts: &[Mount]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for mount in mounts {
        // Whether the file may be executed is for the kernel to say; a folder is none.
        let Ok(inside) = Path::new(DIRECTORY).strip_prefix(&mount.target) else {
            continue;
        };
        let Ok(entries) = std::fs::read_dir(mount.source.join(inside)) else {
            continue;
        };
        for entry in entries.flatten() {
            let is_file = entry.file_type().is_ok_and(|kind| !kind.is_dir());
            if let (true, Ok(name)) = (is_file, entry.file_name().into_string())
                && !names.contains(&name)
            {
                names.push(name);
            }
        }
    }
    names.sort_unstable();
    names
}
