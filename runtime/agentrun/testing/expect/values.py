"""What holds of a value, key by key: `ValueExpect`. `texts.py` has the keys that look at text, this file the others."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from agentrun.json_schema import Validator
from agentrun.spec.case_types import Bounds, TextExpect, ValueExpect
from agentrun.spec.nodes import Route
from agentrun.spec.subset import at, differing, includes, narrowed, same
from agentrun.testing.expect import texts
from agentrun.testing.expect.claims import Claim, broken, opposite, under
from agentrun.testing.expect.numbers import bounds_claims
from agentrun.testing.expect.shown import brief, is_brief, joined, kind_of, listed, path, pretty
from agentrun.testing.expect.value import NoData, Value, data_value

_NAME = re.compile(r"[\w-]+")


def value_claims(expect: Any, value: Value) -> Iterator[Claim]:
    """The claims of what is expected of a value: of what holds of it, or of the value itself."""
    if not isinstance(expect, ValueExpect):
        yield _is_equal((), expect, value)
        return
    for key, claims in _KEYS.items():
        written = getattr(expect, key)
        if written is not None:
            yield from claims(written, value)
    if expect.not_ is not None:
        yield from under(("not",), map(opposite, value_claims(expect.not_, value)))


def wanted_text(expect: TextExpect, value: Value) -> str:
    """What to show as expected beside a text: the text itself where all holds, else what was to hold."""
    wrong = broken(value_claims(expect, value))
    if not wrong:
        return value.text or ""
    if isinstance(expect, str):
        return expect
    return expect.equals if isinstance(expect.equals, str) else f"‹{joined(claim.said for claim in wrong)}›"


# -- the whole value ----------------------------------------------------------------------------------------


def _equals(written: Any, value: Value) -> Iterator[Claim]:
    yield _is_equal(("equals",), written, value)


def _is_equal(route: Route, written: Any, value: Value) -> Claim:
    said = f"{value.what} is {brief(written)}"
    if isinstance(written, str) and value.text is not None:
        return texts.is_text(route, written, value.what, value.text)
    try:
        data = value.data()
    except NoData as error:
        return Claim(route, False, said, str(error), pretty(written), value.text)
    short = is_brief(brief(data)) and is_brief(brief(written))
    wrong = f"{value.what} is {_with_kind(data, written)}, not {brief(written)}"
    wrong = wrong if short else f"{value.what} is not the data that is expected"
    holds = same(data, written)
    if not holds and includes(data, written):
        wrong = f"{wrong}: it has further members, which `includes` allows"
    return Claim(route, holds, said, wrong, pretty(written), pretty(data))


def _with_kind(data: Any, written: Any) -> str:
    """`"5"` and `5` look alike."""
    alike = not isinstance(data, (dict, list)) and str(data) == str(written)
    return f"{brief(data)}, {kind_of(data)}" if alike else brief(data)


def _one_of(written: list[Any], value: Value) -> Iterator[Claim]:
    holds = any(_is_equal((), option, value).holds for option in written)
    options = listed(map(brief, written))
    said = f"{value.what} is one of {options}"
    yield Claim(("one_of",), holds, said, f"{value.what} is {brief(value.looked_at)}, none of {options}")


# -- numbers and sizes --------------------------------------------------------------------------------------


def _length(written: int | Bounds, value: Value) -> Iterator[Claim]:
    seen = value.looked_at
    if not isinstance(seen, (str, list, dict)):
        said = f"{value.what} has a length"
        yield Claim(("length",), None, said, f"{value.what} is {brief(seen)}, {kind_of(seen)}, and has no length")
        return
    unit = {str: "character", list: "member", dict: "member"}[type(seen)]
    yield from under(("length",), bounds_claims(f"{value.what} has", written, len(seen), unit))


def _at_least(written: float, value: Value) -> Iterator[Claim]:
    yield from _bound("at_least", Bounds(at_least=written), value)


def _at_most(written: float, value: Value) -> Iterator[Claim]:
    yield from _bound("at_most", Bounds(at_most=written), value)


def _bound(key: str, bounds: Bounds, value: Value) -> Iterator[Claim]:
    said = f"{value.what} is a number within `{key}`"
    try:
        data = value.data()
    except NoData:
        data = value.text
    if isinstance(data, (int, float)) and not isinstance(data, bool):
        yield from bounds_claims(f"{value.what} is", bounds, data)
    else:
        yield Claim((key,), None, said, f"{value.what} is {brief(data)}, {kind_of(data)}, and `{key}` is for numbers")


# -- data ---------------------------------------------------------------------------------------------------


def _includes(written: dict[str, Any], value: Value) -> Iterator[Claim]:
    said = f"{value.what} has the members {brief(written)}"
    try:
        data = value.data()
    except NoData as error:
        yield Claim(("includes",), None, said, str(error), pretty(written), value.text)
        return
    places = list(differing(data, written))
    route = ("includes", *(places[0] if len(places) == 1 else ()))
    wrong = joined(place_problem(data, written, place, value.what) for place in places)
    yield Claim(route, not places, said, wrong, pretty(written), pretty(narrowed(data, written)))


def place_problem(data: Any, written: Any, place: Route, what: str) -> str:
    """What is wrong at a place where data differs from what is expected of it."""
    whose = f"`{path(place)}` of {what}" if place else what
    above = at(data, place[:-1])
    if place and isinstance(above, dict) and place[-1] not in above:
        return f"{whose} is not there"
    found, wanted = at(data, place), at(written, place)
    if isinstance(found, list) and isinstance(wanted, list):
        return f"{whose} is a list of {len(found)}, not of {len(wanted)}"
    return f"{whose} is {_with_kind(found, wanted)}, not {brief(wanted)}"


def _schema(written: Mapping[str, Any], value: Value) -> Iterator[Claim]:
    said = f"{value.what} fits the schema"
    try:
        data = value.data()
        found = Validator(written).violations(data)
    except NoData as error:
        yield Claim(("schema",), None, said, str(error), None, value.text)
    except ValueError as error:
        yield Claim(("schema",), None, said, f"`schema` can't be used: {error}")
    else:
        told = joined((f"`{one.path}`: {one.message}" if one.path else one.message for one in found), most=20)
        yield Claim(("schema",), not found, said, f"{value.what} breaks the schema: {told}", None, pretty(data))


def _where(written: Mapping[str, Any], value: Value) -> Iterator[Claim]:
    try:
        data = value.data()
    except NoData as error:
        yield Claim(("where",), None, f"{value.what} is JSON", str(error), None, value.text)
        return
    yield from under(("where",), where_claims(written, data, value.what))


def where_claims(written: Mapping[str, Any], data: Any, what: str) -> Iterator[Claim]:
    """What holds of parts of data: each expression with a value, or with what holds of it."""
    for expression, expect in written.items():
        part = f"`{expression}` of {what}"
        try:
            found = _part(expression, data)
        except _NoPart as error:
            yield Claim((expression,), None, f"{part} can be looked at", f"{part} can't be looked at: {error}")
        else:
            yield from under((expression,), value_claims(expect, data_value(part, found)))


class _NoPart(Exception):
    """An expression is none, or fails on the data."""


def _part(expression: str, data: Any) -> Any:
    """What an expression finds; None where there is nothing. A name alone is that member, whatever signs it has."""
    if _NAME.fullmatch(expression):
        return data.get(expression) if isinstance(data, dict) else None
    import jmespath
    from jmespath.exceptions import EmptyExpressionError, JMESPathError, LexerError, ParseError

    try:
        found = jmespath.search(expression, data)
    except EmptyExpressionError:
        raise _NoPart("it is empty") from None
    except (LexerError, ParseError) as error:
        raise _NoPart(f"it is no JMESPath expression: {str(error).splitlines()[0]}") from None
    # Its functions fail in Python's ways on data of another type than they count on, such as `contains` and `ceil`.
    except (
        JMESPathError,
        ArithmeticError,
        AttributeError,
        LookupError,
        RecursionError,
        TypeError,
        ValueError,
    ) as error:
        raise _NoPart(f"it fails on the data: {str(error).splitlines()[0] if str(error) else 'too deep'}") from None
    if "&" in expression and not _is_json(found):
        raise _NoPart("`&` stands where it is no argument of a function")
    return found


def _is_json(value: Any) -> bool:
    if isinstance(value, (dict, list)):
        return all(map(_is_json, value.values() if isinstance(value, dict) else value))
    return value is None or isinstance(value, (str, int, float))


_KEYS: dict[str, Callable[[Any, Value], Iterator[Claim]]] = {
    "equals": _equals,
    "one_of": _one_of,
    "contains": texts.contains,
    "contains_any": texts.contains_any,
    "icontains": texts.icontains,
    "starts_with": texts.starts_with,
    "ends_with": texts.ends_with,
    "matches": texts.matches,
    "similar_to": texts.similar_to,
    "length": _length,
    "at_least": _at_least,
    "at_most": _at_most,
    "includes": _includes,
    "schema": _schema,
    "where": _where,
}
