"""The members of a server's form: what each wants, in words, and what a typed line means for it. Pure.

Names, titles, choices and defaults are the server's text: hostile until they are shown through `visible`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import msgspec

from agentrun.json_schema import Validator
from agentrun.spec.credential_words import names_credential

Kind = Literal["text", "whole number", "number", "yes or no", "choice", "choices", "JSON"]

_TEXTS = {
    "email": "an email address",
    "uri": "a web address",
    "date": "a date, such as 2030-12-31",
    "date-time": "a date and a time, such as 2030-12-31T18:00:00Z",
}
_YES = ("y", "yes", "true")
_NO = ("n", "no", "false")


class NoAnswer(ValueError):
    """What was typed doesn't answer the question. The message says why."""


class DoesNotFit(NoAnswer):
    """It breaks what the server wants. Its own words may stand in the message."""


class Choice(msgspec.Struct, frozen=True):
    value: Any
    title: str


class Field(msgspec.Struct, frozen=True):
    """`default` is unset where nothing is offered."""

    name: str
    title: str
    description: str
    kind: Kind
    required: bool
    schema: Mapping[str, Any]
    choices: tuple[Choice, ...] = ()
    default: Any = msgspec.UNSET

    @property
    def wants_secret(self) -> bool:
        """Whether it asks for what no server may ask for in this way."""
        return self.schema.get("format") == "password" or names_credential(self.name) or names_credential(self.title)


def fields_of(schema: Mapping[str, Any]) -> list[Field]:
    properties = schema.get("properties")
    required = schema.get("required")
    return [
        _field(name, one if isinstance(one, Mapping) else {}, isinstance(required, list) and name in required)
        for name, one in (properties.items() if isinstance(properties, Mapping) else ())
    ]


def _field(name: str, schema: Mapping[str, Any], required: bool) -> Field:
    items = schema.get("items")
    many = schema.get("type") == "array" and isinstance(items, Mapping)
    choices = _choices(items if many and isinstance(items, Mapping) else schema)
    field = Field(
        name,
        _text(schema.get("title")),
        _text(schema.get("description")),
        ("choices" if many else "choice") if choices else _kind(schema.get("type")),
        required,
        schema,
        choices,
    )
    default = schema.get("default")
    if default is None or _wrong(field, default):
        return field
    return msgspec.structs.replace(field, default=default)


def _kind(type_name: Any) -> Kind:
    match type_name:
        case "string":
            return "text"
        case "integer":
            return "whole number"
        case "number":
            return "number"
        case "boolean":
            return "yes or no"
    return "JSON"


def _choices(schema: Mapping[str, Any]) -> tuple[Choice, ...]:
    for key in ("oneOf", "anyOf"):
        listed = schema.get(key)
        if isinstance(listed, list) and listed and all(isinstance(one, Mapping) and "const" in one for one in listed):
            return tuple(Choice(one["const"], _text(one.get("title"))) for one in listed)
    values = schema.get("enum")
    if not isinstance(values, list):
        return ()
    titles = schema.get("enumNames")
    titles = titles if isinstance(titles, list) else []
    return tuple(
        Choice(value, _text(titles[index]) if index < len(titles) else "") for index, value in enumerate(values)
    )


# -- in words

_PLAIN: tuple[Kind, ...] = ("whole number", "number", "yes or no")  # whose values are no texts


def is_plain(field: Field) -> bool:
    """Whether its values can't say anything."""
    return field.kind in _PLAIN


def wanted(field: Field) -> str:
    """What is to be typed: `an email address, at most 40 characters`."""
    return ", ".join([_noun(field), *_bounds(field)])


def _noun(field: Field) -> str:
    match field.kind:
        case "text":
            return _TEXTS.get(str(field.schema.get("format")), "text")
        case "whole number" | "number":
            return f"a {field.kind}"
        case "yes or no":
            return "y or n"
        case "choice":
            return "one of these, by its number or as it is written"
        case "choices":
            return "any of these, by their numbers, with commas between them"
    return "a value as JSON"


def _bounds(field: Field) -> Iterator[str]:
    least, most, unit = {
        "text": ("minLength", "maxLength", " characters"),
        "choices": ("minItems", "maxItems", ""),
        "whole number": ("minimum", "maximum", ""),
        "number": ("minimum", "maximum", ""),
    }.get(field.kind, ("", "", ""))
    for key, words in ((least, "at least"), (most, "at most")):
        bound = field.schema.get(key)
        if isinstance(bound, (int, float)) and not isinstance(bound, bool):
            yield f"{words} {bound:,}{unit}"


def as_typed(field: Field, value: Any) -> str:
    """A value as it would be typed."""
    if isinstance(value, bool):
        return "y" if value else "n"
    if field.kind == "choices" and isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


# -- what is typed


def parsed(field: Field, typed: str) -> Any:
    """What a line that isn't empty means. Raises `NoAnswer`."""
    value = _value(field, typed)
    if wrong := _wrong(field, value):
        raise DoesNotFit(wrong)
    return value


def _value(field: Field, typed: str) -> Any:
    match field.kind:
        case "text":
            return typed
        case "choice":
            return _chosen(field.choices, typed)
        case "choices":
            names = [] if typed.lower() == "none" else [one.strip() for one in typed.split(",")]
            found = [_chosen(field.choices, name) for name in names if name]
            return [value for index, value in enumerate(found) if value not in found[:index]]
        case "yes or no":
            if typed.lower() in (*_YES, *_NO):
                return typed.lower() in _YES
            raise NoAnswer("y or n is wanted")
        case "whole number":
            try:
                return int(typed)
            except ValueError:
                raise NoAnswer("a whole number is wanted, such as 12") from None
        case "number":
            return _number(typed)
    try:
        return json.loads(typed)
    except (ValueError, RecursionError):
        raise NoAnswer("a value as JSON is wanted") from None


def _number(typed: str) -> int | float:
    try:
        number = int(typed) if typed.lstrip("+-").isdecimal() else float(typed)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise NoAnswer("a number is wanted, such as 1.5")
    return number


def _chosen(choices: Sequence[Choice], typed: str) -> Any:
    """What is written as it is counts before a number: a choice may be a number itself."""
    for one in choices:
        if typed == str(one.value) or (typed == one.title != ""):
            return one.value
    for one in choices:
        if typed.lower() in (str(one.value).lower(), one.title.lower() or None):
            return one.value
    if typed.isdecimal() and len(typed) < 9 and 1 <= int(typed) <= len(choices):
        return choices[int(typed) - 1].value
    raise NoAnswer(f"`{typed}` is none of the {len(choices)}")


def _wrong(field: Field, value: Any) -> str:
    """Why a value doesn't fit the field; empty where it does."""
    try:
        check = Validator({"type": "object", "properties": {"it": dict(field.schema)}})
    except ValueError:  # whoever takes the answer checks it too
        return ""
    wrong = "; ".join(one.message for one in check.violations({"it": value}))
    kind = str(field.schema.get("format"))
    return f"{_TEXTS[kind]} is wanted" if kind in _TEXTS and wrong.endswith(f'is not a "{kind}"') else wrong


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""
