"""The pages of a list: where the next one is, by what the one before says. Pure.

A `next` that is missing, null or empty ends the list. One that leads where a page was read before isn't followed, or a
service that repeats itself would be asked until `max_pages`: that is `http.py`'s to see.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agentrun.errors import ToolFailure
from agentrun.spec.types import PaginateSpec
from agentrun.templates import Absent, TemplateFailure, UndefinedName, compile_template, to_text


class Paging:
    """A compiled `paginate:`."""

    def __init__(self, spec: PaginateSpec) -> None:
        self._next = compile_template(spec.next)
        self.param = spec.param
        self.max_pages = spec.max_pages

    def next_after(self, variables: Mapping[str, Any]) -> str | None:
        """What `next` says of a page; None at the end. `variables` are those of `output`. Raises `ToolFailure`."""
        try:
            value = self._next.value(variables)
        except (Absent, UndefinedName):
            return None
        except TemplateFailure as error:
            raise ToolFailure("internal", f"`paginate.next` can't be rendered: {error}") from None
        if value is None or value is False or value == "":
            return None
        if isinstance(value, (dict, list)):
            raise ToolFailure("internal", "`paginate.next` gives no text or number")
        return to_text(value)
