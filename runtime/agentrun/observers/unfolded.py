"""A call and the whole of what came back, laid out for a person. Safe to show at a terminal."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from agentrun.engine.events import ToolFinished
from agentrun.markup.calls import duration, size
from agentrun.visible import one_line, visible

Style = Callable[[str, str], str]
_PART = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')
_DEPTH = 100  # deeper, indentation helps nobody
_JSON_STYLES = {"key": "tool", "text": "passed", "word": "info"}


def unfolded(event: ToolFinished, arguments: Mapping[str, Any] | None, style: Style) -> str:
    """Ends with an end of a line. The arguments are shown where there are any."""
    told = [duration(event.duration_s)] if event.duration_s else ["not run"]
    told.append(size(len(event.result.encode("utf-8", "replace"))))
    mark = style("✗", "error") if event.is_error else style("•", "tool")
    head = f"{mark} {style(one_line(event.name, 80), 'tool')} {style('(' + ', '.join(told) + ')', 'dim')}\n"
    if arguments:
        head += _indented(laid_out(json.dumps(arguments, ensure_ascii=False), style))
        head += style("→", "dim") + "\n"
    return head + _indented(laid_out(event.result, style))


def laid_out(text: str, style: Style) -> str:
    """JSON with each value on a line of its own, its numbers and keys as they came; any other text as it is."""
    try:
        is_laid_out = isinstance(json.loads(text), (dict, list))
    except (ValueError, RecursionError):
        is_laid_out = False
    if not is_laid_out or _depth(text) > _DEPTH:
        return visible(text)
    return _layout(_PART.findall(text), style)


def _layout(parts: list[str], style: Style) -> str:
    out: list[str] = []
    depth = 0
    for position, part in enumerate(parts):
        following = parts[position + 1] if position + 1 < len(parts) else ""
        if part in "{[":
            out.append(part)
            if following not in "}]":
                depth += 1
                out.append("\n" + "  " * depth)
        elif part in "}]":
            if parts[position - 1] not in "{[":
                depth -= 1
                out.append("\n" + "  " * depth)
            out.append(part)
        elif part == ",":
            out.append(",\n" + "  " * depth)
        elif part == ":":
            out.append(": ")
        else:
            kind = "word" if part[0] != '"' else "key" if following == ":" else "text"
            out.append(style(visible(_readable(part)), _JSON_STYLES[kind]))
    return "".join(out)


def _readable(part: str) -> str:
    """The same text, with letters instead of their numbers."""
    return json.dumps(json.loads(part), ensure_ascii=False) if "\\u" in part else part


def _depth(text: str) -> int:
    depth = deepest = 0
    for part in _PART.findall(text):
        if part in "{[":
            depth += 1
            deepest = max(deepest, depth)
        elif part in "}]":
            depth -= 1
    return deepest


def _indented(text: str) -> str:
    return "".join(f"  {line}\n" for line in text.removesuffix("\n").split("\n"))
