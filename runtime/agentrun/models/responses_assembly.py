"""A turn of the model from the events of OpenAI's Responses API.

Pure: decoded events in, progress out, and at the end a `Reply` or a `ModelError`. A whole response as JSON counts as
its own last event. A reply exists only if that event was seen (`response.completed` or `response.incomplete`); it
repeats all items, and where a server leaves them out there, those that were streamed count.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from agentrun.engine.messages import FinishReason, Message, Reply
from agentrun.engine.ports import CallProgress, Progress, ReasoningProgress, TextProgress
from agentrun.errors import ModelError
from agentrun.models import failures
from agentrun.models.assemble import empty_reply
from agentrun.models.deltas import read_usage
from agentrun.models.error_body import one_line
from agentrun.models.history import RESPONSES_OUTPUT
from agentrun.models.responses_body import Item
from agentrun.models.streamed_calls import StreamedCall, StreamedCalls

_REASONS: dict[str, FinishReason] = {"max_output_tokens": "length", "content_filter": "content_filter"}


class ResponseAssembly:
    """One reply in the making. `turn` and `used_call_ids` make ids that are unique in the conversation."""

    def __init__(self, turn: int = 0, used_call_ids: Collection[str] = ()) -> None:
        self._turn = turn
        self._used_call_ids = used_call_ids
        self._items: dict[int, _StreamedItem] = {}
        self._text_was_told = False
        self._response: dict[str, Any] | None = None
        self._status = ""

    @property
    def finished(self) -> bool:
        """The end was announced: a connection that breaks now takes nothing away."""
        return self._response is not None

    def add(self, event: dict[str, Any]) -> list[Progress]:
        """Take the next event; raise if it is the service's own failure. Kinds that are not known are skipped."""
        kind = _word(event.get("type"))
        if not kind and "output" in event:
            return self._end(event, _word(event.get("status")) or "completed")
        response = event.get("response")
        if kind == "error" or event.get("error"):
            raise failures.from_event(event)
        if kind == "response.failed":
            raise _failed(_mapping(response))
        if self.finished:
            return []
        index = event.get("output_index")
        piece = _word(event.get("delta"))
        match kind.removeprefix("response."):
            case "completed" | "incomplete" as status:
                return self._end(_mapping(response), status)
            case "output_item.added":
                return self._begin(index, _mapping(event.get("item")))
            case "output_item.done":
                return self._close(index, _mapping(event.get("item")))
            case "output_text.delta" if piece:
                self._open(index, "message").text.append(piece)
                self._text_was_told = True
                return [TextProgress(piece)]
            case "refusal.delta":
                self._open(index, "message").refusal.append(piece)
            case "function_call_arguments.delta":
                return self._tell_call(self._open(index, "function_call"), piece)
            case "reasoning_summary_text.delta" | "reasoning_text.delta" if piece:
                return [ReasoningProgress(piece)]
            case "reasoning_summary_part.added" if event.get("summary_index"):
                return [ReasoningProgress("\n\n")]
        return []

    def done(self) -> None:
        """`[DONE]` means nothing here: the end is an event of its own."""

    def finish(self) -> Reply:
        if self._response is None:
            raise failures.incomplete("its last event, response.completed, did not come")
        items = self._output()
        parts = [part for item in items for part in _parts(item)]
        text = "".join(piece for kind, piece in parts if kind == "text")
        refusal = "".join(piece for kind, piece in parts if kind == "refusal")
        calls = _calls(items).closed(self._turn, self._used_call_ids)
        reason = self._reason(calls, text, refusal)
        if reason == "stop" and not text.strip():
            raise empty_reply()
        sent = [call.as_sent() for call in calls if call.name]  # a turn that was cut may hold a call without one
        message: dict[str, Any] = {"role": "assistant", "content": text or None}
        if refusal:
            message["refusal"] = refusal
        if sent:
            message["tool_calls"] = sent
        message[RESPONSES_OUTPUT] = list(_echoed(items, sent))
        usage = self._response.get("usage")
        return Reply(
            message=Message(message),
            text=text,
            calls=tuple(call.as_call() for call in calls if call.name),
            finish_reason=reason,
            usage=read_usage(usage) if isinstance(usage, dict) else None,
            refusal=refusal or None,
        )

    # -- events

    def _begin(self, index: Any, data: Item) -> list[Progress]:
        item = self._open(index if isinstance(index, int) else len(self._items), _word(data.get("type")))
        item.data = data
        return self._tell_call(item, "") if item.kind == "function_call" else []

    def _close(self, index: Any, data: Item) -> list[Progress]:
        item = self._open(index, _word(data.get("type")))
        item.data = data
        item.is_done = True
        if item.kind == "function_call" and not item.arguments:
            return self._tell_call(item, _word(data.get("arguments")))
        return []

    def _open(self, index: Any, kind: str) -> _StreamedItem:
        """The item at this index, begun if it is not known. Without an index it is the last one."""
        if not isinstance(index, int):
            index = max(self._items, default=0)
        return self._items.setdefault(index, _StreamedItem(kind))

    def _tell_call(self, item: _StreamedItem, piece: str) -> list[Progress]:
        if item.call is None:
            item.call = sum(other.call is not None for other in self._items.values())
        if piece:
            item.arguments.append(piece)
        return [CallProgress(item.call, _word(item.data.get("name")), piece)]

    def _end(self, response: dict[str, Any], status: str) -> list[Progress]:
        """The last event. What the service did not stream is told now."""
        if status not in ("completed", "incomplete"):
            raise _failed(response, status)
        self._response = response
        self._status = status
        return list(self._untold())

    def _untold(self) -> Iterator[Progress]:
        position = 0
        for item in self._output():
            if item.get("type") == "function_call":
                if not self._items:
                    yield CallProgress(position, _word(item.get("name")), _word(item.get("arguments")))
                position += 1
            elif not self._text_was_told:
                yield from (TextProgress(text) for kind, text in _parts(item) if kind == "text")

    # -- the end

    def _output(self) -> list[Item]:
        output = (self._response or {}).get("output")
        items = [item for item in output if isinstance(item, dict)] if isinstance(output, list) else []
        return items or [self._items[index].closed() for index in sorted(self._items)]

    def _reason(self, calls: list[StreamedCall], text: str, refusal: str) -> FinishReason:
        are_whole = bool(calls) and all(call.is_whole for call in calls)
        if self._status == "incomplete":
            why = _word(_mapping((self._response or {}).get("incomplete_details")).get("reason"))
            if why not in _REASONS:
                raise failures.incomplete(f"the service says so, with {one_line(why, 80) or 'nothing'} as its reason")
            if not (why == "max_output_tokens" and are_whole):
                return _REASONS[why]
        if calls:
            if not all(call.name for call in calls):
                raise failures.malformed("a tool call without a name")
            return "tool_calls"
        return "refusal" if refusal and not text else "stop"


