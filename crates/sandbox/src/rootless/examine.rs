//! What this machine gives a user who is not root, for `kiln doctor` and for the refusal at start.

use std::fs;
use std::io;
use std::ops::Range;
use std::path::Path;

use rustix::process::{Pid, WaitOptions, waitpid};

use super::ids::{self, FILES, PROGRAMS};
use crate::examine::{Finding, Status, bad, good};
use crate::sys::{self, Fork};

/// Looks whether this user can go on as root of a user namespace in which `uids` are subordinate ids.
/// Changes nothing.
pub(crate) fn examine(uids: &Range<u32>) -> Vec<Finding> {
    vec![user(), user_namespaces(), subordinate_ids(uids), programs()]
}

fn user() -> Finding {
    let uid = rustix::process::getuid().as_raw();
    good("user", format!("uid {uid}, not root: in a user namespace"))
}

fn user_namespaces() -> Finding {
    let name = "user namespaces";
    let Err(error) = probe() else {
        return good(name, "allowed");
    };
    let says = |file: &str, value: &str| {
        fs::read_to_string(Path::new("/proc/sys").join(file)).is_ok_and(|text| text.trim() == value)
    };
    let remedy = if says("kernel/unprivileged_userns_clone", "0") {
        "allow them: sysctl kernel.unprivileged_userns_clone=1"
    } else if says("user/max_user_namespaces", "0") {
        "allow them: sysctl user.max_user_namespaces=10000"
    } else if says("kernel/apparmor_restrict_unprivileged_userns", "1") {
        "allow them to Kiln: install packaging/apparmor/kiln, as docs/guide/rootless.md says"
    } else {
        "allow them to ordinary users, use a kernel built with CONFIG_USER_NS, or run Kiln as root"
    };
    bad(name, Status::Missing, format!("refused: {error}"), remedy)
}

/// Makes a user namespace in a process that ends at once, and in it what only its root may make:
/// AppArmor refuses no more than that.
fn probe() -> io::Result<()> {
    // SAFETY: the child makes system calls and ends; it neither allocates nor locks, so that other
    // threads do not matter.
    match unsafe { sys::fork(libc::CLONE_NEWUSER) }? {
        Fork::Child => {
            let made = sys::unshare(libc::CLONE_NEWNS);
            let number = made.err().and_then(|error| error.raw_os_error());
            sys::exit_now(number.unwrap_or(0))
        }
        Fork::Parent(pid, _) => {
            let ended = waitpid(Pid::from_raw(pid), WaitOptions::empty())?;
            match ended.and_then(|(_, status)| status.exit_status()) {
                Some(0) => Ok(()),
                Some(number) => Err(io::Error::from_raw_os_error(number)),
                None => Err(io::Error::other("the probe was killed")),
            }
        }
    }
}

fn subordinate_ids(wanted: &Range<u32>) -> Finding {
    let name = "subordinate ids";
    let needed = wanted.len() as u64;
    let given = FILES.map(|file| {
        let ranges = ids::of_this_user(file);
        let count: u64 = ranges.iter().map(|range| range.len() as u64).sum();
        (file, count, ranges)
    });
    for (file, count, _) in &given {
        if *count < needed {
            let detail = format!("{count} in {file}, and {needed} sandboxes need one each");
            let remedy = "have root give some: usermod --add-subuids 100000-165535 --add-subgids \
                          100000-165535 USER; or allow fewer sandboxes with --sandboxes-max; or run Kiln as root, for example with sudo";
            return bad(name, Status::Missing, detail, remedy);
        }
    }
    let first = given[0].2.first().map_or(0, |range| range.start);
    good(name, format!("{} from {first} on", given[0].1))
}

fn programs() -> Finding {
    let name = "newuidmap";
    let is_absent = |program: &&&str| ids::find_program(program).is_none();
    if let Some(absent) = PROGRAMS.iter().find(is_absent) {
        let remedy =
            "install it (apt install uidmap, dnf install shadow-utils), or run Kiln as root";
        return bad(
            name,
            Status::Missing,
            format!("there is no {absent}"),
            remedy,
        );
    }
    if rustix::thread::no_new_privs().unwrap_or(false) {
        let remedy =
            "start Kiln without NoNewPrivileges, which takes from newuidmap what it is for";
        return bad(
            name,
            Status::Missing,
            "may gain no privileges".into(),
            remedy,
        );
    }
    good(name, "there, with newgidmap")
}
