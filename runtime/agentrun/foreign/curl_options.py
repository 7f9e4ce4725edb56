"""What a curl command line asks for: its options, read as curl reads them. What becomes of it is `curl.py`'s.

Options that only say what curl prints, or how it waits, are passed over. Those that change what is sent and that
agentrun has nothing for are `left`, each with the reason.
"""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from agentrun.errors import UsageError
from agentrun.foreign.converted import Left
from agentrun.foreign.curl_tables import FLAGS, LEFT, LEFT_WITH_VALUE, PASSED_WITH_VALUE, SHORT
from agentrun.foreign.shell_commands import Split
from agentrun.foreign.shell_words import Word, named

DataKind = Literal["data", "raw", "binary", "urlencode", "json"]


class Data(msgspec.Struct, frozen=True):
    kind: DataKind
    text: str
    line: int = 1


class Part(msgspec.Struct, frozen=True):
    """`-F NAME=CONTENT`, or `--form-string`, whose content is never a file's name."""

    text: str
    literal: bool
    line: int = 1


class Header(msgspec.Struct, frozen=True):
    name: str
    value: str
    line: int = 1


class CurlCommand(msgspec.Struct):
    """`user` is `NAME:PASSWORD`, `query` are entries that are sent beside those of the URL."""

    url: str = ""
    method: str = ""
    head: bool = False
    get: bool = False
    headers: list[Header] = []
    data: list[Data] = []
    parts: list[Part] = []
    query: list[Data] = []
    user: str | None = None
    bearer: str | None = None
    timeout_s: float | None = None
    follows: bool = False
    left: list[Left] = []
    printed: dict[str, str] = {}


_DATA: dict[str, DataKind] = {
    "data": "data",
    "data-ascii": "data",
    "data-raw": "raw",
    "data-binary": "binary",
    "data-urlencode": "urlencode",
    "json": "json",
}
# What curl makes several URLs of.
_SEVERAL = re.compile(r"\[(?:[0-9]+-[0-9]+|[A-Za-z]-[A-Za-z])(?::[0-9]+)?\]|\{[^{}]*,[^{}]*\}")
_VALUED = frozenset(
    {"request", "header", "form", "form-string", "user", "oauth2-bearer", "cookie", "user-agent", "referer", "url"}
    | {"url-query", "max-time", "range"}
    | _DATA.keys()
    | LEFT_WITH_VALUE.keys()
    | PASSED_WITH_VALUE
)


def read_command(split: Split) -> CurlCommand:
    """Raises `UsageError` where the words are no curl command."""
    words = split.words
    if not words:
        raise UsageError(
            "there is no curl command to import",
            help="give it behind `--`, in quotes, or on standard input: `agentrun tools import curl -- curl https://…`",
        )
    begins = next((index for index, word in enumerate(words) if is_curl(word.text)), None)
    if begins is None:
        if words[0].text[:1] != "-" and "://" not in words[0].text:
            raise UsageError(
                f"this is no curl command: it begins with `{named(words[0].text)[:60]}`",
                help="browsers have it as “Copy as cURL”",
            )
        begins = -1
    return _Reader(words[begins + 1 :], split).command()


def is_curl(text: str) -> bool:
    """Whether a word of a command line is curl itself."""
    name = text.replace("\\", "/").rpartition("/")[2].lower()
    return name in ("curl", "curl.exe")


