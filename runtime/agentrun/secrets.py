"""What must be masked, and the masking: secrets as text, base64, URL-encoded and JSON-escaped.

A value is a secret when it came from the environment into a field that carries credentials (`spec/check.py` finds
those). Short values are not masked: hiding every `a` would hide the text. `validate` warns about them.
"""

from __future__ import annotations

import base64
import itertools
import json
import re
import urllib.parse
from collections.abc import Iterable, Iterator
from typing import Any

MIN_CHARS = 6
MASKED = "[secret]"

_PERCENT = re.compile("%[0-9A-F]{2}")
_STRAY_PERCENT = re.compile("%(?![0-9A-Fa-f]{2})")
_LINE_CHARS = 40
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]+")
_CODE_UNIT = re.compile(r"\\u[0-9a-f]{4}")


class Masker:
    """Hides every form of some secrets.

    Those of the files are known from the start and make one pattern. Tokens come and go while others wait, and
    compiling takes long: their forms are looked for one by one.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._forms = _forms_of_all(secrets)
        self._pattern = re.compile("|".join(map(_pattern, self._forms))) if self._forms else None
        self._tokens: dict[str, list[str]] = {}
        self._index()

    def add(self, token: str) -> None:
        """From now on it is hidden too."""
        self._tokens[token] = _forms_of_all([token])
        self._index()

    def discard(self, token: str) -> None:
        self._tokens.pop(token, None)
        self._index()

    def _index(self) -> None:
        forms = sorted({*self._forms, *itertools.chain(*self._tokens.values())}, key=_longest_first)
        self._longest = len(forms[0]) if forms else 0
        self._by_first: dict[str, list[str]] = {}
        for form in forms:
            self._by_first.setdefault(form[0], []).append(form)

    def text(self, text: str) -> str:
        if self._pattern is not None:
            text = self._pattern.sub(MASKED, text)
        for forms in self._tokens.values():
            for form in forms:
                text = text.replace(form, MASKED)
        return text

    def data(self, value: Any) -> Any:
        """JSON data with every text in it masked, keys too. A number whose digits are a secret becomes text."""
        if not self._longest:
            return value
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.text(key): self.data(child) for key, child in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.data(child) for child in value]
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            digits = json.dumps(value)
            masked = self.text(digits)
            return value if masked == digits else masked
        return value

    def stream(self) -> StreamMasker:
        return StreamMasker(self)

    def settled(self, text: str) -> int:
        """How much of the beginning of a text is masked the same whatever follows it."""
        waiting = (
            at
            for at in range(max(0, len(text) - self._longest + 1), len(text))
            if any(
                form.startswith(text[at:]) and len(form) > len(text) - at for form in self._by_first.get(text[at], ())
            )
        )
        end = next(waiting, len(text))
        return next((stop for start, stop in self._places(text) if start < end < stop), end)

    def _places(self, text: str) -> Iterator[tuple[int, int]]:
        if self._pattern is not None:
            yield from (found.span() for found in self._pattern.finditer(text))
        for form in itertools.chain(*self._tokens.values()):
            at = text.find(form)
            while at >= 0:
                yield at, at + len(form)
                at = text.find(form, at + 1)


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


def _forms_of_all(secrets: Iterable[str]) -> list[str]:
    forms = {form for secret in secrets if len(secret) >= MIN_CHARS for form in forms_of(secret)}
    return sorted(forms, key=_longest_first)


def _longest_first(form: str) -> tuple[int, str]:
    return -len(form), form


def _pattern(form: str) -> str:
    """A long one that may be base64 may be broken into lines, as the program `base64` does it."""
    if len(form) < _LINE_CHARS or not _BASE64.fullmatch(form):
        return re.escape(form)
    return r"(?:\r?\n)?".join(map(re.escape, form))


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
