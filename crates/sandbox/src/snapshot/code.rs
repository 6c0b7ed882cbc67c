//! The only machine code of a snapshot, about two hundred bytes without a stack of their own: one
//! entry in which a process waits to be copied, and one that turns another process into the copy.
//!
//! Both are called by the runtime in the sandbox, with no more rights than it has. The code lies
//! outside of all memory that is replaced, uses registers only, and ends the process when a step
//! does not give what it gave in the original.

/// Whether this machine can make snapshots.
pub(super) const IS_SUPPORTED: bool = cfg!(target_arch = "x86_64");

/// The exit status of a process that could not become the copy halfway.
pub(super) const BROKEN: u32 = 86;

// `kiln_snapshot_wait(state, fd, frame, frame_bytes)`: saves what a function call must preserve,
// writes the frame, waits for a byte and returns 0. Everything that is needed to go on from here is
// in memory when the frame has been written.
//
// `kiln_snapshot_become(steps)`: makes one system call for each entry of eight words (number, six
// arguments, result), then takes the saved registers and returns 1 from the call above, on the
// copied stack. The list ends with a number of -1 and the address of the state.
#[cfg(target_arch = "x86_64")]
core::arch::global_asm!(
    ".pushsection .rodata.kiln_snapshot, \"a\"",
    ".globl kiln_snapshot_code",
    ".globl kiln_snapshot_become",
    ".globl kiln_snapshot_end",
    "kiln_snapshot_code:",
    "mov [rdi], rbx",
    "mov [rdi + 8], rbp",
    "mov [rdi + 16], r12",
    "mov [rdi + 24], r13",
    "mov [rdi + 32], r14",
    "mov [rdi + 40], r15",
    "mov [rdi + 48], rsp",
    "stmxcsr [rdi + 56]",
    "fnstcw [rdi + 60]",
    "mov r8, rsi",
    "mov r9, rdi",
    "mov rdi, r8",
    "mov rsi, rdx",
    "mov rdx, rcx",
    "mov eax, 1",
    "syscall",
    "2:",
    "mov rdi, r8",
    "lea rsi, [r9 + 64]",
    "mov edx, 1",
    "xor eax, eax",
    "syscall",
    // EINTR: it was stopped and goes on.
    "cmp rax, -4",
    "je 2b",
    "xor eax, eax",
    "ret",
    ".balign 16",
    "kiln_snapshot_become:",
    "mov rbx, rdi",
    "3:",
    "mov rax, [rbx]",
    "cmp rax, -1",
    "je 4f",
    "mov rdi, [rbx + 8]",
    "mov rsi, [rbx + 16]",
    "mov rdx, [rbx + 24]",
    "mov r10, [rbx + 32]",
    "mov r8, [rbx + 40]",
    "mov r9, [rbx + 48]",
    "syscall",
    "cmp rax, [rbx + 56]",
    "jne 5f",
    "add rbx, 64",
    "jmp 3b",
    "4:",
    "mov rdx, [rbx + 8]",
    "mov rbx, [rdx]",
    "mov rbp, [rdx + 8]",
    "mov r12, [rdx + 16]",
    "mov r13, [rdx + 24]",
    "mov r14, [rdx + 32]",
    "mov r15, [rdx + 40]",
    "mov rsp, [rdx + 48]",
    "ldmxcsr [rdx + 56]",
    "fldcw [rdx + 60]",
    "mov eax, 1",
    "ret",
    "5:",
    "mov edi, {broken}",
    "mov eax, 231",
    "syscall",
    "ud2",
    "kiln_snapshot_end:",
    ".popsection",
    broken = const BROKEN,
);

#[cfg(target_arch = "x86_64")]
unsafe extern "C" {
    static kiln_snapshot_code: u8;
    static kiln_snapshot_become: u8;
    static kiln_snapshot_end: u8;
}

/// The code, and where in it the second entry is.
#[cfg(target_arch = "x86_64")]
pub(super) fn code() -> (&'static [u8], usize) {
    let start = &raw const kiln_snapshot_code;
    let become_at = (&raw const kiln_snapshot_become) as usize - start as usize;
    let bytes = (&raw const kiln_snapshot_end) as usize - start as usize;
    // SAFETY: the three symbols bound one piece of read-only data of this program.
    (
        unsafe { std::slice::from_raw_parts(start, bytes) },
        become_at,
    )
}

/// Other machines have no snapshots.
#[cfg(not(target_arch = "x86_64"))]
pub(super) fn code() -> (&'static [u8], usize) {
    (&[], 0)
}
