"""What each code means: the pages in `explain/`, one Markdown file a code, read when they are asked for.

A page begins with `# CODE: title` and a line with the severity. Its `## Bad` has whole files of a project, one mistake
in them, and its `## Good` the same files mended: they are tests too (`tests/test_explain.py`).
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import msgspec

PAGES = Path(__file__).parent / "explain"
FAMILIES = {
    "AR1": "file",
    "AR2": "yaml",
    "AR3": "schema",
    "AR4": "reference",
    "AR5": "template",
    "AR6": "tool",
    "AR7": "model",
    "AR8": "safety",
    "AR9": "test",
}

_HEAD = re.compile(r"# (AR\d{3}): (.+)\n\n(error|warning|info)(?: or warning)?(, in the strict preset)?\n\n((?:.+\n)+)")


class Explanation(msgspec.Struct, frozen=True):
    """A page and its head. `severity` is the usual one; `summary` the first paragraph of the text."""

    code: str
    title: str
    severity: str
    is_strict: bool
    summary: str
    text: str


@cache
def codes() -> tuple[str, ...]:
    """Every code that has a page, in order."""
    return tuple(sorted(path.stem for path in PAGES.glob("AR*.md")))


def explain(code: str) -> Explanation:
    """The page of a code. Raises `KeyError` where there is none."""
    if code not in codes():
        raise KeyError(code)
    text = (PAGES / f"{code}.md").read_text(encoding="utf-8")
    head = _HEAD.match(text)
    if head is None:
        raise ValueError(f"the page of {code} does not begin as a page must")
    found, title, severity, strict, summary = head.groups()
    return Explanation(found, title, severity, strict is not None, " ".join(summary.split()), text)
