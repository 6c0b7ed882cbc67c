"""Whom the probes attack: on the host, and in the sandbox beside the attacker's.

    python3 victim.py NAME KEY PORT DESCRIPTOR

Holds a secret in its environment, an abstract Unix socket, a TCP listener, a System V segment and a
POSIX queue that anybody who finds them may use, and writes a secret to /tmp and /dev/shm. Says who and where it is,
as JSON, and cleans up when the descriptor ends.
"""

import ctypes
import errno
import json
import os
import platform
import socket
import sys

NAME = sys.argv[1]
KEY, PORT, DESCRIPTOR = map(int, sys.argv[2:])
IPC_CREAT, IPC_RMID = 0o1000, 0
LIBC = ctypes.CDLL(None, use_errno=True)
MQ_OPEN, MQ_UNLINK = {"x86_64": (240, 241), "aarch64": (180, 181)}[platform.machine()]


def listen(family, address):
    listener = socket.socket(family)
    listener.bind(address)
    listener.listen()
    return listener


def main():
    named = listen(socket.AF_UNIX, "\0" + NAME)
    numbered = listen(socket.AF_INET, ("127.0.0.1", PORT))
    port = numbered.getsockname()[1]
    os.umask(0)
    segment = LIBC.shmget(KEY, 4096, IPC_CREAT | 0o666)
    queue = LIBC.syscall(MQ_OPEN, NAME.encode(), os.O_CREAT | os.O_RDWR, 0o666, None)
    # Landlock lets nobody have a queue.
    assert segment >= 0 and (queue >= 0 or ctypes.get_errno() == errno.EACCES)
    path = "/tmp/" + NAME
    with open(path, "w") as file:
        file.write("secret")
    with open("/dev/shm/" + NAME, "w") as file:
        file.write("secret")
    print(json.dumps({"pid": os.getpid(), "port": port}), flush=True)
    os.read(DESCRIPTOR, 1)
    LIBC.shmctl(segment, IPC_RMID, None)
    LIBC.syscall(MQ_UNLINK, NAME.encode())
    os.remove(path)
    os.remove("/dev/shm/" + NAME)
    named.close()


main()
