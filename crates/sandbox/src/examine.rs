//! What this machine gives for isolation, for `kiln doctor` and for the refusal at start.

use std::fs;
use std::ops::Range;
use std::path::Path;

use rustix::mount::{FsOpenFlags, fsopen};
use rustix::process::{PidfdFlags, Resource, getpid, getrlimit, pidfd_open};
use rustix::thread::CapabilitySet;

use crate::cgroup::{Layout, Place, Version};
use crate::{network, rootless, sys};

/// One thing that isolation uses, and whether this machine gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at.
    pub name: &'static str,
    /// Whether it is as it should be.
    pub status: Status,
    /// What was found.
    pub detail: String,
    /// What a person can do about it, when it is not good.
    pub remedy: Option<String>,
}

/// Whether something that isolation uses is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// As it should be.
    Good,
    /// Kiln runs, with less than it could have.
    Degraded,
    /// Kiln refuses to start.
    Missing,
}

/// The first kernel with everything that has no fall-back (`mount_setattr`).
const KERNEL_MIN: (u32, u32) = (5, 12);
/// Open files of a server without sandboxes: databases, clients, cgroups.
const OPEN_FILES_MIN: u64 = 2_000;
/// Descriptors that the server holds for a sandbox in use: its init, the channel, the output, two
/// meters, a listener, and three for its way out. What is connected takes more.
const OPEN_FILES_PER_SANDBOX: u64 = 9;
/// What to do where a user who is not root has no control group to divide.
pub(crate) const DELEGATE: &str = "start Kiln in a group that is given to its user with the controllers memory, cpu \
                        and pids: by packaging/systemd/user/kiln.service, or systemd-run --user --scope -p \
                        Delegate=yes; docs/guide/rootless.md says how users get the cpu controller";
/// The newest landlock that Kiln has a use for: abstract sockets and signals are kept inside.
const LANDLOCK_BEST: i64 = 6;

/// Looks at this machine, on which sandboxes would run as `uids_wanted`. Changes nothing and may be
/// called by any user.
pub fn examine(uids_wanted: Range<u32>) -> Vec<Finding> {
    let sandboxes = uids_wanted.len() as u64;
    let mut findings = match rootless::is_ordinary_user() {
        true => rootless::examine(&uids_wanted),
        false => vec![user(), capabilities(), mount_interface(), uids(uids_wanted)],
    };
    findings.extend([kernel(), namespaces(), pidfd()]);
    findings.extend(controllers());
    findings.extend([
        seccomp(),
        landlock(),
        crashes(&fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap_or_default()),
        open_files(sandboxes),
    ]);
    findings
}

fn controllers() -> [Finding; 4] {
    let layout = Layout::detect().unwrap_or_default();
    [
        controller("memory controller", "memory", layout.memory.as_ref()),
        controller("cpu controller", "cpu", layout.cpu.as_ref()),
        controller("pids controller", "pids", layout.pids.as_ref()),
        freezer(layout.freezer.as_ref()),
    ]
}

pub(crate) fn good(name: &'static str, detail: impl Into<String>) -> Finding {
    Finding {
        name,
        status: Status::Good,
        detail: detail.into(),
        remedy: None,
    }
}

pub(crate) fn bad(name: &'static str, status: Status, detail: String, remedy: &str) -> Finding {
    Finding {
        name,
        status,
        detail,
        remedy: Some(remedy.to_owned()),
    }
}

fn user() -> Finding {
    if !rootless::is_mapped() {
        return good("user", "root");
    }
    let map = rootless::own_map("uid_map").unwrap_or_default();
    let root = map.iter().find(|extent| extent.inside == 0);
    let outside = root.map_or("nobody".to_owned(), |extent| {
        format!("uid {}", extent.outside)
    });
    good("user", format!("{outside}, root of a user namespace"))
}

fn capabilities() -> Finding {
    let needed = CapabilitySet::SYS_ADMIN
        | CapabilitySet::SYS_CHROOT
        | CapabilitySet::SYS_PTRACE
        | CapabilitySet::SETUID
        | CapabilitySet::SETGID
        | CapabilitySet::SETPCAP
        | CapabilitySet::NET_ADMIN
        | CapabilitySet::MKNOD
        | CapabilitySet::KILL
        | CapabilitySet::DAC_OVERRIDE;
    let held = rustix::thread::capabilities(None).map_or(CapabilitySet::empty(), |s| s.effective);
    let lacking = needed.difference(held);
    if lacking.is_empty() {
        return good("capabilities", "all that are needed");
    }
    let names: Vec<_> = lacking
        .iter_names()
        .map(|(name, _)| format!("CAP_{name}"))
        .collect();
    let detail = format!("without {}", names.join(", "));
    let remedy = "run Kiln as root; in a container, give it these capabilities (--privileged)";
    bad("capabilities", Status::Missing, detail, remedy)
}

