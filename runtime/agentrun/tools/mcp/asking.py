"""What a server asks of a person in the middle of a call, and the answer that goes back.

Both eras of the protocol ask in the same two ways: for the members of a form, or that an address is opened. What goes
back fits the form: it is checked here, whoever answered.
"""

from __future__ import annotations

import json
from typing import Any

import mcp_types as types

from agentrun.engine.ports import CallContext, Elicitation
from agentrun.json_schema import Validator
from agentrun.tools.mcp.cutting import beginning_of

_MAX_MESSAGE_CHARS = 4000
_MAX_URL_CHARS = 4000
_MAX_SCHEMA_CHARS = 64 * 1024
_CANCEL = types.ElicitResult(action="cancel")


async def answered(
    asked: types.ElicitRequestParams, server: str, context: CallContext | None
) -> types.ElicitResult | types.ErrorData:
    """`context` is that of the call it belongs to; without one nobody is asked."""
    if context is None:
        return _CANCEL
    if isinstance(asked, types.ElicitRequestURLParams):
        return await _opened(asked, server, context)
    schema = asked.requested_schema
    try:
        if len(json.dumps(schema)) > _MAX_SCHEMA_CHARS:
            return _refused(f"the form has more than {_MAX_SCHEMA_CHARS:,} characters")
        check = Validator(schema)
    except ValueError as error:
        return _refused(f"the form is no usable JSON Schema: {error}")
    answer = await context.elicit(Elicitation(server, beginning_of(asked.message, _MAX_MESSAGE_CHARS), schema=schema))
    if answer.action != "accept":
        return types.ElicitResult(action=answer.action)
    content: dict[str, Any] = answer.content or {}
    if not check.is_valid(content):
        wrong = "; ".join(f"{one.path or 'it'}: {one.message}" for one in check.violations(content))
        return _refused(f"what was answered does not fit the form: {wrong}")
    return types.ElicitResult(action="accept", content=content)


async def _opened(
    asked: types.ElicitRequestURLParams, server: str, context: CallContext
) -> types.ElicitResult | types.ErrorData:
    if not asked.url.lower().startswith(("https://", "http://")) or len(asked.url) > _MAX_URL_CHARS:
        return _refused("only addresses that begin with https:// or http:// are opened")
    answer = await context.elicit(Elicitation(server, beginning_of(asked.message, _MAX_MESSAGE_CHARS), url=asked.url))
    return types.ElicitResult(action=answer.action)


def _refused(message: str) -> types.ErrorData:
    return types.ErrorData(code=types.INVALID_PARAMS, message=message)
