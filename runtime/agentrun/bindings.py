"""From checked specs to what the engine reads: templates as functions, rules, limits, formats. Pure and small."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from agentrun.engine.agent import (
    Approval,
    BoundTool,
    Check,
    Condition,
    ConditionFailed,
    ContextPolicy,
    Limits,
    PermissionRule,
    ToolSearch,
)
from agentrun.engine.messages import FunctionTool
from agentrun.engine.ports import CallContext, RunInfo
from agentrun.errors import ToolFailure, UsageError
from agentrun.json_schema import DEFAULT_PARAMETERS, Validator
from agentrun.spec.catalog import Document
from agentrun.spec.function_names import handoff_name
from agentrun.spec.types import ContextSpec, LimitsSpec, PermissionSpec, ResponseFormatSpec, ToolSearchSpec
from agentrun.templates import Absent, Template, TemplateFailure, call_variables, compile_template, run_variables


def run_text(template: Template, key: str) -> Callable[[Mapping[str, Any], RunInfo], str]:
    def render(arguments: Mapping[str, Any], run: RunInfo) -> str:
        try:
            return template.text(run_variables(arguments, run))
        except Absent as error:
            message = f"`{key}` uses the argument `{error.name}`, which is not given"
            raise UsageError(message, help=f"pass it, or write `{{{{ args.{error.name} | default(…) }}}}`") from None
        except TemplateFailure as error:
            raise UsageError(f"`{key}` can't be rendered: {error}") from None

    return render


def condition(source: str) -> Condition:
    template = compile_template(source)

    def holds(arguments: Mapping[str, Any], context: CallContext) -> bool:
        try:
            value = template.value(call_variables(arguments, context))
        except (Absent, TemplateFailure) as error:
            raise ConditionFailed(str(error)) from None
        if isinstance(value, str) and value:  # "false" would count as true, and the text may be the model's
            raise ConditionFailed("it gives a text, not true or false")
        return bool(value)

    return holds


def approval(written: str) -> Approval:
    if written == "auto":
        return "auto"
    if written == "always":
        return "always"
    if written == "never":
        return "never"
    return condition(written)


def permission_rule(spec: PermissionSpec) -> PermissionRule:
    when = condition(spec.when) if spec.when else None
    shown = f" when {spec.when}" if spec.when else ""
    if spec.deny is not None:
        return PermissionRule("deny", spec.deny, when, f"deny: {spec.deny}{shown}")
    if spec.ask is not None:
        return PermissionRule("ask", spec.ask, when, f"ask: {spec.ask}{shown}")
    return PermissionRule("allow", spec.allow or "", when, f"allow: {spec.allow}{shown}")


def output_shaper(source: str | None) -> Callable[[Mapping[str, Any], Mapping[str, Any], CallContext], Any] | None:
    if source is None:
        return None
    template = compile_template(source)

    def shape(names: Mapping[str, Any], arguments: Mapping[str, Any], context: CallContext) -> Any:
        try:
            return template.value({**call_variables(arguments, context), **names})
        except (Absent, TemplateFailure) as error:
            raise ToolFailure("internal", f"the tool's `output` can't be rendered: {error}") from None

    return shape


def handoff(agent: Document) -> BoundTool:
    """The function that hands the conversation over to an agent. It reaches nothing: only `permissions` stop it."""
    told = agent.spec.description.rstrip()
    told += "" if not told else " " if told.endswith((".", "!", "?")) else ". "
    told += f"Hands the conversation over to the agent {agent.name}."
    return BoundTool(
        function=FunctionTool(handoff_name(agent.name), told, DEFAULT_PARAMETERS),
        check=Validator(DEFAULT_PARAMETERS),
        backend=None,
        approval="never",
        read_only=True,
        hands_to=agent.name,
    )


def tool_choice(written: str | dict[str, Any]) -> str | dict[str, Any] | None:
    if written == "auto":
        return None
    if isinstance(written, str) and written not in ("none", "required"):
        return {"type": "function", "function": {"name": written}}
    return written


def tool_search(spec: ToolSearchSpec | None) -> ToolSearch | None:
    return None if spec is None else ToolSearch(spec.max_tools, tuple(spec.pinned))


def sent_and_check(schema: Mapping[str, Any], strict: bool) -> tuple[Mapping[str, Any], Check]:
    """The schema that a model is sent, and what judges its answer to it."""
    if not strict:
        return schema, Validator(schema)
    from agentrun.strict.nulls import StrictCheck
    from agentrun.strict.schema import make_strict

    made = make_strict(schema)
    return made.sent, StrictCheck(made)


def answer_format(document: Document) -> tuple[dict[str, Any] | None, Check | None]:
    """The response format that is sent, and what judges the answer."""
    spec: ResponseFormatSpec | None = document.spec.response_format
    written = document.data.get("response_format")
    if spec is None or spec.type == "text":
        return written, None
    if spec.json_schema is None:
        return written, Validator({"type": "object"})
    sent, check = sent_and_check(spec.json_schema.schema, spec.json_schema.strict)
    if sent is spec.json_schema.schema:
        return written, check
    return {**written, "json_schema": {**written["json_schema"], "schema": sent}}, check


def bound_limits(spec: LimitsSpec) -> Limits:
    return Limits(
        max_turns=spec.max_turns,
        max_tool_calls=spec.max_tool_calls,
        max_repeated_calls=spec.max_repeated_calls,
        max_total_tokens=spec.max_total_tokens,
        max_cost_usd=spec.max_cost_usd,
        max_depth=spec.max_depth,
        max_agent_runs=spec.max_agent_runs,
        timeout_s=spec.timeout,
        on_limit=spec.on_limit,
    )


def context_policy(spec: ContextSpec | None) -> ContextPolicy:
    return ContextPolicy() if spec is None else ContextPolicy(spec.max_tokens, spec.on_overflow)
