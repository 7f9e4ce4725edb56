"""Members of sets: tools that a server or a document describes, bound as the set's author says.

What they are is told by `mcp_sets.py` and `openapi_sets.py`. Here each gets its function's name, loses what the author
has fixed, and gets what holds for all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

import msgspec

from agentrun.bindings import approval, output_shaper
from agentrun.engine.agent import Approval, BoundTool, Definition
from agentrun.engine.messages import FunctionTool
from agentrun.engine.ports import CallContext, Tool, ToolResult
from agentrun.json_schema import Validator
from agentrun.spec.function_names import HANDOFF_PREFIX, RESERVED, member_names
from agentrun.spec.types import ToolSpec


class Offered(msgspec.Struct, frozen=True, eq=False):
    """A tool as its source describes it. `name` is the source's; `parameters` is a JSON Schema of type object.

    `read_only`, `idempotent` and `untrusted_output` are what the source says, which the author may know better.
    `checked` judges a call where `parameters` can't.
    """

    name: str
    description: str
    parameters: Mapping[str, Any]
    backend: Tool
    read_only: bool = False
    idempotent: bool = False
    untrusted_output: bool = True
    definition: Definition | None = None
    checked: Mapping[str, Any] | None = None


class SetRules(msgspec.Struct, frozen=True, eq=False):
    """What the author wrote of all members of a set. None: what the source says of each.

    `wanted` are the names and globs of functions that an agent lists; `bind` are arguments that are fixed.
    """

    name: str
    wanted: tuple[str, ...]
    bind: Mapping[str, Any]
    approval: Approval
    condition: str
    read_only: bool | None
    idempotent: bool | None
    untrusted_output: bool | None
    timeout_s: float
    max_output_chars: int
    output: Any


def set_rules(name: str, spec: ToolSpec, wanted: tuple[str, ...], bind: Mapping[str, Any]) -> SetRules:
    return SetRules(
        name=name,
        wanted=wanted,
        bind=bind,
        approval=approval(spec.require_approval),
        condition=spec.require_approval,
        read_only=spec.read_only,
        idempotent=spec.idempotent,
        untrusted_output=spec.untrusted_output,
        timeout_s=spec.timeout,
        max_output_chars=spec.max_output_length,
        output=output_shaper(spec.output),
    )


def bound_members(
    rules: SetRules, offered: Iterable[Offered], functions: Mapping[str, str] | None = None
) -> list[BoundTool]:
    """The members that are wanted, in the order of their source. Raises `ValueError` for a name or a schema that can't
    be used; its message names the tool.

    `functions` are the names of all that the source has, where not all of it is offered.
    """
    all_of_them = list(offered)
    if functions is None:
        functions = member_names(rules.name, (one.name for one in all_of_them))
    return [
        _bound(rules, functions[one.name], one)
        for one in all_of_them
        if any(fnmatchcase(functions[one.name], pattern) for pattern in rules.wanted)
    ]


def unmatched(rules: SetRules, members: Iterable[BoundTool]) -> list[str]:
    """What is wanted and matches no member."""
    names = [one.name for one in members]
    return [pattern for pattern in rules.wanted if not any(fnmatchcase(name, pattern) for name in names)]


def _bound(rules: SetRules, function: str, one: Offered) -> BoundTool:
    if function in RESERVED or function.startswith(HANDOFF_PREFIX):
        raise ValueError(f"the function of `{one.name}` would be called `{function}`, which is agentrun's own")
    parameters = without(one.parameters, rules.bind)
    try:
        check = Validator(parameters if one.checked is None else without(one.checked, rules.bind))
    except ValueError as error:
        raise ValueError(f"the parameters of `{one.name}` are no usable JSON Schema: {error}") from None
    bind = {name: value for name, value in rules.bind.items() if name in one.parameters.get("properties", {})}
    return BoundTool(
        function=FunctionTool(function, one.description, parameters),
        check=check,
        backend=_WithBound(one.backend, bind) if bind else one.backend,
        approval=rules.approval,
        condition=rules.condition,
        read_only=one.read_only if rules.read_only is None else rules.read_only,
        untrusted_output=one.untrusted_output if rules.untrusted_output is None else rules.untrusted_output,
        timeout_s=rules.timeout_s,
        max_output_chars=rules.max_output_chars,
        output=rules.output,
        tool_set=rules.name,
        definition=one.definition,
    )


def without(schema: Mapping[str, Any], fixed: Iterable[str]) -> dict[str, Any]:
    """A schema of arguments without those that are fixed: the model does not see them."""
    names = set(fixed)
    kept = dict(schema)
    if names and isinstance(schema.get("properties"), Mapping):
        kept["properties"] = {name: one for name, one in schema["properties"].items() if name not in names}
        if "required" in schema:
            kept["required"] = [name for name in schema["required"] if name not in names]
    return kept


class _WithBound:
    """Adds what the author fixed. It wins over what a model makes up for it."""

    def __init__(self, backend: Tool, bind: Mapping[str, Any]) -> None:
        self._backend = backend
        self._bind = bind

    async def call(self, arguments: dict[str, Any], context: CallContext) -> ToolResult:
        return await self._backend.call({**arguments, **self._bind}, context)
