"""Forks interpreters into sandboxes: ``python -I -S -B zygote.py``, started by Kiln's spawner.

The zygote imports ahead of need what functions use, and freezes the garbage collector so that
children share its memory. It runs trusted code only, in the host's pid namespace, with the few
capabilities that it takes to enter a sandbox. A child joins the sandbox's control groups and
namespaces, drops everything (``lockdown``), reseeds, and only then becomes ``loop.boot``.

Descriptor 3 is the connection to the daemon: one JSON document per packet, descriptors beside it.
The messages are those of ``crates/sandbox/src/protocol.rs``. Descriptor 4 holds the system call
filter that children install; an empty one means none. Descriptor 5 is a ``/proc``, where there is
one; it is closed before the first child.
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# Before all else: it notes which modules an AWS runtime would have imported by now.
from kiln_runtime import loop  # noqa: E402, I001

import array  # noqa: E402
import gc  # noqa: E402
import importlib  # noqa: E402
import json  # noqa: E402
import select  # noqa: E402
import signal  # noqa: E402
import socket  # noqa: E402

from kiln_runtime import birth, lockdown, pages, snapshot  # noqa: E402

_CONTROL = 3
_FILTER = 4
_PROC = 5
_CHANNEL = 3
_MESSAGE_BYTES_MAX = 64 * 1024
_FDS_MAX = 32

# What functions commonly import; each costs a fresh interpreter between 1 and 300 ms.
_AHEAD = """
    abc argparse asyncio base64 bisect calendar collections collections.abc concurrent.futures
    contextlib copy csv ctypes dataclasses datetime decimal difflib email.message email.utils enum
    fractions functools glob gzip hashlib heapq hmac html http.client inspect io ipaddress
    itertools json locale logging logging.config math mimetypes operator os.path pathlib pickle
    platform pprint queue random re secrets shutil socket sqlite3 ssl statistics string struct
    subprocess tempfile textwrap threading time timeit traceback types typing unicodedata
    urllib.error urllib.parse urllib.request uuid warnings weakref xml.etree.ElementTree zipfile
    zlib zoneinfo
    awslambdaric.bootstrap awslambdaric.lambda_literals awslambdaric.lambda_runtime_hooks_runner
    boto3 boto3.session boto3.dynamodb.conditions boto3.dynamodb.types botocore.args botocore.auth
    botocore.awsrequest botocore.client botocore.compress botocore.config botocore.configprovider
    botocore.credentials botocore.discovery botocore.endpoint botocore.endpoint_provider
    botocore.handlers botocore.hooks botocore.httpchecksum botocore.httpsession botocore.loaders
    botocore.paginate botocore.parsers botocore.regions botocore.retries.standard botocore.serialize
    botocore.session botocore.signers botocore.tokens botocore.useragent botocore.utils
    botocore.validate botocore.waiter s3transfer.manager urllib3
