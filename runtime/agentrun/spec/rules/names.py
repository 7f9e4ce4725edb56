"""Names that are too much alike, too long once they are put together, or taken."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from agentrun.diagnostics import Diagnostic
from agentrun.spec.catalog import Catalog, Document

RULES: tuple[Callable[[Catalog, Document], Iterator[Diagnostic]], ...] = ()
