"""The conversation behind `agentrun chat`: reads messages, runs a turn for each, obeys `/commands`."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from agentrun.cli.approve import TerminalApprover
from agentrun.cli.columns import line_width
from agentrun.cli.grant import Grants
from agentrun.cli.run import EXIT_UNANSWERED, exit_code
from agentrun.cli.talk.command import Draft, Leave, Send
from agentrun.cli.talk.commands import COMMANDS, obey
from agentrun.cli.talk.reader import Interrupted, LineReader, PipeReader, TerminalReader
from agentrun.cli.talk.talk import Talk
from agentrun.cli.taping import is_miss
from agentrun.cli.turns import EXIT_INTERRUPTED, EXIT_TERMINATED, Terminated, interruptible
from agentrun.diagnostics import counted
from agentrun.engine import events
from agentrun.engine.approval import StandingApprover
from agentrun.engine.events import Event
from agentrun.engine.handoff import prompt_arguments
from agentrun.engine.loop import run
from agentrun.engine.ports import Approver
from agentrun.errors import UsageError
from agentrun.visible import one_line


class Conversation:
    """Reads and runs; all that lasts from turn to turn is in its `Talk`."""

    def __init__(self, talk: Talk, approve: tuple[str, ...]) -> None:
        self._talk = talk
        self._reader: LineReader = TerminalReader(one.name for one in COMMANDS) if talk.interactive else PipeReader()
        talk.person = self._person() if talk.interactive else None
        self._approver: Approver = StandingApprover(approve, talk.person)
        self._exit_code = 0

    async def talk(self) -> int:
        """Until the input ends; the exit code is that of the worst turn."""
        talk = self._talk
        self._introduce()
        try:
            await self._ask_for_arguments()
            talk.taping.open(talk.first, talk.model, talk.arguments)
            self._approver = talk.taping.approver(self._approver)
            draft = Draft("")
            while (text := await self._reader.message(talk.speaker, draft.text)) is not None:
                attachments, draft = draft.attachments, Draft("")
                then = await obey(talk, text) if text.startswith("/") else Send(text, attachments)
                match then:
                    case Leave():
                        break
                    case Draft():
                        draft = then
                    case Send(text) if text.strip():
                        await self._turn(text, then.attachments)
        except Interrupted:
            return EXIT_INTERRUPTED
        except Terminated:
            return EXIT_TERMINATED
        finally:
            talk.keeper.close()
            await talk.agent.close()
        return self._exit_code if not talk.interactive else 0

    async def _turn(self, text: str, attachments: Sequence[Mapping[str, Any]]) -> None:
        talk = self._talk
        before, speaker = list(talk.messages), talk.agent
        heard = talk.overheard()
        attached, talk.attached = [*talk.attached, *attachments], []
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
            outcome = await interruptible(work)
        except UsageError:
            talk.messages[:] = before
            raise
        finally:
            talk.taping.save()
        talk.screen.console.end_line()
        if outcome is None:
            talk.say("interrupted", "dim")
            return
        if is_miss(outcome):  # what was recorded can be typed now
            talk.messages[:], talk.agent = before, speaker
            heard.forget_turn()
        code = exit_code(outcome, unanswered=talk.seen.unanswered)
        severity = (0, EXIT_UNANSWERED, 1, 4)
        self._exit_code = max(self._exit_code, code, key=severity.index)

    def _watch(self, event: Event) -> None:
        talk = self._talk
        if isinstance(event, events.HandedOff) and not event.parent_run_id:
            talk.agent = talk.agent.peers[event.agent]  # it stays so if the run is interrupted
        talk.seen(event)
        talk.keeper(event)
        talk.screen.event(event)

    def _person(self) -> TerminalApprover:
        talk = self._talk
        propose = Grants(talk.loader.project).propose
        width = partial(line_width, sys.stdout)
        return TerminalApprover(talk.screen.below, self._ask, propose, width, talk.loader.action)

    async def _ask(self, prompt: str) -> str | None:
        return await self._talk.screen.asking(self._reader.fresh_answer(prompt))

    # -- before the first message

    def _introduce(self) -> None:
        talk = self._talk
        agent = talk.agent
        title = f"{agent.name}: {agent.description}" if agent.description else agent.name
        talk.say(title, "bold")
        talk.say(f"model {agent.model.name} · {counted(len(agent.tools), 'tool')} · /help", "dim")
        if talk.interactive:
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
