"""Fingerprints: a short name for each finding that stays when lines are moved, for baselines and code scanners.

A fingerprint hashes the code, the file, the place in the document and the message. Neither line numbers, places within
a list nor counts in the message are part of it, so what is written above a finding doesn't change it; nor does the text
of the line, which may hold a secret.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter

from agentrun.diagnostics import Report
from agentrun.spec.locate import pointers_of

_COUNT = re.compile(r"`(?P<quoted>[^`]*)`|\d+")
_INDEX = re.compile(r"\[\d+\]")


def fingerprints_of(report: Report) -> list[str]:
    """The fingerprint of each finding, in order: 32 hex digits, no two alike."""
    seen: Counter[tuple[str, ...]] = Counter()
    fingerprints: list[str] = []
    for found, pointer in zip(report.diagnostics, pointers_of(report), strict=True):
        identity = (found.code, found.span.file, _without_indices(pointer), _without_counts(found.message))
        seen[identity] += 1
        text = "\0".join([*identity, str(seen[identity])])
        fingerprints.append(hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32])
    return fingerprints


def _without_indices(pointer: str) -> str:
    return "/".join("-" if step.isdecimal() else step for step in pointer.split("/"))


def _without_counts(message: str) -> str:
    """`tools[2]` moves with the list, and how many lines there are is of the day; what stands in quotes is a name."""
    return _COUNT.sub(lambda found: _INDEX.sub("[]", found["quoted"]) if found["quoted"] else "", message)
