"""Who said what a history holds: a model gets back all that it sent, and of others what every service takes.

Pure. Reasoning that is signed or encrypted, and fields of a service's own, are refused by other models: after a
hand-off, a fallback or another model in a chat they stay behind. So a message that holds such things says whose it is.
Ids of calls are anybody's, but some services take short ones only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import msgspec

from agentrun.engine.messages import Message, Reply
from agentrun.errors import ModelError

SAID_BY = "said_by"

_MESSAGE_KEYS = frozenset({"role", "content", "refusal", "tool_calls"})
_CALL_KEYS = frozenset({"id", "type", "function"})
_FUNCTION_KEYS = frozenset({"name", "arguments"})
_SHORT_ID = re.compile(r"[A-Za-z0-9]{9}")
_REFUSED_ID = re.compile(r"(?:\bcall[ _-]?id\b|tool_calls\[\d+\]\.id\b).{0,80}\blength\b", re.IGNORECASE | re.DOTALL)


def speaker(model: str, url: str) -> str:
    """A model at an address, which may be private, and is not shown."""
    return f"{model} {sha256(url.encode()).hexdigest()[:8]}"


def signed(reply: Reply, by: str) -> Reply:
    """The reply, with its speaker where it holds what others may refuse."""
    data = reply.message.data
    if data.keys() <= _MESSAGE_KEYS and all(map(_is_plain, data.get("tool_calls") or ())):
        return reply
    return msgspec.structs.replace(reply, message=Message({**data, SAID_BY: by}))


def is_of_another(data: Mapping[str, Any], than: str) -> bool:
    """Whether another model said it. A message that does not tell is taken as it is."""
    return bool(data.get(SAID_BY, than) != than)


def common_form(data: Mapping[str, Any]) -> dict[str, Any]:
    """The message without what only its own service knows."""
    common = {key: value for key, value in data.items() if key in _MESSAGE_KEYS}
    if data.get("tool_calls"):
        common["tool_calls"] = [_common_call(call) for call in data["tool_calls"]]
    return common


def _is_plain(call: Mapping[str, Any]) -> bool:
    return call.keys() <= _CALL_KEYS and call["function"].keys() <= _FUNCTION_KEYS


def _common_call(call: Mapping[str, Any]) -> dict[str, Any]:
    function = {key: value for key, value in call["function"].items() if key in _FUNCTION_KEYS}
    return {**{key: value for key, value in call.items() if key in _CALL_KEYS}, "function": function}


# -- ids of calls ---------------------------------------------------------------------------------------------


def refuses_ids(failure: ModelError) -> bool:
    """Whether a service finds the ids of calls too long: Mistral takes nine letters and digits, OpenAI forty."""
    return failure.status is not None and failure.status < 500 and _REFUSED_ID.search(failure.message) is not None


def with_short_ids(message: Message) -> Message:
    """The same with ids that every service takes: nine letters and digits. The same id gives the same one."""
    data = message.data
    if data["role"] == "tool":
        return Message({**data, "tool_call_id": _short(str(data.get("tool_call_id")))})
    if not data.get("tool_calls"):
        return message
    return Message({**data, "tool_calls": [{**call, "id": _short(str(call["id"]))} for call in data["tool_calls"]]})


def _short(call_id: str) -> str:
    return call_id if _SHORT_ID.fullmatch(call_id) else sha256(call_id.encode("utf-8", "replace")).hexdigest()[:9]
