"""The calls that a case expects: in order, in any order, exactly these, never, so often, in one turn."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cache

import msgspec

from agentrun.diagnostics import counted
from agentrun.spec.case_types import Bounds, CallExpect, Calls, CallsExpect
from agentrun.spec.nodes import Route
from agentrun.testing.expect.calls import beside, closest, fits
from agentrun.testing.expect.claims import Claim, broken, under
from agentrun.testing.expect.made import Made
from agentrun.testing.expect.numbers import amount, bounds_claims
from agentrun.testing.expect.order import aligned, in_any_order
from agentrun.testing.expect.shown import compact, joined, tools


def calls_claims(expect: Calls | CallsExpect, calls: Sequence[Made], everything: Sequence[Made]) -> Iterator[Claim]:
    """`calls` are those that are looked at, `everything` those of the whole case. No calls at all is `[]`."""
    if isinstance(expect, list):
        how = "in_order" if expect else "exact"
        yield from _List(how, (), expect, calls, everything).claims()
        return
    for how in ("exact", "in_order", "any_order"):
        written = getattr(expect, how)
        if written is not None:
            yield from _List(how, (how,), written, calls, everything).claims()
    for index, glob in enumerate(expect.never):
        yield _never(("never", index), glob, calls)
    yield from under(("count",), _counts(expect.count, calls))
    if expect.same_turn:
        yield _same_turn(expect.same_turn, calls)


class _Entry(msgspec.Struct, frozen=True, eq=False):
    """An entry of a list: so many calls stand in its place, `least` at least. None: any number."""

    expect: CallExpect
    least: int
    most: int | None

    @property
    def line(self) -> str:
        """How it is shown in a row of calls."""
        return _line(self.expect.name, compact(self.expect.arguments) if self.expect.arguments else "")


class _List:
    """A list of expected calls beside those that were made."""

    def __init__(
        self, how: str, route: Route, written: Calls, calls: Sequence[Made], everything: Sequence[Made]
    ) -> None:
        self._how = how
        self._route = route
        self._calls = calls
        self._everything = everything
        self._entries = [_entry(one) for one in written]
        self._fits = cache(lambda entry, call: fits(self._entries[entry].expect, calls[call], everything))
        self._places = list(self._made_places())
        self._found = self._matched()
        self._blamed: list[Made] = []  # calls that were told of as those that an entry means

    def _made_places(self) -> Iterator[tuple[int, bool]]:
        """Each place with its entry's number, and whether a call must stand in it."""
        for number, entry in enumerate(self._entries):
            possible = sum(made.call.name == entry.expect.name for made in self._calls)
            least = min(entry.least, possible + 1)
            yield from [(number, True)] * least
            if self._how == "exact":
                most = possible if entry.most is None else min(entry.most, possible)
                yield from [(number, False)] * (most - least)

    def _matched(self) -> list[int | None]:
        places, calls = self._places, len(self._calls)

        def fit(place: int, call: int) -> bool:
            return self._fits(places[place][0], call)

        if self._how == "any_order":
            return in_any_order(len(places), calls, fit)
        return aligned([required for _, required in places], calls, fit)

    def claims(self) -> Iterator[Claim]:
        """One claim for each entry, and one for the calls that no entry is for."""
        lacking = {
            entry
            for (entry, required), call in zip(self._places, self._found, strict=True)
            if required and call is None
        }
        for number, entry in enumerate(self._entries):
            wrong = broken(self._count_claims(number, entry))
            route = (*self._route, number)
            if wrong and not (number in lacking and self._is_only_alike(number, entry)):
                yield from under(route, wrong)
            elif number in lacking:
                yield self._missing(number, entry).under(*route)
        if self._how == "exact":
            yield from self._left_over()

    def _count_claims(self, number: int, entry: _Entry) -> Iterator[Claim]:
        """`count` says how many such calls there are anywhere; among `exact` ones, how many stand in this place."""
        if entry.expect.count is None or self._how == "exact":
            return
        fitting = sum(self._fits(number, call) for call in range(len(self._calls)))
        yield from under(("count",), bounds_claims(_was_called(entry.expect), entry.expect.count, fitting, "time"))

    def _is_only_alike(self, number: int, entry: _Entry) -> bool:
        """The tool was called, and no call fits: how the closest differs tells more than how many there are."""
        calls = range(len(self._calls))
        return any(self._calls[call].call.name == entry.expect.name for call in calls) and not any(
            self._fits(number, call) for call in calls
        )

    def _missing(self, number: int, entry: _Entry) -> Claim:
        name = entry.expect.name
        same_tool = [made for made in self._calls if made.call.name == name]
        said = f"`{name}` was called"
        if not same_tool:
            return self._out_of_row(said, f"`{name}` was not called")
        fitting = [call for call in range(len(self._calls)) if self._fits(number, call)]
        taken = {call for call in self._found if call is not None}
        if fitting:
            where = "and the list has more of them" if taken.issuperset(fitting) else "but not in this place"
            wrong = f"{_was_called(entry.expect)} {amount(len(fitting), 'time')}, {where}"
            return self._out_of_row(said, wrong)
        free = [made for number, made in enumerate(self._calls) if made.call.name == name and number not in taken]
        nearest, claims = closest(entry.expect, free or same_tool, self._everything)
        self._blamed.append(nearest)
        told = joined(claim.wrong for claim in claims)
        of = f"none of the {len(same_tool)} calls of `{name}` is as expected; of the closest, {told}"
        message = of if len(same_tool) > 1 else f"the call of `{name}` is not as expected: {told}"
        return Claim(claims[0].route if len(claims) == 1 else (), False, said, message, *beside(claims))

    def _left_over(self) -> Iterator[Claim]:
        taken = {call for call in self._found if call is not None}
        left = [made for number, made in enumerate(self._calls) if number not in taken and made not in self._blamed]
        names = [made.call.name for made in left]
        if names:
            verb = "is" if len(names) == 1 else "are"
            wrong = f"{counted(len(names), 'call')} {verb} not expected: {tools(names)}"
            yield self._out_of_row("no other calls were made", wrong).under(*self._route)

    def _out_of_row(self, said: str, wrong: str) -> Claim:
        """With the whole row of expected calls beside that of the observed ones."""
        in_place = {call: entry for (entry, _), call in zip(self._places, self._found, strict=True) if call is not None}
        got = [self._shown(number, in_place.get(number)) for number in range(len(self._calls))]
        expected = [self._entries[entry].line for entry, required in self._places if required]
        if self._how == "any_order":
            expected, got = sorted(expected), sorted(got)
        return Claim((), False, said, wrong, "\n".join(expected), "\n".join(got))

    def _shown(self, call: int, entry: int | None) -> str:
        """As the entry that it is one of, so that both look alike; in full where there is none."""
        if entry is None:
            entry = next((number for number in range(len(self._entries)) if self._fits(number, call)), None)
        return _seen(self._calls[call]) if entry is None else self._entries[entry].line


