"""Code coloured line by line, each line once: the state of the language's lexer is carried from line to line.

pygments' lexers read whole texts. Their state machine is run here one line at a time; what a lexer takes by a single
pattern over several lines (a comment in C, a string in bash) is a construct of its own here.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence
from typing import Any

from agentrun.observers.prose.styles import DIM, PLAIN, Run

_LINE_CHARS = 1000  # longer ones, which no person wrote, are not coloured
_MOST_STEPS = 10 * _LINE_CHARS
_STYLES = {
    "Comment": DIM,
    "Keyword": "35",
    "Keyword.Constant": "36",
    "Literal.String": "32",
    "Literal.String.Interpol": "36",
    "Literal.String.Escape": "36",
    "Literal.Number": "36",
    "Operator.Word": "35",
    "Name.Function": "34",
    "Name.Class": "34",
    "Name.Decorator": "33",
    "Name.Builtin": "36",
    "Name.Tag": "34",
    "Name.Attribute": "33",
    "Name.Exception": "33",
    "Generic.Deleted": "31",
    "Generic.Inserted": "32",
    "Generic.Heading": "1",
    "Generic.Subheading": "36",
    "Generic.Prompt": DIM,
}
# Where one begins and ends. A lexer knows it if it takes it over two lines, in the state in which it stands.
_OVER_LINES = (
    ("/*", "*/"),
    ("<!--", "-->"),
    ("{-", "-}"),
    ("(*", "*)"),
    ("--[[", "]]"),
    ("<#", "#>"),
    ('"""', '"""'),
    ("'''", "'''"),
    ('@"', '"'),
    ("`", "`"),
    ("[[", "]]"),
)
_STRINGS = (("'", "'"), ('"', '"'))
# Where a string goes on over the end of its line. Elsewhere one that isn't closed is most often an apostrophe.
_LONG_STRINGS = re.compile(r"SQL|PHP|Perl|PowerShell|\AS\Z|\AR\Z")
_HEREDOC = re.compile(r"<<[-~]?\s*(['\"]?)\\?(\w+)\1")
_RUBY_HEREDOC = re.compile(r"<<[-~](['\"]?)(\w+)\1")
_POD = re.compile(r"=(?:begin|pod|head\d|over|item|encoding|for)\b")
_POD_END = re.compile(r"=(?:end|cut)\b")
_TAG_STATES = {"script-content": "js", "style-content": "css"}


class Code:
    """The lines of one piece of code, in order. A language that is not known is shown as it is."""

    def __init__(self, language: str) -> None:
        lexer = lexer_of(language)
        self._lexer = lexer
        self._taken: dict[tuple[str, str], Any] = {}
        self._stack = ["root"]
        self._context: Any = None
        self._kind = _kind(lexer)
        self._over_lines = _over_lines(lexer)
        self._first = frozenset(opening[0] for opening, _ in self._over_lines)
        self._until: tuple[str, Any] | None = None  # a construct that goes on: what ends it, and what it is
        self._heredoc = ""
        self._in_pod = False
        self._inner: Code | None = None  # of a script or a style sheet in a page

    def line(self, line: str) -> list[Run]:
        if self._kind == "none" or len(line) > _LINE_CHARS:
            return [(line, PLAIN)]
        try:
            tokens = list(self._tokens(line))
        except Exception:  # noqa: BLE001  # hundreds of lexers of others, on any text: no colours cost no answer
            self._kind = "none"
            return [(line, PLAIN)]
        shown: list[Run] = []
        for kind, text in tokens:
            style, text = _style(kind), text.rstrip("\n")
            if shown and shown[-1][1] == style:
                shown[-1] = (shown[-1][0] + text, style)
            elif text:
                shown.append((text, style))
        return shown

    def _tokens(self, line: str) -> Iterator[tuple[Any, str]]:
        from pygments.token import Comment, String

        if self._heredoc:
            self._heredoc = "" if line.strip() == self._heredoc else self._heredoc
            yield String.Heredoc, line
        elif self._lexer.name in ("Ruby", "Perl") and (self._in_pod or _POD.match(line)):
            self._in_pod = not _POD_END.match(line)
            yield Comment, line
        elif self._kind == "whole":
            for _, kind, text in self._lexer.get_tokens_unprocessed(line + "\n"):
                yield kind, text
        elif self._kind == "context":
            yield from self._in_context(line + "\n")
        else:
            yield from self._run(line + "\n")

    def _in_context(self, text: str) -> Iterator[tuple[Any, str]]:
        """A lexer that keeps its state in an object of its own."""
        if self._context is None:
            self._context = _context(self._lexer)
        if self._lexer.name == "Ruby" and (found := _RUBY_HEREDOC.search(text)):
            self._heredoc = found.group(2)
        self._context.text, self._context.pos, self._context.end = text, 0, len(text)
        for _, kind, part in self._lexer.get_tokens_unprocessed(context=self._context):
            yield kind, part

    def _run(self, text: str) -> Iterator[tuple[Any, str]]:
        """The state machine of a pygments `RegexLexer`, with its stack kept."""
        from pygments.token import Error, Text, Whitespace, _TokenType

        states = self._lexer._tokens
        at = steps = 0
        while at < len(text):
            steps += 1
            if steps > _MOST_STEPS:  # states that lead to each other without taking a character
                yield Text, text[at:]
                return
            if self._until is not None:
                closing, kind = self._until
                end = text.find(closing, at)
                if end < 0:
                    yield kind, text[at:]
                    return
                yield kind, text[at : end + len(closing)]
                at, self._until = end + len(closing), None
                continue
            if (begun := self._begins(text, at)) is not None:
                yield begun[1], text[at : at + begun[2]]
                at += begun[2]
                self._until = begun[0], begun[1]
                continue
            if (language := _TAG_STATES.get(self._stack[-1])) and f"</{self._stack[-1].split('-')[0]}" not in text[at:]:
                self._inner = self._inner or Code(language)
                yield from self._inner._run(text[at:])
                return
            self._inner = None
            for match, action, new_state in states[self._stack[-1]]:
                if found := match(text, at):
                    if type(action) is _TokenType:
                        yield action, found.group()
                    elif action is not None:
                        for _, kind, part in action(self._lexer, found):
                            yield kind, part
                    at = found.end()
                    if new_state is not None:
                        self._change(new_state)
                    break
            else:
                if text[at] == "\n":
                    self._stack = ["root"]
                yield (Whitespace if text[at] == "\n" else Error), text[at]
                at += 1

    def _change(self, new_state: Any) -> None:
        stack = self._stack
        for state in new_state if isinstance(new_state, tuple) else (new_state,):
            if isinstance(state, int):
                del stack[max(1, len(stack) + state) :]
            elif state == "#pop":
                del stack[max(1, len(stack) - 1) :]
            else:
                stack.append(stack[-1] if state == "#push" else state)

    def _begins(self, text: str, at: int) -> tuple[str, Any, int] | None:
        """A construct that begins here and does not end in this line: what ends it, what it is, its mark's length."""
        if text.startswith("<<", at) and (found := _HEREDOC.match(text, at)):
            if self._takes("<<E\nx\nE") is not None:
                self._heredoc = found.group(2)
            return None
        if text[at] not in self._first:
            return None
        for opening, closing in self._over_lines:
            if text.startswith(opening, at) and text.find(closing, at + len(opening)) < 0:
                kind = self._takes(f"{opening}x\ny{closing}")
                if kind is not None:
                    return closing, kind, len(opening)
        return None

    def _takes(self, probe: str) -> Any:
        """What the lexer takes the probe for, if one pattern takes it whole in the state in which it is."""
        key = self._stack[-1], probe
        if key not in self._taken:
            self._taken[key] = self._looked_up(*key)
        return self._taken[key]

    def _looked_up(self, state: str, probe: str) -> Any:
        from pygments.token import _TokenType

        for match, action, _ in self._lexer._tokens[state]:
            if found := match(probe, 0):
                return action if found.end() == len(probe) and type(action) is _TokenType else None
        return None


