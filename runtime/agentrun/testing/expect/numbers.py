"""Numbers and the bounds of them."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from agentrun.diagnostics import counted
from agentrun.spec.case_types import Bounds
from agentrun.testing.expect.claims import Claim


def bounds_claims(subject: str, written: int | Bounds, number: float, unit: str = "") -> Iterator[Claim]:
    """`subject` is the beginning of a sentence: "the run took". A number alone means exactly that many."""
    seen = f"{subject} {amount(number, unit)}"
    if not isinstance(written, Bounds):
        yield Claim((), number == written, seen, f"{seen}, not {figure(written)}")
        return
    for key, bound, words in (("at_least", written.at_least, "or more"), ("at_most", written.at_most, "or less")):
        if bound is not None:
            holds = number >= bound if key == "at_least" else number <= bound
            alike = figure(number) == figure(bound) and number != bound
            exactly = f" ({number!r} and {bound!r})" if alike else ""
            yield Claim((key,), holds, seen, f"{seen}, not {figure(bound)} {words}{exactly}")


def amount(number: float, unit: str = "") -> str:
    """`2 turns`, `0.25 s`: a unit that is a letter or a sign stays as it is."""
    if len(unit) > 3:
        return counted(int(number), unit)
    return f"{figure(number)} {unit}".rstrip()


def figure(number: float) -> str:
    """Without an exponent where a person would write none: `0.000012`."""
    if float(number).is_integer() and abs(number) < 1e15:
        return str(int(number))
    short = f"{number:.6g}"
    return f"{Decimal(short):f}" if 1e-9 < abs(number) < 1 else short