class _Reader:
    def __init__(self, words: list[Word], split: Split) -> None:
        self._words = words
        self._at = 0
        self._made = CurlCommand(printed=split.printed)
        self._urls: list[Word] = []
        self._rest = split.rest
        self._stdin = split.stdin
        self._expands = True

    def command(self) -> CurlCommand:
        while self._at < len(self._words):
            word = self._words[self._at]
            self._at += 1
            if word.text == "--next" or word.text == "-:":
                self._leave(word, "a file holds one request: import the second command on its own")
                break
            if word.text.startswith("--") and word.text != "--":
                self._option(word.text[2:], word, None)
            elif word.text.startswith("-") and word.text not in ("-", "--"):
                self._cluster(word)
            elif word.text not in ("-", "--"):
                self._urls.append(word)
        if not self._urls:
            ends = f"it ends before `{self._shown_rest().text}`: what holds ; or & stands in quotes"
            raise UsageError("the curl command has no URL", help=ends if self._rest else "was all of it copied?")
        self._made.url = self._urls[0].text
        if self._expands and _SEVERAL.search(self._made.url):
            self._leave(self._urls[0], "curl makes several requests of it: a tool makes one, to this URL")
        for further in self._urls[1:]:
            self._leave(further, "a tool has one URL: import the other on its own")
        if self._rest is not None:
            torn = self._rest.text[:1] in ("&", ";") and self._rest.text[1:2] not in ("", " ", "&", "\n")
            why = "a shell ends the command there: put the URL in quotes, if it belongs to it" if torn else ""
            self._leave(self._shown_rest(), why or "what comes behind the command is no part of the request")
        return self._made

    def _shown_rest(self) -> Word:
        rest = self._rest or Word("")
        return Word(rest.text.partition("\n")[0][:80], rest.line)

    def _cluster(self, word: Word) -> None:
        """`-sSL`, `-XPOST`: letters, of which one that takes a value takes the rest of the word."""
        letters = word.text[1:]
        for index, letter in enumerate(letters):
            option = SHORT.get(letter)
            if option is None:
                self._leave(Word(f"-{letter}", word.line), "curl has no such option")
                return
            behind = letters[index + 1 :]
            self._option(option, Word(f"-{letter}", word.line), behind or None)
            if option in _VALUED:
                return

    def _option(self, option: str, word: Word, behind: str | None) -> None:
        name, equals, inline = option.partition("=")
        if equals and name in _VALUED:  # curl itself does not take it so, and people write it
            option, behind = name, inline
        if option in _VALUED:
            self._valued(option, word, self._value(word) if behind is None else Word(behind, word.line))
        elif option in LEFT:
            self._leave(word, LEFT[option])
        elif option == "get":
            self._made.get = True
        elif option == "head":
            self._made.head = True
        elif option == "globoff":
            self._expands = False
        elif option == "location":
            self._made.follows = True
        elif option.removeprefix("no-") not in FLAGS:
            self._leave(word, "the option is not known here")

    def _value(self, word: Word) -> Word:
        if self._at >= len(self._words):
            raise UsageError(
                f"the option {named(word.text)} of the curl command has no value", help="was all of it copied?"
            )
        self._at += 1
        return self._words[self._at - 1]

    def _valued(self, option: str, word: Word, value: Word) -> None:
        made = self._made
        if option in _DATA:
            made.data.append(self._given(Data(_DATA[option], value.text, word.line)))
        elif option == "header":
            self._header(word, value)
        elif option == "request":
            made.method = value.text.upper()
        elif option in ("form", "form-string"):
            made.parts.append(self._given_part(Part(value.text, option == "form-string", word.line)))
        elif option == "url":
            self._urls.append(value)
        elif option == "url-query":
            is_ready = value.text.startswith("+")
            made.query.append(Data("raw" if is_ready else "urlencode", value.text.removeprefix("+"), word.line))
        elif option == "user":
            made.user = value.text
        elif option == "oauth2-bearer":
            made.bearer = value.text
        elif option == "cookie":
            made.headers.append(Header("Cookie", value.text, word.line))
        elif option == "user-agent":
            made.headers.append(Header("User-Agent", value.text, word.line))
        elif option == "referer":
            made.headers.append(Header("Referer", value.text, word.line))
        elif option == "range":
            made.headers.append(Header("Range", f"bytes={value.text}", word.line))
        elif option == "max-time":
            made.timeout_s = _seconds(value)
        elif option in LEFT_WITH_VALUE:
            self._leave(word, LEFT_WITH_VALUE[option])

    def _given(self, data: Data) -> Data:
        """Data, with what the text has for standard input in the place of `@-`."""
        name, mark, _ = data.text.partition("@-")
        if self._stdin is None or data.kind == "raw" or not mark or data.text != f"{name}@-":
            return data
        if data.kind == "urlencode":
            return Data("urlencode", f"{name}={self._stdin}", data.line) if "=" not in name else data
        if name:
            return data
        text = re.sub(r"[\r\n]", "", self._stdin) if data.kind == "data" else self._stdin
        return Data("json" if data.kind == "json" else "raw", text, data.line)

    def _given_part(self, part: Part) -> Part:
        name, mark, content = part.text.partition("=<-")
        if self._stdin is None or part.literal or not mark or content or "=" in name:
            return part
        return Part(f"{name}={self._stdin}", True, part.line)

    def _header(self, word: Word, value: Word) -> None:
        if value.text.startswith("@"):
            self._leave(Word(f"{word.text} {value.text}", word.line), "the headers of another file are not read")
            return
        name, colon, content = value.text.partition(":")
        if not colon and value.text.endswith(";"):  # how curl writes a header without a value
            name, colon, content = value.text[:-1], ":", ""
        elif colon and not content.strip():
            return  # curl leaves the header out
        if not colon or not name.strip():
            self._leave(Word(f"{word.text} {value.text}", word.line), "it is no header: there is no colon in it")
            return
        self._made.headers.append(Header(name.strip(), content.strip(), word.line))

    def _leave(self, word: Word, why: str) -> None:
        self._made.left.append(Left(word.line, named(word.text), why))


def _seconds(value: Word) -> float | None:
    try:
        seconds = float(value.text)
    except ValueError:
        return None
    return seconds if 0 < seconds < float("inf") else None