def lexer_of(language: str) -> Any:
    """pygments' lexer for what a fence says, or None."""
    name = re.split(r"[\s,{:]", language.strip().lower(), maxsplit=1)[0]
    if not name:
        return None
    from pygments.lexers import get_lexer_by_name
    from pygments.util import ClassNotFound

    try:
        return get_lexer_by_name({"jsonc": "json", "jsonl": "json", "golang": "go"}.get(name, name))
    except ClassNotFound:
        return None


def _kind(lexer: Any) -> str:
    """How a lexer is run: `none`, a line `whole`, in its `context`, or by its `states`."""
    if lexer is None:
        return "none"
    from pygments.lexer import DelegatingLexer, ExtendedRegexLexer, RegexLexer

    if not isinstance(lexer, RegexLexer) or isinstance(lexer, DelegatingLexer):
        return "whole"
    return "context" if isinstance(lexer, ExtendedRegexLexer) else "states"


def _over_lines(lexer: Any) -> Sequence[tuple[str, str]]:
    if lexer is None:
        return ()
    if lexer.name == "Bash":
        return (*_OVER_LINES, _STRINGS[0])  # the other one is a state of its own there
    return (*_OVER_LINES, *_STRINGS) if _LONG_STRINGS.search(lexer.name) else _OVER_LINES


def _context(lexer: Any) -> Any:
    from pygments.lexer import LexerContext
    from pygments.lexers.data import YamlLexer, YamlLexerContext

    make: Any = YamlLexerContext if isinstance(lexer, YamlLexer) else LexerContext
    return make("", 0)


@functools.cache
def _style(kind: Any) -> str:
    while kind:
        if style := _STYLES.get(str(kind).removeprefix("Token.")):
            return style
        kind = kind.parent
    return PLAIN
