"""PNG images, as much of them as thumbnails need: eight bits a channel, not interlaced."""

import struct
import zlib

SIGNATURE = b"\x89PNG\r\n\x1a\n"
CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}


class NotSupported(ValueError):
    """The file is no PNG, or one of a kind that is not read here."""


def read(data):
    """Width, height, channels and rows of bytes."""
    if not data.startswith(SIGNATURE):
        raise NotSupported("not a PNG")
    at, header, packed = len(SIGNATURE), None, b""
    while at + 8 <= len(data):
        size, kind = struct.unpack(">I4s", data[at : at + 8])
        body = data[at + 8 : at + 8 + size]
        at += size + 12
        if kind == b"IHDR":
            header = struct.unpack(">IIBBBBB", body)
        elif kind == b"IDAT":
            packed += body
    if header is None or header[2] != 8 or header[3] not in CHANNELS or header[6] != 0:
        raise NotSupported("not eight bits a channel, a palette, or interlaced")
    width, height, channels = header[0], header[1], CHANNELS[header[3]]
    return width, height, channels, unfilter(zlib.decompress(packed), height, width * channels, channels)


def unfilter(raw, height, stride, channels):
    """Undoes the filter that each row was stored with."""
    rows, above = [], bytearray(stride)
    for index in range(height):
        start = index * (stride + 1)
        kind, row = raw[start], bytearray(raw[start + 1 : start + 1 + stride])
        for i in range(stride):
            left = row[i - channels] if i >= channels else 0
            corner = above[i - channels] if i >= channels else 0
            guess = (0, left, above[i], (left + above[i]) // 2, paeth(left, above[i], corner))[kind]
            row[i] = (row[i] + guess) & 255
        rows.append(row)
        above = row
    return rows


def paeth(left, above, corner):
    """The neighbour that is nearest to what the three of them suggest."""
    whole = left + above - corner
    return min((left, above, corner), key=lambda near: abs(whole - near))


def shrink(image, side_max):
    """The same image, each side at most so long: every pixel is the mean of those it stands for."""
    width, height, channels, rows = image
    step = max(1, -(-max(width, height) // side_max))
    small = []
    for top in range(0, height, step):
        row = bytearray()
        for left in range(0, width, step):
            pixels = [
                rows[y][x * channels : (x + 1) * channels]
                for y in range(top, min(top + step, height))
                for x in range(left, min(left + step, width))
            ]
            row += bytes(sum(channel) // len(pixels) for channel in zip(*pixels))
        small.append(row)
    return len(small[0]) // channels, len(small), channels, small


def write(image):
    """The file."""
    width, height, channels, rows = image
    kind = next(kind for kind, count in CHANNELS.items() if count == channels)
    packed = zlib.compress(b"".join(b"\0" + bytes(row) for row in rows))
    parts = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)),
        (b"IDAT", packed),
        (b"IEND", b""),
    ]
    data = SIGNATURE
    for name, body in parts:
        data += struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
    return data
