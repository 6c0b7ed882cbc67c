"""Forks a process into a control group of version 2.

Moving a process there by ``cgroup.procs`` stops every fork and exit of the machine, for which the
kernel waits about 10 ms. A process that ``clone3`` makes inside the group waits for nothing.
"""

import ctypes
import os
import signal

_CLONE_CHILD_CLEARTID = 0x00200000
_CLONE_CHILD_SETTID = 0x01000000
_CLONE_INTO_CGROUP = 0x200000000
_PR_GET_TID_ADDRESS = 40
# The same on every architecture with the common table.
_SYS_CLONE3 = 435


class _Arguments(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_uint64)
        for name in (
            "flags",
            "pidfd",
            "child_tid",
            "parent_tid",
            "exit_signal",
            "stack",
            "stack_size",
            "tls",
            "set_tid",
            "set_tid_size",
            "cgroup",
        )
    ]


class Birth:
    """``os.fork`` for a process with one thread, prepared once."""

    def __init__(self):
        # Neither gives up the interpreter's lock around a call: the child could not take it again.
        self._libc = ctypes.PyDLL(None, use_errno=True)
        self._libc.syscall.restype = ctypes.c_long
        self._python = ctypes.pythonapi
        # Where the C library keeps the thread's number, which the kernel must correct in the child
        # as it does in a fork of the library's own.
        address = ctypes.c_uint64(0)
        told = self._libc.prctl(_PR_GET_TID_ADDRESS, ctypes.byref(address), 0, 0, 0)
        self._arguments = None
        if told == 0 and address.value:
            self._arguments = _Arguments(
                flags=_CLONE_CHILD_SETTID | _CLONE_CHILD_CLEARTID | _CLONE_INTO_CGROUP,
                child_tid=address.value,
                exit_signal=signal.SIGCHLD,
            )

    def fork(self, group):
        """Forks into ``group``, the descriptor of a directory; ``None`` is an ordinary fork."""
        if group is None:
            return os.fork()
        if self._arguments is None:
            # A kernel that does not tell the address.
            pid = os.fork()
            if pid == 0:
                _move(group)
            return pid
        self._arguments.cgroup = group
        size = ctypes.sizeof(self._arguments)
        self._python.PyOS_BeforeFork()
        # What the C library would do besides concerns other threads alone.
        pid = self._libc.syscall(_SYS_CLONE3, ctypes.byref(self._arguments), size)
        if pid == 0:
            self._python.PyOS_AfterFork_Child()
            return 0
        number = ctypes.get_errno()
        self._python.PyOS_AfterFork_Parent()
        if pid < 0:
            raise OSError(number, "clone3: " + os.strerror(number))
        return pid


def _move(group):
    file = os.open("cgroup.procs", os.O_WRONLY | os.O_CLOEXEC, dir_fd=group)
    try:
        os.write(file, b"0")
    finally:
        os.close(file)
