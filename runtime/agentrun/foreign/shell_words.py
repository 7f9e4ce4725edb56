"""The words of a command line of sh: quotes, escapes, variables.

Nothing is run and no variable is looked up: `$NAME`, `${NAME}` and `$(command)` stay where they stand, each as its name
between two NUL characters, which no text of a command line has. Knows no command: `shell_commands.py` does.
"""

from __future__ import annotations

import re

import msgspec

from agentrun.errors import UsageError

VARIABLE = re.compile("\0([A-Za-z_][A-Za-z0-9_]*)\0")
SPACE = " \t"
OPERATORS = "|&;<>()"
_ESCAPES = dict(zip("ntrabfveE\\'\"?", "\n\t\r\a\b\f\v\x1b\x1b\\'\"?", strict=True))
_ANSI = re.compile(r"\$'((?:[^'\\]|\\.)*)'", re.DOTALL)
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{1,2}|u[0-9a-fA-F]{1,4}|U[0-9a-fA-F]{1,8}|[0-7]{1,3}|.)", re.DOTALL)
_REFERENCE = re.compile(r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)[^{}]*\}|([A-Za-z_][A-Za-z0-9_]*))")


class Word(msgspec.Struct, frozen=True):
    """`line` counts from 1."""

    text: str
    line: int = 1


def named(text: str) -> str:
    """A text as a person reads it: each variable as `$NAME`."""
    return VARIABLE.sub(r"$\1", text)


class WordReader:
    """`printed` takes the commands whose output a word takes, by the name that stands for it."""

    def __init__(self, text: str, printed: dict[str, str]) -> None:
        self._text = text
        self._at = 0
        self._line = 1
        self._printed = printed

    def _word(self) -> Word:
        text, line = self._text, self._line
        parts: list[str] = []
        while self._at < len(text) and text[self._at] not in f"{SPACE}\n{OPERATORS}":
            if text.startswith("\\\n", self._at):
                self._take(2)
            elif text[self._at] == "\\":
                parts.append(self._take(2)[1:])
            elif text[self._at] == "'":
                parts.append(self._until("'", self._at + 1))
            elif text.startswith("$'", self._at):
                parts.append(self._ansi())
            elif text[self._at] == '"' or text.startswith('$"', self._at):
                parts.append(self._quoted())
            elif text[self._at] in "$`":
                parts.append(self._variable())
            else:
                parts.append(self._take(1))
        return Word("".join(parts), line)

    def _take(self, count: int) -> str:
        taken = self._text[self._at : self._at + count]
        self._line += taken.count("\n")
        self._at += count
        return taken

    def _until(self, mark: str, start: int) -> str:
        """What stands between a place and a mark; it goes on behind that."""
        end = self._text.find(mark, start)
        if end < 0:
            raise self._never_closed()
        inner = self._text[start:end]
        self._take(end + len(mark) - self._at)
        return inner

    def _never_closed(self) -> UsageError:
        return UsageError(
            f"line {self._line} of the command line opens a quote that is never closed",
            help="copy the whole command; on standard input it needs no further quotes",
        )

    def _ansi(self) -> str:
        """`$'…'`, with the escapes of C."""
        found = _ANSI.match(self._text, self._at)
        if found is None:
            raise self._never_closed()
        self._take(len(found[0]))
        whole = _ESCAPE.sub(_unescaped, found[1]).replace("\0", "")
        return whole.encode("utf-16", "surrogatepass").decode("utf-16", "replace")  # two halves are one character

    def _quoted(self) -> str:
        """`"…"`"""
        self._take(self._text.index('"', self._at) + 1 - self._at)
        inner = self._filled_up_to('"')
        self._until('"', self._at)
        return inner

    def filled(self) -> str:
        """The whole text, as what stands behind an unquoted `<<` is read."""
        return self._filled_up_to("")

    def _filled_up_to(self, quote: str) -> str:
        """Variables are filled in, and a backslash stands for itself but before a few characters."""
        text = self._text
        escaped = ("\\", "$", "`", "\n", *quote)
        parts: list[str] = []
        while self._at < len(text) and text[self._at] != quote:
            if text[self._at] == "\\" and text[self._at + 1 : self._at + 2] in escaped:
                parts.append(self._take(2)[1:].replace("\n", ""))
            elif text[self._at] in "$`":
                parts.append(self._variable())
            else:
                parts.append(self._take(1))
        return "".join(parts)

    def _variable(self) -> str:
        text = self._text
        if text[self._at] == "`":
            return self._output_of(self._until("`", self._at + 1))
        if text.startswith("$(", self._at):
            return self._output_of(self._substitution())
        found = _REFERENCE.match(text, self._at)
        if found is None:
            return self._take(1)
        self._take(len(found[0]))
        return f"\0{found[1] or found[2]}\0"

    def _substitution(self) -> str:
        depth = 0
        for at in range(self._at + 1, len(self._text)):
            depth += {"(": 1, ")": -1}.get(self._text[at], 0)
            if depth == 0:
                return self._take(at + 1 - self._at)[2:-1]
        raise self._never_closed()

    def _known_output(self, command: str) -> str | None:
        """What a command prints, where its own text says it."""
        return None

    def _output_of(self, command: str) -> str:
        known = self._known_output(command)
        if known is not None:
            return known.rstrip("\n")
        name = "_".join(re.findall(r"[A-Za-z0-9]+", command)).upper()[:40].strip("_") or "OUTPUT"
        name = f"OUTPUT_{name}" if name[0].isdigit() else name
        self._printed[name] = command.strip()
        return f"\0{name}\0"


def _unescaped(found: re.Match[str]) -> str:
    code = found[1]
    if code[0] in "xuU" and len(code) > 1:
        number = int(code[1:], 16)
        return chr(number) if number <= 0x10FFFF else "\ufffd"
    if code[0] in "01234567":
        return chr(int(code, 8) & 0xFF)
    return _ESCAPES.get(code, f"\\{code}")
