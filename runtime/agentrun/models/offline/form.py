"""Gives an answer the form that `response_format` asks for.

Pure. Fields come from the results by name, then from the user's words, then the sentence itself stands in for a text;
what is left gets the least value that the schema allows, for a form can't be left half empty.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from agentrun.engine.bm25 import terms
from agentrun.models.offline.fill import fill
from agentrun.models.offline.find import Said
from agentrun.models.offline.place import Place
from agentrun.models.offline.slots import Slot, fits, resolved, slots_of, type_of

MAX_DEPTH = 6
MAX_NODES = 2000
_SPOKEN = frozenset(
    ["answer", "text", "message", "summary", "response", "content", "reply", "output", "result", "explanation"]
)


def formed(response_format: Mapping[str, Any] | None, sentence: str, results: Sequence[Any], said: Said) -> str:
    """The answer's text: the sentence itself, or JSON."""
    kind = response_format.get("type") if response_format else None
    if kind == "json_object":
        return json.dumps({"answer": sentence}, ensure_ascii=False)
    if kind != "json_schema" or response_format is None:
        return sentence
    wrapper = response_format.get("json_schema", response_format)
    schema = wrapper.get("schema", {}) if isinstance(wrapper, Mapping) else {}
    return json.dumps(_instance(schema, sentence, results, said), ensure_ascii=False)


def plain(value: Any) -> Any:
    """Data as Python's JSON knows it: numbers that kept their written form become numbers."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() and "." not in str(value) else float(value)
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    return [plain(inner) for inner in value] if isinstance(value, list) else value


def _instance(schema: Any, sentence: str, results: Sequence[Any], said: Said) -> Any:
    root = schema if isinstance(schema, Mapping) else {}
    facts = [plain(result) for result in results]
    for fact in facts:
        if fits(fact, root, root):
            return fact
    place = Place(said, 0, len(said.text), frozenset(), frozenset())
    slots = slots_of(root)
    spoken = fill(slots, place, {}).arguments[0]
    texts = [slot.name for slot in slots if slot.type == "string" and not slot.choices]
    voice = next(
        (name for name in texts if set(terms(name)) & _SPOKEN or name in _SPOKEN), texts[0] if len(texts) == 1 else ""
    )
    if not slots:
        return next(_least(root, root, sentence, 0), None)
    made: dict[str, Any] = {}
    for slot in slots:
        candidates = (
            [sentence]
            if slot.name == voice
            else [*_named(facts, slot.name), *([spoken[slot.name]] if slot.name in spoken else [])]
        )
        if slot.required or candidates:
            chosen = next((value for value in candidates if slot.fits(value)), _MISSING)
            if chosen is _MISSING and slot.required:
                chosen = next((value for value in _least(slot.whole, root, "", 0) if slot.fits(value)), None)
            if chosen is not _MISSING:
                made[slot.name] = chosen
        if slot.may_be_null:
            made.setdefault(slot.name, None)
    return made


_MISSING = object()


def _named(facts: Sequence[Any], name: str) -> Iterator[Any]:
    """The values of that name anywhere in the results, outermost first."""
    queue, seen = list(facts), 0
    while queue and seen < MAX_NODES:
        fact = queue.pop(0)
        seen += 1
        if isinstance(fact, Mapping):
            if name in fact:
                yield fact[name]
            queue.extend(fact.values())
        elif isinstance(fact, list):
            queue.extend(fact)


def _least(schema: Any, root: Mapping[str, Any], text: str, depth: int) -> Iterator[Any]:
    """Small values that may fit, the most fitting first."""
    if isinstance(schema, Mapping):
        written = schema.get("type")
        options = schema.get("anyOf") or schema.get("oneOf") or []
        nullable = isinstance(options, list) and any(
            isinstance(one, Mapping) and one.get("type") == "null" for one in options
        )
        if not text and (nullable or written == "null" or (isinstance(written, list) and "null" in written)):
            yield None
    whole = resolved(schema, root)
    slot = Slot("", schema, root, True)
    if "default" in whole:
        yield whole["default"]
    yield from slot.choices
    kind = type_of(whole)
    if kind == "string":
        least = whole.get("minLength")
        pad = "-" * min(least, 1000) if isinstance(least, int) else ""
        yield from ([text] if text else [])
        yield from (
            "",
            pad,
            "1970-01-01",
            "1970-01-01T00:00:00Z",
            "0",
            "0" * len(pad),
            "nobody@example.com",
            "https://example.com/",
        )
    elif kind in ("integer", "number"):
        yield 0
        for bound in ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum", "multipleOf"):
            edge = whole.get(bound)
            if isinstance(edge, int | float) and not isinstance(edge, bool):
                yield from (edge, edge + 1, edge - 1)
    elif kind == "boolean":
        yield from (False, True)
    elif depth >= MAX_DEPTH:
        yield {} if kind == "object" else []
    elif kind == "array":
        yield []
        entry = next((value for value in _least(whole.get("items", {}), root, text, depth + 1)), None)
        count = whole.get("minItems")
        yield [entry] * (min(count, 100) if isinstance(count, int) else 1)
    else:
        yield {
            inner.name: None
            if inner.may_be_null
            else next((value for value in _least(inner.whole, root, "", depth + 1) if inner.fits(value)), None)
            for inner in slots_of(whole, root)
            if inner.required or inner.may_be_null
        }
