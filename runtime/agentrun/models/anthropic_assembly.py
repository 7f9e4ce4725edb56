"""A turn of the model from the events of Anthropic's Messages API.

Pure: decoded events in, progress out, and at the end a `Reply` or a `ModelError`. A whole message is one large
event. The finish of this API is `message_stop` after a stop reason: it is documented as the last event of every
stream, so nothing that ends before it is an answer. A turn that the service paused goes on in the next response,
and is one reply.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from agentrun.engine.messages import FinishReason, Message, Reply, Usage
from agentrun.engine.ports import Progress, ReasoningProgress, TextProgress
from agentrun.errors import ModelError
from agentrun.models import failures
from agentrun.models.anthropic_blocks import CALL_BLOCKS, Block, arguments_object, assistant_blocks
from agentrun.models.assemble import EMPTY_REPLY
from agentrun.models.history import ANTHROPIC_CONTENT
from agentrun.models.streamed_calls import StreamedCall, StreamedCalls

_LENGTH = frozenset({"max_tokens", "model_context_window_exceeded"})
_REFUSED = "The model refused to answer."
_COUNTS = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")


class MessageAssembly:
    """One reply in the making. `turn` and `used_call_ids` make ids that are unique in the conversation."""

    def __init__(self, turn: int = 0, used_call_ids: Collection[str] = ()) -> None:
        self._turn = turn
        self._used_call_ids = used_call_ids
        self._blocks: list[_StreamedBlock] = []
        self._by_index: dict[int, _StreamedBlock] = {}
        self._calls = StreamedCalls()
        self._stop_reason = ""
        self._refusal = ""
        self._stopped = False
        self._counts: dict[str, int] = {}
        self._spent: Usage | None = None

    @property
    def finished(self) -> bool:
        """The end was announced: a connection that breaks now takes nothing away."""
        return self._stopped and bool(self._stop_reason)

    @property
    def paused(self) -> bool:
        """The service wants the turn sent back, to go on with it. Calls are made first, if there are any."""
        return self.finished and self._stop_reason == "pause_turn" and not self._calls

    def add(self, event: dict[str, Any]) -> list[Progress]:
        """Take the next event; raise if it is the service's own failure. Kinds that are not known are skipped."""
        progress: list[Progress] = []
        try:
            match event.get("type"):
                case "message_start":
                    self._count(_mapping(event.get("message")).get("usage"))
                case "content_block_start":
                    self._start(event.get("index"), _mapping(event.get("content_block")), progress)
                case "content_block_delta":
                    self._extend(event.get("index"), _mapping(event.get("delta")), progress)
                case "message_delta":
                    self._stop(_mapping(event.get("delta")))
                    self._count(event.get("usage"))
                case "message_stop":
                    self._stopped = True
                case "message":
                    self._take_whole(event, progress)
                case "error":
                    raise failures.from_event(event)
        except RecursionError:
            raise failures.malformed("JSON nested too deeply") from None
        return progress

    def done(self) -> None:
        """`[DONE]` is no event of this API: gateways that append it finish nothing by it."""

    def resume(self) -> list[Block]:
        """Go on with a paused turn: the next response continues it. Returns what there is of it, to be sent back."""
        self._spent = self._usage()
        self._counts = {}
        self._by_index = {}
        self._stop_reason = ""
        self._stopped = False
        return self._received([])

    def finish(self) -> Reply:
        if not self._stop_reason:
            raise failures.incomplete("no stop reason came")
        if not self._stopped:
            raise failures.incomplete("its last event, message_stop, did not come")
        text = "".join(block.text for block in self._blocks if block.kind == "text")
        all_calls = self._calls.closed(self._turn, self._used_call_ids)
        reason = self._reason(all_calls)
        if reason == "stop" and not text.strip():
            raise ModelError(
                "the model answered with nothing: neither text nor a tool call", code=EMPTY_REPLY, retryable=True
            )
        refusal = None
        message: dict[str, Any] = {"role": "assistant", "content": text or None}
        # A turn may be cut before the name of a call; what a refused turn holds is no call that the model meant.
        calls = [call for call in all_calls if call.name and reason != "refusal"]
        if calls:
            message["tool_calls"] = [call.as_sent() for call in calls]
        if reason == "refusal":
            refusal = message["refusal"] = self._refusal or text.strip() or _REFUSED
        elif (received := self._received(all_calls, is_cut=reason == "length")) != assistant_blocks(message):
            message[ANTHROPIC_CONTENT] = received
        return Reply(
            message=Message(message),
            text=text,
            calls=tuple(call.as_call() for call in calls),
            finish_reason=reason,
            usage=self._usage(),
            refusal=refusal,
        )

    # -- events

    def _start(self, index: Any, start: dict[str, Any], progress: list[Progress]) -> None:
        block = _StreamedBlock(start, len(self._blocks))
        if not isinstance(index, int) or not block.kind:
            raise failures.malformed("a content block without an index or a type")
        self._blocks.append(block)
        self._by_index[index] = block
        if block.kind == "tool_use":
            # Some servers send a call's whole input with its start, and no pieces.
            function = {"name": start.get("name"), "arguments": block.given_input}
            told = self._calls.add({"index": block.position, "id": start.get("id"), "function": function}, whole=False)
            block.call = told.index
            progress.append(told)
        self._tell(block, block.text, progress)

    def _extend(self, index: Any, delta: dict[str, Any], progress: list[Progress]) -> None:
        block = self._by_index.get(index) if isinstance(index, int) else None
        if block is None:
            raise failures.malformed("a piece of a content block that was not begun")
        match delta.get("type"):
            case "text_delta":
                self._tell(block, block.append(delta.get("text")), progress)
            case "thinking_delta":
                self._tell(block, block.append(delta.get("thinking")), progress)
            case "input_json_delta" if not block.given_input:
                piece = block.append(delta.get("partial_json"))
                if block.call is not None:
                    call = {"index": block.position, "function": {"arguments": piece}}
                    progress.append(self._calls.add(call, whole=False))
            case "signature_delta":
                block.fields["signature"] = delta.get("signature")
            case "citations_delta":
                block.fields["citations"] = [*(block.fields.get("citations") or ()), delta.get("citation")]

    def _stop(self, delta: dict[str, Any]) -> None:
        self._stop_reason = _word(delta.get("stop_reason")) or self._stop_reason
        self._refusal = _word(_mapping(delta.get("stop_details")).get("explanation")) or self._refusal

    def _take_whole(self, message: dict[str, Any], progress: list[Progress]) -> None:
        content = message.get("content")
        for index, block in enumerate(content if isinstance(content, list) else ()):
            self._start(index, _mapping(block), progress)
        self._count(message.get("usage"))
        self._stop(message)
        self._stopped = True

    @staticmethod
    def _tell(block: _StreamedBlock, piece: str, progress: list[Progress]) -> None:
        if piece and block.kind == "text":
            progress.append(TextProgress(piece))
        elif piece and block.kind == "thinking":
            progress.append(ReasoningProgress(piece))

    def _count(self, usage: Any) -> None:
        """Counts are cumulative within a response, and an event names those that it knows."""
        known = ((key, _mapping(usage).get(key)) for key in _COUNTS)
        self._counts |= {key: int(value) for key, value in known if isinstance(value, (int, float))}

    # -- the end

    def _reason(self, calls: list[StreamedCall]) -> FinishReason:
        if self._stop_reason == "refusal":
            return "refusal"
        if self._stop_reason in _LENGTH and not (calls and all(call.is_whole for call in calls)):
            return "length"
        if not all(call.name for call in calls):
            raise failures.malformed("a tool call without a name")
        return "tool_calls" if calls else "stop"

    def _received(self, calls: list[StreamedCall], *, is_cut: bool = False) -> list[Block]:
        """The blocks as they are sent back, with the ids that the calls have now."""
        blocks: list[Block] = []
        for block in self._blocks:
            closed = block.closed()
            if block.call is not None:
                sent = calls[block.call].as_sent()
                closed |= {"id": sent["id"], "name": sent["function"]["name"]}
            is_blank = block.kind == "text" and not closed["text"].strip()
            is_unsigned = is_cut and block.kind == "thinking" and not closed.get("signature")
            if not (is_blank or is_unsigned or (block.call is not None and not closed["name"])):
                blocks.append(closed)
        return blocks

    def _usage(self) -> Usage | None:
        """The API counts what the cache read and wrote apart from the other input."""
        if not self._counts:
            return self._spent
        new, output, cached, written = (self._counts.get(key, 0) for key in _COUNTS)
        usage = Usage(new + cached + written, output, new + cached + written + output, cached)
        return usage if self._spent is None else self._spent + usage


class _StreamedBlock:
    """A content block while it streams in: `fields` as it began, `pieces` of its text, thinking or input."""

    def __init__(self, start: dict[str, Any], position: int) -> None:
        self.kind = _word(start.get("type"))
        self.position = position
        self.fields = {key: value for key, value in start.items() if value is not None}
        self.given_input = (_mapping(start.get("input")) if self.kind in CALL_BLOCKS else {}) or None
        self.call: int | None = None
        self.pieces: list[str] = []
        if self.kind in ("text", "thinking"):
            self.append(start.get(self.kind))

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    def append(self, piece: Any) -> str:
        self.pieces.append(_word(piece))
        return self.pieces[-1]

    def closed(self) -> Block:
        if self.kind in ("text", "thinking"):
            return {**self.fields, self.kind: self.text}
        if self.kind in CALL_BLOCKS:
            return {**self.fields, "input": self.given_input or arguments_object(self.text)}
        return dict(self.fields)


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _word(value: Any) -> str:
    return value if isinstance(value, str) else ""
