"""Finds the pages of a zygote that every fork of it writes to, and gives a fork its own ahead of need.

A fork shares its parent's memory until it writes to it, and each first write costs it a fault of
2 to 4 µs: in Python reading is writing, because it counts references. Between an event and its
answer that were 170 faults. Which pages they are is the same for all forks of one zygote, since all
begin as the same memory. So one fork, the scout, runs a whole rehearsal: it boots, initialises a
function and runs it, over a socket that somebody has filled before. What is its own then, and was
there when it was forked, is what later forks will write to; they have it copied at once.
"""

import array
import ctypes
import json
import os
import signal
import socket

from . import channel as frames
from . import loop, snapshot

# What a rehearsal may take that takes a tenth of a second, as a rule. The zygote waits for it.
_SECONDS_MAX = 20
_TASK_ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "rehearsal")
_REQUEST_ID = "00000000-0000-4000-8000-000000000000"

_PAGE = os.sysconf("SC_PAGESIZE")
# Documentation/admin-guide/mm/pagemap.rst
_PRESENT, _FILE_OR_SHARED, _EXCLUSIVE = 1 << 63, 1 << 61, 1 << 56

_SYS_PROCESS_MADVISE = 440
_MADV_POPULATE_WRITE = 23
# IOV_MAX: as many ranges as one call takes.
_RANGES_MAX = 1024


class _Range(ctypes.Structure):
    _fields_ = [("start", ctypes.c_void_p), ("length", ctypes.c_size_t)]


class Pages:
    """The pages that forks of this process write to."""

    def __init__(self, ranges):
        """``ranges`` are pairs of address and length in bytes."""
        ranges = ranges[:_RANGES_MAX]
        self._count = len(ranges)
        self._ranges = (_Range * self._count)(*ranges)
        self._call = ctypes.CDLL(None, use_errno=True).syscall
        self._call.restype = ctypes.c_long
        self.bytes = sum(length for _, length in ranges)

    def copy(self):
        """Makes them this process's own, in a fork; says whether that was done."""
        if not self._count:
            return False
        own = os.pidfd_open(os.getpid())
        try:
            done = self._call(
                _SYS_PROCESS_MADVISE, own, self._ranges, self._count, _MADV_POPULATE_WRITE, 0
            )
        finally:
            os.close(own)
        return done == self.bytes


def scout(proc):
    """Sends a fork through a rehearsal. Where it fails, no pages are known and forks copy theirs as
    they go. ``proc`` is the descriptor of a ``/proc``."""
    # All before the fork, and nothing after it but to wait: of what this process writes to meanwhile,
    # the scout is left alone with a copy, which would pass for its own.
    script = [frames.frame(*said) for said in _script()]
    read_end, write_end = os.pipe()
    before = list(_writable_areas(proc))
    pid = os.fork()
    if pid == 0:
        try:
            os.close(read_end)
            # Nobody handles the signal: it ends the process.
            signal.alarm(_SECONDS_MAX)
            _rehearse(script)
            with os.fdopen(write_end, "wb") as out:
                out.write(array.array("Q", [n for r in _own(proc, before) for n in r]).tobytes())
            os._exit(0)
        except BaseException as error:
            os.write(2, ("the rehearsal failed: %r\n" % (error,)).encode())
        finally:
            os._exit(1)
    # A pipe takes 4,096 ranges before anybody reads.
    _, status = os.waitpid(pid, 0)
    os.close(write_end)
    with os.fdopen(read_end, "rb") as out:
        found = out.read()
    if status != 0:
        # What it has said may not be whole.
        return Pages([])
    numbers = array.array("Q", found)
    return Pages(list(zip(numbers[::2], numbers[1::2])))


def _rehearse(script):
    """A fork's life up to its last answer."""
    import gc

    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    daemon, runtime = socket.socketpair()
    for said in script:
        daemon.sendall(said)
    daemon.shutdown(socket.SHUT_WR)
    # What it prints is read by nobody; both ends stay open.
    _, output = os.pipe()
    os.dup2(output, 1)
    snapshot.reseed()
    gc.enable()
    try:
        loop.live(runtime.fileno(), warm_up=False)
    except frames.Closed:
        pass


def _script():
    """What the daemon says to an instance that answers once."""
    variables = {
        "AWS_LAMBDA_FUNCTION_NAME": "rehearsal",
        "AWS_REGION": "us-east-1",
        "LAMBDA_RUNTIME_DIR": os.path.dirname(os.path.dirname(_TASK_ROOT)),
        "LAMBDA_TASK_ROOT": _TASK_ROOT,
        "LANG": "en_US.UTF-8",
        "PATH": "/var/lang/bin:/usr/local/bin:/usr/bin:/bin:/opt/bin",
        "TZ": ":UTC",
    }
    init = {"env": variables, "handler": "app.handler", "log_format": "Text", "log_level": ""}
    yield frames.INIT, json.dumps(init).encode(), b""
    invoke = {
        "request_id": _REQUEST_ID,
        "invoked_arn": "arn:aws:lambda:us-east-1:000000000000:function:rehearsal",
        "timeout_ms": 3000,
        "trace": "Root=1-00000000-000000000000000000000000",
    }
    yield frames.INVOKE, json.dumps(invoke).encode(), b'{"numbers": [1, 2.5], "text": "\xc3\xa9"}'


def _writable_areas(proc):
    """First and last address of what this process may write to, but for what it shares."""
    with _open("self/maps", proc) as maps:
        for line in maps:
            area, permissions, _ = line.split(None, 2)
            if permissions.startswith("rw") and permissions[3] == "p":
                first, end = (int(address, 16) for address in area.split("-"))
                yield first, end


def _own(proc, areas):
    """The ranges in ``areas`` of which this process has copies of its own."""
    with _open("self/pagemap", proc, "rb") as pagemap:
        for first, end in areas:
            entries = array.array("Q")
            entries.frombytes(os.pread(pagemap.fileno(), (end - first) // _PAGE * 8, first // _PAGE * 8))
            start = None
            for index, entry in enumerate(entries):
                is_own = entry & _PRESENT and entry & _EXCLUSIVE and not entry & _FILE_OR_SHARED
                if is_own and start is None:
                    start = index
                elif not is_own and start is not None:
                    yield first + start * _PAGE, (index - start) * _PAGE
                    start = None
            if start is not None:
                yield first + start * _PAGE, (len(entries) - start) * _PAGE


def _open(path, proc, mode="r"):
    return os.fdopen(os.open(path, os.O_RDONLY | os.O_CLOEXEC, dir_fd=proc), mode)
