"""Spans that go on: of a run, of its turns and calls, and of a summary that somebody asked for.

What they hold is added to as events come in; `end` makes a `Span` of one. Which event means what is `spans.py`'s.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from agentrun.engine import events
from agentrun.engine.events import Event
from agentrun.observers import semconv
from agentrun.observers.semconv import ModelFacts
from agentrun.observers.span import LAST_NS, Parent, Span, SpanEvent, span_id_of, trace_id_of


class AgentFacts(msgspec.Struct, frozen=True):
    """What events do not tell of an agent. `models` is the one that is asked, and its fallbacks."""

    description: str = ""
    models: tuple[ModelFacts, ...] = ()
    output_type: str = ""  # where the answer has a format: `json` or `text`

    def model(self, name: str) -> ModelFacts:
        return next((one for one in self.models if one.name == name), ModelFacts(name))


def _nothing_known(name: str) -> AgentFacts:
    return AgentFacts()


class Known(msgspec.Struct, frozen=True, eq=False):
    """What events do not tell: of an agent by its name, and which session goes on. Asked when a run begins."""

    agent: Callable[[str], AgentFacts] = _nothing_known
    session: Callable[[], str] = str
    parent: Parent | None = None


class OpenSpan:
    def __init__(self, event: Event, trace_id: str, parent_id: str, attributes: dict[str, Any]) -> None:
        self.span_id = span_id_of(event.run_id, event.seq)
        self.trace_id = trace_id
        self.parent_id = parent_id
        self.start_ns = time_ns(event)
        self.attributes = attributes
        self.events: list[SpanEvent] = []

    def happened(self, event: Event, name: str, attributes: dict[str, Any]) -> None:
        self.events.append(SpanEvent(name, time_ns(event), attributes))

    def end(self, name: str, end_ns: int, *, error: str = "", message: str = "", client: bool = False) -> Span:
        if error:
            self.attributes[semconv.ERROR] = error
        return Span(
            trace_id=self.trace_id,
            span_id=self.span_id,
            parent_id=self.parent_id,
            name=name,
            kind="client" if client else "internal",
            start_ns=self.start_ns,
            end_ns=max(end_ns, self.start_ns),
            attributes=self.attributes,
            events=tuple(self.events),
            is_error=bool(error),
            message=message,
        )


class OpenTurn(OpenSpan):
    """`asked_ns` is when the request went out whose reply comes in; `model` the one that is asked."""

    def __init__(self, event: Event, run: OpenRun) -> None:
        super().__init__(event, run.trace_id, run.span_id, run.common("chat"))
        self.asked_ns = self.start_ns
        self.is_first = True
        self.model = run.model

    def first_chunk(self, event: Event) -> None:
        if self.is_first:
            self.is_first = False
            self.attributes[semconv.REQUEST_STREAM] = True
            self.attributes[semconv.FIRST_CHUNK_S] = max(0.0, round((time_ns(event) - self.asked_ns) / 1e9, 6))

    def asked_again(self, asked_ns: int, model: ModelFacts) -> None:
        """What came in so far is void."""
        self.asked_ns, self.is_first = asked_ns, True
        self.attributes.pop(semconv.FIRST_CHUNK_S, None)
        self.model = model


class OpenRun(OpenSpan):
    """`root` is the run that a person or a program began. `latest_s` of it is the time that it has come to."""

    def __init__(self, event: Event, known: Known, parent: OpenRun | None) -> None:
        begun = event if isinstance(event, events.RunStarted) else None
        if parent is not None:
            trace_id, parent_id = parent.trace_id, parent.call_of(begun).span_id
        elif known.parent is not None:
            trace_id, parent_id = known.parent.trace_id, known.parent.span_id
        else:
            trace_id, parent_id = trace_id_of(event.run_id), ""
        super().__init__(event, trace_id, parent_id, {})
        self.run_id = event.run_id
        self.session = known.session()
        self.root: OpenRun = parent.root if parent else self
        self.latest_s = event.time
        self.agent = self.first_agent = begun.agent if begun else ""
        self.facts = known.agent(self.agent) if begun else AgentFacts()
        self.model = self.facts.model(begun.model if begun else "")
        self.turn: OpenTurn | None = None
        self.turns = 0
        self.calls: dict[str, OpenSpan] = {}
        self.decided: dict[str, dict[str, Any]] = {}
        self.free_ns = self.start_ns  # since when a person could be asked
        self.is_compacted = False
        self.unread: list[dict[str, Any]] = []  # messages that the model was not sent yet
        self.attributes |= self.common("invoke_agent") | self._asked()
        if self.facts.description:
            self.attributes[semconv.AGENT_DESCRIPTION] = self.facts.description

    def call_of(self, begun: events.RunStarted | None) -> OpenSpan:
        """The call that a run below serves. Where no event says which, it is the last that began; where none did, the
        run itself stands for it.
        """
        if begun is not None and begun.call_id in self.calls:
            return self.calls[str(begun.call_id)]
        return next(reversed(self.calls.values()), self)

    def common(self, operation: str) -> dict[str, Any]:
        """What every span of the run has."""
        found: dict[str, Any] = {semconv.OPERATION: operation, semconv.RUN_ID: self.run_id}
        if self.agent:
            found[semconv.AGENT] = self.agent
        if self.session:
            found[semconv.CONVERSATION] = self.session
        if self.facts.output_type and operation != "execute_tool":
            found[semconv.OUTPUT_TYPE] = self.facts.output_type
        return found

    def _asked(self) -> dict[str, Any]:
        named = {semconv.REQUEST_MODEL: self.model.name} if self.model.name else {}
        return named | ({semconv.PROVIDER: self.model.provider} if self.model.provider else {})

    def handed_to(self, agent: str, known: Known) -> None:
        self.agent, self.facts = agent, known.agent(agent)
        self.model = self.facts.models[0] if self.facts.models else ModelFacts("")


class OpenSummary(OpenSpan):
    """A summary of a conversation in which no run goes on. Until it is there, only what went wrong is told."""

    def __init__(self, event: Event, known: Known) -> None:
        session = known.session()
        above = known.parent or Parent(trace_id_of(event.run_id), "")
        super().__init__(event, above.trace_id, above.span_id, {semconv.CONVERSATION: session} if session else {})
        self.latest_s = event.time


def forward(event: Event, clock: OpenRun | OpenSummary) -> Event:
    """Where a clock is put back, time stands still until it has come there again."""
    if event.time < clock.latest_s:
        return msgspec.structs.replace(event, time=clock.latest_s)
    clock.latest_s = event.time
    return event


def time_ns(event: Event) -> int:
    return as_ns(event.time)


def as_ns(time_s: float) -> int:
    """Within what a span can hold, whatever stands in a file."""
    return min(max(round(time_s * 1e6), 0) * 1000, LAST_NS)
