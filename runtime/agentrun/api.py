"""The Python API: load an agent, run it, follow its events.

import agentrun

agent = agentrun.load("agents/support.yaml")
outcome = agentrun.run_sync(agent, "Where is order 1042?")
print(outcome.text)
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from agentrun.attachments import AnyPath, read_attachments
from agentrun.diagnostics import did_you_mean, one_of
from agentrun.discovery import find_root
from agentrun.engine import loop
from agentrun.engine import stream as streaming
from agentrun.engine.agent import Agent
from agentrun.engine.approval import StandingApprover
from agentrun.engine.events import Emit, Event
from agentrun.engine.exchange import OnExchange
from agentrun.engine.messages import Message
from agentrun.engine.outcome import Outcome
from agentrun.engine.ports import Approver, Journal
from agentrun.errors import ToolFailure, UsageError
from agentrun.project import Project, read_project
from agentrun.resolve import check_runnable, resolve
from agentrun.spec.catalog import Document

T = TypeVar("T")


def load(
    path: str | os.PathLike[str],
    *,
    model: str | None = None,
    environ: Mapping[str, str] | None = None,
    tools: Sequence[str | os.PathLike[str]] = (),
    on_exchange: OnExchange | None = None,
) -> Agent:
    """The agent of a file, or by name from `agents/`, checked with all that it reaches.

    `model` overrides the model's name; `offline` needs no key. `environ` stands for `os.environ`; `tools` are further
    folders of tools. `on_exchange` is told what goes to model services and from http tools, and comes back, with
    secrets hidden. Raises `SpecError` with all findings, and `UsageError` where there is no such agent.
    """
    variables = os.environ if environ is None else environ
    project, document = find_agent(path, variables, tools=tools)
    return resolve(project, document, variables, model=model, on_exchange=on_exchange)


async def run(
    agent: Agent,
    text: str | None = None,
    *,
    args: Mapping[str, Any] | None = None,
    attach: AnyPath | Iterable[AnyPath] = (),
    attachments: Sequence[Mapping[str, Any]] = (),
    messages: list[Message] | None = None,
    emit: Emit | None = None,
    approve: Iterable[str] = (),
    approver: Approver | None = None,
    journal: Journal | None = None,
    session: str = "",
    date: str | None = None,
) -> Outcome:
    """Answer one message.

    `text` is the agent's `input` (or its only required text parameter); `args` are its parameters by name. To go on
    with a conversation pass its `messages`, which grow in place, and `text`. `attach` is a file that goes with the
    message, or several: images, PDF and text files; `attachments` are content parts of the chat API. `approve` are
    globs of tools whose calls are approved; `approver` is asked about others, and without one the answer is no. `date`
    is `run.date`; None: today. Raises `UsageError` where a file can't be attached, and nothing is sent then.
    """
    files = [part for one in read_attachments(attach) for part in one.parts]
    arguments = dict(args or {})
    typed: str | None = None
    if messages:
        typed = text
    elif text is not None:
        arguments = {**arguments, input_parameter(agent): text}
    try:
        return await loop.run(
            agent,
            text=typed,
            attachments=[*files, *attachments],
            arguments=arguments,
            messages=messages,
            emit=emit or _ignore,
            approver=StandingApprover(approve, approver),
            journal=journal,
            session=session,
            date=date,
        )
    except ToolFailure as failure:
        raise _wrong_arguments(agent, failure) from None


def run_sync(agent: Agent, text: str | None = None, **options: Any) -> Outcome:
    """`run` for code without an event loop."""
    return asyncio.run(closing(agent, run(agent, text, **options)))


async def closing(agent: Agent, work: Awaitable[T]) -> T:
    """The result of some work, with the agent's connections closed after it, however it ends."""
    try:
        return await work
    finally:
        await agent.close()


def stream(agent: Agent, text: str | None = None, **options: Any) -> AsyncIterator[Event]:
    """The events of a run as they happen; the last is `RunFinished`. Leaving the loop early cancels the run."""
    return streaming.pull(lambda emit: run(agent, text, emit=emit, **options))


def find_agent(
    path: str | os.PathLike[str],
    environ: Mapping[str, str],
    *,
    tools: Sequence[str | os.PathLike[str]] = (),
) -> tuple[Project, Document]:
    """Read the project of an agent and find it: a path, or a name below `agents/`."""
    wanted = os.fspath(path)
    file = _agent_file(wanted)
    folders = [Path(folder) for folder in tools]
    for folder in folders:
        if not folder.is_dir():
            raise UsageError(f"there is no folder `{folder}`", help="`--tools` takes a folder of tool files")
    if file is None:
        project = read_project(find_root(Path.cwd()), environ, tools=folders)
        by_name = project.catalog.agents.get(wanted)
        if by_name is None:
            raise _no_such_agent(wanted, project)
        return project, by_name
    project = read_project(find_root(file), environ, tools=folders, files=[file])
    found = [one for one in project.catalog.agents.values() if Path(one.path).resolve() == file]
    if not found:
        check_runnable(project, [])
        known = [one for one in project.catalog.documents() if Path(one.path).resolve() == file]
        if known and known[0].is_base:
            raise UsageError(f"`{wanted}` is a base: it is used through `extends` only")
        if known:
            raise UsageError(f"`{wanted}` is a {known[0].kind} file, not an agent")
        raise _no_such_agent(wanted, project)
    return project, found[0]


def _agent_file(wanted: str) -> Path | None:
    root = find_root(Path.cwd())
    candidates = [Path(wanted)]
    for folder in dict.fromkeys((Path("agents"), root / "agents")):
        candidates += [folder / wanted, folder / f"{wanted}.yaml"]
    return next((one.resolve() for one in candidates if one.is_file()), None)


def _no_such_agent(wanted: str, project: Project) -> UsageError:
    stem = Path(wanted).name.removesuffix(".yaml")
    agents = sorted(project.catalog.agents)
    known = f"agents here: {one_of(agents)}" if agents else "no agents were found here: `agentrun init` makes a project"
    return UsageError(f"there is no agent `{wanted}`", help=did_you_mean(stem, agents, known))


def input_parameter(agent: Agent) -> str:
    """The parameter that a bare text fills: `input`, or the only required text."""
    properties: Mapping[str, Any] = agent.parameters.get("properties") or {}
    if "input" in properties:
        return "input"
    required = [name for name in agent.parameters.get("required") or () if isinstance(properties.get(name), Mapping)]
    texts = [name for name in required if properties[name].get("type") == "string"]
    if len(texts) == 1:
        return str(texts[0])
    names = one_of(properties) or "none"
    raise UsageError(
        f"the agent `{agent.name}` takes its arguments by name: {names}",
        help="pass `--arg NAME=VALUE` or `--args JSON`",
    )


def _wrong_arguments(agent: Agent, failure: ToolFailure) -> UsageError:
    properties: Mapping[str, Any] = agent.parameters.get("properties") or {}
    return UsageError(
        f"the arguments don't fit the agent `{agent.name}`: {failure.message}",
        help=f"its parameters: {one_of(properties)}" if properties else "it takes no arguments",
    )


def _ignore(event: Event) -> None:
    """Nobody listens."""
