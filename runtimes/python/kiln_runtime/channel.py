"""Frames on the socket to the daemon.

A frame is: length of the rest (u32), kind (u8), length of the header (u32), header (JSON), body;
all numbers big-endian. Written for few system calls: a small frame is one ``read`` and one
``write``.
"""

import json
import os
import struct

INIT = 1
INVOKE = 2
RESTORE = 3
RESUME = 4
READY = 16
INIT_DONE = 17
INIT_ERROR = 18
RESPONSE = 19
ERROR = 20
SNAPSHOT = 21
UNFIT = 22
NOT_RESTORED = 23
RESTORED = 24
RESUMED = 25

# AWS takes 6 MiB and 100 bytes; the daemon refuses to read more than that.
BODY_BYTES_MAX = 6 * 1024 * 1024 + 100

_PREFIX = struct.Struct(">IBI")
_PREFIX_BYTES = _PREFIX.size
_LENGTH_BYTES = 4
_READ_BYTES = 16 * 1024
# Larger bodies are not copied behind their header.
_COPIED_BYTES_MAX = 64 * 1024

_pack = _PREFIX.pack
_unpack_from = _PREFIX.unpack_from
_decode = json.JSONDecoder().decode


class Closed(Exception):
    """The daemon has closed its end."""


class Channel:
    """The runtime's end of the socket."""

    __slots__ = ("_fd", "_received")

    def __init__(self, fd):
        self._fd = fd
        self._received = b""

    def receive(self):
        """The next frame: its kind, its header and its body."""
        data = self._received or os.read(self._fd, _READ_BYTES)
        while len(data) < _PREFIX_BYTES:
            data += self._read(_READ_BYTES)
        length, kind, header_bytes = _unpack_from(data)
        end = _LENGTH_BYTES + length
        if len(data) < end:
            data = self._read_rest(data, end)
        self._received = data[end:]
        body_start = _PREFIX_BYTES + header_bytes
        header = _decode(data[_PREFIX_BYTES:body_start].decode())
        return kind, header, data[body_start:end]

    def receive_alone(self):
        """The next frame, and nothing of what comes after it: a process that becomes a copy loses
        what it has read."""
        data = self._read_rest(b"", _PREFIX_BYTES)
        length, kind, header_bytes = _unpack_from(data)
        rest = self._read_rest(b"", _LENGTH_BYTES + length - _PREFIX_BYTES)
        return kind, _decode(rest[:header_bytes].decode()), rest[header_bytes:]

    def send(self, kind, header=b"{}", body=b""):
        """Sends one frame; the header is encoded already."""
        prefix = _prefix(kind, header, body)
        if len(body) <= _COPIED_BYTES_MAX:
            frame = prefix + header + body
            written = os.write(self._fd, frame)
            if written < len(frame):
                self._write_rest(memoryview(frame)[written:])
            return
        self._write_rest(memoryview(prefix + header))
        self._write_rest(memoryview(body))

    def _read(self, count):
        data = os.read(self._fd, count)
        if not data:
            raise Closed
        return data

    def _read_rest(self, data, end):
        parts = bytearray(data)
        while len(parts) < end:
            parts += self._read(min(end - len(parts), 1024 * 1024))
        return bytes(parts)

    def _write_rest(self, view):
        while view:
            view = view[os.write(self._fd, view):]


def frame(kind, header, body=b""):
    """A frame whole."""
    return _prefix(kind, header, body) + header + body


def _prefix(kind, header, body):
    header_bytes = len(header)
    length = _PREFIX_BYTES - _LENGTH_BYTES + header_bytes + len(body)
    return _pack(length, kind, header_bytes)
