//! The compiled filter, run as the kernel runs it.

use super::*;

/// Runs the program as the kernel would, for a call with these arguments.
fn decide(program: &[sock_filter], architecture: u32, number: u32, arguments: [u64; 6]) -> u32 {
    let mut data = Vec::new();
    data.extend(number.to_ne_bytes());
    data.extend(architecture.to_ne_bytes());
    data.extend(0u64.to_ne_bytes());
    arguments
        .iter()
        .for_each(|argument| data.extend(argument.to_ne_bytes()));
    let (mut accumulator, mut at) = (0u32, 0usize);
    loop {
        let step = &program[at];
        at += 1;
        let code = u32::from(step.code);
        let jump_if = |condition: bool| usize::from(if condition { step.jt } else { step.jf });
        match code & 0x07 {
            libc::BPF_LD => {
                let offset = step.k as usize;
                let word = data[offset..offset + 4].try_into().expect("four bytes");
                accumulator = u32::from_ne_bytes(word);
            }
            libc::BPF_ALU => accumulator &= step.k,
            libc::BPF_RET => return step.k,
            libc::BPF_JMP => {
                at += match code & 0xF0 {
                    libc::BPF_JA => step.k as usize,
                    libc::BPF_JEQ => jump_if(accumulator == step.k),
                    libc::BPF_JGT => jump_if(accumulator > step.k),
                    libc::BPF_JGE => jump_if(accumulator >= step.k),
                    other => panic!("unexpected jump {other:x}"),
                }
            }
            other => panic!("unexpected class {other:x}"),
        }
    }
}

fn call(number: libc::c_long, arguments: [u64; 6]) -> u32 {
    decide(&compile(), AUDIT_ARCHITECTURE, number as u32, arguments)
}

const DENIED: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;

#[test]
fn every_listed_call_is_allowed_and_every_other_is_denied() {
    let program = compile();
    let allowed = list::unconditional();
    let conditional: Vec<u32> = list::conditional().iter().map(|(n, _)| *n as u32).collect();
    for number in (0..600).filter(|n| *n != CLONE3 && !conditional.contains(n)) {
        let expected = if allowed.contains(&number) {
            libc::SECCOMP_RET_ALLOW
        } else {
            DENIED
        };
        assert_eq!(
            decide(&program, AUDIT_ARCHITECTURE, number, [0; 6]),
            expected,
            "{number}"
        );
    }
}

#[test]
fn calls_that_reach_out_of_a_sandbox_are_denied() {
    for number in [
        libc::SYS_mount,
        libc::SYS_umount2,
        libc::SYS_move_mount,
        libc::SYS_open_tree,
        libc::SYS_setns,
        libc::SYS_chroot,
        libc::SYS_pivot_root,
        libc::SYS_ptrace,
        libc::SYS_process_vm_readv,
        libc::SYS_process_vm_writev,
        libc::SYS_pidfd_getfd,
        libc::SYS_bpf,
        libc::SYS_perf_event_open,
        libc::SYS_userfaultfd,
        libc::SYS_io_uring_setup,
        libc::SYS_keyctl,
        libc::SYS_kexec_load,
        libc::SYS_init_module,
        libc::SYS_open_by_handle_at,
        libc::SYS_reboot,
    ] {
        assert_eq!(call(number, [0; 6]), DENIED, "{number}");
    }
}

#[test]
fn clone3_is_not_implemented() {
    let answer = call(libc::SYS_clone3, [0; 6]);
    assert_eq!(answer, libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32);
}

#[test]
fn clone_makes_threads_but_no_namespaces() {
    let thread = libc::CLONE_VM | libc::CLONE_THREAD | libc::CLONE_SIGHAND | libc::CLONE_FS;
    let allowed = |flags: i32| call(libc::SYS_clone, [flags as u64, 0, 0, 0, 0, 0]);
    assert_eq!(allowed(thread), libc::SECCOMP_RET_ALLOW);
    assert_eq!(allowed(libc::SIGCHLD), libc::SECCOMP_RET_ALLOW);
    for namespace in [libc::CLONE_NEWUSER, libc::CLONE_NEWNS, libc::CLONE_NEWNET] {
        assert_eq!(allowed(namespace | libc::SIGCHLD), DENIED);
        assert_eq!(
            call(libc::SYS_unshare, [namespace as u64, 0, 0, 0, 0, 0]),
            DENIED
        );
    }
}

