"""What a reply is worth as an answer: whether it was cut short, and whether it has the response format. Pure."""

from __future__ import annotations

from typing import Any

from agentrun.engine.agent import Check
from agentrun.engine.arguments import parse_json
from agentrun.engine.events import Reason
from agentrun.engine.messages import Reply


def cut_short(reply: Reply) -> Reason | None:
    """Why nothing of the turn runs, if so. Calls that came whole never have `length`: see `models/assemble.py`."""
    match reply.finish_reason:
        case "length" | "content_filter" as reason:
            return reason
        case "refusal":
            return "refused"
    return "refused" if reply.refusal is not None else None


def answer_problem(check: Check | None, text: str) -> tuple[str | None, Any]:
    """How an answer breaks the format, if it does, and the JSON that it is."""
    if check is None:
        return None, None
    try:
        output = check.with_defaults(parse_json(text))
    except ValueError as error:
        return f"it is not JSON ({error})", None
    violations = check.violations(output)
    if violations:
        return "; ".join(f"{one.path}: {one.message}" if one.path else one.message for one in violations), None
    return None, output
