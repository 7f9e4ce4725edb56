"""Finds what a message holds: words, quotes, numbers, dates, names, labelled lines, item lines. Each with its place.

Pure, and without any idea of tools or schemas: `fill` decides which find belongs to which parameter. The text
is hostile and may be long, so every pattern is linear: bounded repeats, no nested ones.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import date
from functools import cached_property

import msgspec

from agentrun.engine.bm25 import stem, terms
from agentrun.models.offline.dates import dates_in, spans_in
from agentrun.models.offline.words import (
    CURRENCY_CODES,
    CURRENCY_NAMES,
    MONTHS,
    STOP,
    TIME_WORDS,
    WEAK,
    WEEKDAYS,
)

MAX_CHARS = 20_000

_QUOTE = re.compile(
    r'"([^"\n]{1,500})"|“([^“”\n]{1,500})”|«([^«»\n]{1,500})»|`([^`\n]{1,500})`|(?<!\w)\'([^\'\n]{1,500})\'(?!\w)'
)
_WORD = re.compile(r"[^\W_](?:[\w'’&.@/+-]{0,98}\w)?")
_TOKEN = re.compile(r"[^\s,;!?()\[\]{}<>\"“”«»]+")
_NUMBER = re.compile(
    r"(?<![\w.,/-])(?<!\d:)[-−]?(?:\d{1,3}(?:,\d{3})+|\d{1,15})(?:[.]\d{1,9}|,\d{1,2}(?![\d,]))?"
    r"(?:(?=(?:EUR|USD|GBP|CHF)\b)|(?![\w/]|[.,:]\d|-\w))"
)
_LINE = re.compile(
    r"^[ \t]{0,20}(?:[-*•][ \t]{1,20})?([^\W\d_][^:=\n]{0,40}?)[ \t]{0,20}[:=](?![/\\])[ \t]{0,20}(\S[^\n]{0,500})$",
    re.MULTILINE,
)
_MONEY = r"([€$£]?[ ]?-?\d{1,9}(?:[.,]\d{1,4})?)"
_ITEM = re.compile(
    r"^[ \t]{0,20}(?:[-*•][ \t]{1,20})?(\d{1,6}(?:\.\d{1,3})?)[ ]?(?:x|×|\*|pcs\.?|pieces?)[ ]{1,9}(\S[^\n]{0,120}?)"
    r"[ ,:–-]{0,3}[ ](?:(?:@|at|à)[ ]?)?"
    + _MONEY
    + r"(?:[ ]?(?:€|£|\$|[A-Z]{3}))?(?:[ ]each)?(?:[ ]?=[ ]?"
    + _MONEY
    + r".{0,5})?[ \t]{0,20}$",
    re.MULTILINE,
)
_CURRENCY_AFTER = re.compile(rf"[ ]?(?:[€$£¥]|(?:{'|'.join([*CURRENCY_CODES, *CURRENCY_NAMES])})(?!\w))", re.IGNORECASE)
_CURRENCY_BEFORE = re.compile(rf"(?:[€$£¥]|\b(?:{'|'.join(CURRENCY_CODES)}))[ ]?$")


_PARTICLES = ("de", "da", "do", "van", "von", "of", "la", "le", "der", "den")


class Found(msgspec.Struct, frozen=True):
    """`value` stands at `start` to `end` of the text."""

    value: str
    start: int
    end: int


class Number(msgspec.Struct, frozen=True):
    value: int | float
    start: int
    end: int
    is_money: bool


class Line(msgspec.Struct, frozen=True):
    """`Label: value` on a line of its own; the place is that of the value."""

    label: str
    value: str
    start: int
    end: int


class Item(msgspec.Struct, frozen=True):
    """A line such as `2 x Widget @ 9.50`. `total` is the line's own, where it is written."""

    quantity: int | float
    description: str
    price: int | float
    total: int | float | None
    start: int
    end: int


