"""Spans as lines of OTLP JSON, the format of OpenTelemetry's file exporter: written as they end, and read again.

Each line stands alone: `{"resourceSpans": […]}` with one span. A file is added to and never replaced, as logs are; a
line is written whole, so that several runs may share one. Reading takes what other programs wrote, too: it is hostile
input, and what does not fit is left out.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from agentrun import __version__
from agentrun.errors import UsageError, reason_of
from agentrun.observers.span import Span, SpanEvent

SERVICE = "agentrun"
SCOPE = {"name": "agentrun", "version": __version__}
_KINDS = {"internal": 1, "client": 3}
_ERROR = 2
_MARK = b'"resourceSpans"'
_HEAD_BYTES = 64 * 1024
_MAX_DEPTH = 20

_encode = msgspec.json.Encoder().encode


class OtlpFile:
    """Adds spans to a file, which only its owner may read where it is made here.

    `failure` is why nothing more is written; it costs nothing else. Raises `UsageError` where the file can't be opened
    or holds something else.
    """

    def __init__(self, path: Path, environ: Mapping[str, str]) -> None:
        self.failure: OSError | None = None
        self._path = path
        name = environ.get("OTEL_SERVICE_NAME") or SERVICE
        resource = {"attributes": _attributes({"service.name": name, "service.version": __version__})}
        empty = _encode({"resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": SCOPE, "spans": [0]}]}]})
        self._before, _, self._after = empty.rpartition(b"0]")
        self._after = b"]" + self._after + b"\n"
        try:
            # Of a pipe only the one end: whoever reads the other may leave, and nobody waits for them then.
            access = os.O_RDWR if not path.exists() or path.is_file() else os.O_WRONLY
            self._file = os.open(path, access | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise UsageError(f"the trace file `{path}` can't be written: {reason_of(error)}") from None
        try:
            self._begin = self._end_of_what_is_there()
        except OSError as error:
            raise UsageError(f"the trace file `{path}` can't be read: {reason_of(error)}") from None

    def write(self, spans: Iterable[Span]) -> None:
        if self.failure is not None:
            return
        for span in spans:
            line = self._begin + self._before + _encode(encoded(span)) + self._after
            try:
                while line:  # a disk that gets full takes a part
                    line = line[os.write(self._file, line) :]
            except OSError as error:
                self.failure = error
                return
            self._begin = b""

    def close(self) -> None:
        os.close(self._file)

    def _end_of_what_is_there(self) -> bytes:
        """What comes before the first line: a line that was cut off ends there."""
        about = os.fstat(self._file)
        if not stat.S_ISREG(about.st_mode) or not about.st_size:
            return b""
        if _MARK not in os.pread(self._file, _HEAD_BYTES, 0):
            os.close(self._file)
            help = "name another file: spans are added to it, so it must hold spans"
            raise UsageError(f"the file `{self._path}` is there already, and is no trace", help=help)
        return b"" if os.pread(self._file, 1, about.st_size - 1) == b"\n" else b"\n"


def encoded(span: Span) -> dict[str, Any]:
    """A span as OTLP JSON has it: ids in hexadecimal, 64-bit numbers as texts."""
    found: dict[str, Any] = {"traceId": span.trace_id, "spanId": span.span_id}
    if span.parent_id:
        found["parentSpanId"] = span.parent_id
    found |= {
        "name": span.name,
        "kind": _KINDS[span.kind],
        "startTimeUnixNano": str(span.start_ns),
        "endTimeUnixNano": str(span.end_ns),
        "attributes": _attributes(span.attributes),
    }
    if span.events:
        found["events"] = [
            {"timeUnixNano": str(one.time_ns), "name": one.name, "attributes": _attributes(one.attributes)}
            for one in span.events
        ]
    if span.is_error:
        found["status"] = {"code": _ERROR} | ({"message": span.message} if span.message else {})
    return found


def _attributes(given: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(value)} for key, value in given.items()]


def _value(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, list):
        return {"arrayValue": {"values": [_value(one) for one in value]}}
    return {"stringValue": str(value)}


# -- reading ---------------------------------------------------------------------------------------------------


def is_trace(line: bytes) -> bool:
    """Whether a line is of such a file."""
    return line.lstrip().startswith(b"{") and _MARK in line[:_HEAD_BYTES]


def decoded(line: bytes) -> list[Span]:
    """The spans of one line. What is no span is left out; raises `ValueError` where the line is no JSON."""
    try:
        data = msgspec.json.decode(line)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(str(error)) from None
    found = []
    for resource in _dicts(data.get("resourceSpans") if isinstance(data, dict) else None):
        for scope in _dicts(resource.get("scopeSpans")):
            found += [span for one in _dicts(scope.get("spans")) if (span := _span(one)) is not None]
    return found


def _span(one: Mapping[str, Any]) -> Span | None:
    trace_id, span_id, start = one.get("traceId"), one.get("spanId"), _time(one.get("startTimeUnixNano"))
    if not (isinstance(trace_id, str) and isinstance(span_id, str) and trace_id and span_id and start is not None):
        return None
    status = one.get("status")
    status = status if isinstance(status, dict) else {}
    return Span(
        trace_id=trace_id.lower(),
        span_id=span_id.lower(),
        parent_id=str(one.get("parentSpanId") or "").lower(),
        name=str(one.get("name") or ""),
        kind="client" if one.get("kind") in (_KINDS["client"], "SPAN_KIND_CLIENT") else "internal",
        start_ns=start,
        end_ns=max(start, _time(one.get("endTimeUnixNano")) or start),
        attributes=_read_attributes(one.get("attributes")),
        events=tuple(
            SpanEvent(
                str(event.get("name") or ""),
                _time(event.get("timeUnixNano")) or start,
                _read_attributes(event.get("attributes")),
            )
            for event in _dicts(one.get("events"))
        ),
        is_error=status.get("code") in (_ERROR, "STATUS_CODE_ERROR"),
        message=str(status.get("message") or ""),
    )


def _read_attributes(given: Any) -> dict[str, Any]:
    return {str(one.get("key")): _read_value(one.get("value")) for one in _dicts(given)}


def _read_value(value: Any, depth: int = 0) -> Any:
    if not isinstance(value, dict) or depth > _MAX_DEPTH:
        return ""
    if "intValue" in value:
        return _number(value["intValue"]) or 0
    if isinstance(array := value.get("arrayValue"), dict):
        return [_read_value(one, depth + 1) for one in _dicts(array.get("values"))]
    if isinstance(pairs := value.get("kvlistValue"), dict):
        return {str(one.get("key")): _read_value(one.get("value"), depth + 1) for one in _dicts(pairs.get("values"))}
    for key in ("stringValue", "boolValue", "doubleValue", "bytesValue"):
        if isinstance(value.get(key), (str, bool, int, float)):
            return value[key]
    return ""


def _number(value: Any) -> int | None:
    """64-bit numbers come as texts, from some programs as numbers."""
    try:
        number = int(value) if isinstance(value, (str, int)) else None
    except ValueError:
        return None
    return number if number is not None and abs(number) < 2**63 else None


def _time(value: Any) -> int | None:
    number = _number(value)
    return None if number is None or number < 0 else number


def _dicts(value: Any) -> Iterator[dict[str, Any]]:
    return (one for one in value if isinstance(one, dict)) if isinstance(value, list) else iter(())
