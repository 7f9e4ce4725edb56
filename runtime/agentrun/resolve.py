"""Project + agent + environment to an `Agent`, fully bound: models, tools, templates, limits, secrets.

Everything that the files leave to the machine is settled here; after it nothing is looked up. Sync, and without
network: clients are made when they are first used.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from agentrun.bindings import (
    answer_format,
    approval,
    bound_limits,
    context_policy,
    handoff,
    output_shaper,
    permission_rule,
    run_text,
    sent_and_check,
    tool_choice,
)
from agentrun.diagnostics import Report
from agentrun.effects import has_untrusted_output, is_idempotent, is_read_only
from agentrun.engine.agent import Agent, BoundTool, Prices, Pricing
from agentrun.engine.exchange import OnExchange, masked
from agentrun.engine.messages import FunctionTool, ToolList
from agentrun.engine.ports import Model, Tool
from agentrun.errors import SpecError
from agentrun.json_schema import DEFAULT_PARAMETERS, Validator
from agentrun.models.endpoint import KEY_VARIABLES
from agentrun.places import part_folders, working_directory, writable_paths
from agentrun.prices import ListPrice, service_url
from agentrun.project import Project
from agentrun.secrets import Masker
from agentrun.spec.catalog import Document
from agentrun.spec.types import (
    AgentSpec,
    ModelSpec,
    TimeoutSpec,
    ToolSpec,
)
from agentrun.suppress import accepted
from agentrun.templates import compile_template

if TYPE_CHECKING:
    from agentrun.tools.network import Network
    from agentrun.tools.oauth2 import TokenSources
    from agentrun.tools.shell import ShellTool

DEFAULT_AGENT_PARAMETERS: dict[str, Any] = {
    "type": "object",
    "properties": {"input": {"type": "string", "description": "What the agent is asked."}},
    "required": ["input"],
}


class Stage(Protocol):
    """Stands between an agent and the world, for a test: what it gives takes the place of what would be bound."""

    shell: type[ShellTool]

    def model(self, specs: Sequence[ModelSpec], real: Model) -> Model: ...
    def tool(self, name: str, timeout_s: float, make: Callable[[], Tool | None]) -> Tool | None: ...
    def network(self, watch: OnExchange | None) -> Network: ...
    def tokens(self, network: Network) -> Network: ...
    async def sleep(self, seconds: float) -> None: ...


def check_runnable(project: Project, documents: list[Document], *, unset: bool = False) -> Report:
    """The findings that matter for a run. A variable without a value is an error here: the run would miss it.

    With `unset` it may be: what it is for is not needed.

    Raises `SpecError` where there are errors.
    """
    report = accepted(project.report(documents), project.sources)
    found = tuple(
        msgspec.structs.replace(one, severity="error") if one.code == "AR510" and not unset else one
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
) -> Agent:
    """The agent of a document. `model` overrides its model's name, for the agents that it calls too.

    `live`: what the model says is shown at once and can't be taken back, so a turn that was begun is not retried.
    `on_exchange` is told what goes to model services and from http tools, and comes back, with secrets hidden.
    With a `stage` variables need no value. Raises `SpecError` where the agent or what it reaches has errors.
    """
    documents = project.reachable(document)
    check_runnable(project, documents, unset=stage is not None)
    return _Resolver(project, environ, _masker(project, environ), model, live, on_exchange, stage).whole(document)


def resolve_tool(
    project: Project,
    document: Document,
    environ: Mapping[str, str],
    *,
    model: str | None = None,
    on_exchange: OnExchange | None = None,
) -> tuple[BoundTool, Masker]:
    """One tool alone, as `agentrun tools call` needs it. `model` is for the agent behind it, where there is one."""
    documents = project.reachable(document)
    check_runnable(project, documents)
    masker = _masker(project, environ)
    resolver = _Resolver(project, environ, masker, model, False, on_exchange)
    return resolver.whole_tool(document), masker


class BoundModel(msgspec.Struct, frozen=True, eq=False):
    """A model alone, with its retries and fallbacks, whose names and prices are as `Reply.model_index` counts them."""

    model: Model
    names: tuple[str, ...]
    prices: tuple[Pricing | None, ...]
    mask: Masker
    close: Callable[[], Awaitable[None]]


def resolve_model(project: Project, spec: ModelSpec | str, environ: Mapping[str, str]) -> BoundModel:
    """A model that belongs to no agent, such as one that judges. It is masked with the project's secrets."""
    return _Resolver(project, environ, _masker(project, environ), None, False).model_alone(spec)


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
        self.model = model
        self.live = live
        self.on_exchange = on_exchange and (lambda exchange: on_exchange(masked(exchange, masker.text)))
        self.stage = stage
        self._agents: dict[str, Agent] = {}
        self._peers: dict[str, Agent] = {}
        self._closers: list[Callable[[], Awaitable[None]]] = []
        self._network: tuple[Network, TokenSources] | None = None

    def whole(self, document: Document) -> Agent:
        """An agent with all that its conversation, or that of an agent behind its tools, may be handed over to."""
        agent = self.agent(document)
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
        tools = {one.name: self.tool(one) for one in self.project.catalog.tools_of(document)}
        handoffs = {one.name: one for one in map(handoff, self._handed_to(document))}
        prompt = compile_template(spec.system_prompt) if isinstance(spec.system_prompt, str) else None
        first = compile_template(spec.input)
        parameters = spec.parameters or DEFAULT_AGENT_PARAMETERS
        models = self._asked(spec.model if isinstance(spec.model, ModelSpec) else ModelSpec(name=spec.model))
        response_format, answer = answer_format(document)
        return Agent(
            name=document.name,
            description=spec.description,
            model=self._model(models),
            mask=self.masker,
            parameters=parameters,
            arguments=Validator(parameters),
            prompt=run_text(prompt, "system_prompt") if prompt else None,
            prompt_arguments=prompt.args.intersection(parameters.get("required", ())) if prompt else frozenset(),
            input=run_text(first, "input"),
            tools=tools,
            tool_list=ToolList(one.function for one in (*tools.values(), *handoffs.values())),
            tool_choice=tool_choice(spec.tool_choice, {**tools, **handoffs}),
            parallel_tool_calls=spec.parallel_tool_calls,
            response_format=response_format,
            answer=answer,
            permissions=tuple(permission_rule(one) for one in spec.permissions),
            limits=bound_limits(spec.limits),
            context=context_policy(spec.context),
            prices=tuple(self._pricing(one) for one in models),
            starters=tuple(spec.starters),
            close=self._close,
            handoffs=handoffs,
            peers=self._peers,
        )

    async def _close(self) -> None:
        for close in self._closers:
            await close()

    # -- models

    def model_alone(self, written: ModelSpec | str) -> BoundModel:
        specs = self._asked(written if isinstance(written, ModelSpec) else ModelSpec(name=written))
        names = tuple(one.name or one.api for one in specs)
        prices = tuple(self._pricing(one) for one in specs)
        return BoundModel(self._model(specs), names, prices, self.masker, self._close)

    def _asked(self, spec: ModelSpec) -> list[ModelSpec]:
        """The models that are asked, in order: the agent's, or what overrides it, and the fallbacks."""
        if self.model == "offline":
            return [ModelSpec(name="offline", api="offline")]
        if self.model is not None:
            changed: dict[str, Any] = {"fallback": []}
            if spec.api in ("offline", "scripted"):
                changed |= {"api": "chat_completions", "script": None}
            spec = msgspec.structs.replace(_renamed(spec, self.model), **changed)
        specs = [spec]
        for one in spec.fallback:
            specs.append(msgspec.structs.replace(_renamed(spec, one), fallback=[]) if isinstance(one, str) else one)
        return specs

    def _pricing(self, spec: ModelSpec) -> Pricing | None:
        """What the file says a model costs, else the price list."""
        if spec.prices is not None:
            cached = spec.prices.input if spec.prices.cached is None else spec.prices.cached
            return Prices(spec.prices.input, spec.prices.output, cached)
        if spec.api in ("offline", "scripted"):
            return None
        return ListPrice(spec.name or "", service_url(spec.api, spec.base_url, self.environ))

    def _model(self, specs: list[ModelSpec]) -> Model:
        from agentrun.models.retry import Retrying

        if self.model == "offline":
            model = self._one_model(specs[0])
        else:
            model = Retrying(
                [self._one_model(one) for one in specs],
                max_retries=[one.max_retries for one in specs],
                can_take_back=not self.live,
            )
        return model if self.stage is None else self.stage.model(specs, model)

    def _one_model(self, spec: ModelSpec) -> Model:
        if spec.api == "offline":
            from agentrun.models.offline import Offline

            return Offline(spec.name or "offline")
        if spec.api == "scripted":
            from agentrun.models.scripted import Scripted

            return Scripted(spec.name or "scripted", spec.script if isinstance(spec.script, list) else [])
        from agentrun.models.anthropic_messages import AnthropicMessages
        from agentrun.models.openai_chat import ChatCompletions
        from agentrun.models.openai_responses import Responses
        from agentrun.models.transport import Wiring

        timeout = spec.timeout if isinstance(spec.timeout, TimeoutSpec) else TimeoutSpec(total=spec.timeout)
        wiring = Wiring(
            base_url=spec.base_url or None,
            api_key=spec.api_key or None,
            headers=spec.headers,
            connect_s=timeout.connect,
            idle_s=timeout.idle,
            total_s=timeout.total,
            use_proxy=spec.proxy == "env",
            environment=self.environ,
            on_exchange=self.on_exchange,
        )
        name = spec.name or ""
        client: AnthropicMessages | ChatCompletions | Responses
        if spec.api == "anthropic_messages":
            client = AnthropicMessages(name, settings=spec.settings, **wiring)
        elif spec.api == "responses":
            client = Responses(name, settings=spec.settings, **wiring)
        else:
            client = ChatCompletions(name, settings=spec.settings, content_when_empty=spec.content_when_empty, **wiring)
        self._closers.append(client.aclose)
        return client

    # -- tools

    def whole_tool(self, document: Document) -> BoundTool:
        tool = self.tool(document)
        self._bind_peers()
        return tool

    def tool(self, document: Document) -> BoundTool:
        spec: ToolSpec = document.spec
        description, parameters = spec.description, spec.parameters
        if spec.agent is not None:
            called: AgentSpec = self.project.catalog.agents[spec.agent].spec
            description = description or called.description
            parameters = parameters or called.parameters or DEFAULT_AGENT_PARAMETERS
        parameters = parameters or DEFAULT_PARAMETERS
        sent, check = sent_and_check(parameters, spec.strict)
        return BoundTool(
            function=FunctionTool(document.name, description, sent, spec.strict),
            check=check,
            backend=self._staged(document, spec, parameters),
            approval=approval(spec.require_approval),
            condition=spec.require_approval,
            read_only=is_read_only(spec),
            untrusted_output=has_untrusted_output(spec),
            relays_untrusted=spec.agent is not None and self._reads_untrusted(spec.agent),
            runs_agent=spec.agent is not None,
            timeout_s=self._timeout_s(document),
            max_output_chars=spec.max_output_length,
            output=output_shaper(spec.output),
        )

    def _reads_untrusted(self, agent: str) -> bool:
        """Whether a run of an agent may read hostile output, with the agents behind its tools and its hand-offs."""
        catalog = self.project.catalog
        tools = [one.spec for one in catalog.reached(catalog.agents[agent]) if one.kind == "tool"]
        return any(has_untrusted_output(spec) for spec in tools)

    def _timeout_s(self, document: Document) -> float:
        """An agent as a tool has the time of a whole run, unless the tool says less."""
        spec: ToolSpec = document.spec
        if spec.agent is not None and document.node.get("timeout") is None:
            return self.agent(self.project.catalog.agents[spec.agent]).limits.timeout_s
        return spec.timeout

    def _staged(self, document: Document, spec: ToolSpec, parameters: Mapping[str, Any]) -> Tool | None:
        def make() -> Tool | None:
            return self._backend(document, spec, parameters)

        return make() if self.stage is None else self.stage.tool(document.name, self._timeout_s(document), make)

    def _backend(self, document: Document, spec: ToolSpec, parameters: Mapping[str, Any]) -> Tool | None:
        if spec.http is not None:
            from agentrun.tools.http import HttpTool

            network, tokens = self._shared_network()
            return HttpTool(
                spec.http,
                parameters=parameters,
                idempotent=is_idempotent(spec),
                network=network,
                tokens=tokens,
                folders=part_folders(document),
                timeout_s=self._timeout_s(document),
                sleep=asyncio.sleep if self.stage is None else self.stage.sleep,
            )
        if spec.shell is not None:
            from agentrun.tools.shell import ShellTool

            cwd, write = working_directory(document), writable_paths(document)
            make = ShellTool if self.stage is None else self.stage.shell
            return make(spec.shell, cwd=cwd, environ=self.environ, write=write)
        if spec.agent is not None:
            from agentrun.tools.agent import AgentTool

            return AgentTool(self.agent(self.project.catalog.agents[spec.agent]))
        if spec.python is not None:
            from agentrun.tools.python import PythonTool

            return PythonTool(spec.python, root=self.project.root)
        return None

    def _shared_network(self) -> tuple[Network, TokenSources]:
        """One pool of connections for all tools, and one token for all tools of a client."""
        if self._network is None:
            from agentrun.tools.network import Network
            from agentrun.tools.oauth2 import TokenSources

            network = Network(watch=self.on_exchange) if self.stage is None else self.stage.network(self.on_exchange)
            self._closers.append(network.aclose)
            tokens = network if self.stage is None else self.stage.tokens(network)
            self._network = network, TokenSources(tokens, self.masker)
        return self._network


def _renamed(spec: ModelSpec, name: str) -> ModelSpec:
    """Another model in the same place. What is written of its price is the price of the one it takes the place of."""
    return spec if name == spec.name else msgspec.structs.replace(spec, name=name, prices=None)
