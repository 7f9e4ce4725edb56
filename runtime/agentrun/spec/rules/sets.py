"""Sets of tools: `mcp` and `openapi`. What a set can't take, and what it was not meant to say.

What a server offers is known online only; what a document describes is `openapi_findings.py`'s.
"""

from __future__ import annotations

from collections.abc import Iterator

from agentrun.diagnostics import Diagnostic, Related
from agentrun.spec.catalog import Catalog, Document
from agentrun.spec.edits import write
from agentrun.spec.function_names import HANDOFF_PREFIX
from agentrun.spec.nodes import items, name_place, text_of
from agentrun.spec.rules.toolbox import entry_of

_OF_EACH_MEMBER = ("parameters", "strict")
_BY_TRANSPORT = {"command": ("headers", "auth"), "server_url": ("env", "cwd")}


def keys_of_one_tool(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    """Each member brings its own."""
    for key in _OF_EACH_MEMBER if document.is_set else ():
        written = document.node.get(key)
        if written is not None and written.content is not False:
            message = f"`{key}` can't be said of a set: each of its tools has its own"
            yield Diagnostic("AR660", "error", message, document.node.key_place((key,)), "leave it out")


def keys_of_the_other_transport(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    server = document.node.get("mcp") if document.is_set else None
    if server is None or not server.is_mapping:
        return
    for transport, keys in _BY_TRANSPORT.items():
        other = "server_url" if transport == "command" else "command"
        if server.get(transport) is None or server.get(other) is not None:
            continue
        for key in keys:
            if server.get(key) is not None:
                help = f"leave it out, or write `{other}`"
                message = f"`{key}` has no effect on a server with `{transport}`"
                yield Diagnostic("AR661", "warning", message, server.key_place((key,)), help)


def commands_in_one_text(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    """`command: ["npx -y some-server"]` names one program, with spaces in its name."""
    command = items(document.node.get("mcp", "command")) if document.is_set else []
    words = (text_of(command[0]) or "").split() if len(command) == 1 else []
    if len(words) > 1 and "/" not in words[0]:
        whole = "[" + ", ".join(words) + "]"
        message = f"`{' '.join(words)}` is looked for as one program: each argument is an element of its own"
        yield Diagnostic("AR662", "error", message, command[0].span, f"write `command: {whole}`")


def names_that_meet(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    """A tool of an agent whose name a member of one of its sets may have."""
    if document.kind != "agent":
        return
    tools = catalog.tools_of(document)
    for tool_set in (one for one in tools if one.is_set):
        for tool in tools:
            if tool is not tool_set and tool.name.startswith(f"{tool_set.name}_") and not tool.is_set:
                message = f"the tool `{tool.name}` is called as a tool of the set `{tool_set.name}` may be"
                help = "rename one of them: an agent can't have two tools of one name"
                related = (Related("the set", name_place(tool_set.node)),)
                yield Diagnostic("AR663", "warning", message, entry_of(document, tool).span, help, related)


def reserved_beginnings(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    """All members of such a set would look like hand-offs."""
    if document.is_set and f"{document.name}_".startswith(HANDOFF_PREFIX):
        message = f"a set can't be called `{document.name}`: `{HANDOFF_PREFIX}…` hands a conversation over"
        yield Diagnostic("AR409", "error", message, name_place(document.node), "rename it")


def rules_about_a_set(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    """`ask: github` matches no call: its tools are called `github_…`."""
    if document.kind != "agent":
        return
    sets = {one.name for one in catalog.tools_of(document) if one.is_set}
    for rule in items(document.node.get("permissions")) if sets else ():
        for action in ("deny", "ask", "allow"):
            pattern = rule.get(action) if rule.is_mapping else None
            name = text_of(pattern)
            if pattern is not None and name in sets:
                message = f"`{action}: {name}` matches no call: `{name}` is a set, and its tools are called `{name}_…`"
                fix = write(pattern, f"{name}_*", safe=True)
                yield Diagnostic("AR407", "error", message, pattern.span, f"write `{name}_*`", fix=fix)


RULES = (
    keys_of_one_tool,
    keys_of_the_other_transport,
    commands_in_one_text,
    names_that_meet,
    reserved_beginnings,
    rules_about_a_set,
)
