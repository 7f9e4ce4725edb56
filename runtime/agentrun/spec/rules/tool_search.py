"""What an agent's `tool_search` can't do: pinned tools that are not there or never run, and room that is too small.

Each request of such an agent carries some of its functions: what always goes along is decided in
`engine/tool_search.py`. What a server's set has is known once a run begins.
"""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

from agentrun.diagnostics import Diagnostic, Related, counted, one_of
from agentrun.spec.catalog import Catalog, Document, is_glob
from agentrun.spec.edits import write, write_name
from agentrun.spec.function_names import SEARCH_TOOLS
from agentrun.spec.nodes import Node, items, text_of
from agentrun.spec.rules.permissions import Rule, covers, rules_of
from agentrun.spec.rules.toolbox import Toolbox, lists_are_readable, toolbox
from agentrun.spec.types import ToolSearchSpec

_MODES = ("none", "auto", "required")


def pinned_tools_that_are_not_there(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    box = _box(catalog, document)
    if box is None or not lists_are_readable(document):
        return
    names = _names(box)
    for entry in _pinned(document):
        pattern = str(entry.content)
        if pattern in box.tools and pattern not in names:
            message = f"`{pattern}` is a set, not a tool: its tools are called `{pattern}_…`"
            fix = write(entry, f"{pattern}_*", safe=True)
            yield Diagnostic("AR423", "error", message, entry.span, f"write `{pattern}_*`", fix=fix)
        elif not any(fnmatchcase(name, pattern) for name in names) and not _may_be_a_member(box, pattern):
            message = f"`pinned` names no tool of this agent: `{pattern}`"
            if is_glob(pattern):
                message = f"the glob `{pattern}` of `pinned` matches no tool of this agent"
            unlisted = pattern in catalog.tools
            fix = None if unlisted or is_glob(pattern) else write_name(entry, names)
            help = f"its tools: {one_of(names)}" if is_glob(pattern) and names else box.help_for(pattern)
            yield Diagnostic("AR423", "error", message, entry.span, help, fix=fix)


def too_little_room(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    """Beside what is always sent there must be a place for what is found."""
    box, most = _box(catalog, document), _max_tools(document)
    if box is None or most is None or len(_names(box)) + len(box.sets) <= most:
        return
    always = _always_sent(document, box)
    if most >= len(always) + 2:
        return
    node = document.node.get("tool_search", "max_tools") or document.node.content["tool_search"]
    sent = (
        f"{one_of([f'`{one}`' for one in always], limit=6)} and `search_tools` are" if always else "`search_tools` is"
    )
    message = f"`max_tools: {most}` leaves no room for what is found: {sent} always sent"
    help = f"write at least {len(always) + 2}" + (", or pin less" if _pinned(document) else "")
    yield Diagnostic("AR424", "error", message, node.span, help)


def search_among_few(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    """Written in the agent's own file: a base may serve agents with more tools. A glob may bring more later."""
    box, most = _box(catalog, document), _max_tools(document)
    if box is None or most is None or box.sets or not box.complete:
        return
    if any(is_glob(str(one.content)) for one in items(document.node.get("tools"))):
        return
    node = document.node.content["tool_search"]
    if len(_names(box)) <= most and node.span.file == document.path:
        has = counted(len(_names(box)), "function")
        message = f"`tool_search` has no effect: the agent has {has}, and up to {most} are sent as they are"
        help = "leave it out, or make `max_tools` smaller"
        yield Diagnostic("AR425", "info", message, document.node.key_place(("tool_search",)), help)


def pinned_tools_that_are_refused(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    """Each request would carry what no request can use."""
    rules = rules_of(document)
    if not rules or _box(catalog, document) is None:
        return
    for entry in _pinned(document):
        rule = _refusing(rules, str(entry.content))
        if rule is not None and rule.node.span.file == entry.span.file:
            message = f"`{entry.content}` is pinned, and every call of it is refused by `{rule.text}`"
            related = (Related("the rule", rule.node.span),)
            yield Diagnostic("AR426", "warning", message, entry.span, "pin it no more, or narrow the rule", related)


def _refusing(rules: list[Rule], pattern: str) -> Rule | None:
    """The rule that refuses all that a pattern matches, where none before it may let a call pass."""
    for rule in rules:
        if rule.action == "deny" and rule.when is None and covers(rule.pattern, pattern):
            return rule
        if rule.action != "deny" and (fnmatchcase(pattern, rule.pattern) or is_glob(pattern)):
            return None
    return None


def _box(catalog: Catalog, document: Document) -> Toolbox | None:
    """The tools of an agent with a `tool_search` that can be read."""
    node = document.node.get("tool_search") if document.kind == "agent" else None
    return toolbox(catalog, document, with_agents=False) if node is not None and node.is_mapping else None


def _max_tools(document: Document) -> int | None:
    node = document.node.get("tool_search", "max_tools")
    if node is None:
        return ToolSearchSpec().max_tools
    return node.content if type(node.content) is int and node.content > 0 else None


def _pinned(document: Document) -> list[Node]:
    return [one for one in items(document.node.get("tool_search", "pinned")) if text_of(one)]


def _names(box: Toolbox) -> list[str]:
    """The functions that are known."""
    tools = {name for name, found in box.tools.items() if any(not one.is_set for one in found)}
    return sorted({*tools, *box.transfers, *box.members} - {SEARCH_TOOLS})


def _always_sent(document: Document, box: Toolbox) -> list[str]:
    chosen = document.node.get("tool_choice")
    name = text_of(chosen) or text_of(document.node.get("tool_choice", "function", "name"))
    pinned = [str(one.content) for one in _pinned(document)]
    return [
        one
        for one in _names(box)
        if one in box.transfers
        or box.is_final(one)
        or (one == name and name not in _MODES)
        or any(fnmatchcase(one, pattern) for pattern in pinned)
    ]


def _may_be_a_member(box: Toolbox, pattern: str) -> bool:
    """Whether a name or glob may stand for what is not known: a member of a set, a tool of a file that is broken."""
    begins = pattern[: min((pattern.find(mark) for mark in "*?[" if mark in pattern), default=len(pattern))]
    is_open = is_glob(pattern) and any(prefix.startswith(begins) for prefix in box.sets)
    return is_open or box.may_have(pattern)


RULES = (
    pinned_tools_that_are_not_there,
    too_little_room,
    search_among_few,
    pinned_tools_that_are_refused,
)
