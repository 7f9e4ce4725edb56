"""A page opened in a real browser, headless and without a network: its DOM, its console, and its pixels.

`CHROMIUM` names the program; else it is looked for by the names that it has.
"""

import os
import shutil
import struct
import subprocess
import zlib

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--enable-logging=stderr",
)
TIMEOUT_S = 50
UNDRAWN = 100


def program():
    named = [os.environ["CHROMIUM"]] if os.environ.get("CHROMIUM") else NAMES
    return next((found for name in named if (found := shutil.which(name))), None)


needs_chromium = pytest.mark.skipif(
    program() is None, reason=f"no browser: none of {', '.join(NAMES)} is installed, and CHROMIUM is not set"
)


def _run(page, profile, *arguments):
    done = subprocess.run(
        [program(), *FLAGS, f"--user-data-dir={profile}", *arguments, page.as_uri()],
        capture_output=True,
        timeout=TIMEOUT_S,
        check=True,
    )
    return done.stdout.decode(), done.stderr.decode(errors="replace")


def dom(page, profile):
    """The document once it is loaded, and what stands in the page's console."""
    told, log = _run(page, profile, "--dump-dom", "--window-size=1000,900")
    return told, [line for line in log.splitlines() if "CONSOLE" in line]


def screenshot(page, profile, picture, *, size, dark=False):
    """`size` is at least 500 wide. Now and then the lowest `UNDRAWN` rows stay white: put nothing there."""
    dark_mode = ["--blink-settings=preferredColorScheme=0"] if dark else []
    _run(page, profile, f"--screenshot={picture}", f"--window-size={size[0]},{size[1]}", *dark_mode)
    return picture


def pixels(picture):
    """(width, rows) of a PNG with eight bits a channel; a row is a list of (red, green, blue)."""
    data = picture.read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    compressed = b""
    at = 8
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        body = data[at + 8 : at + 8 + length]
        if kind == b"IHDR":
            width, _, depth, color, _, _, interlaced = struct.unpack(">IIBBBBB", body)
        elif kind == b"IDAT":
            compressed += body
        at += 12 + length
    assert (depth, interlaced) == (8, 0)
    size = {2: 3, 6: 4}[color]
    lines = _unfiltered(zlib.decompress(compressed), width * size, size)
    return width, [[tuple(line[at : at + 3]) for at in range(0, len(line), size)] for line in lines]


def _unfiltered(data, stride, size):
    before = bytes(stride)
    for begin in range(0, len(data), stride + 1):
        kind, line = data[begin], bytearray(data[begin + 1 : begin + 1 + stride])
        for at in range(stride) if kind else ():
            left = line[at - size] if at >= size else 0
            corner = before[at - size] if at >= size else 0
            line[at] = (line[at] + _predicted(kind, left, before[at], corner)) & 0xFF
        before = bytes(line)
        yield before


def _predicted(kind, left, above, corner):
    if kind < 3:
        return left if kind == 1 else above
    if kind == 3:
        return (left + above) // 2
    guess = left + above - corner
    return min((left, above, corner), key=lambda one: abs(guess - one))
