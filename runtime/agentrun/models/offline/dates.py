"""Finds days, moments and spans of time in a text.

Pure. What day it is today is told by the caller. A date that no calendar has is no find. Dates with slashes are left
alone: nobody can tell the month from the day.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, timedelta

from agentrun.models.offline.words import MONTHS

_ISO = re.compile(
    r"(?<!\d)(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?)(Z|[+-]\d{2}:?\d{2})?)?(?!\d)"
)
_MONTH = "(" + "|".join(f"{month[:3]}(?:{month[3:]})?" for month in MONTHS).replace("sep(?:", "sept?(?:") + r")\.?"
_DAY_MONTH = re.compile(rf"(?<!\w)(\d{{1,2}})(?:st|nd|rd|th|\.)? {_MONTH},? (\d{{4}})(?!\w)", re.IGNORECASE)
_MONTH_DAY = re.compile(rf"(?<!\w){_MONTH} (\d{{1,2}})(?:st|nd|rd|th)?,? (\d{{4}})(?!\w)", re.IGNORECASE)
_DOTTED = re.compile(r"(?<![\d.])(\d{1,2})\.(\d{1,2})\.(\d{4})(?![\d.]*\d)")
_RELATIVE_DAY = re.compile(r"(?<!\w)(?:(the day before )?(yesterday)|(the day after )?(tomorrow)|(today))(?!\w)", re.I)
_AGO = re.compile(r"(?<!\w)(\d{1,4}) (day|week)s? ago(?!\w)|(?<!\w)in (\d{1,4}) (day|week)s?(?!\w)", re.IGNORECASE)
_SPAN = re.compile(
    r"(?<!\w)(?:(?:last|past|this) (?:week|month|year|night)|yesterday|today|tomorrow"
    r"|\d{1,4} (?:minute|hour|day|week|month|year)s? ago|(?:last|past) (\d{1,4} (?:minute|hour|day|week|month|year)s?))"
    r"(?!\w)",
    re.IGNORECASE,
)


def dates_in(text: str, today: date) -> Iterator[tuple[str, int, int]]:
    """Days and moments with their places; ISO 8601, with a time only where one was said."""
    for match in _ISO.finditer(text):
        day, clock, zone = match.groups()
        if _iso_day(day):
            yield (f"{day}T{clock}{zone or ''}" if clock else day, *match.span())
    for pattern, order in ((_DAY_MONTH, (3, 2, 1)), (_MONTH_DAY, (3, 1, 2)), (_DOTTED, (3, 2, 1))):
        for match in pattern.finditer(text):
            year, month, number = (match.group(group) for group in order)
            of_year = int(month) if month.isdigit() else 1 + [name[:3] for name in MONTHS].index(month[:3].lower())
            if day := _day(int(year), of_year, int(number)):
                yield (day, *match.span())
    for match in _RELATIVE_DAY.finditer(text):
        before, yesterday, after, tomorrow, _ = match.groups()
        offset = -1 - bool(before) if yesterday else 1 + bool(after) if tomorrow else 0
        yield (_shift(today, offset), *match.span())
    for match in _AGO.finditer(text):
        ago, past_unit, ahead, unit = match.groups()
        days = -int(ago) if ago else int(ahead)
        yield (_shift(today, days * (7 if (past_unit or unit).lower() == "week" else 1)), *match.span())


def spans_in(text: str) -> Iterator[tuple[str, int, int]]:
    """`last week`, `3 days ago`, `2024-01-31`, in the words of the text; `last 3 days` becomes `3 days ago`."""
    for match in _SPAN.finditer(text):
        yield (f"{match.group(1)} ago" if match.group(1) else match.group().lower(), *match.span())
    for match in _ISO.finditer(text):
        yield (match.group(), *match.span())


def stated_today(text: str) -> date | None:
    """The day that a system prompt states as today's: the one after `today` or `date`, else the first."""
    stated = re.search(r"\b(?:today|date)\b[^\n]{0,30}?(\d{4}-\d{2}-\d{2})", text, re.IGNORECASE) or _ISO.search(text)
    return _iso_day(stated.group(1)) if stated else None


def _iso_day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _day(year: int, month: int, day: int) -> str | None:
    try:
        return date(year, month, day).isoformat()
    except ValueError:
        return None


def _shift(today: date, days: int) -> str:
    try:
        return (today + timedelta(days=days)).isoformat()
    except OverflowError:
        return today.isoformat()
