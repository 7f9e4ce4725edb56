"""Which of an agent's many functions a request carries, and the function `search_tools` that brings in more.

Always carried are the pinned ones, hand-offs, final tools, the tool of `tool_choice` and `search_tools`. In the room
that is left: those that were called in this conversation, then those that fit what the user said last, then those that
fit what was said before, then the first of the agent's list. So a message that says nothing by itself, such as `yes`,
leaves what there was.

All of it follows from the conversation, so that a replay and a session that is taken up again send the same.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from itertools import chain, islice, zip_longest
from typing import Any

import msgspec

from agentrun.engine.agent import SEARCH_TOOLS, Agent, BoundTool, Problem, ToolSearch
from agentrun.engine.arguments import parse_arguments
from agentrun.engine.context import is_note
from agentrun.engine.conversation import is_correction
from agentrun.engine.messages import FunctionTool, Message, ToolCall, ToolList
from agentrun.engine.ports import CallContext, ToolResult
from agentrun.engine.tool_index import index_of, said
from agentrun.errors import ToolFailure, ToolsError

MAX_FOUND = 10
MAX_DESCRIPTION = 200
MAX_EARLIER = 10  # of the texts of a conversation that are searched for

_PARAMETERS = {
    "type": "object",
    "properties": {
        "query": {"type": "string", "description": "Words for what the tool does, and what it does that with."},
    },
    "required": ["query"],
    "additionalProperties": False,
}


class Carried:
    """What the requests of one agent carry in one run. It is the backend of its `search_tools`, too."""

    def __init__(self, functions: Mapping[str, BoundTool], always: Collection[str], max_tools: int) -> None:
        """Of `functions` those of `always` are always carried."""
        self._room = max_tools - len(always) - 1
        self._for_called = self._room - max(1, self._room // 4)  # so that others can still be found
        self._index = index_of([one.function for one in functions.values()])
        self.functions = {**functions, SEARCH_TOOLS: _search_tools(len(functions), self)}
        # One order, whatever brings a function in: the same functions are the same bytes, which a service may have
        # cached. It reads the tools before the messages, so that another list costs what it cached of the conversation
        # in any order, and appending would save tools alone. What is always carried stands first, and stays cached.
        self._places = {name: place for place, name in enumerate(dict.fromkeys((*always, SEARCH_TOOLS, *functions)))}
        self._always = frozenset((*always, SEARCH_TOOLS))
        self._called: dict[str, None] = {}  # the latest is the last
        self._fitting: list[str] = []  # the best is the first
        self._found: dict[str, list[str]] = {}  # by the query, since the last request
        self._missing = False  # whether something was called that was not carried
        self.names: list[str] = []  # that the last request carried
        self._tools: ToolList | None = None

    def tools(self, messages: Sequence[Message]) -> ToolList:
        """What the next request carries. The conversation is read when this is first asked.

        Within a run the list changes only when a search, or a call of something that was not carried, brings something.
        """
        if self._tools is None:
            self._begin(messages)
        elif self._missing or self._found:
            self._bring_in()
        else:
            return self._tools
        names = self._chosen()
        if self._tools is None or names != self.names:
            self.names = names
            self._tools = ToolList(self.functions[name].function for name in names)
        return self._tools

    def called(self, names: Iterable[str]) -> None:
        """The model called these, whether they were carried or not."""
        for name in names:
            if name in self._places and name not in self._always:
                self._called.pop(name, None)
                self._called[name] = None
                self._missing = self._missing or name not in self.names

    async def call(self, arguments: dict[str, Any], context: CallContext | None = None) -> ToolResult:
        """A call of `search_tools`: what it finds is carried from the next request on."""
        query: str = arguments["query"]
        fitting = self._index.find(query, MAX_FOUND + len(self.names))
        count = min(MAX_FOUND, self._room - min(len(self._called), self._for_called))
        found = [name for name in fitting if name not in self.names][:count]
        listed = [name for name in fitting[:MAX_FOUND] if name in self.names]
        self._found[query] = found
        told: dict[str, Any] = {"found": [self._told(name) for name in found]}
        if listed:
            told["listed_already"] = listed
        if found:
            told["note"] = "You can call what was found from now on."
        elif not listed:
            told["note"] = f"None of {self._count:,} tools fits. Try other words for what the tool does."
        return ToolResult(told, {"result": told})

    @property
    def _count(self) -> int:
        return len(self.functions) - 1

    def _begin(self, messages: Sequence[Message]) -> None:
        self.called(one.name for message in messages for one in _calls(message))
        texts = islice(_texts(messages), MAX_EARLIER)
        fitting = (name for text in texts for name in self._index.find(text))
        self._fitting = self._first(self._room, chain(fitting, self._places))
        self._missing = False

    def _bring_in(self) -> None:
        """What was found takes the place of what fits least. Of several searches of one turn the best of each stand
        first.
        """
        brought = (name for names in zip_longest(*self._found.values()) for name in names if name is not None)
        self._fitting = self._first(self._room, chain(brought, self._fitting))
        self._found = {}
        self._missing = False

    def _chosen(self) -> list[str]:
        """Of the called ones the latest, where they are very many."""
        called = list(reversed(self._called))[: self._for_called]
        chosen = self._first(self._room, chain(called, self._fitting))
        return sorted((*self._always, *chosen), key=self._places.__getitem__)

    def _first(self, count: int, names: Iterable[str]) -> list[str]:
        """The first so many of those that are not always carried, each once."""
        found: dict[str, None] = {}
        for name in names:
            if name not in self._always:
                found[name] = None
                if len(found) == count:
                    break
        return list(found)

    def _told(self, name: str) -> dict[str, str]:
        description = " ".join(self.functions[name].function.description.split())
        if len(description) > MAX_DESCRIPTION:
            description = f"{description[:MAX_DESCRIPTION].rstrip()} …"
        return {"name": name, "description": description}


def carried_of(agent: Agent, functions: Mapping[str, BoundTool]) -> Carried | None:
    """None where all are sent. Raises `ToolsError` where the agent's `tool_search` can't be followed."""
    search = agent.search
    if search is None:
        return None
    for pattern in search.pinned:
        if not any(fnmatchcase(name, pattern) for name in functions):
            raise ToolsError(
                f"`tool_search.pinned` of the agent `{agent.name}` names a tool that is not there: `{pattern}`"
            )
    if len(functions) <= search.max_tools:
        return None
    if SEARCH_TOOLS in functions:  # a member of a set
        raise ToolsError(f"a tool of the agent `{agent.name}` is called `{SEARCH_TOOLS}`", help="rename its set")
    always = _always(agent, search, functions)
    if search.max_tools < len(always) + 2:
        raise ToolsError(
            f"`tool_search.max_tools` of the agent `{agent.name}` is {search.max_tools}, and {len(always) + 1} "
            "functions are always sent",
            help=f"write at least {len(always) + 2}: `search_tools` counts, and so do pinned tools, hand-offs, final "
            "tools and the tool of `tool_choice`",
        )
    return Carried(functions, always, search.max_tools)


def _always(agent: Agent, search: ToolSearch, functions: Mapping[str, BoundTool]) -> list[str]:
    """The names of those that each request carries, in the agent's order."""
    chosen = agent.tool_choice.get("function", {}).get("name") if isinstance(agent.tool_choice, dict) else None
    return [
        name
        for name, one in functions.items()
        if one.backend is None  # it hands over, or ends the run
        or name == chosen
        or any(fnmatchcase(name, pattern) for pattern in search.pinned)
    ]


