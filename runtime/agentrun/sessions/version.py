"""Which version of the schema this is, and what to say of a database that has another."""

from __future__ import annotations

from agentrun.sessions import failures

NEWEST = 2


def checked(found: object, where: str) -> int:
    """The version that a database says it has. Raises StoreError for a newer one, and for what is none."""
    if not isinstance(found, int) or found < 0:
        raise failures.damaged(where)
    if found > NEWEST:
        raise failures.of_newer_version(where, found, NEWEST)
    return found
