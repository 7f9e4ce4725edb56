"""Ranks short texts by the words they share with a query: BM25F, in pure functions.

It owns what counts as one word (`terms`) and the arithmetic. It doesn't know tools or users: the offline model and
the tool search give it names, descriptions and a query. Equal scores keep the order of the documents, so that the
same request always gives the same bytes.
"""

from __future__ import annotations

import math
import re
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import accumulate

import msgspec

# The usual constants: K1 is how fast a repeated word stops counting, B how much a long text is held against it.
K1 = 1.2
B = 0.75
# A query looks at no more entries than this: what bounds its time where a whole document is the query.
MAX_LOOKED_UP = 20_000
MIN_RELATED = 5  # letters of a word: the beginning of a shorter one tells nothing

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
# Scripts written without spaces give one term per character.
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3]|[^\W_\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3]+")


class Hit(msgspec.Struct, frozen=True):
    """`position` is the document's place in the index."""

    position: int
    score: float


def words(text: str) -> list[str]:
    """Lower-case words; `snake_case`, `kebab-case` and `camelCase` are taken apart."""
    return [word.casefold() for word in _WORD.findall(_HUMP.sub(" ", text))]


def terms(text: str) -> list[str]:
    """The words of a text in the form in which they are compared."""
    return [stem(word) for word in words(text)]


@lru_cache(maxsize=8192)
def stem(word: str) -> str:
    """Cuts English endings so that `orders`, `refunded` and `deletion` meet `order`, `refund` and `delete`.

    The result is a key, not a word. Words of three letters and fewer stay as they are.
    """
    if len(word) <= 3:
        return word
    if word.endswith("ies") and len(word) > 4:
        word = word[:-3] + "y"
    elif word.endswith(("sses", "xes", "zes", "ches", "shes")):
        word = word[:-2]
    elif word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    for ending in ("ing", "ed"):
        rest = word.removesuffix(ending)
        if rest != word and len(rest) >= 3 and re.search("[aeiouy]", rest):
            word = rest
            break
    if word.endswith(("tion", "sion")) and len(word) > 6:
        word = word[:-3]
    if word.endswith("e") and len(word) > 3:
        word = word[:-1]
    if len(word) > 3 and word[-1] == word[-2]:
        word = word[:-1]
    return word


class Index:
    """Documents of several fields each. `weights` holds one weight per field, the same for all documents.

    Kept as postings: for each term the documents that have it, with what it gives to the score of each. A query costs
    by what its words are in, not by how many documents there are.
    """

    def __init__(self, documents: Iterable[Sequence[str]], weights: Sequence[float], *, k1: float = K1, b: float = B):
        counted = [[Counter(terms(text)) for text in document] for document in documents]
        for document in counted:
            if len(document) != len(weights):
                raise ValueError(f"a document has {len(document)} fields, the index {len(weights)} weights")
        self._count = len(counted)
        mean_lengths = [
            sum(document[field].total() for document in counted) / (self._count or 1) for field in range(len(weights))
        ]
        found: dict[str, tuple[list[int], list[float]]] = {}
        for position, document in enumerate(counted):
            for term, frequency in _frequencies(document, weights, mean_lengths, b).items():
                positions, frequencies = found.setdefault(term, ([], []))
                positions.append(position)
                frequencies.append(frequency)
        self._postings = {
            term: (array("I", positions), array("d", _scores(frequencies, self._rarity(len(positions)), k1)))
            for term, (positions, frequencies) in found.items()
        }
        self._in_order = sorted(self._postings)

    def rank(self, query: Iterable[str] | Mapping[str, float], limit: int | None = None) -> list[Hit]:
        """The documents that share a term with the query, best first. A mapping gives each term its weight."""
        scores = [0.0] * self._count
        for term, weight in self._looked_up(query):
            positions, parts = self._postings[term]
            for position, part in zip(positions, parts, strict=True):
                scores[position] += weight * part
        hits = [position for position, score in enumerate(scores) if score > 0]
        hits.sort(key=scores.__getitem__, reverse=True)  # stable in reverse, too
        return [Hit(position, scores[position]) for position in hits[:limit]]

    def related(self, term: str) -> list[str]:
        """Terms of the documents that begin as a term does: what its stem does not bring together, in any language.

        `currencies` has met `currency` by then; `authentication` meets `authenticator`.
        """
        if len(term) < MIN_RELATED:
            return []
        beginning = term[: max(MIN_RELATED - 1, len(term) - 3)]
        found = []
        for at in range(bisect_left(self._in_order, beginning), len(self._in_order)):
            other = self._in_order[at]
            if not other.startswith(beginning):
                break
            if other != term and abs(len(other) - len(term)) <= 4:
                found.append(other)
        return found

    def _looked_up(self, query: Iterable[str] | Mapping[str, float]) -> list[tuple[str, float]]:
        """The terms that are looked up: of a long text the rarest ones, which tell most, as far as they come cheap."""
        weighted = query if isinstance(query, Mapping) else dict.fromkeys(query, 1.0)
        known = [(term, weight) for term, weight in weighted.items() if term in self._postings]
        if sum(len(self._postings[term][0]) for term, _ in known) <= MAX_LOOKED_UP:
            return known
        known.sort(key=lambda one: len(self._postings[one[0]][0]))
        sums = accumulate(len(self._postings[term][0]) for term, _ in known)
        return [one for one, total in zip(known, sums, strict=True) if total <= MAX_LOOKED_UP]

    def _rarity(self, found: int) -> float:
        return math.log(1 + (self._count - found + 0.5) / (found + 0.5))


def _frequencies(
    document: Sequence[Counter[str]], weights: Sequence[float], mean_lengths: Sequence[float], b: float
) -> dict[str, float]:
    """How often a document has each of its terms, by the weights of its fields and by how long they are."""
    found: dict[str, float] = {}
    for weight, counts, mean in zip(weights, document, mean_lengths, strict=True):
        if counts:
            share = weight / (1 - b + b * counts.total() / mean)
            for term, count in counts.items():
                found[term] = found.get(term, 0.0) + share * count
    return found


def _scores(frequencies: Iterable[float], rarity: float, k1: float) -> Iterable[float]:
    """What a term gives to each document: the more often, the less each time counts."""
    return (rarity * frequency * (k1 + 1) / (frequency + k1) for frequency in frequencies)
