"""The `offline` model: decides a turn by rules, without a network and without a key.

It is the default for people who have no key yet, and for demonstrations and smoke tests. It is no language model and
says so. It keeps nothing between turns: everything is read from the request, so the same request gives the same reply.

One user message leads to one round of calls, then to an answer from their results. Text in a result never leads to a
call. Two things make a further round, and both follow from the user's words alone: with `parallel_tool_calls: false`
the calls that the words ask for are made one after the other, and after agentrun's own `search_tools` or
`transfer_to_*`, which bring tools and no answer, the words are read again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from itertools import pairwise
from typing import Any

import msgspec

from agentrun.engine.bm25 import terms, words
from agentrun.engine.messages import FunctionTool, Message, Reply, Request, ToolCall, Usage
from agentrun.engine.ports import CallProgress, Tell, TextProgress
from agentrun.errors import ModelError
from agentrun.models.offline_choose import HANDOFF, SEARCH_TOOLS, Toolbox, Wish, entry_words
from agentrun.models.offline_fill import Known, options
from agentrun.models.offline_find import MAX_CHARS, Said, first_iso_date
from agentrun.models.offline_form import formed, plain
from agentrun.models.offline_say import Result, asked_words, error_of, parsed, say
from agentrun.models.offline_talk import question, small_talk, without_tools
from agentrun.models.offline_words import ASKS, COMMANDS, READS, WEAK

MAX_CALLS = 16
# How far back the conversation is read, in messages, and how many open questions are followed up.
MAX_MEMORY = 60
MAX_PENDING = 4
MAX_KNOWN = 50
# A rough rule for English text; a count by a real tokenizer would be as arbitrary here.
CHARS_PER_TOKEN = 4

_NEVER_MIND = re.compile(
    r"\s*(?:never ?mind|forget (?:it|that)|nothing|cancel|stop|no(?:pe|,? thanks?)?)\W*", re.IGNORECASE
)


class _Turn(msgspec.Struct, frozen=True):
    """What the rules decided: calls to make, or a text."""

    calls: tuple[tuple[str, dict[str, Any]], ...] = ()
    text: str = ""


class _Choice(msgspec.Struct, frozen=True):
    """`tools` may be used; `name` must be, or any of them if `must` is set without a name."""

    tools: tuple[FunctionTool, ...]
    must: bool = False
    name: str | None = None


class Offline:
    def __init__(self, name: str = "offline", *, today: Callable[[], date] = date.today) -> None:
        self.name = name
        self._today = today

    async def complete(self, request: Request, tell: Tell) -> Reply:
        turn = _Conversation(request, self._today).turn()
        if turn.calls:
            return _calling(request, turn, tell)
        text = _encodable(turn.text)
        for piece in re.findall(r"\S+\s*|\s+", text):
            tell(TextProgress(piece))
        message = Message({"role": "assistant", "content": text})
        return Reply(message, text, (), "stop", _usage(request, len(text)))


class _Conversation:
    """A request, read: the user's last message, what came after it, and what was known before."""

    def __init__(self, request: Request, today: Callable[[], date]) -> None:
        self.request = request
        self.messages = [message.data for message in request.messages]
        self.choice = _choice(request)
        system = "\n".join(_text(data) for data in self.messages if data.get("role") in ("system", "developer"))
        self.today = first_iso_date(system) or today()
        self.toolbox = Toolbox(self.choice.tools, system)

    def turn(self) -> _Turn:
        spoken = [at for at, data in enumerate(self.messages) if data.get("role") == "user"]
        if not spoken:
            return _Turn(text=small_talk("hello", self.choice.tools))
        at = spoken[-1]
        said = self._said(at)
        results = _results(self.messages[at + 1 :])
        brought = [result for result in results if _brings_tools(result.name)]
        made = [result for result in results if not _brings_tools(result.name)]
        # A choice that is forced holds for the user's message, not for the answer to it.
        wishes, note = (
            ([self._forced(said, at)], "") if self.choice.must and not made else self._wishes(spoken, brought)
        )
        wanted = [(wish.tool.name, arguments) for wish in wishes if wish for arguments in wish.filling.arguments]
        if not self.choice.must:
            ready = [wish for wish in wishes if wish and not wish.filling.missing]
            wanted = [(wish.tool.name, arguments) for wish in ready for arguments in wish.filling.arguments]
        calls = self._open(wanted[:MAX_CALLS], made)
        if calls:
            return _Turn(calls=tuple(calls))
        asked = [self._question(wish, at) for wish in wishes if wish and wish.filling.missing]
        if made:
            asked = [] if self.choice.must else asked
            own = frozenset(word for result in made for word in words(result.name))
            sentence = " ".join([say(made, asked_words(said.plain) - own), *asked])
        else:
            sentence = " ".join(asked) or note or self._talk(said)
        facts = [parsed(result.content) for result in made]
        return _Turn(
            text=formed(self.request.response_format, sentence, [fact for fact in facts if not error_of(fact)], said)
        )

    def _talk(self, said: Said) -> str:
        if self.request.tool_choice == "none" and self.request.tools:
            return without_tools()
        return small_talk(said.text, self.choice.tools)

    def _open(
        self, wanted: list[tuple[str, dict[str, Any]]], made: Sequence[Result]
    ) -> list[tuple[str, dict[str, Any]]]:
        """The calls that are still to be made: all at once, or one by one where the request wants that."""
        if self.request.parallel_tool_calls is not False:
            return [] if made else wanted
        done = [(result.name, dict(result.arguments)) for result in made]
        return wanted[len(done) : len(done) + 1] if wanted[: len(done)] == done else []

    def _wishes(self, spoken: list[int], brought: Sequence[Result]) -> tuple[list[Wish | None], str]:
        """What the last message asks for, together with questions that earlier ones left open. The second value is
        what to say where there is nothing to do."""
        pending: list[Wish] = []
        wishes: list[Wish] = []
        note = ""
        for at in spoken[-MAX_PENDING:]:
            said, known = self._said(at), self._known(at)
            if pending and _NEVER_MIND.fullmatch(said.text):
                pending, wishes, note = [], [], "All right, I leave it."
                continue
            answered = self._answered(pending[0], said, known, at) if pending else None
            wishes = [answered] if answered else self.toolbox.wishes(said, known, self._previous(at))
            pending = [wish for wish in wishes if wish.filling.missing]
            note = ""
        if brought:
            wishes = [wish for wish in wishes if not _brings_tools(wish.tool.name)]
        elif not wishes and not note:
            wishes = self._searched(self._said(spoken[-1]))
        return list(wishes), note

    def _answered(self, pending: Wish, said: Said, known: Known, at: int) -> Wish | None:
        """The pending call with the value that the message gives, if it is an answer and no request of its own."""
        name, missing = pending.tool.name, pending.filling.missing
        filled = self.toolbox.fill(name, said, known, asked=missing)
        given = {key: value for key, value in (filled.filling.arguments[0] if filled else {}).items() if key in missing}
        first = (words(said.plain) or [""])[0]
        if not filled or not given or "?" in said.plain or first in COMMANDS or first in ASKS:
            return None
        others = self.toolbox.wishes(said, known, None)
        said_terms = frozenset(terms(" ".join(entry_words(said, 0, len(said.plain))))) - frozenset(terms(str(given)))
        slots = [self.toolbox.slot(name, key) for key in missing]
        known_terms = frozenset().union(*(slot.described | frozenset(slot.terms) for slot in slots)) | WEAK
        if any(wish.by_words and wish.tool.name != name for wish in others) and not said_terms <= known_terms:
            return None
        many = tuple({**pending.filling.arguments[0], **arguments} for arguments in filled.filling.arguments)
        still = tuple(key for key in missing if key not in given)
        return Wish(pending.tool, msgspec.structs.replace(pending.filling, arguments=many, missing=still))

    def _searched(self, said: Said) -> list[Wish]:
        """With a tool search, words that fit no tool at hand are searched for."""
        tool = next((tool for tool in self.choice.tools if tool.name == SEARCH_TOOLS), None)
        content = entry_words(said, 0, len(said.plain))
        if tool is None or not content or "\n" not in small_talk(said.text, self.choice.tools):
            return []
        wish = Toolbox([FunctionTool("search", "", tool.parameters)], "").forced(said, {}, "search")
        arguments = ({"query": " ".join(content[:20])},)
        return [Wish(tool, msgspec.structs.replace(wish.filling, arguments=arguments, missing=()))] if wish else []

    def _forced(self, said: Said, at: int) -> Wish | None:
        return self.toolbox.forced(said, self._known(at), self.choice.name)

    def _question(self, wish: Wish, at: int) -> str:
        slots = [self.toolbox.slot(wish.tool.name, key) for key in wish.filling.missing]
        several = options(slots[0], self._known(at))
        return question(slots, several if len(several) > 1 else ())

    def _said(self, at: int) -> Said:
        return Said(_text(self.messages[at]), self.today)

    def _previous(self, at: int) -> str | None:
        """The tool that was called last before a message."""
        for data in reversed(self.messages[max(0, at - MAX_MEMORY) : at]):
            names = [name for _, name, _ in _calls_of(data)]
            if names:
                return names[-1] if not _brings_tools(names[-1]) else None
        return None

    def _known(self, at: int) -> Known:
        """Values by name from earlier calls and their results; for each name those of the latest round."""
        known: dict[str, tuple[Any, ...]] = {}
        earlier = self.messages[max(0, at - MAX_MEMORY) : at]
        starts = [index for index, data in enumerate(earlier) if _calls_of(data)]
        for start, end in reversed(list(pairwise([*starts, len(earlier)]))):
            of_round: dict[str, dict[Any, None]] = {}
            for result in _results(earlier[start:end]):
                for name, value in _facts(result):
                    of_round.setdefault(name, {})[value] = None
            for name, values in of_round.items():
                known.setdefault(name, tuple(values)[:MAX_KNOWN])
        return known


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
        listed = ", ".join(tool.name for tool in tools)
        raise ModelError(
            f"tool_choice names {name!r}, which is not among the tools: {listed}", code="invalid_request", status=400
        )
    return _Choice(tools, must=True, name=name)


