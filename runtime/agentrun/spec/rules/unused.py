"""What nothing uses: parameters that no backend places, bases that nothing extends, tools that no agent lists."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from agentrun.diagnostics import Diagnostic
from agentrun.spec.catalog import Catalog

WHOLE_RULES: tuple[Callable[[Catalog], Iterator[Diagnostic]], ...] = ()
