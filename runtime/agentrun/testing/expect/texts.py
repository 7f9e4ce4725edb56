"""The keys of `ValueExpect` that look at text. `contains` and `icontains` look at the members of a list, too."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from agentrun.spec.case_types import SimilarTo, Texts
from agentrun.spec.nodes import Route
from agentrun.testing.expect.alike import differences, only
from agentrun.testing.expect.claims import Claim
from agentrun.testing.expect.patterns import PatternError, is_found
from agentrun.testing.expect.shown import brief, is_brief, kind_of, listed
from agentrun.testing.expect.similarity import similarity
from agentrun.testing.expect.value import Value


def is_text(route: Route, written: str, what: str, text: str) -> Claim:
    """The text is this one."""
    holds = text == written
    is_short = is_brief(written) and is_brief(text)
    wrong = f"{what} is {brief(text)}, not {brief(written)}" if is_short else f"{what} is not the text that is expected"
    return Claim(
        route, holds, f"{what} is {brief(written)}", wrong + ("" if holds else only(written, text)), written, text
    )


def contains(written: Texts, value: Value) -> Iterator[Claim]:
    for route, text in _each("contains", written):
        yield _inside(route, value, text, str, "" if _stands_in(value, text, str) else _nearly(value, text))


def _nearly(value: Value, text: str) -> str:
    """What would let the text be found."""
    found = (one.with_it for one in differences(value.text or "") if _stands_in(value, text, one.fold))
    hint = next(found, None)
    return f" ({hint})" if hint else ""


def icontains(written: Texts, value: Value) -> Iterator[Claim]:
    for route, text in _each("icontains", written):
        yield _inside(route, value, text, str.casefold)


def contains_any(written: list[str], value: Value) -> Iterator[Claim]:
    holds = any(_stands_in(value, text, str) for text in written)
    options = listed(map(brief, written))
    if not _may_hold_text(value.looked_at):
        yield _no_text("contains_any", f"{value.what} contains one of {options}", value)
        return
    wrong = f"{value.what} contains none of {options}{_shown(value)}"
    yield Claim(("contains_any",), holds, f"{value.what} contains one of {options}", wrong, None, _long(value))


def starts_with(written: str, value: Value) -> Iterator[Claim]:
    yield _edge("starts_with", "begin", written, value, lambda text: text.startswith(written))


def ends_with(written: str, value: Value) -> Iterator[Claim]:
    yield _edge("ends_with", "end", written, value, lambda text: text.endswith(written))


def matches(written: str, value: Value) -> Iterator[Claim]:
    said = f"{value.what} matches `{written}`"
    if value.text is None:
        yield _no_text("matches", said, value)
        return
    try:
        holds = is_found(written, value.text)
    except PatternError as error:
        yield Claim(("matches",), None, said, str(error))
    else:
        wrong = f"{value.what} does not match `{written}`{_shown(value)}"
        yield Claim(("matches",), holds, said, wrong, None, _long(value))


def similar_to(written: str | SimilarTo, value: Value) -> Iterator[Claim]:
    written = SimilarTo(written) if isinstance(written, str) else written
    said = f"{value.what} is similar to {brief(written.text)}"
    if value.text is None:
        yield _no_text("similar_to", said, value)
        return
    found = similarity(value.text, written.text, written.ratio)
    if found is None:
        wrong = f"{value.what} has {len(value.text)} characters: too many for `similar_to`"
        yield Claim(("similar_to",), None, said, wrong)
        return
    reached = f"{'at most ' if found.at_most else ''}{_hundredths(found.ratio)}"
    wrong = f"{value.what} is similar to the text by {reached}, which is less than {written.ratio:g}"
    said = f"{value.what} is similar to the text by {reached}"
    holds = not found.at_most and found.ratio >= written.ratio
    yield Claim(("similar_to",), holds, said, wrong, written.text, value.text)


def _hundredths(ratio: float) -> str:
    """Rounded down: what is not reached must not look reached."""
    return f"{int(ratio * 1000) / 1000:.3f}"


def _each(key: str, written: Texts) -> Iterator[tuple[Route, str]]:
    if isinstance(written, str):
        yield (key,), written
        return
    for index, text in enumerate(written):
        yield (key, index), text


def _stands_in(value: Value, text: str, folded: Callable[[str], str]) -> bool:
    seen = value.looked_at
    if isinstance(seen, str):
        return folded(text) in folded(seen)
    return isinstance(seen, list) and any(isinstance(one, str) and folded(one) == folded(text) for one in seen)


def _may_hold_text(seen: Any) -> bool:
    if isinstance(seen, list):
        return not seen or any(isinstance(one, str) for one in seen)
    return isinstance(seen, str)


def _inside(route: Route, value: Value, text: str, folded: Callable[[str], str], hint: str = "") -> Claim:
    said = f"{value.what} contains {brief(text)}"
    if not _may_hold_text(value.looked_at):
        return _no_text(str(route[0]), said, value)
    wrong = f"{value.what} does not contain {brief(text)}{hint}{_shown(value)}"
    return Claim(route, _stands_in(value, text, folded), said, wrong, None, _long(value))


def _edge(key: str, verb: str, written: str, value: Value, holds: Callable[[str], bool]) -> Claim:
    said = f"{value.what} {verb}s with {brief(written)}"
    if value.text is None:
        return _no_text(key, said, value)
    shown = value.text[: len(written) + 40] if verb == "begin" else value.text[-len(written) - 40 :]
    wrong = f"{value.what} does not {verb} with {brief(written)}: {brief(shown)}"
    return Claim((key,), holds(value.text), said, wrong, None, _long(value))


def _no_text(key: str, said: str, value: Value) -> Claim:
    seen = value.looked_at
    is_told = isinstance(seen, dict) or seen is None
    told = kind_of(seen) if is_told else f"{brief(seen)}, {'without text' if isinstance(seen, list) else kind_of(seen)}"
    return Claim((key,), None, said, f"{value.what} is {told}, and `{key}` looks at text")


def _shown(value: Value) -> str:
    """What a message says of a short value. A long one is shown below it."""
    seen = value.looked_at
    return f": {brief(seen)}" if not isinstance(seen, str) or is_brief(seen) else ""


def _long(value: Value) -> str | None:
    return value.text if value.text is not None and not is_brief(value.text) else None
