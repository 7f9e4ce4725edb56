"""Files that are attached to a user message, as content parts of the chat API; made here, and read back from messages.

Pure. An image has a text part before it: the chat form has no other place for its name, and people speak of files by
their names. A text file is a text part between two marks that can't stand in the file, so that nothing in it reads like
the user's words. The user's own text is the last part.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from agentrun.engine.media import HEADER_BYTES, Pixels, image_tokens, pdf_tokens, pixels

Part = Mapping[str, Any]

PDF = "application/pdf"
TEXT = "text/plain"
KINDS = {
    "image/png": "PNG",
    "image/jpeg": "JPEG",
    "image/gif": "GIF",
    "image/webp": "WebP",
    PDF: "PDF",
    TEXT: "text",
}

_IMAGE = re.compile(r'Attached image: ("(?:[^"\\]|\\.)*")')
_FILE = re.compile(
    r'<attached_file id="([0-9a-f]+)" name=("(?:[^"\\]|\\.)*")>\n(.*)\n</attached_file id="\1">', re.DOTALL
)
_DATA_URL = re.compile(r"data:([\w.+/-]*)(?:;[\w-]+=[^;,]*)*;base64,", re.IGNORECASE)
_STAND_IN = re.compile(r"data:([\w.+/-]*) \((\d+) bytes, sha256 [0-9a-f]{64}\)")
_KEPT_CHARS = 256  # a data URL up to this length is as readable as what would stand for it
_BYTES_PER_TOKEN = 4


class Masked(Protocol):
    """What hides secrets: in data, and in the bytes of a file."""

    def data(self, value: Any) -> Any: ...
    def blanked(self, data: bytes) -> bytes: ...


class Attachment(msgspec.Struct, frozen=True):
    """One file. `parts` are what the model gets of it, in order."""

    name: str
    media_type: str
    size_bytes: int
    parts: tuple[Part, ...]
    pixels: Pixels | None = None


def image(name: str, media_type: str, data: bytes) -> Attachment:
    parts = (
        {"type": "text", "text": f"Attached image: {_quoted(name)}"},
        {"type": "image_url", "image_url": {"url": data_url(media_type, data)}},
    )
    return Attachment(name, media_type, len(data), parts, pixels(data))


def pdf(name: str, data: bytes) -> Attachment:
    file = {"filename": name, "file_data": data_url(PDF, data)}
    return Attachment(name, PDF, len(data), ({"type": "file", "file": file},))


def text_file(name: str, text: str) -> Attachment:
    """The mark is made of the text, so that the same file is the same bytes each time."""
    mark = hashlib.sha256(text.encode()).hexdigest()[:16]
    while mark in text:
        mark = hashlib.sha256(mark.encode()).hexdigest()[:16]
    framed = f'<attached_file id="{mark}" name={_quoted(name)}>\n{text}\n</attached_file id="{mark}">'
    return Attachment(name, TEXT, len(text.encode()), ({"type": "text", "text": framed},))


def data_url(media_type: str, data: bytes) -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


def described(attachment: Attachment) -> str:
    """`shot.png (PNG 800 × 600, 120 KB)`."""
    kind = KINDS.get(attachment.media_type, attachment.media_type or "file")
    size = f" {attachment.pixels[0]} × {attachment.pixels[1]}" if attachment.pixels else ""
    return f"{attachment.name} ({kind}{size}, {size_in_words(attachment.size_bytes)})"


def size_in_words(count: int) -> str:
    if count < 1000:
        return "1 byte" if count == 1 else f"{count} bytes"
    if count < 999_500:
        return f"{count / 1000:.0f} KB"
    return f"{count / 1e6:.1f}".removesuffix(".0") + " MB"


# -- read back from a message -----------------------------------------------------------------------------------------


def attachments_in(content: Any) -> list[Attachment]:
    """The files of a user message's content, in order."""
    if not isinstance(content, list):
        return []
    before = content[:-1] if content and _text(content[-1]) is not None else content
    return files_in(before)


def files_in(parts: Sequence[Any]) -> list[Attachment]:
    """The files that parts were made of."""
    return list(_attachments(parts))


def _attachments(parts: Sequence[Any]) -> Iterator[Attachment]:
    named: Part | None = None
    for part in parts:
        if (text := _text(part)) is not None:
            named = part if _IMAGE.fullmatch(text) else None
            if found := _FILE.fullmatch(text):
                yield Attachment(_unquoted(found[2]), TEXT, len(found[3].encode("utf-8", "replace")), (part,))
        elif (url := url_in(part)) is not None:
            media_type, size = _type_and_size(url)
            if part.get("type") == "file":
                file = part["file"]
                name = str((isinstance(file, dict) and file.get("filename")) or "file")
                yield Attachment(name, media_type, size, (part,))
            else:
                found = _IMAGE.fullmatch(str(named["text"])) if named else None
                name, whole = (_unquoted(found[1]), (named, part)) if named and found else ("image", (part,))
                yield Attachment(name, media_type, size, whole, pixels(_beginning(url)))
            named = None


