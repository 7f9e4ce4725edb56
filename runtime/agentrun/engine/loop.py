"""The run: ask the model, make its calls, give the results back, until the answer or a limit.

One loop for every mode. It tells what happens through `emit` and returns an `Outcome`; a run always ends with the
event `run_finished`. The conversation's list of messages is the caller's and changes in place (it grows, and is
shortened where the agent's context policy says so), so that what finished stays when a run is cancelled.

A hand-off changes who asks: what belongs to an agent is set in `_serve`, all else goes on.
"""

from __future__ import annotations

import asyncio
import datetime
import itertools
import secrets
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import msgspec

from agentrun.engine import events
from agentrun.engine.agent import Agent
from agentrun.engine.answer import answer_problem, cut_short
from agentrun.engine.approval import StandingApprover
from agentrun.engine.arguments import check_arguments, given_arguments
from agentrun.engine.asking import Asker
from agentrun.engine.calls import Caller, Planned, Turn
from agentrun.engine.conversation import call_ids, correction, cut_off, history_form, take_back, untrusted_seen
from agentrun.engine.deadline import Deadline
from agentrun.engine.events import Emit, Reason, Teller
from agentrun.engine.handoff import Takeover, put_prompt, takeover
from agentrun.engine.limits import Budget
from agentrun.engine.messages import Message, Reply, system, tool_result, user
from agentrun.engine.outcome import End, Outcome
from agentrun.engine.output import as_text, sendable
from agentrun.engine.ports import Approver, DirectJournal, Journal, RunInfo
from agentrun.engine.toolkit import Toolkit, equip
from agentrun.errors import ModelError, ToolFailure, ToolsError, UsageError


async def run(
    agent: Agent,
    *,
    text: str | None = None,
    attachments: Sequence[Mapping[str, Any]] = (),
    arguments: Mapping[str, Any] | None = None,
    messages: list[Message] | None = None,
    emit: Emit = lambda event: None,
    approver: Approver | None = None,
    journal: Journal | None = None,
    session: str = "",
    date: str | None = None,
) -> Outcome:
    """Answer one user message.

    `messages` is the conversation so far, changed in place; empty or None begins one with the system prompt.
    `text` is the user's message; without it the agent's `input` is rendered from `arguments`. `attachments` go with it:
    content parts of the chat API, such as images. Templates see `session` as `run.session` and `date` (YYYY-MM-DD;
    None: today) as `run.date`. Raises `ToolFailure` of type invalid_arguments when `arguments` break the agent's
    parameters, and `ToolsError` when a server's tools can't be had: no run began then.
    """
    conversation = [] if messages is None else messages
    given = sendable(dict(arguments or {}))
    filled = given_arguments(agent, given, typed=text is not None, begins=not conversation)
    journal = journal or DirectJournal()
    kit = await equip(agent, journal)
    budget = Budget(agent.limits, agent=agent.name)
    info = RunInfo(secrets.token_hex(8), date or datetime.date.today().isoformat(), agent.name, session)
    this = _Run(agent, kit, conversation, emit, approver or StandingApprover(), journal, budget, info)
    return await this.go(None if text is None else as_text(text), filled, attachments)


