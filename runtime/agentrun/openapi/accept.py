"""The `Accept` header of an operation: what its document says of its answers. Pure."""

from __future__ import annotations

import re

from agentrun.openapi.media import kind_of
from agentrun.openapi.operation import Operation

ANY = "*/*"
_MEDIA_TYPE = re.compile(r"[\w.+*-]+/[\w.+*-]+(?:\s*;\s*[\w-]+=[\w.+-]+)*", re.ASCII)


def accepted(operation: Operation) -> str:
    """JSON where the document has any, else all that it has."""
    usable = [one.strip() for one in operation.accepts if _MEDIA_TYPE.fullmatch(one.strip())]
    chosen = [one for one in usable if kind_of(one) == "json" and "*" not in one] or usable
    if not chosen and operation.response is not None:
        return "application/json"
    return ", ".join(dict.fromkeys(chosen)) or ANY
