"""How near two names are: what decides whether a name that is known may be written without being asked."""

from __future__ import annotations

from collections.abc import Iterable

_MAX_TYPOS = 2
_SHORT = 6  # names up to this length allow one typo
# Words of their own that are near to names of the language.
_OWN_WORDS = frozenset({"cache", "caches", "cmd", "context", "from", "mode", "modes", "note", "test"})


def is_same_word(one: str, other: str) -> bool:
    """Whether names differ in case and in what stands between their words only: `systemPrompt`, `system_prompt`."""
    return fold(one) == fold(other)


def is_surely(written: str, meant: str, known: Iterable[str]) -> bool:
    """Whether a name is a typo of that known one, and of no other. Whoever writes `kind` did not mean `bind`."""
    if is_same_word(written, meant):
        return True
    if written[:1].lower() != meant[:1].lower() or written.lower() in _OWN_WORDS:
        return False
    most = 1 if len(written) <= _SHORT else _MAX_TYPOS
    return [name for name in set(known) if typos(written, name, _MAX_TYPOS) <= most] == [meant]


def fold(name: str) -> str:
    """A name without case and what stands between its words."""
    return name.lower().replace("-", "").replace("_", "").replace(" ", "")


def typos(one: str, other: str, limit: int) -> int:
    """How many letters were added, left out, exchanged or swapped with their neighbor; more than `limit` is a lot."""
    if abs(len(one) - len(other)) > limit:
        return limit + 1
    before: list[int] = []
    above = list(range(len(other) + 1))
    for at, letter in enumerate(one, 1):
        row = [at]
        for index, wanted in enumerate(other, 1):
            cost = min(above[index] + 1, row[-1] + 1, above[index - 1] + (letter != wanted))
            if before and index > 1 and letter == other[index - 2] and one[at - 2] == wanted:
                cost = min(cost, before[index - 2] + 1)
            row.append(cost)
        before, above = above, row
    return above[-1]
