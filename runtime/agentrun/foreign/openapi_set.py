"""An OpenAPI document as a set of the project, which follows the document: its tools are made when an agent runs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from agentrun.foreign.converted import Converted, Left, NewFile
from agentrun.foreign.yaml_text import without_variables, yaml_document
from agentrun.openapi.document import ApiDocument, Chosen
from agentrun.openapi.operation import Operation, SecurityScheme
from agentrun.visible import one_line

Schemes = tuple[SecurityScheme, ...]


def document_as_set(
    document: ApiDocument,
    chosen: Chosen,
    *,
    name: str,
    path: str,
    spec: str,
    allowed_tools: Sequence[str],
    base_url: str | None = None,
    sha256: str | None = None,
) -> Converted:
    """`spec` is where the document is, seen from the folder of `path`, or its URL, which `sha256` pins."""
    made = _Making(name)
    keys: dict[str, Any] = {
        "spec": without_variables(spec),
        "allowed_tools": [one.replace("$", "$$") for one in allowed_tools],
    }
    if sha256 is not None:
        keys["sha256"] = sha256
    if base_url is not None:
        keys["base_url"] = base_url
    elif not all(one.server for one in chosen.operations):
        keys["base_url"] = made.variable("URL", "the address of the service")
    keys |= made.credentials(chosen.operations)
    title = one_line(document.title, 100) or name
    data = {"description": f"Operations of {without_variables(title)}.", "openapi": keys}
    if re.sub(r".*/|\.yaml$", "", path) != name:
        data = {"name": name, **data}
    return Converted(
        files=[NewFile(path, yaml_document(data, path=path))],
        left=[Left(0, f"{one.outline.method} {one.outline.path}", one.why) for one in chosen.unusable],
        notes=[*made.notes, *(f"`{one}` chooses no operation" for one in chosen.unmatched)],
        variables=[f"{variable}: {about}" for variable, about in made.variables.items()],
    )


class _Making:
    def __init__(self, name: str) -> None:
        stem = re.sub(r"[^A-Z0-9]+", "_", name.upper()).strip("_") or "API"
        self._stem = f"API_{stem}" if stem[0].isdigit() else stem
        self.variables: dict[str, str] = {}
        self.notes: list[str] = []

    def variable(self, end: str, about: str) -> str:
        self.variables[f"{self._stem}_{end}"] = about
        return f"${{{self._stem}_{end}}}"

    def credentials(self, operations: Iterable[Operation]) -> dict[str, Any]:
        """`auth`, or `headers`, of the way that most operations can be asked in."""
        counts: dict[Schemes, int] = {}
        for operation in operations:
            for schemes in dict.fromkeys(operation.security):
                counts[schemes] = counts.get(schemes, 0) + 1
        usable = {one: count for one, count in counts.items() if one and all(scheme.kind for scheme in one)}
        if not usable:
            if any(counts):
                self.notes.append(
                    "the document asks for credentials of a kind that `auth` has not: `headers` may serve"
                )
            return {}
        best = max(usable, key=lambda one: (usable[one], -len(one)))
        made: dict[str, Any] = {}
        headers: dict[str, str] = {}
        for scheme in best:
            if scheme.kind == "api_key" and (scheme.place == "cookie" or (scheme.place == "header" and "auth" in made)):
                key = self.variable(f"KEY_{len(headers) + 1}", f"the key `{one_line(scheme.name, 60)}`")
                in_cookie = scheme.place == "cookie"
                headers["Cookie" if in_cookie else scheme.name] = f"{scheme.name}={key}" if in_cookie else key
            elif "auth" in made:
                self.notes.append(
                    f"the document asks for `{one_line(scheme.title, 60)}` too, and `auth` is one of them"
                )
            else:
                made["auth"] = self._auth(scheme)
        return made | ({"headers": headers} if headers else {})

    def _auth(self, scheme: SecurityScheme) -> dict[str, Any]:
        if scheme.kind == "basic":
            user = self.variable("USER", "the user's name")
            return {"basic": {"username": user, "password": self.variable("PASSWORD", "the password")}}
        if scheme.kind == "api_key":
            key = self.variable("KEY", f"the key `{one_line(scheme.name, 60)}`")
            return {"api_key": {"in": scheme.place, "name": without_variables(scheme.name), "value": key}}
        if scheme.kind == "oauth2":
            made: dict[str, Any] = {
                "token_url": without_variables(scheme.token_url),
                "client_id": self.variable("CLIENT_ID", "the client's id"),
                "client_secret": self.variable("CLIENT_SECRET", "the client's secret"),
            }
            return {"oauth2": made | ({"scopes": list(scheme.scopes)} if scheme.scopes else {})}
        return {"bearer": self.variable("TOKEN", "the access token")}
