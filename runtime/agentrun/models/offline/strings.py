"""Finds the values of string parameters, each kind by its own habits: ids, places, people, paths, times, free text.

Pure. It gives candidates with strengths; `fill` decides between them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from agentrun.engine.bm25 import stem, terms
from agentrun.models.offline.find import Found, Said
from agentrun.models.offline.place import GUESS, NAME, NEAR, PHRASE, SHAPE, Candidate, Place
from agentrun.models.offline.slots import Slot
from agentrun.models.offline.words import COMMANDS, CURRENCY_CODES, MEANS, POLITE, STOP, TIME_WORDS, WEAK

_PREPOSITIONS = {
    "place": ("in", "at", "for", "near", "to", "from", "around", "of", "about"),
    "person": ("of", "by", "for", "from", "to", "with", "about"),
}
_PATH = re.compile(
    r"(?:~|\.{1,2})?/.{0,200}|[^@:]{0,200}/[^@:]{0,200}"
    r"|[\w*-]{1,80}(?:\.[\w*-]{1,40}){0,4}\.[A-Za-z]\w{0,5}|\w{0,80}\*\w{0,80}"
)
_BECAUSE = re.compile(
    r"(?<!\w)(?:because(?: of)?|due to|(?:as|since) (?=it|the|they|he|she|I)|reason(?: is|:|,)?)\s{1,9}",
    re.I,
)
_ABOUT = re.compile(
    r"(?<!\w)(?:for|about|contain(?:s|ing)?|match(?:es|ing)?|mention(?:s|ing)?|named|called|on|regarding|with)\s{1,9}",
    re.I,
)

_SOUGHT_END = re.compile(r"\s{1,9}(?:in|from|within|under|since|please)\s|[?!;\n]|\.(?:\s|$)")
_COUNTING = {"last", "first", "top", "newest", "latest", "next", "past", "max", "limit"}
_AFTER_LABEL = {"number", "no", "nr", "id", "is", "was", "the", "code", "and", "or", "of"}


def candidates(slot: Slot, place: Place, forced: bool) -> Iterator[Candidate]:
    """What the text offers for a string slot, but for labels and clauses."""

    def of(found: Found, strength: float, value: str | None = None) -> Candidate:
        return Candidate(slot.name, found.value if value is None else value, found.start, found.end, strength)

    if slot.moment:
        for found in place.within(place.said.dates):
            strength = SHAPE if slot.required or _is_dated(slot, found, place) else GUESS
            yield of(found, strength, _moment(found.value, slot.moment))
        return
    if slot.is_specific:
        yield from _specific(slot, place)
        return
    quoted = NEAR if slot.required or slot.kind in ("search", "free", "name", "path", "reason") else NAME
    yield from (of(quote, quoted) for quote in place.within(place.said.quotes))
    if slot.kind in ("email", "url", "path"):
        shape = {"email": r"[^@]{1,64}@[^@]{1,190}", "url": r"https?://.{1,300}", "path": _PATH.pattern}[slot.kind]
        yield from (of(token, SHAPE) for token in place.tokens if re.fullmatch(shape, token.value))
    elif slot.kind == "id":
        yield from _ids(slot, place)
    elif slot.kind == "time":
        yield from (
            of(span, SHAPE if set(place.before(span.start, 1)) & set(slot.words) else PHRASE)
            for span in _times(slot, place)
        )
    elif slot.kind in ("place", "person"):
        yield from _phrases(slot, place, _PREPOSITIONS[slot.kind])
        yield from (of(name, NAME) for name in place.within(place.said.names) if _can_be_name(name, place, slot))
    elif slot.kind == "search":
        yield from _sought(slot, place)
    elif slot.kind == "free" and slot.required:
        whole = place.said.text.strip()
        yield Candidate(slot.name, whole, place.start, place.start, GUESS)
    if slot.kind not in ("search", "free", "reason", "time", "url", "path"):
        yield from _beside_name(slot, place)
        if slot.required and slot.kind != "id":
            yield from _left_over(slot, place, forced)


def clause(slot: Slot, place: Place, taken: list[tuple[int, int]]) -> str | None:
    """For a reason or note: what follows `because`, else the clauses that say something of their own."""
    if slot.kind != "reason" or slot.type != "string":
        return None
    if because := _BECAUSE.search(place.said.text, place.start, place.end):
        return _trimmed(place.said.text[because.end() : place.end]) or None
    kept: list[tuple[int, int]] = []
    for part in re.finditer(r"(?:[^,;!?\n—–. ]|\.(?!\s|$)| (?!- ))+", place.said.text[place.start : place.end]):
        start, end = place.start + part.start(), place.start + part.end()
        inner = Place(place.said, start, end, place.own, place.described)
        says = [word for word in inner.content() if word.value.lower() not in COMMANDS]
        is_own = any(stem(word.value.casefold()) in place.own for word in inner.words)
        is_taken = any(start < until and begin < end for begin, until in taken)
        if says and len(inner.words) > 1 and not is_own and not is_taken:
            kept.append((start, end))
        elif kept:
            break
    return _trimmed(place.said.text[kept[0][0] : kept[-1][1]]) or None if kept else None


def bare_answer(place: Place) -> str:
    """A short message as a value: without `it's`, `in`, `please` and the like around it."""
    words = list(place.words)
    if len(words) > 8 or "?" in place.said.text:
        return ""
    lead = POLITE | {"in", "for", "at", "of", "my", "a", "an", "is", "that", "from", "to", "with"}
    while words and words[0].value.lower() in lead:
        words.pop(0)
    while words and words[-1].value.lower() in POLITE:
        words.pop()
    return place.said.text[words[0].start : words[-1].end] if words else ""


def _specific(slot: Slot, place: Place) -> Iterator[Candidate]:
    for found in [*place.within(place.said.quotes), *place.tokens]:
        ordinary = found.value.lower() in STOP or stem(found.value.casefold()) in WEAK
        for value in dict.fromkeys((found.value, "" if ordinary else found.value.upper(), "#" + found.value)):
            if len(value) <= 300 and slot.fits(value):
                telling = not value.isdigit() or _is_labelled(slot, found, place)
                strength = SHAPE if telling else _number_as_id(found, place, PHRASE)
                yield Candidate(slot.name, value, found.start, found.end, strength)
                break


def _ids(slot: Slot, place: Place) -> Iterator[Candidate]:
    for token in place.tokens:
        labelled = _is_labelled(slot, token, place)
        ordinary = token.value.lower() in STOP or stem(token.value.casefold()) in place.own | WEAK
        if any(char.isdigit() for char in token.value):
            strength = _number_as_id(token, place, NEAR if labelled else PHRASE)
            yield Candidate(slot.name, token.value, token.start, token.end, strength)
        elif labelled and slot.required and not ordinary:
            yield Candidate(slot.name, token.value, token.start, token.end, NAME)


def _number_as_id(token: Found, place: Place, strength: float) -> float:
    """Less if the number is an amount, a count or a part of a date."""
    if place.said.in_date(token.start):
        return GUESS / 2
    if any(number.is_money and number.start <= token.start < number.end for number in place.said.numbers):
        return GUESS
    after = "".join(place.after(token.end, 1))
    counts = after.endswith("s") and stem(after) in place.own | place.described
    counts = counts or after in TIME_WORDS or bool(_COUNTING & set(place.before(token.start, 1)))
    return GUESS if counts and strength < NEAR else strength


def _is_labelled(slot: Slot, token: Found, place: Place) -> bool:
    """Whether the words before say what it is: `order 1042`, `order no. 1042`, `orders 1041 and 1042`."""
    labels = slot.entity or place.own
    for word in reversed(place.before(token.start, 4)):
        if stem(word) in labels:
            return True
        if word not in _AFTER_LABEL and not word.isdigit():
            return False
    return False


def _times(slot: Slot, place: Place) -> Iterator[Found]:
    """Spans of time. What `until` or `before` introduces is for a slot of that name, and such a slot takes no other."""
    late = {"until", "before"}
    for span in place.within(place.said.time_spans):
        if bool(late & set(place.before(span.start, 1))) == bool(late & set(slot.words)):
            yield span


def _is_dated(slot: Slot, found: Found, place: Place) -> bool:
    """An optional date wants its own word before it, unless it is just a date: `due 2024-05-01`."""
    return bool(set(slot.words) & {"date", "day", "on", "time", *place.before(found.start, 2)})


def _moment(iso: str, form: str) -> str:
    if form == "date":
        return iso[:10]
    moment = iso if "T" in iso else f"{iso}T00:00:00Z"
    moment = moment if re.search(r"T\d\d:\d\d:", moment) else re.sub(r"(T\d\d:\d\d)", r"\1:00", moment)
    return moment if re.search(r"(?:Z|[+-]\d\d:?\d\d)$", moment) else moment + "Z"


def _phrases(slot: Slot, place: Place, prepositions: tuple[str, ...]) -> Iterator[Candidate]:
    """`in Paris`, `of alice and bob`, `Tom's orders`."""
    own = place.own | place.described | frozenset(slot.terms)
    words = place.said.words
    for at in place.positions:
        word = words[at]
        lower = word.value.lower()
        owns = lower.endswith(("'s", "’s")) and lower not in STOP and stem(lower[:-2]) not in own
        if slot.kind == "person" and owns:
            found = next((name for name in place.said.names if name.start <= word.start < name.end + 2), None)
            bare = found or place.said.between(word.start, word.end)
            yield Candidate(slot.name, bare.value, bare.start, bare.end, PHRASE)
        if lower not in prepositions and stem(lower) not in slot.terms:
            continue
        strength = NEAR if stem(lower) in slot.terms else PHRASE
        follows = at + 1
        while follows < len(words) and words[follows].start < place.end:
            found_at = place.said.phrase_at(follows, own)
            if found_at is None or found_at[0].start - words[follows].start > 6:
                break
            found, follows = found_at
            if slot.kind == "place" and _is_qualified(place.said, follows):
                found = place.said.between(found.start, words[follows].end)
                follows += 1
            yield Candidate(slot.name, found.value, found.start, found.end, strength)
            strength = PHRASE
            if follows < len(words) and words[follows].value.lower() in ("and", "or"):
                follows += 1
            elif not place.said.is_list_gap(follows):
                break


def _is_qualified(said: Said, at: int) -> bool:
    """`Paris, Texas`: one comma, another name, and no list after it."""
    words = said.words
    if not (said.is_list_gap(at) and "," in said.plain[words[at - 1].end : words[at].start]):
        return False
    follows = words[at + 1].value.lower() if at + 1 < len(words) else ""
    return (
        words[at].value[0].isupper()
        and words[at - 1].value[0].isupper()
        and follows not in ("and", "or")
        and not said.is_list_gap(at + 1)
    )


def _can_be_name(name: Found, place: Place, slot: Slot) -> bool:
    """Not a command at the head of a sentence, and not one of the tool's own words."""
    first = name.value.split()[0].lower()
    heads = not place.said.plain[: name.start].rstrip(" ·") or place.said.plain[: name.start].rstrip()[-1:] in ".!?;:\n"
    own = all(stem(word) in place.own | frozenset(slot.terms) | WEAK for word in terms(name.value))
    generic = first in COMMANDS or stem(first) in WEAK or stem(first) in MEANS or (heads and not slot.required)
    return not own and not generic and name.value not in CURRENCY_CODES


