"""Fills a tool's parameters from a message: slots and finds in, arguments out.

Pure. Every slot names candidates, each with a strength; the strongest take their place in the text, and no place serves
two slots. An argument that the schema refuses is never given. What the user didn't say stays absent, unless it is
required and the message points back to what was talked about (`known`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any

import msgspec

from agentrun.engine.bm25 import stem
from agentrun.models.offline import strings, typed
from agentrun.models.offline.find import as_number
from agentrun.models.offline.place import GUESS, LABEL, NAME, PHRASE, SHAPE, Candidate, Place
from agentrun.models.offline.slots import Slot, resolved, slots_of
from agentrun.models.offline.words import REFERS, REFERS_TO_ALL, STOP, WEAK

MAX_CALLS = 8
# Finds per slot: nobody means the two-hundredth number of a text.
MAX_FINDS = 200
MAX_DEPTH = 3
Known = Mapping[str, tuple[Any, ...]]


class Filling(msgspec.Struct, frozen=True):
    """`arguments` has one mapping per call: a list of cities makes several. `missing` are required parameters without
    a value; `sure` are those that the text itself gave beyond guessing."""

    arguments: tuple[dict[str, Any], ...]
    missing: tuple[str, ...]
    sure: frozenset[str]


def fill(
    slots: Sequence[Slot], place: Place, known: Known, *, asked: Iterable[str] = (), forced: bool = False
) -> Filling:
    """`asked` are parameters that the message answers a question about; `forced`: the call is made in any case."""
    found = _found(slots, place, frozenset(asked), depth=0, forced=forced)
    chosen, lists = _assign(slots, found, place)
    values: dict[str, Any] = {slot.name: chosen[slot.name].value for slot in slots if slot.name in chosen}
    taken = [(candidate.start, candidate.end) for candidate in chosen.values()]
    taken += [(candidate.start, candidate.end) for more in lists.values() for candidate in more]
    for slot in slots:
        if slot.name not in values:
            late = strings.clause(slot, place, taken)
            if late is not None and slot.fits(late):
                values[slot.name] = late
    sure = frozenset(name for name, candidate in chosen.items() if candidate.strength >= PHRASE)
    many = next(((name, [chosen[name].value, *(more.value for more in lists[name])]) for name in lists), None)
    for slot in slots:
        if slot.required and slot.name not in values:
            referred = _referred(slot, place, known, taken)
            if len(referred) == 1:
                values[slot.name] = referred[0]
                sure |= {slot.name} if _says(place, REFERS) else frozenset()
            elif referred and many is None and _says(place, REFERS_TO_ALL):
                values[slot.name], many = referred[0], (slot.name, referred)
    missing = tuple(
        slot.name for slot in slots if slot.required and slot.name not in values and "default" not in slot.schema
    )
    ordered = {slot.name: values[slot.name] for slot in slots if slot.name in values}
    if many is None:
        return Filling((ordered,), missing, sure)
    distinct = list(dict.fromkeys(many[1]))[:MAX_CALLS]
    return Filling(tuple({**ordered, many[0]: value} for value in distinct), missing, sure)


def options(slot: Slot, known: Known) -> list[Any]:
    """The values that the conversation holds for a parameter, the latest first."""
    named = [known.get(" ".join(slot.terms), ())]
    if slot.terms == ["id"]:
        named += [values for name, values in known.items() if name.endswith(" id")]
    fitting = (_typed_known(value, slot) for value in (named[0] or (named[1] if len(named) > 1 else ())))
    return list(dict.fromkeys(value for value in fitting if value is not None and slot.fits(value)))


def _found(slots: Sequence[Slot], place: Place, asked: frozenset[str], depth: int, forced: bool) -> list[Candidate]:
    found: list[Candidate] = []
    for slot in slots:
        of_slot = list(islice(chain(typed.labelled(slot, place), _by_type(slot, place, depth, forced)), MAX_FINDS))
        if slot.name in asked:
            of_slot += _answers(slot, place, of_slot)
        found += [candidate for candidate in of_slot if slot.type in ("array", "object") or slot.fits(candidate.value)]
    return found


def _assign(
    slots: Sequence[Slot], found: list[Candidate], place: Place
) -> tuple[dict[str, Candidate], dict[str, list[Candidate]]]:
    """Each slot's candidate, and for those that stand in a list (`Paris and Rome`) the further ones."""
    by_name = {slot.name: slot for slot in slots}
    chosen: dict[str, Candidate] = {}
    ranked = sorted(found, key=lambda one: (-one.strength, not by_name[one.name].required, one.start))
    for candidate in ranked:
        if candidate.name not in chosen and not any(_overlap(candidate, other) for other in chosen.values()):
            if candidate.strength <= GUESS and not by_name[candidate.name].required:
                continue
            chosen[candidate.name] = candidate
    lists: dict[str, list[Candidate]] = {}
    for name, first in list(chosen.items()):
        slot = by_name[name]
        if slot.type == "array":
            chosen[name] = _as_array(slot, first, found, chosen)
            if not slot.fits(chosen[name].value):
                del chosen[name]
        elif (
            slot.type != "object"
            and first.strength < LABEL
            and slot.kind not in ("search", "free", "reason")
            and not lists
        ):
            others = [one for one in found if one.name == name and one.strength >= min(first.strength, NAME)]
            if more := _listed(first, others, chosen, slot, place):
                lists[name] = more
    return chosen, lists


