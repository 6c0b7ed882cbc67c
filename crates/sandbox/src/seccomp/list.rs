//! What code in a sandbox may ask of the kernel: what CPython, Node and ordinary programs need, and
//! nothing that reaches other processes, the machine's configuration, or rarely used kernel code.
//!
//! What was left out on purpose, and why, is in `denied.rs`. A call in neither is denied too, and a test
//! fails.

use libc::c_long;

/// What an argument must be, compared in 32 bits as the kernel does for these calls.
#[derive(Debug, Clone, Copy)]
pub(super) enum Condition {
    /// Argument, value.
    Is(u8, u64),
    /// Argument, value.
    IsNot(u8, u64),
    /// Argument, mask, value under the mask.
    Masked(u8, u64, u64),
}

use Condition::{Is, IsNot, Masked};

/// Calls and their alternatives; in each alternative all conditions must hold.
pub(super) type Conditional = Vec<(c_long, Vec<Vec<Condition>>)>;

/// Calls that belong together.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "the page of system calls is written from it")
)]
pub(super) struct Group {
    pub title: &'static str,
    /// Why they are allowed, or denied.
    pub reason: &'static str,
    /// Names, some with their `SYS_`, and numbers.
    pub calls: &'static [(&'static str, c_long)],
}

macro_rules! group {
    ($title:literal, $reason:literal, $($call:ident)*) => {
        Group {
            title: $title,
            reason: $reason,
            calls: &[$((stringify!($call), libc::$call)),*],
        }
    };
}
#[cfg(test)]
pub(super) use group;

const FILES: Group = group! {
    "files",
    "Reading and writing what is open, and opening what the file system and landlock allow.",
    SYS_read SYS_write SYS_readv SYS_writev SYS_pread64 SYS_pwrite64 SYS_preadv SYS_pwritev
    SYS_preadv2 SYS_pwritev2 SYS_openat SYS_openat2 SYS_close SYS_close_range SYS_lseek
    SYS_fstat SYS_newfstatat SYS_statx SYS_statfs SYS_fstatfs SYS_faccessat SYS_faccessat2
    SYS_readlinkat SYS_getcwd SYS_chdir SYS_fchdir SYS_mkdirat SYS_mknodat SYS_unlinkat
    SYS_renameat2 SYS_linkat SYS_symlinkat SYS_fchmod SYS_fchmodat SYS_fchown SYS_fchownat
    SYS_truncate SYS_ftruncate SYS_fallocate SYS_fsync SYS_fdatasync SYS_sync_file_range
    SYS_flock SYS_fcntl SYS_dup SYS_dup3 SYS_pipe2 SYS_sendfile SYS_splice SYS_tee SYS_vmsplice
    SYS_copy_file_range SYS_getdents64 SYS_utimensat SYS_umask SYS_fadvise64 SYS_readahead
    SYS_memfd_create SYS_name_to_handle_at SYS_inotify_init1 SYS_inotify_add_watch
    SYS_inotify_rm_watch SYS_getxattr SYS_lgetxattr SYS_fgetxattr SYS_setxattr SYS_lsetxattr
    SYS_fsetxattr SYS_listxattr SYS_llistxattr SYS_flistxattr SYS_removexattr SYS_lremovexattr
    SYS_fremovexattr
};

const MEMORY: Group = group! {
    "memory",
    "A process's own memory.",
    SYS_mmap SYS_munmap SYS_mprotect SYS_mremap SYS_madvise SYS_brk SYS_mincore SYS_msync
    SYS_mlock SYS_mlock2 SYS_munlock SYS_mlockall SYS_munlockall SYS_membarrier
    SYS_get_mempolicy SYS_pkey_alloc SYS_pkey_free SYS_pkey_mprotect
};

