"""Models and their settings against what is known of them: names, context, limits of the API."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from agentrun.diagnostics import Diagnostic
from agentrun.spec.catalog import Catalog, Document

RULES: tuple[Callable[[Catalog, Document], Iterator[Diagnostic]], ...] = ()
