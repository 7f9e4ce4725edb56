"""The tools that a test file names: stubs, approvals, and whatever expects calls or their absence."""

from __future__ import annotations

from collections.abc import Iterator

from agentrun.diagnostics import Diagnostic, Fix, Severity, Span
from agentrun.spec.catalog import Catalog, Document, is_glob
from agentrun.spec.edits import rename_key, write_name
from agentrun.spec.nodes import Node, members
from agentrun.spec.rules.case_places import agent_under_test, calls_in, cases_of, expected, texts_listed
from agentrun.spec.rules.toolbox import Toolbox, toolbox
from agentrun.spec.spelling import is_same_word


def unknown_stubs(document: Document, agent: Document, box: Toolbox) -> Iterator[Diagnostic]:
    for above in (document.node, *cases_of(document)):
        stubs = members(above.get("tools"))
        for name in stubs:
            place = above.key_place(("tools", name))
            if name in box.transfers and name not in box.tools:
                message = f"the stub is never used: `{name}` hands over, and calls nothing"
                help = "its call is in the script, and `expect: {agent: …}` tells who answers"
                yield Diagnostic("AR907", "warning", message, place, help)
            elif not box.may_have(name):
                message = f"the stub is for `{name}`, and the agent `{agent.name}` has no such tool"
                fix = _renamed(box, place, name, stubs)
                yield Diagnostic("AR901", "error", message, place, box.help_for(name), fix=fix)


def unknown_calls(document: Document, agent: Document, box: Toolbox) -> Iterator[Diagnostic]:
    """Of all that is expected of calls: that they are made, how often, in which turn, before and after which others."""
    for one in expected(document):
        calls = one.node.get("calls")
        for call in calls_in(one):
            told = call.node.get("error") if call.node else None
            if told is None or told.content != "unknown_tool":
                yield from _unknown(box, agent, call.name, "expects a call of")
            for key in ("before", "after"):
                yield from _unknown(box, agent, call.node.get(key) if call.node else None, "expects a call of")
        if calls is not None and calls.is_mapping:
            for name in texts_listed(calls.get("same_turn")):
                yield from _unknown(box, agent, name, "expects a call of")
            yield from _counted(box, agent, calls)
            for name in texts_listed(calls.get("never")):
                if not is_glob(name.content):  # such a rule may be for tools that come later
                    yield from _unknown(box, agent, name, "forbids calls of", "warning")
        for name in texts_listed(one.node.get("approvals")):
            yield from _unknown(box, agent, name, "expects that approval is asked for")


def _counted(box: Toolbox, agent: Document, calls: Node) -> Iterator[Diagnostic]:
    """A warning where none is to be called: that holds, for another reason than was meant."""
    counts = members(calls.get("count"))
    for name, count in counts.items():
        if _may_be_called(box, name):
            continue
        most = count.get("at_most") if count.is_mapping else count
        is_none = most is not None and most.content == 0
        if is_none and is_glob(name):
            continue
        place = calls.key_place(("count", name))
        severity: Severity = "warning" if is_none else "error"
        if is_set(box, name):
            message = f"the case counts calls of `{name}`, {_A_SET}"
            yield Diagnostic("AR902", severity, message, place, _members_of(name))
            continue
        message = f"the case counts calls of `{name}`, and the agent `{agent.name}` has no such tool"
        fix = _renamed(box, place, name, counts)
        yield Diagnostic("AR902", severity, message, place, box.help_for(name), fix=fix)


def _unknown(
    box: Toolbox, agent: Document, node: Node | None, what: str, severity: Severity = "error"
) -> Iterator[Diagnostic]:
    if node is None or not isinstance(node.content, str) or _may_be_called(box, node.content):
        return
    name = node.content
    if is_set(box, name):
        yield Diagnostic("AR902", severity, f"the case {what} `{name}`, {_A_SET}", node.span, _members_of(name))
        return
    fix = write_name(node, box.names) if box.meant(name) else None
    message = f"the case {what} `{name}`, and the agent `{agent.name}` has no such tool"
    yield Diagnostic("AR902", severity, message, node.span, box.help_for(name), fix=fix)


def unknown_approvals(document: Document, agent: Document, box: Toolbox) -> Iterator[Diagnostic]:
    """`*` is for all that there may be."""
    for above in (document.node, *cases_of(document)):
        for key in ("approve", "refuse"):
            for name in texts_listed(above.get(key)):
                if name.content != "*" and not _may_be_called(box, name.content):
                    fix = write_name(name, box.names) if box.meant(name.content) else None
                    yield _no_such(key, name.content, agent, box, name.span, fix)
        refused = members(above.get("refuse"))
        for pattern in refused:
            if pattern != "*" and not _may_be_called(box, pattern):
                place = above.key_place(("refuse", pattern))
                yield _no_such("refuse", pattern, agent, box, place, _renamed(box, place, pattern, refused))


def _no_such(key: str, name: str, agent: Document, box: Toolbox, place: Span, fix: Fix | None) -> Diagnostic:
    if is_set(box, name):
        return Diagnostic("AR905", "error", f"`{key}` names `{name}`, {_A_SET}", place, _members_of(name))
    message = f"`{key}` names `{name}`, and the agent `{agent.name}` has no such tool"
    return Diagnostic("AR905", "error", message, place, box.help_for(name), fix=fix)


def is_set(box: Toolbox, name: str) -> bool:
    """Whether a name is that of a set of tools, which nobody calls."""
    found = box.tools.get(name)
    return found is not None and all(one.is_set for one in found)


def _may_be_called(box: Toolbox, pattern: str) -> bool:
    """A set is called by its members only."""
    return box.may_have(pattern) and not is_set(box, pattern)


_A_SET = "which is a set of tools"


def _members_of(tool_set: str) -> str:
    return f"its members are called `{tool_set}_…`; `{tool_set}_*` stands for all of them"


def _renamed(box: Toolbox, place: Span, name: str, beside: dict[str, Node]) -> Fix | None:
    """The tool that a key was meant for, unless it is written beside."""
    meant = box.meant(name)
    if meant is None or meant in beside:
        return None
    return rename_key(box.catalog.texts, place, name, meant, safe=is_same_word(name, meant))


# Each is told the document, the agent under test and what a run of it can call.
_OF_TOOLS = (unknown_stubs, unknown_calls, unknown_approvals)


def what_is_named_of_tools(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    agent = agent_under_test(catalog, document)
    if agent is not None:
        box = toolbox(catalog, agent)
        for rule in _OF_TOOLS:
            yield from rule(document, agent, box)


RULES = (what_is_named_of_tools,)