const PROCESSES: Group = group! {
    "processes",
    "Starting, ending and describing processes of the sandbox. Changes of identity are here because programs try them; without capabilities they change nothing.",
    SYS_execve SYS_execveat SYS_exit SYS_exit_group SYS_wait4 SYS_waitid SYS_getpid SYS_getppid
    SYS_gettid SYS_set_tid_address SYS_set_robust_list SYS_get_robust_list SYS_rseq SYS_futex
    SYS_prctl SYS_prlimit64 SYS_getrlimit SYS_setrlimit SYS_getrusage SYS_getpriority
    SYS_setpriority SYS_ioprio_get SYS_ioprio_set SYS_sched_yield SYS_sched_getaffinity
    SYS_sched_setaffinity SYS_sched_getparam SYS_sched_setparam SYS_sched_getscheduler
    SYS_sched_setscheduler SYS_sched_getattr SYS_sched_setattr SYS_sched_get_priority_max
    SYS_sched_get_priority_min SYS_sched_rr_get_interval SYS_setsid SYS_getsid SYS_setpgid
    SYS_getpgid SYS_getuid SYS_geteuid SYS_getgid SYS_getegid SYS_getresuid SYS_getresgid
    SYS_getgroups SYS_setuid SYS_setgid SYS_setreuid SYS_setregid SYS_setresuid SYS_setresgid
    SYS_setfsuid SYS_setfsgid SYS_setgroups SYS_capget SYS_capset SYS_uname SYS_sysinfo
    SYS_getcpu SYS_getrandom SYS_restart_syscall SYS_pidfd_open SYS_pidfd_send_signal
    SYS_landlock_create_ruleset SYS_landlock_add_rule SYS_landlock_restrict_self
};

const SIGNALS_AND_TIME: Group = group! {
    "signals and time",
    "Signals and timers, of the sandbox by its pid namespace.",
    SYS_kill SYS_tkill SYS_tgkill SYS_rt_sigaction SYS_rt_sigprocmask SYS_rt_sigreturn
    SYS_rt_sigpending SYS_rt_sigtimedwait SYS_rt_sigsuspend SYS_rt_sigqueueinfo
    SYS_rt_tgsigqueueinfo SYS_sigaltstack SYS_signalfd4 SYS_getitimer SYS_setitimer
    SYS_timer_create SYS_timer_settime SYS_timer_gettime SYS_timer_getoverrun SYS_timer_delete
    SYS_timerfd_create SYS_timerfd_settime SYS_timerfd_gettime SYS_clock_gettime
    SYS_clock_getres SYS_clock_nanosleep SYS_nanosleep SYS_gettimeofday SYS_times
};

const WAITING: Group = group! {
    "waiting",
    "Waiting for many descriptors.",
    SYS_epoll_create1 SYS_epoll_ctl SYS_epoll_pwait SYS_epoll_pwait2 SYS_eventfd2 SYS_ppoll
    SYS_pselect6
};

const SOCKETS: Group = group! {
    "sockets",
    "Use of sockets; which ones can be made is among the conditions.",
    SYS_connect SYS_bind SYS_listen SYS_accept SYS_accept4 SYS_getsockname SYS_getpeername
    SYS_getsockopt SYS_setsockopt SYS_shutdown SYS_sendto SYS_recvfrom SYS_sendmsg SYS_recvmsg
    SYS_sendmmsg SYS_recvmmsg
};

const COMMUNICATION: Group = group! {
    "communication",
    "System V and POSIX communication: every sandbox has a namespace of its own.",
    SYS_shmget SYS_shmat SYS_shmdt SYS_shmctl SYS_semget SYS_semop SYS_semtimedop SYS_semctl
    SYS_msgget SYS_msgsnd SYS_msgrcv SYS_msgctl SYS_mq_open SYS_mq_unlink SYS_mq_timedsend
    SYS_mq_timedreceive SYS_mq_notify SYS_mq_getsetattr
};

/// Newer than some libc headers; one number on all architectures.
const NEWER: Group = Group {
    title: "newer forms",
    reason: "Newer forms of the calls above, which C libraries use already.",
    calls: &[
        ("futex_waitv", 449),
        ("fchmodat2", 452),
        ("map_shadow_stack", 453),
        ("futex_wake", 454),
        ("futex_wait", 455),
        ("futex_requeue", 456),
        ("mseal", 462),
    ],
};

