"""What a conversation's messages tell the loop, and the form in which a reply joins them. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from agentrun.engine.agent import SEARCH_TOOLS, Agent, BoundTool
from agentrun.engine.context import held_untrusted
from agentrun.engine.handoff import PREFIX
from agentrun.engine.messages import Message, Reply, assistant, user

INTERRUPTED = "[interrupted]"  # ends the text of a turn that was cut off: the model and the person read it
_CORRECTION = "Your answer breaks the response format: "


def history_form(reply: Reply, broken: Collection[str]) -> Message:
    """The assistant message as received, but for the arguments of `broken` calls, named by their ids.

    They were no JSON, and services refuse those in a history.
    """
    if not broken:
        return reply.message
    data = dict(reply.message.data)
    data["tool_calls"] = [
        {**call, "function": {**call["function"], "arguments": "{}"}} if call.get("id") in broken else call
        for call in data.get("tool_calls", [])
    ]
    return Message(data)


def cut_off(text: str) -> Message:
    """A turn that was ended while its text came in, as it stays in the history."""
    return assistant(f"{text.rstrip()}\n\n{INTERRUPTED}")


def take_back(messages: list[Message], said: Sequence[Message]) -> None:
    """What a run was begun with leaves the conversation, where the model failed before anything came of it.

    A service that refuses a message refuses each request that holds it: nothing could be said any more. And whoever
    says it again has not said it twice.
    """
    if messages and messages[-1] is said[-1]:
        messages[:] = [one for one in messages if not any(one is other for other in said)]


def correction(problem: str) -> Message:
    """What the model is told of an answer that breaks the response format."""
    return user(f"{_CORRECTION}{problem}. Answer again with the JSON alone.")


def is_correction(message: Message) -> bool:
    return message.role == "user" and str(message.data.get("content")).startswith(_CORRECTION)


def call_ids(messages: list[Message]) -> set[str]:
    return {
        str(call.get("id"))
        for message in messages
        if message.role == "assistant"
        for call in message.data.get("tool_calls") or ()
    }


def untrusted_seen(agent: Agent, messages: list[Message], members: Mapping[str, BoundTool] = {}) -> bool:
    """Whether the conversation so far holds a result of a tool whose output may be hostile, or once did.

    `members` are further tools that are known by now: those of the agent's sets.
    """
    for message in messages:
        if held_untrusted(message):
            return True
        for call in message.data.get("tool_calls") or () if message.role == "assistant" else ():
            if _may_be_hostile(agent, members, str(call.get("function", {}).get("name"))):
                return True
    return False


def _may_be_hostile(agent: Agent, members: Mapping[str, BoundTool], name: str) -> bool:
    """Whether a call of this name, in a conversation that this agent has now, may have read hostile output."""
    if name.startswith(PREFIX) or name == SEARCH_TOOLS:
        return False
    boxes = (members, agent.tools, *(one.tools for one in agent.peers.values()))
    known = [tools[name] for tools in boxes if name in tools]
    return not known or any(tool.untrusted_output or tool.relays_untrusted for tool in known)
