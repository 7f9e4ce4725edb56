"""A command line of Windows' cmd, split into words: carets, then quotes and backslashes as its programs read them."""

from __future__ import annotations

import re

_BACKSLASHES = re.compile(r"\\*")
_SPACE = " \t\n"
_OF_CMD = re.compile(r'\^"|\^\n')


def is_of_cmd(text: str) -> bool:
    """Whether a command line was copied for cmd: no other shell has carets before its quotes."""
    return _OF_CMD.search(text) is not None


def words_of_cmd(text: str) -> list[str]:
    """As a program of Windows splits its command line: `\\"` is a quote, other backslashes are themselves."""
    text = _without_carets(text)
    words: list[str] = []
    at = 0
    while at < len(text):
        if text[at] in _SPACE:
            at += 1
            continue
        word: list[str] = []
        quoted = False
        while at < len(text) and (quoted or text[at] not in _SPACE):
            word_part, at, quoted = _piece(text, at, quoted)
            word.append(word_part)
        words.append("".join(word))
    return words


def _without_carets(text: str) -> str:
    """cmd takes a caret away, and the next character as it is. One at the end of a line joins it with the next."""
    return re.sub(r"\^(\n\n|\n|.)", lambda found: {"\n": " ", "\n\n": "\n"}.get(found[1], found[1]), text)


def _piece(text: str, at: int, quoted: bool) -> tuple[str, int, bool]:
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
