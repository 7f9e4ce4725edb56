"""Whether data holds what is expected of it, as `arguments`, `when` and `includes` mean it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from agentrun.spec.nodes import Route


def includes(actual: Any, expected: Any) -> bool:
    """A mapping may hold further members, at any depth; all else is equal: `1` and `1.0` are, `true` and `1` not."""
    return next(differing(actual, expected), None) is None


def differing(actual: Any, expected: Any, route: Route = ()) -> Iterator[Route]:
    """Where data is not as expected; a member that is not there is such a place too."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        for key, wanted in expected.items():
            if key not in actual:
                yield (*route, key)
            else:
                yield from differing(actual[key], wanted, (*route, key))
    elif isinstance(expected, list) and isinstance(actual, list) and len(actual) == len(expected):
        for index, wanted in enumerate(expected):
            yield from differing(actual[index], wanted, (*route, index))
    elif not same(actual, expected):
        yield route


def same(actual: Any, expected: Any) -> bool:
    """Equal as JSON, the whole of it."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        return actual.keys() == expected.keys() and all(same(actual[key], value) for key, value in expected.items())
    if isinstance(expected, list) and isinstance(actual, list):
        return len(actual) == len(expected) and all(map(same, actual, expected))
    return isinstance(actual, bool) == isinstance(expected, bool) and bool(actual == expected)


def narrowed(actual: Any, expected: Any) -> Any:
    """The data without the members that nothing is expected of, to be shown beside what is expected."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        return {key: narrowed(actual[key], wanted) for key, wanted in expected.items() if key in actual}
    if isinstance(expected, list) and isinstance(actual, list) and len(actual) == len(expected):
        return list(map(narrowed, actual, expected))
    return actual


def at(data: Any, route: Route) -> Any:
    """The value at a place that `differing` names; None where there is none."""
    for step in route:
        if isinstance(data, dict):
            data = data.get(step)
        elif isinstance(data, list) and isinstance(step, int) and step < len(data):
            data = data[step]
        else:
            return None
    return data
