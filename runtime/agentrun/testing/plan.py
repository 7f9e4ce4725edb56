"""From the test files of a project to cases: each with the values of its file for what it leaves out."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from agentrun.diagnostics import Span
from agentrun.discovery import find_root
from agentrun.project import Project
from agentrun.spec.case_types import CaseSpec, ExpectSpec, JudgeSpec, Stubs, TestSpec
from agentrun.spec.catalog import Document
from agentrun.spec.nodes import Node, name_place, text_of
from agentrun.spec.script_types import ScriptTurn

TIMEOUT_S = 60.0
LIVE_TIMEOUT_S = 300.0

# `own`: the model of the agent plays a script, or is the offline one.
Source = Literal["script", "cassette", "live", "own"]


class AttachedFile(msgspec.Struct, frozen=True):
    """A file that goes with a message. `name` is what the model is told, wherever the tests are run."""

    path: Path
    name: str


class Step(msgspec.Struct, frozen=True, eq=False):
    """A user message; None: the agent's `input`. `node` is where its `expect` stands."""

    user: str | None
    expect: ExpectSpec = ExpectSpec()
    node: Node | None = None
    attach: tuple[AttachedFile, ...] = ()


class Case(msgspec.Struct, frozen=True, eq=False):
    """One case, ready to be run. `node` is the case in its file, `id` is `FILE::NAME`.

    `expect` holds of all runs together, and of the last answer. `refuse` has what the model is told, by glob.
    `env` are variables as text, over those of the environment.
    """

    id: str
    file: str
    name: str
    node: Node
    agent: str
    expect: ExpectSpec
    steps: tuple[Step, ...]
    args: dict[str, Any] = {}
    source: Source = "own"
    script: tuple[ScriptTurn, ...] = ()
    cassette: Path | None = None
    date: str | None = None
    stubs: Stubs = {}
    live_tools: bool = False
    approve: tuple[str, ...] = ()
    refuse: dict[str, str] = {}
    tags: tuple[str, ...] = ()
    skip: str | None = None
    only: bool = False
    timeout_s: float = TIMEOUT_S
    pass_rate: float = 1.0
    env: dict[str, str] = {}
    judge: JudgeSpec | None = None

    @property
    def span(self) -> Span:
        """Where its name stands."""
        return name_place(self.node)

    @property
    def is_live(self) -> bool:
        return self.source == "live"

    @property
    def expects_a_failure(self) -> bool:
        """Of the model."""
        return any(one.reason == "model_error" for one in (self.expect, *(step.expect for step in self.steps)))


def cases_of(tests: Iterable[Document]) -> list[Case]:
    """The cases of checked test files, in the order of files and of what stands in them."""
    return [case for document in tests if document.spec is not None for case in _of_file(document)]


def needed(project: Project, document: Document) -> list[Document]:
    """A test file, with its agent and all that a run of it leads to."""
    agent = project.catalog.agents.get(text_of(document.node.get("agent")) or "")
    return [document, *([] if agent is None else project.reachable(agent))]


def variables_of(document: Document) -> dict[str, str]:
    """The variables that a test file sets; none where it can't be read."""
    file: TestSpec | None = document.spec
    return {} if file is None else {name: _as_variable(value) for name, value in file.env.items()}


def _of_file(document: Document) -> list[Case]:
    file: TestSpec = document.spec
    return [
        _case(document, file, case, document.node.content["cases"].content[index])
        for index, case in enumerate(file.cases)
    ]


def _case(document: Document, file: TestSpec, case: CaseSpec, node: Node) -> Case:
    source, holder = _source(file, case)
    script = holder.model if source == "script" and isinstance(holder.model, list) else []
    default_timeout_s = LIVE_TIMEOUT_S if source == "live" else TIMEOUT_S
    return Case(
        id=f"{document.path}::{case.name}",
        file=document.path,
        name=case.name,
        node=node,
        agent=file.agent,
        expect=case.expect,
        steps=_steps(document, case, node),
        args=case.args,
        source=source,
        script=tuple(script),
        cassette=_beside(document, holder.cassette or "") if source == "cassette" else None,
        date=case.date or file.date,
        stubs={**file.tools, **case.tools},
        live_tools=file.live_tools if case.live_tools is None else case.live_tools,
        approve=(*case.approve, *file.approve),
        refuse={**_refusals(file.refuse), **_refusals(case.refuse)},
        tags=tuple(dict.fromkeys((*file.tags, *case.tags))),
        skip=case.skip,
        only=case.only,
        timeout_s=case.timeout or file.timeout or default_timeout_s,
        pass_rate=case.pass_rate or file.pass_rate or 1.0,
        env=variables_of(document),
        judge=file.judge,
    )


def _source(file: TestSpec, case: CaseSpec) -> tuple[Source, TestSpec | CaseSpec]:
    """Where the model's replies come from, and who says so: the case before its file."""
    for holder in (case, file):
        if holder.live:
            return "live", holder
        if holder.cassette is not None:
            return "cassette", holder
        if holder.model is not None:
            return "script", holder
    return "own", case


def _beside(document: Document, written: str) -> Path:
    """A path of a file as a person would write it: without `..`."""
    return Path(os.path.normpath(Path(document.path).parent / written))


def _steps(document: Document, case: CaseSpec, node: Node) -> tuple[Step, ...]:
    if case.conversation is None:
        return (Step(None, attach=_attached(document, case.attach)),)
    return tuple(
        Step(step.user, step.expect, node.get("conversation", index, "expect"), _attached(document, step.attach))
        for index, step in enumerate(case.conversation)
    )


def _attached(document: Document, written: Sequence[str]) -> tuple[AttachedFile, ...]:
    return tuple(attached_file(_beside(document, one), find_root(Path(document.path))) for one in written)


def attached_file(path: Path, root: Path) -> AttachedFile:
    """A file is named by its path in the project, as somebody attaches it there by hand; one elsewhere by its name."""
    whole = Path(os.path.abspath(path))  # noqa: PTH100 - a link is named as it is called
    return AttachedFile(path, whole.relative_to(root).as_posix() if whole.is_relative_to(root) else whole.name)


def _refusals(written: list[str] | Mapping[str, str]) -> dict[str, str]:
    return dict.fromkeys(written, "") if isinstance(written, list) else dict(written)


def _as_variable(value: str | float | bool) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
