"""Which findings are told: presets, codes that are selected or ignored, and what counts as an error.

Codes are named whole (`AR401`) or by their beginning (`AR4`, `AR`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from agentrun.diagnostics import Diagnostic, Report

Preset = Literal["minimal", "recommended", "strict"]
FailLevel = Literal["error", "warning", "info", "never"]

# What is a matter of taste, or too much for a project that begins.
STRICT_ONLY = frozenset({"AR634", "AR635"})
_RANK: dict[str, int] = {"info": 0, "warning": 1, "error": 2, "never": 3}


class Selection(msgspec.Struct, frozen=True):
    """`minimal` tells errors, `recommended` all but what is a matter of taste, `strict` all.

    `select` names the codes that are told instead of the preset's, `ignore` those that are not. With `strict_env` a
    variable that is not set is an error.
    """

    preset: Preset = "recommended"
    select: Sequence[str] = ()
    ignore: Sequence[str] = ()
    strict_env: bool = False

    def of(self, report: Report) -> Report:
        """The report with the findings that are told."""
        kept = tuple(self._weighed(found) for found in report.diagnostics)
        return msgspec.structs.replace(report, diagnostics=tuple(found for found in kept if self.tells(found)))

    def tells(self, found: Diagnostic) -> bool:
        if _named(found.code, self.ignore):
            return False
        if self.select:
            return _named(found.code, self.select)
        if self.preset == "minimal":
            return found.severity == "error"
        return self.preset == "strict" or found.code not in STRICT_ONLY

    def _weighed(self, found: Diagnostic) -> Diagnostic:
        is_unset = self.strict_env and found.code == "AR510"
        return msgspec.structs.replace(found, severity="error") if is_unset else found


def codes_of(written: Iterable[str]) -> tuple[str, ...]:
    """Codes as they are compared, which may be written in small letters."""
    return tuple(code.strip().upper() for code in written)


def _named(code: str, beginnings: Iterable[str]) -> bool:
    return any(code.startswith(one) for one in beginnings)


def fails(report: Report, level: FailLevel) -> bool:
    """Whether a report has a finding at or above a level."""
    return any(_RANK[found.severity] >= _RANK[level] for found in report.diagnostics)
