"""Agents of other programs as files of a project: which format a file has, and who converts it."""

from __future__ import annotations

from pathlib import PurePath

from agentrun.errors import UsageError
from agentrun.foreign.converted import Converted
from agentrun.foreign.source import read_source
from agentrun.spec.nodes import Node

FORMATS = {"cagent": "a Docker cagent file", "agent-spec": "an Oracle Agent Spec file"}


def convert(path: str, raw: bytes, format: str | None = None) -> Converted:
    """`path` is what is shown of the file; the format is recognised where none is given.

    Raises `UsageError` for a file of no such format, and `SpecError` for one that can't be read.
    """
    if PurePath(path).suffix.lower() == ".hcl":
        raise UsageError(f"`{path}` is HCL, which is not read", help="import the same as YAML")
    root = read_source(path, raw)
    found = recognised(root)
    if found is None or (format is not None and format != found):
        kinds = FORMATS[format] if format else " or ".join(FORMATS.values())
        help = f"it looks like {FORMATS[found]}" if found else _HELP
        raise UsageError(f"`{path}` is not {kinds}", help=help)
    origin = PurePath(path).name
    if found == "cagent":
        from agentrun.foreign.cagent import from_cagent

        return from_cagent(root, origin)
    from agentrun.foreign.agent_spec import from_agent_spec

    return from_agent_spec(root, origin)


_HELP = "a cagent file has `agents:`, a mapping; an Agent Spec file has `component_type`"


def recognised(root: Node) -> str | None:
    """The format of a file, by what stands at its top."""
    if not root.is_mapping:
        return None
    if isinstance(getattr(root.get("component_type"), "content", None), str):
        return "agent-spec"
    agents = root.get("agents")
    return "cagent" if agents is not None and agents.is_mapping else None
