"""What keeps two texts apart that look alike: a reader would look for it in vain. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator

import msgspec

_MAX_CHARS = 100_000
_SIGNS = str.maketrans(
    {sign: plain for plain, signs in {"'": "‘’‚‛′", '"': "“”„‟″«»", "-": "‐‒–—―−"}.items() for sign in signs}
)


class Difference(msgspec.Struct, frozen=True):
    """`fold` makes two texts one that differ in nothing else. `told` says so, `with_it` how a part would be found."""

    fold: Callable[[str], str]
    told: str
    with_it: str


def _spaced(text: str) -> str:
    return " ".join(text.split())


def _composed(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _plain(text: str) -> str:
    """Without characters that can't be seen, and with the quotes and dashes of a keyboard."""
    seen = (char for char in unicodedata.normalize("NFKC", text) if unicodedata.category(char) != "Cf")
    return _spaced("".join(seen).translate(_SIGNS))


_DIFFERENCES = (
    Difference(str.strip, "only white space around it differs", "with other white space it does"),
    Difference(_spaced, "only white space differs", "with other white space it does"),
    Difference(
        str.casefold,
        "only large and small letters differ",
        "in large and small letters alike it does: `icontains`",
    ),
    Difference(
        _composed,
        "only the form of accented letters differs (Unicode's NFC and NFD)",
        "with accented letters in Unicode's other form (NFC, NFD) it does",
    ),
    Difference(
        _plain,
        "only signs differ that look alike, such as quotes and dashes, or that can't be seen",
        "with other quotes, dashes or spaces it does",
    ),
)


def differences(text: str) -> Iterator[Difference]:
    """Those to be looked for; none in long texts, where that takes long."""
    return iter(_DIFFERENCES if len(text) <= _MAX_CHARS else ())


def only(written: str, text: str) -> str:
    """The end of a message about two texts; empty where they differ in more."""
    found = (one.told for one in differences(text) if one.fold(written) == one.fold(text))
    told = next(found, None)
    return f": {told}" if told else ""
