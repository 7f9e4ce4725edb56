"""What can be said of the operations of a document without following a reference in them: enough to choose some."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

import msgspec

from agentrun.openapi.problems import OperationProblem
from agentrun.openapi.references import References, escaped

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
_HOLE = re.compile(r"\{([^{}]*)\}")
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9]+")


class Outline(msgspec.Struct, frozen=True):
    """`name` is as in `Operation`; `operation_id` what the document writes, which another operation may have too.
    `path` is the document's; `pointer` the JSON pointer of the operation, `item` that of what stands under its path.
    """

    name: str
    operation_id: str
    method: str
    path: str
    tags: tuple[str, ...]
    summary: str
    deprecated: bool
    pointer: str
    item: str


def outlines_of(references: References) -> tuple[Outline, ...]:
    written = list(_written(references))
    ids = Counter(one.operation_id for one in written)
    taken = {one for one, count in ids.items() if one and count == 1}
    made = []
    for one in written:
        name = one.operation_id
        if not name or ids[name] > 1:
            name = _free(made_name(one.method, one.path), taken)
            taken.add(name)
        made.append(msgspec.structs.replace(one, name=name))
    return tuple(made)


def _written(references: References) -> Iterator[Outline]:
    paths = references.root.get("paths")
    for path, item in paths.items() if isinstance(paths, dict) else ():
        if not path.startswith("/") or not isinstance(item, dict):
            continue  # extensions, and what is no path
        try:
            found = references.follow(item, f"/paths/{escaped(path)}")
        except OperationProblem:
            continue
        if not isinstance(found.value, dict):
            continue
        for method in METHODS:
            operation = found.value.get(method)
            if isinstance(operation, dict):
                tags, own, short = operation.get("tags"), operation.get("operationId"), operation.get("summary")
                yield Outline(
                    name="",
                    operation_id=own.strip() if isinstance(own, str) else "",
                    method=method.upper(),
                    path=path,
                    tags=tuple(one for one in tags if isinstance(one, str)) if isinstance(tags, list) else (),
                    summary=short if isinstance(short, str) else "",
                    deprecated=operation.get("deprecated") is True,
                    pointer=f"{found.pointer}/{method}",
                    item=found.pointer,
                )


def made_name(method: str, path: str) -> str:
    """`get_orders_by_id` of GET /orders/{id}."""
    steps = [method.lower()]
    for step in path.split("/"):
        words = _HOLE.sub(lambda found: f" by {found[1]} ", step)
        if word := _NOT_IN_NAMES.sub("_", words).strip("_"):
            steps.append(word)
    return "_".join(steps)


def _free(name: str, taken: set[str]) -> str:
    free, number = name, 1
    while free in taken:
        number += 1
        free = f"{name}_{number}"
    return free