class Said:
    """A message and what it holds. `plain` is the text with quotes blanked out: quoted words are never commands."""

    def __init__(self, text: str, today: date) -> None:
        self.text = text[:MAX_CHARS]
        self.today = today
        self.quotes = [
            Found(next(filter(None, match.groups())), match.start(), match.end())
            for match in _QUOTE.finditer(self.text)
        ]
        plain = list(self.text)
        for quote in self.quotes:
            plain[quote.start : quote.end] = "·" * (quote.end - quote.start)
        self.plain = "".join(plain)

    @cached_property
    def words(self) -> list[Found]:
        return [Found(match.group(), match.start(), match.end()) for match in _WORD.finditer(self.plain)]

    @cached_property
    def tokens(self) -> list[Found]:
        """Runs without blanks, shorn of what surrounds them in a sentence: ids, paths, addresses."""
        found = []
        for match in _TOKEN.finditer(self.plain):
            value = match.group().rstrip(".:'’").removesuffix("'s").removesuffix("’s")
            start = match.start() + len(value) - len(value := value.lstrip("#'’"))
            if value and len(value) <= 300:
                found.append(Found(value, start, start + len(value)))
        return found

    @cached_property
    def numbers(self) -> list[Number]:
        found = []
        for match in _NUMBER.finditer(self.plain):
            start, end = match.span()
            money = _CURRENCY_AFTER.match(self.plain, end) or _CURRENCY_BEFORE.search(
                self.plain[max(0, start - 5) : start]
            )
            found.append(Number(as_number(match.group()), start, end, money is not None))
        return found

    @cached_property
    def dates(self) -> list[Found]:
        """Days and moments; the value is ISO 8601, with a time only where one was said."""
        return sorted((Found(*found) for found in dates_in(self.plain, self.today)), key=_start)

    @cached_property
    def time_spans(self) -> list[Found]:
        """`last week`, `3 days ago`, in the words of the text."""
        return sorted((Found(*found) for found in spans_in(self.plain)), key=_start)

    @cached_property
    def lines(self) -> list[Line]:
        return [
            Line(match.group(1).strip(), match.group(2).strip(), match.start(2), match.end(2))
            for match in _LINE.finditer(self.text)
        ]

    @cached_property
    def items(self) -> list[Item]:
        return [
            Item(
                as_number(match.group(1)),
                match.group(2).strip(" ,:–-"),
                as_number(match.group(3)),
                as_number(match.group(4)) if match.group(4) else None,
                match.start(),
                match.end(),
            )
            for match in _ITEM.finditer(self.text)
        ]

    @cached_property
    def names(self) -> list[Found]:
        """Runs of capitalised words, such as `Tom Becker` or `Rio de Janeiro`."""
        found: list[Found] = []
        run: list[Found] = []
        for word in [*self.words, None]:
            if (
                word
                and run
                and len(run) < 5
                and self._adjoins(run[-1], word)
                and (_is_name(word) or word.value in _PARTICLES)
            ):
                run.append(word)
                continue
            while run and not _is_name(run[-1]):
                run.pop()
            if run:
                found.append(self.between(run[0].start, run[-1].end))
            run = [word] if word and _is_name(word) else []
        return found

    def in_date(self, position: int) -> bool:
        return any(found.start <= position < found.end for found in [*self.dates, *self.time_spans])

    def in_item(self, position: int) -> bool:
        return any(item.start <= position < item.end for item in self.items)

    def phrase_at(self, position: int, own: frozenset[str]) -> tuple[Found, int] | None:
        """The noun phrase that begins at word `position`, and the position after it. `own` are words that end one."""
        words = self.words
        while position < len(words) and words[position].value.lower() in ("the", "a", "an", "my", "our"):
            position += 1
        first = position
        while position < len(words) and position - first < 4 and self._continues(first, position, own):
            position += 1
        if position == first:
            return None
        return self.between(words[first].start, words[position - 1].end), position

    def is_list_gap(self, position: int) -> bool:
        """Whether words `position - 1` and `position` stand in a list: `a, b`, `a and b`."""
        if not 0 < position < len(self.words):
            return False
        gap = self.plain[self.words[position - 1].end : self.words[position].start]
        return re.fullmatch(r"\s*[,&/]\s*", gap) is not None

    def between(self, start: int, end: int) -> Found:
        """The text there, without a possessive ending."""
        value = self.text[start:end]
        bare = re.sub(r"['’]s?$", "", value)
        return Found(bare, start, start + len(bare))

    def _continues(self, first: int, position: int, own: frozenset[str]) -> bool:
        word, lower = self.words[position], self.words[position].value.lower()
        named_before = position > first and self.words[first].value[0].isupper()
        if position > first and not self._adjoins(self.words[position - 1], word):
            return False
        if lower in _PARTICLES and position > first:
            return self._leads(position, own) and self.words[position + 1].value[0].isupper() == named_before
        if lower in STOP or lower in TIME_WORDS or lower[0].isdigit():
            return False
        if stem(lower) in own or stem(lower) in WEAK:
            return (named_before and word.value[0].isupper()) or (stem(lower) in WEAK and self._leads(position, own))
        return position == first or word.value[0].isupper() == named_before

    def _leads(self, position: int, own: frozenset[str]) -> bool:
        """Whether a generic word begins a name, such as `new` in `new york`."""
        if position + 1 >= len(self.words) or not self._adjoins(self.words[position], self.words[position + 1]):
            return False
        lower = self.words[position + 1].value.lower()
        return lower not in STOP and lower not in TIME_WORDS and lower[0].isalpha() and stem(lower) not in own | WEAK

    def _adjoins(self, left: Found, right: Found) -> bool:
        return self.plain[left.end : right.start] == " " and not left.value.endswith(("'s", "’s"))


def as_number(text: str) -> int | float:
    """A number as people write it: `1,200.50`, `9,50`, `€ 5`."""
    bare = text.replace("−", "-").strip("€$£¥ ")
    if re.fullmatch(r"-?\d+,\d{1,2}", bare):
        bare = bare.replace(",", ".")
    bare = bare.replace(",", "")
    return float(bare) if "." in bare else int(bare)


def label_score(label: str, name: Collection[str], aliases: Collection[str], neutral: Collection[str]) -> float:
    """How well a label fits a parameter's name and aliases, as stems: 1 is the name itself, 0 nothing of it.

    `neutral` words don't count against it: on an invoice, `Invoice date` is the date, but `Due date` may not be.
    """
    known = {*name, *aliases}
    said = {term for term in terms(label) if not term.isdigit() and (term in known or term not in neutral)}
    met = said & known
    return len(met) / len(said.union(name)) if met else 0.0


def _start(found: Found) -> int:
    return found.start


def _is_name(word: Found) -> bool:
    return (
        word.value[0].isupper() and word.value.lower() not in STOP and word.value.lower() not in WEEKDAYS.union(MONTHS)
    )
