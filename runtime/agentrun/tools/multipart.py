"""The `multipart` body of an http tool: texts, data and files as parts, encoded by httpx2.

A part whose argument was left out is not sent. What a value holds can't end a part: the boundary is random, and
names are escaped. Which files may be read is `files.py`'s.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from agentrun.errors import ToolFailure, UsageError
from agentrun.spec.types import PartSpec, Scalar
from agentrun.templates import Absent, Template, compile_template, to_text
from agentrun.tools.data_templates import Shape, compile_data, render, templates_of
from agentrun.tools.files import MAX_BYTES, read_below, read_own

_MEDIA_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+(?:\s*;\s*[\w-]+=[\w.+-]+)*", re.ASCII)
_JSON = "application/json"
_PART_BYTES = 200  # of a part without its content

Sent = tuple[str | None, bytes, str | None]  # filename, content, media type


class FilePart(msgspec.Struct, frozen=True):
    """`root` is where a model's path must stay, as the author wrote it; None for a file of the author's own.

    `folder` is what the root, or the author's path, is read below.
    """

    path: Template
    root: str | None
    folder: Path
    filename: Template | None
    content_type: str | None


class ContentPart(msgspec.Struct, frozen=True):
    content: Shape
    filename: Template | None
    content_type: str | None


Part = FilePart | ContentPart


def compile_parts(
    written: Mapping[str, Scalar | list[Scalar] | PartSpec], folders: Mapping[str, Path]
) -> dict[str, Part]:
    """`folders` are absolute, by part. Raises `UsageError` for what no call could send."""
    return {name: _compile(name, one, folders.get(name, Path())) for name, one in written.items()}


def templates_in(parts: Mapping[str, Part]) -> Iterator[Template]:
    for part in parts.values():
        if part.filename is not None:
            yield part.filename
        yield from templates_of(part.path if isinstance(part, FilePart) else part.content)


def encode_parts(parts: Mapping[str, Part], variables: Mapping[str, Any]) -> tuple[bytes, str]:
    """The body and its media type. Raises `ToolFailure`."""
    return joined((name, one) for name, part in parts.items() for one in _rendered(name, part, variables))


def joined(parts: Iterable[tuple[str, Sent]]) -> tuple[bytes, str]:
    """Parts by name, as one body, and its media type. Raises `ToolFailure` for what is too large together."""
    import httpx2

    sent: list[tuple[str, Sent]] = []
    size = 0
    for name, one in parts:
        size += len(one[1]) + len(one[0] or "") + _PART_BYTES
        if size > MAX_BYTES:
            raise ToolFailure("invalid_arguments", f"the body would be larger than {MAX_BYTES // 1024**2} MiB")
        sent.append((name, one))
    if not sent:  # httpx2 would send no body at all
        return b"--empty--\r\n", "multipart/form-data; boundary=empty"
    request = httpx2.Request("POST", "http://localhost", files=sent)
    return request.read(), request.headers["content-type"]


def _compile(name: str, written: Scalar | list[Scalar] | PartSpec, folder: Path) -> Part:
    if not isinstance(written, PartSpec):
        return ContentPart(compile_data(written), None, None)
    if written.content_type is not None and not _MEDIA_TYPE.fullmatch(written.content_type):
        help = "write one such as `application/pdf`"
        raise UsageError(f"`multipart.{name}` has a content_type that is no media type", help=help)
    filename = None if written.filename is None else compile_template(written.filename)
    if written.file is None:
        return ContentPart(compile_data(written.content), filename, written.content_type)
    path = compile_template(written.file)
    if not path.literal and written.root is None:
        help = "write `root`, the folder that files may come from"
        raise UsageError(f"`multipart.{name}` takes the path of a file from a template and has no `root`", help=help)
    return FilePart(path, written.root, folder, filename, written.content_type)


def _rendered(name: str, part: Part, variables: Mapping[str, Any]) -> Iterator[Sent]:
    """The parts that a part makes: none, one, or one for each item of a list."""
    place = f"multipart.{name}"
    filename = _filename(place, part.filename, variables)
    try:
        value = render(place, part.path if isinstance(part, FilePart) else part.content, variables)
    except Absent:
        return
    for item in value if isinstance(value, list) else [value]:
        if item is None:
            continue
        if isinstance(part, FilePart):
            path = to_text(item)
            yield filename or PurePosixPath(path).name, _content(part, path), part.content_type
        elif isinstance(item, str):
            yield filename, item.encode(), part.content_type
        else:
            is_data = isinstance(item, (dict, list))
            yield filename, to_text(item).encode(), part.content_type or (_JSON if is_data else None)


def _content(part: FilePart, path: str) -> bytes:
    if part.root is None:
        return read_own(part.folder / path, shown=path)
    return read_below(part.folder, path, shown_root=part.root)


def _filename(place: str, template: Template | None, variables: Mapping[str, Any]) -> str | None:
    try:
        return None if template is None else to_text(render(f"{place}.filename", template, variables))
    except Absent:
        return None
