"""What the commands of `agentrun sessions` do.

What shows and exports is loaded where that is asked for: finding a session takes less time than loading it.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from pathlib import Path

import click

from agentrun.cli.colors import Painter
from agentrun.cli.columns import line_width, terminal_width
from agentrun.cli.kept.listing import ago, listed
from agentrun.diagnostics import counted
from agentrun.sessions.session import Found, Session
from agentrun.sessions.store import Store, open_store
from agentrun.visible import in_a_line, one_line, visible

_DAY_S = 86400
_TITLE_CHARS = 60
_NAMED = 10  # sessions that are told one by one before they are deleted
VERSION = 1


def _store(environ: Mapping[str, str]) -> AbstractContextManager[Store]:
    return closing(open_store(environ))


def list_sessions(
    environ: Mapping[str, str], agent: str | None, root: str | None, limit: int | None, output_format: str
) -> int:
    with _store(environ) as store:
        found = store.sessions(agent=agent, root=root, limit=limit)
        whole = len(found) if limit is None or len(found) < limit else store.count(agent=agent, root=root)
    if output_format == "json":
        from agentrun.sessions.export import described

        _print_json({"version": VERSION, "count": whole, "sessions": [described(one) for one in found]})
        return 0
    if not found:
        click.echo(_none(agent, root), err=True)
        return 0
    for line in listed(found, time.time(), terminal_width()):
        click.echo(line)
    if len(found) < whole:
        click.echo(f"{len(found):,} of {whole:,}: --all lists them", err=True)
    return 0


def show_session(environ: Mapping[str, str], id: str, output_format: str, *, full: bool) -> int:
    from agentrun.cli.kept.showing import Layout, shown
    from agentrun.sessions.export import as_json

    with _store(environ) as store:
        session = store.find(id)
        messages = store.conversation(session.id)
    if output_format == "json":
        _print(as_json(session, messages))
        return 0
    paint = Painter(sys.stdout)
    layout = Layout(line_width(sys.stdout), sys.stdout.isatty())
    for line in shown(session, messages, paint, now=time.time(), layout=layout, full=full):
        click.echo(line, color=paint.on)
    return 0


def export_session(environ: Mapping[str, str], id: str, output_format: str, output: Path | None) -> int:
    from agentrun.cli.output_files import write_new
    from agentrun.sessions.export import as_json, as_markdown

    with _store(environ) as store:
        session = store.find(id)
        if output_format == "jsonl":
            texts: Iterable[str] = (
                line.decode("utf-8", "replace").rstrip("\n") + "\n" for line in store.events_jsonl(session.id)
            )
        else:
            write = as_markdown if output_format == "md" else as_json
            texts = [write(session, store.conversation(session.id))]
        if output is None:
            for text in texts:
                _print(text)
            return 0
        write_new(output, texts)
    click.echo(f"`{visible(str(output))}` is new", err=True)
    return 0


def search_sessions(
    environ: Mapping[str, str], words: str, agent: str | None, root: str | None, limit: int, output_format: str
) -> int:
    with _store(environ) as store:
        found = store.search(words, agent=agent, root=root, limit=limit)
    if output_format == "json":
        from agentrun.sessions.export import described

        sessions = [
            described(one.session) | {"snippet": one.snippet, "marks": [list(mark) for mark in one.marks]}
            for one in found
        ]
        _print_json({"version": VERSION, "sessions": sessions})
        return 0
    if not found:
        click.echo(f"no session was found for `{one_line(words, _TITLE_CHARS)}`", err=True)
        return 0
    paint, width, now = Painter(sys.stdout), line_width(sys.stdout), time.time()
    for one in found:
        session = one.session
        about = f" · {ago(session.changed, now)} · {in_a_line(session.agent)} · {in_a_line(session.title)}"
        click.echo(f"{paint(in_a_line(session.id), 'bold')} {one_line(about, max(width - 11, 20))}", color=paint.on)
        click.echo(f"  {marked(one, paint, max(width - 3, 20))}", color=paint.on)
    return 0


def marked(found: Found, paint: Painter, width: int) -> str:
    """The snippet on one line of that width, the words that were looked for set off in it."""
    first = found.marks[0][0] if found.marks else 0
    begin = max(0, min(first - width // 3, len(found.snippet) - width))
    end = begin + width
    parts: list[str] = []
    at = begin
    for mark_begin, mark_end in found.marks:
        if at <= mark_begin and mark_end <= end:
            parts += [_flat(found.snippet[at:mark_begin]), paint(_flat(found.snippet[mark_begin:mark_end]), "bold")]
            at = mark_end
    return "".join([*parts, _flat(found.snippet[at:end])])


def delete_sessions(
    environ: Mapping[str, str], ids: Sequence[str], older_than: int | None, root: str | None, *, ask: bool
) -> int:
    with _store(environ) as store:
        if older_than is None:
            named = list({one.id: one for one in map(store.find, ids)}.values())
            if ask and not _sure(named):
                return 1
            deleted = store.delete([one.id for one in named])
        else:
            before = time.time() - older_than * _DAY_S
            if ask:
                old = [one for one in store.sessions(root=root) if one.changed < before]
                if not old:
                    click.echo(f"no session is older than {counted(older_than, 'day')}")
                    return 0
                if not _sure(old):
                    return 1
            deleted = store.delete_older(before, root=root)
    click.echo(f"{counted(deleted, 'session')} deleted")
    return 0


def _sure(sessions: Sequence[Session]) -> bool:
    number = len(sessions)
    for line in listed(sessions[:_NAMED], time.time(), terminal_width()):
        click.echo(line)
    if number > _NAMED:
        click.echo(f"… and {number - _NAMED:,} more")
    return click.confirm(f"delete {counted(number, 'session')} for good?", default=False)


def _none(agent: str | None, root: str | None) -> str:
    of = f" with `{in_a_line(agent)}`" if agent else ""
    where = " in this project" if root else ""
    return f"there is no session{of}{where}"


def _flat(text: str) -> str:
    return visible(re.sub(r"\s", " ", text))


def _print_json(data: object) -> None:
    _print(json.dumps(data, indent=2, ensure_ascii=False) + "\n")


def _print(text: str) -> None:
    """At a terminal without what could be sent to it."""
    click.echo(visible(text) if sys.stdout.isatty() else text, nl=False)
