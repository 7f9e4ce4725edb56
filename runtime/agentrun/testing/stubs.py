"""Which stub answers a call: the first that fits it and is not used up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from agentrun.spec.case_types import Stubs, StubSpec
from agentrun.testing.subset import includes


class NoStub(Exception):
    """A tool has stubs, and none is left for a call."""


class _Left(msgspec.Struct):
    stub: StubSpec
    times: float


class StubBook:
    """The stubs of one case, by tool. In a list each answers once, unless it says `when` or `times`."""

    def __init__(self, stubs: Stubs) -> None:
        self._left: dict[str, list[_Left]] = {}
        for name, written in stubs.items():
            entries = written if isinstance(written, list) else [written]
            self._left[name] = [_Left(one, _times(one, is_listed=isinstance(written, list))) for one in entries]

    def has(self, tool: str) -> bool:
        return tool in self._left

    def take(self, tool: str, arguments: Mapping[str, Any]) -> StubSpec:
        """The stub for a call, which counts as used. Raises `NoStub`."""
        entries = self._left[tool]
        for one in entries:
            if one.times > 0 and includes(dict(arguments), one.stub.when):
                one.times -= 1
                return one.stub
        given = msgspec.json.encode(arguments).decode()
        spent = any(includes(dict(arguments), one.stub.when) for one in entries)
        why = "all that answer it are used up" if spent else "none has a `when` that fits"
        raise NoStub(f"no stub of `{tool}` is left for {given}: {why}")


def _times(stub: StubSpec, *, is_listed: bool) -> float:
    if stub.times is not None:
        return stub.times
    return 1 if is_listed and not stub.when else float("inf")
