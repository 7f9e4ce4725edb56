"""Canaries: secrets that every encoding changes, services that echo them, and a detector of leaks.

The detector shares nothing with `agentrun.secrets`: it knows no forms of a secret, but decodes whatever it is given
and looks for what no text of agentrun holds.
"""

import base64
import json
import re
import urllib.parse

from loopback_http import Loopback, reply
from servers import Response

MARK = "CANARY"
_BEFORE, _AFTER = 'q"0\\1/2+3=4&5?6%7 8', '9"z\\y/x+w=v&u?t%s r'
_PIECE = 8


def canary(tag, *, shell=False):
    """A secret. One for `env` has also what no header can hold: another alphabet and a second line."""
    secret = f"{tag}{_BEFORE}{MARK}{_AFTER}{tag}"
    return f"{secret}é\n{tag}{_AFTER}é{MARK}{_BEFORE}" if shell else secret


# What stands in a text where a secret was cut: eight characters of its special part, wherever they begin.
_PIECES = {part[at : at + _PIECE] for part in (_BEFORE, _AFTER) for at in range(len(part) - _PIECE + 1)}

# -- the detector -------------------------------------------------------------------------------------------

_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|[\"'\\/nrtbf])")
_RUN = re.compile(r"[A-Za-z0-9+/_-]{8,}={0,2}")


def leak(text):
    """Where a secret can be read in a text: the characters around it; None where it can't."""
    text = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    seen, found = set(), [text]
    for _ in range(3):
        found = [one for reading in found for one in _readings(reading) if one not in seen and not seen.add(one)]
        for reading in found:
            at = reading.find(MARK)
            if at < 0 and (piece := _piece(reading)):
                at = reading.index(piece)
            if at >= 0:
                return reading[max(0, at - 60) : at + 60]
    return None


def _piece(text):
    starts = (found.start() for found in re.finditer(r'[q"0\\1/2+3=4&5?6%78 9zyxwvutsr]{8}', text))
    near = ({text[start + by : start + by + _PIECE] for by in range(_PIECE)} for start in starts)
    return next((piece for pieces in near for piece in pieces & _PIECES), None)