def _function_name(choice: Any) -> str:
    function = choice.get("function", choice) if isinstance(choice, Mapping) else {}
    return str(function.get("name", "")) if isinstance(function, Mapping) else ""


def _calling(request: Request, turn: _Turn, tell: Tell) -> Reply:
    used = set(request.used_call_ids)
    calls = []
    for index, (name, arguments) in enumerate(turn.calls):
        number = len(used) + 1
        while f"call_{number}" in used:
            number += 1
        used.add(f"call_{number}")
        call = ToolCall(f"call_{number}", name, _encodable(json.dumps(arguments, ensure_ascii=False)))
        tell(CallProgress(index, call.name, call.arguments))
        calls.append(call)
    forms = [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
        for call in calls
    ]
    message = Message({"role": "assistant", "content": None, "tool_calls": forms})
    size = sum(len(call.name) + len(call.arguments) for call in calls)
    return Reply(message, "", tuple(calls), "tool_calls", _usage(request, size))


def _usage(request: Request, output_chars: int) -> Usage:
    """An estimate, so that reports show something: characters divided by four."""
    input_chars = sum(len(message.json) for message in request.messages) + (
        len(request.tools.json) if request.tools else 0
    )
    given, made = -(-input_chars // CHARS_PER_TOKEN), -(-output_chars // CHARS_PER_TOKEN)
    return Usage(given, made, given + made)


def _text(data: Mapping[str, Any]) -> str:
    content = data.get("content")
    if isinstance(content, list):
        content = "\n".join(str(part.get("text", "")) for part in content if isinstance(part, Mapping))
    return content[:MAX_CHARS] if isinstance(content, str) else ""


def _whole_text(data: Mapping[str, Any]) -> str:
    """A result, uncut: cut JSON would be no JSON. The engine has bounded it."""
    content = data.get("content")
    return content if isinstance(content, str) else _text(data)


def _calls_of(data: Mapping[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """Id, name and arguments of an assistant message's calls."""
    found = []
    for call in data.get("tool_calls") or () if data.get("role") == "assistant" else ():
        function = call.get("function") if isinstance(call, Mapping) else None
        if isinstance(function, Mapping) and isinstance(function.get("name"), str):
            arguments = parsed(str(function.get("arguments") or "{}"))
            found.append(
                (str(call.get("id")), function["name"], plain(arguments) if isinstance(arguments, dict) else {})
            )
    return found


def _results(messages: Sequence[Mapping[str, Any]]) -> list[Result]:
    """The calls in these messages that have a result, in order."""
    contents = {str(data.get("tool_call_id")): _whole_text(data) for data in messages if data.get("role") == "tool"}
    return [
        Result(name, arguments, contents[call_id])
        for data in messages
        for call_id, name, arguments in _calls_of(data)
        if call_id in contents
    ]


def _facts(result: Result) -> list[tuple[str, Any]]:
    """Names, as stems, and plain values of a call's arguments and of its result's fields. An `id` is also known as
    the id of what the tool is about."""
    data = parsed(result.content)
    data = {} if error_of(data) else data
    rows: list[Mapping[str, Any]] = [result.arguments]
    inner = next(iter(data.values())) if isinstance(data, Mapping) and len(data) == 1 else data
    rows += [row for row in (inner if isinstance(inner, list) else [inner])[:MAX_KNOWN] if isinstance(row, Mapping)]
    nouns = [word for word in words(result.name) if word not in READS]
    found = []
    for row in rows:
        has_other_id = any(key != "id" and key.lower().endswith("id") for key in row)
        for key, value in row.items():
            if isinstance(plain(value), str | int | float) and value != "":
                found.append((" ".join(terms(key)), plain(value)))
                if key == "id" and not has_other_id:
                    found += [(" ".join(terms(f"{noun} id")), plain(value)) for noun in nouns]
    return found


def _brings_tools(name: str) -> bool:
    return name == SEARCH_TOOLS or name.startswith(HANDOFF)


def _encodable(text: str) -> str:
    """Without lone surrogates, which JSON may smuggle in and no encoder takes."""
    return text.encode("utf-8", "replace").decode()
