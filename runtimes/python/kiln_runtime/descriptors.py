"""The open descriptors of a process, so that a copy of its memory finds them as they were.

Files are opened again where they were read. A connection does not survive: its socket is there again
and not connected, as a peer that has hung up would leave it, and clients connect anew.
"""

import fcntl
import os
import select
import socket
import stat

# 0, 1, 2 and the channel are every sandbox's own.
_FIRST = 4
# Beyond it a copy opens what it needs for a moment.
_LAST = 500
_SPARE = 700


class Strange(Exception):
    """A descriptor that cannot be made again."""


def note():
    """What is open, for :func:`put_back`."""
    numbers = sorted(int(name) for name in os.listdir("/proc/self/fd"))
    targets = {}
    for number in numbers:
        try:
            targets[number] = os.readlink("/proc/self/fd/%d" % number)
        except OSError:
            # The listing's own, closed by now.
            pass
    outputs = {targets.get(1): 1, targets.get(2): 2}
    kept, pipes, local = [], {}, []
    for number, target in targets.items():
        if number < _FIRST:
            continue
        if number > _LAST:
            raise Strange("it has more than %d open files" % _LAST)
        if target in outputs:
            kept.append((number, "output", outputs[target]))
        elif target.startswith("pipe:"):
            pipes.setdefault(target, []).append(number)
        else:
            entry = _note_one(number, target)
            if entry is None:
                local.append(number)
            else:
                kept.append((number,) + entry)
    kept += _pair_pipes(pipes)
    kept += _pair_sockets(local)
    # What watches others comes after them.
    kept.sort(key=lambda entry: entry[1] == "epoll")
    flags = {number: _flags(number) for number in targets if number >= _FIRST}
    return kept, flags


def put_back(noted):
    """Makes the descriptors of another process this one's."""
    kept, flags = noted
    made = {}
    for number, kind, what in kept:
        if kind != "epoll":
            made.update(_make(number, kind, what))
    for number, fd in made.items():
        os.dup2(fd, number, inheritable=False)
        os.close(fd)
    for number, kind, watched in kept:
        if kind == "epoll":
            poll = select.epoll()
            for fd, events in watched:
                poll.register(fd, events)
            high = _aside(os.dup(poll.fileno()))
            poll.close()
            os.dup2(high, number, inheritable=False)
            os.close(high)
    for number, (inheritable, status) in flags.items():
        fcntl.fcntl(number, fcntl.F_SETFL, status)
        if inheritable:
            os.set_inheritable(number, True)


def _note_one(number, target):
    """A kind and what it takes to make it again; ``None`` for one end of a pair."""
    mode = os.fstat(number).st_mode
    if stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISCHR(mode):
        if target.endswith(" (deleted)"):
            raise Strange("it has an open file that was deleted: %s" % target)
        info = _info(number)
        return "file", (target, int(info["flags"][0], 8), int(info["pos"][0]))
    if stat.S_ISSOCK(mode):
        with socket.socket(fileno=os.dup(number)) as open_socket:
            if open_socket.family == socket.AF_UNIX:
                return None
            what = open_socket.family, open_socket.type, open_socket.proto
            return "socket", tuple(int(part) for part in what)
    if target == "anon_inode:[eventpoll]":
        watched = [line.split() for line in _info(number).get("tfd", [])]
        # "4 events: 19 data: 4 ...", in hexadecimal but for the number.
        return "epoll", [(int(words[0]), int(words[2], 16)) for words in watched]
    if target == "anon_inode:[eventfd]" and hasattr(os, "eventfd"):
        return "eventfd", int(_info(number)["eventfd-count"][0], 16)
    raise Strange("it has something open that cannot be opened again: %s" % target)


def _make(number, kind, what):
    """Descriptors out of the way, by the numbers that they are for."""
    if kind == "output":
        return {number: _aside(os.dup(what))}
    if kind == "file":
        path, flags, position = what
        made_once = os.O_CREAT | os.O_EXCL | os.O_TRUNC
        fd = _aside(os.open(path, flags & ~made_once))
        if position:
            os.lseek(fd, position, os.SEEK_SET)
        return {number: fd}
    if kind == "socket":
        return {number: _aside(socket.socket(*what).detach())}
    if kind == "eventfd":
        return {number: _aside(os.eventfd(what))}
    first, second = os.pipe() if kind == "pipe" else _socket_pair(what[1])
    return {number: _aside(first), what[0]: _aside(second)}


def _socket_pair(kind):
    return tuple(end.detach() for end in socket.socketpair(socket.AF_UNIX, kind))


def _aside(fd):
    high = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _SPARE)
    os.close(fd)
    return high


def _pair_pipes(pipes):
    kept = []
    for target, ends in pipes.items():
        access = {os.O_RDONLY: [], os.O_WRONLY: []}
        for number in ends:
            access[fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE].append(number)
        readers, writers = access[os.O_RDONLY], access[os.O_WRONLY]
        if len(readers) != 1 or len(writers) != 1 or _has_input(readers[0]):
            raise Strange("it has a pipe open that cannot be made again: %s" % target)
        kept.append((readers[0], "pipe", (writers[0],)))
    return kept


def _pair_sockets(numbers):
    """Finds out by a word which ends belong together: the kernel does not say."""
    kept, left = [], list(numbers)
    while left:
        number = left.pop(0)
        with socket.socket(fileno=os.dup(number)) as end:
            kind = int(end.type)
            other = None if _has_input(number) else _other_end(end, left)
        if other is None:
            raise Strange("it has a local socket open whose other end it has not")
        left.remove(other)
        kept.append((number, "pair", (other, kind)))
    return kept


def _other_end(end, candidates):
    silent = [number for number in candidates if not _has_input(number)]
    try:
        end.send(b"?", socket.MSG_DONTWAIT)
    except OSError:
        return None
    for number in silent:
        if _has_input(number):
            os.read(number, 1)
            return number
    return None


def _has_input(number):
    poll = select.poll()
    poll.register(number, select.POLLIN)
    return any(events & select.POLLIN for _, events in poll.poll(0))


def _flags(number):
    return os.get_inheritable(number), fcntl.fcntl(number, fcntl.F_GETFL)


def _info(number):
    fields = {}
    with open("/proc/self/fdinfo/%d" % number) as file:
        for line in file:
            name, _, value = line.partition(":")
            fields.setdefault(name, []).append(value.strip())
    return fields
