"""The conversation behind `agentrun chat`: reads messages, runs a turn for each, obeys `/commands`."""

from __future__ import annotations

import errno
import sys
import threading
from collections.abc import Coroutine, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from agentrun.cli.approve import TerminalApprover
from agentrun.cli.columns import line_width
from agentrun.cli.prompt.reader import Interrupted
from agentrun.cli.prompt.reading import reader_for
from agentrun.cli.run import EXIT_ENDED_OTHERWISE, EXIT_MODEL_FAILED, EXIT_UNANSWERED, exit_code
from agentrun.cli.slash.attaching import came_back, with_files
from agentrun.cli.slash.command import Draft, Failed, Leave, Send
from agentrun.cli.slash.commands import as_typed, obey
from agentrun.cli.talk.takeover import tools_of
from agentrun.cli.talk.talk import Talk
from agentrun.cli.taping import is_miss
from agentrun.cli.turns import EXIT_INTERRUPTED, Terminated, hung_up, interruptible
from agentrun.engine import events
from agentrun.engine.agent import Agent
from agentrun.engine.approval import StandingApprover
from agentrun.engine.events import Emit, Event
from agentrun.engine.handoff import prompt_arguments
from agentrun.engine.loop import run
from agentrun.engine.ports import Approver
from agentrun.errors import ToolsError, UsageError
from agentrun.visible import one_line

T = TypeVar("T")

_SEVERITY = (0, UsageError.exit_code, EXIT_UNANSWERED, EXIT_ENDED_OTHERWISE, EXIT_MODEL_FAILED)


