"""Small rules of written English: lists, plurals, amounts, sentence ends.

Pure, and without any idea of tools or results.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any


def joined(parts: Sequence[str], word: str = "and") -> str:
    """`a`, `a and b`, `a, b and c`; parts that hold commas themselves are kept apart by semicolons."""
    if len(parts) < 2:
        return "".join(parts)
    if any("," in part for part in parts):
        return "; ".join(parts)
    return f"{', '.join(parts[:-1])} {word} {parts[-1]}"


def money(value: Any) -> str:
    text = str(value)
    return text + "0" if re.fullmatch(r"-?\d+\.\d", text) else text


def is_number(value: Any) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def is_numeric(value: Any) -> bool:
    return is_number(value) or (isinstance(value, str) and re.fullmatch(r"-?\d{1,15}(?:\.\d{1,9})?", value) is not None)


def singular(noun: str) -> str:
    if noun.endswith("ies"):
        return noun[:-3] + "y"
    if noun.endswith(("sses", "xes", "ches", "shes")):
        return noun[:-2]
    return noun[:-1] if noun.endswith("s") and not noun.endswith(("ss", "us", "is")) else noun


def plural(noun: str) -> str:
    if noun.endswith("s") and singular(noun) != noun:
        return noun
    if noun.endswith("y") and noun[-2:-1] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + ("es" if noun.endswith(("s", "x", "ch", "sh")) else "s")


def shortened(text: str, limit: int) -> str:
    bare = " ".join(text[: 4 * limit].split())
    return bare if len(bare) <= limit and len(text) <= 4 * limit else bare[:limit].rstrip() + "…"


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def ended(text: str) -> str:
    return text if text.endswith((".", "!", "?", "…")) else text + "."


def with_rest(shown: list[str], count: int) -> list[str]:
    """What is shown of `count` things, with a word on the others."""
    return shown if count <= len(shown) else [*shown, f"{count - len(shown)} more"]
