"""Snapshots of an initialised function: a process waits to be copied, another becomes the copy.

The daemon copies the memory of a process that waits in :func:`take`. In another sandbox, a fork of the
same zygote calls :func:`become`, which replaces its memory: it then returns from ``take``, as every
copy does. ``crates/sandbox/src/snapshot.rs`` has the other half.

Memory comes back by itself. What belongs to the process and not to its memory (open files, signal
handlers, ``/tmp``) is noted before the copy is made and put back in each.
"""

import ctypes
import gc
import json
import os
import random
import signal
import sys

from . import descriptors

# Equal in all forks of one zygote; ``None`` where there is none, and then nothing can be a copy.
_lineage = None

_DIRECTORY = "/var/snapshot/"
_STATE_BYTES = 128
_PAGE = 4096

_PROT_READ, _PROT_WRITE, _PROT_EXEC = 1, 2, 4
_MAP_PRIVATE, _MAP_ANONYMOUS, _MAP_FIXED_NOREPLACE = 0x02, 0x20, 0x100000
_MAP_FAILED = ctypes.c_void_p(-1).value

_Waiting = ctypes.PYFUNCTYPE(
    ctypes.c_uint64, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_char_p, ctypes.c_uint64
)
_Becoming = ctypes.PYFUNCTYPE(ctypes.c_uint64, ctypes.c_uint64)

# The file that each lives in may be anything up to this; a copy writes it anew.
_TMP = "/tmp"
_TMP_BYTES_MAX = 32 * 1024 * 1024


class Unfit(Exception):
    """This process has something that no copy could have."""


def found_lineage():
    """Called once in a zygote, before it forks."""
    global _lineage
    _lineage = os.urandom(16).hex()


def lineage():
    """What a snapshot of this process is marked with."""
    return _lineage


def take(fd, code, announce):
    """Waits to be copied, and returns in each copy only.

    ``code`` is the daemon's. ``announce`` gives the frame to send on ``fd`` when everything is ready,
    for the address of the state; it is sent as the last thing before the copy.
    """
    if _lineage is None:
        raise Unfit("it was not forked from a zygote")
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        kept = descriptors.note()
    except descriptors.Strange as strange:
        raise Unfit(str(strange)) from None
    files = _note_tmp()
    handlers = _note_handlers()
    directory, mask = os.getcwd(), os.umask(0)
    os.umask(mask)
    state = ctypes.create_string_buffer(_STATE_BYTES)
    frame = announce(ctypes.addressof(state))
    waiting = _Waiting(_executable(code))
    gc.collect()
    gc.freeze()
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        is_copy = waiting(ctypes.addressof(state), fd, frame, len(frame))
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    if not is_copy:
        raise Unfit("it was not wanted")
    os.umask(mask)
    _write_tmp(files)
    os.chdir(directory)
    descriptors.put_back(kept)
    for number, handler in handlers:
        signal.signal(number, handler)
    reseed()


def become():
    """Becomes the copy of the process that the snapshot is of: does not return. Where that cannot be,
    changes nothing and says why."""
    with open(_DIRECTORY + "head.json", "rb") as file:
        head = json.loads(file.read())
    if _lineage is None or head["lineage"] != _lineage:
        return "the interpreter has been started anew since the snapshot was taken"
    if head["pid"] != os.getpid():
        return "its process has another number than the one that was copied"
    opened = []
    try:
        for number, path in head["files"]:
            _open_at(number, path)
            opened.append(number)
        _open_at(head["pages_fd"], _DIRECTORY + "pages")
        opened.append(head["pages_fd"])
        _map_plan(head)
    except OSError as error:
        for number in opened:
            os.close(number)
        return "the snapshot cannot be read: %s" % (error,)
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    _Becoming(head["entry"])(head["steps"])


def reseed():
    """Makes siblings differ. OpenSSL notices a fork by the pid in some versions, and all siblings
    here have the same one."""
    modules = sys.modules
    ssl = modules.get("ssl")
    if ssl is not None:
        ssl.RAND_add(os.urandom(48), 48.0)
    random.seed()
    numpy = modules.get("numpy.random")
    if numpy is not None:
        numpy.seed()
    tempfile = modules.get("tempfile")
    if tempfile is not None:
        # It would try the same names in the same order.
        tempfile._name_sequence = None
    process = modules.get("multiprocessing.process")
    if process is not None:
        process.current_process().authkey = os.urandom(32)


def _open_at(number, path):
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    os.dup2(fd, number, inheritable=False)
    os.close(fd)


def _map_plan(head):
    fd = os.open(_DIRECTORY + "plan", os.O_RDONLY | os.O_CLOEXEC)
    try:
        flags = _MAP_PRIVATE | _MAP_FIXED_NOREPLACE
        _map(head["address"], head["plan_bytes"], _PROT_READ | _PROT_EXEC, flags, fd)
    finally:
        os.close(fd)


def _executable(code):
    """The address of a copy of the code that can be called."""
    libc = ctypes.CDLL(None, use_errno=True)
    address = _map(None, _PAGE, _PROT_READ | _PROT_WRITE, _MAP_PRIVATE | _MAP_ANONYMOUS, -1)
    ctypes.memmove(address, code, len(code))
    if libc.mprotect(ctypes.c_void_p(address), _PAGE, _PROT_READ | _PROT_EXEC) != 0:
        raise OSError(ctypes.get_errno(), "mprotect")
    return address


def _map(address, length, protection, flags, fd):
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    arguments = (ctypes.c_void_p(address), ctypes.c_size_t(length), protection, flags, fd)
    mapped = libc.mmap(*arguments, ctypes.c_long(0))
    if mapped == _MAP_FAILED:
        raise OSError(ctypes.get_errno(), "mmap")
    return mapped


def _note_handlers():
    """The handlers that were set since the interpreter booted."""
    usual = (None, signal.SIG_DFL, signal.default_int_handler)
    ignored = {signal.SIGPIPE, getattr(signal, "SIGXFSZ", None)}
    handlers = ((number, signal.getsignal(number)) for number in signal.valid_signals())
    return [
        (number, handler)
        for number, handler in handlers
        if handler not in usual and not (number in ignored and handler == signal.SIG_IGN)
    ]


def _note_tmp():
    """What lies in ``/tmp``, parents first."""
    found, total = [], 0
    for folder, folders, names in os.walk(_TMP):
        for name in folders:
            path = os.path.join(folder, name)
            if os.path.islink(path):
                found.append((path, "link", os.readlink(path)))
            else:
                found.append((path, os.stat(path).st_mode & 0o7777, None))
        for name in names:
            path = os.path.join(folder, name)
            if os.path.islink(path):
                found.append((path, "link", os.readlink(path)))
                continue
            if not os.path.isfile(path):
                raise Unfit("it has something in /tmp that is no file: %s" % (path,))
            total += os.path.getsize(path)
            if total > _TMP_BYTES_MAX:
                most = _TMP_BYTES_MAX >> 20
                raise Unfit("it has more than %d MiB in /tmp" % (most,))
            with open(path, "rb") as file:
                found.append((path, os.stat(path).st_mode & 0o7777, file.read()))
    return found


def _write_tmp(files):
    for path, mode, content in files:
        if mode == "link":
            os.symlink(content, path)
            continue
        if content is None:
            os.mkdir(path)
        else:
            with open(path, "wb") as file:
                file.write(content)
        os.chmod(path, mode)
