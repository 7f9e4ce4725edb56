"""The definition of a scripted model: what it plays, turn by turn. See `types.py`."""

from typing import Annotated, Any, Literal

from msgspec import Meta, field

from agentrun.spec.definition import Closed, FileRef, doc


class ScriptError(Closed, frozen=True):
    status: Annotated[int, Meta(ge=400, le=599), doc("HTTP status of the failure.")] = 500
    message: Annotated[str, doc("The service's message.")] = "scripted error"
    retry_after: Annotated[Annotated[float, Meta(ge=0)] | None, doc("Seconds the service asks to wait.")] = None


class ScriptCall(Closed, frozen=True):
    name: Annotated[str, doc("The function's name.")]
    arguments: Annotated[dict[str, Any] | str, doc("Arguments; a text is sent raw.")] = field(default_factory=dict)
    id: Annotated[str | None, doc("The call's id; default: made.")] = None


class ScriptTurn(Closed, frozen=True):
    """One turn of a scripted model."""

    content: Annotated[str | None, doc("The text of the turn.")] = None
    tool_calls: Annotated[list[ScriptCall], doc("The calls of the turn.")] = field(default_factory=list)
    chunks: Annotated[list[str] | None, doc("The text in pieces, as a stream brings it.")] = None
    finish_reason: Annotated[
        Literal["stop", "tool_calls", "length", "content_filter", "refusal"] | None,
        doc("Default: tool_calls with calls, else stop."),
    ] = None
    usage: Annotated[dict[str, int] | None, doc("`input_tokens`, `output_tokens`, `total_tokens`.")] = None
    delay: Annotated[float, Meta(ge=0), doc("Seconds before the turn.")] = 0
    error: Annotated[
        Literal["cut", "reset"] | ScriptError | None, doc("The turn fails: a status, a cut stream or a reset.")
    ] = None


Script = list[ScriptTurn] | FileRef
