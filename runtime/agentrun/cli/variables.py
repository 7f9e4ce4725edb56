"""Which variables of the environment some documents read: whether each has a value and whether a run needs it.

No value is told here, secret or not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import msgspec

from agentrun.cli.describe_model import SECRET_VARIABLES, variables_read
from agentrun.spec.catalog import Document
from agentrun.spec.schema import walk_scalars

_REFERENCE = re.compile(r"\$\$|\$\{([A-Za-z_][A-Za-z0-9_]*)(:-)?")


class Variable(msgspec.Struct):
    """`required`: somewhere it stands without a default, so a run needs it."""

    name: str
    set: bool
    secret: bool = False
    required: bool = False


def variables_of(documents: Iterable[Document], environ: Mapping[str, str]) -> list[Variable]:
    """What these documents read, by name: each `${VAR}`, and what a model's client takes by itself."""
    found: dict[str, Variable] = {}

    def add(name: str, *, secret: bool, required: bool) -> None:
        one = found.setdefault(name, Variable(name, bool(environ.get(name))))
        one.secret |= secret
        one.required |= required

    for document in documents:
        for _, node, marks in walk_scalars(document.kind, document.node):
            for reference in _REFERENCE.finditer(node.source) if marks.get("x-env") else ():
                if reference.group(1):
                    add(reference.group(1), secret=bool(marks.get("x-secret")), required=not reference.group(2))
        if document.kind == "agent":
            for name, required in variables_read(document.spec.model, environ):
                add(name, secret=name in SECRET_VARIABLES, required=required)
    return [found[name] for name in sorted(found)]
