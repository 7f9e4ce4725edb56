"""Anthropic's Messages API.

Owns one attempt: the turns that the service pauses, and what a refused output format becomes. Knows nothing of
retries, which are `retry.py`'s, nor of connections, which are `sdk_client.py`'s; bodies are `anthropic_body.py`'s and
what events mean is `anthropic_assembly.py`'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from agentrun.engine.messages import Reply, Request
from agentrun.engine.ports import Tell
from agentrun.errors import ModelError
from agentrun.models.anthropic_assembly import MessageAssembly
from agentrun.models.anthropic_blocks import Block
from agentrun.models.anthropic_body import OWN_KEYS, answer_format, request_json
from agentrun.models.sdk_client import AnthropicClient
from agentrun.models.speakers import signed
from agentrun.models.transport import Wiring, check_settings

if TYPE_CHECKING:
    from typing import Unpack

MAX_PAUSES = 10

_FORMAT_WORDS = ("output_config", "output_format", "structured output", "json_schema")


class AnthropicMessages:
    """A `Model` that speaks Anthropic's Messages API. `ANTHROPIC_API_KEY` and `ANTHROPIC_BASE_URL` are the names."""

    def __init__(self, name: str, *, settings: Mapping[str, Any], **wiring: Unpack[Wiring]) -> None:
        self.name = name
        self._settings = dict(settings)
        self._format_in_words = False
        self._client = AnthropicClient(name, wiring)
        self._speaker = self._client.speaker

    async def complete(self, request: Request, tell: Tell) -> Reply:
        try:
            return await self._ask(request, tell)
        except ModelError as failure:
            if self._format_in_words or not _refuses_format(failure, request):
                raise
        self._format_in_words = True  # the model has no structured output: from now on it is told in words
        return await self._ask(request, tell)

    def prepare(self) -> None:
        self._client.prepare()

    async def aclose(self) -> None:
        await self._client.aclose()

    async def _ask(self, request: Request, tell: Tell) -> Reply:
        check_settings(self._settings, OWN_KEYS)
        assembly = MessageAssembly(len(request.messages), request.used_call_ids)
        continued: list[Block] = []
        for _ in range(1 + MAX_PAUSES):
            body = request_json(
                request,
                self.name,
                self._settings,
                format_in_words=self._format_in_words,
                continued=continued,
                to=self._speaker,
            )
            await self._client.ask("/v1/messages", body, assembly, tell, whole_key="stop_reason")
            if not assembly.paused:
                return signed(assembly.finish(), self._speaker)
            continued = assembly.resume()
        raise ModelError(f"the service paused the turn more than {MAX_PAUSES} times", code="paused_too_often")


def _refuses_format(failure: ModelError, request: Request) -> bool:
    message = failure.message.lower()
    was_sent = answer_format(request.response_format)[0] is not None
    return was_sent and failure.status == 400 and any(word in message for word in _FORMAT_WORDS)