""".split()


def main():
    gc.disable()
    # Before anything else is opened, which would get its number.
    has_proc = _is_proc(_PROC)
    filter_bytes = _read_all(_FILTER)
    control = socket.socket(fileno=_CONTROL)
    for name in _AHEAD:
        try:
            importlib.import_module(name)
        except ImportError:
            # Not in every Python and not in every runtime pack.
            pass
    _initialise()
    children = Children(control, lockdown.Lockdown(filter_bytes))
    snapshot.found_lineage()
    gc.collect()
    gc.freeze()
    if has_proc:
        children.pages = _scout()
    _send(control, "ready")
    children.serve()
    # Children that end now wake nobody up.
    signal.set_wakeup_fd(-1)


class Stem:
    """The descriptors that a child needs to become a stem."""

    __slots__ = ("init", "channel", "output", "ruleset", "tasks")

    def __init__(self, init, channel, output, ruleset, tasks):
        self.init = init
        self.channel = channel
        self.output = output
        self.ruleset = ruleset
        # Of control groups of version 1: a process with one thread writes ``0`` to join.
        self.tasks = tasks


class Children:
    """The children of this process and the requests for more."""

    def __init__(self, control, lock):
        self._control = control
        self._lock = lock
        self._birth = birth.Birth()
        # Sandbox ids by pid.
        self._ids = {}
        # What children write to in any case.
        self.pages = pages.Pages([])
        self._own_namespace = os.pidfd_open(os.getpid())
        self._wakeup, self._wakeup_end = socket.socketpair()
        self._wakeup.setblocking(False)
        self._wakeup_end.setblocking(False)
        signal.signal(signal.SIGCHLD, _ignore)
        signal.set_wakeup_fd(self._wakeup_end.fileno(), warn_on_full_buffer=False)

    def serve(self):
        """Answers requests until the daemon is gone."""
        waiting = select.poll()
        waiting.register(self._control, select.POLLIN)
        waiting.register(self._wakeup, select.POLLIN)
        while True:
            ready = [fd for fd, _ in waiting.poll()]
            if self._wakeup.fileno() in ready:
                self._reap()
            if self._control.fileno() in ready and not self._answer():
                return

    def _answer(self):
        message, fds = _receive(self._control)
        if message is None:
            return False
        request = message["fork"]
        try:
            pid = self._fork(request, fds)
            self._ids[pid] = request["id"]
            answer = {"forked": {"id": request["id"], "pid": pid}}
        except OSError as error:
            answer = {"failed": {"id": request["id"], "reason": str(error)}}
        finally:
            for fd in fds:
                os.close(fd)
        _send(self._control, answer)
        return True

    def _fork(self, request, fds):
        """Forks into the pid namespace of the sandbox's init, ``fds[0]``, and its control groups."""
        init, channel, output, *rest = fds
        ruleset = rest.pop(0) if request["landlock"] else None
        group = rest.pop(0) if request["birth"] else None
        self._lock.enter(init, lockdown.CLONE_NEWPID)
        try:
            pid = self._birth.fork(group)
        except BaseException:
            self._lock.enter(self._own_namespace, lockdown.CLONE_NEWPID)
            raise
        if pid == 0:
            self._become_stem(request, Stem(init, channel, output, ruleset, rest))
        # Only children of this process were meant to go there.
        self._lock.enter(self._own_namespace, lockdown.CLONE_NEWPID)
        return pid

    def _become_stem(self, request, stem):
        """The child's life; never returns."""
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            # First of all, so that what goes wrong from here on is told to the sandbox's owner.
            os.dup2(stem.output, 1)
            os.dup2(stem.output, 2)
            for tasks in stem.tasks:
                os.write(tasks, b"0")
            # In its own group: that is who pays for memory.
            is_warm = self.pages.copy()
            self._lock.enter(stem.init, lockdown.SANDBOX)
            os.chdir("/")
            os.dup2(stem.channel, _CHANNEL)
            # The object must not close what is another's now.
            self._control.detach()
            self._wakeup.detach()
            self._wakeup_end.detach()
            self._lock.down(
                request["uid"], stem.ruleset, request["files_max"], request["processes_max"]
            )
            snapshot.reseed()
            gc.enable()
            loop.boot(_CHANNEL, warm_up=request["warm"] and not is_warm)
        except BaseException as error:
            os.write(2, ("a sandbox's interpreter cannot begin: %r\n" % (error,)).encode())
        finally:
            os._exit(1)

    def _reap(self):
        try:
            while self._wakeup.recv(4096):
                pass
        except BlockingIOError:
            pass
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            code, ended_by = None, None
            if os.WIFSIGNALED(status):
                ended_by = os.WTERMSIG(status)
            else:
                code = os.WEXITSTATUS(status)
            sandbox = self._ids.pop(pid, None)
            if sandbox is None:
                # Its request failed after the fork, and was answered so.
                continue
            _send(self._control, {"exited": {"id": sandbox, "code": code, "signal": ended_by}})


def _is_proc(fd):
    try:
        os.stat("self", dir_fd=fd)
    except OSError as error:
        os.write(2, ("there is no /proc, and pages are copied one by one: %s\n" % error).encode())
        return False
    return True


def _scout():
    """What pages children write to. Nobody else finds this process's ``/proc``."""
    try:
        return pages.scout(_PROC)
    except OSError as error:
        os.write(2, ("pages are copied one by one: %s\n" % error).encode())
        return pages.Pages([])
    finally:
        os.close(_PROC)


def _initialise():
    """Does what every child would do once: memory that the zygote wrote is shared by all. OpenSSL's
    own initialisation alone takes 1.8 MiB, the first run of an invocation 0.6 MiB."""
    try:
        import ssl

        ssl.RAND_bytes(1)
    except ImportError:
        pass
    try:
        from kiln_runtime import warm
    except ImportError:
        # No runtime pack: then there is nothing to warm.
        return
    warm.up()


def _send(control, message):
    control.sendall(json.dumps(message).encode())


def _receive(control):
    """One message and its descriptors; ``None`` when the daemon is gone."""
    space = socket.CMSG_SPACE(_FDS_MAX * array.array("i").itemsize)
    data, ancillary, flags, _ = control.recvmsg(
        _MESSAGE_BYTES_MAX, space, socket.MSG_CMSG_CLOEXEC
    )
    fds = array.array("i")
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(content[: len(content) - len(content) % fds.itemsize])
    if not data:
        return None, []
    if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
        raise RuntimeError("a message of the daemon is too long")
    return json.loads(data), list(fds)


def _read_all(fd):
    os.lseek(fd, 0, os.SEEK_SET)
    with os.fdopen(fd, "rb") as file:
        return file.read()


def _ignore(*_):
    """A handler, so that the signal wakes the poll up instead of being dropped."""


if __name__ == "__main__":
    main()
