"""A value that something is expected of: a text, data, or an answer, which is both."""

from __future__ import annotations

from typing import Any

from agentrun.engine.arguments import parse_json
from agentrun.testing.expect.shown import brief, is_brief


class NoData(Exception):
    """A text is no JSON."""


class Value:
    """`what` names it in messages: "the answer". `text` is None where it is data, and no text."""

    def __init__(self, what: str, text: str | None, data: Any = None, *, is_data: bool) -> None:
        self.what = what
        self.text = text
        self._data = data
        self._is_data = is_data

    def data(self) -> Any:
        """Raises `NoData`."""
        if not self._is_data:
            try:
                self._data = parse_json(self.text or "")
            except ValueError as error:
                raise NoData(self._no_json(error)) from None
            self._is_data = True
        return self._data

    def _no_json(self, error: ValueError) -> str:
        text = self.text or ""
        why = "it stands in a code fence" if text.lstrip().startswith("```") else getattr(error, "msg", error)
        seen = f"{brief(text)}, which is no JSON" if is_brief(text) else "no JSON"
        return f"{self.what} is {seen}: {why}"

    @property
    def looked_at(self) -> Any:
        """The text where there is one, else the data."""
        return self._data if self.text is None else self.text


def text_value(what: str, text: str) -> Value:
    """Its data is what its JSON says."""
    return Value(what, text, is_data=False)


def data_value(what: str, data: Any) -> Value:
    """A text among data is that text, not the JSON that it may hold."""
    return Value(what, data if isinstance(data, str) else None, data, is_data=True)


def answer_value(text: str, output: Any) -> Value:
    """`output` is what a final tool or a response format gave."""
    return Value("the answer", text, output, is_data=output is not None)
