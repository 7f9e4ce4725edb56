"""Finds functions by what a text says: an index over their names, descriptions and parameters.

Owns what is read of a function and of a text, and how much each counts. `benchmarks/tool_search.py` measures it; the
weights are those that found most there. Indexes are kept by what they are made of: a set of a server gives new
functions each time, which mostly are what they were.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from agentrun.engine.bm25 import Index, terms
from agentrun.engine.messages import FunctionTool, Message

WEIGHTS = (3.0, 1.5, 1.0)  # of a name, a description, and the parameters
K1 = 1.5
B = 0.5
RELATED = 0.2  # what a word counts that only begins as one of the text does

MAX_DEPTH = 6  # of the objects in parameters
MAX_PARAMETER_CHARS = 8_000
# A text that is longer is a document with a question before or behind it: as much is read of each end.
MAX_CHARS = 2_000
MAX_RELATED = 100  # words of a text for which related ones are looked up
KEPT = 32

_NAME = re.compile(r"[\w-]+")

# Words that say nothing of what is wanted, in the language of most descriptions. A text of these alone, such as
# `yes, please do`, finds nothing.
_SAYS_NOTHING = frozenset(
    term
    for term in terms(
        "a about all also am an and any are as at be been but by can cannot could did do does for from get give go "
        "had has have he hello her here hi him his how i if in into is it its just let like make me more my need no "
        "not now of ok okay on one or our please she should so some than thank thanks that the their them then "
        "there these they this to too us use using want was we were what when where which who whom whose why will "
        "with would yes you your"
    )
)


class ToolIndex:
    """Functions that can be searched."""

    def __init__(self, functions: Sequence[FunctionTool]) -> None:
        self._names = [one.name for one in functions]
        self._places = {name: place for place, name in enumerate(self._names)}
        self._index = Index(map(fields, functions), WEIGHTS, k1=K1, b=B)

    def find(self, text: str, limit: int | None = None) -> list[str]:
        """The names of those that fit a text, best first. Equal ones are in the order of the functions.

        What a text calls by its name fits best, also where the words of that name say nothing.
        """
        called = dict.fromkeys(one for one in _NAME.findall(_ends(text)) if one in self._places)
        fitting = (self._names[hit.position] for hit in self._index.rank(self._query(text), limit))
        return list(dict.fromkeys([*sorted(called, key=self._places.__getitem__), *fitting]))[:limit]

    def _query(self, text: str) -> dict[str, float]:
        """Numbers are left out: they are what a tool is given, never what it does."""
        query = {term: 1.0 for term in terms(_ends(text)) if term not in _SAYS_NOTHING and not term.isdecimal()}
        for term in list(query)[:MAX_RELATED]:
            for other in self._index.related(term):
                query.setdefault(other, RELATED)
        return query


_kept: list[tuple[tuple[FunctionTool, ...], ToolIndex]] = []


def index_of(functions: Sequence[FunctionTool]) -> ToolIndex:
    """The index of these functions: that of equal ones where there is one already."""
    wanted = tuple(functions)
    for at, (made_of, index) in enumerate(_kept):
        if made_of == wanted:
            _kept.append(_kept.pop(at))
            return index
    index = ToolIndex(wanted)
    _kept.append((wanted, index))
    del _kept[:-KEPT]
    return index


def said(message: Message) -> str:
    """The text of a message, without what is attached to it."""
    content = message.data.get("content")
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else ()
    return "\n".join(
        str(part["text"])
        for part in parts
        if isinstance(part, Mapping) and part.get("type") == "text" and "text" in part
    )


def fields(function: FunctionTool) -> tuple[str, str, str]:
    """What is read of a function, as `WEIGHTS` count it."""
    return function.name, function.description, _parameters(function.parameters)


def _parameters(schema: Mapping[str, Any]) -> str:
    told: list[str] = []
    room = MAX_PARAMETER_CHARS
    for text in _texts(schema, MAX_DEPTH):
        told.append(text[:room])
        room -= len(text)
        if room <= 0:
            break
    return " ".join(told)


def _texts(schema: Any, depth: int) -> Iterator[str]:
    """Names, descriptions and choices, those of nested objects too."""
    if not isinstance(schema, Mapping) or depth == 0:
        return
    properties = schema.get("properties")
    for name, one in properties.items() if isinstance(properties, Mapping) else ():
        yield str(name)
        if isinstance(one, Mapping):
            yield from _own_texts(one)
            yield from _texts(one, depth - 1)
    items = schema.get("items")
    if isinstance(items, Mapping):
        yield from _own_texts(items)
        yield from _texts(items, depth - 1)


def _own_texts(schema: Mapping[str, Any]) -> Iterator[str]:
    if isinstance(schema.get("description"), str):
        yield schema["description"]
    choices = schema.get("enum")
    if isinstance(choices, Sequence) and not isinstance(choices, str):
        yield from (one for one in choices if isinstance(one, str))


def _ends(text: str) -> str:
    return text if len(text) <= 2 * MAX_CHARS else f"{text[:MAX_CHARS]} {text[-MAX_CHARS:]}"
