"""JSON from a model, hostile until checked: a call's arguments become one object, or a failure the model can mend.

Those that a run is given are checked here, too.
"""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

from agentrun.engine.agent import Agent, Check
from agentrun.errors import ToolFailure

MAX_CHARS = 1_048_576
MAX_DEPTH = 64
MAX_DIGITS = 4_300  # what Python reads
_SHOWN_DIGITS = 20
NO_OBJECT = "the arguments are not one JSON object"

_sorted = json.JSONEncoder(sort_keys=True, ensure_ascii=False).encode


def parse_arguments(text: str) -> dict[str, Any]:
    """One JSON object; raises `ToolFailure` that quotes the text: in the history `{}` takes its place."""
    if not text.strip():
        return {}
    try:
        value = parse_json(text)
    except ValueError as error:
        problem = str(error)
    else:
        if isinstance(value, dict):
            return value
        problem = f"this is {_kind(value)}"
    raise ToolFailure("invalid_arguments", f"{NO_OBJECT}: {problem}", arguments=text)


def check_arguments(check: Check, arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments with defaults filled in; raises `ToolFailure` that lists every violation."""
    filled: dict[str, Any] = check.with_defaults(arguments)
    violations = check.violations(filled)
    if violations:
        listed = [{"path": one.path, "message": one.message} for one in violations]
        message = "; ".join(f"{one.path}: {one.message}" if one.path else one.message for one in violations)
        raise ToolFailure("invalid_arguments", message, violations=listed)
    return filled


def given_arguments(agent: Agent, given: dict[str, Any], *, typed: bool, begins: bool) -> dict[str, Any]:
    """What a run is given for an agent's parameters, with defaults; raises `ToolFailure` where that can't be used.

    A message that was typed takes the place of `input`: only what the prompt uses must be there, where it is rendered.
    """
    if not typed:
        return check_arguments(agent.arguments, given)
    filled: dict[str, Any] = agent.arguments.with_defaults(given)
    missing = sorted(agent.prompt_arguments - filled.keys()) if begins else []
    if missing:
        raise ToolFailure("invalid_arguments", f"the system prompt needs the argument `{missing[0]}`", missing=missing)
    return filled


def canonical(arguments: dict[str, Any]) -> str:
    """The same text for the same arguments, whatever their order."""
    return _sorted(arguments)


def parse_json(text: str) -> Any:
    """JSON from a model; raises ValueError.

    Bounds are checked before the parser recurses, and what Python alone would let pass is refused.
    """
    if len(text) > MAX_CHARS:
        raise ValueError(f"it is longer than {MAX_CHARS:,} characters")
    if _depth(text) > MAX_DEPTH:
        raise ValueError(f"it is nested deeper than {MAX_DEPTH} levels")
    value = json.loads(
        text, object_pairs_hook=_unique, parse_constant=_no_constant, parse_int=_whole, parse_float=_finite
    )
    if "\\ud" in text.lower() and not _is_encodable(value):
        raise ValueError("it holds half a surrogate pair, which is no character")
    return value


def _depth(text: str) -> int:
    """Levels of brackets outside strings, in one pass."""
    depth = deepest = 0
    in_string = escaped = False
    if text.count("{") + text.count("[") <= MAX_DEPTH:
        return 0
    for character in text:
        if in_string:
            if escaped:
                escaped = False
            elif character == "\\":
                escaped = True
            elif character == '"':
                in_string = False
        elif character == '"':
            in_string = True
        elif character in "{[":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "}]":
            depth -= 1
    return deepest


def _is_encodable(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice!r} stands twice")
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _whole(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise ValueError(f"the number {_beginning(digits)} has more than {MAX_DIGITS:,} digits")
    return int(digits)


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError(f"the number {_beginning(digits)} is too large")
    return number


def _beginning(digits: str) -> str:
    return digits if len(digits) <= _SHOWN_DIGITS else f"{digits[:_SHOWN_DIGITS]}…"


def _kind(value: Any) -> str:
    return {list: "a list", str: "text", bool: "a boolean", type(None): "null"}.get(type(value), "a number")
