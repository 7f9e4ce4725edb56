"""Options and arguments that several commands share, and their completion."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from agentrun.diagnostics import did_you_mean, one_of
from agentrun.errors import UsageError, reason_of

if TYPE_CHECKING:
    from agentrun.engine.agent import Agent


def _complete_agent(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names below `agents/`, then files."""
    from agentrun.discovery import find_root

    folder = find_root(Path.cwd()) / "agents"
    names = sorted(path.stem for path in folder.glob("*.yaml") if not path.stem.startswith("_"))
    found = [CompletionItem(name) for name in names if name.startswith(incomplete)]
    return [CompletionItem(incomplete, type="file"), *found]  # bash forgets what comes before a file


agent_argument = click.argument("agent", shell_complete=_complete_agent)
optional_agent_argument = click.argument("agent", required=False, shell_complete=_complete_agent)

tools_option = click.option(
    "--tools",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="A further folder of tools; repeatable. Example: --tools ../shared-tools",
)

model_option = click.option(
    "--model",
    metavar="NAME",
    help="Instead of the agent's model; `offline` needs no key. Example: --model offline",
)

env_file_option = click.option(
    "--env-file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="Read variables of the form NAME=VALUE from a file. Example: --env-file .env",
)

verbose_option = click.option(
    "-v",
    "--verbose",
    is_flag=True,
    help="Show what goes over HTTP to model services, from tools and to MCP servers, and what comes back, secrets "
    "masked. Example: -v",
)

approve_option = click.option(
    "--approve",
    multiple=True,
    metavar="NAME",
    help="Approve calls of a tool, or a glob of tools; repeatable. Example: --approve refund_order",
)

record_option = click.option(
    "--record",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write down what model and tools answer, secrets masked. Example: --record refund.cassette.yaml",
)

replay_option = click.option(
    "--replay",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Play what was recorded, without model, tools and keys. Example: --replay refund.cassette.yaml",
)

arg_option = click.option(
    "--arg",
    "pairs",
    multiple=True,
    metavar="K=V",
    help="An argument of the agent; read as JSON where its parameter is no text; repeatable. Example: --arg locale=en",
)

args_option = click.option(
    "--args",
    "arguments",
    metavar="JSON",
    help='All arguments as a JSON object; @FILE reads a file. Example: --args \'{"locale": "en"}\'',
)


def format_option(text: str, json: str) -> Callable[[click.decorators.FC], click.decorators.FC]:
    """`--format`, with what each of the two is for."""
    return click.option(
        "--format",
        "output_format",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        help=f"text: {text}; json: {json}. Example: --format json",
    )


def environment(env_file: Path | None) -> dict[str, str]:
    """The process's environment with a file's variables below it: what is exported wins."""
    variables: dict[str, str] = {}
    if env_file is not None:
        try:
            text = env_file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            told = reason_of(error) if isinstance(error, OSError) else "it is no text in UTF-8"  # without a byte of it
            raise UsageError(f"the file `{env_file}` of `--env-file` can't be read: {told}") from None
        variables = parse_env_file(text, str(env_file))
    return {**variables, **os.environ}


def parse_env_file(text: str, path: str) -> dict[str, str]:
    """`NAME=VALUE` lines; `export`, comments, blank lines and quotes are known."""
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        written = line.strip().removeprefix("export ").strip()
        if not written or written.startswith("#"):
            continue
        name, equals, value = written.partition("=")
        name, value = name.strip(), value.strip()
        if not equals or not name.replace("_", "a").isalnum() or name[:1].isdigit():
            raise UsageError(f"{path}:{number}: not a line of the form NAME=VALUE")
        if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'":
            value = value[1:-1]
        elif " #" in value:
            value = value.partition(" #")[0].rstrip()
        found[name] = value
    return found


def warn_of_idle_approvals(agent: Agent, approve: Iterable[str]) -> None:
    """An `--approve` that matches no tool approves nothing: most likely it is misspelt."""
    from agentrun.cli import tell_warning

    names, sets = _callable_tools(agent)
    for pattern in approve:
        if not any(fnmatchcase(name, pattern) for name in names) and not _may_be_a_member(pattern, sets):
            known = f"its tools: {one_of(sorted([*names, *(f'{one}_*' for one in sets)]))}"
            known = known if names or sets else "it has no tools"
            message = f"`--approve {pattern}` matches no tool of {agent.name}"
            tell_warning(message, did_you_mean(pattern, names, known))


def _may_be_a_member(pattern: str, sets: set[str]) -> bool:
    """Whether a name or glob may stand for a tool of a server, which is not asked yet."""
    beginning = re.split(r"[*?\[]", pattern, maxsplit=1)[0]
    is_glob = beginning != pattern
    return any(pattern.startswith(f"{name}_") or (is_glob and name.startswith(beginning)) for name in sets)


def _callable_tools(agent: Agent) -> tuple[set[str], set[str]]:
    """The names of an agent's tools and hand-offs, and of those of the agents that they lead to; and of their sets."""
    from agentrun.engine.handoff import handed_to
    from agentrun.tools.agent import AgentTool

    names: set[str] = set()
    sets: set[str] = set()
    waiting = [agent]
    for one in waiting:
        names |= {*one.tools, *one.handoffs}
        sets |= {tool_set.name for tool_set in one.sets}
        behind = [tool.backend.agent for tool in one.tools.values() if isinstance(tool.backend, AgentTool)]
        waiting += [other for other in (*behind, *handed_to(one)) if other not in waiting]
    return names, sets


def json_object(text: str, option: str) -> dict[str, Any]:
    """The JSON object of an option, or of the file that `@FILE` names."""
    if text.startswith("@"):
        try:
            text = Path(text[1:]).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"{option}: the file `{text[1:]}` can't be read: {error}") from None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:  # numbers of thousands of digits too
        raise UsageError(f"{option} is not JSON: {error}", help='write an object such as {"city": "Oslo"}') from None
    if not isinstance(value, dict):
        raise UsageError(f"{option} must be a JSON object, such as " + '{"city": "Oslo"}')
    return value


def collect_arguments(pairs: tuple[str, ...], arguments: str | None, parameters: Any) -> dict[str, Any]:
    """`--args` and, over it, each `--arg`. The parameter's type says whether a value is text or JSON."""
    found = json_object(arguments, "--args") if arguments is not None else {}
    properties = (parameters or {}).get("properties") or {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise UsageError(f"`--arg {pair}` is not of the form NAME=VALUE")
        found[name] = _typed(value, properties.get(name))
    return found


def _typed(value: str, schema: Any) -> Any:
    kind = schema.get("type") if isinstance(schema, dict) else None
    kinds = kind if isinstance(kind, list) else [kind]
    if "string" in kinds or kinds == [None]:
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value  # the schema's own message says what is wrong
