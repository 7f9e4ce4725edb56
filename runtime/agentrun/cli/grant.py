"""The rule that answers a question for good: which one, in which file, and the writing of it.

Holds the files as the conversation loaded them, and what it added since. Does not know how a person is asked, and
changes no agent that runs: what is written counts once the files are read anew.
"""

from __future__ import annotations

import codecs
import os
from collections.abc import Callable
from pathlib import Path

import msgspec

from agentrun.cli.describe_set import tool_behind
from agentrun.cli.permit import AllowRule, NoRule, with_rule
from agentrun.cli.replacing import replace_file
from agentrun.diagnostics import one_of
from agentrun.engine.ports import ApprovalQuestion
from agentrun.errors import reason_of
from agentrun.project import Project
from agentrun.spec.catalog import Catalog, Document
from agentrun.spec.nodes import Node
from agentrun.spec.rules import RULES
from agentrun.spec.yaml_nodes import read_text


class Offer(msgspec.Struct, frozen=True):
    """A rule that could be written. `write` writes it, or raises `NoRule` and has changed nothing."""

    file: str
    rule: AllowRule
    remarks: tuple[str, ...]
    write: Callable[[], None]


Propose = Callable[[ApprovalQuestion], Offer]


class Grants:
    """Offers the rule for a question, for the files of one project."""

    def __init__(self, project: Project) -> None:
        self._home = Path.cwd()  # the paths of documents are relative to it
        self._catalog = project.catalog
        self._sources = dict(project.sources)
        self._added: dict[str, list[int]] = {}

    def propose(self, question: ApprovalQuestion) -> Offer:
        """Raises `NoRule` where there is no rule, or no way to write it."""
        if question.unclear:
            raise NoRule("it asks because a condition could not be evaluated, and no rule can say yes to that")
        agent = self._catalog.agents[question.agent]
        written = agent.node.get("permissions")
        file = agent.path if written is None else written.span.file
        before = None if question.rule is None else self._now_at(file, question.rule)
        rule = self._rule(agent, question.tool, before)
        try:
            new = with_rule(self._sources[file], rule, before)
        except NoRule as reason:
            raise NoRule(f"{reason}: put `- {rule.text}` into {file} by hand, {_place(before)}") from None
        self._check_disk(file)
        catalog, others = self._catalog_with(agent, file, new, rule, len(_rules(written)) if before is None else before)
        remarks = [] if before is None else [f"it stands {_place(before)}"]
        if others:
            remarks.append(f"these are the rules of other agents too, which get it as well: {one_of(others)}")
        elif file != agent.path:
            remarks.append("it is a base: agents that will extend it get the rule as well")
        if before is None and rule.when is None and self._approval(agent, question.tool) == "auto":
            remarks.append("the tool is then not asked about after untrusted output either")

        def write() -> None:
            self._write(file, new)
            self._catalog = catalog
            self._sources[file] = new
            if before is not None:
                self._added.setdefault(file, []).append(before)

        return Offer(file, rule, tuple(remarks), write)

    def _now_at(self, file: str, index: int) -> int:
        """Where a rule stands that had this index when the agent was loaded."""
        for added in self._added.get(file, ()):
            index += added <= index
        return index

    def _rule(self, agent: Document, tool: str, before: int | None) -> AllowRule:
        """What asked, turned into what allows: under the same condition, and for this tool alone."""
        if before is not None:
            when = agent.node.get("permissions", before, "when")
            return AllowRule(tool, None if when is None else str(when.content))
        approval = self._approval(agent, tool)
        return AllowRule(tool, None if approval in ("auto", "always", "never") else approval)

    def _approval(self, agent: Document, tool: str) -> str:
        found = tool_behind(self._catalog.tools_of(agent), tool)
        return "always" if found is None else str(found.spec.require_approval)

    # -- what else the file's rules are for

    def _catalog_with(
        self, agent: Document, file: str, text: str, rule: AllowRule, at: int
    ) -> tuple[Catalog, list[str]]:
        """The catalog with the new rule, and the other agents that it is for too. None of them may break by it."""
        rules = read_text(file, text).documents[0].content["permissions"]
        changed: dict[str, Document] = {}
        for name, one in self._catalog.agents.items():
            before = one.node.get("permissions")
            if one is agent or _has_rules_of(one, before, agent, file):
                permissions = rules.like([*_rules(before)[:at], rules.content[at], *_rules(before)[at:]])
                node = Node({**one.node.content, "permissions": permissions}, one.node.span, keys=one.node.keys)
                changed[name] = msgspec.structs.replace(one, node=node)
        catalog = msgspec.structs.replace(self._catalog, agents=self._catalog.agents | changed)
        for name, one in changed.items():
            new = _errors(catalog, one) - _errors(self._catalog, self._catalog.agents[name])
            if new:
                raise NoRule(f"with `- {rule.text}` in {file} the agent `{name}` would not load: {min(new)}")
        return catalog, sorted(changed.keys() - {agent.name})

    # -- the file

    def _check_disk(self, file: str) -> bytes:
        """What the file holds, if that is still what was loaded."""
        try:
            raw = (self._home / file).read_bytes()
        except OSError as error:
            raise NoRule(f"{file} can't be read: {reason_of(error)}") from None
        if raw.removeprefix(codecs.BOM_UTF8) != self._sources[file].encode():
            raise NoRule(f"{file} was changed since it was loaded: start again to add a rule to it")
        return raw

    def _write(self, file: str, text: str) -> None:
        raw = self._check_disk(file)
        mark = codecs.BOM_UTF8 if raw.startswith(codecs.BOM_UTF8) else b""
        target = Path(os.path.realpath(self._home / file))  # a link stays one
        try:
            replace_file(target, mark + text.encode())
        except OSError as error:
            raise NoRule(f"{file} can't be written: {reason_of(error)}") from None


def _rules(permissions: Node | None) -> list[Node]:
    return permissions.content if permissions is not None else []


def _has_rules_of(one: Document, permissions: Node | None, agent: Document, file: str) -> bool:
    """Whether an agent's rules are those of the file, or will be once it has some."""
    if permissions is not None:
        return permissions.span.file == file
    return agent.path == file and agent.node.get("permissions") is None and agent.name in one.bases


def _errors(catalog: Catalog, agent: Document) -> set[str]:
    found = (one for rule in RULES for one in rule(catalog, agent))
    return {one.message for one in found if one.severity == "error"}


def _place(before: int | None) -> str:
    return "at the end of `permissions`" if before is None else f"directly before rule {before + 1} of `permissions`"
