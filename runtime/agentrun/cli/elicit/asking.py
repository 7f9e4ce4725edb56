"""The conversation with a person about what a server asks: each member of its form in turn, or an address to open.

What the server says stands in rows that are marked, so that none can pass for a line of agentrun; its text is in no
prompt. Nothing leaves before the person has seen the whole answer and said that it may. Knows nothing of terminals.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec

from agentrun.cli.elicit.fields import DoesNotFit, Field, NoAnswer, as_typed, fields_of, is_plain, parsed, wanted
from agentrun.cli.who import who_asks
from agentrun.engine.ports import ElicitationAnswer, ElicitationQuestion
from agentrun.visible import one_line

_CANCEL = ElicitationAnswer("cancel")
_DECLINE = ElicitationAnswer("decline")
_VALUE_CHARS = 200
_MESSAGE_CHARS = 2000
_SHOWN_CHOICES = 40
_QUOTED_WORDS = ('"decline"', '"cancel"', '""')  # these words as texts


class _Ended(Exception):
    """The person gives no answer."""

    def __init__(self, answer: ElicitationAnswer) -> None:
        super().__init__(answer.action)
        self.answer = answer


class Asking:
    """`say` shows a line of agentrun's, `quote` a text of the server's; `read` gives what is typed behind a prompt, or
    None where the person leaves the question.
    """

    def __init__(
        self,
        say: Callable[[str], None],
        quote: Callable[[str], None],
        read: Callable[[str], Awaitable[str | None]],
    ) -> None:
        self._say = say
        self._quote = quote
        self._read = read

    async def answer(self, question: ElicitationQuestion) -> ElicitationAnswer:
        asked = question.asked
        server, tool = one_line(asked.server, 64), one_line(question.tool, 64)
        by = f" by {who_asks(question.agent, question.callers)}" if question.agent else ""
        self._say(f"the server {server} asks you something, for the call of {tool}{by}:")
        self._quote(_cut(asked.message, _MESSAGE_CHARS))
        try:
            if asked.url is not None:
                return await self._page(asked.url)
            fields = fields_of(asked.schema or {})
            return await self._form(server, fields) if fields else await self._consent(server)
        except _Ended as ended:
            return ended.answer

    # -- a page

    async def _page(self, url: str) -> ElicitationAnswer:
        try:
            parts = urlsplit(url)
            host = parts.hostname or ""
        except ValueError:
            host = ""
        if not host or parts.scheme not in ("https", "http"):
            self._say("  it wants you to open what is no web address, and was told no")
            return _DECLINE
        self._say(f"  it wants you to open a page of {one_line(host, 253)} in a browser:")
        self._quote(url)
        for remark in _remarks(host, parts.scheme, has_user="@" in parts.netloc):
            self._say(f"  {remark}")
        self._say("  agentrun opens nothing itself, and doesn't learn what you do there")
        return await self._yes("y I did what it asks there · n decline · Ctrl-D leave it", "done? ")

    # -- a form

    async def _consent(self, server: str) -> ElicitationAnswer:
        self._say(f"  it wants a yes or a no: {server} is told")
        return await self._yes("y yes · n decline · Ctrl-D leave it", "yes? ", content={})

    async def _form(self, server: str, fields: Sequence[Field]) -> ElicitationAnswer:
        self._say(f"  what you type goes to {server}: never a password or a key")
        self._say("  Enter takes what is offered, or leaves out what may be · `decline` says no · Ctrl-D leaves it")
        given: dict[str, Any] = {}
        while True:
            given = await self._filled(fields, given)
            self._say("  this goes to it:" if given else "  nothing is filled in")
            if given:
                self._quote(json.dumps(given, ensure_ascii=False, indent=2))
            self._say("  y send it · e change it · n decline · Ctrl-D leave it")
            word = await self._one_of(("y", "yes", "e", "edit", "n", "no"), "y, e or n", "send it? ")
            if word[0] != "e":
                return ElicitationAnswer("accept", given) if word[0] == "y" else _DECLINE

    async def _filled(self, fields: Sequence[Field], before: Mapping[str, Any]) -> dict[str, Any]:
        """`before` is what was answered already, and is offered again."""
        given: dict[str, Any] = {}
        for number, field in enumerate(fields, start=1):
            place = f"{number} of {len(fields):,}" if len(fields) > 1 else ""
            value = await self._field(field, before.get(field.name, field.default), place)
            if value is not msgspec.UNSET:
                given[field.name] = value
        return given

    async def _field(self, field: Field, offered: Any, place: str) -> Any:
        self._quote(f"{_headed(field)}: {field.description}" if field.description else _headed(field))
        for number, one in enumerate(field.choices[:_SHOWN_CHOICES], start=1):
            value, title = (one_line(text, _VALUE_CHARS) for text in (as_typed(field, one.value), one.title))
            self._quote(f"{number:>3}  {title} ({value})" if title and title != value else f"{number:>3}  {value}")
        if len(field.choices) > _SHOWN_CHOICES:
            self._say(f"  … {len(field.choices) - _SHOWN_CHOICES:,} more are not shown")
        has_offer = offered is not msgspec.UNSET
        told = [wanted(field), "required" if field.required else "may be left out"]
        told += ["- leaves it out"] if has_offer and not field.required else []
        value = one_line(as_typed(field, offered), _VALUE_CHARS) if has_offer else ""
        if has_offer:
            told.append(f"Enter takes {value}" if is_plain(field) else "Enter takes this:")
        self._say(f"  {' · '.join(told)}")
        if has_offer and not is_plain(field):
            self._quote(value)
        if field.wants_secret:
            self._say("  this looks like a secret: no server may ask for one here, so decline")
        while True:
            typed = await self._typed(f"answer {place}: " if place else "answer: ")
            if not typed and has_offer:
                return offered
            if not field.required and (not typed or (has_offer and typed == "-")):
                return msgspec.UNSET
            if not typed:
                self._say("  it needs an answer; `decline` gives none")
                continue
            try:
                return parsed(field, typed[1:-1] if typed in _QUOTED_WORDS else typed)
            except DoesNotFit as reason:
                self._say("  that doesn't fit:")
                self._quote(_cut(str(reason), _VALUE_CHARS))
            except NoAnswer as reason:
                self._say(f"  {one_line(str(reason), _VALUE_CHARS)}")

    # -- what is typed

    async def _typed(self, prompt: str) -> str:
        typed = await self._read(prompt)
        if typed is None:
            self._say("  it got no answer")
            raise _Ended(_CANCEL)
        typed = typed.strip()
        if typed.lower() == "decline":
            raise _Ended(_DECLINE)
        if typed.lower() == "cancel":
            raise _Ended(_CANCEL)
        return typed

    async def _yes(self, keys: str, prompt: str, content: dict[str, Any] | None = None) -> ElicitationAnswer:
        self._say(f"  {keys}")
        word = await self._one_of(("y", "yes", "n", "no"), "y or n", prompt)
        return ElicitationAnswer("accept", content) if word[0] == "y" else _DECLINE

    async def _one_of(self, words: Sequence[str], named: str, prompt: str) -> str:
        while (typed := (await self._typed(prompt)).lower()) not in words:
            self._say(f"  that is no answer: {named}")
        return typed


def _headed(field: Field) -> str:
    return f"{field.title} ({field.name})" if field.title and field.title != field.name else field.name


def _remarks(host: str, scheme: str, *, has_user: bool) -> list[str]:
    """What a person may overlook in an address."""
    found = []
    if scheme == "http":
        found.append("its connection is not encrypted")
    if has_user:
        found.append(f"what stands before the @ is no host: the page is one of {one_line(host, 253)}")
    if any(part.startswith("xn--") for part in host.split(".")) or not host.isascii():
        found.append("its name has letters that may look like others")
    return found


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]} … {len(text) - most:,} more characters"