fn kernel() -> Finding {
    let uname = rustix::system::uname();
    let release = uname.release().to_string_lossy().into_owned();
    let mut numbers = release
        .split(['.', '-'])
        .map_while(|part| part.parse::<u32>().ok());
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if version >= KERNEL_MIN {
        return good("kernel", format!("Linux {release}"));
    }
    bad(
        "kernel",
        Status::Missing,
        format!("Linux {release}"),
        "use Linux 5.12 or newer",
    )
}

fn namespaces() -> Finding {
    const KINDS: [&str; 6] = ["mnt", "pid", "ipc", "uts", "cgroup", "net"];
    let is_absent = |kind: &&&str| !Path::new("/proc/self/ns").join(kind).exists();
    let is_forbidden = |kind: &&&str| {
        let limit = fs::read_to_string(format!("/proc/sys/user/max_{kind}_namespaces"));
        limit.is_ok_and(|limit| limit.trim() == "0")
    };
    let missing: Vec<&str> = KINDS
        .iter()
        .filter(|kind| is_absent(kind) || is_forbidden(kind))
        .copied()
        .collect();
    if missing.is_empty() {
        return good("namespaces", KINDS.join(", "));
    }
    let detail = format!("without {}", missing.join(", "));
    let remedy = "use a kernel with these namespaces, and sysctl user.max_*_namespaces above 0";
    bad("namespaces", Status::Missing, detail, remedy)
}

fn mount_interface() -> Finding {
    let name = "mount interface";
    match fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC) {
        Ok(_) => good(name, "fsopen, open_tree, move_mount"),
        Err(rustix::io::Errno::PERM) => {
            let remedy = "run Kiln as root; in a container, allow mounts (--privileged)";
            bad(name, Status::Missing, "not permitted".into(), remedy)
        }
        Err(error) => bad(
            name,
            Status::Missing,
            error.to_string(),
            "use Linux 5.12 or newer",
        ),
    }
}

fn pidfd() -> Finding {
    match pidfd_open(getpid(), PidfdFlags::empty()) {
        Ok(_) => good("pidfd", "there"),
        Err(error) => bad(
            "pidfd",
            Status::Missing,
            error.to_string(),
            "use Linux 5.12 or newer",
        ),
    }
}

fn controller(name: &'static str, controller: &str, place: Option<&Place>) -> Finding {
    let Some(place) = place else {
        if rootless::is_rootless() {
            let detail = "none in a group of this user's".to_owned();
            return bad(name, Status::Missing, detail, DELEGATE);
        }
        let detail = "not found".to_owned();
        let remedy = format!(
            "mount cgroup version 2 at /sys/fs/cgroup with the {controller} controller; where the \
             kernel has it disabled, boot with cgroup_enable={controller}"
        );
        return bad(name, Status::Missing, detail, &remedy);
    };
    let detail = describe(place);
    if rustix::fs::access(&place.mount, rustix::fs::Access::WRITE_OK).is_err() {
        let remedy = "run Kiln as root; in a container, mount /sys/fs/cgroup writable";
        return bad(
            name,
            Status::Missing,
            format!("{detail}, not writable"),
            remedy,
        );
    }
    good(name, detail)
}

fn freezer(place: Option<&Place>) -> Finding {
    match place {
        Some(place) if place.version == Version::V2 => good("freezer", describe(place)),
        Some(place) => bad(
            "freezer",
            Status::Degraded,
            format!("{}: about 100 µs slower per thaw", describe(place)),
            "mount cgroup version 2 beside version 1: mount -t cgroup2 none /sys/fs/cgroup/unified",
        ),
        None if rootless::is_rootless() => {
            let detail = "none in a group of this user's".to_owned();
            bad("freezer", Status::Missing, detail, DELEGATE)
        }
        None => bad(
            "freezer",
            Status::Missing,
            "not found".into(),
            "mount cgroup version 2 at /sys/fs/cgroup",
        ),
    }
}

fn describe(place: &Place) -> String {
    let version = match place.version {
        Version::V1 => 1,
        Version::V2 => 2,
    };
    format!("cgroup version {version} at {}", place.mount.display())
}

fn seccomp() -> Finding {
    let actions = fs::read_to_string("/proc/sys/kernel/seccomp/actions_avail").unwrap_or_default();
    if actions.split_whitespace().any(|action| action == "errno") {
        return good("seccomp", "filters");
    }
    let remedy = "use a kernel built with CONFIG_SECCOMP_FILTER";
    bad("seccomp", Status::Missing, "no filters".into(), remedy)
}

fn landlock() -> Finding {
    let remedy = "use Linux 6.12 or newer and boot with landlock among lsm=";
    match sys::landlock_version() {
        0 => bad(
            "landlock",
            Status::Degraded,
            "not there: sandboxes have one wall less around files".into(),
            remedy,
        ),
        version if version < LANDLOCK_BEST => bad(
            "landlock",
            Status::Degraded,
            format!("ABI {version}, files only"),
            remedy,
        ),
        version => good("landlock", format!("ABI {version}")),
    }
}

