//! The attacks, how each is refused, and which walls stop it, each of them alone.

use kiln_sandbox::Layer;

use self::Wall::{
    CgroupNamespace, Descriptors, IpcNamespace, Landlock, Limits, Mounts, NetworkNamespace,
    NoNewPrivs, PidNamespace, Seccomp, User, UtsNamespace,
};

/// What stops an attack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wall {
    User,
    Seccomp,
    Landlock,
    PidNamespace,
    IpcNamespace,
    UtsNamespace,
    NetworkNamespace,
    CgroupNamespace,
    // Those below are always there.
    Mounts,
    NoNewPrivs,
    Limits,
    Descriptors,
}

/// One attack.
#[derive(Debug)]
pub struct Probe {
    /// That of its function in `attacks/`.
    pub name: &'static str,
    /// What is tried.
    pub attempt: &'static str,
    /// What it is told when all walls stand; `absent` where there is nothing to be found.
    pub refusal: &'static str,
    /// Each of these stops it alone.
    pub walls: &'static [Wall],
}

/// Would reach what is beyond this machine.
const OUTSIDE: [&str; 5] = [
    "metadata-of-the-cloud",
    "private-network",
    "link-local-network",
    "public-address",
    "datagrams-out",
];

/// Without root a user namespace stops these too, whatever layers are left out: they need the rights of
/// the machine's root, or other users of it.
pub const STOPPED_WITHOUT_ROOT: [&str; 20] = [
    "acct",
    "bpf",
    "clock-adjtime",
    "fanotify",
    "groups-regained",
    "higher-priority",
    "interface-changed",
    "marks-on-packets",
    "open-by-handle-at",
    "packet-socket",
    "perf-event-open",
    "raw-socket",
    "raw-socket-of-ipv6",
    "setdomainname",
    "sethostname",
    "setns",
    "settimeofday",
    "swapoff",
    "swapon",
    "syslog",
];

impl Wall {
    /// The layer that a test can leave out.
    pub fn layer(self) -> Option<Layer> {
        Some(match self {
            User => Layer::User,
            Seccomp => Layer::Seccomp,
            Landlock => Layer::Landlock,
            PidNamespace => Layer::PidNamespace,
            IpcNamespace => Layer::IpcNamespace,
            UtsNamespace => Layer::UtsNamespace,
            NetworkNamespace => Layer::NetworkNamespace,
            CgroupNamespace => Layer::CgroupNamespace,
            Mounts | NoNewPrivs | Limits | Descriptors => return None,
        })
    }

    /// Whether it stands when these layers are left out.
    pub fn is_left(self, off: &[Layer]) -> bool {
        self.layer().is_none_or(|layer| !off.contains(&layer))
    }

    /// Its name in SECURITY.md.
    pub fn name(self) -> &'static str {
        match self {
            User => "user",
            Seccomp => "seccomp",
            Landlock => "landlock",
            PidNamespace => "pid",
            IpcNamespace => "ipc",
            UtsNamespace => "uts",
            NetworkNamespace => "network",
            CgroupNamespace => "cgroup",
            Mounts => "mounts",
            NoNewPrivs => "no_new_privs",
            Limits => "limits",
            Descriptors => "descriptors",
        }
    }
}

impl Probe {
    /// Whether it gets through, on this machine, when all layers are left out that can be.
    pub fn can_succeed(&self) -> bool {
        let can_go = self.walls.iter().all(|wall| wall.layer().is_some());
        can_go && !OUTSIDE.contains(&self.name)
    }
}

const fn probe(
    name: &'static str,
    attempt: &'static str,
    refusal: &'static str,
    walls: &'static [Wall],
) -> Probe {
    Probe {
        name,
        attempt,
        refusal,
        walls,
    }
}

