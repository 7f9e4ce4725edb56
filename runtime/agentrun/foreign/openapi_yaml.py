"""Operations of an OpenAPI document as http tools in files that a person goes on with.

What a set keeps in step with its document is fixed here: responses come back whole, and whoever wants less writes
`output`. Addresses and names are the document's; credentials are variables, which are told.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from agentrun.foreign.converted import Converted, Left, NewFile
from agentrun.foreign.openapi_http import HttpOf
from agentrun.foreign.openapi_values import Inexpressible
from agentrun.foreign.yaml_text import prose, without_variables, yaml_document, yaml_documents
from agentrun.openapi.document import ApiDocument, Chosen
from agentrun.openapi.operation import Operation, SecurityScheme
from agentrun.spec.function_names import made_name

MANY = 40  # operations, from which on each tag has a file of its own
# What a file may hold is more: room is left for whoever edits it.
_MAX_FILE_CHARS = 600_000
_MAX_FILE_NODES = 30_000
_MAX_FILE_TEMPLATES = 1_500
_MAX_FILE_TEMPLATE_CHARS = 50_000
_TEMPLATE = re.compile(r"\{\{.*?\}\}")
_ILLEGAL = re.compile(r"[^A-Za-z0-9_-]+")


def operations_as_yaml(
    document: ApiDocument,
    chosen: Chosen,
    *,
    stem: str,
    path: str | None = None,
    prefix: str = "",
    base_url: str | None = None,
    by_tag: bool | None = None,
) -> Converted:
    """The chosen operations as tools, in their order. `stem` names files and variables; `path` is the one file for
    all, and without it many operations have a file for each tag, which `by_tag` settles. `prefix` begins each name.
    `base_url` goes over the document's servers.
    """
    made = _Converting(stem, prefix, base_url)
    converted = Converted()
    converted.left += [Left(0, _named(one.outline.method, one.outline.path), one.why) for one in chosen.unusable]
    tools = [(operation, tool) for operation in chosen.operations if (tool := made.tool(operation, converted.left))]
    spread = by_tag if by_tag is not None else len(tools) > MANY
    about = " ".join(filter(None, [document.title, document.version])) or "an OpenAPI document"
    comment = f"From {about}. The tools are yours from here on: nothing follows the document."
    for name, group in _files(tools, stem, path, by_tag=spread and path is None):
        converted.files.append(NewFile(name, _text(name, comment, group)))
    converted.variables += [f"{name}: {what}" for name, what in made.variables.items()]
    converted.notes += made.notes(bool(tools))
    converted.notes += [f"`{one}` chooses no operation" for one in chosen.unmatched]
    return converted


class _Converting:
    def __init__(self, stem: str, prefix: str, base_url: str | None) -> None:
        self.variables: dict[str, str] = {}
        self._stem = (re.sub(r"[^A-Z0-9]+", "_", stem.upper()).strip("_") or "API").removesuffix("_API") or "API"
        if self._stem[0].isdigit():
            self._stem = f"API_{self._stem}"
        self._prefix = prefix
        self._base_url = base_url
        self._names: set[str] = set()
        self._is_open = False

    def tool(self, operation: Operation, left: list[Left]) -> dict[str, Any] | None:
        """None where it can't be one; `left` is told of it, and of what is missing in one that can."""
        shown = _named(operation.method, operation.path)
        try:
            converted = HttpOf(operation)
        except Inexpressible as error:
            left.append(Left(0, shown, error.reason))
            return None
        left += [Left(0, what, why, shown) for what, why in converted.left]
        base_url = self._base_url if self._base_url is not None else without_variables(operation.server)
        if not base_url:
            base_url = self._variable("URL", "the address of the service")
        credentials, why = self._credentials(operation)
        if why:
            left.append(Left(0, "its credentials", why, shown))
        http = {"base_url": base_url, **converted.http}
        http |= {"headers": http.get("headers", {}) | credentials.pop("headers")} if "headers" in credentials else {}
        tool: dict[str, Any] = {"name": self._name(operation), "description": prose(operation.description)}
        if (parameters := converted.parameters) is not None:
            tool["parameters"] = parameters
        return {**tool, "http": {**http, **credentials}}

    def notes(self, has_tools: bool) -> list[str]:
        if has_tools and self._is_open:
            return ["the document says of some operations that they need no credentials: write `auth` where they do"]
        return []

    def _name(self, operation: Operation) -> str:
        whole = made_name(f"{self._prefix}{_ILLEGAL.sub('_', operation.name).strip('_') or 'operation'}")
        name, number = whole, 1
        while name in self._names:
            number += 1
            name = f"{whole[:60]}_{number}"
        self._names.add(name)
        return name

    def _variable(self, end: str, what: str, *, optional: bool = False) -> str:
        name = f"{self._stem}_{end}"
        self.variables[name] = what
        return f"${{{name}:-}}" if optional else f"${{{name}}}"

    # -- credentials

    def _credentials(self, operation: Operation) -> tuple[dict[str, Any], str]:
        """`auth`, and `headers` for what goes beside it; or why there is none."""
        needed = [one for one in operation.security if one]
        if not needed:
            self._is_open = True
            return {}, ""
        optional = len(needed) < len(operation.security)
        reason = ""
        for alternative in needed:
            try:
                return self._all_of(alternative, optional=optional), ""
            except Inexpressible as error:
                reason = reason or error.reason
        return {}, "" if optional else reason

    def _all_of(self, schemes: Sequence[SecurityScheme], *, optional: bool) -> dict[str, Any]:
        """One is `auth`; further ones are headers."""
        if any(one.kind is None for one in schemes):
            raise Inexpressible(
                f"`{next(one.title for one in schemes if one.kind is None)}` is of no kind that `auth` has"
            )
        made: dict[str, Any] = {}
        headers: dict[str, str] = {}
        for one in schemes:
            if one.kind == "api_key" and one.place == "cookie":
                headers["Cookie"] = (
                    f"{one.name}={self._variable('COOKIE', f'the cookie `{one.name}`', optional=optional)}"
                )
            elif "auth" not in made:
                made["auth"] = self._auth(one, optional=optional)
            elif one.kind == "api_key" and one.place == "header":
                headers[one.name] = self._key(one, optional=optional)
            else:
                raise Inexpressible(f"it needs `{one.title}` beside `{schemes[0].title}`, and `auth` is one of them")
        return made | ({"headers": headers} if headers else {})

    def _auth(self, one: SecurityScheme, *, optional: bool) -> dict[str, Any]:
        if one.kind == "basic":
            user = self._variable("USER", "the user's name", optional=optional)
            return {
                "basic": {"username": user, "password": self._variable("PASSWORD", "the password", optional=optional)}
            }
        if one.kind == "api_key":
            return {"api_key": {"in": one.place, "name": one.name, "value": self._key(one, optional=optional)}}
        if one.kind == "oauth2":
            made: dict[str, Any] = {
                "token_url": without_variables(one.token_url),
                "client_id": self._variable("CLIENT_ID", "the client's id", optional=optional),
                "client_secret": self._variable("CLIENT_SECRET", "the client's secret", optional=optional),
            }
            return {"oauth2": made | ({"scopes": list(one.scopes)} if one.scopes else {})}
        return {"bearer": self._variable("TOKEN", "the access token", optional=optional)}

    def _key(self, one: SecurityScheme, *, optional: bool) -> str:
        """Keys of several names are several variables."""
        end = re.sub(r"[^A-Z0-9]+", "_", one.name.upper()).strip("_")
        end = end.removeprefix("X_") or "KEY"
        end = end if any(word in end for word in ("KEY", "TOKEN", "SECRET", "ID")) else f"{end}_KEY"
        return self._variable(end.removeprefix(f"{self._stem}_"), f"the key `{one.name}`", optional=optional)


