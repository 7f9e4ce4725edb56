"""`agentrun trace`: a run that is over, or goes on, as a waterfall: on the terminal, as data, or as a page."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from agentrun.cli.options import env_file_option, environment, format_option
from agentrun.errors import UsageError, reason_of

if TYPE_CHECKING:
    from agentrun.observers.span import Span
    from agentrun.observers.waterfall import Piece

_STDIN = "-"
_PIPE_COLUMNS = 100
_MIN_COLUMNS = 20


def _complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Sessions, then files."""
    from agentrun.cli.kept.completing import complete_session

    files = CompletionItem(incomplete, type="file")
    return [files, *complete_session(ctx, param, incomplete)]  # bash forgets what comes before a file


@click.command("trace", short_help="Draw a run as a waterfall.")
@click.argument("source", metavar="SESSION|FILE", shell_complete=_complete)
@click.option("--run", "number", type=click.IntRange(min=1), metavar="N", help="The run to draw. Example: --run 2")
@click.option("--all", "whole", is_flag=True, help="Draw all runs, one below the other. Example: --all")
@format_option("for a person", "the spans, for programs")
@click.option(
    "--html",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write a page that stands alone instead. Example: --html trace.html",
)
@click.option("--content", is_flag=True, help="With --format json or --html: what was said, too. Example: --content")
@env_file_option
def command(
    source: str,
    number: int | None,
    whole: bool,
    output_format: str,
    html: Path | None,
    content: bool,
    env_file: Path | None,
) -> int:
    """Draw what happened in a run, and when: model turns, calls, agents behind tools, retries, errors.

    SESSION is the id of a session, or its beginning. FILE was written by --trace, by `run --output jsonl` or by
    `sessions export --format jsonl`; - is standard input. Without --run it is the last run. The light part before a
    bar is the time for which a call waited for approval.

    \b
    Examples:
      agentrun trace 3f2a
      agentrun trace spans.jsonl --all
      agentrun run support "Where is order 1042?" --output jsonl | agentrun trace -
      agentrun trace 3f2a --run 2 --html trace.html --content
    """
    if number is not None and whole:
        raise UsageError("`--run` and `--all` exclude one another", help="leave one of them out")
    if html is not None and output_format != "text":
        raise UsageError("`--html` and `--format json` exclude one another", help="leave one of them out")
    if content and html is None and output_format == "text":
        raise UsageError("`--content` goes with `--html FILE` or `--format json`")
    if html is not None and os.path.realpath(html) == os.path.realpath(source):
        raise UsageError(f"`{html}` can't be written: it is what is read")
    from agentrun.observers.waterfall import pieces

    is_text = html is None and output_format == "text"  # names alone are shown, those that a model made up too
    found = pieces(_spans(source, environment(env_file), content=content or is_text))
    runs = [one for one in found if one.is_run] or found
    chosen = found if whole else [_chosen(runs, number)]
    if html is not None:
        _write_page(html, source, chosen)
        return 0
    if output_format == "json":
        click.echo(_as_json(chosen))
        return 0
    _draw(chosen, runs)
    return 0


def _chosen(runs: Sequence[Piece], number: int | None) -> Piece:
    if number is not None and number > len(runs):
        raise UsageError(f"there is no run {number}", help=f"there {_are(len(runs))}; `--all` draws all")
    return runs[(number or len(runs)) - 1]


def _are(count: int) -> str:
    return "is 1 run" if count == 1 else f"are {count} runs"


def _draw(chosen: Sequence[Piece], runs: Sequence[Piece]) -> None:
    from agentrun.cli.colors import Painter
    from agentrun.observers.waterfall import headline, waterfall

    columns = shutil.get_terminal_size(fallback=(_PIPE_COLUMNS, 24)).columns
    paint = Painter(sys.stdout)
    for index, piece in enumerate(chosen):
        which = f" · run {runs.index(piece) + 1} of {len(runs)}" if piece in runs and len(runs) > 1 else ""
        for line in ([""] if index else []) + _wrapped(headline(piece) + which, columns):
            click.echo(paint(line, "bold"))
        for line in waterfall([span for _, span in piece.spans], columns, paint):
            click.echo(line)


