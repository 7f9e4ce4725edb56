"""Unknown keys: what each was meant for, and where a key belongs that is known at another level."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from agentrun.diagnostics import MAX_TOLD, Diagnostic, Fix, one_of
from agentrun.spec.edits import Texts, put_inside, rename_key
from agentrun.spec.known_settings import KNOWN_SETTINGS
from agentrun.spec.meant import meant_name
from agentrun.spec.nodes import Node, Route
from agentrun.spec.other_words import advice, entry_advice, other_words
from agentrun.spec.schema import JsonSchema, Kind, accepts, branch_for, branches, json_type, member_schema, schema_of
from agentrun.spec.spelling import is_surely
from agentrun.spec.wording import form, subject
from agentrun.spec.yaml_nodes import parse_scalar

_MOST_NAMED = 4
_SETTINGS = frozenset(name for names in KNOWN_SETTINGS.values() for name in names)
_ODD = re.compile(r"[^\x20-\x7e]+")


def unknown_keys(
    kind: Kind, root: Node, texts: Texts, route: Route, schema: JsonSchema, instance: Mapping[str, Any]
) -> list[Diagnostic]:
    """A finding for each key of a mapping that the schema doesn't know; one for all that want the same done."""
    allowed = list(schema.get("properties", {}))
    free = [name for name in allowed if name not in instance]
    strange = strangers(schema, instance)[:MAX_TOLD]
    mapping = root.get(*route)
    taken = set(mapping.keys) if mapping is not None else set()  # also what was written without a value
    if (kind == "tool" and not route and is_openai_form(instance)) or (route and len(strange) > 1):
        # It says no more than the other: `{type: bearer, token: …}`.
        strange = [key for key in strange if key != "type"]
    homes = {key: home_of(kind, schema, key, instance) for key in strange}
    groups: dict[str, list[str]] = {}
    for key in strange:
        told = homes[key] or advice(key, allowed) or entry_advice(key, allowed, instance[key]) or key
        groups.setdefault(told, []).append(key)
    found = []
    for keys in groups.values():
        key, home = keys[0], homes[keys[0]]
        help = _help(kind, root, route, schema, instance, key) if home is None else _into(home, len(keys))
        span = root.key_place((*route, key))
        name = _meant(kind, schema, key, free, instance[key]) if home is None else None
        fix: Fix | None = None
        if name is not None and name not in taken and _may_fit(kind, schema, name, instance[key]):
            fix = rename_key(texts, span, key, name, safe=is_surely(key, name, free))
            taken.add(name)
        elif home is not None and len(keys) == 1 and home not in taken and kind == "test":
            fix = put_inside(texts, root.get(*route), key, home)
        where = f" in {subject(route)}" if route else ""
        found.append(Diagnostic("AR301", "error", f"unknown {_named(keys)}{where}", span, help, fix=fix))
    return found


def _named(keys: list[str]) -> str:
    if len(keys) == 1:
        return f"key `{keys[0]}`"
    named = [f"`{key}`" for key in keys]
    if len(keys) > _MOST_NAMED:
        named[_MOST_NAMED - 1 :] = [f"{len(keys) - _MOST_NAMED + 1} more"]
    return f"keys {', '.join(named[:-1])} and {named[-1]}"


def _into(home: str, count: int) -> str:
    return f"write {'it' if count == 1 else 'them'} inside `{home}`"


def strangers(schema: JsonSchema, instance: Iterable[str]) -> list[str]:
    """The keys of a mapping that the schema doesn't know."""
    allowed = schema.get("properties", {})
    return [key for key in instance if key not in allowed and not key.startswith("x-")]


def is_openai_form(tool: Mapping[str, Any]) -> bool:
    """`{type: function, function: {…}}`, as OpenAI's API takes a tool."""
    return isinstance(tool.get("function"), dict)


def is_meant(kind: Kind, schema: JsonSchema, instance: Mapping[str, Any], names: Iterable[str]) -> bool:
    """Whether an unknown key of a mapping was meant for one of these names, or belongs inside it."""
    wanted = [name for name in names if name not in instance]
    if kind == "tool" and "http" in wanted and is_openai_form(instance):
        return True
    if kind == "tool" and "http" in wanted and isinstance(instance.get("tools"), list):
        return True  # a list of tools in a file
    return any(
        _meant(kind, schema, key, wanted, instance[key]) is not None or home_of(kind, schema, key, instance) in wanted
        for key in strangers(schema, instance)
    )


def _meant(kind: Kind, schema: JsonSchema, key: str, free: list[str], value: Any) -> str | None:
    """The key that an unknown one was meant for: of several words the first that its value fits."""
    others = [name for name in _words(kind, key) if name in free]
    name = next((one for one in others if _may_fit(kind, schema, one, value)), None) or meant_name(key, free)
    if name is None or name in others or is_surely(key, name, free):
        return name or next(iter(others), None)
    return None if entry_advice(key, list(schema.get("properties", {})), value) else name


