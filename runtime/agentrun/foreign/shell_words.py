"""A command line as it was copied, split into words the way the shell that it was copied for would: sh, or cmd.

Nothing is run and no variable is looked up: `$NAME`, `${NAME}` and `$(command)` stay where they stand, each as its name
between two NUL characters, which no text of a command line has.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from agentrun.errors import UsageError

VARIABLE = re.compile("\0([A-Za-z_][A-Za-z0-9_]*)\0")
MAX_CHARS = 1_000_000
_SPACE = " \t"
_OPERATORS = "|&;<>()"
_ESCAPES = dict(zip("ntrabfveE\\'\"?", "\n\t\r\a\b\f\v\x1b\x1b\\'\"?", strict=True))
_ANSI = re.compile(r"\$'((?:[^'\\]|\\.)*)'", re.DOTALL)
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{1,2}|u[0-9a-fA-F]{1,4}|U[0-9a-fA-F]{1,8}|[0-7]{1,3}|.)", re.DOTALL)
_REFERENCE = re.compile(r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)[^{}]*\}|([A-Za-z_][A-Za-z0-9_]*))")
_GOES_ON = re.compile(r"\s*-")
_BACKSLASHES = re.compile(r"\\*")


class Word(msgspec.Struct, frozen=True):
    """`line` counts from 1."""

    text: str
    line: int = 1


class Split(msgspec.Struct, frozen=True):
    """The words of the first command, and what stands behind it: a pipe, a second command. `printed` are the commands
    whose output a word takes, by the name that stands for it.
    """

    words: list[Word]
    rest: Word | None = None
    printed: dict[str, str] = {}


def named(text: str) -> str:
    """A text as a person reads it: each variable as `$NAME`."""
    return VARIABLE.sub(r"$\1", text)


def split(text: str) -> Split:
    """Raises `UsageError` for a text that ends in the middle of a word."""
    _check(text)
    text = text.replace("\r\n", "\n")
    if re.search(r'\^"|\^\n', text):
        return Split(_cmd_words(_without_carets(text)))
    return _Reader(text).split()


def as_words(arguments: Sequence[str]) -> Split:
    """Words that a shell has split already."""
    for one in arguments:
        _check(one)
    return Split([Word(one) for one in arguments])


def _check(text: str) -> None:
    if len(text) > MAX_CHARS:
        raise UsageError(f"the command line is longer than {MAX_CHARS:,} characters")
    if "\0" in text:
        raise UsageError("the command line holds a NUL character: it is no text")


# -- sh -----------------------------------------------------------------------------------------------------


class _Reader:
    """One command line, read from its beginning to the first operator that ends the command."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._line = 1
        self._printed: dict[str, str] = {}

    def split(self) -> Split:
        words: list[Word] = []
        while self._skip_space(begun=bool(words)) and self._text[self._at] not in f"{_OPERATORS}\n":
            words.append(self._word())
        rest = self._text[self._at :].strip()
        return Split(words, Word(rest, self._line) if rest else None, self._printed)

    def _is_space(self, *, begun: bool) -> bool:
        """A line end ends a command, but for one that goes on with an option: what is copied from a page may have lost
        its backslashes.
        """
        return self._text[self._at] == "\n" and (not begun or _GOES_ON.match(self._text, self._at) is not None)

    def _skip_space(self, *, begun: bool) -> bool:
        """Whether something follows."""
        text = self._text
        while self._at < len(text):
            if text.startswith("\\\n", self._at):
                self._take(2)
            elif text[self._at] in _SPACE or self._is_space(begun=begun):
                self._take(1)
            elif text[self._at] == "#":
                end = text.find("\n", self._at)
                self._at = end if end >= 0 else len(text)
            else:
                return True
        return False

    def _word(self) -> Word:
        text, line = self._text, self._line
        parts: list[str] = []
        while self._at < len(text) and text[self._at] not in f"{_SPACE}\n{_OPERATORS}":
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
        """`"…"`: variables are filled in, and a backslash stands for itself but before a few characters."""
        text = self._text
        self._take(text.index('"', self._at) + 1 - self._at)
        parts: list[str] = []
        while self._at < len(text) and text[self._at] != '"':
            if text[self._at] == "\\" and text[self._at + 1 : self._at + 2] in ("\\", '"', "$", "`", "\n"):
                parts.append(self._take(2)[1:].replace("\n", ""))
            elif text[self._at] in "$`":
                parts.append(self._variable())
            else:
                parts.append(self._take(1))
        self._until('"', self._at)
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

    def _output_of(self, command: str) -> str:
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


# -- cmd ----------------------------------------------------------------------------------------------------


def _without_carets(text: str) -> str:
    """cmd takes a caret away, and the next character as it is. One at the end of a line joins it with the next."""
    return re.sub(r"\^(\n\n|\n|.)", lambda found: {"\n": " ", "\n\n": "\n"}.get(found[1], found[1]), text)


def _cmd_words(text: str) -> list[Word]:
    """As a program of Windows splits its command line: `\\"` is a quote, other backslashes are themselves."""
    words: list[Word] = []
    at = 0
    while at < len(text):
        if text[at] in f"{_SPACE}\n":
            at += 1
            continue
        word: list[str] = []
        quoted = False
        while at < len(text) and (quoted or text[at] not in f"{_SPACE}\n"):
            word_part, at, quoted = _cmd_piece(text, at, quoted)
            word.append(word_part)
        words.append(Word("".join(word)))
    return words


def _cmd_piece(text: str, at: int, quoted: bool) -> tuple[str, int, bool]:
    """The next piece of a word, where it ends, and whether it ends inside quotes."""
    found = _BACKSLASHES.match(text, at)
    count = len(found[0]) if found else 0
    is_quote = text[at + count : at + count + 1] == '"'
    if count and is_quote:
        return "\\" * (count // 2) + '"' * (count % 2), at + count + count % 2, quoted
    if count:
        return "\\" * count, at + count, quoted
    if quoted and text.startswith('""', at):
        return '"', at + 2, quoted
    if is_quote:
        return "", at + 1, not quoted
    return text[at], at + 1, quoted
