"""The names of OpenTelemetry's GenAI conventions, and what agentrun knows put in their words. Values in, values out.

The conventions are those of open-telemetry/semantic-conventions-genai, which are in development. What they have no
name for is under `agentrun.`. Texts that a model, a tool or a service wrote become no attribute here but for
messages: an error is told by its type, and one that could be a text by `_OTHER`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, get_args
from urllib.parse import urlsplit

import msgspec

from agentrun.engine.messages import Usage
from agentrun.errors import FailureType

OPERATION = "gen_ai.operation.name"
PROVIDER = "gen_ai.provider.name"
CONVERSATION = "gen_ai.conversation.id"
IS_COMPACTED = "gen_ai.conversation.compacted"
AGENT = "gen_ai.agent.name"
AGENT_DESCRIPTION = "gen_ai.agent.description"
OUTPUT_TYPE = "gen_ai.output.type"
REQUEST_MODEL = "gen_ai.request.model"
REQUEST_STREAM = "gen_ai.request.stream"
RESPONSE_MODEL = "gen_ai.response.model"
FINISH_REASONS = "gen_ai.response.finish_reasons"
FIRST_CHUNK_S = "gen_ai.response.time_to_first_chunk"
INPUT_TOKENS = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
CACHED_TOKENS = "gen_ai.usage.cache_read.input_tokens"
TOOL = "gen_ai.tool.name"
TOOL_TYPE = "gen_ai.tool.type"
CALL_ID = "gen_ai.tool.call.id"
ADDRESS = "server.address"
PORT = "server.port"
ERROR = "error.type"
# what was said
INPUT_MESSAGES = "gen_ai.input.messages"
OUTPUT_MESSAGES = "gen_ai.output.messages"
CALL_ARGUMENTS = "gen_ai.tool.call.arguments"
CALL_RESULT = "gen_ai.tool.call.result"
# agentrun's own
RUN_ID = "agentrun.run_id"
REASON = "agentrun.reason"
TURN = "agentrun.turn"
TURNS = "agentrun.turns"
COST_USD = "agentrun.cost_usd"
APPROVED = "agentrun.approval.approved"
APPROVED_BY = "agentrun.approval.by"
APPROVAL_RULE = "agentrun.approval.rule"
APPROVAL_WAIT_S = "agentrun.approval.wait_s"
APPROVAL_REASON = "agentrun.approval.reason"  # a text: a person's words may stand in it
UNFINISHED = "agentrun.unfinished"
RETRY = "agentrun.retry"
FALLBACK = "agentrun.fallback"
COMPACTED = "agentrun.compacted"
HAND_OFF = "agentrun.hand_off"
ELICITED = "agentrun.elicited"
ELICITED_BY = "agentrun.elicitation.server"
ELICITED_ACTION = "agentrun.elicitation.action"
ELICITED_MESSAGE = "agentrun.elicitation.message"  # a text
ATTEMPT = "agentrun.attempt"
DELAY_S = "agentrun.delay_s"
CAUSE = "agentrun.cause"  # a text
DROPPED_MESSAGES = "agentrun.dropped_messages"

CONTENT = frozenset(
    {INPUT_MESSAGES, OUTPUT_MESSAGES, CALL_ARGUMENTS, CALL_RESULT, APPROVAL_REASON, CAUSE, ELICITED_MESSAGE}
)  # attributes that hold what somebody wrote: there only when asked for
OTHER = "_OTHER"
OWN_PROVIDER = "agentrun"  # of models without a service

_PROVIDERS = (  # by the hosts of their services
    ("api.openai.com", "openai"),
    ("*.api.openai.com", "openai"),
    ("*.anthropic.com", "anthropic"),
    ("*.openai.azure.com", "azure.ai.openai"),
    ("*.cognitiveservices.azure.com", "azure.ai.openai"),
    ("*.ai.azure.com", "azure.ai.inference"),
    ("generativelanguage.googleapis.com", "gcp.gemini"),
    ("aiplatform.googleapis.com", "gcp.vertex_ai"),
    ("*-aiplatform.googleapis.com", "gcp.vertex_ai"),
    ("bedrock*.amazonaws.com", "aws.bedrock"),
    ("bedrock*.api.aws", "aws.bedrock"),
    ("*.ml.cloud.ibm.com", "ibm.watsonx.ai"),
    ("api.mistral.ai", "mistral_ai"),
    ("api.groq.com", "groq"),
    ("*.x.ai", "x_ai"),
    ("api.deepseek.com", "deepseek"),
    ("api.perplexity.ai", "perplexity"),
    ("api.cohere.*", "cohere"),
    ("api.moonshot.*", "moonshot_ai"),
)
_BY_API = {"anthropic_messages": "anthropic", "offline": OWN_PROVIDER, "scripted": OWN_PROVIDER}
_MAX_INT = 2**63 - 1
_FAILURES = frozenset(get_args(FailureType))
_FAILURE = re.compile(r'\s*\{\s*"error"\s*:\s*\{\s*"type"\s*:\s*"(\w+)"')
_CODE = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
_STATUS = re.compile(r".{0,300}?\((\d{3})\)(?::|$)", re.DOTALL)
_CAUSES = (  # as `models/failures.py` words them
    (re.compile(r"the service .{0,80} within [\d.e+-]+ s"), "timeout"),
    (re.compile(r"(?:no (?:secure )?connection to|no service answers|the host of|the certificate of) "), "connection"),
    (re.compile(r"the service.{0,300}? (?:gave no answer|closed the connection)"), "connection"),
    (re.compile(r"the service's reply ended before"), "incomplete_reply"),
    (re.compile(r"the service sent a broken reply"), "malformed_reply"),
    (re.compile(r"the service answered with a web page"), "wrong_content_type"),
    (re.compile(r"the conversation is too long"), "context_length_exceeded"),
)
_FINISHES = {"tool_calls": "tool_call"}  # the conventions' word inside a message


class ModelFacts(msgspec.Struct, frozen=True):
    """What events do not tell of a model: who serves it, and where."""

    name: str
    provider: str = ""
    address: str = ""
    port: int | None = None

    @property
    def attributes(self) -> dict[str, Any]:
        found: dict[str, Any] = {PROVIDER: self.provider} if self.provider else {}
        if self.address:
            found[ADDRESS] = self.address
            found[PORT] = self.port
        return found


def model_facts(name: str, api: str, url: str) -> ModelFacts:
    """A model of `api` at a service's address. Of the address only host and port are kept."""
    own = _BY_API.get(api)
    if own == OWN_PROVIDER:
        return ModelFacts(name, OWN_PROVIDER)
    try:
        parts = urlsplit(url.strip())
        host, port = (parts.hostname or "").rstrip("."), parts.port or (80 if parts.scheme == "http" else 443)
    except ValueError:
        return ModelFacts(name, own or "openai")
    known = (provider for pattern, provider in _PROVIDERS if fnmatchcase(host, pattern))
    return ModelFacts(name, next(known, own or "openai"), host, port if host else None)


