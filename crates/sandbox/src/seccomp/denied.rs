//! What code in a sandbox may not ask of the kernel, and why. The filter does not need this list: it
//! denies whatever `list.rs` does not allow. It is here so that each call is decided on by a person: a
//! test fails when the running kernel, or its headers, have one that neither list names.

use super::list::{Group, group};

const MOUNTS: Group = group! {
    "mounts and roots",
    "They change what a path means, and with it every wall around files.",
    SYS_mount SYS_umount2 SYS_pivot_root SYS_chroot SYS_open_tree SYS_move_mount SYS_fsopen
    SYS_fsconfig SYS_fsmount SYS_fspick SYS_mount_setattr SYS_setns
};

const OTHERS: Group = group! {
    "other processes",
    "They read, change or take what is of another process. Debuggers are for one's own machine.",
    SYS_ptrace SYS_process_vm_readv SYS_process_vm_writev SYS_kcmp SYS_pidfd_getfd
    SYS_process_madvise SYS_process_mrelease SYS_move_pages SYS_migrate_pages
};

const OBSERVATION: Group = group! {
    "observation",
    "They run code in the kernel, watch it, or decide what others may do with files: of the whole machine.",
    SYS_bpf SYS_perf_event_open SYS_lookup_dcookie SYS_fanotify_init SYS_fanotify_mark
};

const ASYNCHRONOUS: Group = group! {
    "asynchronous work",
    "Large parts of the kernel, or ways to stop it halfway, in which holes were found again and again; programs do without.",
    SYS_io_uring_setup SYS_io_uring_enter SYS_io_uring_register SYS_io_setup SYS_io_destroy
    SYS_io_getevents SYS_io_submit SYS_io_cancel SYS_userfaultfd SYS_remap_file_pages
    SYS_memfd_secret
};

const KEYS: Group = group! {
    "keys",
    "Keyrings belong to users and sessions and to no namespace; `request_key` starts a program on the host.",
    SYS_add_key SYS_request_key SYS_keyctl
};

const MACHINE: Group = group! {
    "the machine",
    "They act on the whole machine.",
    SYS_reboot SYS_kexec_load SYS_kexec_file_load SYS_init_module SYS_finit_module
    SYS_delete_module SYS_swapon SYS_swapoff SYS_syslog SYS_acct SYS_quotactl SYS_quotactl_fd
    SYS_sethostname SYS_setdomainname SYS_settimeofday SYS_clock_settime SYS_clock_adjtime
    SYS_adjtimex SYS_nfsservctl SYS_vhangup
};

const DISKS: Group = group! {
    "disks",
    "They wait for the host's disks, whoever wrote to them.",
    SYS_sync SYS_syncfs
};

const HANDLES: Group = group! {
    "handles",
    "It opens a file by a number, past every directory on the way.",
    SYS_open_by_handle_at
};

const FILTERS: Group = group! {
    "filters",
    "A nested filter could give calls to a listener to decide. The plain ones of `prctl` are allowed, as they only forbid.",
    SYS_seccomp
};

const PLACEMENT: Group = group! {
    "placement of memory",
    "Which node memory is on is for the host to say.",
    SYS_mbind SYS_set_mempolicy SYS_set_mempolicy_home_node
};

/// Newer than some libc headers; one number on all architectures.
const NEWER: Group = Group {
    title: "newer calls",
    reason: "Nothing needs them yet: they list mounts and security modules, tell what of shared files is in \
             memory, or are newer forms of calls that are allowed or denied above.",
    calls: &[
        ("cachestat", 451),
        ("statmount", 457),
        ("listmount", 458),
        ("lsm_get_self_attr", 459),
        ("lsm_set_self_attr", 460),
        ("lsm_list_modules", 461),
        ("setxattrat", 463),
        ("getxattrat", 464),
        ("listxattrat", 465),
        ("removexattrat", 466),
        ("open_tree_attr", 467),
        ("file_getattr", 468),
        ("file_setattr", 469),
    ],
};

#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: Group = Group {
    title: "of x86_64",
    reason: "Ports, segments and the traps of probes, and one call that libc does not name.",
    calls: &[
        ("modify_ldt", libc::SYS_modify_ldt),
        ("iopl", libc::SYS_iopl),
        ("ioperm", libc::SYS_ioperm),
        ("set_thread_area", libc::SYS_set_thread_area),
        ("get_thread_area", libc::SYS_get_thread_area),
        ("io_pgetevents", 333),
        ("uretprobe", 335),
        ("uprobe", 336),
    ],
};
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: Group = Group {
    title: "of aarch64",
    reason: "One call that libc does not name.",
    calls: &[("io_pgetevents", 292)],
};

#[cfg(target_arch = "x86_64")]
const GONE: Group = Group {
    title: "gone",
    reason: "Kernels have them no more, or no program that runs today uses them.",
    calls: &[
        ("uselib", libc::SYS_uselib),
        ("ustat", libc::SYS_ustat),
        ("sysfs", libc::SYS_sysfs),
        ("_sysctl", libc::SYS__sysctl),
        ("getpmsg", libc::SYS_getpmsg),
        ("putpmsg", libc::SYS_putpmsg),
        ("afs_syscall", libc::SYS_afs_syscall),
        ("tuxcall", libc::SYS_tuxcall),
        ("security", libc::SYS_security),
        ("epoll_ctl_old", libc::SYS_epoll_ctl_old),
        ("epoll_wait_old", libc::SYS_epoll_wait_old),
        ("vserver", libc::SYS_vserver),
        ("create_module", 174),
        ("get_kernel_syms", 177),
        ("query_module", 178),
    ],
};

/// The denied groups.
pub(super) const DENIED: &[Group] = &[
    MOUNTS,
    OTHERS,
    OBSERVATION,
    ASYNCHRONOUS,
    KEYS,
    MACHINE,
    DISKS,
    HANDLES,
    FILTERS,
    PLACEMENT,
    NEWER,
    ARCHITECTURE,
    #[cfg(target_arch = "x86_64")]
    GONE,
];
