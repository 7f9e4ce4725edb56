"""Lines of files that hold a password or a key, judged by themselves: by the form of a key, and by names such as
`apikey:`. They are shown nowhere, whatever else is found there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from agentrun.diagnostics import Span
from agentrun.secrets import MASKED
from agentrun.spec.credential_words import has_key, is_dummy, names_credential
from agentrun.spec.nodes import LINE_BREAK

_ENTRY = re.compile(r"(?<![\w-])([\w-]++)[\"']?:[ \t]+[\"']?(?=([^\s\"'#&*!|>{\[$][^,}\]]{,80}))")
_NO_CREDENTIALS = ("array", "boolean", "false", "integer", "number", "object", "string", "true")
_INDENT = r"\s*(?:- +)*"
_BEGIN = {False: re.compile(_INDENT), True: re.compile(_INDENT + r"(?:[\"']?[\w-]+[\"']?:[ \t]+)?")}


def lines_to_show(span: Span, sources: Mapping[str, str]) -> list[str]:
    """The lines of the file of a place; none where the one that it is about must not be shown."""
    lines = LINE_BREAK.split(sources.get(span.file, ""))
    line = lines[span.line - 1] if 0 < span.line <= len(lines) else ""
    return [] if looks_secret(line) else lines


def looks_secret(line: str) -> bool:
    return has_key(line) or any(names_credential(name) and _is_literal(value) for name, value in _ENTRY.findall(line))


def masked(line: str) -> str:
    """What may be shown of such a line: where it begins and, if it is its own key that says so, that key."""
    begin = _BEGIN[looks_secret(line)].match(line)
    shown = begin[0] if begin else ""
    return MASKED if has_key(shown) else shown + MASKED


def _is_literal(value: str) -> bool:
    """Whether a value is none that only stands for a credential: a `${VAR}`, a template, a type, `none`."""
    if "${" in value or "{{" in value or is_dummy(value):
        return False
    return value.strip("\"' ").lower() not in _NO_CREDENTIALS
