"""What a set of tools gave an agent, as a cassette writes it and as it reads it again.

A set is asked for when an agent joins a run, so that what it gave stands before the message that begins the run. It is
written down again only where it has become something else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from agentrun.cassettes.cassette import SetEntry, SetMember
from agentrun.cassettes.members import Members
from agentrun.engine.messages import FunctionTool
from agentrun.spec.wording import shown


def written_set(entry: SetEntry, labels: Sequence[str]) -> dict[str, Any]:
    """`labels` are the names of the members' functions in the file."""
    data: dict[str, Any] = {"set": entry.name, "agent": entry.agent, "tools": list(labels)}
    told = list(zip(labels, entry.members, strict=True))
    if read_only := [label for label, one in told if one.read_only]:
        data["read_only"] = read_only
    if trusted := [label for label, one in told if not one.untrusted_output]:
        data["trusted"] = trusted
    if changed := {label: one.change for label, one in told if one.change is not None}:
        data["changed"] = changed
    return data


def read_set(one: Members, functions: dict[str, FunctionTool]) -> SetEntry:
    nodes = one.nodes("tools") or ()
    known = {node.content: functions[node.content] for node in nodes if _is_known(one, node.content, functions, node)}
    read_only, trusted = (_listed(one, key, known) for key in ("read_only", "trusted"))
    changed = one.mapping("changed") or {}
    members = tuple(
        SetMember(function, label in read_only, label not in trusted, _text(changed.get(label)))
        for label, function in known.items()
    )
    return SetEntry(one.text("set"), one.text("agent"), members)


def _is_known(one: Members, label: Any, functions: dict[str, FunctionTool], node: Any) -> bool:
    if isinstance(label, str) and label in functions:
        return True
    one.wrong(node.span, f"`tools` names {shown(label)}, which is not in `functions`", "AR304")
    return False


def _listed(one: Members, key: str, known: dict[Any, FunctionTool]) -> set[Any]:
    nodes = one.nodes(key) or ()
    for node in nodes:
        if not isinstance(node.content, str) or node.content not in known:
            one.wrong(node.span, f"`{key}` names {shown(node.content)}, which is not in `tools`", "AR304")
    return {node.content for node in nodes if isinstance(node.content, str)}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
