//! The system call filter: an allow-list compiled once and installed last, just before untrusted
//! code.
//!
//! Calls without conditions are tested by ranges of numbers (about 200 instructions instead of the
//! 1,500 that one test per call gives), then seccompiler's program decides about calls whose
//! arguments matter. Everything else fails with `EPERM`, and `clone3` with `ENOSYS`: its flags are
//! in memory where no filter can see them, and C libraries then fall back to `clone`. Changes of the
//! limit of core dumps succeed and change nothing.

#[cfg(test)]
mod decided;
#[cfg(test)]
mod denied;
mod list;
mod own;

use std::collections::BTreeMap;
use std::io;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, sock_filter,
};

pub use own::forbid_what_nobody_needs;

const LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
/// `seccomp_data.nr`, loaded from offset 0.
const LOAD_NUMBER: sock_filter = statement(LOAD, 0);
/// `seccomp_data.arch`, loaded from offset 4.
const LOAD_ARCHITECTURE: sock_filter = statement(LOAD, 4);
/// The offset of `seccomp_data.args`, 8 bytes each, the lower half first.
const ARGUMENTS: u32 = 16;

#[cfg(target_arch = "x86_64")]
const AUDIT_ARCHITECTURE: u32 = 0xC000_003E;
#[cfg(target_arch = "aarch64")]
const AUDIT_ARCHITECTURE: u32 = 0xC000_00B7;

/// The same number on every architecture.
const CLONE3: u32 = 435;

/// Compiles the filter as the kernel takes it.
pub(crate) fn compile() -> Vec<sock_filter> {
    let mut program = vec![
        LOAD_ARCHITECTURE,
        jump(libc::BPF_JEQ, AUDIT_ARCHITECTURE, 1, 0),
        give(libc::SECCOMP_RET_KILL_PROCESS),
        LOAD_NUMBER,
        jump(libc::BPF_JEQ, CLONE3, 0, 1),
        give(libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32),
    ];
    program.extend(keep_limit_of_cores());
    for (first, last) in ranges(list::unconditional()) {
        program.push(jump(libc::BPF_JGE, first, 0, 2));
        program.push(jump(libc::BPF_JGT, last, 1, 0));
        program.push(give(libc::SECCOMP_RET_ALLOW));
    }
    program.extend(conditional());
    program
}

/// Has whoever changes `RLIMIT_CORE` believe that it was done. The limit of 1 (`lockdown.rs`) keeps the
/// host's handler of crashes from running; 0, which anybody may ask for and careful programs do, would not.
fn keep_limit_of_cores() -> Vec<sock_filter> {
    let argument = |index: u32| statement(LOAD, ARGUMENTS + 8 * index);
    let upper = |index: u32| statement(LOAD, ARGUMENTS + 8 * index + 4);
    let pretend = give(libc::SECCOMP_RET_ERRNO);
    vec![
        jump(libc::BPF_JEQ, libc::SYS_setrlimit as u32, 0, 4),
        argument(0),
        jump(libc::BPF_JEQ, libc::RLIMIT_CORE, 0, 1),
        pretend.clone(),
        LOAD_NUMBER,
        jump(libc::BPF_JEQ, libc::SYS_prlimit64 as u32, 0, 8),
        argument(1),
        jump(libc::BPF_JEQ, libc::RLIMIT_CORE, 0, 5),
        // Asking is something else: there is no new limit.
        argument(2),
        jump(libc::BPF_JEQ, 0, 0, 2),
        upper(2),
        jump(libc::BPF_JEQ, 0, 1, 0),
        pretend,
        LOAD_NUMBER,
    ]
}

/// Forbids the calling thread, for ever, what the filter forbids. Needs `no_new_privs`.
pub(crate) fn install(filter: &[sock_filter]) -> io::Result<()> {
    seccompiler::apply_filter(filter).map_err(io::Error::other)
}

/// The filter's bytes, for a program that installs it itself.
pub(crate) fn bytes(filter: &[sock_filter]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(filter.len() * 8);
    for instruction in filter {
        bytes.extend(instruction.code.to_ne_bytes());
        bytes.extend([instruction.jt, instruction.jf]);
        bytes.extend(instruction.k.to_ne_bytes());
    }
    bytes
}

/// Sorted numbers as inclusive ranges.
fn ranges(mut numbers: Vec<u32>) -> Vec<(u32, u32)> {
    numbers.sort_unstable();
    let mut found: Vec<(u32, u32)> = Vec::new();
    for number in numbers {
        match found.last_mut() {
            Some((_, last)) if number <= *last + 1 => *last = number,
            _ => found.push((number, number)),
        }
    }
    found
}

/// The calls that are allowed only with some arguments.
fn conditional() -> BpfProgram {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    for (call, alternatives) in list::conditional() {
        rules.insert(
            call,
            alternatives
                .iter()
                .map(|conditions| rule(conditions))
                .collect(),
        );
    }
    let denied = SeccompAction::Errno(libc::EPERM as u32);
    let architecture =
        TargetArch::try_from(std::env::consts::ARCH).expect("Kiln is built for known machines");
    SeccompFilter::new(rules, denied, SeccompAction::Allow, architecture)
        .and_then(BpfProgram::try_from)
        .expect("the list is a constant that a test compiles")
}

fn rule(conditions: &[list::Condition]) -> SeccompRule {
    let conditions = conditions.iter().map(|condition| {
        let (argument, operator, value) = match *condition {
            list::Condition::Is(argument, value) => (argument, SeccompCmpOp::Eq, value),
            list::Condition::IsNot(argument, value) => (argument, SeccompCmpOp::Ne, value),
            list::Condition::Masked(argument, mask, value) => {
                (argument, SeccompCmpOp::MaskedEq(mask), value)
            }
        };
        SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value)
            .expect("system calls have six arguments")
    });
    SeccompRule::new(conditions.collect()).expect("every rule has a condition")
}

const fn statement(code: u32, k: u32) -> sock_filter {
    sock_filter {
        code: code as u16,
        jt: 0,
        jf: 0,
        k,
    }
}

const fn jump(test: u32, k: u32, jt: u8, jf: u8) -> sock_filter {
    sock_filter {
        code: (libc::BPF_JMP | test | libc::BPF_K) as u16,
        jt,
        jf,
        k,
    }
}

const fn give(action: u32) -> sock_filter {
    statement(libc::BPF_RET | libc::BPF_K, action)
}

#[cfg(test)]
mod tests;
