"""Which stub answers a call: the first that fits it and is not used up. And the failure that a stub stands for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from agentrun.errors import FailureType, ToolFailure
from agentrun.spec.case_types import Stubs, StubSpec
from agentrun.spec.subset import includes
from agentrun.tools.network import NetworkFailure

_MAX_GIVEN_CHARS = 300


class NoStub(Exception):
    """A tool has stubs, and none is left for a call."""


class _Left(msgspec.Struct):
    """`is_counted`: it has a number of calls to answer, so that one that answers none was written for nothing."""

    stub: StubSpec
    times: float
    is_counted: bool
    used: bool = False


class StubBook:
    """The stubs of one case, by tool. In a list each answers once, unless it says `when` or `times`."""

    def __init__(self, stubs: Stubs) -> None:
        self._left: dict[str, list[_Left]] = {}
        for name, written in stubs.items():
            is_listed = isinstance(written, list)
            entries = written if isinstance(written, list) else [written]
            self._left[name] = [
                _Left(one, _times(one, is_listed=is_listed), is_listed or one.times is not None) for one in entries
            ]

    @property
    def names(self) -> list[str]:
        return list(self._left)

    def has(self, tool: str) -> bool:
        return tool in self._left

    def take(self, tool: str, arguments: Mapping[str, Any], further: str = "") -> StubSpec:
        """The stub for a call, or for a further request of one, which counts as used. Raises `NoStub`.

        `further` tells of that request, for the failure.
        """
        entries = self._left[tool]
        for one in entries:
            if one.times > 0 and includes(dict(arguments), one.stub.when):
                one.times -= 1
                one.used = True
                return one.stub
        given = msgspec.json.encode(arguments).decode()
        if len(given) > _MAX_GIVEN_CHARS:
            given = given[:_MAX_GIVEN_CHARS] + "…"
        spent = any(includes(dict(arguments), one.stub.when) for one in entries)
        why = "all that answer it are used up" if spent else "none has a `when` that fits"
        raise NoStub(f"no stub of `{tool}` is left for {given}{further}: {why}")

    def idle(self) -> Iterator[tuple[str, int, int]]:
        """The stubs of a list, or with `times`, that answered nothing: tool, number from 1, and how many it has."""
        for tool, entries in self._left.items():
            for number, one in enumerate(entries, 1):
                if one.is_counted and not one.used:
                    yield tool, number, len(entries)


def _times(stub: StubSpec, *, is_listed: bool) -> float:
    if stub.times is not None:
        return stub.times
    return 1 if is_listed and not stub.when else float("inf")


_MESSAGES: dict[FailureType, str] = {
    "connection": "could not connect",
    "http_status": "the service answered with an error",
    "exit_code": "the command failed",
    "output_too_large": "the output is too large",
    "tool_error": "the tool says that it failed",
    "internal": "the tool failed",
}


def failure_of(stub: StubSpec, timeout_s: float, origin: str = "") -> ToolFailure | None:
    """The failure that a stub stands for, in the words of a real one where it has none. `origin` is who was asked."""
    error = stub.error
    if error is None:
        return None
    if error.type == "timeout":
        return ToolFailure("timeout", error.message or f"no result after {timeout_s:g} s")
    if error.type == "connection" and origin:  # worth another attempt, as it would be
        message = error.message or f"could not connect to {origin} (connection refused)"
        return NetworkFailure("connection", message, retryable=True)
    details: dict[str, Any] = {}
    if stub.status is not None:
        details["status"] = stub.status
    if stub.exit_code is not None:
        details["exit_code"] = stub.exit_code
    return ToolFailure(error.type, error.message or _MESSAGES[error.type], **details)
