"""What can be wrong with a document as a whole, and with one of its operations."""

from __future__ import annotations

from agentrun.errors import UsageError


class DocumentProblem(UsageError):
    """A document that can't be used. `where` is a line or a JSON pointer in it, such as `line 12`; empty: all of it."""

    def __init__(self, message: str, *, help: str | None = None, where: str = "") -> None:
        super().__init__(message, help=help)
        self.where = where


class OperationProblem(ValueError):
    """Why one operation can't be made a function: the end of a sentence. `where` is a JSON pointer in the document."""

    def __init__(self, reason: str, where: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.where = where
