"""Which cases are run: by file and name, words, tags, what failed last, and `only`. Pure.

`-k` is an expression of words with `and`, `or`, `not` and brackets. A word fits where it stands in a case's name, file
or tags, in small or large letters; one with spaces is written in quotes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import PurePath

import msgspec

from agentrun.diagnostics import counted, did_you_mean, one_of
from agentrun.errors import UsageError
from agentrun.testing.plan import Case
from agentrun.visible import one_line

Fits = Callable[[str], bool]

_TOKEN = re.compile(r"""\s*(?:(?P<bracket>[()])|"(?P<double>[^"]*)"|'(?P<single>[^']*)'|(?P<word>[^\s()"'][^\s()]*))""")
_OPERATORS = ("and", "or", "not")
_MAX_DEPTH = 100
_NAME_CHARS = 60
_LONG_NAME_CHARS = 200


class Wish(msgspec.Struct, frozen=True):
    """What a command line asks for. All of it must hold of a case; what is None or empty holds of any.

    Of several `tags` one is enough. `ids` are those of cases.
    """

    words: str | None = None
    tags: tuple[str, ...] = ()
    ids: frozenset[str] | None = None


def chosen(cases: Sequence[Case], wish: Wish) -> list[Case]:
    """The cases that a wish is for, in their order. Raises `UsageError` where there are none, with what there is."""
    if not cases:
        raise UsageError("there are no test cases", help="write them to `tests/NAME.test.yaml`")
    fits = expression(wish.words) if wish.words is not None else None
    tagged = [case for case in cases if not wish.tags or not set(wish.tags).isdisjoint(case.tags)]
    if not tagged:
        raise _no_such_tag(wish.tags, cases)
    found = [case for case in tagged if fits is None or fits(_text(case))]
    if not found:
        raise UsageError(f"`-k {wish.words}` fits none of {counted(len(tagged), 'case')}", help=_near(wish, tagged))
    return [case for case in found if wish.ids is None or case.id in wish.ids]


def only(cases: Sequence[Case]) -> tuple[list[Case], int]:
    """Those with `only`, if there are any, and how many are left out for them."""
    marked = [case for case in cases if case.only]
    return (marked, len(cases) - len(marked)) if marked else (list(cases), 0)


def of_name(cases: Sequence[Case], file: str, name: str) -> list[Case]:
    """The cases of a file that a name is for: its own, or all that `each` made of it. Raises `UsageError`."""
    wanted = _as_argument(name)
    found = [case for case in cases if _as_argument(case.name) == wanted]
    found = found or [case for case in cases if _as_argument(case.name).startswith(f"{wanted} [")]  # as `each` does
    if found:
        return found
    names = [one_line(case.name, _LONG_NAME_CHARS) for case in cases]
    known = f"its cases: {_listed(cases)}" if names else "the file has no cases"
    raise UsageError(f"there is no case `{name}` in `{file}`", help=did_you_mean(name, names, known))


def _as_argument(name: str) -> str:
    """As it stands on a command line: on one line, as it is shown, and with slashes read as those of a path."""
    return str(PurePath(f"::{' '.join(name.split())}"))


# -- the expression of `-k`


def expression(text: str) -> Fits:
    """Raises `UsageError` where it can't be read."""
    reader = _Reader(text)
    fits = reader.alternatives(0)
    if reader.left:
        raise reader.surplus()
    return fits


class _Reader:
    """Reads an expression from left to right. A token is a pair: whether it was written in quotes, and its text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.left: list[tuple[bool, str]] = []
        if not text.strip():
            raise self.problem("there is no word in it")
        place = 0
        while text[place:].strip():
            found = _TOKEN.match(text, place)
            if found is None:
                raise self.problem("a quote is not closed")
            place = found.end()
            quoted = found["double"] if found["double"] is not None else found["single"]
            self.left.append((quoted is not None, quoted if quoted is not None else found["bracket"] or found["word"]))

    def surplus(self) -> UsageError:
        """What stands where an operator should."""
        _, word = self.left[0]
        if word == ")":
            return self.problem("a bracket is closed that was not opened")
        if word != word.lower() and word.lower() in _OPERATORS:
            return self.problem(f"`{word.lower()}` is written in small letters")
        return self.problem(f"`and` or `or` is missing before `{word}`; words that belong together stand in quotes")

    def problem(self, what: str) -> UsageError:
        help = "write words with `and`, `or`, `not` and brackets: -k 'refund and not (slow or live)'"
        return UsageError(f"`-k {self.text}` can't be read: {what}", help=help)

    def alternatives(self, depth: int) -> Fits:
        if depth > _MAX_DEPTH:
            raise self.problem("it is nested too deeply")
        parts = [self._all(depth)]
        while self._takes("or"):
            parts.append(self._all(depth))
        return parts[0] if len(parts) == 1 else lambda text: any(fits(text) for fits in parts)

    def _all(self, depth: int) -> Fits:
        parts = [self._one(depth)]
        while self._takes("and"):
            parts.append(self._one(depth))
        return parts[0] if len(parts) == 1 else lambda text: all(fits(text) for fits in parts)

    def _one(self, depth: int) -> Fits:
        negated = False
        while self._takes("not"):
            negated = not negated
        fits = self._word(depth)
        return (lambda text: not fits(text)) if negated else fits

    def _word(self, depth: int) -> Fits:
        if self._takes("("):
            fits = self.alternatives(depth + 1)
            if not self._takes(")"):
                raise self.problem("a bracket is not closed")
            return fits
        if not self.left:
            raise self.problem("a word is missing at its end")
        quoted, word = self.left.pop(0)
        if not quoted and word in (*_OPERATORS, ")"):
            raise self.problem(f"a word is missing before `{word}`")
        if not word:
            raise self.problem("a word is empty")
        folded = word.casefold()
        return lambda text: folded in text

    def _takes(self, token: str) -> bool:
        if not self.left or self.left[0] != (False, token):
            return False
        self.left.pop(0)
        return True


def _words(text: str) -> Iterable[str]:
    return [word for quoted, word in _Reader(text).left if quoted or word not in (*_OPERATORS, "(", ")")]


def _text(case: Case) -> str:
    """What words are looked for in."""
    return "\n".join((case.name, case.file, *case.tags)).casefold()


# -- where nothing fits


def _no_such_tag(tags: Collection[str], cases: Iterable[Case]) -> UsageError:
    known = sorted({tag for case in cases for tag in case.tags})
    written = one_of(sorted(tags))
    otherwise = f"tags here: {one_of(known)}" if known else "no case has tags"
    return UsageError(f"no case has the tag {written}", help=did_you_mean(min(tags), known, otherwise))


def _near(wish: Wish, cases: Sequence[Case]) -> str:
    """A word that stands in the cases and is close to one that stands in none; else what there is."""
    there = {word for case in cases for word in re.findall(r"[\w-]+", _text(case))}
    text = "\n".join(map(_text, cases))
    for word in _words(wish.words or ""):
        if word.casefold() not in text and (near := did_you_mean(word.casefold(), there)):
            return near
    return f"cases here: {_listed(cases)}"


def _listed(cases: Iterable[Case]) -> str:
    """In backticks: a name may have commas in it."""
    return one_of([f"`{one_line(case.name, _NAME_CHARS)}`" for case in cases])
