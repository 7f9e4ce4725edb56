"""The chat completions API, as OpenAI and many others serve it.

Owns one attempt: the request's bytes, and what a refused tool choice or id becomes. Knows nothing of retries, which are
`retry.py`'s, nor of connections, which are `sdk_client.py`'s, and leaves what chunks mean to `assemble.py`. A
request joins bytes that were made with the messages.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from agentrun.engine.messages import Reply, Request, ToolList, encode
from agentrun.engine.ports import Tell
from agentrun.errors import ModelError
from agentrun.models.assemble import Assembly
from agentrun.models.history import ContentWhenEmpty, message_json, repair
from agentrun.models.sdk_client import OpenAIClient
from agentrun.models.speakers import refuses_ids, signed, with_short_ids
from agentrun.models.transport import Wiring, check_settings

if TYPE_CHECKING:
    from typing import Unpack

MAX_KEPT_MESSAGES = 1024  # those whose bytes to send are not their own

_OWN_KEYS = frozenset({"model", "messages", "tools"})


class ChatCompletions:
    """A `Model` that speaks chat completions."""

    def __init__(
        self,
        name: str,
        *,
        settings: Mapping[str, Any],
        content_when_empty: ContentWhenEmpty = None,
        **wiring: Unpack[Wiring],
    ) -> None:
        self.name = name
        self._settings = dict(settings)
        self._content_when_empty = content_when_empty
        self._tool_choice_in_words = False
        self._ids_are_short = False
        self._client = OpenAIClient(name, wiring)
        self._speaker = self._client.speaker
        self._shortened = lru_cache(MAX_KEPT_MESSAGES)(with_short_ids)
        self._kept = lru_cache(MAX_KEPT_MESSAGES)(message_json)

    async def complete(self, request: Request, tell: Tell) -> Reply:
        while True:
            try:
                return signed(await self._ask(request, tell), self._speaker)
            except ModelError as failure:
                if not self._learns_from(failure, request):
                    raise

    def _learns_from(self, failure: ModelError, request: Request) -> bool:
        """Whether the service will be asked in another way from now on."""
        if not self._tool_choice_in_words and _refuses_tool_choice(failure, request):
            self._tool_choice_in_words = True
        elif not self._ids_are_short and refuses_ids(failure):
            self._ids_are_short = True
        else:
            return False
        return True

    def prepare(self) -> None:
        self._client.prepare()

    async def aclose(self) -> None:
        await self._client.aclose()

    async def _ask(self, request: Request, tell: Tell) -> Reply:
        check_settings(self._settings, _OWN_KEYS)
        assembly = Assembly(len(request.messages), request.used_call_ids)
        await self._client.ask("/chat/completions", self.body(request), assembly, tell, whole_key="choices")
        return assembly.finish()

    def body(self, request: Request) -> bytes:
        """The request's JSON: the messages' and tools' bytes as they are, and a small tail."""
        tools, tool_choice = self._chosen(request)
        tail: dict[str, Any] = {}
        if tools and tool_choice is not None:
            tail["tool_choice"] = tool_choice
        if tools and request.parallel_tool_calls is not None:
            tail["parallel_tool_calls"] = request.parallel_tool_calls
        if request.response_format is not None:
            tail["response_format"] = request.response_format
        tail |= {key: value for key, value in self._settings.items() if key not in tail}
        tail.setdefault("stream", True)
        if tail["stream"]:
            tail.setdefault("stream_options", {"include_usage": True})
        messages = repair(request.messages)
        if self._ids_are_short:
            messages = [self._shortened(message) for message in messages]
        empty, to = self._content_when_empty, self._speaker
        sent = [
            one.json if one.is_plain and (empty is None or not one.calls) else self._kept(one, empty, to)
            for one in messages
        ]
        pieces = [b'{"model":', encode(self.name), b',"messages":[', b",".join(sent), b"]"]
        if tools:
            pieces += [b',"tools":', tools.json]
        pieces += [b",", encode(tail)[1:]]
        return b"".join(pieces)

    def _chosen(self, request: Request) -> tuple[ToolList, str | dict[str, Any] | None]:
        """Where a service takes tool choices in words only, `required` and one tool say what the object says."""
        choice = request.tool_choice
        if not (self._tool_choice_in_words and isinstance(choice, dict)):
            return request.tools, choice
        function = choice.get("function")
        name = function.get("name") if isinstance(function, dict) else None
        return ToolList(tool for tool in request.tools.tools if name in (None, tool.name)), "required"


def _refuses_tool_choice(failure: ModelError, request: Request) -> bool:
    return (
        isinstance(request.tool_choice, dict)
        and failure.status in (400, 422)
        and "tool_choice" in failure.message.lower()
    )
