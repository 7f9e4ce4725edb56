"""What may be written at a place: keys, values, names of tools and agents, and what templates may name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from agentrun.lsp.case_keys import argument_schemas, keys_of_backend
from agentrun.lsp.json_schema_keys import KEYS, TYPES, is_schema, within_schema
from agentrun.lsp.naming import bases_for, expected_at, named_at
from agentrun.lsp.outline import Cursor, Token, cursor_at
from agentrun.lsp.variables import EACH, Dotted, dotted_at, known_names, type_of
from agentrun.lsp.view import Place, View
from agentrun.lsp.wording import about_document, description_of, kind_of_value
from agentrun.spec.catalog import Document
from agentrun.spec.function_names import handoff_name
from agentrun.spec.nodes import texts
from agentrun.spec.schema import JsonSchema
from agentrun.spec.types import AT_MOST_ONE, EXACTLY_ONE
from agentrun.spec.wording import plain

_WORD_BEFORE = re.compile(r"[\w.*-]*\Z")
_WORD_AFTER = re.compile(r"[\w.*-]*")
_GROUPS = [set(names) for names in (*EXACTLY_ONE.values(), *AT_MOST_ONE.values())]


class Choice(msgspec.Struct, frozen=True):
    """One thing that may be written. `text` is what is written, `detail` a few words, `about` Markdown."""

    label: str
    what: Literal["key", "value", "tool", "agent", "variable"]
    detail: str = ""
    about: str = ""
    text: str = ""


class Completion(msgspec.Struct, frozen=True):
    """The choices in the order of their worth, and the stretch of the text that they replace."""

    start: int
    end: int
    choices: list[Choice]


def complete(view: View, offset: int) -> Completion | None:
    cursor = cursor_at(view.text, offset)
    if cursor is None:
        return None
    place = view.place(cursor.token)
    dotted = dotted_at(place, cursor.token, offset)
    if dotted is not None:
        return Completion(dotted.start, dotted.end, list(_names(place, dotted)))
    start, end = _word(view.text, cursor.token, offset)
    choices = list(_choices(place, cursor, is_followed=_is_followed_by_colon(view.text, end)))
    if start > 0 and view.text[start - 1] in ":-":  # without a blank it would be one word with what stands before
        choices = [msgspec.structs.replace(one, text=f" {one.text or one.label}") for one in choices]
    return Completion(start, end, choices)


def _word(text: str, token: Token, offset: int) -> tuple[int, int]:
    if token.role == "key" and token.has_colon:
        return token.start, token.end
    before = _WORD_BEFORE.search(text, token.start, offset)
    after = _WORD_AFTER.match(text, offset, max(token.end, offset))
    return before.start() if before else offset, after.end() if after else offset


def _is_followed_by_colon(text: str, end: int) -> bool:
    return text[end : end + 1] == ":"


def _choices(place: Place, cursor: Cursor, *, is_followed: bool) -> Iterator[Choice]:
    role = cursor.token.role
    if role == "key":
        yield from _keys(place, place.route[:-1], cursor.siblings, is_followed=is_followed)
        return
    values = list(_values(place, role, cursor.siblings))
    if role != "value" and not (values and _is_in_brackets(place.view.text, cursor.token)):
        values += _keys(place, place.route, cursor.siblings, is_followed=is_followed)
    if role in ("open", "value") and any(branch.get("type") == "array" for branch in place.branches()):
        values += _items(place, cursor)
    yield from values


def _is_in_brackets(text: str, token: Token) -> bool:
    """Whether an element stands in `[…]`, where a mapping begins with a brace."""
    return token.role == "item" and text[: token.start].rstrip()[-1:] in ("[", ",")


def _items(place: Place, cursor: Cursor) -> Iterator[Choice]:
    """The elements of a list that has no dash yet, or no bracket; where these are mappings, their keys."""
    is_open = cursor.token.role == "open"
    written = place.node.get(*place.route) if place.node is not None else None
    if written is not None and written.is_list and not is_open:
        return
    element = msgspec.structs.replace(cursor.token, route=(*cursor.token.route, 0), role="item")
    inner = place.view.place(element)
    found = list(_values(inner, "item", cursor.siblings))
    if is_open and not found:
        found = list(_keys(inner, inner.route, frozenset(), is_followed=False))
    for choice in found:
        text = choice.text or choice.label
        yield msgspec.structs.replace(choice, text=f"- {text}" if is_open else f"[{text}]")


# -- keys


def _keys(
    place: Place, route: tuple[str | int, ...], siblings: frozenset[str], *, is_followed: bool
) -> Iterator[Choice]:
    for choice in [*_free_keys(place, route), *_schema_keys(place, route, siblings)]:
        if choice.label not in siblings:
            yield choice if is_followed else msgspec.structs.replace(choice, text=f"{choice.label}: ")


def _schema_keys(place: Place, route: tuple[str | int, ...], siblings: frozenset[str]) -> Iterator[Choice]:
    """The keys of the language, required ones first."""
    first: dict[str, Choice] = {}
    others: dict[str, Choice] = {}
    shut = {name for group in _GROUPS if group & siblings for name in group - siblings}
    fitting = keys_of_backend(place, route)
    for branch in place.branches(route):
        properties: dict[str, JsonSchema] = branch.get("properties", {})
        required = branch.get("required", ())
        for key, schema in properties.items():
            if key in shut and _is_group(shut, properties):
                continue
            if fitting is not None and key not in fitting:
                continue
            detail = kind_of_value(place.kind, schema) + (", required" if key in required else "")
            (first if key in required else others)[key] = Choice(key, "key", detail, description_of(schema))
    yield from (first | {key: one for key, one in others.items() if key not in first}).values()


def _is_group(shut: set[str], properties: dict[str, JsonSchema]) -> bool:
    """Whether the alternatives are of this mapping: `json` and `body` are of others too."""
    return any(shut < group and group <= set(properties) for group in _GROUPS)


def _free_keys(place: Place, route: tuple[str | int, ...]) -> Iterator[Choice]:
    """Keys that the author's own files give: parameters, tools, the keys of JSON Schema."""
    rest = within_schema(place.kind, route)
    if rest is not None and is_schema(rest):
        yield from (Choice(key, "key", "JSON Schema", about) for key, about in KEYS.items())
    elif place.kind == "test" and named_at(msgspec.structs.replace(place, route=(*route, "")), "key") == "tool":
        yield from (_document(tool) for tool in place.tools())
        yield from _handoffs(*_who_answers(place)) if route[-1:] != ("tools",) else ()
    else:
        yield from _parameters(argument_schemas(place, route), "key")


