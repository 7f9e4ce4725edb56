"""What must be masked, and the masking: secrets as text, base64, URL-encoded and JSON-escaped.

A value is a secret when it came from the environment into a field that carries credentials (`spec/shape.py` finds
those). Short values are not masked: hiding every `a` would hide the text. `validate` warns about them.
"""

from __future__ import annotations

import base64
import json
import re
import sys
import urllib.parse
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

MIN_CHARS = 6
MASKED = "[secret]"

_PERCENT = re.compile("%[0-9A-F]{2}")
_STRAY_PERCENT = re.compile("%(?![0-9A-Fa-f]{2})")
_LINE_CHARS = 40
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]+")
_CODE_UNIT = re.compile(r"\\u[0-9a-f]{4}")


class Masker:
    """Hides every form of some secrets: those of the files, and tokens that come and go.

    Which forms a text holds is looked up first, since compiling them all, or searching for them all at once, takes
    long: fifty secrets have a thousand forms.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets = Counter(secrets)
        self._index()

    def add(self, token: str) -> None:
        """From now on it is hidden too."""
        self._secrets[token] += 1
        self._index()

    def discard(self, token: str) -> None:
        self._secrets = +(self._secrets - Counter([token]))
        self._index()

    def _index(self) -> None:
        forms = {form for secret in self._secrets if len(secret) >= MIN_CHARS for form in forms_of(secret)}
        self._forms = sorted(forms, key=lambda form: (-len(form), form))
        self._shortest = min(map(len, forms), default=sys.maxsize)
        self._breakable = {form for form in forms if _may_be_broken(form)}
        self._alphabetical = sorted(forms)
        self._alphabetical_breakable = sorted(self._breakable)
        self._first = re.compile("|".join(sorted({re.escape(form[0]) for form in forms})))

    def text(self, text: str) -> str:
        if len(text) < self._shortest:
            return text
        pattern = self._pattern(text)
        return text if pattern is None else pattern.sub(MASKED, text)

    def blanked(self, data: bytes) -> bytes:
        """The bytes of a file, as many as before: with others between them it would be none any more."""
        text = data.decode("utf-8", "surrogateescape") if self._forms else ""
        pattern = self._pattern(text)
        if pattern is None:
            return data
        hidden = pattern.sub(lambda found: "*" * len(found[0].encode("utf-8", "surrogateescape")), text)
        return hidden.encode("utf-8", "surrogateescape")

    def _pattern(self, text: str) -> re.Pattern[str] | None:
        """What finds the secrets of a text, the longest first. One that is part of the mask leaves the mask alone."""
        flat = _flat(text) if self._breakable else text
        found = [form for form in self._forms if form in text or (form in self._breakable and form in flat)]
        if not found:
            return None
        kept = [re.escape(MASKED)] if any(form in MASKED for form in found) else []
        return re.compile("|".join([*kept, *(self._matching(form) for form in found)]))

    def _matching(self, form: str) -> str:
        return r"(?:\r?\n)?".join(map(re.escape, form)) if form in self._breakable else re.escape(form)

    def data(self, value: Any) -> Any:
        """JSON data with every text in it masked, keys too. A number whose digits are a secret becomes text."""
        if not self._forms:
            return value
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.text(key): self.data(child) for key, child in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.data(child) for child in value]
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            digits = repr(value)  # as in JSON
            masked = self.text(digits)
            return value if masked == digits else masked
        return value

    def stream(self) -> StreamMasker:
        return StreamMasker(self)

    def settled(self, text: str) -> int:
        """How much of the beginning of a text is masked the same whatever follows it."""
        if not self._forms:
            return len(text)
        longest = len(self._forms[0])
        end = max(0, len(text) - (3 * longest if self._breakable else longest))  # with the ends of lines
        while (first := self._first.search(text, end)) is not None:
            end = first.start()
            if self._may_become_one(text[end:]):
                break
            end += 1
        else:
            return len(text)
        pattern = self._pattern(text)
        places = (found.span() for found in pattern.finditer(text)) if pattern else ()
        return next((stop for start, stop in places if start < end < stop), end)

    def _may_become_one(self, tail: str) -> bool:
        """Whether what follows could make a secret of the end of a text."""
        if _begins_one(tail, self._alphabetical):
            return True
        if not self._breakable or tail[0] in "\r\n":  # no line of one begins with the end of a line
            return False
        flat = _flat(tail)
        return len(flat) < len(tail) and _begins_one(flat, self._alphabetical_breakable)


class StreamMasker:
    """Masks a text that comes in pieces: what may become a secret waits for the next piece."""

    def __init__(self, masker: Masker) -> None:
        self._masker = masker
        self._waiting = ""

    def feed(self, text: str) -> str:
        whole = self._waiting + text
        end = self._masker.settled(whole)
        self._waiting = whole[end:]
        return self._masker.text(whole[:end])

    def flush(self) -> str:
        rest, self._waiting = self._waiting, ""
        return self._masker.text(rest)


def _begins_one(text: str, alphabetical: Sequence[str]) -> bool:
    """Whether one of them is longer, and begins so: in the order of the alphabet it stands right behind."""
    at = bisect_right(alphabetical, text)
    return at < len(alphabetical) and alphabetical[at].startswith(text)


def _may_be_broken(form: str) -> bool:
    """A long form that may be base64 may stand in lines, as the program `base64` prints it."""
    return len(form) >= _LINE_CHARS and _BASE64.fullmatch(form) is not None


def _flat(text: str) -> str:
    return text.replace("\r", "").replace("\n", "")


def forms_of(secret: str) -> set[str]:
    """The texts under which a secret may appear."""
    forms = {secret}
    for text in (secret, *secret.splitlines()):
        if len(text) < MIN_CHARS:
            continue
        forms.add(text)
        forms |= {*_url_forms(text), repr(text)[1:-1]}  # Python's exceptions quote so, as that of a missing key
        for escaped in _json_forms(text):
            forms |= {escaped, *_json_forms(escaped)}  # JSON in a text in JSON, as the arguments of a call are
        forms |= _base64_forms(text.encode())
    return forms


def _url_forms(text: str) -> set[str]:
    """As Python, browsers and forms encode it, in either case."""
    quoted = {urllib.parse.quote(text, safe=safe) for safe in ("", "/", "!*'()")} | {urllib.parse.quote_plus(text)}
    # Written into an address as it is, such as that of a redirect: only what no URL takes is encoded.
    quoted.add(_STRAY_PERCENT.sub("%25", urllib.parse.quote(text, safe="/%:@!$&'()*+,;=~?")))
    return quoted | {_PERCENT.sub(lambda found: found.group().lower(), one) for one in quoted}


def _json_forms(text: str) -> set[str]:
    """Inside the quotes: with or without escapes outside ASCII, in either case, and with `/` escaped as PHP does."""
    ascii_only = json.dumps(text)[1:-1]
    forms = {ascii_only, json.dumps(text, ensure_ascii=False)[1:-1]}
    forms.add(_CODE_UNIT.sub(lambda found: "\\u" + found.group()[2:].upper(), ascii_only))
    return forms | {one.replace("/", "\\/") for one in forms}


def _base64_forms(raw: bytes) -> set[str]:
    """Base64 of the secret wherever it begins in a longer text: the characters that only it decides."""
    forms: set[str] = set()
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + raw).decode()
        first = (before * 8 + 5) // 6
        last = (before + len(raw)) * 8 // 6
        core = encoded[first:last]
        if len(core) >= MIN_CHARS:
            forms |= {core, core.replace("+", "-").replace("/", "_")}
    return forms
