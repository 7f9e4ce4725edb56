"""Security schemes of a document, as the credentials of a tool's `auth` that serve them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agentrun.openapi.operation import SecurityScheme
from agentrun.openapi.problems import OperationProblem
from agentrun.openapi.references import References, escaped

Alternatives = tuple[tuple[SecurityScheme, ...], ...]


class Security:
    def __init__(self, references: References) -> None:
        root = references.root
        components = root.get("components")
        written = components.get("securitySchemes") if isinstance(components, dict) else None
        self._default = root.get("security")
        self._schemes: dict[str, Mapping[str, Any]] = {}
        for name, one in written.items() if isinstance(written, dict) else ():
            try:
                scheme = references.follow(one, f"/components/securitySchemes/{escaped(name)}").value
            except OperationProblem:
                continue
            if isinstance(scheme, dict):
                self._schemes[name] = scheme

    @property
    def carried(self) -> frozenset[tuple[str, str]]:
        """Place and name of what schemes carry: never an argument. Headers are in small letters."""
        return frozenset(
            (str(one.get("in")), name.lower() if one.get("in") == "header" else name)
            for one in self._schemes.values()
            if one.get("type") == "apiKey" and isinstance(name := one.get("name"), str)
        )

    def of(self, operation: Mapping[str, Any]) -> Alternatives:
        written = operation.get("security", self._default)
        if not isinstance(written, list):
            return ()
        made = []
        for one in written:
            if isinstance(one, dict):
                made.append(tuple(self._scheme(name, scopes) for name, scopes in one.items()))
        return tuple(dict.fromkeys(made))

    def _scheme(self, title: str, scopes: Any) -> SecurityScheme:
        """One that the document doesn't define is of no kind."""
        written = self._schemes.get(title, {})
        kind, word = written.get("type"), str(written.get("scheme", "")).lower()
        if kind == "apiKey":
            return SecurityScheme(title, "api_key", str(written.get("in", "")), str(written.get("name", "")))
        if kind == "http" and word in ("bearer", "basic"):
            return SecurityScheme(title, "bearer" if word == "bearer" else "basic")
        if kind == "openIdConnect":
            return SecurityScheme(title, "bearer")
        if kind == "oauth2":
            flows = written.get("flows")
            flow = flows.get("clientCredentials") if isinstance(flows, dict) else None
            if not isinstance(flow, dict):
                return SecurityScheme(title, "bearer")  # a token that a person was given
            needed = tuple(one for one in scopes if isinstance(one, str)) if isinstance(scopes, list) else ()
            return SecurityScheme(title, "oauth2", token_url=str(flow.get("tokenUrl", "")), scopes=needed)
        return SecurityScheme(title, None)
