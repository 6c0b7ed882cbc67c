//! The second wall around files: even where a mount or a permission is wrong, code in a sandbox
//! reads what the sandbox has and writes to `/tmp`, `/dev/shm`, volumes and the harmless devices only.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use landlock::{
    ABI, Access, AccessFs, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset,
    RulesetAttr, RulesetCreatedAttr, RulesetError, Scope,
};

use crate::sys;
use crate::volume::VOLUMES;

/// The newest interface this knows; older kernels enforce what they have.
const ABI_KNOWN: ABI = ABI::V7;

/// Makes the rules of the sandbox whose mounts the calling process sees. `None` on kernels without
/// landlock.
pub(crate) fn ruleset() -> Result<Option<OwnedFd>, String> {
    build().map_err(|error| error.to_string())
}

/// Adds to the rules, of which no process may have taken on any yet, that what lies beneath a directory
/// can be read and executed.
pub(crate) fn allow_reading(ruleset: BorrowedFd<'_>, directory: BorrowedFd<'_>) -> io::Result<()> {
    sys::allow_beneath(ruleset, directory, AccessFs::from_read(ABI_KNOWN).bits())
}

fn build() -> Result<Option<OwnedFd>, RulesetError> {
    let all = AccessFs::from_all(ABI_KNOWN);
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(all)?
        .scope(Scope::AbstractUnixSocket | Scope::Signal)?
        .create()?;
    let device: BitFlags<AccessFs> =
        AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::Truncate | AccessFs::IoctlDev;
    let rules: [(&str, BitFlags<AccessFs>); 9] = [
        ("/", AccessFs::from_read(ABI_KNOWN)),
        ("/tmp", all),
        ("/dev/shm", all),
        // Empty but for volumes, whose mounts say who may write.
        (VOLUMES, all),
        ("/dev/null", device),
        ("/dev/zero", device),
        ("/dev/full", device),
        ("/dev/random", device),
        ("/dev/urandom", device),
    ];
    for (path, access) in rules {
        // A sandbox has all of these; where one is missing the rest must still be enforced.
        if let Ok(file) = PathFd::new(path) {
            ruleset = ruleset.add_rule(PathBeneath::new(file, access))?;
        }
    }
    Ok(ruleset.into())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::ErrorKind;
    use std::os::fd::AsFd;
    use std::thread;

    use super::*;

    #[test]
    fn only_tmp_and_harmless_devices_can_be_written() {
        let outside = tempfile::tempdir_in("/var/tmp").expect("a directory");
        let file = outside.path().join("file");
        fs::write(&file, "before").expect("nothing forbids it yet");
        // Rules hold for the thread that takes them on, and for ever.
        let restricted = thread::spawn(move || {
            let rules = ruleset().expect("rules").expect("this kernel has landlock");
            rustix::thread::set_no_new_privs(true).expect("always allowed");
            sys::restrict_to(rules.as_fd()).expect("the thread may restrict itself");
            let inside = tempfile::tempdir_in("/tmp").expect("/tmp is writable");
            fs::write(inside.path().join("file"), "x").expect("/tmp is writable");
            fs::write("/dev/null", "x").expect("/dev/null takes everything");
            assert_eq!(
                fs::read_to_string(&file).expect("all can be read"),
                "before"
            );
            (
                fs::write(&file, "after"),
                fs::create_dir(outside.path().join("new")),
            )
        });
        let (written, created) = restricted.join().expect("no assertion failed");
        assert_eq!(
            written.expect_err("forbidden").kind(),
            ErrorKind::PermissionDenied
        );
        assert_eq!(
            created.expect_err("forbidden").kind(),
            ErrorKind::PermissionDenied
        );
    }
}
