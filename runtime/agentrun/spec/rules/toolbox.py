"""What a run of an agent can call: its own tools, those of the agents that it runs as tools or hands over to, and the
functions that hand over.

Not all of it is known offline: the members of a server's set, and what stands in a file that could not be read.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from functools import lru_cache

import msgspec

from agentrun.diagnostics import did_you_mean, nearest, one_of
from agentrun.spec.catalog import Catalog, Document, is_glob
from agentrun.spec.function_names import HANDOFF_PREFIX, SEARCH_TOOLS, handoff_name
from agentrun.spec.meant import misspelt
from agentrun.spec.nodes import Node, items, members, texts
from agentrun.spec.types import BACKENDS

# Where a schema may declare members beside its `properties`.
HIDING = ("$ref", "$dynamicRef", "allOf", "anyOf", "oneOf", "if", "patternProperties", "dependentSchemas")


class Toolbox(msgspec.Struct, frozen=True, eq=False):
    """The tools by name; agents may have tools of one name. `transfers` are the functions that hand over. `members` are
    the functions of sets whose members are known, and `search_tools`; `sets` how those of other sets begin. `loose` are
    names that stand in a list and mean nothing, with what was probably meant: they have a finding there. Where a list
    can't be read the box is not `complete`."""

    catalog: Catalog
    tools: dict[str, list[Document]]
    transfers: frozenset[str]
    sets: tuple[str, ...]
    members: frozenset[str]
    loose: frozenset[str]
    complete: bool

    @property
    def names(self) -> list[str]:
        """Whatever can be called, by name."""
        return sorted({*self.tools, *self.transfers, *self.members})

    @property
    def runs_agents(self) -> bool:
        """Whether a tool runs an agent, which asks its model too."""
        return any(tool.called_agent is not None for found in self.tools.values() for tool in found)

    def may_have(self, pattern: str) -> bool:
        """Whether a name or glob stands for a tool, or for one that can't be known."""
        if not self.complete or pattern in self.tools:
            return True
        if any(fnmatchcase(name, pattern) for name in (*self.tools, *self.transfers, *self.loose, *self.members)):
            return True
        return pattern.startswith(self.sets) or self.catalog.may_be_unread("tool", pattern)

    def is_final(self, name: str | None) -> bool:
        """Whether a call of this name may end the run."""
        return any(tool.node.get("final") is not None for tool in self.tools.get(name or "", ()))

    def meant(self, name: str) -> str | None:
        """The tool that a name was probably meant for. A tool of the project that is not listed was meant as it is."""
        return None if name in self.catalog.tools else nearest(name, self.names)

    def help_for(self, name: str) -> str:
        """What to do about a name that no tool has."""
        if name in self.catalog.tools:
            return f"`{name}` is a tool of this project: list it in the agent's `tools`"
        agent = name.removeprefix(HANDOFF_PREFIX)
        if agent != name and agent in self.catalog.agents:
            return f"list `{agent}` in the agent's `handoffs`"
        return did_you_mean(name, self.names) or (
            f"its tools: {one_of(self.names)}" if self.names else "it has no tools"
        )


@lru_cache(maxsize=16)
def toolbox(catalog: Catalog, agent: Document, *, with_agents: bool = True) -> Toolbox:
    """The tools of an agent and, `with_agents`, of those that a run of it leads to. Several rules ask, one by one."""
    tools: dict[str, list[Document]] = {}
    transfers: set[str] = set()
    loose: set[str] = set()
    functions: set[str] = set()
    complete = True
    reached = catalog.reached(agent) if with_agents else [agent]
    for one in (one for one in reached if one.kind == "agent"):
        complete = complete and one.complete and lists_are_readable(one)
        loose |= _loose(catalog, one)
        transfers |= set(map(handoff_name, texts(one.node.get("handoffs"))))
        functions |= {SEARCH_TOOLS} if one.node.get("tool_search") is not None else set()
        for tool in catalog.tools_of(one):
            tools.setdefault(tool.name, []).append(tool)
            functions.update(functions_of(catalog, one, tool))
    sets = tuple(
        f"{name}_" for name, found in tools.items() if any(one.is_set and one not in catalog.members for one in found)
    )
    complete = complete and all(tool.complete for found in tools.values() for tool in found)
    return Toolbox(catalog, tools, frozenset(transfers), sets, frozenset(functions), frozenset(loose), complete)


def functions_of(catalog: Catalog, agent: Document, tool: Document) -> list[str]:
    """The functions of a set that an agent's list takes, where they are known."""
    known = catalog.members.get(tool, ())
    wanted = catalog.wanted_of(agent, tool) if known else ()
    return list(known) if "*" in wanted else [one for one in known if any(fnmatchcase(one, name) for name in wanted)]


def lists_are_readable(agent: Document) -> bool:
    """Whether `tools` and `handoffs` of an agent say what they are meant to: what can't be read has its own finding."""
    listed = agent.node.get("tools") if agent.node.is_mapping else None
    handoffs = agent.node.get("handoffs") if agent.node.is_mapping else None
    if misspelt(agent.node, "handoffs") or (handoffs is not None and not handoffs.is_list):
        return False
    if listed is None:
        return agent.node.is_mapping and not misspelt(agent.node, "tools")
    return (
        listed.is_list
        and all(isinstance(entry.content, str) for entry in listed.content)
        and all(tool.complete for tool in agent.inline.values())
    )


def entry_of(agent: Document, tool: Document) -> Node:
    """What brings a tool, in an agent's list: its name or itself, else the first glob that matches it."""
    entries = items(agent.node.get("tools"))
    for index, entry in enumerate(entries):
        if entry.content == tool.name and agent.inline.get(index, tool) is tool:
            return entry
    globs = (one for one in entries if is_glob(str(one.content)) and fnmatchcase(tool.name, str(one.content)))
    return next(globs, agent.node)


def _loose(catalog: Catalog, agent: Document) -> set[str]:
    unknown = [name for name in texts(agent.node.get("tools")) if not catalog.matching(name)]
    known = {tool.name for tool in agent.inline.values()}
    meant = [nearest(name, catalog.tools) for name in unknown if name not in known]
    return {name for name in (*unknown, *meant) if name}


def takes_more(document: Document) -> bool:
    """Whether a schema may take further arguments on purpose: it says so, or says it in other words."""
    schema = members(document.node.get("parameters"))
    others = schema.get("additionalProperties")
    return (others is not None and others.content is not False) or any(key in schema for key in HIDING)


def backend(tool: Document) -> str | None:
    """The key of a tool's backend; None where it has none, or several."""
    written = [name for name in BACKENDS if tool.node.is_mapping and tool.node.get(name) is not None]
    return written[0] if len(written) == 1 else None
