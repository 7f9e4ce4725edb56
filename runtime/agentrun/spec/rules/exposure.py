"""What an agent as a whole exposes: private data, untrusted content and a way out together.

Any two are harmless. With all three, text that a stranger wrote can have the model carry out what it has read. What is
asked for is a decision that somebody has written down: `auto`, which holds where nothing is written, asks once
untrusted output was read; but where nobody can answer that means no, and one `--approve` opens it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase

import msgspec

from agentrun.diagnostics import Diagnostic, one_of
from agentrun.effects import has_untrusted_output, is_read_only
from agentrun.spec.catalog import Catalog, Document, is_glob
from agentrun.spec.function_names import handoff_name
from agentrun.spec.known_programs import INERT
from agentrun.spec.nodes import Node, items, text_of
from agentrun.spec.rules.addresses import chosen_addresses, has_network
from agentrun.spec.rules.credentials import has_credentials
from agentrun.spec.rules.toolbox import backend, entry_of
from agentrun.spec.types import ToolSpec
from agentrun.spec.words import Word, program_name


class Reached(msgspec.Struct, frozen=True, eq=False):
    """A tool that an agent can have called. `entry` is what brings it, in the agent's own list.

    `decided` says that its author has stated who decides about its calls; `within` is the agent behind a tool or
    hand-off that has it, where it is not the agent's own.
    """

    tool: Document
    entry: Node
    decided: bool
    within: str | None = None

    @property
    def named(self) -> str:
        return f"`{self.tool.name}`" + (f" of `{self.within}`" if self.within else "")

    @property
    def spec(self) -> ToolSpec:
        found: ToolSpec = self.tool.spec
        return found


MAX_AGENTS = 200  # that are looked at behind each agent


def undecided_ways_out(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    if document.kind != "agent":
        return
    found = _exposed(catalog, document)
    if found is None:
        return
    way_out, finding = found
    called = catalog.agents.get(way_out.within or "")
    if called is None or called is document or _exposed(catalog, called) is None:  # else it is that agent's finding
        yield finding


def _exposed(catalog: Catalog, agent: Document) -> tuple[Reached, Diagnostic] | None:
    reached = [one for one in _reached(catalog, agent) if isinstance(one.tool.spec, ToolSpec)]
    return _trifecta(reached) or _unasked_write(reached)


# -- the three together -------------------------------------------------------------------------------------


def _trifecta(reached: list[Reached]) -> tuple[Reached, Diagnostic] | None:
    for way_out in _undecided(reached, _leads_out):
        others = [one for one in reached if one.tool is not way_out.tool]
        private = next((one for one in others if _reads_private(one)), None)
        sources = sorted(
            (one for one in others if has_untrusted_output(one.spec)), key=lambda one: not is_read_only(one.spec)
        )
        untrusted = next((one for one in sources if one is not private), private if private in sources else None)
        if private is not None and untrusted is not None:
            message = (
                f"private data ({private.named}), untrusted content ({untrusted.named}) and a way out "
                f"({way_out.named}) meet in this agent, and nothing says who decides about `{way_out.tool.name}`"
            )
            return way_out, Diagnostic("AR808", "warning", message, way_out.entry.span, _help(way_out))
    return None


def _unasked_write(reached: list[Reached]) -> tuple[Reached, Diagnostic] | None:
    writes = _undecided(reached, _changes_something)
    for write in writes:
        sources = [one for one in reached if one.tool is not write.tool and has_untrusted_output(one.spec)]
        if sources:
            names = one_of((one.named for one in sources), limit=3)
            message = f"{write.named} may act on untrusted content from {names}, and nothing says who decides about it"
            return write, Diagnostic("AR809", "info", message, write.entry.span, _help(write))
    return None


def _undecided(reached: list[Reached], is_meant: Callable[[Reached], bool]) -> list[Reached]:
    return [one for one in reached if not one.decided and is_meant(one)]


def _help(one: Reached) -> str:
    name = one.tool.name
    if is_read_only(one.spec):
        return f"hold `{name}` to hosts of yours, write `require_approval: always` in it, or `deny` it in `permissions`"
    return f"write `require_approval` in `{name}` (`auto`, if that will do), or `read_only: true` if it changes nothing"


# Domains below which anyone may have a host.
_SHARED = (
    *("amazonaws.com", "appspot.com", "azurewebsites.net", "blogspot.com", "cloudfront.net", "fly.dev", "github.io"),
    *("gitlab.io", "googleusercontent.com", "herokuapp.com", "netlify.app", "ngrok.app", "ngrok.io", "onrender.com"),
    *("pages.dev", "run.app", "trycloudflare.com", "vercel.app", "web.app", "windows.net", "workers.dev"),
)


# -- what a tool does ---------------------------------------------------------------------------------------


def _reads_private(one: Reached) -> bool:
    """By credentials, or on this machine: what a tool there reads is taken for private if its author says it reads."""
    if one.spec.shell is not None or one.spec.python is not None:
        return (one.spec.read_only is True and not _is_inert(one.tool)) or has_credentials(one.tool)
    return has_credentials(one.tool)


def _leads_out(one: Reached) -> bool:
    spec = one.spec
    if spec.shell is not None and not has_network(one.tool):
        return False
    if is_read_only(spec):
        is_free = spec.http is not None and spec.http.url.startswith("{") and any(map(_is_anyones, spec.http.hosts))
        return is_free or next(chosen_addresses(one.tool), None) is not None
    return _changes_something(one)


def _is_anyones(pattern: str) -> bool:
    """Whether a stranger may have a host that a pattern takes: `*.com`, `*.github.io`; not `*.docs.example.com`."""
    domain = pattern.removeprefix("*.").partition(":")[0].lower()
    return pattern.startswith("*.") and ("." not in domain or domain.endswith(_SHARED))


def _changes_something(one: Reached) -> bool:
    spec = one.spec
    is_backend = spec.final is None and spec.agent is None
    return is_backend and not is_read_only(spec) and not _is_inert(one.tool) and not _is_shut_in(one.tool)


def _is_inert(tool: Document) -> bool:
    """Whether a command only prints what it was given."""
    first = tool.node.get("shell", "command", 0)
    return first is not None and program_name(Word(str(first.content), True)) in INERT


def _is_shut_in(tool: Document) -> bool:
    """Whether a command has a sandbox without network and without a place to write."""
    write = tool.node.get("shell", "sandbox", "write")
    return tool.node.get("shell") is not None and not has_network(tool) and not (write is not None and write.content)


# -- what an agent reaches ----------------------------------------------------------------------------------


def _reached(catalog: Catalog, start: Document) -> Iterator[Reached]:
    """The tools of an agent, of the agents behind them, and of those that it hands over to: what one has read, the next
    one knows. Without those that are never called.

    Each agent is looked at once, first on a way on which nobody is asked.
    """
    seen: set[str] = set()
    waiting: list[tuple[Document, Node | None, bool]] = [(start, None, False)]
    while waiting and len(seen) < MAX_AGENTS:
        agent, way, asks = waiting.pop()
        if agent.name in seen:
            continue
        seen.add(agent.name)
        for tool in catalog.tools_of(agent):
            stand = _permission(agent, tool.name, is_set=backend(tool) in ("mcp", "openapi"))
            if stand == "deny":
                continue
            approval, entry = tool.node.get("require_approval"), way or entry_of(agent, tool)
            called = catalog.agents.get(tool.called_agent or "")
            if called is None:
                decided = asks or stand == "decided" or approval is not None
                yield Reached(tool, entry, decided, None if agent is start else agent.name)
            elif asks or (approval is not None and approval.content == "always"):
                waiting.insert(0, (called, entry, True))
            else:
                waiting.append((called, entry, False))
        for entry in items(agent.node.get("handoffs")):
            other = catalog.agents.get(text_of(entry) or "")
            if other is not None and _permission(agent, handoff_name(other.name)) != "deny":
                waiting.insert(0 if asks else len(waiting), (other, way or entry, asks))


def _permission(agent: Document, name: str, *, is_set: bool = False) -> str:
    """What the agent's rules say of a tool: `deny`, `decided`, or nothing. A glob that allows decides about no tool."""
    for rule in items(agent.node.get("permissions")):
        for action in ("deny", "ask", "allow"):
            text = text_of(rule.get(action))
            if text is None:
                continue
            if not (fnmatchcase(name, text) or (is_set and text.startswith(f"{name}_"))):
                continue
            always = rule.get("when") is None and not is_set
            if action == "deny" and always:
                return "deny"
            if action != "allow" or not is_glob(text):
                return "decided"
            if always:
                return ""
    return ""


RULES = (undecided_ways_out,)
