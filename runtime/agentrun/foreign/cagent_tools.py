"""The toolsets of a Docker cagent file: servers as sets, scripts and API calls as tools. Others are left.

cagent asks before each call that is not known to read only: tools that may change something ask here, too.
"""

from __future__ import annotations

from agentrun.foreign.cagent_api import add_api
from agentrun.foreign.cagent_kit import Kit, Wiring
from agentrun.foreign.cagent_scripts import add_scripts
from agentrun.foreign.cagent_servers import Servers
from agentrun.foreign.cagent_words import NO_TOOLSETS
from agentrun.foreign.draft import Draft
from agentrun.foreign.fields import Fields
from agentrun.spec.nodes import Node, text_of


class Toolsets:
    """`servers` are the definitions under `mcps`."""

    def __init__(self, draft: Draft, servers: dict[str, Node]) -> None:
        self._draft = draft
        self._wiring = Wiring(draft)
        self._servers = Servers(self._wiring, servers)

    def add(self, node: Node, what: str, kit: Kit) -> None:
        if not node.is_mapping:
            self._draft.leave(node, what, f"a toolset is a mapping, not {node.kind}")
            return
        kind = text_of(node.get("type")) or ""
        fields = Fields(node, f"{what}: toolset `{kind[:40]}`", self._draft)
        fields.skip("type")
        if kind == "mcp":
            self._servers.add(fields, kit)
        elif kind in ("script", "shell") and "shell" in fields:
            add_scripts(fields, kit, self._wiring)
        elif kind == "api":
            add_api(fields, kit, self._wiring)
        else:
            self._draft.leave(node, fields.what, NO_TOOLSETS.get(kind, "agentrun has none"))

    def rest(self) -> None:
        self._servers.rest()
