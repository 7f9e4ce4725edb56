"""What programs do with a command line: which elements they read as a program, and which as an address. Pure.

A command is a row of words, as far as they are known before a call. That is enough to see where a model's value would
be run instead of read: behind `sh -c`, in the text of an awk program, in what ssh hands to a remote shell. Programs
that start others (`env`, `timeout 5`, `busybox`) are looked through.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

import msgspec

from agentrun.spec import known_programs as known


class Word(msgspec.Struct, frozen=True):
    """An element of a command. `text` is what stands before its first template; all of it where it is `literal`."""

    text: str
    literal: bool

    @property
    def is_option(self) -> bool:
        return self.text[:1] in ("-", "+") and self.text not in ("-", "+")


class Use(msgspec.Struct, frozen=True):
    """What a program does with an element, or with its standard input where `index` is None.

    `how`: `text`, a program in its language; `program`, the name of what it runs; `address`, whom it talks to;
    `place`, a path that may have a host before a colon.
    """

    index: int | None
    program: str
    how: str


_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
_OPEN_AUTHORITY = re.compile(r"(?:--url=)?(?:[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*)?")
_VERSION = re.compile(r"[\d.]+$")
_SUFFIXES = (".exe", ".cmd", ".bat")


def uses(words: Sequence[Word]) -> Iterator[Use]:
    """What the programs of a command do with its elements. One element may come more than once."""
    found = list(_commands(words, 0))
    for index, chosen_by in found:
        if chosen_by is not None:
            yield Use(index, chosen_by, "program")
        else:
            yield from _one_program(words, index)
    starts = {index for index, _ in found}
    for index, word in enumerate(words):
        name = program_name(word)
        if index not in starts and _is_interpreter(name):
            # Behind a program that isn't known to start others: what follows an option is enough, no more is sure.
            yield from (use for use in _interpreter(words, index, name) if use.how == "text" and use.index is not None)


def program_name(word: Word) -> str:
    """`python` of `/usr/bin/python3.12`."""
    if not word.literal:
        return ""
    name = word.text.rpartition("/")[2].lower()
    for suffix in _SUFFIXES:
        name = name.removesuffix(suffix)
    return name if name in known.INTERPRETERS or name in known.CLIENTS else _VERSION.sub("", name) or name


def _is_interpreter(name: str) -> bool:
    return name in known.SHELLS or name in known.INTERPRETERS or name in known.POWERSHELLS


def is_shell(word: Word) -> bool:
    return program_name(word) in known.SHELLS


def _commands(words: Sequence[Word], start: int) -> Iterator[tuple[int, str | None]]:
    """Where programs stand: their index, and who runs them where a template stands there."""
    if start >= len(words):
        return
    name = program_name(words[start])
    yield start, None
    for index, word in enumerate(words[start:], start):
        if name in known.FINDS and word.literal and word.text in known.FIND_RUNS and index + 1 < len(words):
            yield from _at(words, index + 1, name)
    if name in known.WRAPPERS:
        behind = _behind_options(words, start + 1, name)
        if behind is not None:
            yield from _at(words, behind, name)


def _at(words: Sequence[Word], index: int, by: str) -> Iterator[tuple[int, str | None]]:
    if words[index].literal:
        yield from _commands(words, index)
    else:
        yield index, by


def _behind_options(words: Sequence[Word], start: int, name: str) -> int | None:
    """The index of the program that a wrapper runs."""
    letters, operands = known.WRAPPERS[name]
    for index, word in _operands(words, start, letters, known.WRAPPER_NAMES_WITH_VALUE):
        if name in known.TAKE_ASSIGNMENTS and _ASSIGNMENT.match(word.text):
            continue
        if operands == 0:
            return index
        operands -= 1
    return None


def _operands(
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
            index += word.literal and _takes_next(word.text, letters, long_names)
        else:
            yield index, word
        index += 1


def _takes_next(option: str, letters: str, long_names: frozenset[str]) -> bool:
    if option.startswith("--"):
        return option in long_names
    valued = next((at for at, letter in enumerate(option[1:], 1) if letter in letters), None)
    return valued == len(option) - 1


def _one_program(words: Sequence[Word], start: int) -> Iterator[Use]:
    name = program_name(words[start])
    if _is_interpreter(name):
        yield from _interpreter(words, start, name)
    elif name in known.AWKS or name in known.SEDS:
        yield from _editor(words, start, name)
    elif name == "deno":
        yield from _behind_subcommand(words, start, name, ("eval",), "text")
    elif name == "git":
        yield from _behind_subcommand(words, start, name, ("clone", "ls-remote"), "address")
    elif name in known.JOIN_FOR_A_SHELL:
        yield from _joining(words, start, name)
    elif name in known.CLIENTS or name in known.HTTPIE:
        yield from _client(words, start, name)
    elif name in known.COPIERS:
        for index, word in _operands(words, start + 1, "ceFfiJloPS"):
            if not word.literal and not word.text:
                yield Use(index, name, "place")
    if name in known.HAND_TO_A_SHELL:
        yield from _behind_option(words, start, name, known.HAND_TO_A_SHELL[name])
    if name == "env":
        yield from _behind_option(words, start, name, "-[A-Za-z0]*S|--split-string")


def _interpreter(words: Sequence[Word], start: int, name: str) -> Iterator[Use]:
    """The text behind `-c` or `-e`; else the script, where a template stands for it; else standard input."""
    is_shell = name in known.SHELLS
    if is_shell:
        pattern, letters = known.SHELL_TEXT, "oO"
    elif name in known.POWERSHELLS:
        pattern, letters = known.POWERSHELL_TEXT, ""
    else:
        pattern, letters = known.INTERPRETERS[name]
    index, awaits_text, had_text = start + 1, False, False
    while index < len(words):
        word = words[index]
        attached = re.match(pattern, word.text)
        if word.literal and word.text == "--":
            index += 1
            break
        if not word.is_option:
            break
        if not word.literal and attached:
            yield Use(index, name, "text")
            had_text = True
        elif word.literal and re.fullmatch(pattern, word.text):
            if is_shell:  # the option is a switch: the text is the first operand
                awaits_text = True
            elif index + 1 < len(words):
                index += 1
                yield Use(index, name, "text")
                had_text = True
        elif name in ("python", "pypy") and word.text.startswith("-m"):
            return
        elif is_shell and word.text == "-s":
            yield Use(None, name, "text")
            return
        elif word.literal and _takes_next(word.text, letters, known.INTERPRETER_NAMES_WITH_VALUE):
            index += 1
        index += 1
    if had_text:
        return
    if index >= len(words) or (words[index].literal and words[index].text in ("-", "/dev/stdin")):
        yield Use(None, name, "text")
    elif awaits_text:
        yield Use(index, name, "text")
    elif not words[index].literal and not words[index].text:
        yield Use(index, name, "program")


def _editor(words: Sequence[Word], start: int, name: str) -> Iterator[Use]:
    """awk and sed: a program is the first operand, unless options give it. Their sandbox runs nothing."""
    if any(
        word.literal and word.text in ("--sandbox", *(("-S",) if name in known.AWKS else ())) for word in words[start:]
    ):
        return
    expression = "-[nErszu]*e|--expression" if name in known.SEDS else "-e|--source"
    from_file = "-[nErszu]*f|--file(?:=.*)?"
    letters = "l" if name in known.SEDS else "Fv"
    found = list(_behind_option(words, start, name, expression))
    yield from found
    if found or any(word.literal and re.fullmatch(from_file, word.text) for word in words[start:]):
        return
    first = next(_operands(words, start + 1, letters, frozenset({"--assign", "--field-separator"})), None)
    if first is not None:
        yield Use(first[0], name, "text")


def _behind_option(words: Sequence[Word], start: int, name: str, option: str) -> Iterator[Use]:
    for index, word in enumerate(words[start + 1 :], start + 1):
        if word.literal and re.fullmatch(option, word.text) and index + 1 < len(words):
            yield Use(index + 1, name, "text")
        elif not word.literal and word.is_option and re.match(option, word.text):
            yield Use(index, name, "text")


def _behind_subcommand(
    words: Sequence[Word], start: int, name: str, subcommands: Sequence[str], how: str
) -> Iterator[Use]:
    rest = list(_operands(words, start + 1, "Ccbo", frozenset({"--branch", "--depth", "--origin"})))
    for (_, word), (index, behind) in pairwise(rest):
        if word.literal and word.text in subcommands and (how == "text" or chooses(behind)):
            yield Use(index, name, how)


def _joining(words: Sequence[Word], start: int, name: str) -> Iterator[Use]:
    """ssh and watch: their operands together are the text of a shell; the first of ssh is the host."""
    if name == "watch" and any(word.literal and word.text in ("-x", "--exec") for word in words[start:]):
        return
    operands = list(_operands(words, start + 1, known.JOIN_FOR_A_SHELL[name]))
    if name in ("ssh", "rsh") and operands:
        if chooses(operands[0][1]):
            yield Use(operands[0][0], name, "address")
        first = operands[0][0]
        # Behind the host even an option is part of the command.
        operands = list(enumerate(words[first + 1 :], first + 1))
    for index, _ in operands:
        yield Use(index, name, "text")


def _client(words: Sequence[Word], start: int, name: str) -> Iterator[Use]:
    operands = list(_operands(words, start + 1, known.CLIENTS.get(name, "Aaops"), known.CLIENT_NAMES_WITH_VALUE))
    if name in known.HTTPIE:  # [METHOD] URL [ITEM…]
        operands = [one for one in operands if not (one[1].literal and one[1].text.isupper())][:1]
    operands += [(at, one) for at, one in enumerate(words[start:], start) if one.text.startswith("--url=")]
    for index, word in operands:
        if chooses(word):
            yield Use(index, name, "address")


def chooses(word: Word) -> bool:
    """Whether a template stands where a host, or part of one, would."""
    return not word.literal and _OPEN_AUTHORITY.fullmatch(word.text) is not None
