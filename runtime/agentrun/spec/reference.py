"""docs/reference.md as text: every key of the language, from the same schemas that files are checked with.

Pure; `tests/golden.py` writes the page. Each mapping has one section, named by the place where it is written, with a
table of its keys. Nothing here knows a key by name.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec

from agentrun.spec import case_types, definition, script_types, types
from agentrun.spec.schema import JsonSchema, Kind, marks_of, schema_of

_INTRO = """\
# Reference

Every key of the three kinds of files. This page is generated from the definition that files are checked with.

Null is the same as an absent key, except in `extends`, where it deletes. Keys that start with `x-` are allowed
everywhere and ignored. Any other unknown key is an error.
"""

_HEADINGS: dict[Kind, tuple[str, str]] = {
    "agent": ("Agent", "A file `agents/NAME.yaml` holds one."),
    "tool": ("Tool", "A file `tools.d/*.yaml` holds one or more, separated by `---`; an agent may hold its own."),
    "test": ("Test", "A file `tests/**/*.test.yaml` holds the cases of one agent."),
}
_TYPES = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "boolean",
    "object": "mapping",
    "null": "",
}
_SCALARS = {"text", "whole number", "number", "boolean"}
_MASKED = "and what comes from it is masked wherever text leaves the program"
_TEMPLATES = {
    "run": "`{{ }}` sees `args`, `run`",
    "call": "`{{ }}` sees `args`, `call`, `run`",
    "result": "`{{ }}` sees `args`, `call`, `run` and the result's names",
    "url": "`{name}` takes an argument",
}


class Section(msgspec.Struct):
    """A mapping of the language, with every place where it may stand.

    `routes` are those places, the first one its heading; a kind of file has none. `marks` hold at all of them.
    `more` follows the first route where two mappings may stand there, in a list or not.
    """

    name: str
    kind: Kind
    definition: JsonSchema
    routes: list[str]
    marks: dict[str, Any]
    more: str = ""

    @property
    def title(self) -> str:
        return f"`{self.routes[0]}`{self.more}" if self.routes else _HEADINGS[self.kind][0]

    @property
    def anchor(self) -> str:
        """As GitHub makes it: letters, digits, `_` and `-` are kept, and a space becomes a `-`."""
        kept = (letter for letter in self.title.lower() if letter.isalnum() or letter in "-_ ")
        return "".join(kept).replace(" ", "-")


def reference() -> str:
    """The whole page."""
    sections = _sections()
    parts = [_INTRO, _contents(sections)]
    for section in sections.values():
        parts.append(f"### {section.title}\n" if section.routes else f"## {section.title}\n")
        parts += [_notes(section), _table(section, sections)]
    return "\n".join(part for part in parts if part)


# -- sections -----------------------------------------------------------------------------------------------


class _Visit(msgspec.Struct):
    """A place where a mapping stands. `position` sorts places as the keys stand; `above` are the mappings around it;
    `is_entry`: it stands in a list."""

    name: str
    route: str
    position: tuple[int, ...]
    marks: dict[str, Any]
    above: tuple[str, ...]
    is_entry: bool = False


def _sections() -> dict[str, Section]:
    """By name of the definition. The page goes through a kind of file as its keys stand, each followed by its own."""
    roots: dict[str, Kind] = {schema_of(kind)["$ref"].rsplit("/", 1)[-1]: kind for kind in _HEADINGS}
    found: dict[str, Section] = {}
    order: dict[str, tuple[int, ...]] = {}
    entries: set[str] = set()
    for number, (root, kind) in enumerate(roots.items()):
        found[root] = Section(root, kind, schema_of(kind)["$defs"][root], [], {})
        order[root] = (number,)
        waiting = [_Visit(root, "", (number,), {}, tuple(roots))]
        for visit in waiting:  # outer places first: they make the better headings
            for one in _members(kind, visit):
                waiting.append(one)
                if one.name not in order and one.is_entry:
                    entries.add(one.name)
                order.setdefault(one.name, one.position)
                known = found.setdefault(one.name, Section(one.name, kind, _definition(kind, one), [], one.marks))
                known.marks = {mark: value for mark, value in known.marks.items() if mark in one.marks}
                in_its_section = visit.route in found[visit.name].routes[:1] or visit.name == root
                if known.kind == kind and in_its_section and one.route not in known.routes:
                    known.routes.append(one.route)
    ordered = {name: found[name] for name in sorted(found, key=lambda name: order[name])}
    headings = Counter(one.title for one in ordered.values())
    for name in entries:
        if headings[ordered[name].title] > 1:
            ordered[name].more = ", an entry"
    return ordered


def _definition(kind: Kind, visit: _Visit) -> JsonSchema:
    definition: JsonSchema = schema_of(kind)["$defs"][visit.name]
    return definition


def _members(kind: Kind, visit: _Visit) -> Iterator[_Visit]:
    """The mappings that the values of a mapping may be. One inside itself, and a kind of file, are left out."""
    for index, (key, member) in enumerate(_definition(kind, visit).get("properties", {}).items()):
        marks = {mark: value for mark, value in (visit.marks | marks_of(member)).items() if mark != "x-template"}
        for name, suffix, is_entry in _references(member):
            if name not in visit.above:
                route = f"{visit.route}.{key}{suffix}".removeprefix(".")
                yield _Visit(name, route, (*visit.position, index), marks, (*visit.above, name), is_entry)


def _references(schema: JsonSchema) -> Iterator[tuple[str, str, bool]]:
    """The definitions that a value may be, or an entry of it; `.NAME` where it is a mapping of names."""
    if "$ref" in schema:
        yield schema["$ref"].rsplit("/", 1)[-1], "", False
    for option in _options(schema):
        yield from _references(option)
    if "items" in schema:
        yield from ((name, more, True) for name, more, _ in _references(schema["items"]))
    if isinstance(schema.get("additionalProperties"), dict):
        for name, more, is_entry in _references(schema["additionalProperties"]):
            yield name, f".NAME{more}", is_entry


def _options(schema: JsonSchema) -> list[JsonSchema]:
    return [*schema.get("anyOf", ()), *schema.get("allOf", ())]


def _contents(sections: dict[str, Section]) -> str:
    lines = [f"{'  ' if one.routes else ''}- [{one.title}](#{one.anchor})" for one in sections.values()]
    return "\n".join(lines) + "\n"


def _notes(section: Section) -> str:
    about = section.definition.get("description", "")
    notes = [about] if section.routes else [_HEADINGS[section.kind][1], about]
    if section.routes[1:]:
        notes.append(f"Also at {', '.join(f'`{route}`' for route in section.routes[1:])}.")
    if section.marks.get("x-env"):
        masked = f", {_MASKED}" if section.marks.get("x-secret") else ""
        notes.append(f"`${{VAR}}` is read in all of it{masked}.")
    for mark, words in (("x-exactly-one", "Exactly one"), ("x-at-most-one", "At most one")):
        names = section.definition.get(mark, ())
        if names and words.lower() not in about:
            notes.append(f"{words} of {', '.join(f'`{name}`' for name in names)} is written.")
    return "\n".join(filter(None, notes)) + "\n" if any(notes) else ""


# -- tables -------------------------------------------------------------------------------------------------


def _table(section: Section, sections: dict[str, Section]) -> str:
    lines = ["| key | value | default | meaning |", "|---|---|---|---|"]
    for key, member in section.definition["properties"].items():
        value = _value(member, sections) or "any value"
        cells = [f"`{key}`", value, _default(section, key), _meaning(member, section)]
        lines.append(f"| {' | '.join(_cell(cell) for cell in cells)} |")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _value(schema: JsonSchema, sections: dict[str, Section]) -> str:
    """What may be written, in words; any alternative of it."""
    words = list(dict.fromkeys(filter(None, _alternatives(schema, sections))))
    if set(words) >= _SCALARS:
        words = ["scalar", *(word for word in words if word not in _SCALARS)]
    return ", or ".join(words)


def _alternatives(schema: JsonSchema, sections: dict[str, Section]) -> Iterator[str]:
    if "$ref" in schema:
        section = sections[schema["$ref"].rsplit("/", 1)[-1]]
        yield f"[{'mapping' if section.routes else section.kind}](#{section.anchor})"
    elif options := _options(schema):
        for option in options:
            yield from _alternatives(option, sections)
    elif "enum" in schema:
        yield ", ".join(f"`{_plain(option)}`" for option in schema["enum"])
    elif schema.get("type") == "array":
        items = _value(schema.get("items", {}), sections)
        yield f"list of ({items})" if ", or " in items else f"list of {items}" if items else "list"
    elif isinstance(schema.get("additionalProperties"), dict):
        yield f"mapping of names to {_value(schema['additionalProperties'], sections)}"
    elif "type" in schema:
        yield _TYPES[schema["type"]] + _bounds(schema)


def _bounds(schema: JsonSchema) -> str:
    low, above, high = schema.get("minimum"), schema.get("exclusiveMinimum"), schema.get("maximum")
    if low is not None and high is not None:
        return f", {low:g} to {high:g}"
    if low is not None:
        return f", at least {low:g}"
    if above is not None:
        return f", more than {above:g}" + (f", at most {high:g}" if high is not None else "")
    return ", not empty" if schema.get("minLength") else ""


def _default(section: Section, key: str) -> str:
    """None, a mapping of the language and an empty list or mapping need no words."""
    if key in section.definition.get("required", ()):
        return "required"
    modules = (types, case_types, script_types, definition)
    defined: Any = next(vars(one)[section.name] for one in modules if section.name in vars(one))
    field = next(one for one in msgspec.structs.fields(defined) if one.encode_name == key)
    default = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
    if default is None or default == [] or default == {} or isinstance(default, msgspec.Struct):
        return ""
    return f"`{_plain(default)}`"


def _plain(value: Any) -> str:
    """As it is written in YAML."""
    return value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)


def _meaning(schema: JsonSchema, section: Section) -> str:
    told = [schema.get("description", "")]
    reads = schema.get("x-env") and not section.marks.get("x-env")
    masks = schema.get("x-secret") and not section.marks.get("x-secret")
    if reads:
        told.append(f"`${{VAR}}` is read here{f', {_MASKED}' if masks else ''}.")
    elif masks:
        told.append("What comes from a `${VAR}` is masked.")
    if template := schema.get("x-template"):
        told.append(f"{_TEMPLATES[template]}.")
    return " ".join(filter(None, told))
