"""The agents under test, each bound once to a stage: for all cases that have the same variables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from agentrun.diagnostics import Diagnostic, Span
from agentrun.engine.agent import Agent
from agentrun.errors import UsageError
from agentrun.project import Project, read_project
from agentrun.resolve import BoundModel, resolve, resolve_model
from agentrun.secrets import Masker
from agentrun.spec.catalog import Document
from agentrun.spec.nodes import Node
from agentrun.spec.types import ModelSpec
from agentrun.testing.plan import Case
from agentrun.testing.stage import Stage
from agentrun.testing.stand_ins import stand_ins

Variables = frozenset[tuple[str, str]]


class Bench:
    """`environ` is the environment; a file's `env` goes over it. `tools` and `files` are further ones of the project.

    `model` takes the place of the agents' own where a model is really asked.
    """

    def __init__(
        self,
        project: Project,
        environ: Mapping[str, str],
        *,
        tools: Sequence[Path] = (),
        files: Sequence[Path] = (),
        model: str | None = None,
    ) -> None:
        self._environ = environ
        self._tools = tools
        self._files = files
        self._model = model
        self._projects: dict[Variables, Project] = {frozenset(): project}
        self._agents: dict[tuple[str, Variables, bool], Agent] = {}
        self._judges: dict[bytes, BoundModel] = {}
        self._addresses: dict[Variables, Variables] = {}

    def agent(self, case: Case, *, is_real: bool | None = None) -> Agent:
        """`is_real`: its model is really asked; default: where the case says `live`.

        Raises `SpecError` where the agent has errors, and `UsageError` where a model that is really asked, and costs
        money, misses a variable, or a tool that it may call. Else a tool tells so where it is really called.
        """
        is_real = case.is_live if is_real is None else is_real
        variables = frozenset(case.env.items())
        as_given = self.project(variables)
        if is_real:
            calls_tools = case.live_tools or case.source == "cassette"
            _refuse_unset(case, as_given, models=self._model != "offline", tools=calls_tools)
        variables |= self._stand_ins(variables)
        project = self.project(variables)
        key = case.agent, variables, is_real
        if key not in self._agents:
            document = project.catalog.agents[case.agent]
            stage = Stage(_unset_of_tools(as_given, as_given.catalog.agents[case.agent]))
            environ = {**self._environ, **dict(variables)}
            model = self._model if is_real else None
            self._agents[key] = resolve(project, document, environ, model=model, stage=stage)
        return self._agents[key]

    def project(self, variables: Variables = frozenset()) -> Project:
        """The project as it reads with these variables over the environment."""
        if variables not in self._projects:
            first = self._projects[frozenset()]
            environ = {**self._environ, **dict(variables)}
            self._projects[variables] = read_project(first.root, environ, tools=self._tools, files=self._files)
        return self._projects[variables]

    def _stand_ins(self, variables: Variables) -> Variables:
        if variables not in self._addresses:
            environ = {**self._environ, **dict(variables)}
            self._addresses[variables] = frozenset(stand_ins(self.project(variables), environ).items())
        return self._addresses[variables]

    def hidden(self, text: str) -> str:
        """A text without the secrets that the files took from the environment, and those of the agents' clients."""
        documents = (one for project in self._projects.values() for one in project.catalog.documents())
        text = Masker({secret for one in documents for secret in one.secrets}).text(text)
        for agent in self._agents.values():
            text = agent.mask.text(text)
        return text

    def judge(self, case: Case, written: str | ModelSpec, node: Node | None) -> BoundModel:
        """The model that is named at a node, or by the `judge` of the case's file, whose `env` is not for it.

        Raises `UsageError` where a variable has no value.
        """
        project = self._projects[frozenset()]
        document = next(one for one in project.catalog.tests if one.path == case.file)
        node = node or document.node.content["judge"]
        unset = (one for one in document.diagnostics if one.code == "AR510" and _is_within(one.span, node.span))
        for finding in unset:
            raise UsageError(f"the judge can't be asked: {finding.message}", help=finding.help)
        key = msgspec.json.encode(written)
        if key not in self._judges:
            self._judges[key] = resolve_model(project, written, self._environ)
        return self._judges[key]

    async def close(self) -> None:
        closers = [one.close for one in self._agents.values()] + [one.close for one in self._judges.values()]
        for close in closers:
            await close()


class Benches:
    """Those of several projects, by the file of a case."""

    def __init__(self, by_file: Mapping[str, Bench]) -> None:
        self._by_file = by_file

    @property
    def each(self) -> list[Bench]:
        return list(dict.fromkeys(self._by_file.values()))

    def of(self, case: Case) -> Bench:
        return self._by_file[case.file]

    def agent(self, case: Case, *, is_real: bool | None = None) -> Agent:
        return self.of(case).agent(case, is_real=is_real)

    def judge(self, case: Case, written: str | ModelSpec, node: Node | None) -> BoundModel:
        return self.of(case).judge(case, written, node)

    def hidden(self, text: str) -> str:
        for bench in self.each:
            text = bench.hidden(text)
        return text

    async def close(self) -> None:
        for bench in self.each:
            await bench.close()


def _refuse_unset(case: Case, project: Project, *, models: bool, tools: bool) -> None:
    asked = [
        one
        for one in project.reachable(project.catalog.agents[case.agent])
        if (models and one.kind == "agent") or (tools and one.kind == "tool" and one.name not in case.stubs)
    ]
    for finding in (found for document in asked for found in _unset(project, document)):
        raise UsageError(finding.message, help=finding.help)


def _unset_of_tools(project: Project, agent: Document) -> dict[str, str]:
    """What is said of the first variable that a tool of an agent misses, by the tool's name."""
    found = ((one.name, _unset(project, one)) for one in project.reachable(agent) if one.kind == "tool")
    return {name: findings[0].message for name, findings in found if findings}


def _unset(project: Project, document: Document) -> list[Diagnostic]:
    found = (*document.diagnostics, *project.crossed.get(document, ()))
    return [one for one in found if one.code == "AR510"]


def _is_within(inner: Span, outer: Span) -> bool:
    begins_after = (outer.line, outer.column) <= (inner.line, inner.column)
    return begins_after and (inner.end_line, inner.end_column) <= (outer.end_line, outer.end_column)
