"""Takes the place of kiln_runtime/loop.py in tests: evaluates Python expressions."""

import os
import socket
import sys


def boot(fd, warm_up=True):
    channel = socket.socket(fileno=fd)
    channel.sendall(b"R")
    while True:
        source = channel.recv(65536)
        if not source:
            os._exit(0)
        try:
            answer = repr(eval(source, {"__builtins__": __builtins__, "os": os, "sys": sys}))
        except BaseException as error:
            answer = "raised " + repr(error)
        channel.sendall(answer.encode() + b"\0")