class _Run:
    def __init__(
        self,
        agent: Agent,
        kit: Toolkit,
        messages: list[Message],
        emit: Emit,
        approver: Approver,
        journal: Journal,
        budget: Budget,
        info: RunInfo,
        parent: _Run | None = None,
        key_prefix: str = "",
        call_id: str | msgspec.UnsetType = msgspec.UNSET,
    ) -> None:
        """`call_id` is the call of the `parent` that the run serves, masked."""
        self.messages = messages
        self.approver = approver
        self.journal = journal
        self.parent = parent
        self.key_prefix = key_prefix
        self.info = info
        self._call_id = call_id
        self._began_with = agent.name
        self._whole = budget
        self.emit = Teller(emit, info.id, parent.info.id if parent else msgspec.UNSET)
        self._emit = emit
        self._turn = 0
        self._asides = itertools.count(1)
        self._deadline = Deadline(agent.limits.timeout_s)
        self._known: dict[str, Any] = {}
        self._kits: dict[str, Toolkit] = {}
        self._open_calls: Sequence[Planned] = ()
        self._call_ids = call_ids(messages)
        is_tainted = parent.caller.untrusted_seen if parent else untrusted_seen(agent, messages, kit.functions)
        self._serve(agent, kit, budget, is_tainted)

    def _serve(self, agent: Agent, kit: Toolkit, budget: Budget, untrusted_seen: bool) -> None:
        """The agent that asks from here on."""
        self.agent = agent
        self.budget = budget
        self._answer_corrected = False
        self.caller = Caller(
            agent,
            kit,
            callers=self._callers(),
            run=self.info,
            key_prefix=self.key_prefix,
            untrusted_seen=untrusted_seen,
            budget=budget,
            approver=self.approver,
            journal=self.journal,
            emit=self.emit,
            run_child=self._run_child,
            hand_over=self._takeover,
        )
        self._asker = Asker(
            agent,
            kit,
            self.messages,
            budget=budget,
            journal=self.journal,
            key_prefix=self.key_prefix,
            call_ids=self._call_ids,
            asides=self._asides,
            untrusted=lambda: self.caller.untrusted_seen,
            emit=self.emit,
        )

    def _callers(self) -> tuple[str, ...]:
        """The agents whose tool calls this run is part of, the outermost first."""
        return () if self.parent is None else (*self.parent._callers(), self.parent.agent.name)

    def _way_from(self, agent: str) -> tuple[str, ...]:
        """From the run in which an agent is at work, itself or as the one that began it, down to this one; empty where
        there is none. A run that was handed over has both names.
        """
        names = tuple(dict.fromkeys((self._began_with, self.agent.name)))
        above = self.parent._way_from(agent) if self.parent else ()
        if above:
            return (*above, *names)
        return names[names.index(agent) :] if agent in names else ()

    # -- the whole run

    async def go(
        self, text: str | None, arguments: dict[str, Any], attachments: Sequence[Mapping[str, Any]] = ()
    ) -> Outcome:
        said, opening = self._begin(text, arguments, attachments)  # what can't be rendered is bad usage: no run began
        mask = self.agent.mask
        self.emit(
            events.RunStarted,
            agent=self.agent.name,
            model=self.agent.model.name,
            args=mask.data(arguments),
            input=mask.text(said),
            call_id=self._call_id,
        )
        self._known = arguments
        try:
            async with self._deadline.timeout:
                while True:
                    await self._take_turn()
        except End as end:
            return self._finish(end)
        except ModelError as failure:
            error = {"type": failure.code, "message": failure.message}
            if failure.help:
                error["help"] = failure.help
            # A replay of what a person ended leaves behind what they saw, too.
            if failure.code == "interrupted":
                return self._finish(End("model_error", self._cut_off(), error=error))
            take_back(self.messages, opening)
            return self._finish(End("model_error", error=error))
        except asyncio.CancelledError:
            error = {"type": "cancelled", "message": "the run was cancelled"}
            self._finish(End("cancelled", self._cut_off(), error=error))
            raise
        except BrokenPipeError:  # who reads what is told has left
            error = {"type": "cancelled", "message": "nobody reads any more"}
            self._finish(End("cancelled", self._cut_off(), error=error))
            raise
        except BaseException as bug:
            if isinstance(bug, TimeoutError) and self._deadline.timeout.expired():
                error = {"type": "timeout", "message": self._deadline.explained}
                return self._finish(End("timeout", self._cut_off(), error=error))
            message = f"{type(bug).__name__}: {bug}"
            self._finish(End("model_error", error={"type": "internal", "message": message}))
            raise

    def _begin(
        self, text: str | None, arguments: dict[str, Any], attachments: Sequence[Mapping[str, Any]]
    ) -> tuple[str, list[Message]]:
        """The user message is said; its text, and the messages that the conversation grew by."""
        opening = []
        if not self.messages and self.agent.prompt is not None:
            opening.append(system(self.agent.prompt(arguments, self.info)))
        said = self.agent.input(arguments, self.info) if text is None else text
        opening.append(user(said, attachments))
        self.messages += opening
        if self.parent is None:
            self.journal.begin(said)
        return said, opening

    def _cut_off(self) -> str:
        """What came of a turn that ends before its finish: it stays in the conversation, and is marked."""
        text = self._asker.partial_text
        if text.strip():
            self.messages.append(cut_off(text))
        return text

    def _finish(self, end: End) -> Outcome:
        self._close_calls()
        outcome = end.outcome(self.agent, self.messages, self._whole)
        self.emit(
            events.RunFinished,
            reason=outcome.reason,
            text=outcome.text,
            output=outcome.output,
            usage=outcome.usage,
            cost_usd=outcome.cost_usd,
            error=outcome.error,
        )
        return outcome

    # -- one turn

    async def _take_turn(self) -> None:
        if limit := self.budget.begin_turn():
            await self._end_at(limit)
        self._turn += 1
        reply, limit = await self._asker.ask(self._turn)
        if limit is None and self.budget.is_last_turn:
            limit = "max_turns"
        if reason := cut_short(reply):
            await self._keep(reply, reason)
            raise End(reason, reply.refusal or reply.text)
        if not reply.calls:
            self.messages.append(reply.message)
            self._answer(reply, limit)
            return
        turn = self.caller.plan(reply.calls, limit)
        await self._make(reply, turn)
        if turn.final is not None and turn.final.failure is None:
            raise End("final_tool", as_text(turn.final.arguments), turn.final.arguments)
        if turn.ended is not None:
            await self._end_at(turn.ended, reply.text)

    def _answer(self, reply: Reply, limit: Reason | None) -> None:
        """Ends the run, unless the answer breaks the response format for the first time."""
        problem, output = answer_problem(self.agent.answer, reply.text)
        if problem is None:
            raise End("answered", reply.text, output)
        if self._answer_corrected:
            limit = "model_error"
        if limit is not None:
            error = {"type": "response_format", "message": f"the answer breaks the response format: {problem}"}
            raise End(limit, reply.text, error=error)
        self._answer_corrected = True
        self.messages.append(correction(problem))

    # -- calls

    async def _make(self, reply: Reply, turn: Turn) -> None:
        """Make the calls. The turn and one result for each call go into the history, and who took over goes on."""
        self.messages.append(history_form(reply, {one.call.id for one in turn.planned if not one.parsed}))
        self._open_calls = turn.planned
        try:
            await self.caller.make(turn, self._turn)
        finally:  # also where the run ends now: the model was told that it handed over
            self._close_calls()
            if turn.takeover is not None:
                self._hand_over(turn.takeover)

    async def _keep(self, reply: Reply, reason: Reason) -> None:
        """The turn goes into the history, and none of its calls is run. One that says nothing is left out."""
        if reply.calls:
            await self._make(reply, self.caller.refuse(reply.calls, reason))
        elif reply.text or reply.refusal:
            self.messages.append(reply.message)

    def _close_calls(self) -> None:
        """Every call gets its result message, in order: the history stays valid however the turn ended."""
        for one in self._open_calls:
            interrupted = as_text(ToolFailure("interrupted", "the run ended before the call did").as_result())
            self.messages.append(tool_result(one.call.id, one.result if one.result is not None else interrupted))
        self._open_calls = ()

    async def _takeover(self, name: str) -> Takeover:
        agent = self.agent.peers[name]
        taken = takeover(agent, self._known, self.info)
        self._kits[name] = await _equipped(agent, self.journal)
        return taken

    def _hand_over(self, taken: Takeover) -> None:
        """Another agent has the conversation. Its own limits hold from here on, within those of the run."""
        agent = taken.agent
        self._known = {**taken.arguments, **self._known}
        self.info = msgspec.structs.replace(self.info, agent=agent.name)
        put_prompt(self.messages, taken.prompt)
        self._deadline.for_agent(agent.name, agent.limits.timeout_s)
        budget = Budget(agent.limits, self._whole, agent=agent.name, took_over=True)
        self._serve(agent, self._kits[agent.name], budget, self.caller.untrusted_seen)
        self.emit(events.HandedOff, agent=agent.name)

    async def _end_at(self, limit: Reason, text: str = "") -> NoReturn:
        """The run ends at a limit; with `on_limit: answer`, of this agent or the first, one last turn may sum up.

        Not where it is the limit of a run above: what that one still asks is its own matter.
        """
        whose = self.budget.whose(limit)
        is_above = whose is not None and whose.depth < self._whole.depth
        if not is_above and "answer" in (self.agent.limits.on_limit, self._whole.limits.on_limit):
            self._turn += 1
            reply, _ = await self._asker.ask(self._turn, may_call=False)
            await self._keep(reply, limit)
            text = reply.refusal or reply.text
        raise End(limit, text, whose=whose.agent if whose is not None and whose.agent != self.agent.name else "")

    # -- agents as tools

    async def _run_child(self, key: str, call_id: str, agent: Agent, arguments: dict[str, Any]) -> Any:
        """Another agent's run as a tool call of this one: shared limits, nested events."""
        filled = check_arguments(agent.arguments, arguments)
        self._refuse_child(agent.name)
        budget = Budget(agent.limits, self.budget, agent=agent.name)
        child = _Run(
            agent,
            await _equipped(agent, self.journal),
            [],
            self._emit,
            self.approver,
            self.journal,
            budget,
            msgspec.structs.replace(self.info, id=secrets.token_hex(8), agent=agent.name),
            parent=self,
            key_prefix=f"{key}/",
            call_id=call_id,
        )
        try:
            outcome = await child.go(None, filled)
        except UsageError as error:  # its prompt or input needs an argument that was left out
            raise ToolFailure("invalid_arguments", error.message) from None
        finally:
            if child.caller.untrusted_seen:
                self.caller.taint()
        return outcome.as_result(agent.name)

    def _refuse_child(self, agent: str) -> None:
        """Counts the run of an agent as a tool. Raises `ToolFailure` where it may not begin."""
        if way := self._way_from(agent):
            message = f"not run: the agent `{agent}` is at work already, and agents don't run each other in a circle"
            raise ToolFailure("limit", f"{message} ({' → '.join((*way, agent))})", limit="circle")
        refused = self.budget.begin_run()
        if refused is None:
            return
        limit, whose = refused
        most = f"({getattr(whose.limits, limit)}, `limits.{limit}` of the agent `{whose.agent}`)"
        what = {"max_depth": "agents one below the other as tools", "max_agent_runs": "runs of agents as tools"}[limit]
        message = f"not run: the limit of {what} {most} is reached"
        raise ToolFailure("limit", message, limit=limit)


async def _equipped(agent: Agent, journal: Journal) -> Toolkit:
    """What an agent can call that joins a run. Raises `ToolFailure`: the run goes on without it."""
    try:
        return await equip(agent, journal)
    except ToolsError as error:
        raise ToolFailure("connection", f"the agent `{agent.name}` can't work: {error.message}") from None
