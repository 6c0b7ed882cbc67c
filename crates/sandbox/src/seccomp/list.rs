//! What code in a sandbox may ask of the kernel: what CPython, Node and ordinary programs need, and
//! nothing that reaches other processes, the machine's configuration, or rarely used kernel code.
//!
//! Left out on purpose, among others: mounts, `setns`, `chroot`, `ptrace`, `process_vm_*`,
//! `pidfd_getfd`, `kcmp` (other processes); `bpf`, `perf_event_open`, `userfaultfd`, `io_uring_*`,
//! `io_submit`, `keyctl`, `add_key` (large attack surface); `kexec_*`, `init_module`, `reboot`,
//! `swapon`, `syslog`, `settimeofday`, `open_by_handle_at`, `quotactl` (the machine);
//! `sync`, `syncfs` (they wait for the host's disks); `seccomp` (a nested filter could notify).

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

/// Reading and writing what is open, and opening what the file system and landlock allow.
const FILES: &[c_long] = &[
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_pread64,
    libc::SYS_pwrite64,
    libc::SYS_preadv,
    libc::SYS_pwritev,
    libc::SYS_preadv2,
    libc::SYS_pwritev2,
    libc::SYS_openat,
    libc::SYS_openat2,
    libc::SYS_close,
    libc::SYS_close_range,
    libc::SYS_lseek,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_statfs,
    libc::SYS_fstatfs,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_readlinkat,
    libc::SYS_getcwd,
    libc::SYS_chdir,
    libc::SYS_fchdir,
    libc::SYS_mkdirat,
    libc::SYS_mknodat,
    libc::SYS_unlinkat,
    libc::SYS_renameat2,
    libc::SYS_linkat,
    libc::SYS_symlinkat,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_truncate,
    libc::SYS_ftruncate,
    libc::SYS_fallocate,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_sync_file_range,
    libc::SYS_flock,
    libc::SYS_fcntl,
    libc::SYS_dup,
    libc::SYS_dup3,
    libc::SYS_pipe2,
    libc::SYS_sendfile,
    libc::SYS_splice,
    libc::SYS_tee,
    libc::SYS_vmsplice,
    libc::SYS_copy_file_range,
    libc::SYS_getdents64,
    libc::SYS_utimensat,
    libc::SYS_umask,
    libc::SYS_fadvise64,
    libc::SYS_readahead,
    libc::SYS_memfd_create,
    libc::SYS_name_to_handle_at,
    libc::SYS_inotify_init1,
    libc::SYS_inotify_add_watch,
    libc::SYS_inotify_rm_watch,
    libc::SYS_getxattr,
    libc::SYS_lgetxattr,
    libc::SYS_fgetxattr,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    libc::SYS_listxattr,
    libc::SYS_llistxattr,
    libc::SYS_flistxattr,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_fremovexattr,
];

/// A process's own memory.
const MEMORY: &[c_long] = &[
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mprotect,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_brk,
    libc::SYS_mincore,
    libc::SYS_msync,
    libc::SYS_mlock,
    libc::SYS_mlock2,
    libc::SYS_munlock,
    libc::SYS_mlockall,
    libc::SYS_munlockall,
    libc::SYS_membarrier,
    libc::SYS_get_mempolicy,
    libc::SYS_pkey_alloc,
    libc::SYS_pkey_free,
    libc::SYS_pkey_mprotect,
];

/// Starting, ending and describing processes of the sandbox. Changes of identity are here because
/// programs try them; without capabilities they change nothing.
const PROCESSES: &[c_long] = &[
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_wait4,
    libc::SYS_waitid,
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_gettid,
    libc::SYS_set_tid_address,
    libc::SYS_set_robust_list,
    libc::SYS_get_robust_list,
    libc::SYS_rseq,
    libc::SYS_futex,
    libc::SYS_prctl,
    libc::SYS_prlimit64,
    libc::SYS_getrlimit,
    libc::SYS_setrlimit,
    libc::SYS_getrusage,
    libc::SYS_getpriority,
    libc::SYS_setpriority,
    libc::SYS_ioprio_get,
    libc::SYS_ioprio_set,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_setaffinity,
    libc::SYS_sched_getparam,
    libc::SYS_sched_setparam,
    libc::SYS_sched_getscheduler,
    libc::SYS_sched_setscheduler,
    libc::SYS_sched_getattr,
    libc::SYS_sched_setattr,
    libc::SYS_sched_get_priority_max,
    libc::SYS_sched_get_priority_min,
    libc::SYS_sched_rr_get_interval,
    libc::SYS_setsid,
    libc::SYS_getsid,
    libc::SYS_setpgid,
    libc::SYS_getpgid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_getresuid,
    libc::SYS_getresgid,
    libc::SYS_getgroups,
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setreuid,
    libc::SYS_setregid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_setfsuid,
    libc::SYS_setfsgid,
    libc::SYS_setgroups,
    libc::SYS_capget,
    libc::SYS_capset,
    libc::SYS_uname,
    libc::SYS_sysinfo,
    libc::SYS_getcpu,
    libc::SYS_getrandom,
    libc::SYS_restart_syscall,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_send_signal,
    libc::SYS_landlock_create_ruleset,
    libc::SYS_landlock_add_rule,
    libc::SYS_landlock_restrict_self,
];

