//! Every call of the kernel was decided on, and the page says how.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use super::list::Group;
use super::{CLONE3, denied, list};

/// Numbers beyond this are no calls on any architecture yet.
const NUMBERS_MAX: u32 = 1024;
const PAGE: &str = "docs/reference/system-calls.md";

/// Those that are allowed with some arguments only, and what is asked of the arguments.
const CONDITIONS: &[(&str, libc::c_long, &str)] = &[
    (
        "socket",
        libc::SYS_socket,
        "Unix sockets; TCP and UDP over IPv4 and IPv6. No raw, packet, netlink, vsock or SCTP socket.",
    ),
    ("socketpair", libc::SYS_socketpair, "Unix sockets."),
    (
        "clone",
        libc::SYS_clone,
        "No new namespace: in one of its own a process has every capability.",
    ),
    ("unshare", libc::SYS_unshare, "No new namespace."),
    (
        "ioctl",
        libc::SYS_ioctl,
        "Neither `TIOCSTI` nor `TIOCLINUX`, which type into a terminal.",
    ),
    (
        "personality",
        libc::SYS_personality,
        "Asking, and the ordinary one: others weaken the randomisation of addresses.",
    ),
];

/// All calls that were decided on, by number.
fn decided() -> BTreeMap<u32, &'static str> {
    let groups = list::ALLOWED.iter().chain(denied::DENIED);
    let listed = groups.flat_map(|group| group.calls.iter().copied());
    let conditional = CONDITIONS.iter().map(|(name, number, _)| (*name, *number));
    let all = listed.chain(conditional).chain([("clone3", CLONE3.into())]);
    let mut decided = BTreeMap::new();
    for (name, number) in all {
        let before = decided.insert(number as u32, plain(name));
        assert_eq!(before, None, "{name} is decided on twice");
    }
    decided
}

fn plain(name: &'static str) -> &'static str {
    name.strip_prefix("SYS_").unwrap_or(name)
}

#[test]
fn every_condition_is_described() {
    let mut described: Vec<i64> = CONDITIONS.iter().map(|(_, number, _)| *number).collect();
    let mut listed: Vec<i64> = list::conditional()
        .iter()
        .map(|(number, _)| *number)
        .collect();
    described.sort_unstable();
    listed.sort_unstable();
    assert_eq!(described, listed);
}

#[test]
fn the_running_kernel_has_no_call_that_nobody_decided_on() {
    let decided = decided();
    let undecided = (0..NUMBERS_MAX).filter(|number| !decided.contains_key(number));
    let none = libc::c_long::from(-1);
    let exists = |number: &u32| {
        let number = libc::c_long::from(*number);
        // SAFETY: a call that exists, which is what this looks for, is given no valid pointer,
        // descriptor or flags.
        let answer = unsafe { libc::syscall(number, none, none, none, none, none, none) };
        answer >= 0 || std::io::Error::last_os_error().raw_os_error() != Some(libc::ENOSYS)
    };
    let found: Vec<u32> = undecided.filter(exists).collect();
    assert_eq!(
        found,
        Vec::<u32>::new(),
        "decide on these in list.rs or denied.rs"
    );
}

/// Where a machine has the kernel's headers they also check our names.
#[cfg(target_arch = "x86_64")]
#[test]
fn the_headers_have_no_call_that_nobody_decided_on() {
    let headers = "/usr/include/x86_64-linux-gnu/asm/unistd_64.h";
    let Ok(headers) = std::fs::read_to_string(headers) else {
        return;
    };
    let decided = decided();
    let calls = headers
        .lines()
        .filter_map(|line| line.strip_prefix("#define __NR_")?.split_once(' '));
    for (name, number) in calls {
        let number = number.trim().parse().expect("the header has numbers");
        assert_eq!(decided.get(&number).copied(), Some(name), "{number}");
    }
}

fn rows(text: &mut String, groups: &[Group]) {
    for group in groups {
        let mut names: Vec<&str> = group.calls.iter().map(|(name, _)| plain(name)).collect();
        names.sort_unstable();
        let (title, reason) = (group.title, group.reason);
        writeln!(text, "| {title} | {reason} | `{}` |", names.join("` `"))
            .expect("a string takes all");
    }
}

fn page() -> String {
    let mut text = "# System calls\n\n\
        What a program in a sandbox may ask of the kernel, on x86_64. Everything else fails with `EPERM`, and calls of other\n\
        architectures end the process. Written from `crates/sandbox/src/seccomp` by a test; another fails when the running\n\
        kernel has a call that is in neither list.\n\n\
        ## Allowed\n\n| group | why | calls |\n|---|---|---|\n"
        .to_owned();
    rows(&mut text, list::ALLOWED);
    text += "\n## Allowed with some arguments\n\n| call | what is allowed |\n|---|---|\n";
    for (name, _, what) in CONDITIONS {
        writeln!(text, "| `{name}` | {what} |").expect("a string takes all");
    }
    text += "| `clone3` | Nothing: it fails with `ENOSYS`, as its flags are where no filter sees them, and C libraries \
        fall back to `clone`. |\n";
    text += "| `setrlimit`, `prlimit64` | All but changes of `RLIMIT_CORE`, which seem to succeed and change nothing: the \
        limit of 1 keeps the host's handler of crashes from running. |\n";
    text += "\n## Denied\n\n| group | why | calls |\n|---|---|---|\n";
    rows(&mut text, denied::DENIED);
    text
}

#[cfg(target_arch = "x86_64")]
#[test]
fn the_page_of_system_calls_is_the_list() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(PAGE);
    if std::env::var_os("KILN_BLESS").is_some() {
        std::fs::write(&path, page()).expect("the page can be written");
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page(),
        "run this test with KILN_BLESS=1 to renew {PAGE}"
    );
}