# -- values


def _values(place: Place, role: str, siblings: frozenset[str]) -> Iterator[Choice]:
    named = named_at(place, role)
    if place.kind == "test":
        yield from _test_values(place, role, siblings)
    if named == "agent" and place.kind == "test" and len(place.route) > 1:
        yield from (_document(one) for one in _who_answers(place))
    elif named == "agent":
        yield from (_document(one) for one in place.catalog.agents.values() if one.name not in siblings)
    elif named == "base":
        yield from (_document(one) for one in bases_for(place))
    elif named == "tool":
        is_list = place.kind == "agent" and place.route[:1] == ("tools",)
        tools = list(place.catalog.tools.values()) if is_list else place.tools()
        yield from (_document(one) for one in tools if one.name not in siblings)
        if place.kind == "agent" and place.route[:1] in (("tool_choice",), ("permissions",)):
            yield from _handoffs(place.agent())
    if place.kind == "agent" and place.route == ("tool_choice",):
        yield from (Choice(word, "value") for word in ("auto", "none", "required"))
    if place.kind == "tool" and place.route == ("require_approval",):
        yield from (Choice(word, "value") for word in ("auto", "always", "never"))
    yield from _schema_values(place)
    yield from _argument_values(place)
    yield from _json_schema_values(place, siblings)