#[cfg(target_arch = "x86_64")]
const OLDER: Group = group! {
    "older forms",
    "Older forms of the calls above, which only x86_64 still has.",
    SYS_open SYS_creat SYS_stat SYS_lstat SYS_access SYS_readlink SYS_mkdir SYS_rmdir SYS_unlink
    SYS_rename SYS_renameat SYS_link SYS_symlink SYS_chmod SYS_chown SYS_lchown SYS_mknod
    SYS_dup2 SYS_pipe SYS_getdents SYS_utime SYS_utimes SYS_futimesat SYS_inotify_init SYS_fork
    SYS_vfork SYS_getpgrp SYS_arch_prctl SYS_time SYS_alarm SYS_pause SYS_signalfd
    SYS_epoll_create SYS_epoll_wait SYS_eventfd SYS_poll SYS_select
};
#[cfg(target_arch = "aarch64")]
const OLDER: Group = group! {
    "older forms",
    "Older forms of the calls above.",
    SYS_renameat
};

/// The allowed groups.
pub(super) const ALLOWED: &[Group] = &[
    FILES,
    MEMORY,
    PROCESSES,
    SIGNALS_AND_TIME,
    WAITING,
    SOCKETS,
    COMMUNICATION,
    NEWER,
    OLDER,
];

/// Calls that are allowed whatever their arguments are.
pub(super) fn unconditional() -> Vec<u32> {
    let calls = ALLOWED.iter().flat_map(|group| group.calls);
    calls.map(|(_, number)| *number as u32).collect()
}

/// `CLONE_NEWNS`, `NEWCGROUP`, `NEWUTS`, `NEWIPC`, `NEWUSER`, `NEWPID` and `NEWNET`.
const NAMESPACES: u64 = 0x7E02_0000;
/// `CLONE_NEWTIME`; in `clone` these bits are the exit signal.
const TIME_NAMESPACE: u64 = 0x80;
/// The socket type without `SOCK_NONBLOCK` and `SOCK_CLOEXEC`.
const SOCKET_TYPE: u64 = 0xF;

/// Calls that are allowed with some arguments only.
pub(super) fn conditional() -> Conditional {
    let mut sockets = vec![vec![Is(0, libc::AF_UNIX as u64)]];
    // TCP and UDP by number, or whatever the type implies; no raw, packet, netlink, vsock or SCTP.
    let protocols = [
        (libc::SOCK_STREAM, libc::IPPROTO_TCP),
        (libc::SOCK_DGRAM, libc::IPPROTO_UDP),
    ];
    for family in [libc::AF_INET, libc::AF_INET6] {
        for (kind, protocol) in protocols {
            for protocol in [0, protocol] {
                sockets.push(vec![
                    Is(0, family as u64),
                    Masked(1, SOCKET_TYPE, kind as u64),
                    Is(2, protocol as u64),
                ]);
            }
        }
    }
    vec![
        (libc::SYS_socket, sockets),
        (
            libc::SYS_socketpair,
            vec![vec![Is(0, libc::AF_UNIX as u64)]],
        ),
        // A new namespace gives capabilities inside it, and with them a lot of kernel code.
        (libc::SYS_clone, vec![vec![Masked(0, NAMESPACES, 0)]]),
        (
            libc::SYS_unshare,
            vec![vec![Masked(0, NAMESPACES | TIME_NAMESPACE, 0)]],
        ),
        // These two push input into a terminal.
        (
            libc::SYS_ioctl,
            vec![vec![IsNot(1, libc::TIOCSTI), IsNot(1, libc::TIOCLINUX)]],
        ),
        // Asking, and the ordinary personality; others weaken address randomisation.
        (
            libc::SYS_personality,
            vec![vec![Is(0, 0xFFFF_FFFF)], vec![Is(0, 0)]],
        ),
    ]
}
