"""Tools bound: a document of a tool or set, with what the machine gives, to functions that a model may call.

Owns what tools share: the network with its tokens, and the servers of sets. Which agent has which tools, and what an
agent is, `resolve.py` knows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from agentrun.bindings import approval, output_shaper, sent_and_check
from agentrun.effects import has_untrusted_output, is_idempotent, is_read_only
from agentrun.engine.agent import Agent, BoundTool, ToolSet
from agentrun.engine.exchange import OnExchange
from agentrun.engine.messages import FunctionTool
from agentrun.engine.ports import Tool
from agentrun.json_schema import DEFAULT_AGENT_PARAMETERS, DEFAULT_PARAMETERS
from agentrun.places import folder_of, part_folders, working_directory, writable_paths
from agentrun.project import Project
from agentrun.secrets import Masker
from agentrun.spec.catalog import Document
from agentrun.spec.types import AgentSpec, ToolSpec
from agentrun.tool_sets import SetRules, set_rules

if TYPE_CHECKING:
    from agentrun.tools.mcp.servers import Servers
    from agentrun.tools.network import Network
    from agentrun.tools.oauth2 import TokenSources
    from agentrun.tools.shell import ShellTool


class ToolStage(Protocol):
    """Stands between tools and the world, for a test: what it gives takes the place of what would be bound."""

    shell: type[ShellTool]

    def tool(self, name: str, timeout_s: float, make: Callable[[], Tool | None]) -> Tool | None: ...
    def tool_set(self, rules: SetRules, make: Callable[[], ToolSet]) -> ToolSet: ...
    def network(self, watch: OnExchange | None) -> Network: ...
    def tokens(self, network: Network) -> Network: ...
    async def sleep(self, seconds: float) -> None: ...


class ToolBinder:
    """`agent` gives the bound agent of a name, for the tools that are agents."""

    def __init__(
        self,
        project: Project,
        environ: Mapping[str, str],
        masker: Masker,
        on_exchange: OnExchange | None,
        stage: ToolStage | None,
        agent: Callable[[str], Agent],
    ) -> None:
        self._project = project
        self._environ = environ
        self._masker = masker
        self._on_exchange = on_exchange
        self._stage = stage
        self._agent = agent
        self._network: tuple[Network, TokenSources] | None = None
        self._servers: Servers | None = None

    def members(
        self, document: Document, wanted: tuple[str, ...] = ("*",)
    ) -> tuple[Sequence[BoundTool], ToolSet | None]:
        """Of a set: what its document describes, or the set of a server, which is asked when a run begins."""
        spec: ToolSpec = document.spec
        if spec.openapi is not None:
            from agentrun.openapi_sets import openapi_members

            network, tokens = self._shared_network()
            rules = set_rules(document.name, spec, wanted, spec.openapi.bind)
            stage = self._stage
            return openapi_members(
                spec.openapi,
                rules,
                folder_of(document, "openapi", "spec"),
                network=network,
                tokens=tokens,
                sleep=asyncio.sleep if stage is None else stage.sleep,
                staged=None if stage is None else stage.tool,
            ), None
        if spec.mcp is not None:
            rules = set_rules(document.name, spec, wanted, spec.mcp.bind)

            def make() -> ToolSet:
                return self._mcp_set(document, rules)

            return (), make() if self._stage is None else self._stage.tool_set(rules, make)
        return (self.tool(document),), None

    def tool(self, document: Document) -> BoundTool:
        spec: ToolSpec = document.spec
        description, parameters = spec.description, spec.parameters
        if spec.agent is not None:
            called: AgentSpec = self._project.catalog.agents[spec.agent].spec
            description = description or called.description
            parameters = parameters or called.parameters or DEFAULT_AGENT_PARAMETERS
        parameters = parameters or DEFAULT_PARAMETERS
        sent, check = sent_and_check(parameters, spec.strict)
        return BoundTool(
            function=FunctionTool(document.name, description, sent, spec.strict),
            check=check,
            backend=self._staged(document, spec, parameters),
            approval=approval(spec.require_approval),
            condition=spec.require_approval,
            read_only=is_read_only(spec),
            untrusted_output=has_untrusted_output(spec),
            relays_untrusted=spec.agent is not None and self._reads_untrusted(spec.agent),
            runs_agent=spec.agent is not None,
            timeout_s=self._timeout_s(document),
            max_output_chars=spec.max_output_length,
            output=output_shaper(spec.output),
        )

    async def aclose(self) -> None:
        if self._servers is not None:
            await self._servers.aclose()
        if self._network is not None:
            await self._network[0].aclose()

    def _mcp_set(self, document: Document, rules: SetRules) -> ToolSet:
        from agentrun.mcp_sets import McpSet

        return McpSet(
            document.spec.mcp,
            rules,
            folder=folder_of(document, "mcp", "cwd"),
            root=self._project.root,
            environ=self._environ,
            servers=self._shared_servers(),
            network=self._shared_network,
            mask=self._masker,
        )

    def _reads_untrusted(self, agent: str) -> bool:
        """Whether a run of an agent may read hostile output, with the agents behind its tools and its hand-offs."""
        catalog = self._project.catalog
        tools = [one.spec for one in catalog.reached(catalog.agents[agent]) if one.kind == "tool"]
        return any(has_untrusted_output(spec) for spec in tools)

    def _timeout_s(self, document: Document) -> float:
        """An agent as a tool has the time of a whole run, unless the tool says less."""
        spec: ToolSpec = document.spec
        if spec.agent is not None and document.node.get("timeout") is None:
            return self._agent(spec.agent).limits.timeout_s
        return spec.timeout

    def _staged(self, document: Document, spec: ToolSpec, parameters: Mapping[str, Any]) -> Tool | None:
        def make() -> Tool | None:
            return self._backend(document, spec, parameters)

        return make() if self._stage is None else self._stage.tool(document.name, self._timeout_s(document), make)

    def _backend(self, document: Document, spec: ToolSpec, parameters: Mapping[str, Any]) -> Tool | None:
        if spec.http is not None:
            from agentrun.tools.http import HttpTool

            network, tokens = self._shared_network()
            return HttpTool(
                spec.http,
                parameters=parameters,
                idempotent=is_idempotent(spec),
                network=network,
                tokens=tokens,
                folders=part_folders(document),
                timeout_s=self._timeout_s(document),
                sleep=asyncio.sleep if self._stage is None else self._stage.sleep,
            )
        if spec.shell is not None:
            from agentrun.tools.shell import ShellTool

            cwd, write = working_directory(document), writable_paths(document)
            make = ShellTool if self._stage is None else self._stage.shell
            return make(spec.shell, cwd=cwd, environ=self._environ, write=write)
        if spec.agent is not None:
            from agentrun.tools.agent import AgentTool

            return AgentTool(self._agent(spec.agent))
        if spec.python is not None:
            from agentrun.tools.python import PythonTool

            return PythonTool(spec.python, root=self._project.root)
        return None

    def _shared_network(self) -> tuple[Network, TokenSources]:
        """One pool of connections for all tools, and one token for all tools of a client."""
        if self._network is None:
            from agentrun.tools.network import Network
            from agentrun.tools.oauth2 import TokenSources

            network = (
                Network(watch=self._on_exchange) if self._stage is None else self._stage.network(self._on_exchange)
            )
            tokens = network if self._stage is None else self._stage.tokens(network)
            self._network = network, TokenSources(tokens, self._masker)
        return self._network

    def _shared_servers(self) -> Servers:
        """One process, or one connection, for all sets that name the same server."""
        if self._servers is None:
            from agentrun.tools.mcp.servers import Servers

            self._servers = Servers(self._on_exchange)
        return self._servers