def _beside_name(slot: Slot, place: Place) -> Iterator[Candidate]:
    """`branch main`, `language is French`, `a program named nginx`: the parameter's words, then its value."""
    own = place.own | frozenset(slot.terms)
    names = [["named"], ["called"], slot.terms] if slot.kind == "name" else [slot.terms]
    if slot.kind in ("place", "person"):
        return
    names = [name for name in names if not set(name) <= place.own | WEAK]
    words = place.said.words
    for at in place.positions:
        for name in names:
            run = [stem(word.value.casefold()) for word in words[at : at + len(name)]]
            if run != [stem(word) for word in name]:
                continue
            after = at + len(name)
            if after < len(words) and words[after].value.lower() in ("is", "of", "to", "as", "be"):
                after += 1
            found = place.said.phrase_at(after, own)
            if found and found[0].end <= place.end and found[0].start - words[after - 1].end <= 3:
                yield Candidate(slot.name, found[0].value, found[0].start, found[0].end, NEAR)


def _left_over(slot: Slot, place: Place, forced: bool) -> Iterator[Candidate]:
    """`Oslo weather`, `weather oslo`: one short run of words that nothing explains, in a short message."""
    unexplained = [
        word
        for word in place.content(place.described | frozenset(slot.terms))
        if word.value.lower() not in COMMANDS and stem(word.value.casefold()) not in MEANS
    ]
    if not unexplained or len(unexplained) > 3 or (len(place.words) > 8 and not forced):
        return
    start = unexplained[0].start
    for at, word in enumerate(unexplained):
        following = unexplained[at + 1].start if at + 1 < len(unexplained) else len(place.said.plain)
        gap = place.said.plain[word.end : following]
        if at + 1 == len(unexplained) or " and " in gap or not re.fullmatch(r"[\w' ’-]{1,40}", gap):
            found = place.said.between(start, word.end)
            yield Candidate(slot.name, found.value, found.start, found.end, GUESS)
            start = following


