"""`agentrun sessions`: the conversations that are kept: list, show, export, search and delete them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import click

from agentrun.cli.kept.completing import complete_agent_name, complete_session
from agentrun.cli.options import env_file_option, environment, format_option
from agentrun.errors import UsageError

_LIST_LIMIT = 50

_agent_option = click.option(
    "--agent",
    metavar="NAME",
    shell_complete=complete_agent_name,
    help="Only sessions with this agent. Example: --agent support",
)
_project_option = click.option(
    "-p", "--project", is_flag=True, help="Only sessions of the current folder's project. Example: -p"
)
_session_argument = click.argument("id", shell_complete=complete_session)


def _limit_option(most: int) -> Callable[[click.decorators.FC], click.decorators.FC]:
    return click.option(
        "--limit",
        type=click.IntRange(1),
        metavar="N",
        default=most,
        show_default=True,
        help="At most so many. Example: --limit 10",
    )


@click.group("sessions", short_help="List, show, export, search and delete conversations.")
def command() -> None:
    """The conversations that `agentrun chat` keeps. Each has an ID; its beginning, of 4 characters or more, is enough.

    They stand in a database in your state folder, or in the one that AGENTRUN_DATABASE_URL names.

    \b
    Examples:
      agentrun sessions list --project
      agentrun sessions search refund
      agentrun sessions show 3f2a
      agentrun chat --resume 3f2a
    """


@command.command("list", short_help="List sessions.")
@_agent_option
@_project_option
@_limit_option(_LIST_LIMIT)
@click.option("--all", "everything", is_flag=True, help="All of them, however many. Example: --all")
@format_option("one line a session", "all that is known of each")
@env_file_option
def list_command(
    agent: str | None, project: bool, limit: int, everything: bool, output_format: str, env_file: Path | None
) -> int:
    """List sessions, the last changed first.

    \b
    Examples:
      agentrun sessions list
      agentrun sessions list --project --agent support --limit 10
      agentrun sessions list --format json
    """
    from agentrun.cli.kept.commands import list_sessions

    return list_sessions(environment(env_file), agent, _root(project), None if everything else limit, output_format)


@command.command("show", short_help="Show what was said in a session.")
@_session_argument
@click.option("--full", is_flag=True, help="With the system prompt, and results as a whole. Example: --full")
@format_option("for people", "the session and its messages")
@env_file_option
def show_command(id: str, full: bool, output_format: str, env_file: Path | None) -> int:
    """Show what was said in the session ID: who spoke, each call on one line, results folded.

    Example of ID: 3f2a91c0de, or 3f2a

    \b
    Examples:
      agentrun sessions show 3f2a
      agentrun sessions show 3f2a --full | less -R
    """
    from agentrun.cli.kept.commands import show_session

    return show_session(environment(env_file), id, output_format, full=full)


@command.command("export", short_help="Write a session to a file.")
@_session_argument
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["md", "json", "jsonl"]),
    default="md",
    show_default=True,
    help="md: for people; json: the session and its messages; jsonl: every event. Example: --format jsonl",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write to a new file, instead of stdout. Example: --output refund.md",
)
@env_file_option
def export_command(id: str, output_format: str, output: Path | None, env_file: Path | None) -> int:
    """Print the session ID, or write it to a file that is not there yet.

    Secrets were masked before anything was kept. Example of ID: 3f2a91c0de, or 3f2a

    \b
    Examples:
      agentrun sessions export 3f2a > refund.md
      agentrun sessions export 3f2a --format json | jq '.messages | length'
      agentrun sessions export 3f2a --format jsonl --output refund.jsonl
    """
    from agentrun.cli.kept.commands import export_session

    return export_session(environment(env_file), id, output_format, output)


@command.command("search", short_help="Find sessions by what was said.")
@click.argument("words", nargs=-1, required=True)
@_agent_option
@_project_option
@_limit_option(_LIST_LIMIT)
@format_option("one line a session, and where the words stand", "the same, for programs")
@env_file_option
def search_command(
    words: tuple[str, ...], agent: str | None, project: bool, limit: int, output_format: str, env_file: Path | None
) -> int:
    """Find sessions in which all WORDS were said or stand in the title.

    The exit code is 0 also where nothing was found. Example of WORDS: refund order

    \b
    Examples:
      agentrun sessions search refund
      agentrun sessions search refund order --agent support --project
    """
    from agentrun.cli.kept.commands import search_sessions

    return search_sessions(environment(env_file), " ".join(words), agent, _root(project), limit, output_format)


@command.command("delete", short_help="Delete sessions for good.")
@click.argument("ids", nargs=-1, metavar="[ID]...", shell_complete=complete_session)
@click.option(
    "--older-than",
    type=click.IntRange(1),
    metavar="DAYS",
    help="All that were last changed before that. Example: --older-than 90",
)
@_project_option
@click.option("-y", "--yes", is_flag=True, help="Ask nothing. Example: --yes")
@env_file_option
def delete_command(
    ids: tuple[str, ...], older_than: int | None, project: bool, yes: bool, env_file: Path | None
) -> int:
    """Delete the sessions ID, or all that are old, for good.

    One that is open in a conversation stays. Example of ID: 3f2a91c0de, or 3f2a

    \b
    Examples:
      agentrun sessions delete 3f2a 77b0
      agentrun sessions delete --older-than 90 --project --yes
    """
    if ids and older_than is not None:
        raise UsageError("ids and `--older-than` exclude one another", help="leave one of them out")
    if not ids and older_than is None:
        raise UsageError("which sessions are to be deleted?", help="name their ids, or pass `--older-than DAYS`")
    if ids and project:
        raise UsageError("`--project` goes with `--older-than`: an id is of one session", help="leave it out")
    if not yes and not sys.stdin.isatty():
        raise UsageError("without a terminal nobody can be asked", help="add `--yes`")
    from agentrun.cli.kept.commands import delete_sessions

    return delete_sessions(environment(env_file), ids, older_than, _root(project), ask=not yes)


def _root(project: bool) -> str | None:
    """The current folder's project, where only that is meant."""
    from agentrun.discovery import find_root

    return str(find_root(Path.cwd()).resolve()) if project else None
