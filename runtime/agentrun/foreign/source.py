"""A file of another format as values that know their lines: YAML, or JSON, which is read as YAML.

Bounded in bytes, values and depth. Knows no format.
"""

from __future__ import annotations

import re

from agentrun.diagnostics import report
from agentrun.errors import SpecError, UsageError
from agentrun.spec.nodes import Node
from agentrun.spec.yaml_nodes import Bounds, read_bytes

BOUNDS = Bounds(bytes=8 * 1024 * 1024, nodes=200_000, depth=100)
# JSON writes a character outside the first plane as two escapes, which YAML refuses. `\\ud83d` is none.
_PAIR = re.compile(rb"(?<!\\)((?:\\\\)*)\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")
_HALF = re.compile(rb"(?<!\\)((?:\\\\)*)\\u[dD][89a-fA-F][0-9a-fA-F]{2}")


def read_source(path: str, raw: bytes) -> Node:
    """The one document of a file; `path` is what findings show. Raises `SpecError` where it can't be read."""
    if raw.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"{":
        raw = _as_yaml(raw)
    read = read_bytes(path, raw, BOUNDS)
    errors = [one for one in read.diagnostics if one.severity == "error"]
    if errors:
        raise SpecError(report(errors, {path: read.text}))
    if len(read.documents) != 1:
        what = "is empty" if not read.documents else f"holds {len(read.documents)} YAML documents"
        raise UsageError(f"`{path}` {what}", help="one document is imported at a time")
    return read.documents[0]


def _as_yaml(raw: bytes) -> bytes:
    """JSON whose escapes YAML knows. Lines stay where they are."""
    raw = _PAIR.sub(lambda found: found[1] + _joined(found[2], found[3]), raw)
    return _HALF.sub(lambda found: found[1] + b"\\ufffd", raw)


def _joined(high: bytes, low: bytes) -> bytes:
    return chr(0x10000 + (int(high, 16) - 0xD800) * 0x400 + int(low, 16) - 0xDC00).encode()
