"""The agents under test, each bound once to a stage: for all cases that have the same variables."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from agentrun.diagnostics import Span
from agentrun.engine.agent import Agent
from agentrun.errors import UsageError
from agentrun.project import Project, read_project
from agentrun.resolve import BoundModel, resolve, resolve_model
from agentrun.spec.nodes import Node
from agentrun.spec.types import ModelSpec
from agentrun.testing.plan import Case
from agentrun.testing.stage import Stage

Variables = frozenset[tuple[str, str]]
_VARIABLE = re.compile(r"\$\{([A-Za-z_]\w*)\}")
_IN_HOST = re.compile(r"https?://[^/]*")


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

        Raises `SpecError` where the agent has errors, and `UsageError` where what is really asked misses a variable.
        """
        is_real = case.is_live if is_real is None else is_real
        calls_tools = case.live_tools or (is_real and case.source == "cassette")
        variables = frozenset(case.env.items())
        _refuse_unset(case, self.project(variables), models=is_real and self._model != "offline", tools=calls_tools)
        variables |= self._stand_ins(variables)
        project = self.project(variables)
        key = case.agent, variables, is_real
        if key not in self._agents:
            document = project.catalog.agents[case.agent]
            environ = {**self._environ, **dict(variables)}
            model = self._model if is_real else None
            self._agents[key] = resolve(project, document, environ, model=model, stage=Stage())
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
        """A text without the secrets of the agents that were bound."""
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
    """A variable that is missed matters where a model or a tool is really asked."""
    asked = [
        one
        for one in project.reachable(project.catalog.agents[case.agent])
        if (models and one.kind == "agent") or (tools and one.kind == "tool" and one.name not in case.stubs)
    ]
    for document in asked:
        for finding in (*document.diagnostics, *project.crossed.get(document, ())):
            if finding.code == "AR510":
                raise UsageError(finding.message, help=finding.help)


def stand_ins(project: Project, environ: Mapping[str, str]) -> dict[str, str]:
    """Values for the variables without one that the addresses of tools are made of: a stub needs no service.

    A request that is looked at says whose it would be: `http://orders-url.test/orders/7`.
    """
    found: dict[str, str] = {}
    for document in project.catalog.documents():
        for key in ("base_url", "url"):
            node = document.node.get("http", key) if document.kind == "tool" else None
            written = node.source.strip("\"'") if node is not None else ""
            for variable in _VARIABLE.finditer(written):
                if not environ.get(variable[1]):
                    found.setdefault(variable[1], _stand_in(variable[1], written, variable))
    return {name: value for name, value in found.items() if value}


def _stand_in(name: str, written: str, place: re.Match[str]) -> str:
    """What makes an address of a text; nothing behind the host, where all is well without."""
    before, label = written[: place.start()], name.lower().replace("_", "-")
    if not before:
        return f"http://{label}.test"
    if not _IN_HOST.fullmatch(before):
        return ""
    if before[-1] == ":":
        return "80"
    is_whole = before[-1] == "/" and written[place.end() :][:1] in ("", "/", ":")
    return f"{label}.test" if is_whole else label


def _is_within(inner: Span, outer: Span) -> bool:
    begins_after = (outer.line, outer.column) <= (inner.line, inner.column)
    return begins_after and (inner.end_line, inner.end_column) <= (outer.end_line, outer.end_column)
