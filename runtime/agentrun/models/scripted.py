"""A model that plays a script: for tests, and for `api: scripted`.

Each turn goes through the same assembly as a real stream, and fails with the same errors, so a script shows
what a service would cause. Needs no key and no network.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from agentrun.engine.messages import Reply, Request, encode
from agentrun.engine.ports import Tell
from agentrun.errors import ModelError
from agentrun.models import failures
from agentrun.models.assemble import Assembly
from agentrun.models.error_body import Said
from agentrun.spec.script_types import ScriptError, ScriptTurn


class Scripted:
    """Plays `turns` in order, one per request. `requests` records what was asked."""

    def __init__(self, name: str, turns: Sequence[ScriptTurn]) -> None:
        self.name = name
        self.requests: list[Request] = []
        self._turns = tuple(turns)

    async def complete(self, request: Request, tell: Tell) -> Reply:
        position = len(self.requests)
        self.requests.append(_snapshot(request))
        if position >= len(self._turns):
            count = len(self._turns)
            again = " after a failure" if count and self._turns[-1].error is not None else ""
            raise ModelError(
                f"the script has {count} turn{'' if count == 1 else 's'}, and the model was asked once more{again}",
                code="script_exhausted",
                help="Add a turn to the script: each request to the model, a retry too, plays one.",
            )
        turn = self._turns[position]
        await asyncio.sleep(turn.delay)
        if isinstance(turn.error, ScriptError):
            raise _refused(turn.error, self.name)
        assembly = Assembly(len(request.messages), request.used_call_ids)
        for chunk in _chunks(turn):
            for progress in assembly.add(chunk):
                tell(progress)
        if turn.error == "reset":
            raise failures.lost(ConnectionResetError("reset by the script"))
        if turn.error is None:
            assembly.add(_last_chunk(turn))
        return assembly.finish()


def _snapshot(request: Request) -> Request:
    """The request as it was asked: a caller may go on with the same lists."""
    return msgspec.structs.replace(
        request, messages=tuple(request.messages), used_call_ids=frozenset(request.used_call_ids)
    )


def _chunks(turn: ScriptTurn) -> Iterator[dict[str, Any]]:
    """The turn as a service streams it, up to but without its finish."""
    field = "refusal" if turn.finish_reason == "refusal" else "content"
    pieces = turn.chunks if turn.chunks is not None else [turn.content or ""]
    for piece in pieces:
        yield _delta({field: piece})
    for index, call in enumerate(turn.tool_calls):
        arguments = call.arguments if isinstance(call.arguments, str) else encode(call.arguments).decode()
        function = {"name": call.name, "arguments": arguments}
        yield _delta({"tool_calls": [{"index": index, "id": call.id, "type": "function", "function": function}]})


def _last_chunk(turn: ScriptTurn) -> dict[str, Any]:
    chunk = _delta({}, turn.finish_reason or ("tool_calls" if turn.tool_calls else "stop"))
    if turn.usage is not None:
        sent, written = turn.usage.get("input_tokens", 0), turn.usage.get("output_tokens", 0)
        chunk["usage"] = {
            "prompt_tokens": sent,
            "completion_tokens": written,
            "total_tokens": turn.usage.get("total_tokens", sent + written),
            "prompt_tokens_details": {"cached_tokens": turn.usage.get("cached_tokens", 0)},
        }
    return chunk


def _delta(delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}]}


def _refused(error: ScriptError, name: str) -> ModelError:
    service = failures.Service(name, "", "This failure is part of the script.")
    return failures.from_said(Said(message=error.message), error.status, service, error.retry_after)