def _search_tools(count: int, carried: Carried) -> BoundTool:
    description = (
        f"Finds more tools. You have {count:,}, and only those that seem to fit are listed here. When none of them "
        "does what is needed, search before you say that it can't be done."
    )
    return BoundTool(
        FunctionTool(SEARCH_TOOLS, description, _PARAMETERS),
        _Query(),
        carried,
        approval="never",
        read_only=True,
        built_in=True,
    )


class _Wrong(msgspec.Struct, frozen=True):
    path: str
    message: str


class _Query:
    """The check of `_PARAMETERS`."""

    def violations(self, value: Any) -> Sequence[Problem]:
        query = value.get("query")
        found = [_Wrong(name, "there is no such argument") for name in value if name != "query"]
        if not isinstance(query, str) or not query.strip():
            found.append(_Wrong("query", "it must be a text that says what the tool does"))
        return found

    def with_defaults(self, value: Any) -> Any:
        return value


def _texts(messages: Sequence[Message]) -> Iterator[str]:
    """What to search for, the latest first: what the user said, and what the model searched for."""
    for message in reversed(messages):
        if message.role == "user" and not is_correction(message) and not is_note(message):
            yield said(message)
        for call in _calls(message):
            if call.name == SEARCH_TOOLS:
                yield _query_of(call)


def _query_of(call: ToolCall) -> str:
    try:
        return str(parse_arguments(call.arguments).get("query", ""))
    except ToolFailure:
        return ""


def _calls(message: Message) -> Iterator[ToolCall]:
    for call in message.data.get("tool_calls") or () if message.role == "assistant" else ():
        function = call.get("function") or {}
        yield ToolCall(str(call.get("id")), str(function.get("name")), str(function.get("arguments")))
