"""`agentrun tools import mcp`: MCP servers as sets of the project, with the tools that they have."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from agentrun.cli import options
from agentrun.cli.importing.writing import OfACommand, Target, finish, target_of, writing_options
from agentrun.cli.options import env_file_option
from agentrun.errors import AgentrunError, UsageError, reason_of
from agentrun.foreign.mcp_files import from_json
from agentrun.foreign.mcp_servers import McpServer, McpServers, from_command, from_url
from agentrun.foreign.mcp_set import ServerTool, converted, set_text

EXIT_FAILED = 1


@click.command("mcp", cls=OfACommand, short_help="Make sets of MCP servers.")
@click.argument("words", nargs=-1, metavar="[URL | FILE | -- COMMAND...]")
@click.option("--name", metavar="NAME", help="The set's name: its functions are NAME_TOOL. Example: --name github")
@click.option(
    "--server",
    "only",
    multiple=True,
    metavar="NAME",
    help="Of a JSON file this server only; repeatable. Example: --server github",
)
@click.option(
    "--connect/--no-connect",
    default=None,
    help="Start the server, or connect to it, and list its tools by name; default: for all but a JSON file.",
)
@writing_options("tools.d/github.yaml")
@env_file_option
def command(
    words: tuple[str, ...],
    name: str | None,
    only: tuple[str, ...],
    connect: bool | None,
    output: Path | None,
    to_stdout: bool,
    force: bool,
    env_file: Path | None,
) -> int:
    """Make a set of each MCP server: of a COMMAND behind `--` that starts it, of a URL, or of a JSON FILE of servers as
    Claude Desktop, Cursor, Windsurf, VS Code and Zed have it.

    The server is started, or connected to, and `allowed_tools` lists its tools, each with what it says of itself; those
    of a JSON file with --connect only. Credentials become variables, which are told, and no file holds them.

    \b
    Examples:
      agentrun tools import mcp -- npx -y @modelcontextprotocol/server-everything
      agentrun tools import mcp https://mcp.example.com/mcp --name example
      agentrun tools import mcp ~/.cursor/mcp.json --server github --connect
    """
    target = target_of(output)
    found, is_file = _read(words, name, only)
    if output is not None and len(found.servers) > 1:
        raise UsageError("`--output` names one file, and there are several servers", help="choose one with `--server`")
    if not found.servers:
        raise UsageError(f"there is no server to import: {'; '.join(f'{one.what}: {one.why}' for one in found.left)}")
    asked: dict[str, list[ServerTool]] = {}
    failed = False
    if connect or (connect is None and not is_file):
        asked, failed = _ask(found.servers, options.environment(env_file), target)
        if failed and not is_file:
            return EXIT_FAILED
    together = to_stdout and len(found.servers) > 1  # documents of one file have their names in them
    texts = {
        one.name: set_text(
            one, asked.get(one.name), path="" if together else target.file_name or f"tools.d/{one.name}.yaml"
        )
        for one in found.servers
    }
    made = converted(found, texts, target.file_name)
    steps = [f"next: agentrun tools list --connect; an agent gets the tools by `{found.servers[0].name}`"]
    code = finish(made, target, source=words[0], to_stdout=to_stdout, force=force, next_steps=steps)
    return EXIT_FAILED if failed else code


def _read(words: tuple[str, ...], name: str | None, only: Sequence[str]) -> tuple[McpServers, bool]:
    """The servers, and whether a JSON file has them."""
    if not words:
        help = (
            "write it behind `--`, as in: agentrun tools import mcp -- npx -y some-server; or name a URL or a JSON file"
        )
        raise UsageError("there is no MCP server to import", help=help)
    first = words[0]
    is_url = first.lower().startswith(("http://", "https://"))
    is_file = len(words) == 1 and not is_url and (first == "-" or first.endswith((".json", ".jsonc")))
    if only and not is_file:
        raise UsageError("`--server` chooses of a JSON file", help="`--name` names the set of a command or URL")
    if is_url:
        if len(words) > 1:
            raise UsageError(f"`{words[1]}` can't follow the URL of a server")
        return from_url(first, name=name), False
    if is_file:
        found = from_json(_text(first), first, only=only)
        if name is not None:
            if len(found.servers) != 1:
                raise UsageError("`--name` names one set, and there are several servers", help="choose with `--server`")
            found.servers = [_renamed(found.servers[0], name)]
        return found, True
    return from_command(words, name=name), False


def _renamed(server: McpServer, name: str) -> McpServer:
    import msgspec

    return msgspec.structs.replace(server, name=name)


def _text(path: str) -> str:
    try:
        raw = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
        return raw.decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"the file `{path}` can't be read: {reason_of(error)}") from None
    except UnicodeDecodeError:
        raise UsageError(f"the file `{path}` is no text in UTF-8") from None


# -- asking -------------------------------------------------------------------------------------------------


def _ask(
    servers: Sequence[McpServer], environ: Mapping[str, str], target: Target
) -> tuple[dict[str, list[ServerTool]], bool]:
    """The tools of each server, by set, and whether one did not answer, which is told."""
    from agentrun.cli import tell_error

    folder = target.path_of("x").resolve().parent

    async def ask_all() -> list[list[ServerTool] | AgentrunError]:
        return list(await asyncio.gather(*(_tools_of(one, environ, folder) for one in servers)))

    asked: dict[str, list[ServerTool]] = {}
    failed = False
    for server, answer in zip(servers, asyncio.run(ask_all()), strict=True):
        if isinstance(answer, AgentrunError):
            tell_error(f"{server.name}: {answer.message}", answer.help)
            failed = True
        else:
            asked[server.name] = answer
    return asked, failed


async def _tools_of(server: McpServer, environ: Mapping[str, str], folder: Path) -> list[ServerTool] | AgentrunError:
    from agentrun.cli.importing.asking import listed

    try:
        return await listed(server, environ, folder)
    except AgentrunError as error:
        return error
