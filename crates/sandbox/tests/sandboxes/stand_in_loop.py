"""Takes the place of kiln_runtime/loop.py in tests: evaluates Python expressions."""

import os
import socket
import sys


_NAMES = {"__builtins__": __builtins__, "os": os, "sys": sys, "kept": {}}


def take(code):
    """Waits to be copied. Every copy answers the question that made it one."""
    from kiln_runtime import snapshot

    def announce(state):
        return ("%d %s" % (state, snapshot.lineage())).encode() + b"\0"

    snapshot.take(3, bytes.fromhex(code), announce)
    return "a copy"


def become():
    from kiln_runtime import snapshot

    return snapshot.become()


_NAMES.update(take=take, become=become)


def live(fd, warm_up):
    """What the zygote's scout does to find out which pages forks write to."""
    os.read(fd, 65536)


def boot(fd, warm_up=True):
    channel = socket.socket(fileno=fd)
    channel.sendall(b"R")
    while True:
        source = channel.recv(65536)
        if not source:
            os._exit(0)
        try:
            answer = repr(eval(source, _NAMES))
        except BaseException as error:
            answer = "raised " + repr(error)
        channel.sendall(answer.encode() + b"\0")
