"""What an agent or a tool can do, as plain data: the JSON of `inspect` and `tools list`, and what their text shows.

Pure, from checked documents. Keys are those of the language where it has one. What carries credentials is told by
name only: a header, a variable, a kind of authentication, never a value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from agentrun.cli.describe_model import describe_model
from agentrun.cli.describe_set import (
    EVERYTHING,
    auth_kind,
    authority,
    describe_mcp,
    describe_openapi,
    place,
    token_url,
)
from agentrun.discovery import display
from agentrun.effects import has_untrusted_output, http_method, is_idempotent, is_read_only
from agentrun.json_schema import DEFAULT_AGENT_PARAMETERS, DEFAULT_PARAMETERS
from agentrun.places import part_folders, working_directory, writable_paths
from agentrun.project import Project
from agentrun.spec.catalog import Document
from agentrun.spec.function_names import handoff_name
from agentrun.spec.types import BACKENDS, AgentSpec, HttpSpec, PartSpec, PermissionSpec, ToolSpec

Described = dict[str, Any]


def describe_whole(project: Project, document: Document, environ: Mapping[str, str]) -> Described:
    """An agent, and under `takes_over` each other agent that its conversation, or one behind its tools, may come to."""
    described = describe_agent(project, document, environ)
    taking = [one for one in _taking_over(project, document) if one is not document]
    return {**described, "takes_over": [describe_agent(project, one, environ) for one in taking]}


def _taking_over(project: Project, document: Document) -> list[Document]:
    reached = [one for one in project.catalog.reached(document) if one.kind == "agent"]
    names = sorted({name for agent in reached for name in _handed_to(agent)})
    return [project.catalog.agents[name] for name in names]


def _handed_to(agent: Document) -> list[str]:
    return [name for name in agent.spec.handoffs if name != agent.name]


def describe_agent(project: Project, document: Document, environ: Mapping[str, str]) -> Described:
    """An agent with its tools, and the agents among them with theirs. Hand-offs are told by name: they form circles."""
    spec: AgentSpec = document.spec
    return {
        "name": document.name,
        "description": spec.description,
        "file": document.path,
        "extends": list(document.bases),
        "model": describe_model(spec.model, environ),
        "parameters": spec.parameters or DEFAULT_AGENT_PARAMETERS,
        "system_prompt": spec.system_prompt,
        "input": spec.input,
        "tools": describe_tools(project, document, environ),
        "handoffs": [_handoff(project.catalog.agents[name]) for name in _handed_to(document)],
        "tool_choice": spec.tool_choice,
        "parallel_tool_calls": spec.parallel_tool_calls is not False,
        "response_format": document.data.get("response_format"),
        "permissions": [_permission(one) for one in spec.permissions],
        "limits": msgspec.structs.asdict(spec.limits),
        "tool_search": msgspec.structs.asdict(spec.tool_search) if spec.tool_search else None,
        "context": msgspec.structs.asdict(spec.context) if spec.context else None,
        "starters": list(spec.starters),
        "unknown": _unknown(document),
    }


def describe_tools(project: Project, agent: Document, environ: Mapping[str, str]) -> list[Described]:
    """The tools of an agent; of a set, what of it the agent takes."""
    catalog = project.catalog
    return [
        describe_tool(project, one, environ, catalog.wanted_of(agent, one) if one.is_set else EVERYTHING)
        for one in catalog.tools_of(agent)
    ]


def describe_tool(
    project: Project, document: Document, environ: Mapping[str, str], wanted: tuple[str, ...] = EVERYTHING
) -> Described:
    """A tool: what the model sees of it, what it does, and under `backend` what it reaches.

    Of a set `read_only` and `idempotent` are None where each member says it of itself. `wanted` are the names and globs
    of members that an agent takes.
    """
    spec: ToolSpec = document.spec
    kind = next(name for name in BACKENDS if getattr(spec, name) is not None)
    description, parameters = spec.description, spec.parameters
    if spec.agent is not None:
        called: AgentSpec = project.catalog.agents[spec.agent].spec
        description = description or called.description
        parameters = parameters or called.parameters or DEFAULT_AGENT_PARAMETERS
    reach = _REACH[kind](project, document, environ) if kind in _REACH else {}
    if document.is_set:
        of_set = describe_mcp(document) if kind == "mcp" else describe_openapi(document, wanted)
        reach = {**of_set, "wanted": list(wanted)}
    return {
        "name": document.name,
        "description": description,
        "file": document.path,
        "extends": list(document.bases),
        "parameters": parameters or DEFAULT_PARAMETERS,
        "read_only": spec.read_only if document.is_set else is_read_only(spec),
        "idempotent": spec.idempotent if document.is_set else is_idempotent(spec),
        "untrusted_output": has_untrusted_output(spec),
        "require_approval": spec.require_approval,
        "timeout": _seconds(project, document),
        "max_output_length": spec.max_output_length,
        "output": spec.output,
        "backend": {"kind": kind, **reach},
        "unknown": _unknown(document),
    }


def _seconds(project: Project, document: Document) -> float:
    """How long a call may take: an agent as a tool has the time of a run, unless the tool says less."""
    spec: ToolSpec = document.spec
    if spec.agent is not None and document.node.get("timeout") is None:
        called: AgentSpec = project.catalog.agents[spec.agent].spec
        return float(called.limits.timeout)
    return float(spec.timeout)


def _handoff(agent: Document) -> Described:
    return {"name": handoff_name(agent.name), "agent": agent.name, "description": agent.spec.description}


def _unknown(document: Document) -> list[str]:
    """Keys whose value hangs on a variable without one, and is shown as the default here."""
    return sorted(".".join(map(str, route)) for route in document.unknown)


def _permission(spec: PermissionSpec) -> Described:
    action = next(name for name in ("deny", "ask", "allow") if getattr(spec, name) is not None)
    return {"action": action, "tools": getattr(spec, action), "when": spec.when}


# -- backends -----------------------------------------------------------------------------------------------


def _http(project: Project, document: Document, environ: Mapping[str, str]) -> Described:
    from agentrun.tools.url_template import whole_url

    tool: ToolSpec = document.spec
    spec = tool.http or HttpSpec(url="")
    url = whole_url(spec.url, spec.base_url)
    own = authority(url)
    return {
        "method": http_method(tool),
        "url": url,
        "hosts": [*([own] if own else []), *spec.hosts],
        "token_url": token_url(spec.auth),
        "query": sorted(spec.query or ()),
        "headers": sorted(spec.headers),
        "body": next((name for name in ("json", "form", "multipart", "body") if getattr(spec, name) is not None), None),
        "files": _sent_files(document, spec),
        "auth": auth_kind(spec.auth),
        "pages": spec.paginate.max_pages if spec.paginate else 1,
    }


def _sent_files(document: Document, spec: HttpSpec) -> list[Described]:
    """The files that a multipart body may hold: one of the author's, or any below a folder of the author's."""
    found = []
    for name, folder in part_folders(document).items():
        part = (spec.multipart or {})[name]
        if isinstance(part, PartSpec) and part.root is not None:
            found.append({"part": name, "file": None, "below": place(part.root, folder)})
        elif isinstance(part, PartSpec) and part.file is not None:
            found.append({"part": name, "file": place(part.file, folder / part.file), "below": None})
    return found


def _shell(project: Project, document: Document, environ: Mapping[str, str]) -> Described:
    from agentrun.tools.shell import ShellTool

    spec = document.spec.shell
    cwd = working_directory(document)
    return {
        "command": spec.command,
        "script": spec.script,
        "command_line": ShellTool(spec, cwd=cwd, environ={}).command_line,
        "cwd": place(spec.cwd, cwd),
        "env": sorted(spec.env),
        "stdin": spec.stdin,
        "sandbox": _sandbox(document),
    }


def _sandbox(document: Document) -> Described | None:
    """What a command can touch where it is held to it. Paths are real ones: no link leads anywhere else."""
    from agentrun.tools.sandbox import HIDDEN, sandbox_of

    spec = sandbox_of(document.spec.shell)
    if spec is None:
        return None
    paths = zip(spec.write, writable_paths(document), strict=True)
    return {
        "hidden": [str(path) for path in HIDDEN],
        "write": [written if written.startswith("$") else str(path.resolve()) for written, path in paths],
        "network": spec.network,
        "max_memory_mb": spec.max_memory_mb,
    }


def _python(project: Project, document: Document, environ: Mapping[str, str]) -> Described:
    return {"target": document.spec.python, "root": display(project.root)}


def _agent(project: Project, document: Document, environ: Mapping[str, str]) -> Described:
    return {"agent": describe_agent(project, project.catalog.agents[document.spec.agent], environ)}


_REACH: dict[str, Callable[[Project, Document, Mapping[str, str]], Described]] = {
    "http": _http,
    "shell": _shell,
    "python": _python,
    "agent": _agent,
}
