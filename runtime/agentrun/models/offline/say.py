"""Says the results of tool calls in plain sentences.

Pure: results in, text out. It reads JSON of any shape (objects, lists, wrappers, errors) and plain text, keeps numbers
and dates as given, and stops at a bound: nobody reads the ninetieth order. What a result says is only ever quoted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from agentrun.engine.bm25 import words
from agentrun.models.offline.slots import Slot
from agentrun.models.offline.wording import (
    capital,
    ended,
    is_number,
    is_numeric,
    joined,
    money,
    plural,
    shortened,
    singular,
    with_rest,
)
from agentrun.models.offline.words import ACTS, KINDS, MONEY, READS, STOP

MAX_ENTRIES = 10
MAX_VALUE_CHARS = 200
MAX_TEXT_CHARS = 1500
MAX_LINES = 20
MAX_DEPTH = 3
MAX_NESTING = 64

_UNITS = {
    "c": "°C", "celsius": "°C", "f": "°F", "fahrenheit": "°F", "kmh": "km/h", "kph": "km/h", "mph": "mph", "km": "km",
    "kg": "kg", "percent": "%", "pct": "%", "kb": "kB", "mb": "MB", "gb": "GB", "ms": "ms", "seconds": "seconds",
    "minutes": "minutes", "hours": "hours", "days": "days",
}  # fmt: skip
_STATE = re.compile(
    r"(?:not |partly |fully )?(?:\w+ed|in \w+|on \w+|out .{1,20})"
    r"|open|ready|late|active|paid|not paid|sent|not sent|lost|pending|new|up|down"
)
_WRAPPERS = ("data", "result", "results", "response", "items", "body", "output", "value")


class Result(msgspec.Struct, frozen=True):
    """What one call gave: the text of the tool message."""

    name: str
    arguments: Mapping[str, Any]
    content: str


def say(results: Sequence[Result], asked: Collection[str] = ()) -> str:
    """All results in the order of their calls. `asked` are the words of the question: a field that it names is told
    without the others."""
    spoken = [sentence(result, asked) for result in results]
    return ("\n" if any("\n" in one or len(one) > 200 for one in spoken) else " ").join(dict.fromkeys(spoken))


def sentence(result: Result, asked: Collection[str] = ()) -> str:
    data = parsed(result.content)
    if (error := error_of(data)) is not None:
        return error_sentence(result.name, error)
    data = _unwrapped(data)
    if isinstance(data, Mapping):
        return _object(result, data, asked)
    if isinstance(data, list):
        return _list(result, data, _noun(result.name), "")
    if isinstance(data, str):
        return _text(result, data)
    return f"{capital(_heading(result))}: {_value(data)}."


def parsed(content: str) -> Any:
    """The JSON data in a result, or the text itself, also where it is nested too deeply to be told. Numbers keep
    their written form."""
    depth = deepest = 0
    for bracket in re.findall(r"[\[\]{}]", content):
        depth += 1 if bracket in "[{" else -1
        deepest = max(deepest, depth)
    try:
        return json.loads(content, parse_float=Decimal, parse_constant=str) if deepest <= MAX_NESTING else content
    except ValueError:
        return content


def error_of(data: Any) -> Mapping[str, Any] | None:
    if not isinstance(data, Mapping) or not data.get("error"):
        return None
    error = data["error"]
    return error if isinstance(error, Mapping) else {"message": _value(error)}


def error_sentence(name: str, error: Mapping[str, Any]) -> str:
    failed = "was not allowed" if error.get("type") == "denied" else "failed"
    message = str(error.get("message") or error.get("type") or "no reason was given")
    body = error.get("body")
    inner = error_of(body) or (body if isinstance(body, Mapping) else {})
    detail = inner.get("message") or inner.get("detail")
    if isinstance(detail, str):
        message = f"{detail.rstrip('.')} (HTTP {error['status']})" if "status" in error else detail
    message = shortened(message.removeprefix("the call was not allowed: "), 500)
    return ended(f"{name} {failed}: {message}")


def _object(result: Result, data: Mapping[str, Any], asked: Collection[str]) -> str:
    identity = _identity(data, result)
    lists = [
        (key, value) for key, value in data.items() if isinstance(value, list) and (not value or _all_objects(value))
    ]
    rows = {key for key, _ in lists}
    if lists and not identity and len(data) - len(lists) <= 3:
        told = [_list(result, entries, _label(key), _currency(data, "")) for key, entries in lists]
        rest = _fields(data, rows, "", 0)
        return " ".join([*told, *([ended(capital(joined(rest)))] if rest else [])])
    acts = [ACTS[word][1] for word in words(result.name) if word in ACTS and words(result.name)[0] not in READS]
    done = bool(acts) and not any(data.get(key) is False for key in ("ok", "success", "done"))
    subject = (
        f"{capital(acts[0])} {identity or _noun(result.name)}" if done else capital(identity or _noun(result.name))
    )
    if done:
        data = {key: value for key, value in data.items() if value is not True or key not in ("ok", "success", "done")}
        asked = ()
    return _described(subject, data, result, asked, is_subject=not done)


def _described(
    subject: str,
    data: Mapping[str, Any],
    result: Result,
    asked: Collection[str],
    *,
    currency: str = "",
    is_subject: bool = True,
) -> str:
    """`Order 1042 is delivered: carrier DHL, total 104.90 EUR. Items: …`"""
    currency = _currency(data, currency)
    hidden = {key for key, value in data.items() if _is_known(key, value, subject)}
    state = next((key for key in ("status", "state") if isinstance(data.get(key), str)), None)
    if state and is_subject and _STATE.fullmatch(str(data[state])):
        subject = f"{subject} is {data[state]}"
        hidden.add(state)
    wanted = {key for key in data if set(words(key)) & set(asked) - set(words(result.name))} - hidden
    if wanted:
        hidden |= set(data) - wanted
    entries = [(key, value) for key, value in data.items() if isinstance(value, list) and value and _all_objects(value)]
    fields = _fields(data, hidden | {key for key, _ in entries}, currency, 0)
    told = [ended(f"{subject}: {', '.join(fields)}" if fields else subject)]
    for key, value in entries:
        if key not in hidden:
            told.append(ended(f"{capital(_label(key))}: {'; '.join(_entries(value, currency))}"))
    return " ".join(told)


def _list(result: Result, entries: Sequence[Any], noun: str, currency: str) -> str:
    conditions = joined([f"{_label(key)} {_value(value)}" for key, value in result.arguments.items() if key != "limit"])
    if not entries:
        return f"No {plural(noun)} found{' with ' + conditions if conditions else ''}."
    count = f"{len(entries)} {noun if len(entries) == 1 else plural(noun)}"
    if not _all_objects(entries):
        shown = [_value(entry) for entry in entries[:MAX_ENTRIES]]
        return ended(f"{capital(count)}: {joined(with_rest(shown, len(entries)))}")
    told = []
    for entry in entries[:MAX_ENTRIES]:
        title = _title(entry)
        subject = capital(f"{singular(noun)} {title}" if title.isdigit() else title or singular(noun))
        told.append(_described(subject, entry, result, (), currency=currency))
    if len(entries) == 1:
        return told[0]
    lines = [f"- {line}" for line in told] + [f"- and {len(entries) - len(told)} more"] * (len(entries) > len(told))
    return "\n".join([f"{count}:", *lines])


def _entries(entries: Sequence[Any], currency: str) -> list[str]:
    """Entries inside an object, in short: `4 × Mug (price 12.50 EUR)`."""
    told = []
    for entry in entries[:MAX_ENTRIES]:
        quantity = next((key for key in ("quantity", "qty", "count") if is_number(entry.get(key))), None)
        title = _title(entry)
        hidden = {key for key, value in entry.items() if key == quantity or (title and str(value) == title)}
        fields = _fields(entry, hidden, _currency(entry, currency), 1)
        head = f"{entry[quantity]} × {title}" if quantity and title else title
        told.append(f"{head} ({', '.join(fields)})" if head and fields else head or ", ".join(fields))
    return with_rest([one for one in told if one], len(entries))


def _fields(data: Mapping[str, Any], hidden: Collection[str], currency: str, depth: int) -> list[str]:
    """`label value` for each field that says something."""
    told = []
    for key, value in list(data.items())[: 3 * MAX_ENTRIES]:
        if key in hidden or value in (None, "", [], {}) or (key == "currency" and currency):
            continue
        if isinstance(value, Mapping):
            inner = _fields(value, (), _currency(value, currency), depth + 1) if depth < MAX_DEPTH else []
            told.append(f"{_label(key)} ({', '.join(inner)})" if inner else f"{_label(key)}: {len(value)} fields")
        elif isinstance(value, list) and _all_objects(value):
            told.append(f"{len(value)} {_label(key)}")
        elif currency and is_number(value) and MONEY & set(words(key)):
            told.append(f"{_label(key)} {money(value)} {currency}")
        elif (unit := _UNITS.get(words(key)[-1] if len(words(key)) > 1 else "")) and is_numeric(value):
            told.append(f"{' '.join(words(key)[:-1])} {_value(value)} {unit}")
        else:
            told.append(f"{_label(key)} {_value(value)}")
    return told


def _text(result: Result, text: str) -> str:
    """Text is quoted: one line as it is, several below a heading, a long one shortened."""
    lines = text.strip().splitlines()
    if not lines:
        return f"{result.name} gave no output."
    limit = MAX_VALUE_CHARS if len(lines) > 1 else MAX_TEXT_CHARS
    lines = [line.rstrip() if len(line) <= limit else line[:limit].rstrip() + "…" for line in lines]
    if len(lines) == 1:
        return lines[0]
    kept, size = [], 0
    for line in lines[:MAX_LINES]:
        size += len(line)
        if size > MAX_TEXT_CHARS:
            break
        kept.append(line)
    rest = [f"… and {len(lines) - len(kept)} more lines."] * (len(kept) < len(lines))
    values = [str(value) for value in result.arguments.values() if isinstance(value, str)]
    is_prose = any(value and value in lines[0] for value in values) or any(
        Slot(name, {}, {}, True).kind == "free" for name in result.arguments
    )
    heading = [] if is_prose else [f"{capital(_heading(result))}:"]
    return "\n".join([*heading, *kept, *rest])


def _heading(result: Result) -> str:
    if identity := _identity({}, result):
        return identity
    stated = "; ".join(f"{_label(key)} {_value(value)}" for key, value in result.arguments.items())
    return _noun(result.name) + (f" ({stated})" if stated else "")


def _identity(data: Mapping[str, Any], result: Result) -> str:
    """What the result is about: by the call's own arguments (`order 1042`, `weather in Oslo`), else by its id."""
    for key, value in result.arguments.items():
        kind, spoken = Slot(key, {}, {}, True).kind, words(key)
        if not isinstance(value, str | int) or isinstance(value, bool):
            continue
        if kind == "id":
            entity = " ".join(word for word in spoken if KINDS.get(word) != "id") or singular(_noun(result.name))
            return f"{entity} {_value(value)}"
        if kind == "place":
            return f"{_noun(result.name)} in {_value(value)}"
    title = next((str(data[key]) for key in ("id", "name", "title") if isinstance(data.get(key), str | int)), "")
    return f"{singular(_noun(result.name))} {shortened(title, 80)}" if title and not result.arguments else ""