/// Looks whether this machine can give functions a network. It isolates without, too.
pub fn examine_network() -> Finding {
    let name = "network of functions";
    let remedy = "run Kiln as root on a kernel with nf_tables, nft_tproxy, nft_reject_inet and \
                  nft_queue (or xt_NFQUEUE), which modprobe loads";
    match network::probe() {
        Ok(kind) => good(name, format!("nftables, {kind}")),
        Err(error) => bad(
            name,
            Status::Degraded,
            format!("none, whatever they ask for: {error}"),
            remedy,
        ),
    }
}

/// A limit keeps crashes from files and programs (`lockdown.rs`), and nothing does from sockets.
fn crashes(pattern: &str) -> Finding {
    let pattern = pattern.trim();
    if !pattern.starts_with('@') {
        return good("crashes", "stay in their sandbox");
    }
    bad(
        "crashes",
        Status::Degraded,
        format!("the memory of functions that crash is sent to the socket {pattern}"),
        "have kernel.core_pattern name a file or a program, which is not used for functions",
    )
}

/// Whether somebody else was given uids that sandboxes run as.
fn uids(wanted: Range<u32>) -> Finding {
    if rootless::is_mapped() {
        return mapped(&wanted);
    }
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let field = |line: &str, at: usize| line.split(':').nth(at).and_then(|f| f.parse::<u32>().ok());
    let is_taken = |line: &&str| field(line, 2).is_some_and(|uid| wanted.contains(&uid));
    let subuid = fs::read_to_string("/etc/subuid").unwrap_or_default();
    let overlaps = |line: &&str| match (field(line, 1), field(line, 2)) {
        (Some(start), Some(count)) => {
            start < wanted.end && start.saturating_add(count) > wanted.start
        }
        _ => false,
    };
    // A user of that name could signal and trace what runs in the sandbox; a subordinate range is
    // often only set aside.
    let user = passwd.lines().find(is_taken).map(|l| (l, Status::Missing));
    let range = || subuid.lines().find(overlaps).map(|l| (l, Status::Degraded));
    let owner = user.or_else(range);
    let detail = format!("{} to {}", wanted.start, wanted.end.saturating_sub(1));
    match owner {
        None => good("uids of sandboxes", detail),
        Some((line, status)) => {
            let who = line.split(':').next().unwrap_or_default();
            let detail = format!("{detail}, of which `{who}` has some");
            let remedy = "choose another first uid with --uid-base";
            bad("uids of sandboxes", status, detail, remedy)
        }
    }
}

/// Whether all are somebody outside of this user namespace.
fn mapped(wanted: &Range<u32>) -> Finding {
    let name = "uids of sandboxes";
    let last = wanted.end.saturating_sub(1);
    let covers = |file| rootless::own_map(file).is_ok_and(|map| rootless::covers(&map, wanted));
    if covers("uid_map") && covers("gid_map") {
        return good(
            name,
            format!("{} to {last}, in this user namespace", wanted.start),
        );
    }
    bad(
        name,
        Status::Missing,
        format!(
            "{} to {last} are not all mapped in this user namespace",
            wanted.start
        ),
        "map them for users and groups, or choose others with --uid-base and --sandboxes-max",
    )
}

fn open_files(sandboxes: u64) -> Finding {
    let most = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
    let needed = OPEN_FILES_MIN + sandboxes * OPEN_FILES_PER_SANDBOX;
    if most >= needed {
        return good("open files", format!("{most}"));
    }
    let detail = format!("{most}, and {sandboxes} sandboxes in use need about {needed}");
    let remedy = "raise the hard limit: LimitNOFILE=65536 for a service, or ulimit -Hn 65536; or \
                  allow fewer sandboxes with --sandboxes-max";
    bad("open files", Status::Degraded, detail, remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_good_has_a_remedy() {
        for finding in examine(200_000..202_000) {
            assert_eq!(
                finding.remedy.is_none(),
                finding.status == Status::Good,
                "{finding:?}"
            );
            assert!(!finding.detail.is_empty(), "{finding:?}");
        }
    }

    #[test]
    fn uids_of_a_user_are_refused_by_name() {
        let finding = uids(0..1);
        assert_eq!(finding.status, Status::Missing);
        assert!(finding.detail.contains("`root`"), "{}", finding.detail);
    }

    #[test]
    fn more_sandboxes_than_descriptors_are_told() {
        assert_eq!(open_files(u64::from(u32::MAX)).status, Status::Degraded);
    }

    #[test]
    fn only_a_socket_is_told_of_crashes() {
        for pattern in [
            "core\n",
            "|/usr/share/apport/apport %p\n",
            "/var/core/%p",
            "",
        ] {
            assert_eq!(crashes(pattern).status, Status::Good, "{pattern}");
        }
        assert_eq!(crashes("@/run/cores\n").status, Status::Degraded);
    }

    #[test]
    fn absent_controller_is_missing() {
        let finding = controller("memory controller", "memory", None);
        assert_eq!(finding.status, Status::Missing);
        assert!(
            finding
                .remedy
                .is_some_and(|remedy| remedy.contains("memory"))
        );
    }
}
