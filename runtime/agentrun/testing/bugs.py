"""A bug of agentrun in one case: it fails that case, and takes no other with it."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path

from agentrun.testing.observed import Observed
from agentrun.testing.plan import Case
from agentrun.testing.results import Attempt, Failure

_MAX_CHARS = 300
_MAX_FRAMES = 15


def ended_by_a_bug(case: Case, bug: Exception, hidden: Callable[[str], str]) -> Attempt:
    """`hidden` takes secrets out of a text."""
    bug = _first(bug)
    at = traceback.extract_tb(bug.__traceback__)[-1]
    said = hidden(f"{type(bug).__name__}: {bug}")[:_MAX_CHARS]
    message = f"a bug of agentrun ended the case: {said} ({Path(at.filename).name}, line {at.lineno})"
    told = hidden("".join(traceback.format_exception(bug, limit=-_MAX_FRAMES)))
    return Attempt("failed", Observed((), ()), 0.0, (Failure(message, case.span, None, told),))


def _first(bug: Exception) -> Exception:
    """Of a group of tasks the failure of the first."""
    return _first(bug.exceptions[0]) if isinstance(bug, ExceptionGroup) else bug