def _readings(text):
    yield text
    yield urllib.parse.unquote(text)
    yield urllib.parse.unquote_plus(text)
    yield _ESCAPE.sub(_unescaped, text)
    decoded = []
    for run in (run.rstrip("=") for one in (text, re.sub(r"\r?\n", "", text)) for run in _RUN.findall(one)):
        standard = run.replace("-", "+").replace("_", "/")
        for start in range(4):
            whole = standard[start:]
            whole = whole[: len(whole) // 4 * 4] if len(whole) % 4 == 1 else whole + "=" * (-len(whole) % 4)
            decoded.append(base64.b64decode(whole).decode("latin-1"))
    yield "\n".join(decoded)


def _unescaped(found):
    code = found.group(1)
    if code[0] in "ux":
        return chr(int(code[1:], 16))
    return {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}.get(code, code)


# -- encodings ----------------------------------------------------------------------------------------------


def _base64(before, encode=base64.b64encode, end=None):
    return lambda text: encode(b"?>~"[:before] + text.encode() + b">?~")[:end].decode()


def _lower_percents(text):
    return re.sub("%[0-9A-F]{2}", lambda found: found.group().lower(), text)


ENCODINGS = {
    "text": str,
    "json": json.dumps,
    "json-unicode": lambda text: json.dumps(text, ensure_ascii=False),
    "json-slash": lambda text: json.dumps(text).replace("/", "\\/"),
    "json-in-json": lambda text: json.dumps(json.dumps({"k": text})),
    "url": lambda text: urllib.parse.quote(text, safe=""),
    "url-lower": lambda text: _lower_percents(urllib.parse.quote(text, safe="")),
    "url-path": urllib.parse.quote,
    "url-path-lower": lambda text: _lower_percents(urllib.parse.quote(text)),
    "form": urllib.parse.quote_plus,
    "form-lower": lambda text: _lower_percents(urllib.parse.quote_plus(text)),
    **{f"base64-{before}": _base64(before) for before in range(4)},
    **{f"base64-url-{before}": _base64(before, base64.urlsafe_b64encode) for before in range(4)},
    "base64-unpadded": lambda text: base64.b64encode(text.encode()).decode().rstrip("="),
}


def in_every_encoding(texts, between="\n"):
    return between.join(encode(text) for text in texts for encode in ENCODINGS.values())


# -- services -----------------------------------------------------------------------------------------------

ERROR_BYTES = 64 * 1024
CUTS = (4, 2, 1)  # the cut falls behind a quarter, a half and the whole but its last character


def received(arrived):
    """The credentials of a request, as texts."""
    _, _, query = arrived.target.partition("?")
    texts = [value for name, value in arrived.headers if MARK in value or name.lower() == "authorization"]
    texts += [value for _, value in urllib.parse.parse_qsl(query) if MARK in value]
    for scheme, _, value in [text.partition(" ") for text in texts]:
        if scheme == "Basic":
            texts.append(base64.b64decode(value).decode().partition(":")[2])
    return [text.removeprefix("Bearer ") for text in texts]


def _success(texts, _):
    return reply(body=in_every_encoding(texts))


def _json(status):
    return lambda texts, _: reply(
        status,
        json.dumps({"said": texts, texts[0]: [in_every_encoding(texts)]}),
        content_type="application/json",
    )


def _error(status):
    return lambda texts, _: reply(status, in_every_encoding(texts), content_type="text/html")


def _cut(texts, encoding):
    """Longer than what is read of an error, which ends inside a secret."""
    name, part = encoding.rsplit(":", 1)
    told = ENCODINGS[name](texts[-1])
    kept = len(told) // int(part) - (part == "1")
    lead = "." * (ERROR_BYTES - len(told.encode()[:kept]))
    return reply(400, lead + told + "." * 100)


def _headers(texts, _):
    echoed = in_every_encoding(texts, " ").replace("\n", " ")
    encodings = [encode for name, encode in ENCODINGS.items() if not name.startswith("json")]
    links = ", ".join(f'<?k={encode(texts[0])}>; rel="r{index}"' for index, encode in enumerate(encodings))
    return reply(headers=[("X-Echo", echoed), ("Link", links), ("ETag", texts[0])])


def _redirect(before, encode="url"):
    return lambda texts, _: reply(302, headers=[("Location", before + ENCODINGS[encode](texts[0]))])


def _page(texts, _):
    told = ENCODINGS["url"](texts[0])
    return reply(
        body=json.dumps({"items": texts, "cursor": texts[0]}),
        content_type="application/json",
        headers=[("Link", f'</page/x?k={told}>; rel="next"')],
    )


CASES = {
    "success": _success,
    "success-json": _json(200),
    **{f"error-{status}": _error(status) for status in (400, 401, 403, 404, 500)},
    "error-json": _json(422),
    "cut": _cut,
    "headers": _headers,
    "redirect-same": _redirect("/success/x?k="),
    "redirect-again": _redirect("/redirect-again/x?k="),
    "redirect-elsewhere": _redirect("http://elsewhere.example/?k="),
    "redirect-elsewhere-base64": _redirect("http://elsewhere.example/?k=", "base64-url-1"),
    "redirect-path": _redirect("http://elsewhere.example/", "url-path-lower"),
    "redirect-nowhere": _redirect("http://[", "text"),
    "redirect-scheme": _redirect("", "text"),
    "page": _page,
    "broken-status": lambda texts, _: f"HTTP/1.1 {texts[0]}\r\n\r\n".encode(),
    "broken-version": lambda texts, _: f"{texts[0]}\r\n\r\n".encode(),
    "broken-header": lambda texts, _: f"HTTP/1.1 200 OK\r\n{texts[0]}\r\n\r\n".encode(),
    "broken-length": lambda texts, _: f"HTTP/1.1 200 OK\r\nContent-Length: {texts[0]}\r\n\r\n".encode(),
    "broken-chunk": lambda texts, _: f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{texts[0]}\r\n".encode(),
    "broken-encoding": lambda texts, _: reply(body=texts[0], headers=[("Content-Encoding", "gzip")]),
    "unknown-encoding": lambda texts, _: reply(body=texts[0], headers=[("Content-Encoding", texts[0])]),
    "reason": lambda texts, _: f"HTTP/1.1 500 {texts[0]}\r\nContent-Length: 0\r\n\r\n".encode(),
    "binary": lambda texts, _: reply(body=b"\0" + texts[0].encode(), content_type=f"image/{texts[0]}"),
    "retry-after": lambda texts, _: reply(429, headers=[("Retry-After", texts[0])]),
}


def echoing_service(token):
    """`/CASE/ENCODING` answers with the credentials that came. `/token` gives `token`, `/no-token` an error."""

    def answer(arrived):
        path = arrived.target.partition("?")[0]
        if path == "/token":
            body = json.dumps({"access_token": token, "token_type": "bearer"})
            return reply(body=body, content_type="application/json")
        texts = received(arrived)
        if path == "/no-token":
            secret = urllib.parse.unquote_plus(texts[0])
            told = {"error": "invalid_scope", "error_description": in_every_encoding([secret])}
            return reply(400, json.dumps(told), content_type="application/json")
        case, _, encoding = path[1:].partition("/")
        return CASES[case](texts, urllib.parse.unquote(encoding))

    return Loopback(answer)


def model_error(status, secret):
    body = {"error": {"message": secret, "type": secret, "code": secret, "param": secret}}
    return Response([json.dumps(body).encode()], status, "application/json", {"retry-after": "0", "x-id": secret})