def _listed(
    first: Candidate, others: list[Candidate], chosen: dict[str, Candidate], slot: Slot, place: Place
) -> list[Candidate]:
    """The candidates that follow `first` with nothing between but `and`, commas and the words before a value."""
    more: list[Candidate] = []
    last = first
    connecting = {"and", "or", "in", "for", "at", "of", "the", "vs", "versus", "number", "both", "also", "to", "by"}
    for candidate in sorted(others, key=lambda one: one.start):
        if candidate.start < last.end or candidate.value in [first.value, *(one.value for one in more)]:
            continue
        between = re.findall(r"[^\s,&/+#]+", place.said.plain[last.end : candidate.start].lower())
        linked = last.end != candidate.start and all(
            word in connecting or stem(word) in slot.entity | place.own for word in between
        )
        if linked and not any(_overlap(candidate, other) for other in chosen.values()):
            more.append(candidate)
            last = candidate
    return more[: MAX_CALLS - 1]


def _as_array(slot: Slot, first: Candidate, found: list[Candidate], chosen: dict[str, Candidate]) -> Candidate:
    if isinstance(first.value, list):
        return first
    values = [first.value]
    least = min(first.strength, PHRASE)
    for one in sorted(found, key=lambda one: one.start):
        free = not any(_overlap(one, other) for other in chosen.values())
        if one.name == slot.name and one.strength >= least and free and one.value not in values:
            values.append(one.value)
    return msgspec.structs.replace(first, value=values[:100])


def _by_type(slot: Slot, place: Place, depth: int, forced: bool) -> Iterator[Candidate]:
    if slot.choices:
        yield from typed.chosen(slot, place)
    elif slot.type in ("integer", "number"):
        yield from typed.numeric(slot, place)
    elif slot.type == "boolean":
        yield from typed.boolean(slot, place)
    elif slot.type == "array":
        if items := typed.item_lines(slot, place):
            yield Candidate(slot.name, items, place.said.items[0].start, place.said.items[-1].end, SHAPE)
        elif depth < MAX_DEPTH and slot.items.type not in ("array", "object"):
            yield from (one for one in _by_type(slot.items, place, depth + 1, forced) if slot.items.fits(one.value))
    elif slot.type == "object":
        if depth < MAX_DEPTH:
            yield from _nested(slot, place, depth, forced)
    else:
        yield from strings.candidates(slot, place, forced)


def _nested(slot: Slot, place: Place, depth: int, forced: bool) -> Iterator[Candidate]:
    inner = slots_of(resolved(slot.whole, slot.root), slot.root)
    chosen, _ = _assign(inner, _found(inner, place, frozenset(), depth + 1, forced), place)
    value = {name: candidate.value for name, candidate in chosen.items()}
    if value and slot.fits(value):
        start = min(candidate.start for candidate in chosen.values())
        yield Candidate(slot.name, value, start, start, max(candidate.strength for candidate in chosen.values()))


def _answers(slot: Slot, place: Place, found: list[Candidate]) -> Iterator[Candidate]:
    """The message as the answer to a question about this slot: `1042`, `It's Oslo, please`."""
    for candidate in found:
        if candidate.strength <= NAME:
            yield msgspec.structs.replace(candidate, strength=NAME + 0.5)
    bare = strings.bare_answer(place)
    if bare and slot.type == "string" and not slot.choices and not slot.moment:
        yield Candidate(slot.name, bare, place.start, place.end, NAME)


def _referred(slot: Slot, place: Place, known: Known, taken: list[tuple[int, int]]) -> list[Any]:
    """Values from the conversation, if the message points back and doesn't itself try to give one."""
    tried = any(
        any(char.isdigit() for char in token.value) and not any(start <= token.start < end for start, end in taken)
        for token in place.tokens
    )
    if tried or slot.kind not in ("id", "place", "person", "email", "url", "path"):
        return []
    elliptic = all(
        word.value.lower() in STOP or stem(word.value.casefold()) in place.own | WEAK | slot.entity
        for word in place.words
    )
    return options(slot, known) if elliptic or _says(place, REFERS) else []


def _says(place: Place, listed: frozenset[str]) -> bool:
    return any(word.value.lower() in listed for word in place.words)


def _typed_known(value: Any, slot: Slot) -> Any:
    if slot.type == "string":
        return str(value) if not isinstance(value, bool) else None
    if slot.type in ("integer", "number"):
        if isinstance(value, str) and re.fullmatch(r"-?\d{1,15}(\.\d{1,9})?", value):
            value = as_number(value)
        return typed.as_type(value, slot) if isinstance(value, int | float) and not isinstance(value, bool) else None
    return value if isinstance(value, bool) and slot.type == "boolean" else None


def _overlap(one: Candidate, other: Candidate) -> bool:
    return one.start < other.end and other.start < one.end
