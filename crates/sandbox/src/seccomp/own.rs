//! What the server itself, and all that it starts, never asks of the kernel.
//!
//! A list of what is denied, unlike that of sandboxes: the server makes namespaces, mounts and devices, and what it starts runs
//! whole interpreters. So this takes the rest that root may and nobody here needs: the kernel's code, the clock, the machine's
//! memory and switches, keys, and large interfaces with many errors in their past. Behind it a fault in the server is not yet a
//! way into the kernel.

use std::io;

use libc::c_long;
use seccompiler::sock_filter;

use super::{AUDIT_ARCHITECTURE, LOAD_ARCHITECTURE, LOAD_NUMBER, give, jump, ranges};

/// Numbers from here on are calls of another architecture on x86-64: x32.
const X32: u32 = 0x4000_0000;

const DENIED: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;

/// Loading code into the kernel, and replacing it.
const KERNEL: &[c_long] = &[
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_kexec_file_load,
    libc::SYS_bpf,
];

/// The machine: its clock, its swap, its end, its log, its ports.
const MACHINE: &[c_long] = &[
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_reboot,
    libc::SYS_syslog,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_vhangup,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_modify_ldt,
];

/// Large interfaces that nothing here uses.
const INTERFACES: &[c_long] = &[
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_userfaultfd,
    libc::SYS_perf_event_open,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_open_by_handle_at,
    libc::SYS_fanotify_init,
];

/// Forbids the calling thread and all that it starts from now on these calls, for ever, and to gain rights by executing a
/// program (`no_new_privs`). To be called before there are other threads.
pub fn forbid_what_nobody_needs() -> io::Result<()> {
    super::install(&compile())
}

pub(super) fn compile() -> Vec<sock_filter> {
    let mut program = vec![
        LOAD_ARCHITECTURE,
        jump(libc::BPF_JEQ, AUDIT_ARCHITECTURE, 1, 0),
        give(DENIED),
        LOAD_NUMBER,
    ];
    let denied = [KERNEL, MACHINE, INTERFACES].into_iter().flatten();
    let denied = denied.map(|&call| u32::try_from(call).expect("calls have small numbers"));
    let beyond = [(X32, u32::MAX)];
    for (first, last) in ranges(denied.collect()).into_iter().chain(beyond) {
        program.push(jump(libc::BPF_JGE, first, 0, 2));
        program.push(jump(libc::BPF_JGT, last, 1, 0));
        program.push(give(DENIED));
    }
    program.push(give(libc::SECCOMP_RET_ALLOW));
    program
}
