"""Which expected calls are which observed ones: matchings as such, of places with what stands in them. Pure.

Where several calls could be the one that is expected, no choice is made before all are looked at: a row that can be
matched is matched, and otherwise as much of it as can be.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

Fits = Callable[[int, int], bool]  # an expected place and an observed call, by their numbers
Found = list[int | None]  # for each place the call that is in it


def aligned(required: Sequence[bool], calls: int, fits: Fits) -> Found:
    """Places in the order of the calls; other calls may stand between. As many are filled as can be.

    Filling a required place counts for two, so a matching that leaves neither a call nor a required place over is found
    where there is one. Of places of which only one can be filled, it is the first.
    """
    places = len(required)
    best = [[0] * (calls + 1) for _ in range(places + 1)]
    for place in reversed(range(places)):
        for call in reversed(range(calls)):
            without = max(best[place + 1][call], best[place][call + 1])
            taken = best[place + 1][call + 1] + 1 + required[place]
            # What can't be better is not asked for: whether a call fits may take long.
            best[place][call] = taken if taken > without and fits(place, call) else without
    found: Found = [None] * places
    place = call = 0
    while place < places and call < calls:
        here = best[place][call]
        if here == best[place][call + 1]:
            call += 1
        elif here == best[place + 1][call + 1] + 1 + required[place] and fits(place, call):
            found[place] = call
            place, call = place + 1, call + 1
        else:
            place += 1
    return found


def in_any_order(places: int, calls: int, fits: Fits) -> Found:
    """Each place gets a call of its own. As many are filled as can be."""
    holder: dict[int, int] = {}  # by call
    known: dict[tuple[int, int], bool] = {}

    def may(place: int, call: int) -> bool:
        if (place, call) not in known:
            known[place, call] = fits(place, call)
        return known[place, call]

    for place in range(places):
        _fill(place, calls, may, holder)
    found: Found = [None] * places
    for call, place in holder.items():
        found[place] = call
    return found


def _fill(place: int, calls: int, may: Fits, holder: dict[int, int]) -> None:
    """Find a call for a place, moving others where that makes room: one augmenting path, breadth first."""
    came_from: dict[int, int] = {}
    waiting = [place]
    for one in waiting:
        for call in range(calls):
            if call in came_from or not may(one, call):
                continue
            came_from[call] = one
            if call in holder:
                waiting.append(holder[call])
                continue
            taken_by: dict[int, int] = {one: call for call, one in holder.items()}
            free: int | None = call
            while free is not None:
                owner = came_from[free]
                holder[free] = owner
                free = taken_by.get(owner)
            return
