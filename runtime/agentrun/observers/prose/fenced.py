"""Lines that are shown as they are: code between fences, and formulas that have lines of their own."""

from __future__ import annotations

from agentrun.observers.prose.blocks import Start
from agentrun.observers.prose.code import Code
from agentrun.observers.prose.styles import DIM, PLAIN, Run

_MORE_SPACES = 3  # before the closing fence than before the opening one


class Fenced:
    """Code. A fence is shown as a rule that tells the language, or without styles as it is."""

    def __init__(self, start: Start, *, styled: bool) -> None:
        self._fence = start.word
        self._indent = start.indent
        self._styled = styled
        self._code = Code(start.info if styled else "")
        self.opening = self._line(start.info)
        self.closing: list[Run] | None = self._line("")  # of code that nothing closed, too

    def closes(self, text: str) -> bool:
        bare = text.strip()
        spaces = len(text) - len(text.lstrip(" "))
        is_fence = len(bare) >= len(self._fence) and set(bare) == {self._fence[0]}
        return is_fence and spaces <= self._indent + _MORE_SPACES

    def whole(self, text: str) -> list[Run]:
        return self._code.line(self.part(text))

    def part(self, text: str) -> str:
        """The beginning of a line: without the spaces that its fence has before it too."""
        spaces = len(text) - len(text.lstrip(" "))
        return text[min(spaces, self._indent) :]

    def _line(self, info: str) -> list[Run]:
        if not self._styled:
            return [(self._fence + info, PLAIN)]
        return [(f"─── {info}" if info else "───", DIM)]


class Formula:
    """A formula, with what opens and closes it. A blank line ends it too."""

    closing: list[Run] | None = None

    def __init__(self, start: Start, line: str) -> None:
        self._closing = start.word
        self._indent = start.indent
        self.opening = [(line.strip(), PLAIN)]

    def closes(self, text: str) -> bool:
        if text.strip() and self._closing not in text:
            return False
        self.closing = [(self.part(text), PLAIN)] if text.strip() else None
        return True

    def whole(self, text: str) -> list[Run]:
        return [(self.part(text), PLAIN)]

    def part(self, text: str) -> str:
        spaces = len(text) - len(text.lstrip(" "))
        return text[min(spaces, self._indent) :]