def _wrapped(line: str, columns: int) -> list[str]:
    from agentrun.markup.lines import wrapped

    first, *others = wrapped(line, max(columns, _MIN_COLUMNS) - 2)
    return [first, *(f"  {other}" for other in others)]


def _as_json(chosen: Sequence[Piece]) -> str:
    import json

    import msgspec

    spans = [{"depth": depth, **msgspec.to_builtins(span)} for piece in chosen for depth, span in piece.spans]
    return json.dumps({"version": 1, "spans": spans}, indent=2)  # without characters that a terminal may obey


def _write_page(path: Path, source: str, chosen: Sequence[Piece]) -> None:
    from agentrun.cli.output_files import write_text
    from agentrun.observers.waterfall_html import as_html

    write_text(path, as_html(chosen, title=Path(source).name))


# -- where spans come from -----------------------------------------------------------------------------------


def _spans(source: str, environ: Mapping[str, str], *, content: bool) -> list[Span]:
    if source == _STDIN:
        return _read(sys.stdin.buffer, "standard input", content=content)
    path = Path(source)
    if path.exists() or os.sep in source or path.suffix:
        try:
            with path.open("rb") as file:
                return _read(file, f"`{source}`", content=content)
        except OSError as error:
            raise UsageError(f"`{source}` can't be read: {reason_of(error)}") from None
    return _of_session(source, environ, content=content)


def _of_session(id: str, environ: Mapping[str, str], *, content: bool) -> list[Span]:
    from agentrun.observers.open_span import Known
    from agentrun.observers.spans import spans_of
    from agentrun.sessions.store import open_store

    store = open_store(environ)
    try:
        session = store.find(id)
        spans = spans_of(store.events(session.id), Known(session=lambda: session.id), content=content)
    finally:
        store.close()
    if not spans:
        first = session.forked_from
        further = f"it is a copy: `agentrun trace {first}` draws what came before" if first else None
        raise UsageError(f"the session `{session.id}` holds no run", help=further)
    return spans


def _read(lines: Iterable[bytes], what: str, *, content: bool) -> list[Span]:
    """The spans of a file of spans or of events. A line that is neither is left out: a killed program cuts the last."""
    from agentrun.observers import otlp_file
    from agentrun.observers.semconv import CONTENT
    from agentrun.observers.spans import spans_of

    spans: list[Span] = []
    events: list[Any] = []
    decode = _decoder()
    left_out = 0
    for line in lines:
        if not line.strip():
            continue
        try:
            if otlp_file.is_trace(line):
                spans += otlp_file.decoded(line)
            else:
                events.append(decode(line))
        except ValueError:
            left_out += 1
    if not content:
        spans = [_without(span, CONTENT) for span in spans]
    spans += spans_of(events, content=content)
    if not spans:
        raise UsageError(f"{what} holds no spans and no events", help="pass a file of `--trace` or `--output jsonl`")
    if left_out:
        from agentrun.cli import tell_warning

        tell_warning(f"{what}: {left_out} {'line was' if left_out == 1 else 'lines were'} left out: no span, no event")
    return spans


def _decoder() -> Callable[[bytes], Any]:
    from functools import reduce
    from operator import or_

    import msgspec

    from agentrun.engine.events import Event

    kinds: msgspec.json.Decoder[Any] = msgspec.json.Decoder(reduce(or_, Event.__subclasses__()))

    def decode(line: bytes) -> Any:
        try:
            return kinds.decode(line)
        except (msgspec.DecodeError, RecursionError) as error:
            raise ValueError(str(error)) from None

    return decode


def _without(span: Span, hidden: frozenset[str]) -> Span:
    import msgspec

    def shown(attributes: dict[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in attributes.items() if key not in hidden}

    events = tuple(msgspec.structs.replace(one, attributes=shown(one.attributes)) for one in span.events)
    return msgspec.structs.replace(span, attributes=shown(span.attributes), events=events, message="")
