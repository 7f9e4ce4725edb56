"""Project + agent + environment to an `Agent`, fully bound: models, tools, templates, limits, secrets.

Everything that the files leave to the machine is settled here; after it nothing is looked up. Sync, and without
network: clients are made when they are first used.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

import msgspec

from agentrun.bindings import (
    answer_format,
    bound_limits,
    context_policy,
    handoff,
    permission_rule,
    run_text,
    tool_choice,
    tool_search,
)
from agentrun.diagnostics import Report
from agentrun.engine.agent import Agent, BoundTool, ToolSet
from agentrun.engine.exchange import OnExchange, masked
from agentrun.engine.messages import ToolList
from agentrun.engine.ports import Model
from agentrun.errors import SpecError
from agentrun.json_schema import DEFAULT_AGENT_PARAMETERS, Validator
from agentrun.model_wiring import ModelWiring, WiredModel
from agentrun.models.endpoint import KEY_VARIABLES
from agentrun.project import Project
from agentrun.secrets import Masker
from agentrun.spec.catalog import Document
from agentrun.spec.types import AgentSpec, ModelSpec
from agentrun.suppress import accepted
from agentrun.templates import compile_template
from agentrun.tool_binding import ToolBinder, ToolStage


class Stage(ToolStage, Protocol):
    """Stands between an agent and the world, for a test: what it gives takes the place of what would be bound."""

    def model(self, specs: Sequence[ModelSpec], real: Model) -> Model: ...


def check_runnable(
    project: Project, documents: list[Document], *, unset: bool = False, model: str | None = None
) -> Report:
    """The findings that matter for a run. A variable without a value is an error here: the run would miss it.

    With `unset` it may be: what it is for is not needed. The `offline` model needs nothing that an agent's own does.

    Raises `SpecError` where there are errors.
    """
    report = accepted(project.report(documents), project.sources)
    agents = (one for one in documents if one.kind == "agent") if model == "offline" else ()
    idle = {found.span for agent in agents for found in agent.diagnostics}
    missed = {
        found.span
        for one in documents
        for found in one.diagnostics
        if one.spec is None or not (unset or found.span in idle)
    }
    found = tuple(
        msgspec.structs.replace(one, severity="error") if one.code == "AR510" and one.span in missed else one
        for one in report.diagnostics
    )
    report = Report(found, report.sources)
    if report.errors:
        raise SpecError(Report(tuple(one for one in found if one.severity == "error"), report.sources))
    return report


def resolve(
    project: Project,
    document: Document,
    environ: Mapping[str, str],
    *,
    model: str | None = None,
    live: bool = False,
    on_exchange: OnExchange | None = None,
    stage: Stage | None = None,
    beside: Sequence[Document] = (),
) -> Agent:
    """The agent of a document. `model` overrides its model's name, for the agents that it calls too.

    `live`: what the model says is shown at once and can't be taken back, so a turn that was begun is not retried.
    `on_exchange` is told what goes to model services and from http tools, and comes back, with secrets hidden.
    With a `stage` variables need no value. `beside` are further agents that become its peers. Raises `SpecError` where
    the agent or what it reaches has errors.
    """
    documents = list(dict.fromkeys(one for start in (document, *beside) for one in project.reachable(start)))
    check_runnable(project, documents, unset=stage is not None, model=model)
    return _Resolver(project, environ, _masker(project, environ), model, live, on_exchange, stage).whole(
        document, beside
    )


class BoundTools(msgspec.Struct, frozen=True, eq=False):
    """Tools without an agent: those of one document, which may be a set. `sets` are asked with `await`, and `close`
    ends what they started.
    """

    tools: Sequence[BoundTool]
    sets: Sequence[ToolSet]
    mask: Masker
    close: Callable[[], Awaitable[None]]


def resolve_tools(
    project: Project,
    document: Document,
    environ: Mapping[str, str],
    *,
    model: str | None = None,
    on_exchange: OnExchange | None = None,
) -> BoundTools:
    """The tools that a document stands for: itself, or the members of a set. `model` is for the agent behind a tool,
    where there is one. Raises `SpecError`.
    """
    check_runnable(project, project.reachable(document), model=model)
    resolver = _Resolver(project, environ, _masker(project, environ), model, False, on_exchange)
    tools, tool_set = resolver.whole_members(document)
    return BoundTools(tools, [tool_set] if tool_set else [], resolver.masker, resolver.close)


class BoundModel(WiredModel, frozen=True, eq=False):
    """A model that belongs to no agent, such as one that judges. `mask` hides the project's secrets."""

    mask: Masker
    close: Callable[[], Awaitable[None]]


def resolve_model(project: Project, spec: ModelSpec | str, environ: Mapping[str, str]) -> BoundModel:
    models = ModelWiring(environ)
    wired = models.wired(spec)
    return BoundModel(wired.model, wired.names, wired.prices, _masker(project, environ), models.aclose)


