"""Texts that were meant as templates, and templates whose values cost something."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from agentrun.diagnostics import Diagnostic
from agentrun.spec.catalog import Catalog, Document

RULES: tuple[Callable[[Catalog, Document], Iterator[Diagnostic]], ...] = ()
