"""Permission rules that never decide anything, and tools that they take away whole."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import NamedTuple

from agentrun.diagnostics import Diagnostic, Related
from agentrun.spec.catalog import Catalog, Document, is_glob
from agentrun.spec.nodes import Node, items, text_of
from agentrun.spec.rules.toolbox import toolbox

MAX_RULES = 200  # that are looked at
MAX_STEPS = 2_000  # in which two globs are compared
_ACTIONS = ("deny", "ask", "allow")


class Rule(NamedTuple):
    """One rule of `permissions`, where it can be read. `node` is its pattern."""

    action: str
    pattern: str
    when: str | None
    node: Node

    @property
    def text(self) -> str:
        return f"{self.action}: {self.pattern}"


def rules_that_never_decide(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    """The first match decides: a rule behind one that matches all that it matches is never reached."""
    rules = rules_of(document)
    if document.kind != "agent" or len(rules) < 2:
        return
    box = toolbox(catalog, document, with_agents=False)
    for later, earlier in _decided_before(rules):
        if later.action != "deny" and not box.may_have(later.pattern):
            continue  # it matches no tool at all: AR407 says so
        if later.pattern == earlier.pattern:
            message = f"`{later.text}` never decides: `{earlier.text}` stands before it"
        else:
            message = f"`{later.text}` never decides: `{earlier.text}` before it matches all that it matches"
        help = "the first match decides: put the narrower rule first"
        if later.action == earlier.action or later.pattern == earlier.pattern:
            help = "the first match decides: leave one of them out"
        related = (Related("this rule decides", earlier.node.span),)
        yield Diagnostic("AR414", "warning", message, later.node.span, help, related)


def tools_that_are_always_refused(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    """A tool that the agent lists by name, and a rule of the same file that refuses its every call.

    A rule of an agent that takes tools of its base away says nothing but that.
    """
    rules = rules_of(document)
    if document.kind != "agent" or not rules:
        return
    told = {id(earlier.node) for _, earlier in _decided_before(rules)}
    refused: dict[int, list[Node]] = {}
    for entry in items(document.node.get("tools")):
        name = text_of(entry)
        if name is None or is_glob(name):
            continue
        index = _refusing(rules, name)
        if index is None or id(rules[index].node) in told or rules[index].node.span.file != entry.span.file:
            continue
        refused.setdefault(index, []).append(entry)
    for index, entries in refused.items():
        rule = rules[index]
        names = ", ".join(f"`{entry.content}`" for entry in entries)
        message = f"every call of {names} is refused by `{rule.text}`"
        help = f"leave {'it' if len(entries) == 1 else 'them'} out of `tools`, or narrow the rule"
        related = (Related("the rule", rule.node.span),)
        yield Diagnostic("AR415", "info", message, entries[0].span, help, related)


def _refusing(rules: list[Rule], name: str) -> int | None:
    """The rule without a condition that refuses a tool, where none before it lets a call pass."""
    for index, rule in enumerate(rules[:MAX_RULES]):
        if not fnmatchcase(name, rule.pattern):
            continue
        if rule.action != "deny":
            return None
        if rule.when is None:
            return index
    return None


def rules_of(document: Document) -> list[Rule]:
    """Those that can be read; one with two actions has its own finding, and so has a `when` that is no text."""
    found = []
    for node in items(document.node.get("permissions")):
        written = [action for action in _ACTIONS if text_of(node.get(action)) is not None]
        when = node.get("when")
        if len(written) == 1 and (when is None or isinstance(when.content, str)):
            pattern = node.content[written[0]]
            found.append(Rule(written[0], pattern.content, text_of(when) or None, pattern))
    return found


def _decided_before(rules: list[Rule]) -> Iterator[tuple[Rule, Rule]]:
    """Each rule that never decides, with the first that decides in its place. Each is compared with each before it."""
    for index, later in enumerate(rules[:MAX_RULES]):
        earlier = next((one for one in rules[:index] if _takes_all_of(one, later)), None)
        if earlier is not None:
            yield later, earlier


def _takes_all_of(earlier: Rule, later: Rule) -> bool:
    """Two rules of one condition hold together, but where it can't be evaluated: then `deny` and `ask` match alone."""
    same_condition = earlier.when == later.when and (earlier.action != "allow" or later.action == "allow")
    return (earlier.when is None or same_condition) and covers(earlier.pattern, later.pattern)


def covers(wide: str, narrow: str) -> bool:
    """Whether a glob matches every name that another matches. Where it is hard to say: no."""
    if wide == narrow or wide.strip("*") == "" != wide:
        return True
    if not is_glob(narrow):
        return fnmatchcase(narrow, wide)
    return len(wide) * len(narrow) <= MAX_STEPS and _covers(_tokens(wide), _tokens(narrow))


_TOKEN = re.compile(r"\[!?\]?[^\]]*\]|.", re.DOTALL)


def _tokens(pattern: str) -> tuple[str, ...]:
    """The parts of a glob: `*`, `?`, a class, or a character."""
    return tuple(_TOKEN.findall(pattern))


def _covers(wide: tuple[str, ...], narrow: tuple[str, ...]) -> bool:
    """The wide glob is matched against the parts of the narrow one; its `*` takes any of them."""

    reachable = {0}
    for token in (*narrow, None):
        for at in sorted(reachable):
            while at < len(wide) and wide[at] == "*":
                at += 1
                reachable.add(at)
        if token is None:
            return len(wide) in reachable
        reachable = {
            at if wide[at] == "*" else at + 1 for at in reachable if at < len(wide) and _takes(wide[at], token)
        }
    return False


def _takes(one: str, other: str) -> bool:
    """Whether a part of a glob takes whatever another part stands for."""
    if one == "*" or one == other:
        return True
    if other == "*":
        return False
    if one == "?":
        return True
    return len(one) > 1 and len(other) == 1 and other != "?" and fnmatchcase(other, one)


RULES = (rules_that_never_decide, tools_that_are_always_refused)
