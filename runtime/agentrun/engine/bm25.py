"""Ranks short texts by the words they share with a query: BM25F, in pure functions.

It owns what counts as one word (`terms`) and the arithmetic. It doesn't know tools or users: the offline model and
the tool search give it names, descriptions and a query. Equal scores keep the order of the documents, so that the
same request always gives the same bytes.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

import msgspec

# The usual constants: K1 is how fast a repeated word stops counting, B how much a long text is held against it.
K1 = 1.2
B = 0.75

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
    """Documents of several fields each. `weights` holds one weight per field, the same for all documents."""

    def __init__(self, documents: Iterable[Sequence[str]], weights: Sequence[float]) -> None:
        self._weights = tuple(weights)
        self._documents = [[Counter(terms(text)) for text in document] for document in documents]
        for document in self._documents:
            if len(document) != len(self._weights):
                raise ValueError(f"a document has {len(document)} fields, the index {len(self._weights)} weights")
        self._frequency = Counter(term for document in self._documents for term in set().union(*document))
        count = len(self._documents) or 1
        self._mean_lengths = [
            sum(document[field].total() for document in self._documents) / count for field in range(len(self._weights))
        ]

    def rank(self, query: Iterable[str] | Mapping[str, float]) -> list[Hit]:
        """The documents that share a term with the query, best first. A mapping gives each term its weight."""
        weighted = query if isinstance(query, Mapping) else dict.fromkeys(query, 1.0)
        hits = (Hit(position, self._score(position, weighted)) for position in range(len(self._documents)))
        return sorted((hit for hit in hits if hit.score > 0), key=lambda hit: -hit.score)

    def _score(self, position: int, query: Mapping[str, float]) -> float:
        score = 0.0
        for term, weight in query.items():
            frequency = self._weighted_frequency(position, term)
            score += weight * self._rarity(term) * frequency * (K1 + 1) / (frequency + K1)
        return score

    def _weighted_frequency(self, position: int, term: str) -> float:
        total = 0.0
        for weight, counts, mean in zip(self._weights, self._documents[position], self._mean_lengths, strict=True):
            if term in counts:
                total += weight * counts[term] / (1 - B + B * counts.total() / mean)
        return total

    def _rarity(self, term: str) -> float:
        found = self._frequency[term]
        return math.log(1 + (len(self._documents) - found + 0.5) / (found + 0.5))
