"""Whether a credential stands where a reader would see it: `no_secrets`. It is told where, never what."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from agentrun.secrets import MASKED
from agentrun.spec.credential_words import has_key, is_dummy, names_credential, without_keys
from agentrun.spec.nodes import Route
from agentrun.testing.expect.claims import Claim
from agentrun.testing.expect.shown import path
from agentrun.testing.observed import ObservedCall, ObservedStep

_SHORTEST = 6


def secret_claims(steps: Sequence[ObservedStep]) -> Iterator[Claim]:
    """A claim for each place where one stands. What the run knows for a secret is masked already."""
    for step in steps:
        if (kind := _kind(step.text)) is not None:
            yield _found(kind, "the answer")
        elif step.output is not None:
            yield from _in_data(step.output, "the answer")
        for call in step.calls:
            yield from _in_call(call)


def _in_call(call: ObservedCall) -> Iterator[Claim]:
    whose = f"the arguments of `{without_keys(call.name)}`"
    told = list(_in_data(call.arguments or {}, whose))
    yield from told
    if not told and (kind := _kind(call.raw_arguments)) is not None:
        yield _found(kind, whose)


def _in_data(data: Any, whose: str, route: Route = ()) -> Iterator[Claim]:
    if isinstance(data, (dict, list)):
        for step, child in data.items() if isinstance(data, dict) else enumerate(data):
            if isinstance(step, str) and (kind := _kind(step)) is not None:
                yield _found(kind, f"a name in {whose}")
            else:
                yield from _in_data(child, whose, (*route, step))
    elif isinstance(data, str) and (kind := _kind(data, str(route[-1]) if route else "")) is not None:
        yield _found(kind, f"`{path(route)}` of {whose}" if route else whose)


def _kind(text: str, name: str = "") -> str | None:
    """What a text gives away; `name` is that of the member which it is the value of."""
    if MASKED in text:
        return "a secret"
    if has_key(text) or (names_credential(name) and len(text) >= _SHORTEST and not is_dummy(text)):
        return "what looks like a credential"
    return None


def _found(kind: str, where: str) -> Claim:
    return Claim((), False, f"{where} is without credentials", f"{kind} stands in {where}")
