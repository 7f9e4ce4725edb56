"""From an answer's bytes to what the model and `output` see. Pure; the bytes are hostile.

JSON becomes data, text becomes text, all else is named by type and size instead of shown as garbage.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable
from typing import Any

import msgspec

from agentrun.tools.network import Answer
from agentrun.tools.url import BadUrl, Url, join_url

_MAX_DEPTH = 64  # what comes after recurses

_MEDIA_TYPE = re.compile(r"\s*([\w.+-]{1,64}/[\w.+-]{1,64})")
_CHARSET = re.compile(r"""charset\s*=\s*["']?([\w.:-]{1,40})""", re.IGNORECASE)
_TEXT_TYPE = re.compile(r"text/.*|.*[/+](json|xml)|application/(javascript|x-www-form-urlencoded|x-ndjson|(x-)?yaml)")
# Python has text codecs that are no charsets, and some of them take quadratic time.
_CHARSET_NAMES = re.compile(
    r"utf-?(8|16|32).*|ascii|iso8859.*|cp\d+|koi8.*|gb\w*|big5.*|shift_?jis.*|euc_.*|iso2022.*|mac-.*|tis-620"
)
_LINK = re.compile(r'<([^<>]*)>((?:[^",]|"[^"]*")*)')
_REL = re.compile(r';\s*rel\s*=\s*(?:"([^"]*)"|([^\s";,]*))', re.IGNORECASE)


def body_value(answer: Answer) -> Any:
    """JSON data, text, or a note like `<image/png, 12345 bytes>`."""
    content_type = answer.header("content-type") or ""
    media_type = _media_type(content_type)
    if answer.encoding is not None:
        return f"<{media_type or 'unknown type'}, {len(answer.content)} bytes in an encoding that was not asked for>"
    if not answer.content:
        return ""
    if media_type.endswith(("/json", "+json")):
        data = _json(answer.content)
        if data is not msgspec.UNSET:
            return data
    text = _text(answer, media_type, _charset(content_type))
    return f"<{media_type or 'unknown type'}, {len(answer.content)} bytes>" if text is None else text


def error_body(answer: Answer, mask_beginning: Callable[[str], str]) -> Any:
    """A failure's body. One that was cut off is text, and says so."""
    value = body_value(answer)
    if answer.complete:
        return value
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return mask_beginning(text) + "… (cut off)"


def joined_headers(answer: Answer) -> dict[str, str]:
    return {name: answer.header(name) or "" for name, _ in answer.headers}


def links(answer: Answer, url: Url) -> dict[str, str]:
    """The `Link` header: relation to absolute URL."""
    found: dict[str, str] = {}
    for link in _LINK.finditer(answer.header("link") or ""):
        relation = _REL.search(link.group(2))
        try:
            target = str(join_url(url, link.group(1)))
        except BadUrl:
            continue
        for name in (relation.group(1) or relation.group(2) or "").lower().split() if relation else ():
            found.setdefault(name, target)
    return found


def _media_type(content_type: str) -> str:
    found = _MEDIA_TYPE.match(content_type)
    return found.group(1).lower() if found else ""


def _charset(content_type: str) -> str | None:
    found = _CHARSET.search(content_type)
    if not found:
        return None
    try:
        name = codecs.lookup(found.group(1)).name
    except LookupError:
        return None
    return name if _CHARSET_NAMES.fullmatch(name) else None


def _json(content: bytes) -> Any:
    """UNSET where it doesn't parse, or holds what couldn't be sent on: half a surrogate pair, NaN, endless depth."""
    try:
        data = msgspec.json.decode(content.removeprefix(codecs.BOM_UTF8))
    except (msgspec.DecodeError, RecursionError):
        return msgspec.UNSET
    return msgspec.UNSET if _is_deeper(data, _MAX_DEPTH) else data


def _is_deeper(data: Any, levels: int) -> bool:
    layer = [data]
    for _ in range(levels + 1):
        layer = [
            child
            for one in layer
            if isinstance(one, (dict, list))
            for child in (one.values() if isinstance(one, dict) else one)
        ]
        if not layer:
            return False
    return True


def _text(answer: Answer, media_type: str, charset: str | None) -> str | None:
    """None for what is no text. A type that promises nothing is text if it reads as UTF-8."""
    wide = charset is not None and charset.startswith(("utf-16", "utf-32"))
    if b"\0" in answer.content and not wide:
        return None
    is_text = charset is not None or _TEXT_TYPE.fullmatch(media_type) is not None
    decoder = codecs.getincrementaldecoder(charset or "utf-8")("replace" if is_text else "strict")
    try:
        return decoder.decode(answer.content, final=answer.complete).removeprefix("\ufeff")
    except UnicodeDecodeError:
        return None
