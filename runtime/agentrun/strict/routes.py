"""Places in a JSON Schema: where each part is written, what a local reference leads to, a part checked by itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from agentrun.json_schema import Route, Validator, subschemas

_WHOLE = "schema:whole"
_PART = "-part"


def routes_of(schema: Mapping[str, Any]) -> dict[int, Route]:
    """Where each part of a schema is written, by its `id`."""
    return {id(part): route for route, part in subschemas(schema, ())}


def written_path(route: Route) -> str:
    """A route as a person writes it: `order.lines[].sku`; empty for the whole."""
    return "".join(_steps(route)).removeprefix(".")


def _steps(route: Route) -> Iterator[str]:
    steps = iter(route)
    for step in steps:
        if step == "properties":
            yield f".{next(steps, '')}"
        elif step == "items":
            yield "[]"
        elif isinstance(step, int):
            yield f"({step + 1})"
        elif step in ("$defs", "definitions"):
            yield f".{step}.{next(steps, '')}"


def is_followed(reference: Any) -> bool:
    """Whether strict mode follows a reference: to the whole schema, or to a definition at its top."""
    if reference == "#":
        return True
    steps = str(reference).split("/")
    return len(steps) == 3 and steps[:2] in (["#", "$defs"], ["#", "definitions"])


def resolve(schema: Mapping[str, Any], reference: str) -> Any:
    """What a reference that `is_followed` leads to."""
    if reference == "#":
        return schema
    _, group, name = reference.split("/")
    return schema.get(group, {}).get(unquote(name).replace("~1", "/").replace("~0", "~"))


def part_validator(whole: Mapping[str, Any], part: Any) -> Validator:
    """Checks a part of a schema by itself; its references lead into the whole, as where it is written."""
    inner = {**whole, "$id": _WHOLE, "$defs": {**whole.get("$defs", {}), _PART: part}}
    return Validator({"$ref": f"{_WHOLE}#/$defs/{_PART}", "$defs": {"whole": inner}})


def allows_null(whole: Mapping[str, Any], part: Any) -> bool:
    written = part.get("type") if isinstance(part, Mapping) else None
    if written is not None and "null" not in ([written] if isinstance(written, str) else written):
        return False
    return part_validator(whole, part).is_valid(None)
