"""Limits and timeouts that contradict each other or can't be reached."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from agentrun.diagnostics import Diagnostic
from agentrun.spec.catalog import Catalog, Document

RULES: tuple[Callable[[Catalog, Document], Iterator[Diagnostic]], ...] = ()