def _is_known(key: str, value: Any, subject: str) -> bool:
    """A field that only repeats the subject."""
    named = words(key)[-1:] and words(key)[-1] in ("id", "number", "name", "title", "city", "hash", "key")
    return bool(named) and isinstance(value, str | int) and str(value).casefold() in subject.casefold()


def _title(entry: Mapping[str, Any]) -> str:
    for key in ("name", "title", "subject", "id", "number", "key", "hash", "label"):
        if isinstance(entry.get(key), str | int) and entry[key] != "":
            return shortened(str(entry[key]), 80)
    return ""


def _noun(name: str) -> str:
    """What a tool is about: `list_orders` -> `orders`."""
    spoken = words(name)
    if len(spoken) > 1 and (spoken[0] in READS or spoken[0] in ACTS):
        spoken = spoken[1:]
    return " ".join(spoken) or name


def _label(key: str) -> str:
    return " ".join(words(key)) or key


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "nothing"
    if isinstance(value, list):
        return joined(with_rest([_value(one) for one in value[:MAX_ENTRIES]], len(value)))
    if isinstance(value, Mapping):
        return ", ".join(_fields(value, (), "", MAX_DEPTH)) or "nothing"
    return shortened(str(value), MAX_VALUE_CHARS)


def _currency(data: Mapping[str, Any], inherited: str) -> str:
    currency = data.get("currency")
    return currency if isinstance(currency, str) and 0 < len(currency) <= 10 else inherited


def _unwrapped(data: Any) -> Any:
    for _ in range(MAX_DEPTH):
        if not (isinstance(data, Mapping) and len(data) == 1 and next(iter(data)) in _WRAPPERS):
            return data
        data = next(iter(data.values()))
    return data


def _all_objects(entries: Sequence[Any]) -> bool:
    return bool(entries) and all(isinstance(entry, Mapping) and entry for entry in entries)


def asked_words(text: str) -> frozenset[str]:
    return frozenset(words(text)) - STOP
