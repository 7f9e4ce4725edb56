"""One thing that is said of what was seen: whether it holds, and the words for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from agentrun.spec.nodes import Route


class Claim(msgspec.Struct, frozen=True):
    """`route` leads to the key that makes the claim. `holds` is None where nobody can tell: that fails, `not` or not.

    `said` is what the key says, as a sentence, and `wrong` why that isn't so, or can't be told. `expected` and `got`
    are texts to be shown beside each other. `is_unknown`: what it is about was not told, by the model's service say.
    """

    route: Route
    holds: bool | None
    said: str
    wrong: str
    expected: str | None = None
    got: str | None = None
    is_unknown: bool = False

    def under(self, *route: str | int) -> Claim:
        return msgspec.structs.replace(self, route=(*route, *self.route))


def under(route: Route, claims: Iterable[Claim]) -> Iterator[Claim]:
    return (claim.under(*route) for claim in claims)


def broken(claims: Iterable[Claim]) -> list[Claim]:
    """Those that don't hold."""
    return [claim for claim in claims if not claim.holds]


def opposite(claim: Claim) -> Claim:
    """The claim that the other doesn't hold."""
    holds = None if claim.holds is None else not claim.holds
    wrong = claim.wrong if claim.holds is None else f"{claim.said}, which must not be"
    return Claim(claim.route, holds, claim.wrong, wrong, None, claim.got)
