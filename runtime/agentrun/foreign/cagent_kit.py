"""What the toolsets of a Docker cagent agent become, and how what they share is read: variables, headers, folders."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from agentrun.foreign.cagent_words import has_reference, wired
from agentrun.foreign.draft import Draft, is_variable
from agentrun.foreign.fields import Fields, headers_of, text_in
from agentrun.foreign.urls import owner_of, split_url
from agentrun.foreign.yaml_text import prose, without_templates
from agentrun.spec.nodes import Node

_ORIGINAL = "{ORIGINAL_INSTRUCTIONS}"
_DURATION = re.compile(r"(?:([0-9.]+)h)?(?:([0-9.]+)m)?(?:([0-9.]+)s)?")


class Kit(msgspec.Struct):
    """The tools of one agent.

    `names` are entries of its `tools`; `functions` the tools by cagent's names of them; `sets` have for each set
    whether cagent puts its name before that of a tool, and the tools that were chosen; `said` are texts that go with
    the tools into the prompt.
    """

    names: list[str] = []
    functions: dict[str, str] = {}
    sets: dict[str, tuple[bool, list[str] | None]] = {}
    said: list[str] = []


class Wiring:
    """Reads what toolsets of several kinds have."""

    def __init__(self, draft: Draft) -> None:
        self.draft = draft

    def text(self, fields: Fields, key: str, text: str, place: Node | None = None, *, bare: bool = False) -> str:
        return wired(self.draft, place or fields.peek(key) or fields.node, fields.told(key), text, bare=bare)

    def instruction(self, fields: Fields) -> str:
        """What the agent is told of a toolset, as a part of its prompt."""
        text = fields.text("instruction")
        if _ORIGINAL in text:
            fields.leave("instruction", "what the toolset says of itself is not part of the prompt: the rest of it is")
        return without_templates(prose(text.replace(_ORIGINAL, ""))).strip()

    def environment(self, fields: Fields, owner: str) -> dict[str, str]:
        """`env`: a mapping, or a list of NAME=VALUE as the first versions had it."""
        node = fields.peek("env")
        if node is not None and node.is_list:
            pairs = [(one.partition("=")[0], one.partition("=")[2], place) for one, place in fields.texts("env")]
        else:
            pairs = [(name, text_in(one) or "", one) for name, one in fields.members("env").items()]
        made = {}
        for name, text, place in pairs:
            if not is_variable(name) or place.is_mapping or place.is_list:
                self.draft.leave(place, f"{fields.told('env')}: `{name[:60]}`", "it is no variable with a text")
            elif has_reference(text):
                made[name] = self.text(fields, "env", text, place, bare=True)
            else:
                made[name] = self.draft.wired("", name, text, f"{name} of {owner}")
        return made

    def headers(self, fields: Fields, host: str) -> dict[str, str]:
        def written(name: str, text: str, place: Node) -> str:
            if has_reference(text):
                return self.text(fields, "headers", text, place)
            return self.draft.header(owner_of(host), name, text)

        return headers_of(fields, written)

    def folder(self, fields: Fields) -> str:
        """`working_dir` as a file in tools.d/ names it: a relative one is that of the project."""
        text = fields.text("working_dir")
        if text in ("", "."):
            return ".."
        made = self.text(fields, "working_dir", text, bare=True)
        if made == "~" or made.startswith("~/"):
            return "${HOME}" + made[1:]
        return made if made.startswith(("/", "$")) else f"../{made}"

    def address(self, fields: Fields, key: str) -> str:
        """A URL whose credentials are variables."""
        url = fields.text(key)
        parts = split_url(url)
        if "@" in parts.netloc:
            fields.leave(key, "a name or password in an address is not taken: `headers` can hold them")
            url = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
        before, mark, query = url.partition("?")
        owner = owner_of(parts.hostname or "")
        made = self.draft.hidden_path(owner, url, self.text(fields, key, before))
        pieces = [f"{name}={self.value(fields, key, name, one)}" for name, one in parse_qsl(query, True)]
        return f"{made}?{'&'.join(pieces)}" if mark else made

    def value(self, fields: Fields, key: str, name: str, text: str) -> str:
        """A value of a query."""
        if has_reference(text):
            return self.text(fields, key, text)
        return self.draft.wired(
            owner_of(split_url(fields.text(key)).hostname or ""), name, text, f"`{name}` of a request"
        )

    def arguments(self, fields: Fields, owner: str) -> list[str]:
        """`args` of a command line."""
        made: list[str] = []
        before = ""
        for text, place in fields.texts("args"):
            is_wired = has_reference(text)
            made.append(
                self.text(fields, "args", text, place) if is_wired else self.draft.argument(owner, before, text)
            )
            before = text
        return made

    def parameters(self, fields: Fields, *, texts: bool) -> dict[str, Any]:
        """`args` and `required` as a JSON Schema. With `texts` an argument without a type is one, and all are required
        where `required` is not written.
        """
        properties: dict[str, Any] = {}
        for name, node in fields.members("args").items():
            what = f"{fields.told('args')}: `{name[:60]}`"
            if not is_variable(name):
                self.draft.leave(node, what, "its name is no plain word")
                continue
            schema = self.draft.schema(node, what, node.data() if node.is_mapping else {})
            properties[name] = {"type": "string", **schema} if texts and isinstance(schema, dict) else schema
        wanted = fields.peek("required")
        required = [one for one, _ in fields.texts("required") if one in properties]
        if wanted is None and texts:
            required = list(properties)
        made: dict[str, Any] = {"type": "object", "properties": properties}
        return {**made, "required": list(dict.fromkeys(required))} if required else made


def duration(text: str) -> float | None:
    """Seconds of a duration as Go writes it: `1m30s`. None where it is none, or zero."""
    found = _DURATION.fullmatch(text.strip())
    if found is None or not any(found.groups()):
        return None
    try:
        hours, minutes, seconds = (float(one or 0) for one in found.groups())
    except ValueError:
        return None
    total = hours * 3600 + minutes * 60 + seconds
    return (int(total) if total.is_integer() else total) or None
