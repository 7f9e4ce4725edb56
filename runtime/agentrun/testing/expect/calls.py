"""One call, and what a case expects of it: `CallExpect`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from agentrun.engine.arguments import parse_json
from agentrun.spec.case_types import CallExpect
from agentrun.spec.subset import differing, narrowed
from agentrun.testing.expect.claims import Claim, broken, under
from agentrun.testing.expect.made import Made, is_known
from agentrun.testing.expect.requests import request_claim
from agentrun.testing.expect.shown import brief, joined, pretty
from agentrun.testing.expect.value import text_value
from agentrun.testing.expect.values import place_problem, value_claims, where_claims
from agentrun.testing.observed import ObservedCall


def call_claims(expect: CallExpect, made: Made, everything: Sequence[Made]) -> Iterator[Claim]:
    """What is said of a call of this tool, but for how many there are. `everything` are the calls of the whole case."""
    call = made.call
    if expect.arguments:
        yield _arguments(expect, call)
    if expect.where and call.arguments is None:
        yield Claim(("where",), None, "the arguments are a JSON object", "the arguments are no JSON object")
    elif expect.where:
        yield from under(("where",), where_claims(expect.where, call.arguments, "the arguments"))
    if expect.error is not None:
        yield _error(expect.error, call)
    if expect.result is not None:
        yield from under(("result",), value_claims(expect.result, text_value("the result", call.result or "")))
    if expect.request is not None:
        yield request_claim(expect.request, made)
    if expect.before is not None:
        yield _before(expect.before, made, everything)
    if expect.after is not None:
        yield _after(expect.after, made, everything)


def fits(expect: CallExpect, made: Made, everything: Sequence[Made]) -> bool:
    return made.call.name == expect.name and all(claim.holds for claim in call_claims(expect, made, everything))


def closest(expect: CallExpect, same_tool: Sequence[Made], everything: Sequence[Made]) -> tuple[Made, list[Claim]]:
    """The call that is most like what is expected, and what is wrong with it."""
    wrong = [broken(call_claims(expect, made, everything)) for made in same_tool]

    def distance(index: int) -> tuple[int, int]:
        given = same_tool[index].call.arguments
        alike = len(expect.arguments) if given is None else sum(1 for _ in differing(given, expect.arguments))
        return len(wrong[index]), alike

    nearest = min(range(len(same_tool)), key=distance)
    return same_tool[nearest], wrong[nearest]


def beside(claims: Sequence[Claim]) -> tuple[str | None, str | None]:
    """What several claims have to show, as two texts."""
    shown = [claim for claim in claims if claim.expected is not None]
    if not shown:
        return None, None
    titles = [f"{claim.route[0]}:\n" if len(shown) > 1 else "" for claim in shown]
    expected = [f"{title}{claim.expected}" for title, claim in zip(titles, shown, strict=True)]
    got = [f"{title}{claim.got or ''}" for title, claim in zip(titles, shown, strict=True)]
    return "\n".join(expected), "\n".join(got)


def _arguments(expect: CallExpect, call: ObservedCall) -> Claim:
    said = f"the arguments have {brief(expect.arguments)}"
    shown = pretty(expect.arguments)
    if call.arguments is None:
        return Claim(("arguments",), False, said, "the arguments are no JSON object", shown, call.raw_arguments)
    places = list(differing(call.arguments, expect.arguments))
    route = ("arguments", *(places[0] if len(places) == 1 else ()))
    wrong = joined(place_problem(call.arguments, expect.arguments, place, "the arguments") for place in places)
    return Claim(route, not places, said, wrong, shown, pretty(narrowed(call.arguments, expect.arguments)))


def _error(expected: str | bool, call: ObservedCall) -> Claim:
    failed = f"it failed with `{call.error}`: {_failure(call.result or '')}"
    if call.result is None:
        return Claim(("error",), False, "it has a result", "it has no result: the run ended before")
    if isinstance(expected, bool):
        wrong = "it did not fail" if expected else failed
        return Claim(("error",), (call.error is not None) == expected, failed if expected else "it did not fail", wrong)
    wrong = f"it did not fail with `{expected}`" if call.error is None else f"{failed}, not with `{expected}`"
    return Claim(("error",), call.error == expected, failed, wrong)


def _failure(result: str) -> str:
    """The message of a failure; what the model was told where it was cut."""
    try:
        return str(parse_json(result)["error"]["message"])
    except (ValueError, LookupError, TypeError):
        return brief(result)


def _after(tool: str, made: Made, everything: Sequence[Made]) -> Claim:
    others = _calls_of(tool, made, everything)
    said = f"the result of `{tool}` was known before"
    wrong = f"the result of `{tool}` was not known before it" if others else f"`{tool}` was not called"
    return Claim(("after",), any(is_known(other, made) for other in others), said, wrong)


def _before(tool: str, made: Made, everything: Sequence[Made]) -> Claim:
    others = _calls_of(tool, made, everything)
    said = f"`{tool}` was called only after its result was known"
    wrong = f"`{tool}` was called before its result was known" if others else f"`{tool}` was not called"
    return Claim(("before",), bool(others) and all(is_known(made, other) for other in others), said, wrong)


def _calls_of(tool: str, made: Made, everything: Sequence[Made]) -> list[Made]:
    return [other for other in everything if other.call.name == tool and other is not made]
