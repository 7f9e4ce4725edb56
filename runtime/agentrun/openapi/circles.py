"""Which names of a graph lie on a way that leads back to them: Tarjan's components, without recursion. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping


def in_circles(edges: Mapping[str, Iterable[str]]) -> set[str]:
    """Ways to names that are no keys lead nowhere."""
    return {name for part in _components(edges) if len(part) > 1 for name in part} | {
        name for name, ways in edges.items() if name in ways
    }


def _components(edges: Mapping[str, Iterable[str]]) -> Iterator[list[str]]:
    number: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    waiting: set[str] = set()  # what is on the stack

    def enter(name: str) -> tuple[str, Iterator[str]]:
        number[name] = low[name] = len(number)
        stack.append(name)
        waiting.add(name)
        return name, iter(edges[name])

    for start in edges:
        work = [] if start in number else [enter(start)]
        while work:
            name, ways = work[-1]
            for other in ways:
                if other in edges and other not in number:
                    work.append(enter(other))
                    break
                if other in waiting:
                    low[name] = min(low[name], number[other])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[name])
                if low[name] == number[name]:
                    at = stack.index(name)
                    part = stack[at:]
                    del stack[at:]
                    waiting.difference_update(part)
                    yield part
