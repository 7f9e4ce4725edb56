"""The command line: one file a command, imported when it is called. Here errors become exit codes.

0 done   1 the run ended for another reason, a test failed, or `fmt` has something to do   2 bad usage
3 invalid files, or `validate` has something to tell   4 the model service failed, or a test could not be measured
5 the run ended well, but a call was refused because nobody could answer      130 interrupted
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import gc
import os
import sys
from collections.abc import Iterator
from importlib import import_module
from keyword import iskeyword

import click

from agentrun import __version__
from agentrun.errors import AgentrunError, SpecError, UsageError, reason_of

COMMANDS = {
    "chat": "Talk to an agent.",
    "completion": "Print the shell's completion script.",
    "explain": "Say what a finding's code means.",
    "fmt": "Put files in the house layout.",
    "import": "Make a project of the agents of another program.",
    "init": "Make a new project that validates and runs.",
    "inspect": "Show what an agent can do.",
    "lsp": "Serve an editor: findings, completion, hover, definitions.",
    "run": "Run an agent once.",
    "schema": "Print the JSON Schema of a kind of file.",
    "sessions": "List, show, export, search and delete conversations.",
    "test": "Run the test cases of agents.",
    "tools": "List, show, call and import tools.",
    "trace": "Draw a run as a waterfall.",
    "validate": "Check agents, tools and tests.",
}
EXIT_BUG = 1
EXIT_INTERRUPTED = 130
_MANY_OBJECTS = 200_000  # a run with a model client makes 150,000 while it starts
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


class LazyGroup(click.Group):
    """Knows its commands by name and imports the one that is called: `--help` imports none."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = f"{cmd_name}_" if iskeyword(cmd_name) else cmd_name
        command: click.Command = import_module(f"agentrun.cli.{module}").command
        return command

    def invoke(self, ctx: click.Context) -> object:
        """A reader that left early, as `head` does, is no mistake: click would exit with 1."""
        with reader_may_leave():
            return super().invoke(ctx)
        return 0

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(sorted(COMMANDS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        from agentrun.diagnostics import did_you_mean

        if args and args[0] not in COMMANDS:
            near = did_you_mean(args[0], COMMANDS) or f"commands: {', '.join(sorted(COMMANDS))}"
            raise click.UsageError(f"there is no command `{args[0]}`: {near}")
        return super().resolve_command(ctx, args)


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="agentrun")
def cli() -> None:
    """Run LLM agents that are declared in YAML.

    Agents stand in agents/NAME.yaml, tools in tools.d/*.yaml. Everything is checked before anything runs.

    \b
    Examples:
      agentrun init demo && cd demo && agentrun chat hello --model offline
      agentrun validate
      agentrun run support "Where is order 1042?"
    """
    try:
        os.getcwd()  # noqa: PTH109 - pathlib takes long to import for this alone
    except FileNotFoundError:
        raise UsageError("the current folder is no longer there", help="change to another one") from None


def main() -> None:
    """The entry point of the `agentrun` command."""
    _expect_little_garbage()
    _open_missing_streams()
    sys.exit(run_cli())


def _expect_little_garbage() -> None:
    """What a start makes stays to the end. To search it for garbage, as often as Python does and once more at the exit,
    would take a quarter of a run's start.
    """
    gc.set_threshold(_MANY_OBJECTS)
    atexit.register(gc.freeze)


def _open_missing_streams() -> None:
    """A stream that the caller closed (`agentrun run … >&-`) is None in Python: what goes there goes nowhere."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # the lowest free number is its own
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115


def run_cli(arguments: list[str] | None = None) -> int:
    """Run a command line and return its exit code."""
    try:
        _refuse_broken_text(sys.argv[1:] if arguments is None else arguments)
        result = cli.main(arguments, prog_name="agentrun", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except SpecError as error:
        from agentrun.cli.colors import wants_color
        from agentrun.cli.columns import line_width
        from agentrun.cli.formats.text import findings_text

        click.echo(findings_text(error.report, line_width(sys.stderr)), err=True, color=wants_color(sys.stderr))
        return error.exit_code
    except AgentrunError as error:
        tell_error(error.message, error.help)
        return error.exit_code
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo(err=True)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        _print_nowhere()
        return 0
    except Exception as error:  # noqa: BLE001 - the one handler of what is nobody's mistake but ours
        if isinstance(error, OSError) and error.errno in _NO_ROOM:
            _print_nowhere()
            tell_error(f"writing failed: {reason_of(error)}")
            return EXIT_BUG
        from agentrun.cli.bug import tell_bug

        tell_bug(error)
        return EXIT_BUG


@contextlib.contextmanager
def reader_may_leave() -> Iterator[None]:
    """Once the reader of stdout has left, nothing more of a text is printed; what comes after it is done."""
    try:
        yield
    except BrokenPipeError:
        _print_nowhere()


def _print_nowhere() -> None:
    """Python must not complain again when it flushes stdout at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _refuse_broken_text(arguments: list[str]) -> None:
    """Bytes that are no text would fail wherever they are sent or printed: better here."""
    for argument in arguments:
        try:
            argument.encode()
        except UnicodeEncodeError:
            shown = argument.encode("utf-8", "replace").decode()
            raise UsageError(f"an argument is not UTF-8: `{shown}`") from None


def tell_error(message: str, help: str | None = None) -> None:
    """An error in one line on stderr, and what to do about it."""
    _tell(click.style("error:", fg="red", bold=True), message, help)


def tell_warning(message: str, help: str | None = None) -> None:
    _tell(click.style("warning:", fg="yellow", bold=True), message, help)


def _tell(label: str, message: str, help: str | None) -> None:
    from agentrun.visible import visible

    click.echo(f"{label} {visible(message)}", err=True)
    if help:
        click.echo(f"help: {visible(help)}", err=True)
