"""agentrun: a declarative runtime for LLM agents.

    agent = agentrun.load("agents/support.yaml")
    outcome = agentrun.run_sync(agent, "Where is order 1042?")

`run`, `run_sync` and `stream` run an agent; `events` holds what they tell. Names are imported when first used, so that
`import agentrun` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agentrun.api import load, run, run_sync, stream
    from agentrun.engine import events
    from agentrun.engine.agent import Agent
    from agentrun.engine.messages import Message, Usage
    from agentrun.engine.outcome import Outcome
    from agentrun.engine.ports import ApprovalAnswer, ApprovalQuestion, Approver
    from agentrun.errors import AgentrunError, ModelError, SpecError, UsageError

__version__ = "0.1.0"

_HOMES = {
    "Agent": "engine.agent",
    "AgentrunError": "errors",
    "ApprovalAnswer": "engine.ports",
    "ApprovalQuestion": "engine.ports",
    "Approver": "engine.ports",
    "Message": "engine.messages",
    "ModelError": "errors",
    "Outcome": "engine.outcome",
    "SpecError": "errors",
    "Usage": "engine.messages",
    "UsageError": "errors",
    "events": "engine",
    "load": "api",
    "run": "api",
    "run_sync": "api",
    "stream": "api",
}

__all__ = [
    "Agent",
    "AgentrunError",
    "ApprovalAnswer",
    "ApprovalQuestion",
    "Approver",
    "Message",
    "ModelError",
    "Outcome",
    "SpecError",
    "Usage",
    "UsageError",
    "__version__",
    "events",
    "load",
    "run",
    "run_sync",
    "stream",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'agentrun' has no attribute {name!r}")
    home = import_module(f"agentrun.{_HOMES[name]}")
    value = import_module("agentrun.engine.events") if name == "events" else getattr(home, name)
    globals()[name] = value
    return value