#[test]
fn only_ordinary_sockets_can_be_made() {
    let socket = |family: i32, kind: i32, protocol: i32| {
        let arguments = [family as u64, kind as u64, protocol as u64, 0, 0, 0];
        call(libc::SYS_socket, arguments) == libc::SECCOMP_RET_ALLOW
    };
    assert!(socket(libc::AF_UNIX, libc::SOCK_STREAM, 0));
    assert!(socket(
        libc::AF_INET,
        libc::SOCK_STREAM | libc::SOCK_CLOEXEC,
        libc::IPPROTO_TCP
    ));
    assert!(socket(
        libc::AF_INET6,
        libc::SOCK_DGRAM | libc::SOCK_NONBLOCK,
        0
    ));
    assert!(!socket(libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_ICMP));
    assert!(!socket(
        libc::AF_INET,
        libc::SOCK_STREAM,
        libc::IPPROTO_SCTP
    ));
    assert!(!socket(libc::AF_NETLINK, libc::SOCK_RAW, 0));
    assert!(!socket(libc::AF_PACKET, libc::SOCK_DGRAM, 0));
    assert!(!socket(libc::AF_VSOCK, libc::SOCK_STREAM, 0));
}

#[test]
fn limit_of_core_dumps_stays_as_it_is() {
    let pretended = libc::SECCOMP_RET_ERRNO;
    let core = u64::from(libc::RLIMIT_CORE);
    let files = u64::from(libc::RLIMIT_NOFILE);
    let set = |resource: u64| call(libc::SYS_setrlimit, [resource, 1, 0, 0, 0, 0]);
    // The kernel takes 32 bits of the resource.
    assert_eq!([set(core), set(core | 1 << 32)], [pretended; 2]);
    assert_eq!(set(files), libc::SECCOMP_RET_ALLOW);
    let change = |resource: u64, new: u64| call(libc::SYS_prlimit64, [0, resource, new, 0, 0, 0]);
    for address in [1, 0x7F00_0000_0000, 0x7FFF_1234_5678] {
        assert_eq!(change(core, address), pretended, "{address:x}");
        assert_eq!(change(files, address), libc::SECCOMP_RET_ALLOW);
    }
    assert_eq!(change(core, 0), libc::SECCOMP_RET_ALLOW, "asking");
}

#[test]
fn terminals_take_no_injected_input() {
    // The upper half of the argument is ignored by the kernel and must not help.
    for request in [libc::TIOCSTI, libc::TIOCSTI | 1 << 32, libc::TIOCLINUX] {
        assert_eq!(call(libc::SYS_ioctl, [0, request, 0, 0, 0, 0]), DENIED);
    }
    assert_eq!(
        call(libc::SYS_ioctl, [0, libc::FIONBIO, 0, 0, 0, 0]),
        libc::SECCOMP_RET_ALLOW
    );
}

#[test]
fn other_architectures_are_killed() {
    let answer = decide(&compile(), 0x4000_0003, libc::SYS_read as u32, [0; 6]);
    assert_eq!(answer, libc::SECCOMP_RET_KILL_PROCESS);
}

#[test]
fn the_filter_stays_small() {
    // Every system call of a sandbox that is not in the kernel's cache walks through it.
    assert!(compile().len() < 400, "{} instructions", compile().len());
}

#[test]
fn the_server_itself_is_denied_what_nobody_needs_and_nothing_else() {
    let program = own::compile();
    let own = |call: libc::c_long| decide(&program, AUDIT_ARCHITECTURE, call as u32, [0; 6]);
    for call in [
        libc::SYS_init_module,
        libc::SYS_bpf,
        libc::SYS_reboot,
        libc::SYS_clock_settime,
        libc::SYS_io_uring_setup,
        libc::SYS_open_by_handle_at,
        0x4000_0000,
    ] {
        assert_eq!(own(call), DENIED, "{call}");
    }
    // What the server does all day, and all that sandboxes may do.
    let of_sandboxes = list::unconditional().into_iter().map(libc::c_long::from);
    let of_server = [
        libc::SYS_mount,
        libc::SYS_move_mount,
        libc::SYS_clone3,
        libc::SYS_unshare,
        libc::SYS_setns,
        libc::SYS_mknodat,
        libc::SYS_seccomp,
        libc::SYS_landlock_create_ruleset,
        libc::SYS_pidfd_send_signal,
    ];
    for call in of_sandboxes.chain(of_server) {
        assert_eq!(own(call), libc::SECCOMP_RET_ALLOW, "{call}");
    }
    let another = decide(&program, AUDIT_ARCHITECTURE ^ 1, 0, [0; 6]);
    assert_eq!(another, DENIED);
}
