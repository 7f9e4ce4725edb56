"""Decides a turn of the offline model: the calls to make, or what to say.

Pure. One user message leads to one round of calls, then to an answer from their results. Text in a result never leads
to a call. Two things make a further round, and both follow from the user's words alone: with
`parallel_tool_calls: false` the calls that the words ask for are made one after the other; and after agentrun's own
`search_tools` or `transfer_to_*`, which bring tools and no answer, the words are read again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

import msgspec

from agentrun.engine.attached import attachments_in
from agentrun.engine.bm25 import terms, words
from agentrun.engine.messages import FunctionTool, Request
from agentrun.errors import ModelError
from agentrun.models.offline.choose import Toolbox, Wish
from agentrun.models.offline.dates import stated_today
from agentrun.models.offline.entry import SEARCH_TOOLS, brings_tools
from agentrun.models.offline.fill import Filling, options
from agentrun.models.offline.find import Said
from agentrun.models.offline.form import formed
from agentrun.models.offline.history import known_values, last_called, results_in, system_text, text_of
from agentrun.models.offline.place import Part
from agentrun.models.offline.say import Result, asked_words, error_of, parsed, say
from agentrun.models.offline.talk import courtesy, no_match, question, unread, without_tools
from agentrun.models.offline.words import ASKS, COMMANDS, WEAK

MAX_CALLS = 16
# How many user messages an open question is followed over.
MAX_PENDING = 4
MAX_QUERY_WORDS = 20
Call = tuple[str, dict[str, Any]]

_NEVER_MIND = re.compile(
    r"\s{0,9}(?:never ?mind|forget (?:it|that)|nothing|cancel|stop|no(?:pe|,? thanks?)?)\W{0,9}", re.IGNORECASE
)


class _Choice(msgspec.Struct, frozen=True):
    """`tools` may be used; `name` must be, or any of them if `must` is set without a name."""

    tools: tuple[FunctionTool, ...]
    must: bool = False
    name: str | None = None


def decide(request: Request, today: Callable[[], date]) -> list[Call] | str:
    """Raises `ModelError` if `tool_choice` names no tool of the request."""
    return _Conversation(request, today).turn()


class _Conversation:
    def __init__(self, request: Request, today: Callable[[], date]) -> None:
        self._request = request
        self._messages = [message.data for message in request.messages]
        self._choice = _choice(request)
        system = system_text(self._messages)
        self._today = stated_today(system) or today()
        self._toolbox = Toolbox(self._choice.tools, system)

    def turn(self) -> list[Call] | str:
        spoken = [at for at, data in enumerate(self._messages) if data.get("role") == "user"]
        if not spoken:
            return courtesy("hello", self._choice.tools)
        at = spoken[-1]
        said = self._said(at)
        results = results_in(self._messages[at + 1 :])
        made = [result for result in results if not brings_tools(result.name)]
        # A forced choice holds for the user's message, not for the answer to it.
        forced = self._choice.must and not results
        wishes, note = self._forced(said, at) if forced else self._wishes(spoken, is_first=not results)
        if calls := self._open([wish for wish in wishes if forced or not wish.filling.missing], made):
            return calls
        told = [self._question(wish, at) for wish in wishes if wish.filling.missing]
        if made:
            named = frozenset(word for result in made for word in words(result.name))
            told.insert(0, say(made, asked_words(said.plain) - named))
        files = unread([one.name for one in attachments_in(self._messages[at].get("content"))])
        sentence = " ".join(filter(None, [files, " ".join(told) or note or self._talk(said)]))
        facts = [fact for fact in (parsed(result.content) for result in made) if error_of(fact) is None]
        return formed(self._request.response_format, sentence, facts, said)

    def _talk(self, said: Said) -> str:
        if self._request.tool_choice == "none" and self._request.tools:
            return without_tools()
        return courtesy(said.text, self._choice.tools) or no_match(self._choice.tools)

    def _open(self, wishes: Sequence[Wish], made: Sequence[Result]) -> list[Call]:
        """The calls that are still to be made: all at once, or one by one where the request wants that."""
        wanted = [(wish.tool.name, arguments) for wish in wishes for arguments in wish.filling.arguments][:MAX_CALLS]
        if self._request.parallel_tool_calls is not False:
            return [] if made else wanted
        done = [(result.name, dict(result.arguments)) for result in made]
        return wanted[len(done) : len(done) + 1] if wanted[: len(done)] == done else []

    def _forced(self, said: Said, at: int) -> tuple[list[Wish], str]:
        wish = self._toolbox.forced(said, known_values(self._messages[:at]), self._choice.name)
        return [wish] if wish else [], ""

    def _wishes(self, spoken: Sequence[int], is_first: bool) -> tuple[list[Wish], str]:
        """What the last message asks for, read together with the questions that earlier ones left open, and what to
        say where that is nothing. After a tool search or a hand-off the words are not passed on again."""
        wishes: list[Wish] = []
        note = ""
        for at in spoken[-MAX_PENDING:]:
            said = self._said(at)
            pending = next((wish for wish in wishes if wish.filling.missing), None)
            if pending and _NEVER_MIND.fullmatch(said.text):
                wishes, note = [], "All right, I leave it."
                continue
            answered = self._answered(pending, said, at) if pending else None
            wishes = [answered] if answered else self._read(said, at)
            note = ""
        if not is_first:
            return [wish for wish in wishes if not brings_tools(wish.tool.name)], note
        return wishes or ([] if note else self._searched(self._said(spoken[-1]))), note

    def _read(self, said: Said, at: int) -> list[Wish]:
        earlier = self._messages[:at]
        return self._toolbox.wishes(said, known_values(earlier), last_called(earlier))

    def _answered(self, pending: Wish, said: Said, at: int) -> Wish | None:
        """The pending call with the value that the message gives, if it is an answer and no request of its own."""
        name, missing = pending.tool.name, pending.filling.missing
        known = known_values(self._messages[:at])
        part = Part(said, 0, len(said.plain))
        if "?" in said.plain or part.first_word in COMMANDS | ASKS:
            return None
        filled = self._toolbox.fill(name, said, known, asked=missing)
        given = [key for key in missing if filled and key in filled.filling.arguments[0]]
        if not filled or not given:
            return None
        slots = self._toolbox.slots(name, missing)
        values = [str(filled.filling.arguments[0][key]) for key in given]
        explained = WEAK.union(*(slot.described.union(slot.terms) for slot in slots), *map(terms, values))
        others = [wish for wish in self._toolbox.wishes(said, known, None) if wish.by_words and wish.tool.name != name]
        if others and not explained.issuperset(terms(" ".join(part.telling))):
            return None
        arguments = tuple({**pending.filling.arguments[0], **one} for one in filled.filling.arguments)
        still = tuple(key for key in missing if key not in given)
        return Wish(pending.tool, Filling(arguments, still, frozenset(given)))

    def _searched(self, said: Said) -> list[Wish]:
        """With a tool search, words that fit no tool at hand are searched for."""
        tool = next((tool for tool in self._choice.tools if tool.name == SEARCH_TOOLS), None)
        query = " ".join(Part(said, 0, len(said.plain)).telling[:MAX_QUERY_WORDS])
        if tool is None or not query or courtesy(said.text, ()):
            return []
        return [Wish(tool, Filling(({"query": query},), (), frozenset()))]

    def _question(self, wish: Wish, at: int) -> str:
        slots = self._toolbox.slots(wish.tool.name, wish.filling.missing)
        several = options(slots[0], known_values(self._messages[:at]))
        return question(slots, several if len(several) > 1 else ())

    def _said(self, at: int) -> Said:
        return Said(text_of(self._messages[at]), self._today)


def _choice(request: Request) -> _Choice:
    """`tool_choice` in all its forms."""
    tools, wanted = request.tools.tools, request.tool_choice
    if isinstance(wanted, Mapping) and wanted.get("type") == "allowed_tools":
        allowed = wanted.get("allowed_tools", wanted)
        names = {_function_name(entry) for entry in allowed.get("tools", ())}
        tools = tuple(tool for tool in tools if tool.name in names)
        wanted = allowed.get("mode", "auto")
    if wanted in (None, "auto"):
        return _Choice(tools)
    if wanted == "none" or not tools:
        return _Choice(())
    if wanted == "required":
        return _Choice(tools, must=True)
    name = wanted if isinstance(wanted, str) else _function_name(wanted)
    if all(tool.name != name for tool in tools):
        message = f"tool_choice names {name!r}, which is not among the tools: {', '.join(tool.name for tool in tools)}"
        raise ModelError(message, code="invalid_request", status=400)
    return _Choice(tools, must=True, name=name)


def _function_name(choice: Any) -> str:
    function = choice.get("function", choice) if isinstance(choice, Mapping) else {}
    return str(function.get("name", "")) if isinstance(function, Mapping) else ""