def _words(kind: Kind, key: str) -> tuple[str, ...]:
    """The keys that another word may stand for; a case is called by many."""
    return (*other_words(key), *(("name",) if kind == "test" and key.lower() in _NAMES_OF_A_CASE else ()))


_NAMES_OF_A_CASE = ("case", "id", "it", "label", "scenario", "test", "title")


def home_of(kind: Kind, schema: JsonSchema, key: str, instance: Mapping[str, Any]) -> str | None:
    """The key of this mapping that takes an unknown one inside: `sandbox` belongs in `shell`."""
    members = schema.get("properties", {})
    free = [name for name in members if name not in instance]
    name = _meant(kind, schema, key, free, instance[key])
    if (name is not None and is_surely(key, name, free)) or advice(key, list(members)):
        return None
    homes = [name for name, member in members.items() if key in _inside(kind, member)]
    written = [name for name in homes if isinstance(instance.get(name, {}), dict) and name in instance]
    found = written or homes
    if not written and "model" in members and (key in _SETTINGS or len(homes) > 1):
        return None  # of `model.settings`; or `timeout`, which `model` and `limits` have
    return found[0] if found and (name is None or written or name not in _words(kind, key)) else None


def _inside(kind: Kind, member: JsonSchema) -> Iterator[str]:
    for branch in branches(kind, member):
        if branch.get("additionalProperties") is False:
            yield from branch.get("properties", {})


def _help(kind: Kind, root: Node, route: Route, schema: JsonSchema, instance: Mapping[str, Any], key: str) -> str:
    allowed = list(schema.get("properties", {}))
    if kind == "tool" and key == "function" and is_openai_form(instance):
        return "write its `name`, `description` and `parameters` at the top, and a backend such as `http` beside them"
    free = [name for name in allowed if name not in instance]
    if instance[key] is None and " " in key:
        return "it has no value: a text that holds a comma must stand in quotes"
    mapping = root.get(*route)
    above = [*mapping.content.values()] if mapping is not None and " " in key else []
    if any(one.style in ("|", ">") and not one.content for one in above):
        return "indent the text of `|`"
    if odd := _odd_characters(key, allowed):
        return odd
    name = _meant(kind, schema, key, free, instance[key])
    told = advice(key, allowed) or entry_advice(key, allowed, instance[key])
    if name is not None and not _may_fit(kind, schema, name, instance[key]):
        told = told or (form((*route, name), kind) if kind == "test" else None)
        name = None if isinstance(instance[key], dict) or told else name
    if name is not None and (is_surely(key, name, free) or name in _words(kind, key)):
        return f"did you mean `{name}`?"
    if told is not None:
        return told
    outer = _outer(kind, root, route, key)
    if outer is not None:
        return f"write it beside `{outer}`, not inside"
    if name is not None:
        return f"did you mean `{name}`?"
    if "model" in allowed and key in _SETTINGS:
        return f"write it in the settings of the model: `model: {{name: …, settings: {{{key}: …}}}}`"
    homes = [one for one, member in schema.get("properties", {}).items() if key in _inside(kind, member)]
    if len(homes) > 1:
        return f"write it inside {' or '.join(f'`{one}`' for one in homes)}"
    if "settings" in allowed:
        return f"what is sent to the service as it is goes below `settings`; allowed here: {one_of(free, limit=40)}"
    return f"allowed: {one_of(allowed, limit=40)}"


def _odd_characters(key: str, allowed: list[str]) -> str | None:
    """Help about characters that look like spaces or signs, around or inside a key."""
    odd = _ODD.search(key)
    if odd is None:
        return None
    if odd[0][0] == "\uff1a":
        return "`\uff1a` doesn't end a key: write `:` and a space"
    name = unicodedata.name(odd[0][0], "an odd character").lower()
    plain = meant_name(_ODD.sub("", key), allowed)
    instead = f"write `{plain}`" if plain else "write it with plain letters, and indent with plain spaces"
    return f"it has U+{ord(odd[0][0]):04X} in it ({name}): {instead}"


def _outer(kind: Kind, root: Node, route: Route, key: str) -> str | None:
    """The mapping around this one beside which the key belongs."""
    schema, node = schema_of(kind), root
    found: str | None = None
    for step in route:
        branch = branch_for(kind, schema, node.content) or {}
        if branch.get("additionalProperties") is False and key in branch.get("properties", {}) and key != step:
            found = str(step)
        schema = branch.get("items", {}) if isinstance(step, int) else member_schema(branch, step)
        inside = node.get(step)
        if inside is None:
            break
        node = inside
    return found


def _may_fit(kind: Kind, schema: JsonSchema, name: str, value: Any) -> bool:
    """Whether a value fits a key, or will without its quotes."""
    fits = _fits(kind, schema, name, value)
    return fits or (isinstance(value, str) and _fits(kind, schema, name, parse_scalar(value)))


def _fits(kind: Kind, schema: JsonSchema, name: str, value: Any) -> bool:
    """Whether a value is of a type that a key takes."""
    return any(accepts(one, json_type(value)) for one in branches(kind, schema["properties"][name]))
