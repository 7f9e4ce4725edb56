"""The operations of an OpenAPI document as tools of a set."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from agentrun.engine.agent import BoundTool
from agentrun.engine.ports import Tool
from agentrun.spec.types import OpenApiSpec
from agentrun.tool_sets import SetRules

if TYPE_CHECKING:
    from agentrun.tools.network import Network
    from agentrun.tools.oauth2 import TokenSources
    from agentrun.tools.retry import Sleep

Staged = Callable[[str, float, Callable[[], Tool | None]], Tool | None]


def openapi_members(
    spec: OpenApiSpec,
    rules: SetRules,
    folder: Path,
    *,
    network: Network,
    tokens: TokenSources,
    sleep: Sleep,
    staged: Staged | None,
) -> list[BoundTool]:
    """`folder` is where the path of the document begins. `staged` puts a test's stand-in before each backend.

    Raises `UsageError` for what only the environment could have got wrong.
    """
    raise NotImplementedError
