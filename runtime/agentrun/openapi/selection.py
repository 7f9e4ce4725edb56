"""`allowed_tools` of a set: which operations its entries choose.

An entry is a glob of operation names (`list*`), of tags (`tag:orders`), or of paths (`/orders/*`, `GET /orders/*`);
`*` stands for any text, `/` too. An operation that is deprecated is chosen only by an entry that means it alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

import msgspec

from agentrun.openapi.outline import Outline

_WITH_METHOD = re.compile(r"([A-Za-z*]+)\s+([/*].*)", re.DOTALL)
TAG = "tag:"


class Selected(msgspec.Struct, frozen=True):
    """`unmatched` are the entries that choose nothing."""

    outlines: tuple[Outline, ...]
    unmatched: tuple[str, ...]


def selected(outlines: Sequence[Outline], entries: Iterable[str]) -> Selected:
    """In the document's order, each once."""
    entries = list(dict.fromkeys(entries))
    chosen: set[str] = set()
    unmatched = []
    for entry in entries:
        found = [one.name for one in outlines if chooses(entry, one)]
        chosen.update(found)
        if not found:
            unmatched.append(entry)
    return Selected(tuple(one for one in outlines if one.name in chosen), tuple(unmatched))


def chooses(entry: str, one: Outline) -> bool:
    return means(entry, one) or (not one.deprecated and matches(entry, one))


def means(entry: str, one: Outline) -> bool:
    """Whether an entry names an operation itself."""
    method, path = _of_a_path(entry)
    return entry == one.name or (method == one.method and path == one.path)


def matches(entry: str, one: Outline) -> bool:
    """Whether an entry, as a glob, fits an operation that is not deprecated."""
    if entry.startswith(TAG):
        return any(fnmatchcase(tag, entry.removeprefix(TAG).strip()) for tag in one.tags)
    method, path = _of_a_path(entry)
    if path:
        return (path == one.path or fnmatchcase(one.path, path)) and fnmatchcase(one.method, method)
    return fnmatchcase(one.name, entry)


def _of_a_path(entry: str) -> tuple[str, str]:
    """The method, in capitals, and the path that an entry names; empty where it names none."""
    if entry.startswith("/"):
        return "*", entry
    found = _WITH_METHOD.fullmatch(entry)
    return (found[1].upper(), found[2]) if found else ("", "")
