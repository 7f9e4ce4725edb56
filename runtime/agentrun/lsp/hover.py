"""What is told of the thing under the pointer: a key, a tool or agent, an argument in a template."""

from __future__ import annotations

import msgspec

from agentrun.lsp.case_keys import argument_schemas
from agentrun.lsp.json_schema_keys import KEYS, is_schema, within_schema
from agentrun.lsp.naming import name_at
from agentrun.lsp.outline import Token, cursor_at
from agentrun.lsp.variables import dotted_at, known_names
from agentrun.lsp.view import Place, View
from agentrun.lsp.wording import about_document, about_key, about_parameter


class Hover(msgspec.Struct, frozen=True):
    """Markdown, and the stretch of the text that it is about."""

    text: str
    start: int
    end: int


def hover(view: View, offset: int) -> Hover | None:
    cursor = cursor_at(view.text, offset)
    if cursor is None:
        return None
    token = cursor.token
    place = view.place(token)
    return _name(view, token, offset) or _argument(place, token, offset) or _key(place, token)


def _name(view: View, token: Token, offset: int) -> Hover | None:
    name = name_at(view, token)
    if name is None or not name.documents or not name.start <= offset <= name.end:
        return None
    return Hover("\n\n---\n\n".join(about_document(one) for one in name.documents[:5]), name.start, name.end)


def _argument(place: Place, token: Token, offset: int) -> Hover | None:
    dotted = dotted_at(place, token, offset)
    if dotted is None or not dotted.word:
        return None
    known = known_names(place, dotted)
    if dotted.owner == "args":
        parameters = place.parameters()
        if dotted.word in parameters:
            return Hover(about_parameter(dotted.word, parameters[dotted.word]), dotted.start, dotted.end)
    elif not dotted.owner and dotted.word in known:
        parts = ", ".join(f"`{dotted.word}.{part}`" for part in known[dotted.word])
        return Hover(f"**{dotted.word}**" + (f": {parts}" if parts else ": of the result"), dotted.start, dotted.end)
    return None


def _key(place: Place, token: Token) -> Hover | None:
    if token.role != "key" or not token.has_colon:
        return None
    key = str(place.route[-1])
    arguments = argument_schemas(place, place.route[:-1])
    if key in arguments:
        return Hover(about_parameter(key, arguments[key]), token.start, token.end)
    rest = within_schema(place.kind, place.route)
    if rest and key in KEYS and is_schema(rest[:-1]):
        return Hover(f"**{key}**: JSON Schema\n\n{KEYS[key]}", token.start, token.end)
    for branch in place.branches(place.route[:-1]):
        if key in branch.get("properties", {}):
            is_required = key in branch.get("required", ())
            text = about_key(place.kind, key, branch["properties"][key], is_required=is_required)
            return Hover(text, token.start, token.end)
    return None
