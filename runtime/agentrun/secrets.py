"""What must be masked, and the masking: secrets as text, base64, URL-encoded and JSON-escaped.

A value is a secret when it came from the environment into a field that carries credentials (`spec/check.py` finds
those). Short values are not masked: hiding every `a` would hide the text. `validate` warns about them.
"""

from __future__ import annotations

import base64
import json
import re
import urllib.parse
from collections.abc import Iterable
from typing import Any

MIN_CHARS = 6
MASKED = "[secret]"


class Masker:
    """Hides every form of some secrets."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        forms = {form for secret in secrets if len(secret) >= MIN_CHARS for form in forms_of(secret)}
        self._forms = sorted(forms, key=lambda form: (-len(form), form))
        self._pattern = re.compile("|".join(map(re.escape, self._forms))) if forms else None

    def text(self, text: str) -> str:
        return text if self._pattern is None else self._pattern.sub(MASKED, text)

    def data(self, value: Any) -> Any:
        """JSON data with every text in it masked, keys too."""
        if self._pattern is None:
            return value
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.text(key): self.data(child) for key, child in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.data(child) for child in value]
        return value

    def stream(self) -> StreamMasker:
        return StreamMasker(self)

    def held_back(self, text: str) -> int:
        """How many characters at the end of a text may be the beginning of a secret."""
        if not self._forms:
            return 0
        longest = len(self._forms[0])
        for size in range(min(longest - 1, len(text)), 0, -1):
            tail = text[-size:]
            if any(form.startswith(tail) for form in self._forms):
                return size
        return 0


class StreamMasker:
    """Masks a text that comes in pieces: what may become a secret waits for the next piece."""

    def __init__(self, masker: Masker) -> None:
        self._masker = masker
        self._waiting = ""

    def feed(self, text: str) -> str:
        whole = self._masker.text(self._waiting + text)
        held = self._masker.held_back(whole)
        self._waiting = whole[len(whole) - held :]
        return whole[: len(whole) - held]

    def flush(self) -> str:
        rest, self._waiting = self._waiting, ""
        return rest


def forms_of(secret: str) -> set[str]:
    """The texts under which a secret may appear."""
    forms = {secret}
    for text in (secret, *secret.splitlines()):
        if len(text) < MIN_CHARS:
            continue
        forms.add(text)
        forms |= {urllib.parse.quote(text, safe=""), urllib.parse.quote(text), urllib.parse.quote_plus(text)}
        forms |= {json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]}
        forms |= _base64_forms(text.encode())
    return forms


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