def _masker(project: Project, environ: Mapping[str, str]) -> Masker:
    """Hides what the files took from the environment as credentials, and the keys that clients take by themselves.

    Those of all files: a command may show a secret of another tool.
    """
    secrets = {value for one in project.catalog.documents() for value in one.secrets}
    return Masker(secrets | {environ.get(name, "") for name in KEY_VARIABLES})


class _Resolver:
    def __init__(
        self,
        project: Project,
        environ: Mapping[str, str],
        masker: Masker,
        model: str | None,
        live: bool,
        on_exchange: OnExchange | None = None,
        stage: Stage | None = None,
    ) -> None:
        self.project = project
        self.environ = environ
        self.masker = masker
        self.on_exchange = on_exchange and (lambda exchange: on_exchange(masked(exchange, masker.text)))
        self.stage = stage
        self.models = ModelWiring(
            environ,
            override=model,
            live=live,
            on_exchange=self.on_exchange,
            stand_in=None if stage is None else stage.model,
        )
        self._agents: dict[str, Agent] = {}
        self._peers: dict[str, Agent] = {}
        self._tools = ToolBinder(
            project, environ, masker, self.on_exchange, stage, lambda name: self.agent(project.catalog.agents[name])
        )

    def whole(self, document: Document, beside: Sequence[Document] = ()) -> Agent:
        """An agent with all that its conversation, or that of an agent behind its tools, may be handed over to."""
        agent = self.agent(document)
        if beside:
            self._peers |= {one.name: one for one in (agent, *map(self.agent, beside))}
        self._bind_peers()
        return agent

    def _bind_peers(self) -> None:
        """Hand-offs may form circles: an agent names the others, and finds them once all are made."""
        waiting = list(self._agents)
        for name in waiting:
            giving = self._agents[name]
            for taking in (self.agent(one) for one in self._handed_to(self.project.catalog.agents[name])):
                self._peers |= {giving.name: giving, taking.name: taking}
            waiting += [one for one in self._agents if one not in waiting]

    def _handed_to(self, document: Document) -> list[Document]:
        """Of a base's list, which several agents have, each hands over to the others."""
        return [self.project.catalog.agents[name] for name in document.spec.handoffs if name != document.name]

    def agent(self, document: Document) -> Agent:
        if document.name not in self._agents:
            self._agents[document.name] = self._agent(document)
        return self._agents[document.name]

    def _agent(self, document: Document) -> Agent:
        spec: AgentSpec = document.spec
        tools, sets = self._tools_of(document)
        handoffs = {one.name: one for one in map(handoff, self._handed_to(document))}
        prompt = compile_template(spec.system_prompt) if isinstance(spec.system_prompt, str) else None
        first = compile_template(spec.input)
        parameters = spec.parameters or DEFAULT_AGENT_PARAMETERS
        model = self.models.wired(spec.model)
        response_format, answer = answer_format(document)
        return Agent(
            name=document.name,
            description=spec.description,
            model=model.model,
            mask=self.masker,
            parameters=parameters,
            arguments=Validator(parameters),
            prompt=run_text(prompt, "system_prompt") if prompt else None,
            prompt_arguments=prompt.args.intersection(parameters.get("required", ())) if prompt else frozenset(),
            input=run_text(first, "input"),
            tools=tools,
            tool_list=ToolList(one.function for one in (*tools.values(), *handoffs.values())),
            tool_choice=tool_choice(spec.tool_choice),
            parallel_tool_calls=spec.parallel_tool_calls,
            response_format=response_format,
            answer=answer,
            permissions=tuple(permission_rule(one) for one in spec.permissions),
            limits=bound_limits(spec.limits),
            context=context_policy(spec.context),
            prices=model.prices,
            starters=tuple(spec.starters),
            prepare=self.models.prepare,
            close=self.close,
            sets=tuple(sets),
            search=tool_search(spec.tool_search),
            handoffs=handoffs,
            peers=self._peers,
        )

    async def close(self) -> None:
        await self.models.aclose()
        await self._tools.aclose()

    # -- tools

    def _tools_of(self, agent: Document) -> tuple[dict[str, BoundTool], list[ToolSet]]:
        tools: dict[str, BoundTool] = {}
        sets: list[ToolSet] = []
        catalog = self.project.catalog
        for document in catalog.tools_of(agent):
            if not document.is_set:
                tools[document.name] = self._tools.tool(document)
                continue
            members, tool_set = self._tools.members(document, catalog.wanted_of(agent, document))
            tools |= {one.name: one for one in members}
            sets += [tool_set] if tool_set else []
        return tools, sets

    def whole_members(self, document: Document) -> tuple[Sequence[BoundTool], ToolSet | None]:
        found = self._tools.members(document)
        self._bind_peers()
        return found
