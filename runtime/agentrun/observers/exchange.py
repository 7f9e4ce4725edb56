"""The exchange with the model service, and that of http tools, as a person reads it: `--verbose`.

A line for the request, below it the request's JSON, laid out and shortened, and a line for what came back. Gets
masked values only; what models and services wrote passes the escaping sink.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from agentrun.engine.events import Event, TurnFinished
from agentrun.engine.exchange import Exchange, Failed, Received, Sent, ToolFailed, ToolReceived, ToolSent
from agentrun.engine.messages import Usage
from agentrun.visible import one_line, visible

Write = Callable[[str], None]
Style = Callable[[str, str], str]

_PART = re.compile(rb"^Content-Disposition: (form-data; .*?)\r$", re.MULTILINE)
_WIDTH = 110
_TEXT_CHARS = 300
_LINE_CHARS = 400
_ITEMS = 6
_LINES = 60  # of a tool's body
_LAID_OUT_BYTES = 64 * 1024


class ExchangeConsole:
    """Prints each exchange through `write`, coloured by `style(text, name)`."""

    def __init__(self, write: Write, style: Style) -> None:
        self._write = write
        self._style = style

    def __call__(self, exchange: Exchange) -> None:
        match exchange:
            case Sent(url, model, body):
                value = _decoded(body)
                counts = [model, *_counts(value), _size(len(body))]
                self._line(f"→ POST {url} ({', '.join(counts)})", "info")
                self._write(self._style(visible(laid_out(value)), "dim") + "\n")
            case Received(status, first_event_s, duration_s):
                self._line(f"← {status}, first event after {first_event_s:.2f} s, end after {duration_s:.2f} s", "info")
            case Failed(status, duration_s, cause):
                self._line(f"← {status or 'no response'}, failed after {duration_s:.2f} s: {cause}", "error")
            case ToolSent(method, url, headers, content_type, body):
                self._line(f"→ {method} {url} ({', '.join([*headers, *([_size(len(body))] if body else [])])})", "info")
                if shown := _sent_text(content_type, body):
                    self._write(self._style(visible(shown), "dim") + "\n")
            case ToolReceived(method, url, status, content_type, size_bytes, duration_s):
                answered = ", ".join(filter(None, [content_type, _size(size_bytes), f"{duration_s:.2f} s"]))
                self._line(f"← {status} ({answered}) for {method} {url}", "info")
            case ToolFailed(method, url, duration_s, cause):
                self._line(f"← failed after {duration_s:.2f} s for {method} {url}: {cause}", "error")

    def event(self, event: Event) -> None:
        """What became of a response is an event of the run."""
        if isinstance(event, TurnFinished):
            self._line(f"← {event.finish_reason}, {_tokens(event.usage)}", "info")

    def _line(self, text: str, style: str) -> None:
        self._write(self._style(one_line(text, _LINE_CHARS), style) + "\n")


def _sent_text(content_type: str, body: bytes) -> str:
    """A tool's body as far as it is readable: JSON laid out, the heads of parts, else a text."""
    if content_type.startswith("multipart/"):
        return "\n".join(found[:_LINE_CHARS].decode("utf-8", "replace") for found in _PART.findall(body)[:_ITEMS])
    value = _decoded(body) if len(body) <= _LAID_OUT_BYTES else None
    try:
        if isinstance(value, (dict, list)):
            lines = laid_out(value).split("\n")
            more = [f"… {len(lines) - _LINES} more lines"] if len(lines) > _LINES else []
            return "\n".join([*(line[:_LINE_CHARS] for line in lines[:_LINES]), *more])
    except RecursionError:
        pass  # it is as deep as a parser reads it: shown as text
    return body[: 4 * _TEXT_CHARS].decode("utf-8", "replace")[:_TEXT_CHARS]


def laid_out(value: Any) -> str:
    """JSON on as few lines as read well: what fits on a line stays on it; long texts and lists are cut."""
    return "\n".join(_lines(value, ""))


def _lines(value: Any, indent: str, key: str = "", end: str = "") -> list[str]:
    compact = f"{indent}{key}{_compact(value)}{end}"
    if not (isinstance(value, (dict, list)) and value) or len(compact) <= _WIDTH:
        return [compact]
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    lines = [f"{indent}{key}{opening}"]
    inner = indent + "  "
    if isinstance(value, dict):
        named = [(f"{_compact(name)}: ", item) for name, item in value.items()]
    else:
        if len(value) > _ITEMS:
            lines.append(f"{inner}… {len(value) - _ITEMS} more")
        named = [("", item) for item in value[-_ITEMS:]]  # the last ones are what is new
    for position, (label, item) in enumerate(named, 1):
        lines += _lines(item, inner, label, "," if position < len(named) else "")
    return [*lines, f"{indent}{closing}{end}"]


def _compact(value: Any) -> str:
    if isinstance(value, str) and len(value) > _TEXT_CHARS:
        half = _TEXT_CHARS // 2
        value = f"{value[:half]} … {len(value) - 2 * half} characters … {value[-half:]}"
    return json.dumps(value, ensure_ascii=False)


def _decoded(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return body.decode("utf-8", "replace")


def _counts(body: Any) -> list[str]:
    """How many messages and tools a request carries, in whichever API."""
    found = body if isinstance(body, dict) else {}
    messages = found.get("messages", found.get("input"))
    counts = [(messages, "message"), (found.get("tools", []), "tool")]
    return [f"{len(many)} {noun}{'' if len(many) == 1 else 's'}" for many, noun in counts if isinstance(many, list)]


def _size(count: int) -> str:
    return f"{count} bytes" if count < 1000 else f"{count / 1000:.1f} kB"


def _tokens(usage: Usage | None) -> str:
    if usage is None:
        return "no usage"
    cached = f" ({usage.cached_tokens} cached)" if usage.cached_tokens else ""
    return f"{usage.input_tokens}{cached} + {usage.output_tokens} tokens"
