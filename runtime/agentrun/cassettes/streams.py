"""The pieces in which a reply came, as a cassette writes them, and back. Pure.

Pieces of what stands in the reply are written as lengths, so that nothing stands twice and a person may change the
reply: where the lengths no longer fit, it comes in one piece. What a retry made void is written as it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from agentrun.cassettes.members import Members, each
from agentrun.cassettes.replies import joined, whole
from agentrun.engine.messages import Reply
from agentrun.engine.ports import (
    CallProgress,
    FallbackProgress,
    Progress,
    ReasoningProgress,
    RetryProgress,
    TextProgress,
)

_REASONING_FIELDS = ("reasoning_content", "reasoning")


def written_stream(progress: Sequence[Progress], reply: Reply | None) -> list[Any] | None:
    """None where it is what a reader takes for granted: a reply in one piece, a failure that told nothing."""
    if tuple(progress) == (() if reply is None else whole(reply)):
        return None
    void, last = _split(progress)
    return _items(void, {}) + _items(last, {} if reply is None else _known(last, reply))


def read_stream(items: Sequence[dict[str, Any]] | None, reply: Reply | None) -> tuple[Progress, ...]:
    """The progress, for a reply that may have been changed since. `items` are checked already."""
    if items is None:
        return () if reply is None else whole(reply)
    told = _told(items, reply)
    if told is None:
        told = _told(_void_items(items), None) or []
        return (*told, *(() if reply is None else whole(reply)))
    void, last = _split(told)
    if reply is not None and last and not _fits(last, reply):
        last = whole(reply)
    return (*void, *last)


def _split(progress: Sequence[Progress]) -> tuple[tuple[Progress, ...], tuple[Progress, ...]]:
    """What became void, with the retry or fallback that made it so, and the rest."""
    ends = [index for index, one in enumerate(progress) if isinstance(one, RetryProgress | FallbackProgress)]
    end = ends[-1] + 1 if ends else 0
    return tuple(progress[:end]), tuple(progress[end:])


def _known(last: Sequence[Progress], reply: Reply) -> dict[tuple[str, int], str]:
    """The streams whose text stands in the reply."""
    texts = _texts(reply)
    kinds: dict[str, type[Progress]] = {"text": TextProgress, "reasoning": ReasoningProgress, "call": CallProgress}
    return {key: text for key, text in texts.items() if joined(last, kinds[key[0]], key[1]) == text}


def _texts(reply: Reply) -> dict[tuple[str, int], str]:
    texts = {("call", index): call.arguments for index, call in enumerate(reply.calls)}
    reasoning = next(
        (said for name in _REASONING_FIELDS if isinstance(said := reply.message.data.get(name), str)), None
    )
    if reasoning is not None:
        texts["reasoning", 0] = reasoning
    texts["text", 0] = reply.text
    return texts


def _fits(last: Sequence[Progress], reply: Reply) -> bool:
    if joined(last, TextProgress) != reply.text:
        return False
    told = [joined(last, CallProgress, index).strip() for index in range(len(reply.calls))]
    return all(
        call.arguments.strip() in (text, "{}" if text in ("", "null") else text)
        for text, call in zip(told, reply.calls, strict=True)
    )


# -- as it is written ---------------------------------------------------------------------------------------


def _items(progress: Sequence[Progress], known: dict[tuple[str, int], str]) -> list[Any]:
    items: list[Any] = []
    for one in progress:
        item, pieces = _item(one, known)
        if pieces is None:
            items.append(item)
            continue
        same = items and {**items[-1], pieces: None} == {**item, pieces: None}
        if same:
            items[-1][pieces] += item[pieces]
        else:
            items.append(item)
    return items


def _item(one: Progress, known: dict[tuple[str, int], str]) -> tuple[dict[str, Any], str | None]:
    """A piece, and the key under which the next one of its kind joins it."""
    match one:
        case TextProgress(text):
            return {"text": [len(text) if ("text", 0) in known else text]}, "text"
        case ReasoningProgress(text):
            return {"reasoning": [len(text) if ("reasoning", 0) in known else text]}, "reasoning"
        case CallProgress(index, name, arguments):
            piece = len(arguments) if ("call", index) in known else arguments
            return {"call": index, "name": name, "arguments": [piece]}, "arguments"
        case RetryProgress(attempt, cause, delay_s):
            return {"retry": {"attempt": attempt, "cause": cause, "delay": delay_s}}, None
        case FallbackProgress(model, cause):
            return {"fallback": {"model": model, "cause": cause}}, None


# -- as it is read ------------------------------------------------------------------------------------------


def parts_of(one: Members) -> list[dict[str, Any]] | None:
    nodes = one.nodes("stream")
    return None if nodes is None else list(each(nodes, "a part of a stream", one.found, _part))


def _part(one: Members) -> dict[str, Any]:
    kind = one.exactly_one(("text", "reasoning", "call", "retry", "fallback"))
    part: dict[str, Any] = {"text": []}
    match kind:
        case "text" | "reasoning":
            part = {kind: _pieces(one, kind)}
        case "call":
            part = {"call": one.whole("call") or 0, "name": one.text("name"), "arguments": _pieces(one, "arguments")}
        case "retry":
            retry = Members(one.node.content["retry"], "a retry", one.found)
            attempt, cause, delay = retry.whole("attempt") or 1, retry.text("cause"), retry.number("delay") or 0.0
            retry.end()
            part = {"retry": {"attempt": attempt, "cause": cause, "delay": delay}}
        case "fallback":
            other = Members(one.node.content["fallback"], "a fallback", one.found)
            part = {"fallback": {"model": other.text("model"), "cause": other.text("cause")}}
            other.end()
    if kind is not None:
        one.take(kind)
    one.end()
    return part


def _pieces(one: Members, key: str) -> Sequence[int | str]:
    pieces: list[int | str] = []
    for node in one.nodes(key) or ():
        is_length = isinstance(node.content, int) and not isinstance(node.content, bool) and node.content >= 0
        if is_length or isinstance(node.content, str):
            pieces.append(node.content)
        else:
            one.wrong(node.span, f"a piece is text, or its length, not {node.kind}", "AR303")
    return pieces


def _told(items: Sequence[dict[str, Any]], reply: Reply | None) -> list[Progress] | None:
    """None where lengths don't fit the reply."""
    texts = {} if reply is None else _texts(reply)
    at: dict[tuple[str, int], int] = {}
    told: list[Progress] = []

    def cut(key: tuple[str, int], piece: int | str) -> str:
        if isinstance(piece, str):
            return piece
        start = at.get(key, 0)
        at[key] = start + piece
        return texts.get(key, "")[start : start + piece]

    for item in items:
        if "text" in item:
            told += [TextProgress(cut(("text", 0), piece)) for piece in item["text"]]
        elif "reasoning" in item:
            told += [ReasoningProgress(cut(("reasoning", 0), piece)) for piece in item["reasoning"]]
        elif "call" in item:
            index = item["call"]
            told += [CallProgress(index, item["name"], cut(("call", index), piece)) for piece in item["arguments"]]
        elif "retry" in item:
            retry = item["retry"]
            told.append(RetryProgress(retry["attempt"], retry["cause"], retry["delay"]))
        else:
            told.append(FallbackProgress(item["fallback"]["model"], item["fallback"]["cause"]))
    fits = all(length == len(texts.get(key, "")) for key, length in at.items())
    return told if fits else None


def _void_items(items: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    ends = [index for index, one in enumerate(items) if "retry" in one or "fallback" in one]
    return list(items[: ends[-1] + 1]) if ends else []
