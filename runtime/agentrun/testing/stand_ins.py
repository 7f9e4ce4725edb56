"""Values for variables without one, where a tool can't be made of nothing: a stub needs no service and no key. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from agentrun.project import Project
from agentrun.spec.nodes import Route

_VARIABLE = re.compile(r"\$\{([A-Za-z_]\w*)\}")
_IN_HOST = re.compile(r"https?://[^/]*")
_NO_VALUE = "unset"  # too short to be masked elsewhere as a secret


def stand_ins(project: Project, environ: Mapping[str, str]) -> dict[str, str]:
    """By variable. Where one stands in several places, what makes an address is taken.

    A request that is looked at says whose it would be: `http://orders-url.test/orders/7`.
    """
    written = list(_written(project))
    found: dict[str, str] = {}
    for is_place, make in _PLACES:
        for route, text in written:
            for variable in _VARIABLE.finditer(text) if is_place(route) else ():
                if not environ.get(variable[1]) and (value := make(variable[1], text, variable)):
                    found.setdefault(variable[1], value)
    return found


def _written(project: Project) -> Iterator[tuple[Route, str]]:
    """The texts of http tools, and of sets that are asked over http, each with its route below that key."""
    for document in project.catalog.documents():
        for route, node, _ in document.scalars if document.kind == "tool" else ():
            if route[:1] in (("http",), ("openapi",), ("mcp",)):
                yield route[1:], node.source.strip("\"'")


def _address(name: str, written: str, place: re.Match[str]) -> str:
    """What makes an address of a text; nothing behind the host, where all is well without."""
    before, label = written[: place.start()], _label(name)
    if not before:
        return f"http://{label}.test"
    if not _IN_HOST.fullmatch(before):
        return ""
    if before[-1] == ":":
        return "80"
    is_whole = before[-1] == "/" and written[place.end() :][:1] in ("", "/", ":")
    return f"{label}.test" if is_whole else label


def _host(name: str, written: str, place: re.Match[str]) -> str:
    is_end = written[place.end() :][:1] in ("", ":")
    return f"{_label(name)}.test" if is_end else _label(name)


def _header(name: str, written: str, place: re.Match[str]) -> str:
    """An empty value is left out; one with a blank at its end is none."""
    return "" if place[0] == written else _NO_VALUE


def _label(name: str) -> str:
    return name.lower().replace("_", "-")


_ADDRESSES: frozenset[Route] = frozenset({("base_url",), ("url",), ("server_url",), ("auth", "oauth2", "token_url")})
_PLACES: list[tuple[Callable[[Route], bool], Callable[[str, str, re.Match[str]], str]]] = [
    (_ADDRESSES.__contains__, _address),
    (lambda route: route[:1] == ("hosts",), _host),
    (lambda route: route[:1] == ("headers",), _header),
]
