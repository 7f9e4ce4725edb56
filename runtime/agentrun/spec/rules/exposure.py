"""What an agent as a whole exposes: private data, untrusted content and a way out together."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from agentrun.diagnostics import Diagnostic
from agentrun.spec.catalog import Catalog, Document

RULES: tuple[Callable[[Catalog, Document], Iterator[Diagnostic]], ...] = ()
