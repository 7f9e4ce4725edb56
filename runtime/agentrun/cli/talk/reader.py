"""Where messages come from: a person at a terminal, or a pipe."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import Iterable
from typing import Protocol

from agentrun.cli.turns import TWICE_WITHIN_S


class Interrupted(Exception):
    """Ctrl-C twice at an empty prompt: the person wants to leave."""


class LineReader(Protocol):
    async def message(self, speaker: str = "", draft: str = "") -> str | None:
        """The next message, to `speaker` where that is worth saying; None where the input ended.

        `draft` stands at the prompt already, to be edited.
        """

    async def answer(self, prompt: str) -> str | None:
        """The answer to a question; None where the input ended."""

    async def fresh_answer(self, prompt: str) -> str | None:
        """The same, but what was typed before the question stood there doesn't count."""


class PipeReader:
    """One message a line. Windows line ends and a last line without one are known."""

    async def message(self, speaker: str = "", draft: str = "") -> str | None:
        line = await asyncio.to_thread(sys.stdin.buffer.readline)
        return line.decode("utf-8", "replace").removeprefix("\ufeff").rstrip("\r\n") if line else None

    async def answer(self, prompt: str) -> str | None:
        return None

    async def fresh_answer(self, prompt: str) -> str | None:
        return None


class TerminalReader:
    """prompt_toolkit, with completion of /commands; the history lasts as long as the conversation."""

    def __init__(self, commands: Iterable[str]) -> None:
        from prompt_toolkit import PromptSession
        from prompt_toolkit.completion import WordCompleter

        words = WordCompleter([f"/{name}" for name in commands], sentence=True)
        self._session: PromptSession[str] = PromptSession(completer=words, complete_while_typing=False)
        self._questions: PromptSession[str] = PromptSession()
        self._last_interrupt = -TWICE_WITHIN_S

    async def message(self, speaker: str = "", draft: str = "") -> str | None:
        while True:
            try:
                return await self._session.prompt_async(f"{speaker}> ", default=draft, handle_sigint=False)
            except EOFError:
                return None
            except KeyboardInterrupt:
                now = time.monotonic()
                if now - self._last_interrupt < TWICE_WITHIN_S:
                    raise Interrupted from None
                self._last_interrupt = now
                sys.stdout.write("Ctrl-C again or Ctrl-D leaves\n")

    async def answer(self, prompt: str) -> str | None:
        try:
            return await self._questions.prompt_async(prompt, handle_sigint=False)
        except EOFError:
            return None
        except KeyboardInterrupt:
            # The whole turn is meant, not only the call that asks: the turn's own handler ends both.
            signal.raise_signal(signal.SIGINT)
            await asyncio.Event().wait()
            return None

    async def fresh_answer(self, prompt: str) -> str | None:
        import termios

        from prompt_toolkit.input.typeahead import clear_typeahead

        clear_typeahead(self._questions.app.input)
        termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)
        return await self.answer(prompt)
