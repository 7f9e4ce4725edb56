"""The agents under test, each bound once to a stage: for all cases that have the same variables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from agentrun.engine.agent import Agent
from agentrun.project import Project, read_project
from agentrun.resolve import check_runnable, resolve
from agentrun.testing.plan import Case
from agentrun.testing.stage import Stage


class Bench:
    """`environ` is the environment; a file's `env` goes over it. `model` is asked instead of the agents' own."""

    def __init__(
        self,
        project: Project,
        environ: Mapping[str, str],
        *,
        tools: Sequence[Path] = (),
        model: str | None = None,
    ) -> None:
        self._environ = environ
        self._tools = tools
        self._model = model
        self._projects: dict[frozenset[tuple[str, str]], Project] = {frozenset(): project}
        self._agents: dict[tuple[str, frozenset[tuple[str, str]]], Agent] = {}

    def agent(self, case: Case) -> Agent:
        """Raises `SpecError` where the agent has errors, or what is really asked needs a variable that is not set."""
        key = case.agent, frozenset(case.env.items())
        project, environ = self._project(case)
        document = project.catalog.agents[case.agent]
        if case.is_live or case.live_tools:
            reached = project.reachable(document)
            check_runnable(project, reached if case.live_tools else [one for one in reached if one.kind == "agent"])
        if key not in self._agents:
            self._agents[key] = resolve(project, document, environ, model=self._model, stage=Stage())
        return self._agents[key]

    async def close(self) -> None:
        for agent in self._agents.values():
            await agent.close()

    def _project(self, case: Case) -> tuple[Project, Mapping[str, str]]:
        variables = frozenset(case.env.items())
        environ = {**self._environ, **case.env}
        if variables not in self._projects:
            first = self._projects[frozenset()]
            self._projects[variables] = read_project(first.root, environ, tools=self._tools)
        return self._projects[variables], environ
