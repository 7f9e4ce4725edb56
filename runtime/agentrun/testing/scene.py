"""One case while it runs: who answers in the place of its models, and what its tools sent.

Which scene a call belongs to is known by a context variable, which the tasks of a case inherit.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import ContextVar

from agentrun.engine.messages import Reply, Request
from agentrun.engine.ports import Model, Tell
from agentrun.errors import ModelError
from agentrun.models.retry import Retrying
from agentrun.models.scripted import Scripted
from agentrun.spec.nodes import Route
from agentrun.spec.script_types import ScriptTurn
from agentrun.spec.types import ModelSpec
from agentrun.testing.observed import TEST_ERROR, ToolRequest
from agentrun.testing.stubs import StubBook

_JITTER = 0.5  # of the delays that a script's retries tell of; none of them is waited for


class Scene:
    """`script` is None where the agent's own model answers.

    `problems` are what fails the case whatever it expects, with the key of the case that it is about; `missing` is what
    would be needed to measure it, `requests` what tools sent or ran, by the call's key.
    """

    def __init__(self, script: Sequence[ScriptTurn] | None, stubs: StubBook, *, live_tools: bool) -> None:
        self.script = None if script is None else Scripted("scripted", script)
        self.stubs = stubs
        self.live_tools = live_tools
        self.problems: dict[str, Route] = {}
        self.missing: list[str] = []
        self.requests: dict[str, list[ToolRequest]] = {}
        self._turns = 0 if script is None else len(script)
        self._models: dict[int, Model] = {}

    @property
    def unplayed(self) -> int:
        """The turns of the script that no request has played yet."""
        return 0 if self.script is None else max(0, self._turns - len(self.script.requests))

    def model(self, stage: StagedModel) -> Model:
        """Who answers in the place of an agent's model: the case's script, the agent's own, or the real one."""
        if id(stage) not in self._models:
            self._models[id(stage)] = self._made(stage)
        return self._models[id(stage)]

    def _made(self, stage: StagedModel) -> Model:
        if self.script is None and all(one.api != "scripted" for one in stage.specs):
            return stage.real
        models: list[Model] = [self._one(one) for one in stage.specs]
        return Retrying(
            models,
            max_retries=[one.max_retries for one in stage.specs],
            sleep=_no_wait,
            random=lambda: _JITTER,
        )

    def _one(self, spec: ModelSpec) -> Model:
        name = spec.name or "scripted"
        if self.script is not None:
            return _Named(name, self.script, self)
        if spec.api == "offline":
            from agentrun.models.offline import Offline

            return Offline(name)
        if spec.api == "scripted":
            return _Named(name, Scripted(name, spec.script if isinstance(spec.script, list) else []), self)
        return _Nobody(name, self)

    def fail(self, problem: str, *route: str) -> ModelError:
        """What ends the run: the case can't go on."""
        self.problems.setdefault(problem, route)
        return ModelError(problem, code=TEST_ERROR)

    def give_up(self, reason: str) -> ModelError:
        """What ends the run where nothing can be said about the agent."""
        self.missing.append(reason)
        return ModelError(reason, code=TEST_ERROR)


SCENE: ContextVar[Scene] = ContextVar("scene")


def enter(scene: Scene) -> None:
    """All that this task begins from now on belongs to the scene."""
    SCENE.set(scene)


class StagedModel:
    """Stands where an agent's models are, the first and its fallbacks."""

    def __init__(self, specs: Sequence[ModelSpec], real: Model) -> None:
        self.name = real.name
        self.specs = specs
        self.real = real

    async def complete(self, request: Request, tell: Tell) -> Reply:
        return await SCENE.get().model(self).complete(request, tell)


class _Named:
    """A script under the name of the model in whose place it stands. One that has no turn left fails the case."""

    def __init__(self, name: str, script: Scripted, scene: Scene) -> None:
        self.name = name
        self._script = script
        self._scene = scene

    async def complete(self, request: Request, tell: Tell) -> Reply:
        try:
            return await self._script.complete(request, tell)
        except ModelError as error:
            if error.code == "script_exhausted":
                raise self._scene.fail(error.message, "model") from None
            raise


class _Nobody:
    """A real model that a scripted one falls back to: a case that has no `live` asks none."""

    def __init__(self, name: str, scene: Scene) -> None:
        self.name = name
        self._scene = scene

    async def complete(self, request: Request, tell: Tell) -> Reply:
        raise self._scene.fail(f"the model `{self.name}` is asked, which is no scripted one, and the case has no model")


async def _no_wait(seconds: float) -> None:
    """A script's failures are retried at once."""