def _test_values(place: Place, role: str, siblings: frozenset[str]) -> Iterator[Choice]:
    """What a test may expect beside its tools: how a run ends, and how a call fails."""
    from agentrun.spec.rules.cases import FAILURES, REASONS

    within = expected_at(tuple("*" if isinstance(step, int) else step for step in place.route))
    if within == ("reason",):
        yield from (Choice(reason, "value") for reason in REASONS)
    elif within is not None and within[:1] == ("calls",) and within[-1] == "error":
        yield from (Choice(failure, "value") for failure in FAILURES)
    elif named_at(place, role) == "tool":
        yield from (one for one in _handoffs(*_who_answers(place)) if one.label not in siblings)


def _handoffs(*agents: Document | None) -> Iterator[Choice]:
    """The functions by which agents hand over."""
    listed = (name for one in agents if one is not None for name in texts(one.node.get("handoffs")))
    for name in dict.fromkeys(listed):
        yield Choice(handoff_name(name), "tool", f"hands over to {name}")


def _who_answers(place: Place) -> list[Document]:
    from agentrun.spec.rules.cases import handed_over

    agent = place.agent()
    return list(handed_over(place.catalog, agent).values()) if agent is not None else []


def _schema_values(place: Place) -> Iterator[Choice]:
    seen: set[str] = set()
    for schema, _ in place.schemas():
        for option in _options(place, schema):
            if option not in seen:
                seen.add(option)
                is_default = "default" in schema and plain(schema["default"]) == option
                yield Choice(option, "value", "default" if is_default else "")


def _argument_values(place: Place) -> Iterator[Choice]:
    """What the schema of an argument allows, where that is a few values."""
    schema = argument_schemas(place, place.route[:-1]).get(str(place.route[-1])) if place.route else None
    if isinstance(schema, dict):
        options = schema.get("enum", (True, False) if schema.get("type") == "boolean" else ())
        yield from (Choice(plain(option), "value") for option in options if isinstance(option, (str, bool, int)))


def _options(place: Place, schema: JsonSchema) -> Iterator[str]:
    from agentrun.spec.schema import branches

    every = list(branches(place.kind, schema))
    is_any_text = any(branch.get("type") == "string" and "enum" not in branch for branch in every)
    for branch in every:
        if "enum" in branch:
            yield from (plain(option) for option in branch["enum"] if option is not None)
        elif branch.get("type") == "boolean" and not is_any_text:
            yield from ("true", "false")


def _json_schema_values(place: Place, siblings: frozenset[str]) -> Iterator[Choice]:
    rest = within_schema(place.kind, place.route)
    if not rest:
        return
    if rest[-1] == "type" and is_schema(rest[:-1]):
        yield from (Choice(word, "value") for word in TYPES)
    elif rest[-1] in ("uniqueItems", "additionalProperties") and is_schema(rest[:-1]):
        yield from (Choice(word, "value") for word in ("true", "false"))
    elif rest[-2:-1] == ("required",) and place.node is not None:
        properties = place.node.get(*place.route[:-2], "properties")
        names = properties.content if properties is not None and properties.is_mapping else ()
        yield from (Choice(name, "variable", "parameter") for name in names if name not in siblings)


# -- templates


def _names(place: Place, dotted: Dotted) -> Iterator[Choice]:
    known = known_names(place, dotted)
    if dotted.owner == "args":
        yield from _parameters(place.parameters(), "variable")
    elif dotted.owner:
        yield from (Choice(name, "variable") for name in known.get(dotted.owner, ()))
    else:
        names = known if dotted.scope == EACH else ("args", *known)
        yield from (Choice(name, "variable", _ABOUT.get(name, "result")) for name in names)


_ABOUT = {"args": "arguments", "run": "this run", "call": "this call", EACH: "values of the case"}


def _parameters(schemas: dict[str, Any], what: Literal["key", "variable"]) -> Iterator[Choice]:
    for name, schema in schemas.items():
        described = schema.get("description", "") if isinstance(schema, dict) else ""
        yield Choice(name, what, type_of(schema), str(described))


def _document(document: Document) -> Choice:
    what: Literal["tool", "agent"] = "agent" if document.kind == "agent" else "tool"
    return Choice(document.name, what, document.path, about_document(document))
