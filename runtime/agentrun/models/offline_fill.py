"""Fills a tool's parameters from a message: slots and finds in, arguments out.

Pure. Every slot names candidates, each with a strength; the strongest take their place in the text, and no place serves
two slots. An argument that the schema refuses is never given. What the user didn't say stays absent, unless it is
required and the message points back to what was talked about (`known`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from agentrun.engine.bm25 import stem, terms
from agentrun.models import offline_strings as strings
from agentrun.models.offline_find import Number, Said, as_number, label_score
from agentrun.models.offline_slots import Slot, resolved, slots_of
from agentrun.models.offline_strings import GUESS, LABEL, NAME, NEAR, PHRASE, SHAPE, Candidate, Place
from agentrun.models.offline_words import (
    ALIASES,
    COUNTS,
    CURRENCIES,
    CURRENCY_NAMES,
    MONEY,
    PRICES,
    QUANTITIES,
    REFERS,
    REFERS_TO_ALL,
    STOP,
    TIME_WORDS,
    WEAK,
)

MAX_CALLS = 8
MAX_DEPTH = 3
Known = Mapping[str, tuple[Any, ...]]


class Filling(msgspec.Struct, frozen=True):
    """`arguments` has one mapping per call: a list of cities makes several. `missing` are required parameters without
    a value; `sure` are those that the text itself gave beyond guessing."""

    arguments: tuple[dict[str, Any], ...]
    missing: tuple[str, ...]
    sure: frozenset[str]


def fill(
    parameters: Mapping[str, Any], place: Place, known: Known, *, asked: Iterable[str] = (), forced: bool = False
) -> Filling:
    """`asked` are parameters that the message answers a question about; `forced`: the call is made in any case."""
    slots = slots_of(parameters)
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
    typed = (_typed_known(value, slot) for value in (named[0] or (named[1] if len(named) > 1 else ())))
    return list(dict.fromkeys(value for value in typed if value is not None and slot.fits(value)))


def _found(slots: list[Slot], place: Place, asked: frozenset[str], depth: int, forced: bool) -> list[Candidate]:
    found: list[Candidate] = []
    for slot in slots:
        of_slot = [*_labelled(slot, place), *_by_type(slot, place, depth, forced)]
        if slot.name in asked:
            of_slot += _answers(slot, place, of_slot)
        found += [candidate for candidate in of_slot if slot.type in ("array", "object") or slot.fits(candidate.value)]
    return found


def _assign(
    slots: list[Slot], found: list[Candidate], place: Place
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
        yield from _chosen(slot, place)
    elif slot.type in ("integer", "number"):
        yield from _numeric(slot, place)
    elif slot.type == "boolean":
        yield from _boolean(slot, place)
    elif slot.type == "array":
        if items := _item_lines(slot, place):
            yield Candidate(slot.name, items, place.said.items[0].start, place.said.items[-1].end, SHAPE)
        elif depth < MAX_DEPTH and slot.items.type not in ("array", "object"):
            yield from (one for one in _by_type(slot.items, place, depth + 1, forced) if slot.items.fits(one.value))
    elif slot.type == "object":
        if depth < MAX_DEPTH:
            yield from _nested(slot, place, depth, forced)
    else:
        yield from strings.candidates(slot, place, forced)


def _labelled(slot: Slot, place: Place) -> Iterator[Candidate]:
    """`Label: value` lines, and `name=value` or `name: value` within a sentence."""
    aliases = frozenset[str]().union(*(ALIASES.get(word, ()) for word in slot.words))
    for line in place.said.lines:
        if place.start <= line.start < place.end and not _overlaps_items(line.start, place.said):
            score = label_score(line.label, slot.terms, aliases)
            if score >= 0.3 and (value := _from_text(slot, line.value, place)) is not None:
                yield _placed(slot, value, line.start, line.end, LABEL + score, place.said)
    name = r"[ _-]".join(re.escape(word) for word in re.split(r"[ _-]", slot.name[:60]) if word)
    stated = re.compile(
        rf"(?<!\w)[\"']?{name}[\"']?[ ]?[:=][ ]?(?:\"([^\"\n]{{1,300}})\"|'([^'\n]{{1,300}})'|([^,;\n]{{1,300}}))", re.I
    )
    for match in stated.finditer(place.said.text, place.start, place.end) if name else ():
        quoted = match.group(1) or match.group(2)
        bare = re.split(r"[ ]\S{1,30}[:=]|\band\b|[}\]]", match.group(3) or "", maxsplit=1)[0]
        value = _from_text(slot, quoted or bare.strip(" .!?\"'"), place)
        if value is not None:
            end = match.end() - len(match.group(3) or "") + len(bare)
            yield _placed(slot, value, match.start(), end, LABEL + 1, place.said)


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
        return next((one.value for one in _chosen(slot, inner)), None)
    if slot.type in ("integer", "number"):
        numbers = [number.value for number in inner.said.numbers if slot.fits(_as_type(number.value, slot))]
        return _as_type(numbers[0], slot) if numbers else None
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


def _chosen(slot: Slot, place: Place) -> Iterator[Candidate]:
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


def _numeric(slot: Slot, place: Place) -> Iterator[Candidate]:
    names = frozenset(slot.terms) - frozenset(terms(" ".join(STOP)))
    is_count = bool(COUNTS & set(slot.words)) and not slot.entity & MONEY
    for number in place.numbers:
        value = _as_type(number.value, slot)
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
        if strength and not _in_date(number, place.said):
            # The currency belongs to the number's place, or a reason would begin with it.
            yield Candidate(slot.name, value, number.start, number.end, strength)


def _boolean(slot: Slot, place: Place) -> Iterator[Candidate]:
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


def _nested(slot: Slot, place: Place, depth: int, forced: bool) -> Iterator[Candidate]:
    inner = slots_of(resolved(slot.whole, slot.root), slot.root)
    chosen, _ = _assign(inner, _found(inner, place, frozenset(), depth + 1, forced), place)
    value = {name: candidate.value for name, candidate in chosen.items()}
    if value and slot.fits(value):
        start = min(candidate.start for candidate in chosen.values())
        yield Candidate(slot.name, value, start, start, max(candidate.strength for candidate in chosen.values()))


def _item_lines(slot: Slot, place: Place) -> list[dict[str, Any]]:
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
                    entry[inner.name] = _as_type(item.quantity, inner)
                elif said & {"price", "each", "unit"} or (said & MONEY and not priced):
                    entry[inner.name] = _as_type(item.price, inner)
                elif said & MONEY:
                    entry[inner.name] = _as_type(total, inner)
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
    if tried:
        return []
    if slot.kind not in ("id", "place", "person", "email", "url", "path"):
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
        return _as_type(value, slot) if isinstance(value, int | float) and not isinstance(value, bool) else None
    return value if isinstance(value, bool) and slot.type == "boolean" else None


def _as_type(value: int | float, slot: Slot) -> int | float:
    return int(value) if slot.type == "integer" and float(value).is_integer() else value


def _negated(text: str, start: int) -> bool:
    return (
        re.search(
            r"(?:\bnot|n't|\bno|\bwithout|\bnon|\bexcept|\bnever|\bexclude|\bskip)[ -]+(?:\w{1,12} ){0,2}$",
            text[max(0, start - 40) : start],
            re.IGNORECASE,
        )
        is not None
    )


def _overlap(one: Candidate, other: Candidate) -> bool:
    return one.start < other.end and other.start < one.end


def _in_date(number: Number, said: Said) -> bool:
    return any(found.start <= number.start < found.end for found in [*said.dates, *said.time_spans])


def _overlaps_items(start: int, said: Said) -> bool:
    return any(item.start <= start < item.end for item in said.items)
