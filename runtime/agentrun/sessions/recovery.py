"""A conversation as it can go on, from what was kept of it: also where the process was killed in the middle of a run.

Pure. The messages are those of the last moment that was written; what finished after that is in the events. What is
given back is a history that every service accepts: each call is followed by its result.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from agentrun.engine import events
from agentrun.engine.conversation import cut_off
from agentrun.engine.events import Event
from agentrun.engine.handoff import PREFIX
from agentrun.engine.messages import PROMPT_ROLES, Usage, is_json_object, tool_result
from agentrun.engine.output import as_text
from agentrun.errors import ToolFailure

Data = dict[str, Any]
_ENDED = "the program ended before the run did"


def recovered(messages: Sequence[Data], last_run: Sequence[Event]) -> list[Data]:
    """`last_run` are the events since the last run of the session began, with those of agents behind tools."""
    run = _unfinished(last_run)
    kept = list(messages)
    if run:
        kept += _unsaid(run, kept)
    return list(_closed(kept, _results(run), {one.call_id for one in run if isinstance(one, events.ToolStarted)}))


def closing(last_run: Sequence[Event]) -> list[Event]:
    """The ends of the runs that were left without one, the innermost first: every run has an end."""
    if not _unfinished(last_run):
        return []
    ended = {event.run_id for event in last_run if isinstance(event, events.RunFinished)}
    begun = [event for event in last_run if isinstance(event, events.RunStarted) and event.run_id not in ended]
    return [_end(one, last_run) for one in reversed(begun)]


def _unfinished(last_run: Sequence[Event]) -> list[Event]:
    """The events of the run itself, where it has no end."""
    if not last_run or not isinstance(last_run[0], events.RunStarted):
        return []
    own = [event for event in last_run if event.run_id == last_run[0].run_id]
    return [] if any(isinstance(event, events.RunFinished) for event in own) else own


def _unsaid(run: Sequence[Event], kept: Sequence[Data]) -> list[Data]:
    """A turn that finished, or began to be said, after the messages were written."""
    last = run[-1]
    if isinstance(last, events.TurnFinished):
        message = _as_history(last.message)
        return [] if kept and kept[-1] == message else [message]
    pieces: list[str] = []
    for event in run:
        match event:
            case events.TextDelta(text=text):
                pieces.append(text)
            case events.TurnStarted() | events.TurnFinished() | events.Retried() | events.Fallback():
                pieces.clear()
    text = "".join(pieces)
    return [dict(cut_off(text).data)] if text.strip() else []


def _as_history(message: Data) -> Data:
    """Services refuse arguments in a history that are no JSON."""
    if not message.get("tool_calls"):
        return message
    return {**message, "tool_calls": [_with_json(call) for call in message["tool_calls"]]}


def _with_json(call: Data) -> Data:
    function = call.get("function") or {}
    return (
        call
        if is_json_object(str(function.get("arguments")))
        else {**call, "function": {**function, "arguments": "{}"}}
    )


def _results(run: Sequence[Event]) -> dict[str, str]:
    """What calls gave. A hand-off that was not carried out yet gave nothing: nobody took over."""
    found: dict[str, str] = {}
    handing: str | None = None
    for event in run:
        match event:
            case events.ToolFinished():
                found[event.call_id] = event.result
                if event.name.startswith(PREFIX) and not event.is_error:
                    handing = event.call_id
            case events.HandedOff():
                handing = None
    if handing is not None:
        del found[handing]
    return found


def _closed(messages: Sequence[Data], results: dict[str, str], started: set[str]) -> Iterator[Data]:
    """Every call with one result, in order; no result without a call; nobody who says nothing."""
    position = 0
    while position < len(messages):
        message = messages[position]
        position += 1
        if message.get("role") == "tool":
            continue  # what its call did not claim below belongs to none
        if message.get("role") in PROMPT_ROLES and position > 1:
            continue  # nobody speaks so in the middle of a conversation
        calls = message.get("tool_calls") if message.get("role") == "assistant" else None
        if message.get("role") != "assistant" or calls or message.get("content") or message.get("refusal"):
            yield message
        answers: list[Data] = []
        while calls and position < len(messages) and messages[position].get("role") == "tool":
            answers.append(messages[position])
            position += 1
        for call in calls or ():
            id = str(call.get("id"))
            answer = next((one for one in answers if one.get("tool_call_id") == id), None)
            if answer is not None:
                answers.remove(answer)
                yield answer
            else:
                result = results[id] if id in results else _interrupted(id in started)
                yield dict(tool_result(id, result).data)


def _interrupted(started: bool) -> str:
    why = f"{_ENDED}: whether the call had an effect is not known" if started else f"{_ENDED}: the call was not made"
    return as_text(ToolFailure("interrupted", why).as_result())


def _end(begun: events.RunStarted, last_run: Sequence[Event]) -> Event:
    """What the run took is what its turns took, and those of the agents that it called."""
    inside = {begun.run_id}
    usage, cost = Usage(), None
    last: Event = begun
    for event in last_run:
        if event.parent_run_id in inside:
            inside.add(event.run_id)
        if event.run_id not in inside:
            continue
        if event.run_id == begun.run_id:
            last = event
        if isinstance(event, events.TurnFinished):
            usage += event.usage or Usage()
            cost = cost if event.cost_usd is None else (cost or 0.0) + event.cost_usd
    return events.RunFinished(
        run_id=begun.run_id,
        seq=last.seq + 1,
        time=max(event.time for event in last_run),
        parent_run_id=begun.parent_run_id,
        reason="cancelled",
        text="",
        output=None,
        usage=usage,
        cost_usd=cost,
        error={"type": "interrupted", "message": _ENDED},
    )
