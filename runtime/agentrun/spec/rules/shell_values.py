"""Where model's values land that reach the text of a shell: by `env` and `stdin` in a `script`, as `$1` behind `sh -c`.

Values are named by where they come from: `env`'s names, `stdin`, and the index of an element.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from agentrun.spec.catalog import Document
from agentrun.spec.guarded import is_guarded_env
from agentrun.spec.nodes import Node
from agentrun.spec.programs import uses
from agentrun.spec.rules.command_line import Element, free_in
from agentrun.spec.shell_text import ShellCommand, Value, commands_in
from agentrun.spec.words import is_shell

STDIN = "<"
_DEEPEST = 4


class Landed(msgspec.Struct, frozen=True):
    """A value from `source` that a program in the text takes, as in `programs.Use`. `eval` runs what stands there."""

    source: str
    whole: bool
    program: str
    how: str


def landed_values(document: Document, row: Sequence[Element]) -> Iterator[Landed]:
    script = document.node.get("shell", "script")
    stdin = Value("", STDIN) if free_in(document, document.node.get("shell", "stdin")) else Value()
    given = {name: Value("", name) for name in _environment(document)}
    if script is not None and isinstance(script.content, str):
        if (given or stdin.source) and _is_for_a_shell(script.content):
            yield from _in_text(script.content, given, (), stdin, 0)
    elif row:
        values = tuple(
            Value(one.word.text, None if one.word.literal else str(index) if one.free else None)
            for index, one in enumerate(row)
        )
        if given or any(value.source for value in values):
            yield from _in_command(ShellCommand(values, Value()), given, 0, inside=False)


def _environment(document: Document) -> dict[str, Node]:
    env = document.node.get("shell", "env")
    entries = env.content.items() if env is not None and env.is_mapping else ()
    return {name: node for name, node in entries if not is_guarded_env(name) and free_in(document, node)}


def _is_for_a_shell(script: str) -> bool:
    first = script.partition("\n")[0]
    return not first.startswith("#!") or "sh" in first


def _in_text(
    text: str, given: Mapping[str, Value], arguments: Sequence[Value], stdin: Value, depth: int
) -> Iterator[Landed]:
    for command in commands_in(text, given, arguments, stdin):
        yield from _in_command(command, given, depth, inside=True)


def _in_command(command: ShellCommand, given: Mapping[str, Value], depth: int, *, inside: bool) -> Iterator[Landed]:
    """The values that a command takes itself, if it is one of a text; and those in the texts that it gives shells."""
    words = [value.word for value in command.words]
    first = command.words[0]
    if inside and first.source is not None and not first.text:
        yield Landed(first.source, True, "eval", "text")
    for use in uses(words):
        value = command.stdin if use.index is None else command.words[use.index]
        if value.source is not None and inside:
            yield Landed(value.source, value.whole, use.program, use.how)
        elif value.source is None and use.index is not None and use.how == "text" and depth < _DEEPEST:
            before = words[use.index - 1 :: -1] if use.index else []
            if use.program == "eval" or any(is_shell(word) for word in before):
                arguments = command.words[use.index + 2 :]
                yield from _in_text(value.text, given, arguments, command.stdin, depth + 1)


def source_of(document: Document, row: list[Element], source: str) -> tuple[Node | None, list[str]]:
    """Where a value that lands in a shell's text is written, and the parameters that may put any text there."""
    if source.isdecimal():
        return row[int(source)].node, row[int(source)].free
    node = document.node.get("shell", "stdin") if source == STDIN else document.node.get("shell", "env", source)
    return node, free_in(document, node)
