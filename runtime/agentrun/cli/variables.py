"""Which variables of the environment some documents read: whether each has a value, and whether a run misses it.

No value is told here, secret or not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import msgspec

from agentrun.cli.describe_model import SECRET_VARIABLES, variables_read
from agentrun.spec.catalog import Document
from agentrun.spec.schema import walk_scalars
from agentrun.templates import interpolate

_REFERENCE = re.compile(r"\$\$|\$\{([A-Za-z_][A-Za-z0-9_]*)")


class Variable(msgspec.Struct):
    """`missing`: it has no value and no default where one is needed, so a run would fail."""

    name: str
    set: bool
    secret: bool = False
    missing: bool = False


def variables_of(documents: Iterable[Document], environ: Mapping[str, str]) -> list[Variable]:
    """What these documents read, by name: each `${VAR}`, in defaults too, and what a model's client takes by itself."""
    found: dict[str, Variable] = {}

    def add(name: str, *, secret: bool, missing: bool) -> None:
        one = found.setdefault(name, Variable(name, bool(environ.get(name))))
        one.secret |= secret
        one.missing |= missing

    for document in documents:
        for _, node, marks in walk_scalars(document.kind, document.node):
            if not marks.get("x-env"):
                continue
            missing = {problem.name for problem in interpolate(node.source, environ).problems}
            for reference in _REFERENCE.finditer(node.source):
                if name := reference.group(1):
                    add(name, secret=bool(marks.get("x-secret")), missing=name in missing)
        if document.kind == "agent":
            for name, needed in variables_read(document.spec.model, environ):
                add(name, secret=name in SECRET_VARIABLES, missing=needed and not environ.get(name))
    return [found[name] for name in sorted(found)]
