"""The commands in the text of a shell, and where the values of given variables land in them. Pure.

No full grammar: what is read is what tells a command's words from each other (quotes, here-documents, substitutions,
operators), so that `programs.uses` can be asked about each of them. Where a text is odder than that, less is found.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import msgspec

from agentrun.spec import known_programs as known
from agentrun.spec.words import Word, program_name


class Value(msgspec.Struct, frozen=True):
    """What a variable or a word holds: its known beginning, and the name of the value that follows, if one does."""

    text: str = ""
    source: str | None = None

    @property
    def whole(self) -> bool:
        return self.source is not None and not self.text

    def then(self, other: Value) -> Value:
        return self if self.source is not None else Value(self.text + other.text, other.source)

    @property
    def word(self) -> Word:
        return Word(self.text, self.source is None)


_NOTHING = Value()


class ShellCommand(msgspec.Struct, frozen=True):
    """A simple command: its words, and what it reads from standard input."""

    words: tuple[Value, ...]
    stdin: Value


_VARIABLE = r"\$(?:\{!?(?P<braced>\w+|[@*])[^}\n]{0,200}\}|(?P<name>\w+|[@*]))"
# In double quotes a substitution may have quotes of its own; nothing here is tried twice.
_INNER = r"\$\((?:[^()\"]|\"[^\"]*\"|\([^()]*\))*+\)"
_TOKEN = rf"""(?sx)
    (?P<gap>(?:[ \t\r]|\\\n)+)
  | (?P<comment>(?<![^\s;&|()])\#[^\n]*)
  | (?P<opaque>\$?\(\([^\n]{{0,300}}?\)\)|\[\[\s.{{0,500}}?\s\]\])
  | <<-?[ \t]*(?P<mark>['"]?[A-Za-z_]\w*['"]?|\\\w+)
  | (?P<redirect>\d?(?:<<<|<>|[<>]&|>>|>\||[<>])(?!\())
  | (?P<end>\n|;;?|&&|\|\||\|&?|&)
  | (?P<open>[$<>=]?\(|`)
  | (?P<close>\))
  | '(?P<single>[^']*)'
  | "(?P<double>(?:[^"\\$]|\\.|{_INNER}|\$)*+)"
  | \\(?P<escaped>.)
  | (?P<variable>{_VARIABLE})
  | (?P<plain>[^\s'"\\$`;&|()<>=]+|.)
"""
_IN_QUOTES = rf"(?s)\\(?P<escaped>.)|(?P<inner>{_INNER})|{_VARIABLE}|(?P<plain>[^\\$]+|.)"
_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)\+?=")
_CLEANED = re.compile(r"//?\[[!^]")


def commands_in(
    text: str, variables: Mapping[str, Value], arguments: Sequence[Value] = (), stdin: Value = _NOTHING
) -> list[ShellCommand]:
    """The commands of a text in their order, where variables and `$1`, `$2`, … hold what is given."""
    reader = _Reader(dict(variables), list(arguments), stdin, [], [_Level("", stdin)])
    reader.read(text)
    return reader.found


class _Level(msgspec.Struct):
    """A command that is being read, and the word of it that is. Brackets and substitutions begin another."""

    kind: str
    piped: Value
    words: list[Value] = []
    word: Value | None = None
    stdin: Value | None = None
    redirect: str = ""


class _Reader(msgspec.Struct):
    variables: dict[str, Value]
    arguments: list[Value]
    stdin: Value
    found: list[ShellCommand]
    levels: list[_Level]

    def read(self, text: str) -> None:
        token, at, line_end, resume = re.compile(_TOKEN), 0, -1, 0
        while at < len(text):
            piece = token.match(text, at)
            if piece is None:
                break
            at = piece.end()
            if piece["mark"] is not None:
                start = resume if line_end >= at else text.find("\n", at) + 1
                line_end = start - 1 if line_end < at else line_end
                end = re.compile(rf"^\t*{re.escape(piece['mark'].strip(chr(39) + chr(34) + chr(92)))}[ \t]*$", re.M)
                closing = end.search(text, start) if start else None
                body = text[start : closing.start() if closing else len(text)] if start else ""
                self.levels[-1].stdin = self._quoted(body.rstrip("\n")) if piece["mark"][0].isalpha() else Value(body)
                resume = closing.end() if closing else len(text)
            elif piece["end"] == "\n" and piece.start() == line_end:
                self._end("\n")
                at = resume
            else:
                self._take(piece)
        while len(self.levels) > 1:
            self._close()
        self._end("")

    def _take(self, piece: re.Match[str]) -> None:
        level = self.levels[-1]
        kind, text = piece.lastgroup or "", piece.group()
        if kind == "gap":
            self._end_word()
        elif kind == "end":
            self._end(text)
        elif kind == "redirect":
            if not (level.word is not None and level.word.text.isdigit()):
                self._end_word()
            level.word, level.redirect = None, text
        elif kind == "open" and text == "`" and level.kind == "`":
            self._close()
        elif kind == "open":
            self.levels.append(_Level(text, self.stdin))
        elif kind == "close":
            self._close()
        elif kind == "variable":
            self._variable(piece)
        elif kind == "double" and piece["double"] in ("$@", "${@}"):
            self._spread()
        elif kind == "double":
            self._add(self._quoted(piece["double"]))
        elif kind in ("single", "escaped", "plain"):
            self._add(Value(piece[kind]))
        elif kind == "opaque":
            self._add(Value("((…))"))

    def _add(self, value: Value) -> None:
        level = self.levels[-1]
        level.word = (level.word or Value()).then(value)

    def _variable(self, piece: re.Match[str]) -> None:
        name = piece["braced"] or piece["name"]
        if name in ("@", "*"):
            self._spread()
        else:
            self._add(self._value(name, piece.group()))

    def _spread(self) -> None:
        for number, value in enumerate(self.arguments):
            if number:
                self._end_word()
            self._add(value)

    def _value(self, name: str, written: str) -> Value:
        if _CLEANED.search(written) is not None:
            return Value(written)
        if name.isdecimal() and len(name) < 4 and 0 < int(name) <= len(self.arguments):
            return self.arguments[int(name) - 1]
        return self.variables.get(name, Value(written))

    def _quoted(self, text: str) -> Value:
        """What double quotes, or a here-document, hold."""
        value = Value()
        for piece in re.finditer(_IN_QUOTES, text):
            name = piece["braced"] or piece["name"]
            if piece["inner"]:
                self.found += commands_in(piece["inner"][2:-1], self.variables, self.arguments, self.stdin)
                value = value.then(Value("$()"))
            elif name:
                value = value.then(self._value("1" if name in ("@", "*") else name, piece.group()))
            else:
                value = value.then(Value(piece["escaped"] or piece["plain"]))
        return value

    def _end_word(self) -> None:
        level = self.levels[-1]
        word, level.word = level.word, None
        if word is None:
            return
        if level.redirect:
            if level.redirect == "<<<":
                level.stdin = word
            level.redirect = ""
            return
        if level.kind == "=(":
            return
        assigned = _ASSIGNMENT.match(word.text)
        if assigned is not None and (not level.words or level.words[0].text in known.DECLARE):
            self.variables[assigned[1]] = Value(word.text[assigned.end() :], word.source)
        elif level.words or word.source is not None or word.text not in known.RESERVED:
            if word == Value("{") or (word == Value("}") and not level.words):
                self._end(";")
            else:
                level.words.append(word)

    def _end(self, operator: str) -> None:
        """The end of a command: what it prints may go into the next."""
        self._end_word()
        level = self.levels[-1]
        stdin = level.stdin if level.stdin is not None else level.piped
        level.piped = self.stdin
        if level.words:
            command = ShellCommand(tuple(level.words), stdin)
            self.found.append(command)
            if operator.startswith("|") and operator != "||":
                level.piped = _printed(command)
            if command.words == (Value("shift"),):
                del self.arguments[:1]
        level.words, level.stdin, level.redirect = [], None, ""

    def _close(self) -> None:
        self._end_word()
        if len(self.levels) == 1:  # a pattern of `case`
            self.levels[0].words = []
            return
        self._end("")
        if self.levels.pop().kind not in ("(", "=("):
            self._add(Value("$()"))


def _printed(command: ShellCommand) -> Value:
    """What a command writes, if that is what it was given."""
    name = program_name(command.words[0].word)
    if name in known.PRINT:
        given = [word for word in command.words[1:] if not word.word.is_option]
        values = [word for word in given if word.source is not None]
        is_whole = bool(values) and values[0].whole and len(given) <= (2 if name == "printf" else 1)
        return values[0] if is_whole else Value("…", values[0].source) if values else Value()
    if name in known.PASS_ON and all(word.word.is_option or name == "tr" for word in command.words[1:]):
        return command.stdin
    return Value()
