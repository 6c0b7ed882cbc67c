//! System calls that rustix does not have, each behind a safe function.

use std::ffi::CStr;
use std::io;
use std::mem;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;
use std::time::Duration;

use rustix::process::Signal;

/// libc has it as an `int`, in which nothing is left of it.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// Which side of a fork this is.
pub(crate) enum Fork {
    /// The new process.
    Child,
    /// The calling process, with the child's pid and pidfd.
    Parent(i32, OwnedFd),
}

fn check(result: libc::c_long) -> io::Result<libc::c_long> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

/// Forks into the namespaces named by `flags`.
///
/// # Safety
/// The calling process must have a single thread: only then is the child's copy of memory (locks,
/// allocator) in a usable state.
pub(crate) unsafe fn fork(flags: libc::c_int) -> io::Result<Fork> {
    // SAFETY: what the caller vouches for is the same.
    unsafe { fork_into(flags, None) }
}

/// The same, with a child that is born in a control group of version 2.
///
/// # Safety
/// As [`fork`].
pub(crate) unsafe fn fork_into(
    flags: libc::c_int,
    cgroup: Option<BorrowedFd<'_>>,
) -> io::Result<Fork> {
    let mut pidfd: RawFd = -1;
    // SAFETY: all-zero is a valid clone_args: no flags, no pointers.
    let mut arguments: libc::clone_args = unsafe { mem::zeroed() };
    arguments.flags = (flags | libc::CLONE_PIDFD) as u32 as u64;
    if let Some(cgroup) = cgroup {
        arguments.flags |= CLONE_INTO_CGROUP;
        arguments.cgroup = cgroup.as_raw_fd() as u64;
    }
    arguments.pidfd = ptr::from_mut(&mut pidfd) as u64;
    arguments.exit_signal = libc::SIGCHLD as u64;
    // SAFETY: without CLONE_VM the child runs on a copy of this stack; the caller vouches for the
    // single thread.
    let pid = check(unsafe {
        libc::syscall(
            libc::SYS_clone3,
            &raw const arguments,
            size_of_val(&arguments),
        )
    })?;
    if pid == 0 {
        return Ok(Fork::Child);
    }
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(Fork::Parent(pid as i32, unsafe {
        OwnedFd::from_raw_fd(pidfd)
    }))
}

/// Moves the calling thread into new namespaces, or gives it what threads otherwise share.
pub(crate) fn unshare(flags: libc::c_int) -> io::Result<()> {
    // SAFETY: takes a number and touches no memory of ours. Callers pass namespace flags and
    // CLONE_FS, never CLONE_FILES, so descriptors mean the same afterwards.
    check(unsafe { libc::unshare(flags) }.into()).map(drop)
}

/// Moves the calling thread into namespaces of a process (a pidfd) or into one namespace.
pub(crate) fn enter(target: impl AsFd, flags: libc::c_int) -> io::Result<()> {
    // SAFETY: takes numbers only.
    check(unsafe { libc::setns(target.as_fd().as_raw_fd(), flags) }.into()).map(drop)
}

/// Sets attributes of a mount, or with `recursive` of all mounts beneath it too, and takes it out
/// of its peer group so that later mounts on the host do not appear in it.
pub(crate) fn set_mount_attributes(
    mount: impl AsFd,
    attributes: u64,
    recursive: bool,
) -> io::Result<()> {
    let change = libc::mount_attr {
        attr_set: attributes,
        attr_clr: 0,
        propagation: libc::MS_PRIVATE,
        userns_fd: 0,
    };
    let flags = libc::AT_EMPTY_PATH | if recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: the path is a constant string and the structure has the size we say.
    check(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_fd().as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw const change,
            size_of_val(&change),
        )
    })
    .map(drop)
}

