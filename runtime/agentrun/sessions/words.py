"""The words of a search: what each kind of database is asked with them, and where they stand in a text. Pure.

Every word must occur, the last one as the beginning of a word; a word with a hyphen or a dot in it is a phrase. Nothing
in a query is an operator.
"""

from __future__ import annotations

import re
import unicodedata

from agentrun.visible import visible

_TOKEN = re.compile(r"[^\W_]+")
_APART, _REST, _END = r"[\W_]+", r"[^\W_]*", r"(?![^\W_])"
_SNIPPET_CHARS = 120
_LEAD_CHARS = 40
_MAX_PLACES = 200
_QUERY_CHARS = 1000  # what is longer was pasted, and would take minutes to look for


class Words:
    """False where there is nothing to search for."""

    def __init__(self, query: str) -> None:
        split = [_TOKEN.findall(word) for word in unicodedata.normalize("NFC", query[:_QUERY_CHARS]).split()]
        self._words = [tokens for tokens in split if tokens]
        self._places = re.compile("|".join(self._patterns()), re.IGNORECASE)

    def __bool__(self) -> bool:
        return bool(self._words)

    @property
    def fts5(self) -> str:
        """A query of SQLite: phrases in quotes, next to each other, are all looked for."""
        return " ".join(f'"{" ".join(tokens)}"' for tokens in self._words) + "*"

    @property
    def tsquery(self) -> str:
        """A query of Postgres."""
        phrases = [" <-> ".join(f"'{token}'" for token in tokens) for tokens in self._words]
        return " & ".join(f"({phrase})" for phrase in [*phrases[:-1], f"{phrases[-1]}:*"])

    @property
    def like(self) -> list[str]:
        """Patterns of LIKE that fit at least the texts that hold each word: it knows no letters beyond ASCII."""
        joined = ["%".join(tokens) for tokens in self._words]
        return [f"%{''.join(char if char.isascii() else '_' for char in word)}%" for word in joined]

    def all_in(self, text: str) -> bool:
        return set(range(len(self._words))) <= {word for _, _, word in self._found(text)}

    def snippet(self, text: str) -> tuple[str, tuple[tuple[int, int], ...]]:
        """A piece of a text on one line, fit to be shown, with as many of the words as can be, and where they stand."""
        shown = _on_a_line(text, *self._window(text))
        return shown, tuple((start, end) for start, end, _ in self._found(shown))

    def _window(self, text: str) -> tuple[int, int]:
        places = self._found(text)
        start = 0
        if places:
            best = max(places, key=lambda place: (len(self._near(places, place[0])), -place[0]))
            start = max(0, best[0] - _LEAD_CHARS)
        return start, start + _SNIPPET_CHARS

    def _near(self, places: list[tuple[int, int, int]], start: int) -> set[int]:
        end = start + _SNIPPET_CHARS - _LEAD_CHARS
        return {word for at, till, word in places if start <= at and till <= end}

    def _found(self, text: str) -> list[tuple[int, int, int]]:
        """Where words stand: start, end, which one. At most some hundred."""
        found: list[tuple[int, int, int]] = []
        if not self._words:
            return found
        for place in self._places.finditer(_folded(text)):
            found.append((*place.span(), int(str(place.lastgroup)[1:])))
            if len(found) == _MAX_PLACES:
                break
        return found

    def _patterns(self) -> list[str]:
        last = len(self._words) - 1
        return [
            rf"(?P<w{index}>(?<![^\W_]){_folded(_APART.join(tokens))}{_REST if index == last else _END})"
            for index, tokens in enumerate(self._words)
        ]


def _folded(text: str) -> str:
    """Letters without their accents, as the index has them; no character more or less."""
    if text.isascii():
        return text
    return "".join(char if char.isascii() else unicodedata.normalize("NFD", char)[0] for char in text)


def _on_a_line(text: str, start: int, end: int) -> str:
    """Cut between words, where that is near."""
    if start > 0:
        space = re.compile(r"\s").search(text, start, start + _LEAD_CHARS // 2)
        start = space.end() if space else start
    piece = visible(" ".join(text[start:end].split()))
    if end < len(text) and " " in piece[-_LEAD_CHARS // 2 :]:
        piece = piece.rpartition(" ")[0]
    return f"{'…' if text[:start].strip() else ''}{piece}{'…' if text[end:].strip() else ''}"