# -- files ------------------------------------------------------------------------------------------------------------

Tools = Sequence[tuple[Operation, dict[str, Any]]]


def _files(tools: Tools, stem: str, path: str | None, *, by_tag: bool) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The tools of each file, and its path. One that would be too large goes on in another."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for operation, tool in tools:
        tag = _ILLEGAL.sub("_", operation.tags[0]).strip("_").lower() if by_tag and operation.tags else ""
        name = f"{stem}_{tag}" if tag else stem
        groups.setdefault(path or f"tools.d/{name[:100]}.yaml", []).append(tool)
    taken = set(groups)
    for name, group in groups.items():
        for number, part in enumerate(_parts(group), 1):
            own = name if number == 1 else f"{name.removesuffix('.yaml')}_{number}.yaml"
            while number > 1 and own in taken:
                own = f"{own.removesuffix('.yaml')}_more.yaml"
            taken.add(own)
            yield own, part


def _parts(group: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    part: list[dict[str, Any]] = []
    sizes: tuple[int, ...] = (0, 0, 0, 0)
    most = (_MAX_FILE_CHARS, _MAX_FILE_NODES, _MAX_FILE_TEMPLATES, _MAX_FILE_TEMPLATE_CHARS)
    for tool in group:
        own = _size(tool)
        both = tuple(first + second for first, second in zip(sizes, own, strict=True))
        if part and any(one > limit for one, limit in zip(both, most, strict=True)):
            yield part
            part, both = [], own
        part.append(tool)
        sizes = both
    if part:
        yield part


def _size(value: Any) -> tuple[int, ...]:
    """Characters, nodes, templates and their characters, about as many as the file will have."""
    if isinstance(value, str):
        found = _TEMPLATE.findall(value)
        return len(value) + 10, 1, len(found), sum(map(len, found))
    if isinstance(value, Mapping):
        below = [_size(one) for pair in value.items() for one in pair]
    elif isinstance(value, list):
        below = [_size(one) for one in value]
    else:
        return 10, 1, 0, 0
    return tuple(sum(column) for column in zip((10, 1, 0, 0), *below, strict=True))


def _text(path: str, comment: str, tools: list[dict[str, Any]]) -> str:
    """The first document has the comment; a name that is the file's is not said again."""
    texts = []
    for index, tool in enumerate(tools):
        is_files_own = len(tools) == 1 and path == f"tools.d/{tool['name']}.yaml"
        data = {key: one for key, one in tool.items() if not (key == "name" and is_files_own)}
        texts.append(yaml_document(data, path=path, comments=[comment] if index == 0 else ()))
    return yaml_documents(texts)


def _named(method: str, path: str) -> str:
    return f"{method} {path}"
