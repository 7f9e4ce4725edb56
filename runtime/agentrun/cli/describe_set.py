"""A set of tools, and the members of one, as plain data: what its server or document is, and what it may touch.

Opens no connection: the operations of a document are known from its file, the tools of a server only once it was
asked, and then they come here as they were bound.
"""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from agentrun.discovery import display
from agentrun.engine.agent import BoundTool
from agentrun.errors import UsageError
from agentrun.places import folder_of
from agentrun.spec.catalog import Document
from agentrun.spec.function_names import member_names
from agentrun.spec.types import AuthSpec, ToolSpec
from agentrun.tool_sets import without

if TYPE_CHECKING:
    from agentrun.openapi.operation import Operation

Described = dict[str, Any]
EVERYTHING = ("*",)
_AUTHORITY = re.compile(r"https?://([^/?#{]+)|(\$[A-Za-z_][A-Za-z0-9_]*)", re.IGNORECASE)
_READS = ("GET", "HEAD")
_REPEATABLE = ("GET", "HEAD", "PUT", "DELETE")


def authority(url: str) -> str | None:
    """The host, with its port, of an address; a variable without a value by its name."""
    found = _AUTHORITY.match(url)
    return (found[1] or found[2]) if found else None


def place(written: str, path: Any) -> str:
    """A path as the current folder sees it; one that begins with a variable without a value as it is written."""
    return written if written.startswith("$") else display(path)


def auth_kind(spec: AuthSpec | None) -> str | None:
    """The kind of authentication, without a value of it."""
    if spec is None:
        return None
    if spec.api_key is not None:
        return f"api_key in the {spec.api_key.in_} `{spec.api_key.name}`"
    return next((name for name in ("bearer", "basic", "oauth2") if getattr(spec, name) is not None), None)


def token_url(spec: AuthSpec | None) -> str | None:
    return spec.oauth2.token_url if spec and spec.oauth2 else None


def tool_behind(tools: Iterable[Document], function: str) -> Document | None:
    """The tool that a function is, or the set that has it: of several the one with the longest name."""
    listed = list(tools)
    own = [one for one in listed if one.name == function and not one.is_set]
    sets = [one for one in listed if one.is_set and function.startswith(f"{one.name}_")]
    return own[0] if own else max(sets, key=lambda one: len(one.name), default=None)


# -- sets ---------------------------------------------------------------------------------------------------


def describe_mcp(document: Document) -> Described:
    spec: ToolSpec = document.spec
    mcp = spec.mcp
    assert mcp is not None, document.name  # noqa: S101 - whoever calls has looked
    host = authority(mcp.server_url or "")
    return {
        "command": mcp.command,
        "command_line": shlex.join(mcp.command) if mcp.command else None,
        "server_url": mcp.server_url,
        "hosts": [host] if host else [],
        "token_url": token_url(mcp.auth),
        "cwd": place(mcp.cwd, folder_of(document, "mcp", "cwd") / mcp.cwd) if mcp.command else None,
        "env": sorted(mcp.env),
        "headers": sorted(mcp.headers),
        "auth": auth_kind(mcp.auth),
        "allowed_tools": list(mcp.allowed_tools),
        "bind": sorted(mcp.bind),
    }


def describe_openapi(document: Document, wanted: tuple[str, ...] = EVERYTHING) -> Described:
    """`problem` says why the document can't be read; its operations are not known then."""
    spec: ToolSpec = document.spec
    api = spec.openapi
    assert api is not None, document.name  # noqa: S101 - whoever calls has looked
    is_url = "://" in api.spec
    problem: str | None = None
    found: list[tuple[str, Operation]] = []
    title = version = None
    try:
        source = _source(document)
        title, version = source.title, source.version
        found = operations(document, wanted)
    except UsageError as error:
        problem = error.message
    hosts = [api.base_url] if api.base_url else [one.server for _, one in found]
    return {
        "document": api.spec if is_url else place(api.spec, folder_of(document, "openapi", "spec") / api.spec),
        "title": title,
        "version": version,
        "problem": problem,
        "hosts": list(dict.fromkeys([one for one in map(authority, hosts) if one] + api.hosts)),
        "token_url": token_url(api.auth),
        "headers": sorted(api.headers),
        "auth": auth_kind(api.auth),
        "allowed_tools": list(api.allowed_tools),
        "bind": sorted(api.bind),
        "operations": None if problem else len(found),
        "methods": dict(sorted(Counter(one.method for _, one in found).items())),
        "members": [
            {
                "name": name,
                "operation": one.name,
                "method": one.method,
                "path": one.path,
                "url": _url(spec, one),
                "read_only": _reads(spec, one),
                "bind": _bound(spec, one),
            }
            for name, one in found
        ],
    }