class _StreamedItem:
    """An output item while it streams in: `data` as it began or, once done, as it is."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.data: Item = {}
        self.is_done = False
        self.text: list[str] = []
        self.refusal: list[str] = []
        self.arguments: list[str] = []
        self.call: int | None = None

    def closed(self) -> Item:
        """The item as it is known, for services whose last event leaves the items out."""
        if self.is_done:
            return self.data
        if self.kind == "function_call":
            return {**self.data, "type": self.kind, "arguments": "".join(self.arguments)}
        if self.kind != "message":
            return self.data
        content: list[Item] = []
        if self.text:
            content.append({"type": "output_text", "text": "".join(self.text), "annotations": []})
        if self.refusal:
            content.append({"type": "refusal", "refusal": "".join(self.refusal)})
        return {"role": "assistant", **self.data, "type": self.kind, "content": content}


def _parts(item: Item) -> Iterator[tuple[str, str]]:
    """What a message says, as (kind, text); other items say nothing."""
    content = item.get("content") if item.get("type") == "message" else None
    for part in content if isinstance(content, list) else ():
        if isinstance(part, dict):
            kind = "refusal" if part.get("type") == "refusal" else "text"
            if said := _word(part.get(kind)):
                yield kind, said


def _calls(items: Iterable[Item]) -> StreamedCalls:
    calls = StreamedCalls()
    for item in items:
        if item.get("type") == "function_call":
            function = {"name": item.get("name"), "arguments": item.get("arguments")}
            calls.add({"id": item.get("call_id"), "function": function}, whole=True)
    return calls


def _echoed(items: Iterable[Item], sent: Sequence[Mapping[str, Any]]) -> Iterator[Item]:
    """The items as they go back: as received, but for what was replaced in a call. `sent` are the calls with names."""
    waiting = iter(sent)
    for item in items:
        if item.get("type") != "function_call":
            yield item
        elif _word(item.get("name")):
            call = next(waiting)
            yield {**item, "call_id": call["id"], **call["function"]}


def _failed(response: Mapping[str, Any], status: str = "failed") -> ModelError:
    if isinstance(response.get("error"), dict):
        return failures.from_event(response)
    return failures.from_event({"message": f"the response has the status {one_line(status, 80)}"})


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _word(value: Any) -> str:
    return value if isinstance(value, str) else ""
