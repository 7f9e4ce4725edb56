"""What was said in a session, piece by piece, and the session as Markdown for people or JSON for programs. Pure.

Knows messages in the chat API's form, not where they are kept.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from agentrun.engine import attached
from agentrun.engine.exchanges import exchange_starts
from agentrun.engine.handoff import PREFIX
from agentrun.engine.messages import PROMPT_ROLES, Message
from agentrun.markup.calls import call_line, failure_text
from agentrun.markup.foreign import own_place
from agentrun.markup.markdown import escaped, fenced
from agentrun.sessions.session import Session
from agentrun.visible import in_a_line, one_line

VERSION = 1
_TITLE_CHARS = 200


class Prompt(msgspec.Struct, frozen=True):
    """The system prompt."""

    text: str


class Said(msgspec.Struct, frozen=True):
    """`who` is an agent, or empty for the person. `attached` names what came with it."""

    who: str
    text: str
    attached: tuple[str, ...] = ()


class Noted(msgspec.Struct, frozen=True):
    """What the model was told in the person's name: a summary of what went, what is wrong with its answer."""

    text: str


class Called(msgspec.Struct, frozen=True):
    """A call that an agent made. `arguments` is None where it was no JSON object, `result` where there is none."""

    who: str
    name: str
    arguments: dict[str, Any] | None
    result: str | None

    @property
    def line(self) -> str:
        return call_line(self.name, self.arguments)

    @property
    def is_error(self) -> bool:
        return self.result is not None and failure_text(self.result) != self.result


class TookOver(msgspec.Struct, frozen=True):
    """From here on another agent speaks."""

    who: str


Piece = Prompt | Said | Noted | Called | TookOver


def pieces(session: Session, messages: Sequence[Message | Mapping[str, Any]]) -> Iterator[Piece]:
    """What was said, in order, each call with its result."""
    listed = [one.data if isinstance(one, Message) else one for one in messages]
    asked = set(exchange_starts([one if isinstance(one, Message) else Message(one) for one in messages]))
    results = {str(one.get("tool_call_id")): text_of(one) for one in listed if one.get("role") == "tool"}
    taken = any(_hands_over(call, results) for one in listed for call in _calls(one))
    speaker = session.agent if taken else session.speaker  # what told of a hand-off may be gone from a long one
    for at, one in enumerate(listed):
        role, text = one.get("role"), text_of(one)
        if role in PROMPT_ROLES:
            yield Prompt(text)
        elif role == "user" and at not in asked:
            yield Noted(text)
        elif role == "user":
            yield Said("", attached.own_text(one.get("content")), tuple(_attached(one)))
        elif role == "assistant":
            if text.strip():
                yield Said(speaker, text)
            for call in _calls(one):
                if (name := _hands_over(call, results)) is not None:
                    speaker = name
                    yield TookOver(name)
                    continue
                function = call.get("function") or {}
                arguments = _object(function.get("arguments"))
                yield Called(speaker, str(function.get("name")), arguments, results.get(str(call.get("id"))))


def text_of(message: Mapping[str, Any]) -> str:
    """The text of a message; that of its parts, where it has several."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    text = "\n".join(str(part["text"]) for part in parts if isinstance(part, dict) and part.get("type") == "text")
    return text or str(message.get("refusal") or "")


def as_markdown(session: Session, messages: Sequence[Message | Mapping[str, Any]]) -> str:
    """For people: who said what; calls and their results folded. The system prompt is left out."""
    return "\n\n".join(_markdown(session, messages)) + "\n"


def as_json(session: Session, messages: Sequence[Message | Mapping[str, Any]]) -> str:
    """For programs: what is known of the session, and its messages as a model gets them."""
    listed = [one.data if isinstance(one, Message) else one for one in messages]
    whole = {"version": VERSION, "session": described(session), "messages": listed}
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


def described(session: Session) -> dict[str, Any]:
    """A session as JSON: times as people and programs read them. One that is not kept has none."""
    times = {"created": session.created, "changed": session.changed}
    return msgspec.structs.asdict(session) | {name: _iso(when) if when else None for name, when in times.items()}


# -- Markdown


def _markdown(session: Session, messages: Sequence[Message | Mapping[str, Any]]) -> Iterator[str]:
    yield f"# {escaped(one_line(session.title, _TITLE_CHARS)) or 'A conversation'}"
    yield "\n".join(f"- {name}: {value}" for name, value in _facts(session))
    before = None
    for piece in pieces(session, messages):
        match piece:
            case Said(who, text, attached):
                if who != before:
                    yield f"## {escaped(in_a_line(who)) or 'You'}"
                if attached:
                    yield f"Attached: {escaped(in_a_line(', '.join(attached)))}"
                yield own_place(text)
                before = who
            case Noted(text):
                yield "\n".join(f"> {line}".rstrip() for line in own_place(text).split("\n"))
            case Called(who):
                if who != before:
                    yield f"## {escaped(in_a_line(who))}"
                yield _folded(piece)
                before = who
            case TookOver(who):
                yield f"*{escaped(in_a_line(who))} takes over.*"


def _facts(session: Session) -> Iterator[tuple[str, str]]:
    yield "session", escaped(in_a_line(f"`{session.id}`"))
    yield "agent", escaped(in_a_line(session.agent))
    if session.model:
        yield "model", escaped(in_a_line(session.model))
    if session.created:
        yield "begun", _iso(session.created)
        yield "last changed", _iso(session.changed)
    if session.total_tokens:
        yield "tokens", f"{session.total_tokens:,}"
    if session.cost_usd is not None:
        yield "cost", f"${session.cost_usd:.4f}"


def _folded(call: Called) -> str:
    told = [] if call.arguments is None else [fenced(_indented(call.arguments), "json")]
    if call.result is not None:
        told.append(fenced(_pretty(call.result)))
    mark = "✗ " if call.is_error else ""
    inside = "\n\n".join(told)
    return f"<details><summary>{mark}<code>{_html(call.line)}</code></summary>\n\n{inside}\n\n</details>"


def _html(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _pretty(text: str) -> str:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return _indented(value) if isinstance(value, (dict, list)) else text


def _indented(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _iso(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds).astimezone().isoformat(timespec="seconds")


# -- messages


def _calls(message: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return list(message.get("tool_calls") or ()) if message.get("role") == "assistant" else []


def _hands_over(call: Mapping[str, Any], results: Mapping[str, str]) -> str | None:
    """The agent that a call handed the conversation over to, where it did."""
    if not str((call.get("function") or {}).get("name")).startswith(PREFIX):
        return None
    result = _object(results.get(str(call.get("id"))))
    name = None if result is None else result.get("assistant")
    return name if isinstance(name, str) else None


def _attached(message: Mapping[str, Any]) -> Iterator[str]:
    content = message.get("content")
    files = attached.attachments_in(content)
    yield from map(attached.described, files)
    told = [part for one in files for part in one.parts]
    for part in content if isinstance(content, list) else ():
        kind = part.get("type") if isinstance(part, dict) else None
        if any(part is one for one in told):
            continue
        if kind == "file":
            yield str((part.get("file") or {}).get("filename") or "a file")
        elif kind not in (None, "text"):
            yield "an image" if kind == "image_url" else f"{kind}"


def _object(text: Any) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
    except (ValueError, TypeError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