def _source(document: Document) -> Any:
    from agentrun.openapi.sources import document_of

    spec: ToolSpec = document.spec
    assert spec.openapi is not None, document.name  # noqa: S101 - whoever calls has looked
    return document_of(spec.openapi, folder_of(document, "openapi", "spec"))


def operations(document: Document, wanted: tuple[str, ...] = EVERYTHING) -> list[tuple[str, Operation]]:
    """The operations of an openapi set that are wanted, each with its function's name. Raises `UsageError`."""
    chosen = _source(document).chosen(document.spec.openapi.allowed_tools).operations
    names = member_names(document.name, (one.name for one in chosen))
    return [
        (names[one.name], one) for one in chosen if any(fnmatchcase(names[one.name], pattern) for pattern in wanted)
    ]


def _bound(spec: ToolSpec, one: Operation) -> list[str]:
    """The arguments of an operation that the author has fixed."""
    fixed = spec.openapi.bind if spec.openapi is not None else {}
    return sorted(fixed.keys() & one.arguments.get("properties", {}).keys()) if fixed else []


def _reads(spec: ToolSpec, one: Operation) -> bool:
    return one.method in _READS if spec.read_only is None else spec.read_only


# -- members ------------------------------------------------------------------------------------------------


def describe_operations(tool_set: Described, document: Document, wanted: tuple[str, ...]) -> Iterable[Described]:
    """The members of an openapi set, as `describe_tool` describes a tool. `tool_set` is the set itself."""
    from agentrun.openapi_sets import callable_operation, function_parameters

    spec: ToolSpec = document.spec
    api = spec.openapi
    assert api is not None, document.name  # noqa: S101 - whoever calls has looked
    for name, one in operations(document, wanted):
        idempotent = one.method in _REPEATABLE if spec.idempotent is None else spec.idempotent
        yield {
            **tool_set,
            "name": name,
            "description": one.description,
            "parameters": without(function_parameters(callable_operation(one, api)), api.bind),
            "read_only": _reads(spec, one),
            "idempotent": idempotent,
            "backend": _backend_of(tool_set, one.name, one.method, _url(spec, one), _bound(spec, one)),
        }


def _url(spec: ToolSpec, one: Operation) -> str:
    base = spec.openapi.base_url if spec.openapi is not None else None
    return f"{base or one.server}{one.path}"


def _backend_of(tool_set: Described, operation: str, method: str, url: str, bind: list[str]) -> Described:
    shared = {key: tool_set["backend"][key] for key in ("document", "hosts", "token_url", "headers", "auth")}
    host = authority(url)
    return {
        "kind": "openapi",
        "set": tool_set["name"],
        "operation": operation,
        "method": method,
        "url": url,
        **shared,
        "hosts": list(dict.fromkeys(([host] if host else []) + shared["hosts"])),
        "bind": bind,
    }


def describe_member(tool_set: Described, tool: BoundTool) -> Described:
    """A member as it was bound: what a server says of it is known then."""
    return {
        **tool_set,
        "name": tool.name,
        "description": tool.function.description,
        "parameters": tool.function.parameters,
        "read_only": tool.read_only,
        "idempotent": bool(tool_set["idempotent"]),
        "untrusted_output": tool.untrusted_output,
        "backend": member_backend(tool_set, tool.name),
    }


def member_backend(tool_set: Described, name: str) -> Described:
    """What a call of a member reaches, by its function's name."""
    backend = tool_set["backend"]
    if backend["kind"] == "mcp":
        kept = {key: value for key, value in backend.items() if key not in ("allowed_tools", "wanted")}
        return {**kept, "set": tool_set["name"], "tool": name.removeprefix(f"{tool_set['name']}_")}
    found = next((one for one in backend["members"] if one["name"] == name), None)
    if found is None:
        return {**backend, "set": tool_set["name"], "operation": name, "method": "", "url": backend["document"]}
    return _backend_of(tool_set, found["operation"], found["method"], found["url"], found["bind"])
