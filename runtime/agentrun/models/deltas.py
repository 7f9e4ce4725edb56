"""What a delta of the chat API holds besides tool calls: content in its forms, unknown fields, usage.

Pure. Unknown fields are folded so that they can be echoed: providers refuse a turn whose `reasoning_content`
or `extra_content` did not come back.
"""

from __future__ import annotations

from typing import Any

from agentrun.engine.messages import Usage

_SET_ONCE = frozenset({"id", "type", "name", "role", "index", "format"})


def content_parts(content: Any) -> list[tuple[str, str]]:
    """Content as (kind, text): a text, or a list of parts as Mistral sends them."""
    if isinstance(content, str):
        return [("text", content)] if content else []
    found: list[tuple[str, str]] = []
    for part in content if isinstance(content, list) else ():
        if isinstance(part, str):
            found.append(("text", part))
        elif isinstance(part, dict) and part.get("type") == "thinking":
            inner = part.get("thinking")
            found += [("reasoning", text) for _, text in content_parts(inner)]
        elif isinstance(part, dict) and isinstance(part.get("refusal"), str):
            found.append(("refusal", part["refusal"]))
        elif isinstance(part, dict) and isinstance(part.get("text"), str):
            found.append(("text", part["text"]))
    return [(kind, text) for kind, text in found if text]


def merge(known: dict[str, Any], delta: dict[str, Any], left_out: frozenset[str] = frozenset()) -> None:
    """Fold a delta's unknown fields in: text appends, mappings merge, lists grow, all else is replaced."""
    if left_out.issuperset(delta):
        return
    for key, new in delta.items():
        if key in left_out or new is None:
            continue
        old = known.get(key)
        if isinstance(new, dict):
            known[key] = old if isinstance(old, dict) else {}
            merge(known[key], new)
        elif isinstance(new, list):
            known[key] = old if isinstance(old, list) else []
            _extend(known[key], new)
        elif isinstance(new, str) and isinstance(old, str) and old:
            known[key] = old if key in _SET_ONCE or not new else old + new
        else:
            known[key] = new


def _extend(known: list[Any], new: list[Any]) -> None:
    """Items with an index and a type continue the item that has the same ones, as OpenRouter's reasoning does."""
    for item in new:
        open_item = None
        if isinstance(item, dict) and isinstance(item.get("index"), int):
            place = (item["index"], item.get("type"))
            open_item = next(
                (i for i in known if isinstance(i, dict) and (i.get("index"), i.get("type")) == place), None
            )
        if isinstance(item, dict):
            if open_item is None:
                known.append(open_item := {})
            merge(open_item, item)
        else:
            known.append(item)


def read_usage(data: dict[str, Any]) -> Usage:
    """Usage in the words of the chat API, or in those of the Responses API."""
    input_tokens = _count(data.get("prompt_tokens", data.get("input_tokens")))
    output_tokens = _count(data.get("completion_tokens", data.get("output_tokens")))
    details = data.get("prompt_tokens_details", data.get("input_tokens_details"))
    cached = details.get("cached_tokens") if isinstance(details, dict) else data.get("prompt_cache_hit_tokens")
    return Usage(
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        total_tokens=_count(data.get("total_tokens")) or input_tokens + output_tokens,
        cached_tokens=_count(cached),
    )


def _count(value: Any) -> int:
    return max(0, int(value)) if isinstance(value, (int, float)) else 0
