"""A turn of the model from the chunks of the chat API: one assembly rule for all servers.

Pure: decoded chunks in, progress out, and at the end a `Reply` or a `ModelError`. A whole completion is one
large chunk. A reply exists only if its finish was seen, so half a turn can never be taken for an answer.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from agentrun.engine.messages import FinishReason, Message, Reply, Usage
from agentrun.engine.ports import Progress, ReasoningProgress, TextProgress
from agentrun.errors import ModelError
from agentrun.models import failures
from agentrun.models.deltas import content_parts, merge, read_usage
from agentrun.models.streamed_calls import StreamedCall, StreamedCalls

EMPTY_REPLY = "empty_reply"

# Finish words that mean something by themselves; every other word means that the model stopped.
_LENGTH_WORDS = frozenset({"length", "max_tokens", "max_output_tokens", "model_length", "token_limit"})
_FILTER_WORDS = frozenset({"content_filter", "safety", "sensitive", "blocklist", "prohibited_content", "spii"})
_FAILURE_WORDS = frozenset({"error", "abort", "network_error", "insufficient_system_resource"})

_MESSAGE_FIELDS = frozenset({"role", "content", "refusal", "tool_calls", "function_call"})


class Assembly:
    """One reply in the making. `turn` and `used_call_ids` make ids that are unique in the conversation."""

    def __init__(self, turn: int = 0, used_call_ids: Collection[str] = ()) -> None:
        self._turn = turn
        self._used_call_ids = used_call_ids
        self._text: list[str] = []
        self._refusal: list[str] = []
        self._calls = StreamedCalls()
        self._extras: dict[str, Any] = {}
        self._finish = ""
        self._done = False
        self._usage: Usage | None = None

    @property
    def finished(self) -> bool:
        """The end was announced: a connection that breaks now takes nothing away."""
        return bool(self._finish) or self._done

    def add(self, chunk: dict[str, Any]) -> list[Progress]:
        """Take the next chunk; raise if it is the service's own failure."""
        if chunk.get("error") or chunk.get("object") == "error":
            raise failures.from_event(chunk)
        if isinstance(usage := chunk.get("usage"), dict):
            self._usage = read_usage(usage)
        progress: list[Progress] = []
        choices = chunk.get("choices")
        try:
            for choice in choices if isinstance(choices, list) else ():
                if isinstance(choice, dict) and not choice.get("index"):
                    self._add_choice(choice, progress)
        except RecursionError:
            raise failures.malformed("JSON nested too deeply") from None
        return progress

    def done(self) -> None:
        """The service said that nothing follows: `[DONE]`, or the end of a whole completion."""
        self._done = True

    def finish(self) -> Reply:
        text = "".join(self._text)
        refusal = "".join(self._refusal)
        calls = self._calls.closed(self._turn, self._used_call_ids)
        reason = self._reason(calls, text, refusal)
        if reason == "stop" and not text.strip():
            raise empty_reply()
        calls = [call for call in calls if call.name]  # a turn that was cut may hold a call without one
        message: dict[str, Any] = {"role": "assistant", "content": text or None}
        if refusal:
            message["refusal"] = refusal
        if calls:
            message["tool_calls"] = [call.as_sent() for call in calls]
        message.update((key, value) for key, value in self._extras.items() if value not in ("", [], {}))
        return Reply(
            message=Message(message),
            text=text,
            calls=tuple(call.as_call() for call in calls),
            finish_reason=reason,
            usage=self._usage,
            refusal=refusal or None,
        )

    def _add_choice(self, choice: dict[str, Any], progress: list[Progress]) -> None:
        if choice.get("error"):
            raise failures.from_event(choice)
        if isinstance(usage := choice.get("usage"), dict):
            self._usage = read_usage(usage)
        delta = choice.get("delta")
        whole = choice.get("message")
        if isinstance(delta, dict):
            self._add_delta(delta, progress)
        elif isinstance(whole, dict) and not (self._text or self._calls or self._refusal):
            # Some gateways repeat the whole message at the end of a stream: it counts only if nothing came before.
            self._add_delta(whole, progress, whole=True)
        finish = choice.get("finish_reason")
        if isinstance(finish, str) and finish:
            self._finish = finish

    def _add_delta(self, delta: dict[str, Any], progress: list[Progress], *, whole: bool = False) -> None:
        reasoning = delta.get("reasoning_content") or delta.get("reasoning")
        if isinstance(reasoning, str) and reasoning:
            progress.append(ReasoningProgress(reasoning))
        content = delta.get("content")
        if isinstance(content, str):  # nearly always; in the form of `content_parts` it takes twice as long
            if content:
                self._text.append(content)
                progress.append(TextProgress(content))
            content = None
        for kind, text in content_parts(content):
            if kind == "reasoning":
                progress.append(ReasoningProgress(text))
            elif kind == "refusal":
                self._refusal.append(text)
            else:
                self._text.append(text)
                progress.append(TextProgress(text))
        if isinstance(refusal := delta.get("refusal"), str) and refusal:
            self._refusal.append(refusal)
        calls = delta.get("tool_calls")
        for call in calls if isinstance(calls, list) else ():
            if isinstance(call, dict):
                progress.append(self._calls.add(call, whole=whole))
        merge(self._extras, delta, _MESSAGE_FIELDS)

    def _reason(self, calls: list[StreamedCall], text: str, refusal: str) -> FinishReason:
        word = self._finish.lower()
        if not word:
            if not self._done:
                raise failures.incomplete("no finish reason came")
            if calls:
                raise failures.incomplete("it has tool calls, and no finish reason says that they are whole")
        if word in _FAILURE_WORDS:
            raise failures.from_event({"message": f"the reply ended with the finish reason {word}"})
        if word in _FILTER_WORDS:
            return "content_filter"
        if word in _LENGTH_WORDS and not (calls and all(call.is_whole for call in calls)):
            return "length"
        if calls:
            if not all(call.name for call in calls):
                raise failures.malformed("a tool call without a name")
            return "tool_calls"
        return "refusal" if word == "refusal" or (refusal and not text) else "stop"


def empty_reply() -> ModelError:
    return ModelError(
        "the model answered with nothing: neither text nor a tool call",
        help="Ask in other words, or name another model in `fallback`.",
        code=EMPTY_REPLY,
        retryable=True,
    )
