"""Which variables of the environment some documents read: whether each has a value, and whether a run misses it.

No value is told here, secret or not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import msgspec

from agentrun.cli.describe_model import SECRET_VARIABLES, variables_read
from agentrun.spec.catalog import Document
from agentrun.templates import interpolate

_REFERENCE = re.compile(r"\$\$|\$\{([A-Za-z_][A-Za-z0-9_]*)")


class Variable(msgspec.Struct):
    """`missing`: it is not set and has no default where one is needed, so a run would fail.

    `empty`: there it is set to nothing, which a run takes for the value.
    """

    name: str
    set: bool
    secret: bool = False
    missing: bool = False
    empty: bool = False


def variables_of(documents: Iterable[Document], environ: Mapping[str, str]) -> list[Variable]:
    """What these documents read, by name: each `${VAR}`, in defaults too, and what a model's client takes by itself."""
    found: dict[str, Variable] = {}
    valued = {name: value for name, value in environ.items() if value}

    def add(name: str, *, secret: bool, needed: bool) -> None:
        one = found.setdefault(name, Variable(name, bool(environ.get(name))))
        one.secret |= secret
        one.missing |= needed and name not in environ
        one.empty |= needed and environ.get(name) == ""

    for document in documents:
        for _, node, marks in document.scalars:
            if not marks.get("x-env"):
                continue
            needed = {problem.name for problem in interpolate(node.source, valued).problems}
            for reference in _REFERENCE.finditer(node.source):
                if name := reference.group(1):
                    add(name, secret=bool(marks.get("x-secret")), needed=name in needed)
        if document.kind == "agent":
            for name, is_needed in variables_read(document.spec.model, environ):
                add(name, secret=name in SECRET_VARIABLES, needed=is_needed)
    return [found[name] for name in sorted(found)]
