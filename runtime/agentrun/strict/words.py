"""What strict mode can't enforce, told to the model in the description."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

# The formats that OpenAI enforces.
FORMATS = frozenset({"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"})

_SENTENCES: dict[str, Callable[[Any], str]] = {
    "minLength": lambda value: f"At least {value} characters.",
    "maxLength": lambda value: f"At most {value} characters.",
    "format": lambda value: f"Format: {value}.",
    "uniqueItems": lambda value: "No item twice.",
    "minProperties": lambda value: f"At least {value} of the properties are not null.",
    "maxProperties": lambda value: f"At most {value} of the properties are not null.",
    "default": lambda value: f"Default: {_json(value)}.",
    "examples": lambda value: f"Examples: {', '.join(_json(one) for one in value)}.",
}
_CONDITIONS = (
    *("allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentRequired", "dependentSchemas"),
    *("contains", "minContains", "maxContains", "propertyNames", "unevaluatedItems", "contentEncoding"),
    *("contentMediaType", "contentSchema"),
)


def is_told(keyword: str, value: Any) -> bool:
    """Whether a keyword that strict mode lacks says something that the model should know."""
    if keyword == "format":
        return value not in FORMATS
    if keyword == "uniqueItems":
        return value is True
    if keyword == "default":
        return value is not None
    return keyword in _SENTENCES or keyword in _CONDITIONS


def in_words(keywords: Mapping[str, Any]) -> str:
    """Sentences for keywords that are to be told; conditions without words of their own are quoted."""
    told = [_SENTENCES[name](value) for name, value in keywords.items() if name in _SENTENCES]
    quoted = {name: value for name, value in keywords.items() if name in _CONDITIONS}
    if quoted:
        told.append(f"Must also fit this JSON Schema: {_json(quoted)}")
    return " ".join(told)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
