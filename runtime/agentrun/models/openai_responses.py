"""OpenAI's Responses API, as a model that keeps nothing at the service.

Owns one attempt: the request's bytes, and what is left out where a service refuses it. The history is sent whole
each time (`store` is off, `previous_response_id` is not used), with the model's reasoning in encrypted form. Items
are translated by `responses_body.py`, once for each message; what events mean is `responses_assembly.py`'s.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

from agentrun.engine.messages import Reply, Request, encode
from agentrun.engine.ports import Tell
from agentrun.errors import ModelError
from agentrun.models.history import repair
from agentrun.models.responses_assembly import ResponseAssembly
from agentrun.models.responses_body import flat, message_json, tools_json
from agentrun.models.sdk_client import OpenAIClient
from agentrun.models.speakers import signed
from agentrun.models.transport import Wiring, check_settings

if TYPE_CHECKING:
    from typing import Unpack

ENCRYPTED_REASONING = "reasoning.encrypted_content"

# Messages whose items are kept as bytes: those of a long conversation, or of several at once.
MAX_KEPT_MESSAGES = 1024
MAX_KEPT_TOOL_LISTS = 16

_REFUSAL = re.compile(r"encrypted content is not supported|reasoning\.encrypted_content|\binclude\b", re.IGNORECASE)
_OWN_KEYS = frozenset({"model", "input", "tools", "previous_response_id", "conversation"})


class Responses:
    """A `Model` that speaks the Responses API."""

    def __init__(self, name: str, *, settings: Mapping[str, Any], **wiring: Unpack[Wiring]) -> None:
        self.name = name
        self._settings = dict(settings)
        self._client = OpenAIClient(name, wiring)
        self._asks_for_reasoning = "include" not in self._settings
        self._speaker = self._client.speaker
        self._items = lru_cache(MAX_KEPT_MESSAGES)(partial(message_json, to=self._speaker))
        self._tools = lru_cache(MAX_KEPT_TOOL_LISTS)(tools_json)

    async def complete(self, request: Request, tell: Tell) -> Reply:
        try:
            return await self._ask(request, tell)
        except ModelError as failure:
            if not (self._asks_for_reasoning and _refuses_encrypted_reasoning(failure)):
                raise
        self._asks_for_reasoning = False
        return await self._ask(request, tell)

    def prepare(self) -> None:
        self._client.prepare()

    async def aclose(self) -> None:
        await self._client.aclose()

    async def _ask(self, request: Request, tell: Tell) -> Reply:
        check_settings(self._settings, _OWN_KEYS)
        assembly = ResponseAssembly(len(request.messages), request.used_call_ids)
        await self._client.ask("/responses", self.body(request), assembly, tell, whole_key="output")
        return signed(assembly.finish(), self._speaker)

    def body(self, request: Request) -> bytes:
        """The request's JSON: the items' and tools' bytes as they are, and a small tail."""
        tail: dict[str, Any] = {}
        if request.tools and request.tool_choice is not None:
            tail["tool_choice"] = flat(request.tool_choice)
        if request.tools and request.parallel_tool_calls is not None:
            tail["parallel_tool_calls"] = request.parallel_tool_calls
        if request.response_format is not None:
            text = self._settings.get("text")
            tail["text"] = {**(text if isinstance(text, dict) else {}), "format": flat(request.response_format)}
        tail |= {key: value for key, value in self._settings.items() if key not in tail}
        tail.setdefault("store", False)
        if self._asks_for_reasoning:
            tail["include"] = [ENCRYPTED_REASONING]
        tail.setdefault("stream", True)
        items = filter(None, map(self._items, repair(request.messages)))
        pieces = [b'{"model":', encode(self.name), b',"input":[', b",".join(items), b"]"]
        if request.tools:
            pieces += [b',"tools":', self._tools(request.tools)]
        pieces += [b",", encode(tail)[1:]]
        return b"".join(pieces)


def _refuses_encrypted_reasoning(failure: ModelError) -> bool:
    """OpenAI's models that don't reason, and some services, refuse to be asked for it."""
    return failure.status in (400, 422) and _REFUSAL.search(failure.message) is not None
