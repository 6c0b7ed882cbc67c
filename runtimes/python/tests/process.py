"""A runtime process under test, seen as the daemon sees it."""

import json
import os
import pathlib
import socket
import struct
import subprocess
import sys
import tempfile
import textwrap
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
REQUEST = "8f507cfc-e3c6-4b5c-b3d6-0d4a5a8b2f1e"

INIT, INVOKE = 1, 2
READY, INIT_DONE, INIT_ERROR, RESPONSE, ERROR = 16, 17, 18, 19, 20

LOG_FRAME = b"\xa5\x5a\x00"
INIT_OVER = b"\xa5\x5a\xff\x01" + bytes(12)


def pack_dir():
    """The runtime pack under test: the one in KILN_RUNTIME_PACK, made by ``build-pack``."""
    try:
        return os.environ["KILN_RUNTIME_PACK"]
    except KeyError:
        sys.exit("set KILN_RUNTIME_PACK to a directory made by runtimes/python/build-pack")


class Runtime:
    """Executes a fresh interpreter with ``code`` as module ``index`` and boots the loop in it."""

    def __init__(self, code, files=(), preload=""):
        self.task = tempfile.TemporaryDirectory()
        self.write("index.py", code)
        for name, content in dict(files).items():
            self.write(name, content)
        self.channel, theirs = socket.socketpair()
        self.channel.settimeout(20)
        output, their_output = os.pipe()
        self.output = os.fdopen(output, "rb")
        program = "import sys; sys.path[:0] = %r; from kiln_runtime import loop; %s; loop.boot(%d)"
        program %= ([str(ROOT), pack_dir()], preload or "pass", theirs.fileno())
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-B", "-c", program],
            stdin=subprocess.DEVNULL, stdout=their_output, stderr=their_output,
            pass_fds=(theirs.fileno(),),
        )
        theirs.close()
        os.close(their_output)

    def __enter__(self):
        assert self.receive()[0] == READY
        return self

    def __exit__(self, *_):
        self.channel.close()
        self.process.kill()
        self.process.wait()
        self.output.close()
        self.task.cleanup()

    def write(self, name, content):
        path = pathlib.Path(self.task.name, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(content), encoding="utf-8")

    def init(self, *arguments, **options):
        self.send_init(*arguments, **options)
        return self.receive()

    def send_init(self, handler="index.handler", log_format="Text", **variables):
        environment = {
            "LAMBDA_TASK_ROOT": self.task.name,
            "LAMBDA_RUNTIME_DIR": pack_dir(),
            "PYTHONPATH": pack_dir(),
            "AWS_EXECUTION_ENV": "AWS_Lambda_python%d.%d" % sys.version_info[:2],
            "AWS_LAMBDA_FUNCTION_NAME": "sum",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
            "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/sum",
            "AWS_LAMBDA_LOG_STREAM_NAME": "stream",
            "AWS_LAMBDA_LOG_FORMAT": log_format,
            "TZ": ":UTC",
        }
        environment.update(variables)
        self.send(INIT, {
            "handler": handler, "env": environment, "log_format": log_format, "log_level": None,
        })

    def invoke(self, event, **header):
        self.send_event(event, **header)
        return self.receive()

    def send_event(self, event, **changes):
        header = {
            "request_id": REQUEST,
            "deadline_ms": int(time.time() * 1000) + 3000,
            "invoked_arn": "arn:aws:lambda:us-east-1:000000000000:function:sum",
            "trace": None,
            "client_context": None,
        }
        header.update(changes)
        self.send(INVOKE, header, json.dumps(event).encode())

    def send(self, kind, header, body=b""):
        header = json.dumps(header).encode()
        prefix = struct.pack(">IBI", 5 + len(header) + len(body), kind, len(header))
        self.channel.sendall(prefix + header + body)

    def receive(self):
        """The next frame: kind, header, body."""
        (length,) = struct.unpack(">I", self.read(4))
        frame = self.read(length)
        kind, header_bytes = struct.unpack(">BI", frame[:5])
        return kind, json.loads(frame[5:5 + header_bytes]), frame[5 + header_bytes:]

    def read(self, count):
        parts = bytearray()
        while len(parts) < count:
            part = self.channel.recv(count - len(parts))
            if not part:
                raise EOFError
            parts += part
        return bytes(parts)

    def end(self):
        """Waits for the process to end by itself: its status and all its output."""
        status = self.process.wait(timeout=20)
        return status, self.output.read()
