"""Where the thing under the pointer is written: a tool, an agent, a base, a file, an argument, a function."""

from __future__ import annotations

import os
import re
from pathlib import Path

import msgspec

from agentrun.diagnostics import Span
from agentrun.lsp.naming import home, name_at, whole_path
from agentrun.lsp.outline import Token, cursor_at
from agentrun.lsp.variables import EACH, dotted_at, each_of
from agentrun.lsp.view import Place, View

_FILE_KEYS = (("system_prompt", "file"), ("script", "file"), ("model", "file"), ("openapi", "spec"))


class Target(msgspec.Struct, frozen=True):
    """A place in a file; None is its beginning."""

    path: Path
    span: Span | None = None


def define(view: View, offset: int) -> list[Target]:
    cursor = cursor_at(view.text, offset)
    if cursor is None:
        return []
    token = cursor.token
    name = name_at(view, token)
    if name is not None and name.start <= offset <= name.end:
        return [Target(whole_path(home(one).file), home(one)) for one in name.documents]
    place = view.place(token)
    return _argument(place, token, offset) or _file(view, place, token) or _function(view, place, token)


def _argument(place: Place, token: Token, offset: int) -> list[Target]:
    dotted = dotted_at(place, token, offset)
    if dotted is not None and dotted.owner == EACH:
        written = (each_of(place) or {}).get(dotted.word)
        if written is None:
            return []
        here = msgspec.structs.replace(written, file=str(place.view.path))
        return [Target(place.view.path, here)]
    if dotted is None or dotted.owner != "args":
        return []
    documents = [place.document] if place.route[:1] != ("permissions",) else place.tools()
    for document in documents:
        properties = document.node.get("parameters", "properties") if document is not None else None
        if properties is not None and dotted.word in properties.keys:
            span = properties.keys[dotted.word]
            return [Target(whole_path(span.file), span)]
    return []


def _file(view: View, place: Place, token: Token) -> list[Target]:
    is_cassette = place.kind == "test" and place.route[-1:] == ("cassette",)
    if token.role != "value" or not (is_cassette or place.route[-2:] in _FILE_KEYS):
        return []
    path = Path(os.path.abspath(view.path.parent / _text(view, token)))  # noqa: PTH100 - follows no link
    return [Target(path)] if path.is_file() else []


def _function(view: View, place: Place, token: Token) -> list[Target]:
    """The function that `python: module:function` names, found in the source and never imported."""
    if token.role != "value" or (place.kind, place.route) != ("tool", ("python",)):
        return []
    module, _, function = _text(view, token).partition(":")
    inside = view.root.joinpath(*module.split("."))
    for path in (inside.with_suffix(".py"), inside / "__init__.py"):
        if path.is_file():
            return [Target(path, _line_of(path, function))]
    return []


def _line_of(path: Path, function: str) -> Span | None:
    wanted = re.compile(rf"(?:async\s+)?def\s+({re.escape(function)})\s*\(|({re.escape(function)})\s*[:=]")
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        found = wanted.match(line)
        if found is not None:
            group = 1 if found[1] else 2
            return Span(str(path), number, found.start(group) + 1, number, found.end(group) + 1)
    return None


def _text(view: View, token: Token) -> str:
    return view.text[token.start : token.end].strip().strip("\"'")
