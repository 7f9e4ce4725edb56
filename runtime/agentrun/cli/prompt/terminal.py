"""The prompt at a terminal: prompt_toolkit, with what Tab offers, what was typed before, and a line below that tells
where one is.

It asks the terminal for no cursor position: an answer that comes late would stand in what is typed. What keys do beside
editing is in `_keys`. Knows nothing of the conversation: what it needs of it is given to it.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Iterable
from types import TracebackType
from typing import Self, TextIO

from prompt_toolkit import PromptSession
from prompt_toolkit.application import Application, in_terminal
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.completion import CompleteEvent, Completer
from prompt_toolkit.completion import Completion as Completed
from prompt_toolkit.document import Document
from prompt_toolkit.filters import completion_is_selected, has_focus, is_done
from prompt_toolkit.history import History as PromptHistory
from prompt_toolkit.input import create_input
from prompt_toolkit.input.typeahead import get_typeahead
from prompt_toolkit.input.vt100 import raw_mode
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent, merge_key_bindings
from prompt_toolkit.layout import ConditionalContainer, FormattedTextControl, HSplit, Layout, Window
from prompt_toolkit.layout.processors import TabsProcessor
from prompt_toolkit.output import ColorDepth
from prompt_toolkit.output.vt100 import Vt100_Output
from prompt_toolkit.styles import Style

from agentrun.cli.colors import wants_color
from agentrun.cli.prompt.completion import Completion
from agentrun.cli.prompt.history import History
from agentrun.cli.prompt.keyboard import Keyboard
from agentrun.cli.prompt.reader import Interrupted, Twice
from agentrun.cli.prompt.redrawing import PromptRenderer, breaks_rows_anew
from agentrun.cli.prompt.typed import text_of_keys
from agentrun.cli.turns import TWICE_WITHIN_S, hung_up, interruptible

_STYLE = {"status": "ansibrightblack"}
_ESCAPE_S = 0.1  # until an Escape is no beginning of a key's sequence
_SEQUENCE_S = 0.6  # between keys that belong together
_AGAIN = "Ctrl-C again or Ctrl-D leaves"


class TerminalReader:
    """`status(columns)` is the line below the prompt. `unfold(n)` shows the nth result from the end, counted from 0.

    `edit(text)` gives a text to the person's editor.
    """

    def __init__(
        self,
        keyboard: Keyboard,
        history: History,
        completion: Completion,
        output: TextIO,
        *,
        status: Callable[[int], str],
        unfold: Callable[[int], None],
        edit: Callable[[str], Awaitable[str]],
    ) -> None:
        self._keyboard = keyboard
        self._status = status
        self._unfold = unfold
        self._edit = edit
        self._unfolded = 0
        self._twice = Twice()
        self._hint = ""
        self._stops = False
        self._early = ""  # what was typed before a question was asked that it doesn't answer
        term = Vt100_Output.from_pty(output, default_color_depth=ColorDepth.from_env())
        term.enable_cpr = False
        self._output = term
        self._input = create_input()
        self._completer = _Offered(completion)
        self._questions: PromptSession[str] = PromptSession(
            input=self._input, output=term, interrupt_exception=Interrupted, key_bindings=self._stopping()
        )
        self._session: PromptSession[str] = PromptSession(
            input=self._input,
            output=term,
            history=_Remembered(history),
            completer=self._completer,
            complete_while_typing=False,
            enable_history_search=True,
            key_bindings=merge_key_bindings([self._stopping(), self._keys()]),
            prompt_continuation=lambda width, line, wraps: " " * width if wraps == 0 else "",
            input_processors=[TabsProcessor(char1=" ", char2=" ")],
            style=Style.from_dict(_STYLE) if wants_color(output) else Style([]),
        )
        self._app.layout = self._layout()
        self._app.ttimeoutlen, self._app.timeoutlen = _ESCAPE_S, _SEQUENCE_S
        breaks = breaks_rows_anew(os.environ)
        for app in (self._app, self._questions.app):
            app.renderer = PromptRenderer(app.renderer.style, term, breaks_rows=breaks)

    def __enter__(self) -> Self:
        self._keyboard.__enter__()
        self._keyboard.resumed = self._draw_again
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._keyboard.__exit__(kind, error, trace)

    async def message(self, speaker: str = "", draft: str = "") -> str | None:
        self._unfolded = 0
        self._put_aside()
        early, self._early = self._early + self._keyboard.taken(), ""
        draft = "\n".join(text for text in (draft, early) if text)
        while True:
            try:
                typed = await interruptible(self._asked(self._session, f"{speaker}> ", draft))
            except EOFError:
                if not self._keyboard.is_there():
                    raise hung_up() from None
                return None
            if typed is not None:
                return typed
            draft = ""
            if self._interrupted(self._session.default_buffer):  # by a signal and not by a key
                raise Interrupted

    async def answer(self, prompt: str) -> str | None:
        self._put_aside()
        try:
            return await self._asked(self._questions, prompt, "")
        except EOFError:
            return None
        except Interrupted:
            # The whole turn is meant, not only the call that asks: the turn's own handler ends both.
            signal.raise_signal(signal.SIGINT)
            await asyncio.Event().wait()
            return None

    async def fresh_answer(self, prompt: str) -> str | None:
        self._keyboard.collect()
        return await self.answer(prompt)

    # -- inside

    @property
    def _app(self) -> Application[str]:
        return self._session.app

    async def _asked(self, session: PromptSession[str], prompt: str, draft: str) -> str:
        with self._keyboard.lent():
            typed = await session.prompt_async(prompt, default=draft, handle_sigint=False)
        return typed.encode("utf-8", "surrogateescape").decode("utf-8", "replace")

    def _put_aside(self) -> None:
        """Keys that came behind the one that ended the last prompt."""
        self._early += text_of_keys(get_typeahead(self._input))

    def _draw_again(self) -> None:
        for app in (self._app, self._questions.app):
            if app.is_running and not self._stops:
                raw_mode(self._input.fileno()).__enter__()
                app.renderer.reset()
                app.invalidate()

    def _layout(self) -> Layout:
        def line() -> str:
            columns = self._output.get_size().columns - 1
            return self._hint[:columns] or self._status(columns)

        below = Window(FormattedTextControl(line), style="class:status", height=1, dont_extend_height=True)
        shown = ConditionalContainer(below, filter=~is_done)
        return Layout(HSplit([self._session.layout.container, shown]), self._session.default_buffer)

    def _interrupted(self, buffer: Buffer) -> bool:
        """Whether Ctrl-C leaves now."""
        if buffer.text:
            buffer.reset()
        elif self._twice.again():
            return True
        else:
            self._hint = _AGAIN
            asyncio.get_running_loop().call_later(TWICE_WITHIN_S, self._forget_hint)
        return False

    def _forget_hint(self) -> None:
        self._hint = ""
        self._app.invalidate()

    def _stopping(self) -> KeyBindings:
        keys = KeyBindings()

        @keys.add("c-z")
        async def stop(event: KeyPressEvent) -> None:
            async with in_terminal():
                self._stops = True
                os.kill(0, signal.SIGTSTP)  # all that the shell started together
                await asyncio.sleep(0)  # what the keyboard has to do now comes before the prompt is drawn again
                self._stops = False

        return keys

    def _keys(self) -> KeyBindings:
        keys = KeyBindings()
        at_prompt = has_focus("DEFAULT_BUFFER")

        @keys.add("escape", "enter", filter=at_prompt)
        @keys.add("c-j", filter=at_prompt)
        def new_line(event: KeyPressEvent) -> None:
            event.current_buffer.insert_text("\n")

        @keys.add("tab", filter=at_prompt)
        def complete(event: KeyPressEvent) -> None:
            buffer = event.current_buffer
            offers = (
                [] if buffer.complete_state else list(self._completer.get_completions(buffer.document, CompleteEvent()))
            )
            if buffer.complete_state:
                buffer.complete_next()
            elif len(offers) == 1:
                buffer.apply_completion(offers[0])
            else:
                buffer.start_completion(insert_common_part=True)

        @keys.add("enter", filter=at_prompt & completion_is_selected)
        def choose(event: KeyPressEvent) -> None:
            event.current_buffer.complete_state = None

        @keys.add("escape", filter=at_prompt)
        def give_up(event: KeyPressEvent) -> None:
            if event.current_buffer.complete_state:
                event.current_buffer.cancel_completion()
            else:
                event.current_buffer.reset()

        @keys.add("c-c", filter=at_prompt)
        def interrupt(event: KeyPressEvent) -> None:
            if self._interrupted(event.current_buffer):
                event.app.exit(exception=Interrupted(), style="class:aborting")

        @keys.add("c-o", filter=at_prompt)
        async def unfold(event: KeyPressEvent) -> None:
            async with in_terminal():
                self._unfold(self._unfolded)
                self._unfolded += 1

        @keys.add("c-x", "c-e", filter=at_prompt)
        async def edit(event: KeyPressEvent) -> None:
            buffer = event.current_buffer
            async with in_terminal():
                with self._keyboard.given_away():
                    text = await self._edit(buffer.text)
            buffer.document = Document(text)

        return keys


class _Remembered(PromptHistory):
    def __init__(self, history: History) -> None:
        super().__init__()
        self._history = history

    def load_history_strings(self) -> Iterable[str]:
        return reversed(self._history.entries())

    def append_string(self, string: str) -> None:
        if string.strip():
            super().append_string(string)

    def store_string(self, string: str) -> None:
        self._history.add(string)


class _Offered(Completer):
    def __init__(self, completion: Completion) -> None:
        self._completion = completion

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completed]:
        for offer in self._completion.offers(document.text_before_cursor):
            yield Completed(offer.text, -offer.replaces, display=offer.shown, display_meta=offer.about)
