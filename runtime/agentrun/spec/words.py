"""The words of a command line, as far as they are known before it is run: options, their values, operands. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import msgspec

from agentrun.spec import known_programs as known

_VERSION = re.compile(r"[\d.]+$")
_SUFFIXES = (".exe", ".cmd", ".bat")


class Word(msgspec.Struct, frozen=True):
    """An element of a command. `text` is what stands before its first template; all of it where it is `literal`."""

    text: str
    literal: bool

    @property
    def is_option(self) -> bool:
        return self.text[:1] in ("-", "+") and self.text not in ("-", "+")


def program_name(word: Word) -> str:
    """`python` of `/usr/bin/python3.12`."""
    if not word.literal:
        return ""
    name = word.text.replace("\\", "/").rpartition("/")[2].lower()
    for suffix in _SUFFIXES:
        name = name.removesuffix(suffix)
    return (
        name
        if name in known.INTERPRETERS or name in known.CLIENTS or name in known.SQL
        else _VERSION.sub("", name) or name
    )


def is_shell(word: Word) -> bool:
    return program_name(word) in known.SHELLS


def operands(
    words: Sequence[Word], start: int, letters: str, long_names: frozenset[str] = frozenset()
) -> Iterator[tuple[int, Word]]:
    """The elements that are no options, nor the values of options."""
    index = start
    options = True
    while index < len(words):
        word = words[index]
        if options and word.literal and word.text == "--":
            options = False
        elif options and word.is_option:
            index += takes_next(word.text, letters, long_names) if word.literal else 0
        else:
            yield index, word
        index += 1


def takes_next(option: str, letters: str, long_names: frozenset[str]) -> int:
    """How many elements behind an option are its values."""
    if option.startswith("--"):
        return 2 if option in known.TAKE_TWO else int(option in long_names)
    valued = next((at for at, letter in enumerate(option[1:], 1) if letter in letters), None)
    return int(valued == len(option) - 1)


def carried(words: Sequence[Word], start: int) -> Iterator[tuple[int, str]]:
    """Each element behind a program with the option that it is the value of, if one stands before it: `-o=Port`."""
    for index in range(start + 1, len(words)):
        word, before = words[index], words[index - 1]
        is_value = index - 1 > start and before.literal and before.is_option and not word.is_option
        yield index, f"{before.text}={word.text}" if is_value else word.text
