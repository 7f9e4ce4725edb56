"""Finds the values of parameters that are no plain strings: labelled values, enums, numbers, booleans, item lines.

Pure. Like `strings` it gives candidates with strengths; `fill` decides between them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from agentrun.engine.bm25 import stem, terms
from agentrun.models.offline import strings
from agentrun.models.offline.find import Said, label_score
from agentrun.models.offline.place import GUESS, LABEL, NEAR, PHRASE, SHAPE, Candidate, Place
from agentrun.models.offline.slots import Slot, slots_of
from agentrun.models.offline.words import (
    ALIASES,
    COUNTS,
    CURRENCIES,
    CURRENCY_NAMES,
    MONEY,
    PRICES,
    QUANTITIES,
    STOP,
    STOP_STEMS,
    TIME_WORDS,
    WEAK,
)


def labelled(slot: Slot, place: Place) -> Iterator[Candidate]:
    """`Label: value` lines, and `name=value` or `name: value` within a sentence."""
    aliases = frozenset[str]().union(*(ALIASES.get(word, ()) for word in slot.words))
    for line in place.said.lines:
        if place.start <= line.start < place.end and not place.said.in_item(line.start):
            score = label_score(line.label, slot.terms, aliases, place.own | slot.described)
            if score >= 0.3 and (value := _from_text(slot, line.value, place)) is not None:
                yield _placed(slot, value, line.start, line.end, LABEL + score, place.said)
    name = r"[ _-]".join(re.escape(word) for word in re.split(r"[ _-]", slot.name[:60]) if word)
    until = r"[^;\n]" if slot.type == "array" else r"[^,;\n]"
    stated = re.compile(
        rf"(?<!\w)[\"']?{name}[\"']?[ ]?[:=][ ]?(?:\"([^\"\n]{{1,300}})\"|'([^'\n]{{1,300}})'|({until}{{1,300}}))", re.I
    )
    for match in stated.finditer(place.said.text, place.start, place.end) if name else ():
        quoted = match.group(1) or match.group(2)
        bare = re.split(r"[ ]\S{1,30}[:=]|\band\b|[}\]]", match.group(3) or "", maxsplit=1)[0]
        value = _from_text(slot, quoted or bare.strip(" .!?\"'"), place)
        if value is not None:
            end = match.end() - len(match.group(3) or "") + len(bare)
            yield _placed(slot, value, match.start(), end, LABEL + 0.4, place.said)


def chosen(slot: Slot, place: Place) -> Iterator[Candidate]:
    """Values of an enum that the text names, by stem; currency signs and names stand for their codes."""
    text = place.said.plain
    spoken = [(stem(word.value.casefold()), word.start, word.end) for word in place.words]
    for choice in slot.choices:
        if isinstance(choice, bool | int | float):
            yield from (
                Candidate(slot.name, choice, number.start, number.end, NEAR)
                for number in place.numbers
                if number.value == choice and not isinstance(choice, bool)
            )
            continue
        wanted = terms(str(choice))
        for position in range(len(spoken) - len(wanted) + 1) if wanted else ():
            run = spoken[position : position + len(wanted)]
            if [word for word, _, _ in run] == wanted and not _negated(text, run[0][1]):
                # An enum's word that is also the tool's own, such as `order`, says nothing about the value.
                strength = GUESS if set(wanted) <= place.own else SHAPE
                yield Candidate(slot.name, choice, run[0][1], run[-1][2], strength)
        signs = [sign for sign, code in (CURRENCIES | CURRENCY_NAMES).items() if code == choice]
        for sign in signs:
            for match in re.finditer(re.escape(sign), text[place.start : place.end], re.IGNORECASE):
                yield Candidate(slot.name, choice, place.start + match.start(), place.start + match.end(), PHRASE)


def numeric(slot: Slot, place: Place) -> Iterator[Candidate]:
    names = frozenset(slot.terms) - STOP_STEMS
    is_count = bool(COUNTS & set(slot.words)) and not slot.entity & MONEY
    for number in place.numbers:
        value = as_type(number.value, slot)
        before = [stem(word) for word in place.before(number.start, 3)]
        after = place.after(number.end, 1)
        unit = stem(after[0]) if after else ""
        strength = GUESS
        last = before[-1] if before else ""
        if last in names or (last in ("of", "to", "is") and names & set(before[:-1])):
            strength = SHAPE
        elif number.is_money:
            strength = SHAPE if PRICES & set(slot.words) else 0
        elif unit and unit in names | (slot.described - WEAK) | (place.own if is_count else frozenset()):
            strength = NEAR
        elif is_count and before and before[-1] in ("top", "last", "first", "latest", "limit", "max", "newest", "past"):
            strength = NEAR if unit not in TIME_WORDS and not (after and after[0] in TIME_WORDS) else 0
        if strength and not place.said.in_date(number.start):
            yield Candidate(slot.name, value, number.start, number.end, strength)


def boolean(slot: Slot, place: Place) -> Iterator[Candidate]:
    names = [term for word, term in zip(slot.words, slot.terms, strict=True) if word not in STOP and word not in WEAK]
    spoken = [(stem(word.value.casefold()), word) for word in place.words]
    for position in range(len(spoken) - len(names) + 1) if names else ():
        if [term for term, _ in spoken[position : position + len(names)]] == names:
            first = spoken[position][1]
            yield Candidate(
                slot.name,
                not _negated(place.said.plain, first.start),
                first.start,
                spoken[position + len(names) - 1][1].end,
                NEAR,
            )
    for term, word in spoken:
        if term in ("yes", "true", "no", "false"):
            yield Candidate(slot.name, term in ("yes", "true"), word.start, word.end, GUESS)


def item_lines(slot: Slot, place: Place) -> list[dict[str, Any]]:
    """Lines such as `2 x Widget @ 9.50` as the objects that an array wants, by the names of its properties."""
    if slot.items.type != "object":
        return []
    properties = slots_of(slot.items.schema, slot.root)
    priced = any({"unit", "each", "price"} & set(inner.words) for inner in properties)
    found = []
    for item in place.said.items:
        total = item.total if item.total is not None else round(item.quantity * item.price, 4)
        entry: dict[str, Any] = {}
        for inner in properties:
            said = set(inner.words)
            if inner.type in ("integer", "number"):
                if said & QUANTITIES:
                    entry[inner.name] = as_type(item.quantity, inner)
                elif said & {"price", "each", "unit"} or (said & MONEY and not priced):
                    entry[inner.name] = as_type(item.price, inner)
                elif said & MONEY:
                    entry[inner.name] = as_type(total, inner)
            elif (
                inner.type == "string"
                and inner.kind in ("name", "plain", "free")
                and item.description not in entry.values()
            ):
                entry[inner.name] = item.description
        entry = {
            inner.name: entry[inner.name]
            for inner in properties
            if inner.name in entry and inner.fits(entry[inner.name])
        }
        if slot.items.fits(entry):
            found.append(entry)
    return found


def as_type(value: int | float, slot: Slot) -> int | float:
    return int(value) if slot.type == "integer" and float(value).is_integer() else value


def _placed(slot: Slot, value: Any, start: int, end: int, strength: float, said: Said) -> Candidate:
    """A number takes its own place on the line only: the currency beside it is for another parameter."""
    numbers = () if isinstance(value, str | bool) else said.numbers
    own = next((number for number in numbers if start <= number.start < end and number.value == value), None)
    return Candidate(slot.name, value, own.start if own else start, own.end if own else end, strength)


def _from_text(slot: Slot, text: str, place: Place) -> Any:
    """The value that a labelled text gives to a slot of this type, or None."""
    if not text:
        return None
    inner = Place(Said(text, place.said.today), 0, len(text), place.own, place.described)
    if slot.choices:
        return next((one.value for one in chosen(slot, inner)), None)
    if slot.type in ("integer", "number"):
        numbers = [number.value for number in inner.said.numbers if slot.fits(as_type(number.value, slot))]
        return as_type(numbers[0], slot) if numbers else None
    if slot.type == "boolean":
        return {"yes": True, "true": True, "on": True, "no": False, "false": False, "off": False}.get(text.lower())
    if slot.type == "array":
        parts = [_from_text(slot.items, part.strip(), place) for part in re.split(r",|\band\b", text)[:100]]
        return [part for part in parts if part is not None] or None
    if slot.type == "object":
        return None
    fitting = [
        one.value for one in strings.candidates(slot, inner, False) if one.strength >= SHAPE and slot.fits(one.value)
    ]
    if slot.moment or slot.is_specific:
        return fitting[0] if fitting else None
    return text if slot.fits(text) else None


def _negated(text: str, start: int) -> bool:
    return (
        re.search(
            r"(?:\bnot|n't|\bno|\bwithout|\bnon|\bexcept|\bnever|\bexclude|\bskip)[ -]+(?:\w{1,12} ){0,2}$",
            text[max(0, start - 40) : start],
            re.IGNORECASE,
        )
        is not None
    )
