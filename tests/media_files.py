"""Small images and PDFs for tests, made byte by byte: real enough for whoever reads no more than their headers."""

import os
import struct
import zlib


def png(width=8, height=6, *, noise=0):
    """With `noise` bytes more than it needs."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(b"\0" * min((width * 3 + 1) * height, 10_000))
    more = chunk(b"teSt", os.urandom(noise)) if noise else b""
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + more + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def jpeg(width=8, height=6, *, before=0):
    """With `before` bytes of a preview, as photos have, before its size is told."""
    preview = b""
    while before > 0:
        size = min(before, 60_000)
        preview += b"\xff\xe1" + struct.pack(">H", size + 2) + b"\0" * size
        before -= size
    frame = struct.pack(">BHHB", 8, height, width, 3) + b"\1\x22\0\2\x11\1\3\x11\1"
    return b"\xff\xd8" + preview + b"\xff\xc0" + struct.pack(">H", len(frame) + 2) + frame + b"\xff\xd9"


def gif(width=8, height=6):
    return b"GIF89a" + struct.pack("<HH", width, height) + b"\0\0\0;"


def webp(width=8, height=6, kind="VP8X"):
    if kind == "VP8X":
        body = b"\0\0\0\0" + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    elif kind == "VP8L":
        body = b"\x2f" + struct.pack("<I", (width - 1) | (height - 1) << 14)
    else:
        body = b"\0\0\0\x9d\x01\x2a" + struct.pack("<HH", width, height)
    chunk = kind.ljust(4).encode() + struct.pack("<I", len(body)) + body
    return b"RIFF" + struct.pack("<I", len(chunk) + 4) + b"WEBP" + chunk


def pdf(pages=1, *, noise=0):
    objects = b"<< /Type /Page /Parent 1 0 R /MediaBox [0 0 595 842] >>\n" * pages
    return b"%%PDF-1.4\n<< /Type /Pages /Count %d >>\n%s%s\n%%%%EOF\n" % (pages, objects, os.urandom(noise))