def _entry(written: str | CallExpect) -> _Entry:
    expect = CallExpect(name=written) if isinstance(written, str) else written
    match expect.count:
        case None:
            return _Entry(expect, 1, 1)
        case Bounds(at_least=least, at_most=most):
            return _Entry(expect, math.ceil(least or 0), None if most is None else math.floor(most))
        case number:
            return _Entry(expect, number, number)


def _was_called(expect: CallExpect) -> str:
    """The beginning of a sentence that ends with how often."""
    is_name_alone = msgspec.structs.replace(expect, count=None) == CallExpect(name=expect.name)
    return f"`{expect.name}` was called{'' if is_name_alone else ' as expected'}"


def _line(name: str, arguments: str) -> str:
    return f"{name} {arguments}".rstrip()


def _seen(made: Made) -> str:
    call = made.call
    arguments = call.raw_arguments if call.arguments is None else compact(call.arguments) if call.arguments else ""
    return _line(call.name, arguments)


# -- tools by name ------------------------------------------------------------------------------------------


def _never(route: Route, glob: str, calls: Sequence[Made]) -> Claim:
    names = [made.call.name for made in calls if fnmatchcase(made.call.name, glob)]
    told = tools(dict.fromkeys(names))
    wrong = f"{told} {'was' if len(set(names)) == 1 else 'were'} called {amount(len(names), 'time')}, and must never be"
    return Claim(route, not names, f"`{glob}` was not called", wrong)


def _counts(written: Mapping[str, int | Bounds], calls: Sequence[Made]) -> Iterator[Claim]:
    for glob, count in written.items():
        number = sum(fnmatchcase(made.call.name, glob) for made in calls)
        yield from under((glob,), bounds_claims(f"`{glob}` was called", count, number, "time"))


def _same_turn(names: Sequence[str], calls: Sequence[Made]) -> Claim:
    """A name that stands twice is called twice."""
    turns: dict[tuple[int, str, int], list[str]] = {}
    for made in calls:
        turns.setdefault((made.step, made.call.run_id, made.call.turn), []).append(made.call.name)
    lacking = [
        [name for name in dict.fromkeys(names) if turn.count(name) < names.count(name)] for turn in turns.values()
    ]
    told = tools(names)
    shown = "\n".join(", ".join(turn) for turn in turns.values())
    said, wrong = f"{told} were called in one turn", f"{told} were not called in one turn"
    return Claim(("same_turn",), not all(lacking) if turns else False, said, wrong, ", ".join(names), shown)
