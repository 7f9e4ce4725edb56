"""A run as spans: events in, finished spans out. Pure; live or from a stored list, with the same ids.

A run is a span `invoke_agent NAME`, below it each model turn (`chat MODEL`) and each tool call (`execute_tool NAME`),
and below the call of an agent that agent's run. What happens at a moment (a retry, a hand-off) is an event of a span.
Knows no format and no destination. What somebody wrote is in a span only where `content` is asked for.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from agentrun.engine import events
from agentrun.engine.events import ENDED_WELL, PIECES, Event
from agentrun.engine.messages import Usage
from agentrun.observers import semconv
from agentrun.observers.open_span import Known, OpenRun, OpenSpan, OpenSummary, OpenTurn, as_ns, forward, time_ns
from agentrun.observers.span import Span, in_order


def spans_of(stored: Iterable[Event], known: Known | None = None, *, content: bool = False) -> list[Span]:
    """All spans of some events, what is above first: those too that were never finished."""
    builder = Spans(known, content=content)
    found = [span for event in stored for span in builder(event)]
    found += builder.close()
    return [span for _, span in in_order(found)]


class Spans:
    """Call it with each event: it gives the spans that are over with it, those below before those above."""

    def __init__(self, known: Known | None = None, *, content: bool = False) -> None:
        self._known = known or Known()
        self._content = content
        self._runs: dict[str, OpenRun] = {}
        self._summaries: dict[str, OpenSummary] = {}

    def __call__(self, event: Event) -> list[Span]:
        if self._is_of_summary(event):
            return self._summing_up(event)
        run = self._runs.get(event.run_id)
        parent = None if run is not None else self._runs.get(event.parent_run_id or "")
        if (above := run or parent) is not None:
            event = forward(event, above.root)
        if isinstance(event, PIECES):
            if run is not None and run.turn is not None:
                run.turn.first_chunk(event)
            return []
        if run is None:
            run = self._runs[event.run_id] = OpenRun(event, self._known, parent)
        return self._told(run, event)

    def close(self) -> list[Span]:
        """The spans of what was never finished: the program that ran it ended."""
        found: list[Span] = []
        for run in reversed(list(self._runs.values())):
            found += self._end(run, as_ns(run.root.latest_s), "unfinished")
        for summary in self._summaries.values():
            summary.attributes[semconv.UNFINISHED] = True
            found.append(summary.end("compact", as_ns(summary.latest_s), error="unfinished"))
        self._runs.clear()
        self._summaries.clear()
        return found

    def _told(self, run: OpenRun, event: Event) -> list[Span]:
        match event:
            case events.RunStarted(input=text):
                if self._content:
                    run.unread.append(semconv.said("user", text))
                    run.attributes[semconv.INPUT_MESSAGES] = semconv.as_json(run.unread)
            case events.TurnStarted(turn=turn):
                run.turn = OpenTurn(event, run)
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
            case events.Elicited():
                self._elicited(run.calls.get(event.call_id) or run, event)
            case events.ToolFinished():
                return [self._tool_finished(run, event)]
            case events.Retried(delay_s=delay_s):
                self._asked_again(run.turn or run, event)
                if run.turn is not None:
                    run.turn.asked_again(time_ns(event) + round(delay_s * 1e9), run.turn.model)
            case events.Fallback(model=model):
                self._asked_again(run.turn or run, event)
                if run.turn is not None:
                    run.turn.asked_again(time_ns(event), run.facts.model(model))
            case events.Compacted(dropped_messages=dropped):
                run.is_compacted = True
                (run.turn or run).happened(event, semconv.COMPACTED, {semconv.DROPPED_MESSAGES: dropped})
                if run.turn is not None:  # it may have been another model that summed up
                    run.turn.asked_again(time_ns(event), run.model)
            case events.HandedOff(agent=agent):
                run.happened(event, semconv.HAND_OFF, {semconv.AGENT: agent})
                run.handed_to(agent, self._known)
            case events.RunFinished():
                return self._run_finished(run, event)
        return []

    def _asked_again(self, span: OpenSpan, event: events.Retried | events.Fallback) -> None:
        more: dict[str, Any] = {semconv.ERROR: semconv.cause_type(event.cause)}
        if self._content:
            more[semconv.CAUSE] = event.cause
        if isinstance(event, events.Retried):
            retried = {semconv.ATTEMPT: event.attempt, semconv.DELAY_S: event.delay_s}
            span.happened(event, semconv.RETRY, retried | more)
        else:
            span.happened(event, semconv.FALLBACK, {semconv.REQUEST_MODEL: event.model} | more)

    def _elicited(self, span: OpenSpan, event: events.Elicited) -> None:
        told: dict[str, Any] = {semconv.ELICITED_BY: event.server, semconv.ELICITED_ACTION: event.action}
        if self._content:
            told[semconv.ELICITED_MESSAGE] = event.message
        span.happened(event, semconv.ELICITED, told)

    # -- summaries outside of a run

    def _is_of_summary(self, event: Event) -> bool:
        """Such a summary is told in an envelope of its own, in which no run begins."""
        if event.run_id in self._runs or not isinstance(event, events.Retried | events.Fallback | events.Compacted):
            return False
        has_usage = isinstance(event, events.Compacted) and event.usage is not msgspec.UNSET
        return event.seq == 1 or event.run_id in self._summaries or has_usage

    def _summing_up(self, event: Event) -> list[Span]:
        summary = self._summaries.setdefault(event.run_id, OpenSummary(event, self._known))
        event = forward(event, summary)
        if isinstance(event, events.Retried | events.Fallback):
            self._asked_again(summary, event)
        if not isinstance(event, events.Compacted):
            return []
        del self._summaries[event.run_id]
        usage = event.usage if isinstance(event.usage, Usage) else None
        cost_usd = event.cost_usd if isinstance(event.cost_usd, float) else None
        summary.attributes |= {semconv.DROPPED_MESSAGES: event.dropped_messages}
        summary.attributes |= semconv.usage_attributes(usage, cost_usd)
        return [summary.end("compact", time_ns(event))]

    # -- turns

    def _turn_finished(self, run: OpenRun, event: events.TurnFinished) -> list[Span]:
        if run.turn is None:
            return []
        turn, run.turn = run.turn, None
        run.free_ns = time_ns(event)
        turn.attributes |= semconv.usage_attributes(event.usage, event.cost_usd)
        turn.attributes[semconv.FINISH_REASONS] = [event.finish_reason]
        if turn.model.name:
            turn.attributes[semconv.RESPONSE_MODEL] = turn.model.name
        if self._content:
            said = semconv.answered(event.message, event.finish_reason)
            turn.attributes[semconv.OUTPUT_MESSAGES] = semconv.as_json([said])
        return [self._end_turn(run, turn, time_ns(event))]

    def _end_turn(self, run: OpenRun, turn: OpenTurn, end_ns: int, error: str = "", message: str = "") -> Span:
        name = run.model.name  # the one that was wanted
        turn.attributes |= turn.model.attributes
        if run.is_compacted:
            turn.attributes[semconv.IS_COMPACTED] = True
        if name:
            turn.attributes[semconv.REQUEST_MODEL] = name
        if self._content:
            turn.attributes[semconv.INPUT_MESSAGES] = semconv.as_json(run.unread)
            run.unread = []
        client = turn.model.provider != semconv.OWN_PROVIDER
        return turn.end(f"chat {name}".rstrip(), end_ns, error=error, message=message, client=client)

    # -- calls

    def _call(self, run: OpenRun, event: Event, call_id: str) -> OpenSpan:
        more = {semconv.TOOL_TYPE: "function", semconv.CALL_ID: call_id}
        decided = run.decided.pop(call_id, {})
        return OpenSpan(event, run.trace_id, run.span_id, run.common("execute_tool") | more | decided)

    def _tool_finished(self, run: OpenRun, event: events.ToolFinished) -> Span:
        # Without a beginning it was not run: refused, unknown, or nothing but an answer.
        call = run.calls.pop(event.call_id, None) or self._call(run, event, event.call_id)
        error = semconv.failure_type(event.result) if event.is_error else ""
        is_invented = error == "unknown_tool" and not self._content  # its name is a text of the model
        name = semconv.OTHER if is_invented else event.name
        call.attributes[semconv.TOOL] = name
        if self._content:
            call.attributes[semconv.CALL_RESULT] = event.result
            run.unread.append(semconv.told(event.call_id, event.result))
        return call.end(f"execute_tool {name}", time_ns(event), error=error)

    def _decided(self, run: OpenRun, event: events.ApprovalDecided) -> dict[str, Any]:
        found: dict[str, Any] = {semconv.APPROVED: event.approved, semconv.APPROVED_BY: event.by}
        if event.rule is not msgspec.UNSET:
            found[semconv.APPROVAL_RULE] = event.rule
        if event.by == "user":  # one question at a time, whichever agent asks
            waited_s = (time_ns(event) - max(run.free_ns, run.root.free_ns)) / 1e9
            if event.waited_s is not msgspec.UNSET:  # without it all since the turn: the call may have stood in a queue
                waited_s = min(waited_s, event.waited_s)
            found[semconv.APPROVAL_WAIT_S] = max(0.0, round(waited_s, 6))
            run.root.free_ns = max(run.root.free_ns, time_ns(event))
        if self._content:
            found[semconv.APPROVAL_REASON] = event.reason
        return found

    # -- the whole run

    def _run_finished(self, run: OpenRun, event: events.RunFinished) -> list[Span]:
        del self._runs[event.run_id]
        run.attributes |= semconv.usage_attributes(event.usage, event.cost_usd)
        run.attributes[semconv.REASON] = event.reason
        if self._content and event.text:
            finish = "stop" if event.reason in ENDED_WELL else event.reason
            said = semconv.said("assistant", event.text) | {"finish_reason": finish}
            run.attributes[semconv.OUTPUT_MESSAGES] = semconv.as_json([said])
        if event.reason in ENDED_WELL:
            return self._end(run, time_ns(event))
        message = str((event.error or {}).get("message", "")) if self._content else ""
        return self._end(run, time_ns(event), semconv.error_type(event.error, event.reason), message)

    def _end(self, run: OpenRun, end_ns: int, error: str = "", message: str = "") -> list[Span]:
        """The run, and what of it was not over: that ended with it."""
        found = []
        if run.turn is not None:
            run.turn.attributes[semconv.FINISH_REASONS] = ["error"]  # the conventions' word where none came
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
