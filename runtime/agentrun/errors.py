"""The exceptions that leave agentrun, each with its exit code.

    AgentrunError            1
    ├── UsageError           2   the command line or an argument of a run is wrong
    ├── SpecError            3   files have findings; carries the report
    ├── ModelError           4   the model service failed, after retries and fallbacks
    ├── ToolsError           1   tools that somebody else serves can't be had: their server didn't start, or has none
    └── StoreError           1   sessions can't be read or written

    ToolFailure              a failed tool call: told to the model, never an exit code

What the user can mend in a file is a Diagnostic (`diagnostics.py`). Anything else that is raised is a bug
and reaches the one handler in `cli`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from agentrun.diagnostics import Report

FailureType = Literal[
    "unknown_tool",
    "invalid_arguments",
    "denied",
    "timeout",
    "http_status",
    "exit_code",
    "connection",
    "output_too_large",
    "tool_error",
    "internal",
    "limit",
    "interrupted",
]


class AgentrunError(Exception):
    """Something the user is told in one line. `help` says what to do about it."""

    exit_code = 1

    def __init__(self, message: str, *, help: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.help = help


class UsageError(AgentrunError):
    exit_code = 2


class SpecError(AgentrunError):
    exit_code = 3

    def __init__(self, report: Report) -> None:
        super().__init__(report.summary())
        self.report = report


class ModelError(AgentrunError):
    """The model service failed.

    `status` is the HTTP status if there was one; `retryable` says whether the same request may succeed later;
    `retry_after_s` is the delay the service asked for, in seconds.
    """

    exit_code = 4

    def __init__(
        self,
        message: str,
        *,
        help: str | None = None,
        code: str = "model_error",
        status: int | None = None,
        retryable: bool = False,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message, help=help)
        self.code = code
        self.status = status
        self.retryable = retryable
        self.retry_after_s = retry_after_s


class ToolsError(AgentrunError):
    """Tools that somebody else serves can't be had: no run begins without them."""


class StoreError(AgentrunError):
    """The database of sessions can't be opened, read or written: locked, full, read-only, of a newer version."""


class ToolFailure(Exception):
    """A tool call that failed in a way the model is told about: `{"error": {"type", "message", **details}}`."""

    def __init__(self, type: FailureType, message: str, **details: Any) -> None:
        super().__init__(message)
        self.type: FailureType = type
        self.message = message
        self.details = details

    def as_result(self) -> dict[str, Any]:
        return {"error": {"type": self.type, "message": self.message, **self.details}}


def reason_of(error: OSError | ValueError) -> str:
    """Why a file can't be read or written, as the end of a message: "is a directory"."""
    return (getattr(error, "strerror", None) or str(error)).lower()