/// Sets attributes of a mount that is attached nowhere, and has it translate users as this user
/// namespace does: who is inside of it on disk is outside of it to those who use the mount.
pub(crate) fn translate_mount(
    mount: impl AsFd,
    attributes: u64,
    users: impl AsFd,
) -> io::Result<()> {
    let change = libc::mount_attr {
        attr_set: attributes | libc::MOUNT_ATTR_IDMAP,
        attr_clr: 0,
        propagation: libc::MS_PRIVATE,
        userns_fd: users.as_fd().as_raw_fd() as u64,
    };
    // SAFETY: the path is a constant string and the structure has the size we say.
    check(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_fd().as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            &raw const change,
            size_of_val(&change),
        )
    })
    .map(drop)
}

/// Closes every descriptor from `first` on.
///
/// # Safety
/// Nothing may own these descriptors any more, or its owner must never run again.
pub(crate) unsafe fn close_from(first: RawFd) {
    // SAFETY: takes numbers only; the caller vouches for the owners. It cannot fail with these
    // arguments.
    unsafe { libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, 0) };
}

/// Makes `target` a duplicate of `source` that stays open on exec.
///
/// # Safety
/// Nothing may own `target`, or its owner must never run again.
pub(crate) unsafe fn duplicate_to(source: RawFd, target: RawFd) -> io::Result<()> {
    if source == target {
        // dup2 does nothing then, and would leave the close-on-exec flag.
        // SAFETY: takes numbers only.
        return check(unsafe { libc::fcntl(source, libc::F_SETFD, 0) }.into()).map(drop);
    }
    // SAFETY: takes numbers only; the caller vouches for the owner of `target`.
    check(unsafe { libc::dup2(source, target) }.into()).map(drop)
}

/// Pages that lie side by side, as the kernel's `struct page_region` says it.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C)]
pub(crate) struct Pages {
    pub start: u64,
    pub end: u64,
    categories: u64,
}

/// The kernel's `struct pm_scan_arg`.
#[derive(Default)]
#[repr(C)]
struct PageScan {
    size: u64,
    flags: u64,
    start: u64,
    end: u64,
    walk_end: u64,
    vec: u64,
    vec_len: u64,
    max_pages: u64,
    category_inverted: u64,
    category_mask: u64,
    category_anyof_mask: u64,
    return_mask: u64,
}

/// Looks in a range of a process's addresses for pages that are not a file's, and on demand not the
/// kernel's page of zeroes either. `pagemap` is the process's. Says how many were found, in order: those
/// of the whole range, unless there was no more room. Older kernels than Linux 6.7 say `ENOTTY`.
pub(crate) fn own_pages(
    pagemap: impl AsFd,
    (start, end): (u64, u64),
    without_zeroes: bool,
    found: &mut [Pages],
) -> io::Result<usize> {
    // _IOWR('f', 16, struct pm_scan_arg) and the categories, from linux/fs.h.
    const PAGEMAP_SCAN: libc::c_ulong = 0xC060_6610;
    const OF_FILE: u64 = 1 << 2;
    const PRESENT: u64 = 1 << 3;
    const SWAPPED: u64 = 1 << 4;
    const ZEROES: u64 = 1 << 5;
    let excluded = OF_FILE | if without_zeroes { ZEROES } else { 0 };
    let mut scan = PageScan {
        size: size_of::<PageScan>() as u64,
        start,
        end,
        vec: found.as_mut_ptr() as u64,
        vec_len: found.len() as u64,
        category_inverted: excluded,
        category_mask: excluded,
        category_anyof_mask: PRESENT | SWAPPED,
        ..PageScan::default()
    };
    // SAFETY: the kernel writes to the structure, which has the size that it says, and to `vec_len`
    // entries of `found`, which it borrows for writing and in which any bytes are valid.
    let count = check(
        unsafe {
            libc::ioctl(
                pagemap.as_fd().as_raw_fd(),
                PAGEMAP_SCAN as _,
                &raw mut scan,
            )
        }
        .into(),
    )?;
    Ok((count as usize).min(found.len()))
}

