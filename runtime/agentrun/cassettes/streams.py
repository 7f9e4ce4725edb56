"""The pieces in which a reply came, as a cassette writes them, and back. Pure.

Pieces of what stands in the reply are written as lengths, so that nothing stands twice and a person may change the
reply: where the lengths no longer fit, it comes in one piece. What a retry made void is written as it was.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Literal

from agentrun.cassettes.members import Members
from agentrun.cassettes.replies import whole
from agentrun.engine.messages import Reply
from agentrun.engine.ports import (
    CallProgress,
    FallbackProgress,
    Progress,
    ReasoningProgress,
    RetryProgress,
    TextProgress,
)

# A stream of a reply: its text, its reasoning, or the arguments of one of its calls.
Stream = tuple[Literal["text", "reasoning", "call"], int]
_TEXT: Stream = ("text", 0)
_REASONING: Stream = ("reasoning", 0)
_REASONING_FIELDS = ("reasoning_content", "reasoning")


def written_stream(progress: Sequence[Progress], reply: Reply | None) -> list[Any] | None:
    """None where it is what a reader takes for granted: a reply in one piece, a failure that told nothing."""
    if tuple(progress) == (() if reply is None else whole(reply)):
        return None
    void, last = _split(progress)
    return _items(void) + _items(last, frozenset() if reply is None else _known(last, reply))


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


def _joined(progress: Sequence[Progress]) -> dict[Stream, str]:
    """What was told of each stream."""
    pieces: dict[Stream, list[str]] = {}
    for one in progress:
        match one:
            case TextProgress(text):
                pieces.setdefault(_TEXT, []).append(text)
            case ReasoningProgress(text):
                pieces.setdefault(_REASONING, []).append(text)
            case CallProgress(index, _, arguments):
                pieces.setdefault(("call", index), []).append(arguments)
    return {stream: "".join(told) for stream, told in pieces.items()}


def _known(last: Sequence[Progress], reply: Reply) -> frozenset[Stream]:
    """The streams whose text stands in the reply."""
    told = _joined(last)
    return frozenset(stream for stream, text in _texts(reply).items() if told.get(stream, "") == text)


def _texts(reply: Reply) -> dict[Stream, str]:
    texts: dict[Stream, str] = {("call", index): call.arguments for index, call in enumerate(reply.calls)}
    reasoning = next(
        (said for name in _REASONING_FIELDS if isinstance(said := reply.message.data.get(name), str)), None
    )
    if reasoning is not None:
        texts[_REASONING] = reasoning
    texts[_TEXT] = reply.text
    return texts


def _fits(last: Sequence[Progress], reply: Reply) -> bool:
    streams = _joined(last)
    if streams.get(_TEXT, "") != reply.text:
        return False
    told = [streams.get(("call", index), "").strip() for index in range(len(reply.calls))]
    return all(
        call.arguments.strip() in (text, "{}" if text in ("", "null") else text)
        for text, call in zip(told, reply.calls, strict=True)
    )


# -- as it is written ---------------------------------------------------------------------------------------


def _items(progress: Sequence[Progress], known: Collection[Stream] = ()) -> list[Any]:
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


def _item(one: Progress, known: Collection[Stream]) -> tuple[dict[str, Any], str | None]:
    """A piece, and the key under which the next one of its kind joins it."""
    match one:
        case TextProgress(text):
            return {"text": [len(text) if _TEXT in known else text]}, "text"
        case ReasoningProgress(text):
            return {"reasoning": [len(text) if _REASONING in known else text]}, "reasoning"
        case CallProgress(index, name, arguments):
            piece = len(arguments) if ("call", index) in known else arguments
            return {"call": index, "name": name, "arguments": [piece]}, "arguments"
        case RetryProgress(attempt, cause, delay_s):
            return {"retry": {"attempt": attempt, "cause": cause, "delay": delay_s}}, None
        case FallbackProgress(model, cause):
            return {"fallback": {"model": model, "cause": cause}}, None


# -- as it is read ------------------------------------------------------------------------------------------


def parts_of(one: Members) -> list[dict[str, Any]] | None:
    parts = one.each("stream", "a part of a stream")
    return None if parts is None else list(map(_part, parts))


def _part(one: Members) -> dict[str, Any]:
    kind = one.exactly_one(("text", "reasoning", "call", "retry", "fallback"))
    part: dict[str, Any] = {"text": []}
    match kind:
        case "text" | "reasoning":
            part = {kind: _pieces(one, kind)}
        case "call":
            part = {"call": one.whole("call") or 0, "name": one.text("name"), "arguments": _pieces(one, "arguments")}
        case "retry":
            retry = one.inner("retry", "a retry")
            attempt, cause, delay = retry.whole("attempt") or 1, retry.text("cause"), retry.number("delay") or 0.0
            retry.end()
            part = {"retry": {"attempt": attempt, "cause": cause, "delay": delay}}
        case "fallback":
            other = one.inner("fallback", "a fallback")
            part = {"fallback": {"model": other.text("model"), "cause": other.text("cause")}}
            other.end()
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
    at: dict[Stream, int] = {}
    told: list[Progress] = []

    def cut(stream: Stream, piece: int | str) -> str:
        if isinstance(piece, str):
            return piece
        start = at.get(stream, 0)
        at[stream] = start + piece
        return texts.get(stream, "")[start : start + piece]

    for item in items:
        if "text" in item:
            told += [TextProgress(cut(_TEXT, piece)) for piece in item["text"]]
        elif "reasoning" in item:
            told += [ReasoningProgress(cut(_REASONING, piece)) for piece in item["reasoning"]]
        elif "call" in item:
            index = item["call"]
            told += [CallProgress(index, item["name"], cut(("call", index), piece)) for piece in item["arguments"]]
        elif "retry" in item:
            retry = item["retry"]
            told.append(RetryProgress(retry["attempt"], retry["cause"], retry["delay"]))
        else:
            told.append(FallbackProgress(item["fallback"]["model"], item["fallback"]["cause"]))
    fits = all(length == len(texts.get(stream, "")) for stream, length in at.items())
    return told if fits else None


def _void_items(items: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    ends = [index for index, one in enumerate(items) if "retry" in one or "fallback" in one]
    return list(items[: ends[-1] + 1]) if ends else []
