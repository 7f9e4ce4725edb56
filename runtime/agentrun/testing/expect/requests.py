"""What a tool sent or ran, beside what a case expects of it: `RequestExpect`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from email import message_from_bytes
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from agentrun.engine.arguments import parse_json
from agentrun.secrets import MASKED
from agentrun.spec.case_types import RequestExpect, TextExpect
from agentrun.spec.subset import differing, narrowed
from agentrun.testing.expect.claims import Claim, broken, under
from agentrun.testing.expect.made import Made
from agentrun.testing.expect.shown import brief, compact, joined, path, pretty
from agentrun.testing.expect.value import text_value
from agentrun.testing.expect.values import place_problem, value_claims, wanted_text
from agentrun.testing.observed import HttpRequest, ObservedCall, ProcessRequest, ToolRequest

_SHELL_KEYS = ("argv", "cwd", "env", "stdin")
_NOT_RUN = ("denied", "unknown_tool", "invalid_arguments", "limit", "interrupted")
Pairs = Sequence[tuple[str, str]]
Scalars = Mapping[str, Any]


class _Part(msgspec.Struct, frozen=True):
    """A part of a request and what is `wanted` of it: its claims, and the lines that show it on either side."""

    wanted: Any
    claims: Sequence[Claim]
    expected: str
    got: str


def request_claim(expect: RequestExpect, made: Made) -> Claim:
    """One request of the call is as expected, in all that is written."""
    call = made.call
    said = f"a request of `{call.name}` is as expected"
    if not call.requests:
        return Claim(("request",), False, said, _why_none(call))
    compared = [
        list(map(_without_secrets, _parts(expect, shown), _parts(expect, sent)))
        for shown, sent in zip(call.requests, made.sent, strict=True)
    ]
    wrong = [broken(claim for part in parts for claim in part.claims) for parts in compared]
    lacking = [sum(bool(part.expected and not part.got) for part in parts) for parts in compared]
    closest = min(range(len(wrong)), key=lambda index: (len(wrong[index]), lacking[index]))
    claims = wrong[closest]
    told = joined(claim.wrong for claim in claims)
    if len(wrong) > 1:
        told = f"none of the {len(wrong)} requests of `{call.name}` is as expected; of the closest, {told}"
    route = ("request", *claims[0].route) if len(claims) == 1 else ("request",)
    shown = [part for part in compared[closest] if part.expected or part.got]
    expected, got = "\n".join(part.expected for part in shown), "\n".join(part.got for part in shown)
    return Claim(route, not claims, said, told, expected, got)


def _why_none(call: ObservedCall) -> str:
    if call.error in _NOT_RUN:
        return f"`{call.name}` sent nothing: the call was not made (`{call.error}`)"
    known = "only requests of http and shell tools are seen, and none of calls that a cassette replays"
    return f"what `{call.name}` sent is not known: {known}"


def _without_secrets(shown: _Part, sent: _Part) -> _Part:
    """What was sent decides, but for an author who writes `[secret]` for any. No word of it is told: `shown` is masked.

    Both are the same part of one request.
    """
    if MASKED in repr(shown.wanted):
        return shown
    if not broken(sent.claims):
        return msgspec.structs.replace(shown, claims=(), expected=shown.got)
    if broken(shown.claims):
        return shown
    claims = [
        Claim(one.route, False, one.said, f"`{path(one.route)}` is not as expected, in what is shown as {MASKED}")
        for one in broken(sent.claims)
    ]
    return msgspec.structs.replace(shown, claims=claims)


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
            yield _Part(None, [Claim((key,), False, f"it has `{key}`", wrong)], "", "")


# -- http ---------------------------------------------------------------------------------------------------


def _http(expect: RequestExpect, request: HttpRequest) -> Iterator[_Part]:
    yield _first_line(expect, request)
    yield from _pairs("query", expect.query, request.query)
    for name, wanted in expect.headers.items():
        yield _header(name, wanted, request)
    if expect.json is not None:
        yield _json(expect.json, request)
    if expect.form:
        yield from _form(expect.form, request)
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
    wanted = (expect.method, expect.url)
    return _Part(wanted, claims, f"{method} {url}", f"{request.method} {request.url}")


def _pairs(key: str, expect: Scalars, pairs: Pairs) -> Iterator[_Part]:
    for name, wanted in expect.items():
        found = [value for other, value in pairs if other == name]
        texts = [_as_text(one) for one in wanted] if isinstance(wanted, list) else [_as_text(wanted)]
        whose = f"`{name}` of the {key}"
        wrong = f"{whose} is {_listed(found)}, not {_listed(texts)}" if found else f"{whose} is not there"
        expected, got = ("\n".join(f"{key} {name}={one}" for one in side) for side in (texts, found))
        claim = Claim((key, name), found == texts, f"{whose} is {_listed(texts)}", wrong)
        yield _Part(wanted, [claim], expected, got)


def _as_text(scalar: Any) -> str:
    """As a query or a form has it."""
    return scalar if isinstance(scalar, str) else compact(scalar)


def _listed(values: Sequence[str]) -> str:
    return brief(values[0]) if len(values) == 1 else brief(list(values))


def _header(name: str, wanted: TextExpect, request: HttpRequest) -> _Part:
    """Of a header that was sent more than once, one is enough."""
    values = [value for other, value in request.headers if other.lower() == name.lower()]
    if not values:
        return _missing(("headers", name), f"the header `{name}` was", "sent", f"{name}: ", wanted)
    parts = [_text(("headers", name), f"the header `{name}`", f"{name}: ", wanted, value) for value in values]
    return min(parts, key=lambda part: len(broken(part.claims)))


def _json(expected: Any, request: HttpRequest) -> _Part:
    said = f"the JSON body has {brief(expected)}"
    try:
        data = parse_json(request.body)
    except ValueError:
        wrong = f"the body is no JSON, but {_kind(request)}"
        return _Part(expected, [Claim(("json",), False, said, wrong)], pretty(expected), request.body)
    places = list(differing(data, expected))
    wrong = joined(place_problem(data, expected, place, "the JSON body") for place in places)
    route = ("json", *(places[0] if len(places) == 1 else ()))
    claim = Claim(route, not places, said, wrong)
    return _Part(expected, [claim], pretty(expected), pretty(narrowed(data, expected)))


def _form(expect: Scalars, request: HttpRequest) -> Iterator[_Part]:
    kind = _content_type(request).partition(";")[0].strip().lower()
    if kind in ("", "application/x-www-form-urlencoded") or kind.startswith("multipart/"):
        yield from _pairs("form", expect, _entries(request))
    else:
        claim = Claim(("form",), False, "the body is a form", f"the body is no form, but {_kind(request)}")
        yield _Part(expect, [claim], "", request.body)


def _content_type(request: HttpRequest) -> str:
    return next((value for name, value in request.headers if name.lower() == "content-type"), "")


def _kind(request: HttpRequest) -> str:
    """What a body is that is not what was expected."""
    return (_content_type(request).partition(";")[0].strip() or "text") if request.body else "empty"


def _entries(request: HttpRequest) -> Pairs:
    """Those of a form, as browsers encode it: in either way."""
    content_type = _content_type(request)
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
    return _Part(wanted, claims, mark + wanted_text(wanted, value), mark + got)


def _missing(route: tuple[str, ...], what: str, done: str, mark: str, wanted: TextExpect) -> _Part:
    claim = Claim(route, False, f"{what} {done}", f"{what} not {done}")
    return _Part(wanted, [claim], mark + (wanted if isinstance(wanted, str) else "‹a value›"), "")


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
            yield _missing(("env", name), f"the variable `{name}` is", "set", f"env {name}=", wanted)
    if expect.stdin is not None:
        yield _text(("stdin",), "standard input", "", expect.stdin, request.stdin)


def _argv(expected: Sequence[str], request: ProcessRequest) -> _Part:
    got = list(request.argv)
    said = f"the command is {brief(list(expected))}"
    wrong = f"the command is {brief(got)}, not {brief(list(expected))}"
    claim = Claim(("argv",), got == list(expected), said, wrong)
    return _Part(expected, [claim], *("\n".join(map(compact, side)) for side in (expected, got)))