/// Brings the loopback interface of the calling thread's network namespace up.
pub(crate) fn raise_loopback() -> io::Result<()> {
    let socket = rustix::net::socket_with(
        rustix::net::AddressFamily::INET,
        rustix::net::SocketType::DGRAM,
        rustix::net::SocketFlags::CLOEXEC,
        None,
    )?;
    // SAFETY: all-zero is a valid ifreq.
    let mut request: libc::ifreq = unsafe { mem::zeroed() };
    request.ifr_name[0] = b'l' as libc::c_char;
    request.ifr_name[1] = b'o' as libc::c_char;
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: SIOCSIFFLAGS reads one ifreq.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) };
    check(result.into()).map(drop)
}

/// Blocks SIGCHLD and gives a descriptor that is readable when a child has ended.
pub(crate) fn child_events() -> io::Result<OwnedFd> {
    // SAFETY: the set is initialised by sigemptyset before it is read.
    unsafe {
        let mut set = mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, libc::SIGCHLD);
        check(libc::sigprocmask(libc::SIG_BLOCK, &raw const set, ptr::null_mut()).into())?;
        let flags = libc::SFD_CLOEXEC | libc::SFD_NONBLOCK;
        let fd = check(libc::signalfd(-1, &raw const set, flags).into())?;
        Ok(OwnedFd::from_raw_fd(fd as RawFd))
    }
}

/// Takes what `child_events` has queued, so that it is readable again only for later children.
pub(crate) fn clear_child_events(events: &OwnedFd) {
    let mut buffer = [0; 4 * size_of::<libc::signalfd_siginfo>()];
    // An empty queue is fine.
    while rustix::io::read(events, &mut buffer).is_ok_and(|read| read > 0) {}
}

/// Signals that the calling process waits for instead of being interrupted by them.
pub(crate) struct Awaited {
    signals: libc::sigset_t,
    before: libc::sigset_t,
}

impl Awaited {
    /// Blocks them: from here on they wait to be asked for.
    pub fn block(signals: &[Signal]) -> io::Result<Self> {
        // SAFETY: the sets are initialised before they are read: one by sigemptyset, the other by
        // sigprocmask.
        unsafe {
            let (mut set, mut before) = (mem::zeroed(), mem::zeroed());
            libc::sigemptyset(&raw mut set);
            for signal in signals {
                libc::sigaddset(&raw mut set, signal.as_raw());
            }
            let result = libc::sigprocmask(libc::SIG_BLOCK, &raw const set, &raw mut before);
            check(result.into())?;
            Ok(Self {
                signals: set,
                before,
            })
        }
    }

    /// Has them handled again as they were before.
    pub fn release(&self) {
        // SAFETY: the set was initialised by `block`. It cannot fail with these arguments.
        unsafe { libc::sigprocmask(libc::SIG_SETMASK, &raw const self.before, ptr::null_mut()) };
    }

    /// The next of them; `None` when none came in this time, or for no reason.
    pub fn next(&self, time_max: Option<Duration>) -> Option<i32> {
        let time = time_max.map(|time| libc::timespec {
            tv_sec: time.as_secs() as libc::time_t,
            tv_nsec: time.subsec_nanos().into(),
        });
        let time = time.as_ref().map_or(ptr::null(), ptr::from_ref);
        // SAFETY: the set was initialised by `block`, and the time is none or outlives the call.
        let signal = unsafe { libc::sigtimedwait(&raw const self.signals, ptr::null_mut(), time) };
        (signal > 0).then_some(signal)
    }
}

/// Gives every signal its default action and unblocks all, as a program expects to find them.
pub(crate) fn reset_signals() {
    // SAFETY: the set is initialised before it is read; SIG_DFL is a valid action. Numbers that
    // cannot be set (SIGKILL, SIGSTOP) fail, which is fine.
    unsafe {
        for signal in 1..=libc::SIGRTMAX() {
            libc::signal(signal, libc::SIG_DFL);
        }
        let mut set = mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const set, ptr::null_mut());
    }
}