/// All attacks, a line each.
#[rustfmt::skip]
pub const PROBES: &[Probe] = &[
    // Files of the host and of others.
    probe("host-file", "read a file of the host that everybody may read", "ENOENT", &[Mounts]),
    probe("host-passwords", "read `/etc/shadow`", "ENOENT", &[Mounts]),
    probe("host-homes", "list `/root` and `/home`", "ENOENT", &[Mounts]),
    probe("host-service-sockets", "connect to sockets of the host's services (Docker, systemd, others)", "ENOENT", &[Mounts]),
    probe("state-of-the-server", "list Kiln's state and data", "ENOENT", &[Mounts]),
    probe("way-up-from-the-root", "leave the root by `..`", "ENOENT", &[Mounts]),
    probe("way-up-from-proc", "leave the root by `..` of `/proc/self/root`", "ENOENT", &[Mounts]),
    probe("hard-link-to-the-host", "link a file of the root into `/tmp`", "EXDEV", &[Mounts]),
    probe("code-of-another-function", "list another function's code", "ENOENT", &[Mounts]),
    probe("own-code-written", "write its own code", "EACCES", &[User, Landlock, Mounts]),
    probe("code-added", "add a file to its code", "EROFS", &[User, Landlock, Mounts]),
    probe("software-written", "write programs, libraries, `/etc/passwd`, `/etc/ld.so.preload`", "EROFS", &[User, Landlock, Mounts]),
    probe("own-program-written", "write the program it runs in by `/proc/self/exe`", "EACCES", &[User, Landlock, Mounts]),
    probe("runtime-written", "add to the runtime, whose code the zygote shares", "EROFS", &[User, Landlock, Mounts]),
    probe("tmp-of-others", "read files that others have in `/tmp`", "ENOENT", &[Mounts]),
    probe("shared-memory-files-of-others", "read files that others have in `/dev/shm`", "ENOENT", &[Mounts]),
    probe("link-in-tmp-to-the-host", "follow a link in `/tmp` to a file of the host", "ENOENT", &[Mounts]),
    probe("race-of-links-in-tmp", "swap a directory and a link in `/tmp` while a path beneath is opened", "absent", &[Mounts]),
    probe("tmp-replaced", "rename `/tmp`", "EROFS", &[User, Landlock, Mounts]),
    probe("place-of-file-systems-taken", "make a directory in `/mnt`, where file systems are attached", "EACCES", &[User]),
    // Processes and memory of others.
    probe("environment-of-others", "read the environment of the host's processes, of Kiln and of the spawner", "ENOENT", &[User, PidNamespace]),
    probe("environment-found-in-proc", "read every environment that `/proc` has", "absent", &[User, PidNamespace]),
    probe("processes-of-others-listed", "list other processes", "absent", &[User]),
    probe("init-of-the-sandbox-listed", "see the sandbox's own init", "ENOENT", &[User]),
    probe("root-of-another-process", "enter the root of another process", "ENOENT", &[User, Landlock, PidNamespace]),
    probe("descriptors-of-another-process", "list the descriptors of another process", "ENOENT", &[User, PidNamespace]),
    probe("memory-of-another-process", "open the memory of another process", "ENOENT", &[User, Landlock, PidNamespace]),
    probe("ptrace-of-another-process", "trace another process", "EPERM", &[User, Seccomp, Landlock, PidNamespace]),
    probe("process-vm-readv", "read another process's memory", "EPERM", &[User, Seccomp, Landlock, PidNamespace]),
    probe("process-vm-writev", "write another process's memory", "EPERM", &[User, Seccomp, Landlock, PidNamespace]),
    probe("pidfd-getfd", "take a descriptor out of another process", "ESRCH", &[User, Seccomp, Landlock, PidNamespace]),
    probe("kcmp", "compare other processes' kernel objects", "EPERM", &[User, Seccomp, Landlock, PidNamespace]),
    probe("process-mrelease", "release another process's memory", "EPERM", &[Seccomp]),
    probe("signal-to-another-process", "signal the host's processes, Kiln and the spawner", "ESRCH", &[User, Landlock, PidNamespace]),
    probe("queued-signal-to-another-process", "queue a signal to another process", "ESRCH", &[User, Landlock, PidNamespace]),
    probe("signal-through-the-channel", "signal Kiln by the descriptor of its process that the channel gives", "EINVAL", &[User, Landlock, PidNamespace]),
    probe("namespace-through-the-channel", "get Kiln's mount namespace by the same descriptor", "EACCES", &[User, Landlock]),
    probe("priority-of-another-process", "change another process's priority", "ESRCH", &[User, PidNamespace]),
    probe("limits-of-another-process", "read another process's limits", "ESRCH", &[User, PidNamespace]),
    probe("zygote-signalled", "signal the zygote", "ESRCH", &[User, Landlock, PidNamespace]),
    probe("zygote-traced", "trace the zygote", "EPERM", &[User, Seccomp, Landlock, PidNamespace]),
    probe("zygote-read", "open the zygote's memory", "ENOENT", &[User, Landlock, PidNamespace]),
    probe("segment-of-the-host", "find the host's System V segment by its key", "ENOENT", &[IpcNamespace]),
    probe("segment-of-another-sandbox", "find another sandbox's System V segment by its key", "ENOENT", &[IpcNamespace]),
    probe("queues-of-others", "open a POSIX queue of the host or of another sandbox by its name", "ENOENT", &[Landlock, IpcNamespace]),
    probe("name-of-the-machine-seen", "learn the machine's name", "absent", &[UtsNamespace]),
    probe("control-groups-named", "learn the names of control groups", "absent", &[CgroupNamespace]),
    probe("descriptors-left-open", "use a descriptor that was left open: there are `/dev/null`, the output twice and the channel", "absent", &[Descriptors]),
    probe("directories-left-open", "walk out by a directory that was left open", "ENOENT", &[Descriptors]),
    // Rights.
    probe("root-by-setuid", "become root", "EPERM", &[User]),
    probe("groups-regained", "join groups", "EPERM", &[User]),
    probe("capabilities-regained", "take capabilities", "EPERM", &[User]),
    probe("setuid-program", "execute a setuid program of root's", "absent", &[NoNewPrivs, Mounts]),
    probe("program-with-capabilities", "execute a program whose file has capabilities", "absent", &[NoNewPrivs, Mounts]),
    probe("higher-priority", "run before everybody else by a higher priority", "EACCES", &[User]),
    probe("immunity-from-memory-limits", "be spared when memory runs out", "EROFS", &[Landlock, Mounts]),
    probe("limit-of-core-dumps-changed", "change the limit that keeps the host's handler of crashes from running", "absent", &[Seccomp]),
    probe("core-dump", "leave a core dump", "absent", &[Limits]),
    // Mounts and namespaces.
    probe("mount", "mount a file system", "EPERM", &[User, Seccomp, Landlock]),
    probe("mount-of-control-groups", "mount control groups, for `release_agent`", "EPERM", &[User, Seccomp, Landlock]),
    probe("umount", "unmount", "EPERM", &[User, Seccomp]),
    probe("remount", "make a read-only mount writable", "EPERM", &[User, Seccomp, Landlock]),
    probe("open-tree", "copy a mount", "EPERM", &[User, Seccomp]),
    probe("move-mount", "move a mount", "EPERM", &[User, Seccomp]),
    probe("fsopen", "prepare a new file system", "EPERM", &[User, Seccomp]),
    probe("fsmount", "make a mount of a new file system", "EPERM", &[User, Seccomp]),
    probe("fspick", "reconfigure a file system", "EPERM", &[User, Seccomp]),
    probe("mount-setattr", "change a mount's attributes", "EPERM", &[User, Seccomp]),
    probe("pivot-root", "exchange the root", "EPERM", &[User, Seccomp]),
    probe("chroot", "change the root", "EPERM", &[User, Seccomp]),
    probe("setns", "enter a namespace", "EPERM", &[User, Seccomp]),
    probe("namespaces-of-another-process", "open another process's namespaces", "ENOENT", &[User, Landlock, PidNamespace]),
    probe("user-namespace-by-unshare", "make a user namespace, in which it would have every capability", "EPERM", &[Seccomp]),
    probe("user-namespace-by-clone", "the same with `clone`", "EPERM", &[Seccomp]),
    probe("namespaces-by-clone3", "the same with `clone3`, whose flags no filter sees", "ENOSYS", &[Seccomp]),
    probe("mount-namespace-by-unshare", "make a mount namespace", "EPERM", &[User, Seccomp]),
    probe("network-namespace-by-unshare", "make a network namespace", "EPERM", &[User, Seccomp]),
    // Doors of the kernel that are rarely used.
    probe("bpf", "list BPF programs", "EPERM", &[User, Seccomp]),
    probe("perf-event-open", "count events of all processes", "EPERM", &[User, Seccomp]),
    probe("io-uring", "use io_uring", "EPERM", &[Seccomp]),
    probe("asynchronous-io", "use the older asynchronous I/O", "EPERM", &[Seccomp]),
    probe("userfaultfd", "handle its page faults itself", "EPERM", &[Seccomp]),
    probe("fanotify", "watch and decide others' use of files", "EPERM", &[User, Seccomp]),
    probe("keyctl", "find the session's keyring", "EPERM", &[Seccomp]),
    probe("add-key", "add a key", "EPERM", &[Seccomp]),
    probe("request-key", "have a key fetched by a program of the host", "EPERM", &[Seccomp]),
    probe("seccomp-listener", "use `seccomp`, which could decide calls elsewhere", "EPERM", &[Seccomp]),
    probe("personality", "switch off the randomisation of addresses", "EPERM", &[Seccomp]),
    probe("iopl", "reach I/O ports", "EPERM", &[User, Seccomp]),
    probe("ioperm", "reach one I/O port", "EPERM", &[User, Seccomp]),
    probe("modify-ldt", "read or change its segment table", "EPERM", &[Seccomp]),
    probe("open-by-handle-at", "open a file by its handle, past all directories", "EPERM", &[User, Seccomp]),
    // The machine.
    probe("init-module", "load a module into the kernel", "EPERM", &[User, Seccomp]),
    probe("delete-module", "unload a module", "EPERM", &[User, Seccomp]),
    probe("kexec-load", "load another kernel", "EPERM", &[User, Seccomp]),
    probe("reboot", "reboot", "EPERM", &[User, Seccomp]),
    probe("swapon", "start swapping", "EPERM", &[User, Seccomp]),
    probe("swapoff", "stop swapping", "EPERM", &[User, Seccomp]),
    probe("acct", "have the kernel write records of processes", "EPERM", &[User, Seccomp]),
    probe("quotactl", "ask for and change quotas", "EPERM", &[Seccomp]),
    probe("syslog", "read the kernel's log and change its level", "EPERM", &[User, Seccomp]),
    probe("settimeofday", "set the clock", "EPERM", &[User, Seccomp]),
    probe("clock-adjtime", "adjust the clock", "EPERM", &[User, Seccomp]),
    probe("sethostname", "rename the machine", "EPERM", &[User, Seccomp]),
    probe("setdomainname", "change its domain's name", "EPERM", &[User, Seccomp]),
    probe("syncfs", "wait for the host's disks", "EPERM", &[Seccomp]),
    probe("core-pattern", "write `core_pattern`, whose program runs as the host's root", "EACCES", &[User, Landlock, Mounts]),
    probe("settings-of-the-kernel", "write `modprobe`, `drop_caches`, `hostname`, `ip_forward`", "EACCES", &[User, Landlock, Mounts]),
    probe("sysrq", "write `/proc/sysrq-trigger`", "absent", &[Mounts]),
    probe("memory-of-the-kernel", "read `/proc/kcore`", "absent", &[Mounts]),
    probe("symbols-of-the-kernel", "read `/proc/kallsyms`", "absent", &[Mounts]),
    probe("messages-of-the-kernel", "read `/proc/kmsg`", "absent", &[Mounts]),
    probe("keys-of-the-kernel", "read `/proc/keys`", "absent", &[Mounts]),
    probe("control-groups-written", "find `/sys` and control groups", "ENOENT", &[Mounts]),
    probe("devices-of-the-machine", "open `/dev/mem`, `kmsg`, `kvm`, `fuse`, `net/tun`, `vsock`, disks", "ENOENT", &[Mounts]),
    probe("device-made", "make a device and open it", "EPERM", &[User, Mounts]),
    probe("terminals", "open a terminal or the console", "ENOENT", &[Mounts]),
    probe("terminal-input", "type into a terminal (`TIOCSTI`)", "EPERM", &[Seccomp]),
    probe("console-selection", "paste into the console (`TIOCLINUX`)", "EPERM", &[Seccomp]),
    // The network.
    probe("raw-socket", "make a raw socket", "EPERM", &[User, Seccomp]),
    probe("raw-socket-of-ipv6", "make a raw socket of IPv6", "EPERM", &[User, Seccomp]),
    probe("packet-socket", "make a packet socket", "EPERM", &[User, Seccomp]),
    probe("netlink-route", "change addresses and routes by netlink", "EPERM", &[Seccomp]),
    probe("netlink-firewall", "change rules of the firewall by netlink", "EPERM", &[Seccomp]),
    probe("netlink-audit", "reach the audit by netlink", "EPERM", &[Seccomp]),
    probe("vsock", "reach the hypervisor by vsock", "EPERM", &[Seccomp]),
    probe("kernel-cryptography", "use the kernel's ciphers (`AF_ALG`)", "EPERM", &[Seccomp]),
    probe("rare-families", "make a socket of any other family", "EPERM", &[Seccomp]),
    probe("sctp", "use SCTP", "EPERM", &[Seccomp]),
    probe("abstract-socket-of-the-host", "connect to an abstract Unix socket of the host", "ECONNREFUSED", &[Landlock, NetworkNamespace]),
    probe("abstract-socket-of-another-sandbox", "connect to an abstract Unix socket of another sandbox", "ECONNREFUSED", &[Landlock, NetworkNamespace]),
    probe("names-of-sockets-seen", "read the names of the host's Unix sockets", "absent", &[NetworkNamespace]),
    probe("loopback-of-the-host", "connect to a server on the host's loopback", "ECONNREFUSED", &[NetworkNamespace]),
    probe("loopback-of-the-host-mapped", "the same by an IPv4 address in IPv6", "ECONNREFUSED", &[NetworkNamespace]),
    probe("port-of-the-server", "connect to Kiln's own port", "ECONNREFUSED", &[NetworkNamespace]),
    probe("address-of-the-host", "connect to another address of the host", "ENETUNREACH", &[NetworkNamespace]),
    probe("server-in-another-sandbox", "connect to a server in another sandbox", "ECONNREFUSED", &[NetworkNamespace]),
    probe("runtime-api-of-another-sandbox", "connect to the Runtime API of another instance", "ECONNREFUSED", &[NetworkNamespace]),
    probe("metadata-of-the-cloud", "connect to the cloud's metadata, 169.254.169.254", "ENETUNREACH", &[NetworkNamespace]),
    probe("private-network", "connect to a private address", "ENETUNREACH", &[NetworkNamespace]),
    probe("link-local-network", "connect to a link-local address", "ENETUNREACH", &[NetworkNamespace]),
    probe("public-address", "connect to a public address, where none is allowed", "ENETUNREACH", &[NetworkNamespace]),
    probe("datagrams-out", "send a datagram", "ENETUNREACH", &[NetworkNamespace]),
    probe("interfaces-of-the-host", "see the host's interfaces", "absent", &[NetworkNamespace]),
    probe("marks-on-packets", "mark its packets as let through", "EPERM", &[User]),
    probe("interface-changed", "change an interface", "EPERM", &[User]),
];
