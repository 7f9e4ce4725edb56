"""What the bytes of an image or a PDF say of its size: in pixels, in pages, and roughly in tokens.

Pure, and no decoder: only headers are read. The bytes may be anything; what can't be read is not known (None).
"""

from __future__ import annotations

import math
import re
import struct
from itertools import islice

Pixels = tuple[int, int]

HEADER_BYTES = 512 * 1024  # where the size of an image stands at the latest: photos have previews before it

# What an image costs: the largest of what services count. OpenAI counts tiles of 512 pixels (once it is scaled to a
# short side of 768) or patches of 32 pixels, Anthropic patches of 28; each has a cap, because services scale down what
# is larger.
_TILE, _TILE_TOKENS, _BASE_TOKENS = 512, 170, 85
_PATCH, _MAX_PATCHES, _PATCH_TOKENS = 32, 1536, 1.62
_SMALL_PATCH, _MAX_SMALL_PATCHES = 28, 4784
_UNKNOWN_IMAGE_TOKENS = 2500

_PAGE_TOKENS = 3000  # its text and its picture
_PAGE_BYTES = 100_000  # of a PDF whose pages can't be counted, because they are compressed
_LEAST_PAGE_BYTES = 60
_MAX_GUESSED_PAGES = 100  # large files are mostly scans, and services take few more
_MAX_COUNTS = 1000  # statements of the number that are looked at
_PAGE = re.compile(rb"/Type\s*/Page(?![A-Za-z])")
_COUNT = re.compile(rb"/Type\s*/Pages\b.{0,200}?/Count\s+(\d{1,6})|/Linearized\b.{0,200}?/N\s+(\d{1,6})", re.DOTALL)

_JPEG_SIZES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_ALONE = frozenset((0x01, *range(0xD0, 0xD9)))


def pixels(data: bytes) -> Pixels | None:
    """Width and height of a PNG, GIF, WebP or JPEG, of which `data` may be the beginning."""
    try:
        found = _pixels(data)
    except (struct.error, IndexError):
        return None
    return found if found and all(found) else None


def _pixels(data: bytes) -> Pixels | None:
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        return struct.unpack(">II", data[16:24]) if data[12:16] == b"IHDR" else None
    if data[:6] in (b"GIF87a", b"GIF89a"):
        return struct.unpack("<HH", data[6:10])
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _webp(data)
    return _jpeg(data) if data[:3] == b"\xff\xd8\xff" else None


def _webp(data: bytes) -> Pixels | None:
    match data[12:16]:
        case b"VP8X":
            return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
        case b"VP8L":
            (bits,) = struct.unpack("<I", data[21:25])
            return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
        case b"VP8 ":
            width, height = struct.unpack("<HH", data[26:30])
            return width & 0x3FFF, height & 0x3FFF
    return None


def _jpeg(data: bytes) -> Pixels | None:
    at = 2
    while data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
        elif marker in _JPEG_ALONE:
            at += 2
        elif marker in _JPEG_SIZES:
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            return width, height
        else:
            at += 2 + struct.unpack(">H", data[at + 2 : at + 4])[0]
    return None


def image_tokens(size: Pixels | None) -> int:
    if size is None:
        return _UNKNOWN_IMAGE_TOKENS
    width, height = size
    small = min(_patches(size, _SMALL_PATCH), _MAX_SMALL_PATCHES)
    patches = min(_patches(size, _PATCH), _MAX_PATCHES)
    scale = min(1.0, 2048 / max(size))
    scale *= min(1.0, 768 / max(1.0, min(size) * scale))
    tiles = math.ceil(width * scale / _TILE) * math.ceil(height * scale / _TILE)
    return max(small, int(patches * _PATCH_TOKENS), _BASE_TOKENS + tiles * _TILE_TOKENS)


def _patches(size: Pixels, side: int) -> int:
    return math.ceil(size[0] / side) * math.ceil(size[1] / side)


def pdf_tokens(data: bytes) -> int:
    return pdf_pages(data) * _PAGE_TOKENS


def pdf_pages(data: bytes) -> int:
    """As many as are found, or as a file of this size has. It can't state more than there is room for."""
    stated = max((int(one[1] or one[2]) for one in islice(_COUNT.finditer(data), _MAX_COUNTS)), default=0)
    most = len(data) // _LEAST_PAGE_BYTES + 1
    return min(max(stated, len(_PAGE.findall(data))), most) or min(-(-len(data) // _PAGE_BYTES), _MAX_GUESSED_PAGES)
