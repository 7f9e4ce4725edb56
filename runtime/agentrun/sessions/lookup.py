"""Sessions looked up: listed, counted, found by a beginning of their id, searched. In SQL that every database takes.

Not by SQLAlchemy, which takes longer to load than these questions take to be answered; whoever asks says how.
"""

# ruff: noqa: S608 - statements are put together of what stands here; whatever is given goes with them as a value

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from agentrun.errors import UsageError
from agentrun.sessions.said import storable
from agentrun.sessions.session import Found, Session
from agentrun.sessions.sound import mended, text_in
from agentrun.sessions.words import Words

_MIN_PREFIX = 4
_NAMED = 8  # of sessions that a beginning of an id may mean
_PLACES_EACH = 20  # of a session among the newest places of a word
_COLUMNS = ", ".join(f"s.{name}" for name in Session.__struct_fields__)


class Ask(Protocol):
    """Rows for a statement with `:name` for values. Those of one `Ask` see one state of the database."""

    def __call__(self, statement: str, values: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]: ...


class Wanted:
    """Which sessions: those of an agent, of a project, last changed before a time, or all."""

    def __init__(self, agent: str | None = None, root: str | None = None, before: float | None = None) -> None:
        given = {"agent": agent, "root": root}
        self.values: dict[str, Any] = {name: storable(value) for name, value in given.items() if value is not None}
        self.conditions = [f"s.{name} = :{name}" for name in self.values]
        if before is not None:
            self.values["before"] = before
            self.conditions.append("s.changed < :before")

    def where(self, *more: str) -> str:
        conditions = [*more, *self.conditions]
        return f"WHERE {' AND '.join(conditions)}" if conditions else ""


def listed(ask: Ask, wanted: Wanted, limit: int | None) -> list[Session]:
    statement = f"SELECT {_COLUMNS} FROM agentrun_sessions s {wanted.where()} ORDER BY s.changed DESC"
    return [mended(row) for row in ask(statement + _limited(limit), wanted.values)]


def counted(ask: Ask, wanted: Wanted) -> int:
    [row] = ask(f"SELECT count(*) AS number FROM agentrun_sessions s {wanted.where()}", wanted.values)
    return int(row["number"])


def found_by(ask: Ask, prefix: str) -> Session:
    asked = storable(prefix.strip().lower())
    if len(asked) < _MIN_PREFIX:
        raise UsageError(f"`{prefix}` is too short for a session: give {_MIN_PREFIX} characters of its id or more")
    values = {"first": asked, "behind": asked + "\U0010ffff"}
    statement = f"SELECT {_COLUMNS} FROM agentrun_sessions s WHERE s.id >= :first AND s.id < :behind ORDER BY s.id"
    found = [mended(row) for row in ask(statement + _limited(_NAMED + 1), values)]
    if not found:
        raise no_session(prefix)
    if len(found) > 1 and found[0].id != asked:
        named = ", ".join(one.id for one in found[:_NAMED]) + (", …" if len(found) > _NAMED else "")
        raise UsageError(f"several sessions begin with `{prefix}`: {named}", help="give more characters of the id")
    return found[0]


def no_session(asked: str) -> UsageError:
    return UsageError(f"there is no session `{asked}`", help="`agentrun sessions list` shows those that there are")


# -- search ------------------------------------------------------------------------------------------------------------


def searched(ask: Ask, dialect: str, words: Words, wanted: Wanted, limit: int) -> list[Found]:
    """Sessions with the words in a message or in their title, the last changed first.

    The newest message that holds all of the words speaks for its session. Titles are looked through without an index:
    there are few of them.
    """
    if not words:
        return []
    newest = (_in_sqlite if dialect == "sqlite" else _in_postgres)(ask, words, wanted, limit)
    statement = f"SELECT m.session, m.text FROM agentrun_messages m WHERE m.id IN ({_numbers(newest.values())})"
    texts = _titles(ask, dialect, words, wanted, limit)
    texts |= {row["session"]: text_in(row["text"]) for row in ask(statement, {})}
    ids = {f"id{number}": id for number, id in enumerate(texts)}
    condition = f"s.id IN ({', '.join(f':{name}' for name in ids) or 'NULL'})"
    statement = f"SELECT {_COLUMNS} FROM agentrun_sessions s WHERE {condition} ORDER BY s.changed DESC"
    sessions = [mended(row) for row in ask(statement + _limited(limit), ids)]
    return [Found(one, *words.snippet(texts[one.id])) for one in sessions]


def _in_sqlite(ask: Ask, words: Words, wanted: Wanted, limit: int) -> dict[str, int]:
    """For each session its newest message. The index is read from its end, no further than is needed."""
    statement = f"""
        SELECT m.session, m.id FROM agentrun_search JOIN agentrun_messages m ON m.id = agentrun_search.rowid
        {"JOIN agentrun_sessions s ON s.id = m.session" if wanted.conditions else ""}
        {wanted.where("agentrun_search MATCH :query")} ORDER BY agentrun_search.rowid DESC"""
    found: dict[str, int] = {}
    for row in ask(statement, wanted.values | {"query": words.fts5}):
        found.setdefault(row["session"], row["id"])
        if len(found) == limit:
            break
    return found


def _in_postgres(ask: Ask, words: Words, wanted: Wanted, limit: int) -> dict[str, int]:
    """A word that is nearly everywhere is looked for from the end first: few of its places are needed."""
    among = f"m.session IN (SELECT s.id FROM agentrun_sessions s {wanted.where()})"
    statement = f"""
        SELECT m.session, m.id FROM agentrun_messages m
        WHERE m.words @@ to_tsquery('simple', :query) {f"AND {among}" if wanted.conditions else ""}
        ORDER BY m.id DESC"""
    found: dict[str, int] = {}
    for most in (limit * _PLACES_EACH, None):
        rows = list(ask(statement + _limited(most), wanted.values | {"query": words.tsquery}))
        for row in rows:
            found.setdefault(row["session"], row["id"])
        if len(found) >= limit or len(rows) != most:
            break
    return dict(list(found.items())[:limit])


def _titles(ask: Ask, dialect: str, words: Words, wanted: Wanted, limit: int) -> dict[str, str]:
    likely = {f"like{number}": pattern.lower() for number, pattern in enumerate(words.like)}
    with_accents = " OR s.title GLOB '*[^ -~]*'" if dialect == "sqlite" else ""  # there they are the same letters
    conditions = [f"(lower(s.title) LIKE :{name}{with_accents})" for name in likely]
    statement = f"SELECT s.id, s.title FROM agentrun_sessions s {wanted.where(*conditions)} ORDER BY s.changed DESC"
    found: dict[str, str] = {}
    for row in ask(statement, wanted.values | likely):
        if words.all_in(title := text_in(row["title"])):
            found[row["id"]] = title
        if len(found) == limit:
            break
    return found


def _limited(limit: int | None) -> str:
    return "" if limit is None else f" LIMIT {limit:d}"


def _numbers(numbers: Iterable[int]) -> str:
    return ", ".join(f"{number:d}" for number in numbers) or "NULL"
