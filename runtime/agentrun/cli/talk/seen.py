"""What a conversation's events told so far: tokens, cost, how full the context is, results, the last run."""

from __future__ import annotations

import msgspec

from agentrun.engine import events
from agentrun.engine.events import Event
from agentrun.engine.messages import Usage


class Result(msgspec.Struct, frozen=True):
    """A call and what the model got of it."""

    call: events.ToolStarted | None
    finished: events.ToolFinished


class Seen:
    """An observer. `usage` and `cost_usd` are of all runs; `context_tokens` is the size of the conversation
    with the last turn.

    `last_run` are the events of the run that began last, with those of agents behind tools.
    """

    def __init__(self) -> None:
        self.usage = Usage()
        self.cost_usd: float | None = None
        self.context_tokens = 0
        self.results: list[Result] = []
        self.last_run: list[Event] = []
        self.unanswered = False
        self._calls: dict[tuple[str, str], events.ToolStarted] = {}

    def __call__(self, event: Event) -> None:
        is_own = not event.parent_run_id
        match event:
            case events.RunStarted() if is_own:
                self.last_run = []
                self.unanswered = False
            case events.TurnFinished(usage=usage) if is_own and usage is not None:
                self.context_tokens = usage.input_tokens + usage.output_tokens
            case events.ApprovalDecided(by="nobody"):
                self.unanswered = True
            case events.ToolStarted():
                self._calls[event.run_id, event.call_id] = event
            case events.ToolFinished():
                self.results.append(Result(self._calls.pop((event.run_id, event.call_id), None), event))
            case events.RunFinished() if is_own:
                self.usage += event.usage
                if event.cost_usd is not None:
                    self.cost_usd = (self.cost_usd or 0.0) + event.cost_usd
            case events.Compacted(usage=Usage() as usage):  # asked for outside of a run
                self.usage += usage
                if isinstance(event.cost_usd, float):
                    self.cost_usd = (self.cost_usd or 0.0) + event.cost_usd
        self.last_run.append(event)
