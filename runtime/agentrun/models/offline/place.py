"""A part of a message, as the rules read it: `Part` without a tool in mind, `Place` for one tool's parameters.

Pure. `Candidate` is what finders give: a value for a parameter, where it stands, and how sure that is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import msgspec

from agentrun.engine.bm25 import stem, terms, words
from agentrun.models.offline.find import Found, Number, Said
from agentrun.models.offline.words import FILLERS, MEANS, STATES, STOP, STOP_STEMS, TIME_WORDS, WEAK

# How sure a find is: a label says so, the form says so, a word beside it says so, a preposition does, it looks like a
# name, nothing else is left.
LABEL, SHAPE, NEAR, PHRASE, NAME, GUESS = 6.0, 5.0, 4.0, 3.0, 2.0, 1.0

_WISH = re.compile(r"\b(?:wants?|need|would like|'d like|please|could you|can you|wish)\b")
_FINITE = re.compile(r"\b(?:is|was|are|were|has|have|had|came|got|does|did|\w{3,30}ed|\w{2,10}n['’]t)\b")


class Candidate(msgspec.Struct, frozen=True):
    """A value for the parameter `name`, found at `start` to `end`."""

    name: str
    value: Any
    start: int
    end: int
    strength: float


class Part:
    def __init__(self, said: Said, start: int, end: int) -> None:
        self.said = said
        self.start = start
        self.end = end

    @property
    def is_whole(self) -> bool:
        return (self.start, self.end) == (0, len(self.said.plain))

    @cached_property
    def text(self) -> str:
        """In lower case, quotes blanked out."""
        return self.said.plain[self.start : self.end].lower()

    @cached_property
    def positions(self) -> list[int]:
        return [at for at, word in enumerate(self.said.words) if self.start <= word.start < self.end]

    @cached_property
    def words(self) -> list[Found]:
        return [self.said.words[at] for at in self.positions]

    @cached_property
    def first_word(self) -> str:
        """The first word that matters, in lower case."""
        spoken = (word.value.lower() for word in self.words)
        return next((re.sub(r"['’].*", "", word) for word in spoken if word not in FILLERS), "")

    @cached_property
    def telling(self) -> list[str]:
        """The words that carry meaning, in lower case."""
        spoken = (word.value.lower() for word in self.words)
        return [word for word in spoken if _tells(word) and stem(word) not in WEAK]

    @cached_property
    def terms(self) -> frozenset[str]:
        """All words but those of grammar, as stems."""
        return frozenset(terms(self.text)) - STOP_STEMS

    @cached_property
    def meant(self) -> frozenset[str]:
        """What tools may call the things that the words name."""
        return frozenset(other for term in self.terms for other in MEANS.get(term, ()))

    @cached_property
    def query(self) -> Mapping[str, float]:
        """The terms to rank tools by, with their weights."""
        query: dict[str, float] = {}
        for spoken in words(self.text):
            term = stem(spoken)
            weight = 0.0 if spoken in STOP or spoken in TIME_WORDS else 0.3 if term in WEAK else 1.0
            query[term] = max(query.get(term, 0.0), weight)
            for other in MEANS.get(term, ()):
                query[other] = max(query.get(other, 0.0), 0.5 if weight == 1.0 else 0.25)
        return {term: weight for term, weight in query.items() if weight}

    @cached_property
    def is_statement(self) -> bool:
        """`My order arrived broken.`, but not `the last 3 commits` and not `I want a refund`."""
        if self.first_word not in STATES or "?" in self.text or _WISH.search(self.text):
            return False
        return self.first_word in ("i", "we", "he", "she", "they", "it") or _FINITE.search(self.text) is not None


class Place(Part):
    """`own` are stems of the tool's name, `described` those of its description too."""

    def __init__(self, said: Said, start: int, end: int, own: frozenset[str], described: frozenset[str]) -> None:
        super().__init__(said, start, end)
        self.own = own
        self.described = described

    @cached_property
    def tokens(self) -> list[Found]:
        return self.within(self.said.tokens)

    @cached_property
    def numbers(self) -> list[Number]:
        return [number for number in self.said.numbers if self.start <= number.start < self.end]

    def within(self, found: list[Found]) -> list[Found]:
        return [one for one in found if self.start <= one.start < self.end]

    def before(self, position: int, count: int) -> list[str]:
        """The words on the same line before a place in the text, in lower case."""
        line = self.said.plain[max(self.start, position - 60) : position].rpartition("\n")[2]
        return [word.lower() for word in re.findall(r"[^\W_]+", line)][-count:]

    def after(self, position: int, count: int) -> list[str]:
        line = self.said.plain[position : min(self.end, position + 60)].partition("\n")[0]
        return [word.lower() for word in re.findall(r"[^\W\d_]+", line)][:count]

    def content(self, also: frozenset[str] = frozenset()) -> list[Found]:
        """The words that are neither grammar, nor generic, nor the tool's own, nor numbers."""
        known = self.own | also | WEAK
        return [word for word in self.words if _tells(word.value.lower()) and stem(word.value.casefold()) not in known]


def _tells(word: str) -> bool:
    return word not in STOP and word not in TIME_WORDS and not word[0].isdigit()
