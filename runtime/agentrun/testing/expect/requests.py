"""What a tool sent or ran, beside what a case expects of it: `RequestExpect`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from email import message_from_bytes
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from agentrun.engine.arguments import parse_json
from agentrun.spec.case_types import RequestExpect, TextExpect
from agentrun.testing.expect.claims import Claim, broken, under
from agentrun.testing.expect.shown import brief, compact, joined, pretty
from agentrun.testing.expect.value import text_value
from agentrun.testing.expect.values import place_problem, value_claims, wanted_text
from agentrun.testing.observed import HttpRequest, ObservedCall, ProcessRequest, ToolRequest
from agentrun.testing.subset import differing, narrowed

_SHELL_KEYS = ("argv", "cwd", "env", "stdin")
_NOT_RUN = ("denied", "unknown_tool", "invalid_arguments", "limit", "interrupted")
Pairs = Sequence[tuple[str, str]]
Scalars = Mapping[str, Any]


class _Part(msgspec.Struct, frozen=True):
    """A part of a request: its claims, and the lines that show it on either side."""

    claims: Sequence[Claim]
    expected: str
    got: str


def request_claim(expect: RequestExpect, call: ObservedCall) -> Claim:
    """One request of the call is as expected, in all that is written."""
    said = f"a request of `{call.name}` is as expected"
    if not call.requests:
        return Claim(("request",), False, said, f"what `{call.name}` sent is not known: {_why_unknown(call)}")
    compared = [list(_parts(expect, request)) for request in call.requests]
    wrong = [broken(claim for part in parts for claim in part.claims) for parts in compared]
    closest = min(range(len(wrong)), key=lambda index: len(wrong[index]))
    claims = wrong[closest]
    told = joined(claim.wrong for claim in claims)
    if len(wrong) > 1:
        told = f"none of the {len(wrong)} requests of `{call.name}` is as expected; of the closest, {told}"
    route = ("request", *claims[0].route) if len(claims) == 1 else ("request",)
    shown = [part for part in compared[closest] if part.expected or part.got]
    expected, got = "\n".join(part.expected for part in shown), "\n".join(part.got for part in shown)
    return Claim(route, not claims, said, told, expected, got)


def _why_unknown(call: ObservedCall) -> str:
    if call.error in _NOT_RUN:
        return f"the call was not made (`{call.error}`)"
    return "only http and shell tools have requests, and those that are replayed from a cassette have none"


def _parts(expect: RequestExpect, request: ToolRequest) -> Iterator[_Part]:
    if isinstance(request, HttpRequest):
        yield from _foreign(expect, _SHELL_KEYS, "an HTTP request was sent, and no program run")
        yield from _http(expect, request)
    else:
        keys = [key for key in expect.__struct_fields__ if key not in _SHELL_KEYS]
        yield from _foreign(expect, keys, "a program was run, and no HTTP request sent")
        yield from _process(expect, request)


def _foreign(expect: RequestExpect, keys: Sequence[str], wrong: str) -> Iterator[_Part]:
    """What a request of this kind doesn't have."""
    for key in keys:
        if getattr(expect, key) not in (None, {}):
            yield _Part([Claim((key,), False, f"it has `{key}`", wrong)], "", "")


# -- http ---------------------------------------------------------------------------------------------------


def _http(expect: RequestExpect, request: HttpRequest) -> Iterator[_Part]:
    yield _first_line(expect, request)
    yield from _pairs("query", expect.query, request.query)
    for name, wanted in expect.headers.items():
        yield _header(name, wanted, request)
    if expect.json is not None:
        yield _json(expect.json, request.body)
    if expect.form:
        yield from _pairs("form", expect.form, _form(request))
    if expect.body is not None:
        yield _text(("body",), "the body", "", expect.body, request.body)


def _first_line(expect: RequestExpect, request: HttpRequest) -> _Part:
    claims = []
    method, url = request.method, request.url
    if expect.method is not None:
        method = expect.method.upper()
        wrong = f"the method is {request.method}, not {method}"
        claims.append(Claim(("method",), method == request.method.upper(), f"the method is {method}", wrong))
    if expect.url is not None:
        value = text_value("the url", request.url)
        claims += under(("url",), value_claims(expect.url, value))
        url = wanted_text(expect.url, value)
    return _Part(claims, f"{method} {url}", f"{request.method} {request.url}")


