"""The commands of a text that was copied, each with its words as the shell that it was copied for would have them: sh,
or cmd, whose words are those of `cmd_words.py`.

Of sh also what a command gets on standard input, where that stands in the text: behind `<<`, or before a pipe. Nothing
is run, and no file is read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

import msgspec

from agentrun.errors import UsageError
from agentrun.foreign.cmd_words import is_of_cmd, words_of_cmd
from agentrun.foreign.shell_words import OPERATORS, SPACE, Word, WordReader

_ENDS = re.compile(r"[|&;()]+")
# At the beginning of a word. `<name>` is a place to be filled in, which somebody forgot to.
_REDIRECTION = re.compile(r"(?:&|[0-9]+)?(?:(<<<)|<<(-?)|[<>]&|&?>>?|<)(?![<>(])")
_FORGOTTEN = re.compile(r"<[A-Za-z][\w -]*>")
_GOES_ON = re.compile(r"\s*-")
_DELIMITER = re.compile(r"[ \t]*(?:'([^'\n]*)'|\"([^\"\n]*)\"|\\([\w.-]+)|([\w.-]+))")
_LINE_END = re.compile(r"(?<!\\)\n")
_HALVES = re.compile("[\ud800-\udfff]")  # what Python makes of bytes that are no UTF-8
MAX_CHARS = 1_000_000


class Split(msgspec.Struct, frozen=True):
    """The words of one command, and what stands behind it: a pipe, a second command. `printed` are the commands whose
    output a word takes, by the name that stands for it; `stdin` is what the command is given, where the text says so.
    """

    words: list[Word]
    rest: Word | None = None
    printed: dict[str, str] = {}
    stdin: str | None = None


def split(text: str, is_program: Callable[[str], bool] = bool) -> Split:
    """The first command that has a word of which `is_program` is true, else the first of all. Raises `UsageError` for
    a text that ends in the middle of a word.
    """
    _check(text)
    text = text.replace("\r\n", "\n")
    if is_of_cmd(text):
        return Split([Word(one) for one in words_of_cmd(text)])
    first: Split | None = None
    for one in _Commands(text, {}).commands():
        if any(is_program(word.text) for word in one.words):
            return one
        first = first or one
    return first or Split([])


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
    if _HALVES.search(text):
        raise UsageError("the command line is no text in UTF-8")


class _Commands(WordReader):
    """A command line, read from its beginning, a command at a time."""

    def __init__(self, text: str, printed: dict[str, str]) -> None:
        super().__init__(text, printed)
        self._behind = 0  # where the text goes on behind lines that a `<<` has taken

    def commands(self) -> Iterator[Split]:
        """Each with what stands behind it; one at the least. The first is `split`."""
        piped: str | None = None
        while True:
            words, given = self._command()
            rest = self._rest()
            yield Split(words, rest, self._printed, given if given is not None else piped)
            if rest is None:
                return
            piped = _printed_by(words, given) if self._ended() == "|" else None

    def _command(self) -> tuple[list[Word], str | None]:
        """The words up to an operator that ends the command, and its standard input, where the text has it."""
        words: list[Word] = []
        given: str | None = None
        while self._skip_space(begun=bool(words)):
            redirection = self._redirection()
            if redirection is not None:
                given = self._redirected(redirection, given)
            elif self._text[self._at] in f"{OPERATORS}\n":
                break
            else:
                words.append(self._word())
        return words, given

    def _rest(self) -> Word | None:
        """What stands behind the command. The lines of a `<<` belong to it."""
        rest = self._text[self._at :]
        if self._behind:
            rest = rest.partition("\n")[0] + "\n" + self._text[self._behind :]
        return Word(rest.strip(), self._line) if rest.strip() else None

    def _ended(self) -> str:
        """Go on behind what ended the command."""
        found = _ENDS.match(self._text, self._at)
        if found is not None:
            return self._take(len(found[0]))
        if self._text[self._at] == "\n" and self._behind:
            self._take(self._behind - self._at)
            self._behind = 0
            return "\n"
        return self._take(1)

    def _is_space(self, *, begun: bool) -> bool:
        """A line end ends a command, but for one that goes on with an option: what is copied from a page may have lost
        its backslashes.
        """
        if self._text[self._at] != "\n" or self._behind:
            return False
        return not begun or _GOES_ON.match(self._text, self._at) is not None

    def _skip_space(self, *, begun: bool) -> bool:
        """Whether something follows."""
        text = self._text
        while self._at < len(text):
            if text.startswith("\\\n", self._at):
                self._take(2)
            elif text[self._at] in SPACE or self._is_space(begun=begun):
                self._take(1)
            elif text[self._at] == "#":
                end = text.find("\n", self._at)
                self._at = end if end >= 0 else len(text)
            else:
                return True
        return False

    # -- redirections

    def _redirection(self) -> re.Match[str] | None:
        text, at = self._text, self._at
        if (at and text[at - 1] not in f"{SPACE}\n") or _FORGOTTEN.match(text, at):
            return None
        return _REDIRECTION.match(text, at)

    def _redirected(self, found: re.Match[str], given: str | None) -> str | None:
        """Standard input after this redirection. Where output goes is no matter here; a file is not read."""
        self._take(len(found[0]))
        if found[2] is not None:
            return self._lines(without_tabs=bool(found[2]))
        while self._at < len(self._text) and self._text[self._at] in SPACE:
            self._take(1)
        target = self._word().text
        return f"{target}\n" if found[1] else None if "<" in found[0] else given

    def _lines(self, *, without_tabs: bool) -> str | None:
        """What stands between this line and the one that is the word behind `<<`."""
        found = _DELIMITER.match(self._text, self._at)
        if found is None:
            return None
        self._take(len(found[0]))
        line_end = _LINE_END.search(self._text, self._at)
        start = self._behind or (line_end.end() if line_end else len(self._text))
        delimiter = next(one for one in found.groups() if one is not None)
        lines: list[str] = []
        at = start
        while at < len(self._text):
            end = self._text.find("\n", at) + 1 or len(self._text)
            line = self._text[at:end].lstrip("\t") if without_tabs else self._text[at:end]
            at = end
            if line.rstrip("\n") == delimiter:
                break
            lines.append(line)
        self._behind = at
        whole = "".join(lines)
        return whole if found[4] is None else WordReader(whole, self._printed).filled()

    def _known_output(self, command: str) -> str | None:
        first = next(_Commands(command, self._printed).commands())
        return _printed_by(first.words, first.stdin) if first.rest is None else None


def _printed_by(words: Sequence[Word], given: str | None) -> str | None:
    """What a command that only hands a text on prints: `echo`, `printf` without directives, `cat` of its input."""
    match [one.text for one in words]:
        case ["cat"]:
            return given
        case ["echo", "-n", *texts] if not any("\\" in one for one in texts):
            return " ".join(texts)
        case ["echo", *texts] if not any("\\" in one or one[:1] == "-" for one in texts):
            return f"{' '.join(texts)}\n"
        case ["printf", "%s" | "%s\\n", text] | ["printf", text] if "\\" not in text and "%" not in text:
            return text
    return None
