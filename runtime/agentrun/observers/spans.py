"""A run as spans: events in, finished spans out. Pure; live or from a stored list, with the same ids.

A run is a span `invoke_agent NAME`, below it each model turn (`chat MODEL`) and each tool call (`execute_tool NAME`),
and below the call of an agent that agent's run. What happens at a moment (a retry, a hand-off) is an event of a span.
Knows no format and no destination. What somebody wrote is in a span only where `content` is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from agentrun.engine import events
from agentrun.engine.events import Event
from agentrun.engine.messages import Usage
from agentrun.observers import semconv
from agentrun.observers.semconv import ModelFacts
from agentrun.observers.span import Parent, Span, SpanEvent, in_order, span_id_of, trace_id_of

ENDED_WELL = ("answered", "final_tool")


class AgentFacts(msgspec.Struct, frozen=True):
    """What events do not tell of an agent. `models` is the one that is asked, and its fallbacks."""

    description: str = ""
    models: tuple[ModelFacts, ...] = ()

    def model(self, name: str) -> ModelFacts:
        return next((one for one in self.models if one.name == name), ModelFacts(name))


def _nothing_known(name: str) -> AgentFacts:
    return AgentFacts()


class Known(msgspec.Struct, frozen=True, eq=False):
    """What events do not tell: of an agent by its name, and which session goes on. Asked when a run begins."""

    agent: Callable[[str], AgentFacts] = _nothing_known
    session: Callable[[], str] = str
    parent: Parent | None = None


def spans_of(stored: Iterable[Event], known: Known | None = None, *, content: bool = False) -> list[Span]:
    """All spans of some events, what is above first: those too that were never finished."""
    builder = Spans(known, content=content)
    found = [span for event in stored for span in builder(event)]
    found += builder.close()
    return [span for _, span in in_order(found)]


class _Open:
    """A span on its way."""

    def __init__(self, event: Event, trace_id: str, parent_id: str, attributes: dict[str, Any]) -> None:
        self.span_id = span_id_of(event.run_id, event.seq)
        self.trace_id = trace_id
        self.parent_id = parent_id
        self.start_ns = _ns(event)
        self.attributes = attributes
        self.events: list[SpanEvent] = []

    def happened(self, event: Event, name: str, attributes: dict[str, Any]) -> None:
        self.events.append(SpanEvent(name, _ns(event), attributes))

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


class _Turn(_Open):
    """`asked_ns` is when the request went out whose reply comes in; `model` the one that is asked."""

    def __init__(self, event: Event, run: _Run) -> None:
        super().__init__(event, run.trace_id, run.span_id, run.common("chat"))
        self.asked_ns = self.start_ns
        self.is_first = True
        self.model = run.model


class _Run(_Open):
    def __init__(self, event: Event, known: Known, parent: _Run | None) -> None:
        if parent is not None:
            trace_id = parent.trace_id
            # The call that runs an agent and that run's first event follow one another: nothing comes between.
            parent_id = next(reversed(parent.calls.values())).span_id if parent.calls else parent.span_id
        elif known.parent is not None:
            trace_id, parent_id = known.parent.trace_id, known.parent.span_id
        else:
            trace_id, parent_id = trace_id_of(event.run_id), ""
        super().__init__(event, trace_id, parent_id, {})
        begun = event if isinstance(event, events.RunStarted) else None
        self.run_id = event.run_id
        self.session = known.session()
        self.root: _Run = parent.root if parent else self
        self.agent = self.first_agent = begun.agent if begun else ""
        self.facts = known.agent(self.agent) if begun else AgentFacts()
        self.model = self.facts.model(begun.model if begun else "")
        self.turn: _Turn | None = None
        self.turns = 0
        self.calls: dict[str, _Open] = {}
        self.decided: dict[str, dict[str, Any]] = {}
        self.free_ns = self.start_ns  # since when a person could be asked
        self.unread: list[dict[str, Any]] = []  # messages that the model was not sent yet
        self.attributes |= self.common("invoke_agent") | self._asked()
        if self.facts.description:
            self.attributes[semconv.AGENT_DESCRIPTION] = self.facts.description

    def common(self, operation: str) -> dict[str, Any]:
        """What every span of the run has."""
        found: dict[str, Any] = {semconv.OPERATION: operation, semconv.RUN_ID: self.run_id}
        if self.agent:
            found[semconv.AGENT] = self.agent
        if self.session:
            found[semconv.CONVERSATION] = self.session
        return found

    def _asked(self) -> dict[str, Any]:
        named = {semconv.REQUEST_MODEL: self.model.name} if self.model.name else {}
        return named | ({semconv.PROVIDER: self.model.provider} if self.model.provider else {})

    def handed_to(self, agent: str, known: Known) -> None:
        self.agent, self.facts = agent, known.agent(agent)
        self.model = self.facts.models[0] if self.facts.models else ModelFacts("")


class Spans:
    """Call it with each event: it gives the spans that are over with it, those below before those above."""

    def __init__(self, known: Known | None = None, *, content: bool = False) -> None:
        self._known = known or Known()
        self._content = content
        self._runs: dict[str, _Run] = {}
        self._last_ns = 0

    def __call__(self, event: Event) -> list[Span]:
        run = self._runs.get(event.run_id)
        match event:
            case events.TextDelta() | events.ReasoningDelta() | events.ToolCallDelta():
                if run is not None and run.turn is not None and run.turn.is_first:
                    _first_chunk(run.turn, event)
                return []
        self._last_ns = max(self._last_ns, _ns(event))
        if run is None and isinstance(event, events.Compacted):
            return [self._compaction(event)]
        if run is None:
            run = self._runs[event.run_id] = _Run(event, self._known, self._runs.get(event.parent_run_id or ""))
        return self._told(run, event)

    def close(self) -> list[Span]:
        """The spans of what was never finished: the program that ran it ended."""
        found: list[Span] = []
        for run in reversed(list(self._runs.values())):
            found += self._end(run, self._last_ns, "unfinished")
        self._runs.clear()
        return found

    def _told(self, run: _Run, event: Event) -> list[Span]:
        match event:
            case events.RunStarted(input=text):
                if self._content:
                    run.unread.append(semconv.said("user", text))
                    run.attributes[semconv.INPUT_MESSAGES] = semconv.as_json(run.unread)
            case events.TurnStarted(turn=turn):
                run.turn = _Turn(event, run)
                run.turn.attributes[semconv.TURN] = turn
                run.turns += 1
            case events.TurnFinished():
                return self._turn_finished(run, event)
            case events.ApprovalDecided():
                run.decided[event.call_id] = self._decided(run, event)
            case events.ToolStarted():
                call = run.calls[event.call_id] = self._call(run, event, event.call_id)
                call.attributes[semconv.TOOL] = event.name
                if self._content:
                    call.attributes[semconv.CALL_ARGUMENTS] = semconv.as_json(event.arguments)
            case events.ToolFinished():
                return [self._tool_finished(run, event)]
            case events.Retried(attempt=attempt, cause=cause, delay_s=delay_s):
                more: dict[str, Any] = {semconv.ATTEMPT: attempt, semconv.DELAY_S: delay_s}
                (run.turn or run).happened(event, semconv.RETRY, more | self._caused(cause))
                _asked_again(run, _ns(event) + round(delay_s * 1e9))
            case events.Fallback(model=model, cause=cause):
                more = {semconv.REQUEST_MODEL: model}
                (run.turn or run).happened(event, semconv.FALLBACK, more | self._caused(cause))
                _asked_again(run, _ns(event), run.facts.model(model))
            case events.Compacted(dropped_messages=dropped):
                (run.turn or run).happened(event, semconv.COMPACTED, {semconv.DROPPED_MESSAGES: dropped})
            case events.HandedOff(agent=agent):
                run.happened(event, semconv.HAND_OFF, {semconv.AGENT: agent})
                run.handed_to(agent, self._known)
            case events.RunFinished():
                return self._run_finished(run, event)
        return []

    def _compaction(self, event: events.Compacted) -> Span:
        """Of a conversation in which no run goes on: somebody asked for it."""
        usage = event.usage if isinstance(event.usage, Usage) else None
        cost_usd = event.cost_usd if isinstance(event.cost_usd, float) else None
        more = {semconv.DROPPED_MESSAGES: event.dropped_messages, **semconv.usage_attributes(usage, cost_usd)}
        if session := self._known.session():
            more[semconv.CONVERSATION] = session
        above = self._known.parent or Parent(trace_id_of(event.run_id), "")
        return _Open(event, above.trace_id, above.span_id, more).end("compact", _ns(event))

    # -- turns

    def _turn_finished(self, run: _Run, event: events.TurnFinished) -> list[Span]:
        if run.turn is None:
            return []
        turn, run.turn = run.turn, None
        run.free_ns = _ns(event)
        turn.attributes |= semconv.usage_attributes(event.usage, event.cost_usd)
        turn.attributes[semconv.FINISH_REASONS] = [event.finish_reason]
        if turn.model.name:
            turn.attributes[semconv.RESPONSE_MODEL] = turn.model.name
        if self._content:
            said = semconv.answered(event.message, event.finish_reason)
            turn.attributes[semconv.OUTPUT_MESSAGES] = semconv.as_json([said])
        return [self._end_turn(run, turn, _ns(event))]

    def _end_turn(self, run: _Run, turn: _Turn, end_ns: int, error: str = "", message: str = "") -> Span:
        name = run.model.name  # the one that was wanted
        turn.attributes |= turn.model.attributes
        if name:
            turn.attributes[semconv.REQUEST_MODEL] = name
        if self._content:
            turn.attributes[semconv.INPUT_MESSAGES] = semconv.as_json(run.unread)
            run.unread = []
        client = turn.model.provider != semconv.OWN_PROVIDER
        return turn.end(f"chat {name}".rstrip(), end_ns, error=error, message=message, client=client)

    # -- calls

    def _call(self, run: _Run, event: Event, call_id: str) -> _Open:
        more = {semconv.TOOL_TYPE: "function", semconv.CALL_ID: call_id}
        decided = run.decided.pop(call_id, {})
        return _Open(event, run.trace_id, run.span_id, run.common("execute_tool") | more | decided)

    def _tool_finished(self, run: _Run, event: events.ToolFinished) -> Span:
        # Without a beginning it was not run: refused, unknown, or nothing but an answer.
        call = run.calls.pop(event.call_id, None) or self._call(run, event, event.call_id)
        error = semconv.failure_type(event.result) if event.is_error else ""
        is_invented = error == "unknown_tool" and not self._content  # its name is a text of the model
        name = semconv.OTHER if is_invented else event.name
        call.attributes[semconv.TOOL] = name
        if self._content:
            call.attributes[semconv.CALL_RESULT] = event.result
            run.unread.append(semconv.told(event.call_id, event.result))
        return call.end(f"execute_tool {name}", _ns(event), error=error)

    def _decided(self, run: _Run, event: events.ApprovalDecided) -> dict[str, Any]:
        found: dict[str, Any] = {semconv.APPROVED: event.approved, semconv.APPROVED_BY: event.by}
        if event.rule is not msgspec.UNSET:
            found[semconv.APPROVAL_RULE] = event.rule
        if event.by == "user":  # one question at a time, whichever agent asks
            waited_ns = _ns(event) - max(run.free_ns, run.root.free_ns)
            found[semconv.APPROVAL_WAIT_S] = max(0.0, round(waited_ns / 1e9, 6))
            run.root.free_ns = max(run.root.free_ns, _ns(event))
        if self._content:
            found[semconv.APPROVAL_REASON] = event.reason
        return found

    def _caused(self, cause: str) -> dict[str, Any]:
        return {semconv.ERROR: semconv.cause_type(cause)} | ({semconv.CAUSE: cause} if self._content else {})

    # -- the whole run

    def _run_finished(self, run: _Run, event: events.RunFinished) -> list[Span]:
        del self._runs[event.run_id]
        run.attributes |= semconv.usage_attributes(event.usage, event.cost_usd)
        run.attributes[semconv.REASON] = event.reason
        if self._content and event.text:
            finish = "stop" if event.reason in ENDED_WELL else event.reason
            said = semconv.said("assistant", event.text) | {"finish_reason": finish}
            run.attributes[semconv.OUTPUT_MESSAGES] = semconv.as_json([said])
        if event.reason in ENDED_WELL:
            return self._end(run, _ns(event))
        message = str((event.error or {}).get("message", "")) if self._content else ""
        return self._end(run, _ns(event), semconv.error_type(event.error, event.reason), message)

    def _end(self, run: _Run, end_ns: int, error: str = "", message: str = "") -> list[Span]:
        """The run, and what of it was not over: that ended with it."""
        found = []
        if run.turn is not None:
            found.append(self._end_turn(run, run.turn, end_ns, error or semconv.OTHER, message))
        for call in run.calls.values():
            found.append(
                call.end(f"execute_tool {call.attributes[semconv.TOOL]}", end_ns, error=error or semconv.OTHER)
            )
        run.attributes[semconv.TURNS] = run.turns
        found.append(run.end(f"invoke_agent {run.first_agent}".rstrip(), end_ns, error=error, message=message))
        if error == "unfinished":
            for span in found:
                span.attributes[semconv.UNFINISHED] = True
        return found


def _first_chunk(turn: _Turn, event: Event) -> None:
    turn.is_first = False
    turn.attributes[semconv.REQUEST_STREAM] = True
    turn.attributes[semconv.FIRST_CHUNK_S] = max(0.0, round((_ns(event) - turn.asked_ns) / 1e9, 6))


def _asked_again(run: _Run, asked_ns: int, model: ModelFacts | None = None) -> None:
    """What came in so far is void."""
    if run.turn is not None:
        run.turn.asked_ns, run.turn.is_first = asked_ns, True
        run.turn.attributes.pop(semconv.FIRST_CHUNK_S, None)
        run.turn.model = model or run.turn.model


def _ns(event: Event) -> int:
    return round(event.time * 1e6) * 1000
