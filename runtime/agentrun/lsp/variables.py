"""What a template may name at a place: arguments, the run, the call, and the result of a tool."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from agentrun.diagnostics import Span
from agentrun.lsp.outline import Token
from agentrun.lsp.view import Place
from agentrun.spec.nodes import items, members
from agentrun.spec.rules.templates import names_in_scope
from agentrun.spec.types import BACKENDS

EACH = "each"  # the scope of a template in a case that has `each`, and the name that it sees
_OPEN = re.compile(r"\{[{%](?:(?!\{[{%]|[%}]\}).)*\Z", re.DOTALL)
_PATH = re.compile(r"((?:\w+\.)*)(\w*)\Z")
_HOLE = re.compile(r"(?<!\{)\{\+?(\w*)\Z")
_WORD = re.compile(r"\w*")


class Dotted(msgspec.Struct, frozen=True):
    """A name in a template that a place is in: `args.ci|ty` has the owner `args`, and goes from `c` to `y`.

    `scope` says which names the template sees: run, call, result, url or each.
    """

    scope: str
    owner: str
    word: str
    start: int
    end: int


def dotted_at(place: Place, token: Token, offset: int) -> Dotted | None:
    """The name at an offset, where that is within a template; in a url, the name of a hole."""
    scopes = (marks.get("x-template") for _, marks in place.schemas())
    scope = next((str(one) for one in scopes if one), None) if token.role != "key" else None
    if place.kind == "test" and each_of(place) is not None:
        scope = EACH
    if scope is None:
        return None
    text = place.view.text
    before = text[token.start : offset]
    found = _HOLE.search(before) if scope == "url" else None
    if scope == "url":
        owner, word = "args", found[1] if found is not None else ""
    else:
        inside = _OPEN.search(before)
        if inside is None or _is_quoted(inside.group()[2:]):
            return None
        found = _PATH.search(inside.group())
        owner, word = (found[1].rstrip("."), found[2]) if found is not None else ("", "")
    if found is None:
        return None
    after = _WORD.match(text, offset, token.end)
    end = after.end() if after is not None else offset
    return Dotted(scope, owner, word + text[offset:end], offset - len(word), end)


def _is_quoted(expression: str) -> bool:
    """Whether an expression ends within a text. In a quoted YAML text its quotes are written as `\\"` or `''`."""
    plain = expression.replace('\\"', '"').replace("''", "'")
    open_quote = ""
    for char in plain:
        if char == open_quote:
            open_quote = ""
        elif char in "\"'" and not open_quote:
            open_quote = char
    return bool(open_quote)


def known_names(place: Place, dotted: Dotted) -> dict[str, tuple[str, ...]]:
    """The names that a template sees beside `args`, each with its parts where these are fixed."""
    if dotted.scope == EACH:
        return {EACH: tuple(each_of(place) or ())}
    return names_in_scope(dotted.scope, _backend(place))


def each_of(place: Place) -> dict[str, Span] | None:
    """The values that `each` gives the case around a place, with where each is first written; None without one."""
    is_inside = place.route[:1] == ("cases",) and len(place.route) > 2 and place.route[2] != EACH
    each = place.node.get(*place.route[:2], EACH) if is_inside and place.node is not None else None
    if each is None:
        return None
    names: dict[str, Span] = {}
    for row in items(each) if each.is_list else [each]:
        for name in members(row):
            names.setdefault(name, row.keys[name])
    return names


def _backend(place: Place) -> str | None:
    for node in (place.node, place.document.node if place.document is not None else None):
        for backend in BACKENDS:
            if node is not None and node.get(backend) is not None:
                return backend
    return None


def type_of(schema: Any) -> str:
    """The type of a parameter, in a word or two."""
    if not isinstance(schema, dict):
        return "any value"
    kind = schema.get("type")
    if "enum" in schema and isinstance(schema["enum"], list):
        return ", ".join(str(option) for option in schema["enum"])
    if isinstance(kind, list):
        return " or ".join(str(one) for one in kind)
    return str(kind) if kind else "any value"
