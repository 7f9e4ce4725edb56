"""What a span is, and how spans stand below one another. Values and pure functions; knows no events and no format."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any, Literal

import msgspec

LAST_NS = 2**63 - 1  # more is no time: every program can hold this
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")


class SpanEvent(msgspec.Struct, frozen=True):
    """Something that happened at a moment. Times are nanoseconds of Unix time."""

    name: str
    time_ns: int
    attributes: dict[str, Any] = {}


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of work that is over. Ids are hexadecimal; `parent_id` is empty where nothing is above it.

    Attributes are texts, numbers, booleans and lists of texts. `message` says what went wrong, where content is asked
    for.
    """

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    kind: Literal["internal", "client"]
    start_ns: int
    end_ns: int
    attributes: dict[str, Any]
    events: tuple[SpanEvent, ...] = ()
    is_error: bool = False
    message: str = ""

    @property
    def duration_s(self) -> float:
        return (self.end_ns - self.start_ns) / 1e9


class Parent(msgspec.Struct, frozen=True):
    """The span of another program that runs belong to."""

    trace_id: str
    span_id: str
    is_sampled: bool = True


def parent_in(environ: Mapping[str, str]) -> Parent | None:
    """The parent that `TRACEPARENT` names, in the form of W3C Trace Context, unless the propagators leave it out."""
    if "tracecontext" not in (environ.get("OTEL_PROPAGATORS", "").strip().lower() or "tracecontext"):
        return None
    found = _TRACEPARENT.fullmatch(environ.get("TRACEPARENT", "").strip().lower())
    if not found or not int(found[1], 16) or not int(found[2], 16):
        return None
    return Parent(found[1], found[2], bool(int(found[3], 16) & 1))


def trace_id_of(run_id: str) -> str:
    return sha256(f"agentrun trace {run_id}".encode()).hexdigest()[:32]


def span_id_of(run_id: str, seq: int) -> str:
    """Of the span that began with the event `seq` of a run."""
    return sha256(f"agentrun span {run_id} {seq}".encode()).hexdigest()[:16]


def in_order(spans: Iterable[Span]) -> list[tuple[int, Span]]:
    """Each span with its depth: what is above before what is below, what began earlier before what began later.

    One whose parent is not there, or stands below itself, counts as the first of its trace.
    """
    below: dict[tuple[str, str], list[Span]] = {}
    known = sorted(spans, key=lambda span: span.start_ns)
    for span in known:
        below.setdefault((span.trace_id, span.parent_id), []).append(span)
    ids = {(span.trace_id, span.span_id) for span in known}
    found: list[tuple[int, Span]] = []
    seen: set[tuple[str, str]] = set()
    tops = [span for span in known if not span.parent_id or (span.trace_id, span.parent_id) not in ids]
    for top in (*tops, *known):  # those that are left stand in circles
        waiting = [(0, top)]
        while waiting:
            depth, span = waiting.pop()
            key = span.trace_id, span.span_id
            if key in seen:
                continue
            seen.add(key)
            found.append((depth, span))
            waiting += [(depth + 1, one) for one in reversed(below.get(key, ()))]
    return found
