"""Texts in Markdown as GitHub reads it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import accumulate

from agentrun.diagnostics import Span
from agentrun.markup.repository import address_of
from agentrun.visible import visible

MAX_BYTES = 1_000_000  # a GitHub summary holds 1 MiB, and a larger one is not shown at all
_AT = "@<!-- -->"  # nobody is told of a text that names them
_BACKTICKS = re.compile("`+")
_CODE = re.compile(r"`[^`]+`")
_SPECIAL = re.compile(r"[\\`*_\[\]<>|~&#]|(?<=www)\.|:(?=//)")  # the last two begin a link


def escaped(text: str) -> str:
    """A text in a line or a cell of a table: what stands in backticks is code, all else is meant as it is written."""
    text = visible(text).replace("\n", " ")
    parts: list[str] = []
    at = 0
    for code in _CODE.finditer(text):
        parts += [_plain(text[at : code.start()]), _code(code.group())]
        at = code.end()
    return "".join([*parts, _plain(text[at:])])


def place(span: Span) -> str:
    """`file:line:column`, with a link to the line in a GitHub workflow."""
    text = escaped(str(span))
    address = address_of(span.file, span.line)
    return f"[{text}]({address})" if address else text


def fenced(text: str, language: str = "") -> str:
    """A block of code that ends where the text does: its fence is longer than any in the text."""
    shown = visible(text)
    longest = max(map(len, _BACKTICKS.findall(shown)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{shown}\n{fence}"


def fitting(blocks: Iterable[str], max_bytes: int) -> list[str]:
    """The blocks before the first that is too much."""
    listed = list(blocks)
    sizes = accumulate(len(block.encode()) + 1 for block in listed)
    return [block for block, size in zip(listed, sizes, strict=True) if size <= max_bytes]


def _plain(text: str) -> str:
    return _SPECIAL.sub(r"\\\g<0>", text).replace("@", _AT)


def _code(text: str) -> str:
    """Code in a table: only `|` is escaped, and there is no way to write a backslash before one."""
    return _plain(text) if "\\|" in text else text.replace("|", "\\|")