class Conversation:
    """Reads and runs; all that lasts from turn to turn is in its `Talk`."""

    def __init__(self, talk: Talk, approve: tuple[str, ...], follow: Emit = lambda event: None) -> None:
        self._talk = talk
        self._follow = follow
        self._draft = Draft("")
        self._reader = reader_for(talk)
        talk.person = self._person() if talk.interactive else None
        talk.approve = approve
        talk.watch = self._watch
        self._approver: Approver = StandingApprover(approve, talk.person)
        self._exit_code = 0

    async def talk(self) -> int:
        """Until the input ends; from a pipe the exit code is that of the worst turn."""
        try:
            if await interruptible(self._to_the_end()) is not None:
                return self._exit_code
            self._talk.say("interrupted", "dim")
        except Interrupted:
            pass
        except Terminated as ended:
            return ended.exit_code
        except OSError as error:
            if error.errno != errno.EIO or not self._talk.interactive:
                raise
            return hung_up().exit_code  # what is written shows it before the signal comes
        return EXIT_INTERRUPTED

    async def _to_the_end(self) -> bool:
        talk = self._talk
        try:
            with self._reader:
                self._introduce()
                await self._ask_for_arguments()
                talk.taping.open(talk.first, talk.model, talk.arguments)
                self._approver = talk.taping.approver(self._approver)
                if talk.interactive and talk.taping.stage is None:  # while the person types
                    threading.Thread(target=talk.agent.prepare, daemon=True).start()
                while (text := await self._reader.message(talk.speaker, as_typed(self._draft.text))) is not None:
                    if not await self._go_on(text):
                        break
        finally:
            talk.keeper.close()
            await talk.agent.close()
        return True

    async def _go_on(self, text: str) -> bool:
        """False: the conversation ends."""
        talk = self._talk
        self._draft = Draft("")
        typed = text.lstrip()
        then = await self._may_be_ended(obey(talk, typed)) if typed.startswith("/") else with_files(talk, text)
        match then:
            case Leave():
                return False
            case Failed():
                self._ended_with(UsageError.exit_code)
            case Draft():
                self._draft = then
            case Send(text) if text.strip():
                self._draft = await self._turn(text, then.attachments)
                return await talk.may_go_on(self._ask)
        return True

    async def _may_be_ended(self, work: Coroutine[Any, Any, T]) -> T | None:
        """None where a person ended it. Who ends what a pipe began means all of it."""
        return await interruptible(work) if self._talk.interactive else await work

    def _ended_with(self, code: int) -> None:
        """The worst code counts, and only where no person saw what happened."""
        if not self._talk.interactive:
            self._exit_code = max(self._exit_code, code, key=_SEVERITY.index)

    async def _turn(self, text: str, attachments: Sequence[Mapping[str, Any]]) -> Draft:
        """What stands at the next prompt: a message that came back, or nothing."""
        talk = self._talk
        before, speaker, waiting = list(talk.messages), talk.agent, talk.attached
        talk.unanswered = None
        heard = talk.overheard()
        attached, talk.attached = [*waiting, *attachments], []
        work = run(
            talk.agent,
            text=text,
            attachments=attached,
            arguments=talk.first.arguments.with_defaults(talk.arguments),
            messages=talk.messages,
            emit=self._watch,
            approver=heard.approver(self._approver),
            journal=heard,
            session=talk.keeper.session,
            date=talk.taping.date,
        )
        try:
            async with talk.screen.turn(_starting(talk.agent)):
                outcome = await self._may_be_ended(work)
        except UsageError:
            talk.messages[:] = before
            raise
        except ToolsError as error:  # no run began; what is not there now may be when it is said again
            talk.complain(error)
            self._ended_with(EXIT_ENDED_OTHERWISE)
            return came_back(talk, text, attached)
        finally:
            talk.taping.save()
        if outcome is None:
            talk.say("interrupted", "dim")
            return Draft("")
        if is_miss(outcome):  # what was recorded can be typed now
            talk.messages[:], talk.agent, talk.attached = before, speaker, waiting
            heard.forget_turn()
        self._ended_with(exit_code(outcome, unanswered=talk.seen.unanswered))
        if outcome.reason != "model_error" or is_miss(outcome):
            return Draft("")
        if not heard.is_there(talk.messages):
            heard.forget_turn()
            return came_back(talk, text, attached)
        if talk.interactive:
            talk.say("/retry says the message again, /undo takes it back", "dim")
        return Draft("")

    def _watch(self, event: Event) -> None:
        talk = self._talk
        if isinstance(event, events.HandedOff) and not event.parent_run_id:
            talk.agent = talk.agent.peers[event.agent]  # it stays so if the run is interrupted
        self._follow(event)
        talk.seen(event)
        talk.keeper(event)
        talk.screen.event(event)

    def _person(self) -> TerminalApprover:
        talk = self._talk
        width = partial(line_width, sys.stdout)
        return TerminalApprover(
            talk.screen.below,
            self._ask,
            lambda question: talk.loader.propose(question),  # the loader is another one after /reload
            width,
            lambda question: talk.loader.action(question),
        )

    async def _ask(self, prompt: str) -> str | None:
        return await self._talk.screen.asking(self._reader.fresh_answer(prompt))

    # -- before the first message

    def _introduce(self) -> None:
        talk = self._talk
        agent = talk.agent
        title = f"{agent.name}: {agent.description}" if agent.description else agent.name
        talk.say(title, "bold")
        talk.say(f"model {agent.model.name} · {tools_of(agent)} · /help", "dim")
        if talk.interactive and talk.taken_up is not None:
            talk.recall()
        elif talk.interactive:
            for starter in agent.starters:
                talk.say(f"  try: {starter}", "dim")

    async def _ask_for_arguments(self) -> None:
        """What the system prompt needs and nobody gave."""
        talk = self._talk
        given = talk.agent.arguments.with_defaults(talk.arguments)
        needed = {name: agent for name, agent in prompt_arguments(talk.agent).items() if name not in given}
        for name, agent in sorted(needed.items()):
            if name in agent.arguments.with_defaults({}):
                continue
            if not talk.interactive:
                raise UsageError(f"the system prompt needs the argument `{name}`", help=f"pass `--arg {name}=…`")
            properties: Mapping[str, Any] = agent.parameters.get("properties") or {}
            about = properties.get(name, {}).get("description") or name
            answer = await self._reader.answer(f"{one_line(str(about), 100)}: ")
            if answer is None:
                raise Interrupted
            talk.arguments[name] = answer


def _starting(agent: Agent) -> str:
    """What a run waits for before it begins."""
    return f"waiting for {tools_of(agent)}" if agent.sets else ""