/// Waits until one of two descriptors is readable or closed, or the time is over. Says which are.
pub(crate) fn wait_readable(
    first: BorrowedFd<'_>,
    second: BorrowedFd<'_>,
    timeout_ms: i32,
) -> (bool, bool) {
    let entry = |fd: BorrowedFd<'_>| libc::pollfd {
        fd: fd.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    };
    let mut entries = [entry(first), entry(second)];
    // SAFETY: the array has two entries.
    unsafe { libc::poll(entries.as_mut_ptr(), 2, timeout_ms) };
    (entries[0].revents != 0, entries[1].revents != 0)
}

/// Whether a descriptor is readable now; a pidfd is when its process has ended.
pub(crate) fn is_readable(fd: impl AsFd) -> bool {
    wait_readable(fd.as_fd(), fd.as_fd(), 0).0
}

/// Forbids the calling thread what a landlock ruleset forbids. Needs `no_new_privs`.
pub(crate) fn restrict_to(ruleset: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: takes numbers only.
    check(unsafe { libc::syscall(libc::SYS_landlock_restrict_self, ruleset.as_raw_fd(), 0) })
        .map(drop)
}

/// Adds to a landlock ruleset that these accesses are allowed beneath a directory.
pub(crate) fn allow_beneath(
    ruleset: BorrowedFd<'_>,
    directory: BorrowedFd<'_>,
    accesses: u64,
) -> io::Result<()> {
    const PATH_BENEATH: libc::c_int = 1;
    // `struct landlock_path_beneath_attr`, which is packed.
    let mut rule = [0_u8; 12];
    rule[..8].copy_from_slice(&accesses.to_ne_bytes());
    rule[8..].copy_from_slice(&directory.as_raw_fd().to_ne_bytes());
    // SAFETY: the kernel reads the twelve bytes of that structure.
    check(unsafe {
        libc::syscall(
            libc::SYS_landlock_add_rule,
            ruleset.as_raw_fd(),
            PATH_BENEATH,
            rule.as_ptr(),
            0,
        )
    })
    .map(drop)
}

/// The version of landlock that the kernel has; 0 without it.
pub(crate) fn landlock_version() -> i64 {
    const VERSION: libc::c_uint = 1;
    // SAFETY: with this flag the kernel takes no structure.
    unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            ptr::null::<u8>(),
            0,
            VERSION,
        )
    }
    .max(0)
}

/// Replaces the program. Returns only when that fails.
pub(crate) fn execute(program: &CStr, arguments: &[&CStr], environment: &[&CStr]) -> io::Error {
    let pointers = |strings: &[&CStr]| -> Vec<*const libc::c_char> {
        strings
            .iter()
            .map(|s| s.as_ptr())
            .chain([ptr::null()])
            .collect()
    };
    let (arguments, environment) = (pointers(arguments), pointers(environment));
    // SAFETY: both arrays end with a null pointer and outlive the call.
    unsafe { libc::execve(program.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
    io::Error::last_os_error()
}

/// Ends the process at once, running no destructors.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: always allowed.
    unsafe { libc::_exit(code) }
}

/// A descriptor that this process inherited.
///
/// # Safety
/// It must be open and nothing else may own it.
pub(crate) unsafe fn inherited(number: RawFd) -> OwnedFd {
    // SAFETY: the caller vouches for it.
    unsafe { OwnedFd::from_raw_fd(number) }
}

/// Lets a socket accept connections that were meant for others (`IP_TRANSPARENT`), which needs
/// `CAP_NET_ADMIN` in the calling thread's network namespace.
pub(crate) fn accept_for_others(socket: impl AsFd) -> io::Result<()> {
    let yes: libc::c_int = 1;
    // SAFETY: the option is one integer, whose address and size are given.
    let result = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_IP,
            libc::IP_TRANSPARENT,
            (&raw const yes).cast(),
            size_of_val(&yes) as libc::socklen_t,
        )
    };
    check(result.into()).map(drop)
}
