"""The last steps before untrusted code: identity, capabilities, limits, landlock and seccomp.

``crates/sandbox/src/lockdown.rs`` does the same for executed programs; keep the two alike.
"""

import ctypes
import os
import platform
import resource

CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
# All namespaces that a process may enter itself; a pid namespace is for its children only.
SANDBOX = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET

_PR_SET_DUMPABLE = 4
_PR_SET_SECCOMP = 22
_PR_CAPBSET_READ = 23
_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38
_SECCOMP_MODE_FILTER = 2
_CAPABILITY_VERSION_3 = 0x20080522

# The same on x86_64, aarch64 and every other architecture with the common table.
_SYS_CLOSE_RANGE = 436
_SYS_LANDLOCK_RESTRICT_SELF = 446
_SYS_CAPSET = {"x86_64": 126, "aarch64": 91}[platform.machine()]


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p)]


class Lockdown:
    """Everything prepared before the fork that the child's last steps need."""

    def __init__(self, filter_bytes):
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._syscall = self._libc.syscall
        self._syscall.restype = ctypes.c_long
        self._filter = ctypes.create_string_buffer(filter_bytes, len(filter_bytes) or 1)
        self._program = _Program(len(filter_bytes) // 8, ctypes.addressof(self._filter))
        self._header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
        self._no_capabilities = (ctypes.c_uint32 * 6)()
        # The spawner has left this process few capabilities; only those can be dropped.
        prctl = self._libc.prctl
        self._bounding = [bit for bit in range(64) if prctl(_PR_CAPBSET_READ, bit, 0, 0, 0) == 1]

    def enter(self, pidfd, namespaces):
        """Moves this process (for ``CLONE_NEWPID``: its later children) into namespaces."""
        self._check(self._libc.setns(pidfd, namespaces), "setns")

    def down(self, uid, ruleset, files_max, processes_max):
        """Makes this process an ordinary, unprivileged one, and closes all descriptors above 3.

        ``ruleset`` is a landlock ruleset's descriptor, or ``None``. ``files_max`` counts the
        process's descriptors, ``processes_max`` the processes and threads of its user.
        """
        resource.setrlimit(resource.RLIMIT_NOFILE, (files_max, files_max))
        resource.setrlimit(resource.RLIMIT_NPROC, (processes_max, processes_max))
        # Not 0, which does not keep the host's handler of crashes from running.
        resource.setrlimit(resource.RLIMIT_CORE, (1, 1))
        for bit in self._bounding:
            self._prctl(_PR_CAPBSET_DROP, bit)
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
        self._check(self._syscall(_SYS_CAPSET, self._header, self._no_capabilities), "capset")
        # A change of uid takes away a process's own /proc/self files; an exec would give them
        # back, and there is none here.
        self._prctl(_PR_SET_DUMPABLE, 1)
        self._prctl(_PR_SET_NO_NEW_PRIVS, 1)
        if ruleset is not None:
            restricted = self._syscall(_SYS_LANDLOCK_RESTRICT_SELF, ruleset, 0)
            self._check(restricted, "landlock_restrict_self")
        closed = self._syscall(_SYS_CLOSE_RANGE, 4, ctypes.c_uint(0xFFFFFFFF), 0)
        self._check(closed, "close_range")
        if self._program.length:
            self._prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(self._program))

    def _prctl(self, option, *arguments):
        # Five arguments always: the kernel demands that the unused ones are zero.
        padded = (arguments + (0, 0, 0, 0))[:4]
        padded = [ctypes.c_ulong(a) if isinstance(a, int) else a for a in padded]
        self._check(self._libc.prctl(option, *padded), "prctl %d" % option)

    def _check(self, result, what):
        if result < 0:
            number = ctypes.get_errno()
            raise OSError(number, "%s: %s" % (what, os.strerror(number)))
