"""A project that is being made out of a file of another format: its agents, tools and sets, and what could not be said.

Names are made legal here, each its own; credentials become variables. Knows the language, no other format.
"""

from __future__ import annotations

import re
from typing import Any

from agentrun.foreign.converted import Converted, Left, NewFile
from agentrun.foreign.urls import path_keys
from agentrun.foreign.yaml_text import without_variables, yaml_document
from agentrun.json_schema import Validator
from agentrun.spec.credential_words import (
    KEY,
    has_key,
    is_dummy,
    looks_random,
    names_credential,
    names_query_credential,
    without_keys,
)
from agentrun.spec.function_names import HANDOFF_PREFIX, RESERVED, made_name
from agentrun.spec.nodes import Node
from agentrun.spec.schema_problems import problems_of

MAX_LEFT = 500
_ILLEGAL = re.compile(r"[^A-Za-z0-9_-]+")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TEMPLATE = re.compile(r"\{([{%#])")
# Where `${}` is read, and where `{{ }}` is an error.
_WIRED = ("model", "http", "shell", "mcp")
_VERBATIM = ("script",)
_NO_TEMPLATES = ("model", "mcp")
_SCALARS = ("string", "integer", "number", "boolean")
_LIKE_ONE = re.compile(r"auth|credential|key|password|secret|sig|token", re.IGNORECASE)
_BEARER = re.compile(r"(?i:bearer)\s+(\S.*)")