def usage_attributes(usage: Usage | None, cost_usd: float | None) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if usage is not None:
        counts = {INPUT_TOKENS: usage.input_tokens, OUTPUT_TOKENS: usage.output_tokens}
        if usage.cached_tokens:
            counts[CACHED_TOKENS] = usage.cached_tokens
        found = {key: min(count, _MAX_INT) for key, count in counts.items()}  # services may say anything
    if cost_usd is not None:
        found[COST_USD] = cost_usd
    return found


# -- what went wrong, in one word ------------------------------------------------------------------------------


def failure_type(result: str) -> str:
    """The type of a failed call, as its result tells it. The result may have been cut."""
    found = _FAILURE.match(result)
    return found[1] if found and found[1] in _FAILURES else OTHER


def error_type(error: Mapping[str, Any] | None, reason: str) -> str:
    """Why a run did not end well: a service's code may be any text, so only what looks like a code is told.

    Where the service gave none, it is what the message says in our own words.
    """
    code = (error or {}).get("type") or reason
    if code == "model_error" and (cause := cause_type(str((error or {}).get("message")))) != OTHER:
        return cause
    return code if isinstance(code, str) and _CODE.fullmatch(code) else OTHER


def cause_type(cause: str) -> str:
    """Why a model was asked again: the status of HTTP, or what our own words say."""
    if found := _STATUS.match(cause):
        return found[1]
    return next((name for pattern, name in _CAUSES if pattern.match(cause)), OTHER)


# -- what was said ---------------------------------------------------------------------------------------------


def said(role: str, text: str) -> dict[str, Any]:
    return {"role": role, "parts": [{"type": "text", "content": text}]}


def told(call_id: str, result: str) -> dict[str, Any]:
    """A call's result as a message."""
    return {"role": "tool", "parts": [{"type": "tool_call_response", "id": call_id, "response": result}]}


def answered(message: Mapping[str, Any], finish_reason: str) -> dict[str, Any]:
    """The model's message, from the form of the chat API."""
    parts: list[dict[str, Any]] = []
    if reasoning := message.get("reasoning_content"):
        parts.append({"type": "reasoning", "content": str(reasoning)})
    content = message.get("content")
    pieces: Sequence[Any] = content if isinstance(content, list) else [content]
    for piece in pieces:
        text = piece.get("text") if isinstance(piece, Mapping) else piece
        if text:
            parts.append({"type": "text", "content": str(text)})
    if refusal := message.get("refusal"):
        parts.append({"type": "text", "content": str(refusal)})
    for call in message.get("tool_calls") or ():
        function = call.get("function") or {}
        arguments = function.get("arguments")
        parts.append(
            {"type": "tool_call", "id": call.get("id"), "name": function.get("name"), "arguments": _data(arguments)}
        )
    return {"role": "assistant", "parts": parts, "finish_reason": _FINISHES.get(finish_reason, finish_reason)}


def as_json(value: Any) -> str:
    """Spans hold structured content as JSON text."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _data(text: Any) -> Any:
    try:
        return json.loads(text)
    except (TypeError, ValueError, RecursionError):
        return text
