"""The exchange with the model service as a person reads it: `--verbose`.

A line for the request and one for what came back, and between them the request's JSON, laid out and shortened.
Gets masked values only; what models and services wrote passes the escaping sink.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from agentrun.engine.exchange import Exchange, Failed, Received, Sent
from agentrun.engine.messages import Usage
from agentrun.visible import one_line, visible

Write = Callable[[str], None]
Style = Callable[[str, str], str]

_LINE_CHARS = 110
_TEXT_CHARS = 300
_CAUSE_CHARS = 400
_ITEMS = 6


class ExchangeConsole:
    """Prints each exchange through `write`, coloured by `style(text, name)`."""

    def __init__(self, write: Write, style: Style) -> None:
        self._write = write
        self._style = style

    def __call__(self, exchange: Exchange) -> None:
        match exchange:
            case Sent():
                counts = f"{_counted(exchange.messages, 'message')}, {_counted(exchange.tools, 'tool')}"
                self._line(f"→ POST {exchange.url} ({exchange.model}, {counts}, {_size(exchange.size)})", "info")
                self._write(self._style(visible(laid_out(exchange.body)), "dim") + "\n")
            case Received():
                times = f"first byte {exchange.first_byte_s:.2f} s, {exchange.duration_s:.2f} s in all"
                tokens = _tokens(exchange.usage)
                self._line(f"← {exchange.status}, {times}, {exchange.finish_reason}, {tokens}", "info")
            case Failed():
                answer = f"{exchange.status}" if exchange.status else "no reply"
                self._line(f"← {answer}, {exchange.duration_s:.2f} s: {exchange.cause}", "error")

    def _line(self, text: str, style: str) -> None:
        self._write(self._style(one_line(text, _CAUSE_CHARS), style) + "\n")


def laid_out(body: str) -> str:
    """JSON text on as few lines as read well: what fits on a line stays on it, and long texts and lists are cut."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return one_line(body, _TEXT_CHARS)
    return "\n".join(_lines(value, ""))


def _lines(value: Any, indent: str, key: str = "", end: str = "") -> list[str]:
    compact = f"{indent}{key}{_compact(value)}{end}"
    if not (isinstance(value, (dict, list)) and value) or len(compact) <= _LINE_CHARS:
        return [compact]
    left_out = len(value) - _ITEMS if isinstance(value, list) else 0
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    lines = [f"{indent}{key}{opening}"]
    inner = indent + "  "
    if left_out > 0:  # the last ones are what is new
        lines.append(f"{inner}… {left_out} more")
    named = list(value.items()) if isinstance(value, dict) else [("", item) for item in value[-_ITEMS:]]
    for position, (name, item) in enumerate(named, 1):
        label = f"{_compact(name)}: " if isinstance(value, dict) else ""
        lines += _lines(item, inner, label, "," if position < len(named) else "")
    return [*lines, f"{indent}{closing}{end}"]


def _compact(value: Any) -> str:
    if isinstance(value, str) and len(value) > _TEXT_CHARS:
        half = _TEXT_CHARS // 2
        value = f"{value[:half]} … {len(value) - 2 * half} characters … {value[-half:]}"
    return json.dumps(value, ensure_ascii=False)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _size(count: int) -> str:
    return f"{count} bytes" if count < 1000 else f"{count / 1000:.1f} kB"


def _tokens(usage: Usage | None) -> str:
    if usage is None:
        return "no usage"
    cached = f" ({usage.cached_tokens} cached)" if usage.cached_tokens else ""
    return f"{usage.input_tokens}{cached} + {usage.output_tokens} tokens"
