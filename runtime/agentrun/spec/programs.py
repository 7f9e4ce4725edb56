"""What programs do with a command line: which elements they read as a program, and which as an address. Pure.

A command is a row of words, as far as they are known before a call. That is enough to see where a model's value would
be run instead of read: behind `sh -c`, in the text of an awk program, in what ssh hands to a remote shell. Programs
that start others (`env`, `timeout 5`, `busybox`) are looked through.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import islice, pairwise

import msgspec

from agentrun.spec import known_programs as known
from agentrun.spec.words import Word, carried, operands, program_name, takes_next


class Use(msgspec.Struct, frozen=True):
    """What a program does with an element, or with its standard input where `index` is None.

    `how`: `text`, a program in its language; `program`, the name of what it runs; `address`, whom it talks to;
    `place`, a path that may have a host before a colon.
    """

    index: int | None
    program: str
    how: str


_LOOKED_AT = 300  # words; longer commands than people write cost too much
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
_OPEN_AUTHORITY = re.compile(r"(?:--url=)?(?:[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*|[\w.-]+@)?")


def uses(words: Sequence[Word]) -> Iterator[Use]:
    """What the programs of a command do with its elements. One element may come more than once."""
    words = words[:_LOOKED_AT]
    found = list(_commands(words))
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
        elif index not in starts and name in known.SQL:
            yield from _sql(words, index, name)


def _is_interpreter(name: str) -> bool:
    return name in known.SHELLS or name in known.INTERPRETERS or name in known.POWERSHELLS


def _commands(words: Sequence[Word]) -> Iterator[tuple[int, str | None]]:
    """Where programs stand: their index, and who runs them where a template stands there."""
    waiting: list[tuple[int, str | None]] = [(0, None)]
    seen: set[int] = set()
    for start, by in waiting:
        if start >= len(words) or start in seen:
            continue
        seen.add(start)
        is_known = words[start].literal or by is None
        yield start, None if is_known else by
        if is_known:
            name = program_name(words[start])
            waiting += ((index, name) for index in _started_by(words, start, name))


def _started_by(words: Sequence[Word], start: int, name: str) -> Iterator[int]:
    """The indexes of what a program starts."""
    if name in known.FINDS:
        runs = (at for at, word in enumerate(words[start:], start) if word.literal and word.text in known.FIND_RUNS)
        yield from (at + 1 for at in runs)
    if name in known.BEHIND_DASHES and any(word.literal and word.text in known.RUN_INSIDE for word in words[start:]):
        dashes = (at for at, word in enumerate(words[start:], start) if word == Word("--", True))
        yield from (at + 1 for at in islice(dashes, 1))
    if name in known.WRAPPERS:
        behind = _behind_options(words, start + 1, name)
        yield from () if behind is None else (behind,)


def _behind_options(words: Sequence[Word], start: int, name: str) -> int | None:
    """The index of the program that a wrapper runs."""
    letters, before = known.WRAPPERS[name]
    for index, word in operands(words, start, letters, known.WRAPPER_NAMES_WITH_VALUE):
        if name in known.TAKE_ASSIGNMENTS and _ASSIGNMENT.match(word.text):
            continue
        if before == 0:
            return index
        before -= 1
    return None


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
    elif name in known.READ_A_FILE:
        yield from (Use(at, name, "program") for at, word in operands(words, start + 1, "") if word == Word("", False))
    elif name in known.CLIENTS or name in known.HTTPIE:
        yield from _client(words, start, name)
    elif name in known.COPIERS:
        for index, word in operands(words, start + 1, "ceFfiJloPS"):
            if chooses(word):
                yield Use(index, name, "address" if name == "sftp" else "place")
    if name in known.RUN_BY_OPTION:
        for index, text in carried(words, start):
            if re.match(known.RUN_BY_OPTION[name], text):
                yield Use(index, name, "text")
    if name in known.SQL:
        yield from _sql(words, start, name)
    elif name in known.FILTERS:
        yield from _filter(words, start, name)


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
        elif word.literal:
            index += takes_next(word.text, letters, known.INTERPRETER_NAMES_WITH_VALUE)
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
    from_file = "-[nErszu]*f|--file"
    letters = "l" if name in known.SEDS else "Fv"
    found = list(_behind_option(words, start, name, expression))
    yield from found
    for index, text in carried(words, start):
        if re.match(f"(?:{from_file})=", text):
            path = text.partition("=")[2]
            if words[index].literal and path in ("-", "/dev/stdin"):
                yield Use(None, name, "text")
            elif not words[index].literal and not path:
                yield Use(index, name, "program")
            return
    if found:
        return
    first = next(operands(words, start + 1, letters, frozenset({"--assign", "--field-separator"})), None)
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
    rest = list(operands(words, start + 1, "Ccbo", frozenset({"--branch", "--depth", "--origin"})))
    for (_, word), (index, behind) in pairwise(rest):
        if word.literal and word.text in subcommands and (how == "text" or chooses(behind)):
            yield Use(index, name, how)


def _joining(words: Sequence[Word], start: int, name: str) -> Iterator[Use]:
    """ssh and watch: their operands together are the text of a shell; the first of ssh is the host."""
    if name == "watch" and any(word.literal and word.text in ("-x", "--exec") for word in words[start:]):
        return
    rest = list(operands(words, start + 1, known.JOIN_FOR_A_SHELL[name]))
    if name in known.REMOTE_SHELLS and rest:
        first, host = rest[0]
        if chooses(host):
            yield Use(first, name, "address")
        # Behind the host even an option is part of the command.
        rest = list(enumerate(words[first + 1 :], first + 1))
    for index, _ in rest:
        yield Use(index, name, "text")


def _sql(words: Sequence[Word], start: int, name: str) -> Iterator[Use]:
    """The text behind an option; behind the name of the database; else standard input."""
    option, letters, first = known.SQL[name]
    if any(word == Word("-safe", True) or word == Word("--safe", True) for word in words[start:]):
        return
    found = [index for index, text in carried(words, start) if re.match(option, text)]
    from_file = any(re.match("-[A-Za-z0-9]*f$|--file|-init", word.text) for word in words[start + 1 :] if word.literal)
    if first is not None:
        behind = operands(words, start + 1, letters, known.SQL_NAMES_WITH_VALUE)
        found += [index for index, _ in list(behind)[first:] if index not in found]
    for index in found:
        yield Use(index, name, "text")
    if not found and not from_file:
        yield Use(None, name, "text")


def _filter(words: Sequence[Word], start: int, name: str) -> Iterator[Use]:
    """jq and its kin: the first operand, unless a file gives the program."""
    if any(word.literal and re.fullmatch("-[a-zA-Z]*f|--from-file", word.text) for word in words[start + 1 :]):
        return
    rest = list(operands(words, start + 1, known.FILTERS[name], known.FILTER_NAMES_WITH_VALUE))
    if rest and rest[0][1].text in ("e", "ea", "eval", "eval-all"):
        rest = rest[1:]
    if rest:
        yield Use(rest[0][0], name, "text")


def _client(words: Sequence[Word], start: int, name: str) -> Iterator[Use]:
    rest = list(operands(words, start + 1, known.CLIENTS.get(name, "Aaops"), known.CLIENT_NAMES_WITH_VALUE))
    if name in known.HTTPIE:  # [METHOD] URL [ITEM…]
        rest = [one for one in rest if not (one[1].literal and one[1].text.isupper())][:1]
    rest += [(at, one) for at, one in enumerate(words[start:], start) if one.text.startswith("--url=")]
    for index, word in rest:
        if chooses(word):
            yield Use(index, name, "address")


def chooses(word: Word) -> bool:
    """Whether a template stands where a host, or part of one, would."""
    return not word.literal and _OPEN_AUTHORITY.fullmatch(word.text) is not None