def _pairs(key: str, expect: Scalars, pairs: Pairs) -> Iterator[_Part]:
    for name, wanted in expect.items():
        found = [value for other, value in pairs if other == name]
        texts = [_as_text(one) for one in wanted] if isinstance(wanted, list) else [_as_text(wanted)]
        whose = f"`{name}` of the {key}"
        wrong = f"{whose} is {_listed(found)}, not {_listed(texts)}" if found else f"{whose} is not there"
        expected, got = ("\n".join(f"{key} {name}={one}" for one in side) for side in (texts, found))
        yield _Part([Claim((key, name), found == texts, f"{whose} is {_listed(texts)}", wrong)], expected, got)


def _as_text(scalar: Any) -> str:
    """As a query or a form has it."""
    return scalar if isinstance(scalar, str) else compact(scalar)


def _listed(values: Sequence[str]) -> str:
    return brief(values[0]) if len(values) == 1 else brief(list(values))


def _header(name: str, wanted: TextExpect, request: HttpRequest) -> _Part:
    """Of a header that was sent more than once, one is enough."""
    values = [value for other, value in request.headers if other.lower() == name.lower()]
    if not values:
        claim = Claim(("headers", name), False, f"the header `{name}` was sent", f"the header `{name}` was not sent")
        return _Part([claim], f"{name}: {wanted if isinstance(wanted, str) else '‹a value›'}", "")
    parts = [_text(("headers", name), f"the header `{name}`", f"{name}: ", wanted, value) for value in values]
    return min(parts, key=lambda part: len(broken(part.claims)))


def _json(expected: Any, body: str) -> _Part:
    said = f"the JSON body has {brief(expected)}"
    try:
        data = parse_json(body)
    except ValueError:
        return _Part([Claim(("json",), False, said, "the body is no JSON")], pretty(expected), body)
    places = list(differing(data, expected))
    wrong = joined(place_problem(data, expected, place, "the JSON body") for place in places)
    route = ("json", *(places[0] if len(places) == 1 else ()))
    claim = Claim(route, not places, said, wrong)
    return _Part([claim], pretty(expected), pretty(narrowed(data, expected)))


def _form(request: HttpRequest) -> Pairs:
    """The entries of a form, as browsers encode it: in either way."""
    content_type = next((value for name, value in request.headers if name.lower() == "content-type"), "")
    if not content_type.lower().startswith("multipart/"):
        return parse_qsl(request.body, keep_blank_values=True)
    head = f"Content-Type: {content_type}\r\n\r\n".encode()
    message = message_from_bytes(head + request.body.encode("utf-8", "replace"))
    return [
        (str(part.get_param("name", header="content-disposition")), _content(part.get_payload(decode=True)))
        for part in message.walk()
        if not part.is_multipart()
    ]


def _content(payload: Any) -> str:
    return payload.decode("utf-8", "replace") if isinstance(payload, bytes) else ""


def _text(route: tuple[str, ...], what: str, mark: str, wanted: TextExpect, got: str) -> _Part:
    value = text_value(what, got)
    claims = list(under(route, value_claims(wanted, value)))
    return _Part(claims, mark + wanted_text(wanted, value), mark + got)


# -- shell --------------------------------------------------------------------------------------------------


def _process(expect: RequestExpect, request: ProcessRequest) -> Iterator[_Part]:
    if expect.argv is not None:
        yield _argv(expect.argv, request)
    if expect.cwd is not None:
        yield _text(("cwd",), "the working directory", "cwd ", expect.cwd, request.cwd)
    for name, wanted in expect.env.items():
        if name in request.env:
            yield _text(("env", name), f"the variable `{name}`", f"env {name}=", wanted, request.env[name])
        else:
            claim = Claim(("env", name), False, f"the variable `{name}` is set", f"the variable `{name}` is not set")
            yield _Part([claim], f"env {name}={wanted if isinstance(wanted, str) else '‹a value›'}", "")
    if expect.stdin is not None:
        yield _text(("stdin",), "standard input", "", expect.stdin, request.stdin)


def _argv(expected: Sequence[str], request: ProcessRequest) -> _Part:
    got = list(request.argv)
    said = f"the arguments are {brief(list(expected))}"
    wrong = f"the arguments are {brief(got)}, not {brief(list(expected))}"
    claim = Claim(("argv",), got == list(expected), said, wrong)
    return _Part([claim], *("\n".join(map(compact, side)) for side in (expected, got)))
