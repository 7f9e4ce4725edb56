"""The conversation behind `agentrun chat`: reads messages, runs a turn for each, obeys `/commands`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from agentrun.cli.approve import TerminalApprover
from agentrun.cli.colors import Painter
from agentrun.cli.columns import line_width
from agentrun.cli.grant import Grants
from agentrun.cli.loading import Loader
from agentrun.cli.overhearing import Overheard
from agentrun.cli.reader import Interrupted, LineReader, PipeReader, TerminalReader
from agentrun.cli.run import EXIT_UNANSWERED, exit_code
from agentrun.cli.taping import Taping, is_miss
from agentrun.cli.turns import EXIT_INTERRUPTED, EXIT_TERMINATED, Terminated, interruptible
from agentrun.diagnostics import counted, did_you_mean
from agentrun.engine import events
from agentrun.engine.approval import StandingApprover
from agentrun.engine.events import Event
from agentrun.engine.exchange import Exchange
from agentrun.engine.handoff import prompt_arguments
from agentrun.engine.loop import run
from agentrun.engine.messages import Message
from agentrun.engine.ports import Approver
from agentrun.errors import SpecError, UsageError
from agentrun.observers.console import Console
from agentrun.observers.exchange import ExchangeConsole
from agentrun.visible import one_line, visible


class Conversation:
    def __init__(
        self,
        loader: Loader,
        model: str | None,
        arguments: dict[str, Any],
        approve: tuple[str, ...],
        taping: Taping,
        *,
        verbose: bool = False,
    ) -> None:
        self._loader = loader
        self._arguments = arguments
        self._messages: list[Message] = []
        self._interactive = sys.stdin.isatty()
        self._reader: LineReader = TerminalReader(_COMMANDS) if self._interactive else PipeReader()
        aside = sys.stdout if self._interactive else sys.stderr
        self._aside = _writer(aside)
        self._paint = Painter(aside)
        self._console = Console(_writer(sys.stdout), self._aside, self._paint, columns=line_width(aside))
        self._exchanges = ExchangeConsole(self._beside, Painter(sys.stderr)) if verbose else None
        self._asking = False
        self._held: list[Callable[[], None]] = []  # what happened while a question stood there
        self._on_exchange = self._hear if self._exchanges else None
        self._agent = self._first = loader.load(model, self._on_exchange)  # who has the conversation, and who begins it
        self._taping = taping
        self._model = model
        self._heard: Overheard | None = None
        self._approver: Approver = StandingApprover(approve, self._person() if self._interactive else None)
        self._exit_code = 0
        self._unanswered = False

    async def talk(self) -> int:
        """Until the input ends; the exit code is that of the worst turn."""
        self._introduce()
        try:
            await self._ask_for_arguments()
            self._taping.open(self._first, self._model, self._arguments)
            self._approver = self._taping.approver(self._approver)
            while (text := await self._reader.message(self._speaker())) is not None:
                if text.startswith("/"):
                    if await self._obey(text):
                        break
                elif text.strip():
                    await self._turn(text)
        except Interrupted:
            return EXIT_INTERRUPTED
        except Terminated:
            return EXIT_TERMINATED
        finally:
            await self._agent.close()
        return self._exit_code if not self._interactive else 0

    async def _turn(self, text: str) -> None:
        self._unanswered = False
        before, speaker = list(self._messages), self._agent
        heard = self._overheard()
        work = run(
            self._agent,
            text=text,
            arguments=self._first.arguments.with_defaults(self._arguments),
            messages=self._messages,
            emit=self._watch,
            approver=heard.approver(self._approver),
            journal=heard,
            date=self._taping.date,
        )
        try:
            outcome = await interruptible(work)
        except UsageError:
            self._messages[:] = before
            raise
        finally:
            self._taping.save()
        self._console.end_line()
        if outcome is None:
            self._say("interrupted", "dim")
            return
        if is_miss(outcome):  # what was recorded can be typed now
            self._messages[:], self._agent = before, speaker
            heard.forget_turn()
        code = exit_code(outcome, unanswered=self._unanswered)
        severity = (0, EXIT_UNANSWERED, 1, 4)
        self._exit_code = max(self._exit_code, code, key=severity.index)

    def _overheard(self) -> Overheard:
        """What hears the turn that begins now."""
        if self._heard is None or not self._messages:
            taping = self._taping
            self._heard = Overheard(self._first, self._model, self._arguments, taping.date, taping.journal)
        self._heard.begin_turn(self._first.mask)
        return self._heard

    def _speaker(self) -> str:
        """The agent that took the conversation over."""
        return "" if self._agent.name == self._first.name else self._agent.name

    def _person(self) -> TerminalApprover:
        propose = Grants(self._loader.project).propose
        width = partial(line_width, sys.stdout)
        return TerminalApprover(self._below, self._ask, propose, width, self._loader.action)

    async def _ask(self, prompt: str) -> str | None:
        """The answer to a question. What other calls tell meanwhile must not stand where the answer is typed."""
        self._asking = True
        try:
            return await self._reader.fresh_answer(prompt)
        finally:
            self._asking = False
            held, self._held = self._held, []
            for show in held:
                show()

    def _below(self, text: str) -> None:
        """Never on the line where the model's text stands."""
        self._console.end_line()
        self._aside(text)

    def _hear(self, exchange: Exchange) -> None:
        if self._exchanges is not None:
            self._show(partial(self._exchanges, exchange))

    def _watch(self, event: Event) -> None:
        if isinstance(event, events.HandedOff) and not event.parent_run_id:
            self._agent = self._agent.peers[event.agent]  # it stays so if the run is interrupted
        self._show(partial(self._tell, event))

    def _show(self, show: Callable[[], None]) -> None:
        if self._asking:
            self._held.append(show)
        else:
            show()

    def _tell(self, event: Event) -> None:
        if isinstance(event, events.ApprovalDecided) and event.by == "nobody":
            self._unanswered = True
        if isinstance(event, events.RunFinished) and event.reason == "cancelled":
            return  # the person knows
        if self._exchanges is not None:
            self._exchanges.event(event)
        self._console(event)

    def _beside(self, text: str) -> None:
        """To stderr, also where all else goes to the terminal's stdout."""
        self._console.end_line()
        sys.stderr.write(text)
        sys.stderr.flush()

    # -- before the first message

    def _introduce(self) -> None:
        agent = self._agent
        title = f"{agent.name}: {agent.description}" if agent.description else agent.name
        self._say(title, "bold")
        self._say(f"model {agent.model.name} · {counted(len(agent.tools), 'tool')} · /help", "dim")
        if self._interactive:
            for starter in agent.starters:
                self._say(f"  try: {starter}", "dim")

    async def _ask_for_arguments(self) -> None:
        """What the system prompt needs and nobody gave."""
        given = self._agent.arguments.with_defaults(self._arguments)
        needed = {name: agent for name, agent in prompt_arguments(self._agent).items() if name not in given}
        for name, agent in sorted(needed.items()):
            if name in agent.arguments.with_defaults({}):
                continue
            if not self._interactive:
                raise UsageError(f"the system prompt needs the argument `{name}`", help=f"pass `--arg {name}=…`")
            properties: Mapping[str, Any] = agent.parameters.get("properties") or {}
            about = properties.get(name, {}).get("description") or name
            answer = await self._reader.answer(f"{one_line(str(about), 100)}: ")
            if answer is None:
                raise Interrupted
            self._arguments[name] = answer

    # -- commands

    async def _obey(self, text: str) -> bool:
        """Do what a /command says; True ends the conversation."""
        name, _, rest = text[1:].strip().partition(" ")
        match name:
            case "quit" | "exit":
                return True
            case "help":
                for command, meaning in _COMMANDS.items():
                    self._say(f"  /{command:<12} {meaning}")
            case "tools":
                self._show_tools()
            case "model":
                self._change_model(rest.strip())
            case "reset":
                self._messages.clear()
                self._heard = None
                self._agent = self._first
                self._say("a new conversation", "dim")
            case "save-test":
                await self._save_test(rest.strip())
            case _:
                near = did_you_mean(f"/{name}", [f"/{known}" for known in _COMMANDS]) or "/help lists the commands"
                self._say(f"there is no command /{name}: {near}", "error")
        return False

    def _show_tools(self) -> None:
        if not self._agent.tools and not self._agent.handoffs:
            self._say("this agent has no tools", "dim")
        for tool in (*self._agent.tools.values(), *self._agent.handoffs.values()):
            kind = "hands over" if tool.hands_to else "reads" if tool.read_only else "changes things"
            self._say(f"  {tool.name} ({kind}): {tool.function.description}")

    def _change_model(self, name: str) -> None:
        if not name:
            self._say(f"the model is {self._agent.model.name}; `/model NAME` changes it, `/model offline` needs no key")
            return
        try:
            loaded = self._loader.load(name, self._on_exchange)
        except SpecError as error:
            self._say(f"the model stays: {error.message}", "error")
            return
        self._agent, self._first, self._model = loaded.peers.get(self._agent.name, loaded), loaded, name
        self._taping.use(loaded)
        self._say(f"the model is {self._agent.model.name} now", "dim")

    async def _save_test(self, name: str) -> None:
        from agentrun.cli.session_tests import told

        heard = None if self._heard is None else self._heard.conversation()
        if heard is None:
            self._say("nothing was said yet", "error")
            return
        try:
            saved = await interruptible(self._loader.save(heard, name))
        except (SpecError, UsageError) as error:
            self._say(f"{error.message}: {error.help}" if error.help else error.message, "error")
            return
        for line in told(saved) if saved is not None else ("interrupted: nothing was saved",):
            self._say(line, "dim")

    def _say(self, text: str, style: str = "") -> None:
        shown = one_line(text, 400) if style != "" else visible(text)
        self._aside((self._paint(shown, style) if style else shown) + "\n")


_COMMANDS = {
    "help": "this list",
    "tools": "what the agent can call",
    "model": "the model, or another one: /model NAME",
    "save-test": "make a test of the conversation: /save-test [NAME]",
    "reset": "forget the conversation",
    "quit": "leave; Ctrl-D does it too",
}


def _writer(stream: Any) -> Callable[[str], None]:
    def write(text: str) -> None:
        stream.write(text)
        stream.flush()

    return write
