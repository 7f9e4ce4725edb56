"""Whether data holds what is expected of it, as `arguments`, `when` and `includes` mean it. Pure."""

from __future__ import annotations

from typing import Any


def includes(actual: Any, expected: Any) -> bool:
    """A mapping may hold further members, at any depth; all else is equal: `1` and `1.0` are, `true` and `1` not."""
    if isinstance(expected, dict):
        return isinstance(actual, dict) and all(
            key in actual and includes(actual[key], value) for key, value in expected.items()
        )
    if isinstance(expected, list):
        return (
            isinstance(actual, list)
            and len(actual) == len(expected)
            and all(includes(one, wanted) for one, wanted in zip(actual, expected, strict=True))
        )
    return same(actual, expected)


def same(actual: Any, expected: Any) -> bool:
    """Equal as JSON, the whole of it."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        return actual.keys() == expected.keys() and all(same(actual[key], value) for key, value in expected.items())
    if isinstance(expected, list) and isinstance(actual, list):
        return len(actual) == len(expected) and all(map(same, actual, expected))
    return isinstance(actual, bool) == isinstance(expected, bool) and bool(actual == expected)