/// Signals and timers.
const SIGNALS_AND_TIME: &[c_long] = &[
    libc::SYS_kill,
    libc::SYS_tkill,
    libc::SYS_tgkill,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigpending,
    libc::SYS_rt_sigtimedwait,
    libc::SYS_rt_sigsuspend,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_rt_tgsigqueueinfo,
    libc::SYS_sigaltstack,
    libc::SYS_signalfd4,
    libc::SYS_getitimer,
    libc::SYS_setitimer,
    libc::SYS_timer_create,
    libc::SYS_timer_settime,
    libc::SYS_timer_gettime,
    libc::SYS_timer_getoverrun,
    libc::SYS_timer_delete,
    libc::SYS_timerfd_create,
    libc::SYS_timerfd_settime,
    libc::SYS_timerfd_gettime,
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_gettimeofday,
    libc::SYS_times,
];

/// Waiting for many descriptors.
const WAITING: &[c_long] = &[
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2,
    libc::SYS_eventfd2,
    libc::SYS_ppoll,
    libc::SYS_pselect6,
];

/// Use of sockets; which ones can be made is below.
const SOCKETS: &[c_long] = &[
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_getsockname,
    libc::SYS_getpeername,
    libc::SYS_getsockopt,
    libc::SYS_setsockopt,
    libc::SYS_shutdown,
    libc::SYS_sendto,
    libc::SYS_recvfrom,
    libc::SYS_sendmsg,
    libc::SYS_recvmsg,
    libc::SYS_sendmmsg,
    libc::SYS_recvmmsg,
];

/// System V and POSIX communication: every sandbox has a namespace of its own.
const COMMUNICATION: &[c_long] = &[
    libc::SYS_shmget,
    libc::SYS_shmat,
    libc::SYS_shmdt,
    libc::SYS_shmctl,
    libc::SYS_semget,
    libc::SYS_semop,
    libc::SYS_semtimedop,
    libc::SYS_semctl,
    libc::SYS_msgget,
    libc::SYS_msgsnd,
    libc::SYS_msgrcv,
    libc::SYS_msgctl,
    libc::SYS_mq_open,
    libc::SYS_mq_unlink,
    libc::SYS_mq_timedsend,
    libc::SYS_mq_timedreceive,
    libc::SYS_mq_notify,
    libc::SYS_mq_getsetattr,
];

/// Newer than some libc headers; one number on all architectures: fchmodat2, map_shadow_stack,
/// futex_wake, futex_wait, futex_requeue, mseal, and futex_waitv.
const NEWER: &[c_long] = &[452, 453, 454, 455, 456, 462, 449];

/// Older forms of the calls above, which only x86_64 still has.
#[cfg(target_arch = "x86_64")]
const OLDER: &[c_long] = &[
    libc::SYS_open,
    libc::SYS_creat,
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_access,
    libc::SYS_readlink,
    libc::SYS_mkdir,
    libc::SYS_rmdir,
    libc::SYS_unlink,
    libc::SYS_rename,
    libc::SYS_renameat,
    libc::SYS_link,
    libc::SYS_symlink,
    libc::SYS_chmod,
    libc::SYS_chown,
    libc::SYS_lchown,
    libc::SYS_mknod,
    libc::SYS_dup2,
    libc::SYS_pipe,
    libc::SYS_getdents,
    libc::SYS_utime,
    libc::SYS_utimes,
    libc::SYS_futimesat,
    libc::SYS_inotify_init,
    libc::SYS_fork,
    libc::SYS_vfork,
    libc::SYS_getpgrp,
    libc::SYS_arch_prctl,
    libc::SYS_time,
    libc::SYS_alarm,
    libc::SYS_pause,
    libc::SYS_signalfd,
    libc::SYS_epoll_create,
    libc::SYS_epoll_wait,
    libc::SYS_eventfd,
    libc::SYS_poll,
    libc::SYS_select,
];
#[cfg(target_arch = "aarch64")]
const OLDER: &[c_long] = &[libc::SYS_renameat];

/// Calls that are allowed whatever their arguments are.
pub(super) fn unconditional() -> Vec<u32> {
    [
        FILES,
        MEMORY,
        PROCESSES,
        SIGNALS_AND_TIME,
        WAITING,
        SOCKETS,
        COMMUNICATION,
        NEWER,
        OLDER,
    ]
    .concat()
    .into_iter()
    .map(|number| number as u32)
    .collect()
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