def own_text(content: Any) -> str:
    """What the user said beside the files."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    files = [part for one in attachments_in(parts) for part in one.parts]
    texts = (_text(part) for part in parts if not any(part is file for file in files))
    return "\n".join(text for text in texts if text)


def url_in(part: Any) -> str | None:
    """The data URL of an image or file part, or what stands for it."""
    inner = part.get(part["type"]) if isinstance(part, dict) and part.get("type") in ("image_url", "file") else None
    url = inner if isinstance(inner, str) else None
    if isinstance(inner, dict):
        url = inner.get("url") if part["type"] == "image_url" else inner.get("file_data")
    return url if isinstance(url, str) and url[:5].lower() == "data:" else None


def bytes_and_tokens(content: Any) -> tuple[int, int]:
    """How many bytes of a message's JSON are base64, and the tokens of what they say."""
    count = tokens = 0
    for part in content if isinstance(content, list) else ():
        url = url_in(part)
        if url is None:
            continue
        count += len(url)
        if part.get("type") == "file":
            data = _decoded(url)
            tokens += pdf_tokens(data) if data.startswith(b"%PDF-") else -(-len(data) // _BYTES_PER_TOKEN)
        else:
            tokens += image_tokens(pixels(_beginning(url)))
    return count, tokens


# -- the form that is kept where people read it -----------------------------------------------------------------------


def without_bytes(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """A message with its long data URLs replaced by their type, size and SHA-256: the same bytes are the same text."""
    content = data.get("content")
    if not isinstance(content, list) or all(_is_short(part) for part in content):
        return data
    return {**data, "content": [part if _is_short(part) else _shortened(part) for part in content]}


def _is_short(part: Any) -> bool:
    return len(url_in(part) or "") <= _KEPT_CHARS


def _shortened(part: Part) -> Part:
    url = url_in(part) or ""
    raw = _decoded(url)
    found = _DATA_URL.match(url)
    short = f"data:{found[1] if found else ''} ({len(raw)} bytes, sha256 {hashlib.sha256(raw).hexdigest()})"
    return _with_url(part, short)


def without_secrets(data: Mapping[str, Any], mask: Masked) -> Mapping[str, Any]:
    """A message with secrets hidden. A file stays one: its base64 is no text, which may look like a secret by chance;
    of its bytes those that are a secret are blanked.
    """
    content = data.get("content")
    if not isinstance(content, list):
        hidden: Mapping[str, Any] = mask.data(data)
        return hidden
    rest = mask.data({key: value for key, value in data.items() if key != "content"})
    return {**rest, "content": [_hidden(part, mask) for part in content]}


def _hidden(part: Any, mask: Masked) -> Any:
    url = url_in(part)
    found = None if url is None else _DATA_URL.match(url)
    if url is None or found is None:
        return mask.data(part)
    raw = _decoded(url)
    blanked = mask.blanked(raw)
    if blanked != raw:
        url = found[0] + base64.b64encode(blanked).decode()
    return _with_url(mask.data(_with_url(part, "")), url)


def _with_url(part: Part, url: str) -> Part:
    kind, key = part["type"], "url" if part["type"] == "image_url" else "file_data"
    return {**part, kind: {**part[kind], key: url} if isinstance(part[kind], dict) else url}


def _text(part: Any) -> str | None:
    is_text = isinstance(part, dict) and part.get("type") == "text" and isinstance(part.get("text"), str)
    return str(part["text"]) if is_text else None


def _type_and_size(url: str) -> tuple[str, int]:
    if short := _STAND_IN.fullmatch(url):
        return short[1], int(short[2])
    found = _DATA_URL.match(url)
    if found is None:
        return "", len(url)
    encoded = len(url) - found.end()
    return found[1].lower(), encoded * 3 // 4 - url[-2:].count("=")


def _beginning(url: str) -> bytes:
    found = _DATA_URL.match(url)
    start = found.end() if found else len(url)
    return _base64(url[start : start + HEADER_BYTES // 3 * 4])


def _decoded(url: str) -> bytes:
    found = _DATA_URL.match(url)
    return _base64(url[found.end() :]) if found else url.encode("utf-8", "replace")


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(text[: len(text) // 4 * 4])
    except (binascii.Error, ValueError):
        return text.encode("utf-8", "replace")


def _quoted(name: str) -> str:
    return json.dumps(name, ensure_ascii=False)


def _unquoted(written: str) -> str:
    try:
        return str(json.loads(written))
    except ValueError:
        return written
