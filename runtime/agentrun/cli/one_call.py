"""One tool called by hand, through the engine's own loop: a script makes the call in the model's place.

So arguments are read, defaults filled in and validated, the call is timed, shaped, masked and cut exactly as in a run.
"""

from __future__ import annotations

import sys

import msgspec

from agentrun.engine import events, loop
from agentrun.engine.agent import Agent, BoundTool, Limits, Mask
from agentrun.engine.events import Emit, Event
from agentrun.engine.messages import ToolList
from agentrun.engine.ports import Approver
from agentrun.json_schema import DEFAULT_PARAMETERS, Validator
from agentrun.models.scripted import Scripted
from agentrun.spec.script_types import ScriptCall, ScriptTurn

_NAME = ""  # no agent asks: the person does


class CallResult(msgspec.Struct, frozen=True):
    """`text` is what a model would get; of a `final` tool, the run's output."""

    text: str
    is_error: bool


async def call_once(tool: BoundTool, arguments_json: str, *, mask: Mask, approver: Approver, emit: Emit) -> CallResult:
    """Call a tool. That is not in question, and approves nothing; `approver` is asked about those of agents behind."""
    finished: list[events.ToolFinished] = []

    def watch(event: Event) -> None:
        if isinstance(event, events.ToolFinished) and event.parent_run_id is msgspec.UNSET:
            finished.append(event)
        emit(event)

    call = ScriptCall(tool.name, arguments_json)
    agent = _agent_around(msgspec.structs.replace(tool, approval="never", definition=None), call, mask)
    outcome = await loop.run(agent, text="", emit=watch, approver=approver)
    if outcome.reason == "final_tool":
        return CallResult(outcome.text, is_error=False)
    return CallResult(finished[0].result, finished[0].is_error)


def _agent_around(tool: BoundTool, call: ScriptCall, mask: Mask) -> Agent:
    """An agent that makes the call and ends. Only the tool's own limits bind."""
    return Agent(
        name=_NAME,
        description="",
        model=Scripted(_NAME, [ScriptTurn(tool_calls=[call]), ScriptTurn(content="")]),
        mask=mask,
        parameters=DEFAULT_PARAMETERS,
        arguments=Validator(DEFAULT_PARAMETERS),
        prompt=None,
        prompt_arguments=frozenset(),
        input=lambda arguments, run: "",
        tools={tool.name: tool},
        tool_list=ToolList([tool.function]),
        limits=Limits(
            max_turns=sys.maxsize,
            max_tool_calls=sys.maxsize,
            max_depth=sys.maxsize,
            max_agent_runs=sys.maxsize,
            timeout_s=tool.timeout_s + 60,
        ),
    )
