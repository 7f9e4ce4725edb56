"""What an answer over HTTP means to a model: the names that `output` sees of it, or a failure.

One place for all tools that ask a service. It knows neither requests nor how they are sent.
"""

from __future__ import annotations

from typing import Any

from agentrun.engine.ports import CallContext
from agentrun.errors import ToolFailure
from agentrun.tools.http_request import PreparedRequest
from agentrun.tools.http_response import body_value, error_body, joined_headers, links
from agentrun.tools.http_send import Sender, in_words
from agentrun.tools.network import Answer
from agentrun.tools.retry import Deadline, Exchange, asked_wait_s

MAX_BODY_BYTES = 10 * 1024 * 1024
_SECRETIVE = (401, 403)  # their bodies may repeat credentials, and never reach the model


async def expected_answer(
    sender: Sender, request: PreparedRequest, max_bytes: int, deadline: Deadline, context: CallContext
) -> Exchange:
    """The whole answer, of a status that is a success. Raises `ToolFailure`."""
    done = await sender.ask(request, max_bytes, deadline)
    if not sender.expects(done.answer.status):
        raise _status_failure(done, context)
    if not done.answer.complete:
        message = f"{done.request.shown()} answered more than {MAX_BODY_BYTES // 1024**2} MiB"
        raise ToolFailure("output_too_large", message, status=done.answer.status)
    return done


def names_of(request: PreparedRequest, answer: Answer) -> dict[str, Any]:
    """What `output` sees of an answer."""
    body = "" if answer.status in _SECRETIVE else body_value(answer)
    return {
        "status": answer.status,
        "headers": joined_headers(answer),
        "links": links(answer, request.url),
        "body": body,
        "pages": [body],
        "more": False,
    }


def _status_failure(done: Exchange, context: CallContext) -> ToolFailure:
    answer = done.answer
    details: dict[str, Any] = {"status": answer.status}
    if answer.status not in _SECRETIVE:
        body = error_body(answer, context.mask_beginning)
        if body != "":
            details["body"] = body
    asked_s = asked_wait_s(answer)
    if asked_s is not None:
        details["retry_after"] = asked_s
    return ToolFailure("http_status", f"{done.request.shown()} answered {in_words(answer.status)}", **details)