class Draft:
    """`origin` is the file's name, as comments tell it."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.agents: dict[str, dict[str, Any]] = {}
        self.tools: dict[str, dict[str, Any]] = {}
        self.left: list[Left] = []
        self.notes: list[str] = []
        self.variables: dict[str, str] = {}
        self._taken: set[str] = set()
        self._calls: dict[str, set[str]] = {}

    # -- what could not be said

    def leave(self, place: Node | int, what: str, why: str) -> None:
        """`place` is the value, or the line, that is left."""
        line = place if isinstance(place, int) else place.span.line
        found = Left(line, what, why)
        if found not in self.left and len(self.left) < MAX_LEFT:
            self.left.append(found)

    def note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    # -- names

    def name(self, wanted: str, otherwise: str = "unnamed") -> str:
        """A legal name that nothing else has. Files of some systems don't tell capitals from small letters."""
        name = _ILLEGAL.sub("_", without_keys(wanted)).strip("_-") or otherwise
        if name in RESERVED or name.startswith(HANDOFF_PREFIX):
            name = f"the_{name}"
        name = made_name(name)
        number, free = 2, name
        while free.lower() in self._taken:
            free, number = f"{name[:59]}_{number}", number + 1
        self._taken.add(free.lower())
        return free

    # -- tools

    def may_call(self, caller: str, called: str) -> bool:
        """Whether an agent may have another as a tool: calls in a circle have no end. Remembered, where it may."""
        seen: set[str] = set()
        waiting = [called]
        while waiting:
            one = waiting.pop()
            if one == caller:
                return False
            if one not in seen:
                seen.add(one)
                waiting += self._calls.get(one, ())
        self._calls.setdefault(caller, set()).add(called)
        return True

    def tool(self, wanted: str, data: dict[str, Any]) -> str:
        """The name of a tool or set with this definition: two of the same are one."""
        for name, known in self.tools.items():
            if known == data and self._is_called(name, wanted):
                return name
        name = self.name(wanted, "tool")
        self.tools[name] = data
        return name

    def _is_called(self, name: str, wanted: str) -> bool:
        legal = made_name(_ILLEGAL.sub("_", without_keys(wanted)).strip("_-") or "tool")
        return name == legal or re.fullmatch(rf"{re.escape(legal[:59])}_\d+", name) is not None

    # -- variables and credentials

    def variable(self, name: str, about: str) -> str:
        """`${NAME}`, which must be set."""
        self.variables.setdefault(name, about)
        return f"${{{name}}}"

    def hidden(self, owner: str, name: str, about: str) -> str:
        """A variable in the place of a credential that stood in the file, or was left out of it."""
        words = re.sub(r"[^A-Z0-9]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).upper()).strip("_")
        words = words.removeprefix("X_") or "KEY"
        whose = re.sub(r"[^A-Z0-9]+", "_", owner.upper()).strip("_")
        made = words if not whose or words.startswith(f"{whose}_") else f"{whose}_{words}"
        made = f"_{made}" if made[0].isdigit() else made
        number, free = 2, made
        while self.variables.get(free, about) != about:
            free, number = f"{made}_{number}", number + 1
        return self.variable(free, about)

    def wired(self, owner: str, name: str, text: str, about: str) -> str:
        """A literal text of a field that `${}` is read in: a variable, where it is a credential."""
        return self.hidden(owner, name, about) if is_credential(name, text) else without_variables(text)

    def address(self, owner: str, url: str) -> str:
        """A literal address of a server, with variables for the credentials in its path and its query."""
        before, mark, query = url.partition("?")
        made = self.hidden_path(owner, url, without_variables(before))
        pieces = []
        for piece in query.split("&"):
            name, equals, text = piece.partition("=")
            is_key = text and not is_dummy(text) and names_query_credential(name)
            about = f"`{name}` of the address of {owner}"
            shown = self.hidden(owner, name, about) if is_key else self.wired(owner, name, text, about)
            pieces.append(f"{without_variables(name)}{equals}{shown}")
        return f"{made}{mark}{'&'.join(pieces)}"

    def hidden_path(self, owner: str, url: str, written: str) -> str:
        """A path as it is written, with variables for the keys that the url has in its own."""
        for key in path_keys(url):
            hidden = self.hidden(owner, "PATH_KEY", f"the key in the address of {owner}")
            written = written.replace(f"/{key}", f"/{hidden}")
        return written

    def argument(self, owner: str, before: str, text: str) -> str:
        """An element of a command line, which may be `--key=VALUE`, or VALUE with `--key` `before` it."""
        option, equals, value = text.partition("=")
        if equals and option.startswith("-"):
            return (
                f"{without_variables(option)}={self.wired(owner, option.lstrip('-'), value, f'`{option}` of {owner}')}"
            )
        name = before.lstrip("-") if before.startswith("-") and not text.startswith("-") else ""
        return self.wired(owner, name, text, f"`{before}` of {owner}" if name else f"an argument of {owner}")

    def header(self, owner: str, name: str, text: str) -> str:
        """A literal header. The word before a credential stays."""
        found = _BEARER.fullmatch(text)
        if found is not None and name.lower() == "authorization":
            return f"Bearer {self.hidden(owner, 'TOKEN', f'the bearer token for {owner}')}"
        return self.wired(owner, name, text, f"the value of the header {name} for {owner}")

    # -- schemas

    def schema(self, place: Node, what: str, schema: Any) -> Any:
        """A JSON Schema; one that is none is left, and any value is taken in its place."""
        if isinstance(schema, bool):
            return schema
        if not isinstance(schema, dict) or problems_of(schema):
            self.leave(place, what, "it is no JSON Schema: any value is taken")
            return {}
        return self._with_sound_defaults(place, what, schema)

    def _with_sound_defaults(self, place: Node, what: str, schema: Any) -> Any:
        """A default that breaks its own schema would break each call that leaves the argument out."""
        if not isinstance(schema, dict):
            return schema
        made = dict(schema)
        if isinstance(made.get("properties"), dict):
            members = made["properties"].items()
            made["properties"] = {key: self._with_sound_defaults(place, what, one) for key, one in members}
        if "default" in made and not _is_valid(made, made["default"]):
            self.leave(place, f"{what}: `default`", "it breaks its own schema")
            del made["default"]
        return made

    # -- the result

    def converted(self) -> Converted:
        files = [self._file(f"agents/{name}.yaml", data) for name, data in self.agents.items()]
        files += [self._file(f"tools.d/{name}.yaml", data) for name, data in self.tools.items()]
        variables = [f"{name}: {about}" for name, about in sorted(self.variables.items())]
        return Converted(files, sorted(self.left, key=lambda one: one.line), self.notes, variables)

    def _file(self, path: str, data: dict[str, Any]) -> NewFile:
        swept = self._swept(path, data, ())
        return NewFile(path, yaml_document(swept, path=path, comments=[f"From {self.origin}."]))

    def _swept(self, path: str, value: Any, route: tuple[str, ...]) -> Any:
        """The data without keys that stand inside texts, and without braces where a file may have none."""
        if isinstance(value, dict):
            return {_legal(str(key)): self._swept(path, one, (*route, str(key))) for key, one in value.items()}
        if isinstance(value, list):
            return [self._swept(path, child, route) for child in value]
        if not isinstance(value, str):
            return value
        shown = f"{path}: `{'.'.join(route)}`"
        if has_key(value):
            if route[0] in _WIRED and route[-1] not in _VERBATIM:
                value = KEY.sub(lambda found: self.hidden("", "KEY", f"a key in {shown}"), value)
            else:
                self.leave(1, shown, "a key stood in it, and is taken out")
                value = _legal(value) if route[-1] == "name" else without_keys(value)
        if (route[0] in _NO_TEMPLATES or route[:2] == ("shell", "cwd")) and _TEMPLATE.search(value):
            self.leave(1, shown, "no template is read there: its braces are written apart")
            value = _TEMPLATE.sub(r"{ \1", value)
        return value


def _legal(name: str) -> str:
    """A name without the keys in it, and without the brackets of what stands for them."""
    return without_keys(name).replace("[", "").replace("]", "") if has_key(name) else name


def _is_valid(schema: dict[str, Any], value: Any) -> bool:
    try:
        return Validator(schema).is_valid(value)
    except ValueError:
        return True  # it can't stand alone


def is_credential(name: str, text: str) -> bool:
    """Whether a literal text is one, by its form or by the name that it stands under."""
    if not text or is_dummy(text):
        return False
    return has_key(text) or names_credential(name) or (_LIKE_ONE.search(name) is not None and looks_random(text))


def as_scalar(schema: Any) -> Any:
    """The schema of an argument in a path, which is one value, and always given."""
    if not isinstance(schema, dict):
        return {"type": "string"}
    made = {key: value for key, value in schema.items() if key != "default"}
    return made if made.get("type") in _SCALARS else {**made, "type": "string"}


def is_variable(name: str) -> bool:
    return _VARIABLE.fullmatch(name) is not None


def authorized(headers: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """The headers without a bearer token that comes out of a variable alone, and that as `auth`."""
    for name, value in headers.items():
        found = re.fullmatch(r"(?i:bearer) (\$\{[A-Za-z_][A-Za-z0-9_]*\})", value) if isinstance(value, str) else None
        if name.lower() == "authorization" and found is not None:
            return {key: one for key, one in headers.items() if key != name}, {"bearer": found[1]}
    return headers, None