def _sought(slot: Slot, place: Place) -> Iterator[Candidate]:
    """What to search for: after `for` or `about`, else the words that carry the message."""
    own = place.own | {"log", "document", "doc"}
    about = _ABOUT.search(place.said.plain, place.start, place.end)
    if about and (slot.required or about.group().strip().lower() not in ("for", "on", "with")):
        tail = place.said.text[about.end() : place.end]
        tail = _SOUGHT_END.split(tail, maxsplit=1)[0].rstrip(" ,.")
        inner = Place(place.said, about.end(), about.end() + len(tail), place.own, place.described)
        if any(stem(word.value.casefold()) not in own and word.value.lower() not in STOP for word in inner.words):
            yield Candidate(slot.name, tail, about.end(), about.end() + len(tail), NAME if slot.required else PHRASE)
    if slot.required:
        kept = [word for word in place.content(own) if word.value.lower() not in COMMANDS]
        if kept:
            yield Candidate(slot.name, " ".join(word.value for word in kept), kept[0].start, kept[0].start, GUESS)


def _trimmed(text: str) -> str:
    bare = re.sub(r"^(?:and|but|so|because|please)\s{1,9}", "", text.strip(" -–—\t\n"), flags=re.IGNORECASE)
    return re.sub(r"[\s,]{1,9}(?:please|thanks|thank you)$", "", bare.rstrip(" .!?,;"), flags=re.IGNORECASE)
