"""A group of commands, each in a module that is imported when it is called: `--help` imports none."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click


class LazyCommands(click.Group):
    """`lazy` has for each command its module, whose `command` it is, and its line of help."""

    def __init__(self, *args: Any, lazy: Mapping[str, tuple[str, str]], **options: Any) -> None:
        super().__init__(*args, **options)
        self._lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self._lazy:
            return None
        command: click.Command = import_module(self._lazy[cmd_name][0]).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, told) for name, (_, told) in self._lazy.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        from agentrun.diagnostics import did_you_mean

        if args and args[0] not in self._lazy:
            near = did_you_mean(args[0], self._lazy) or f"commands: {', '.join(self._lazy)}"
            raise click.UsageError(f"there is no command `{ctx.command_path} {args[0]}`: {near}", ctx)
        return super().resolve_command(ctx, args)
