"""From what the author wrote to what a process is given: argument lists, environments, input.

Pure: values in, values out. One value is one argument, whatever it holds, since no shell reads it. What remains to
be refused is decided here: a value that a program would take for an option, one that the system can't pass, and one
that would change how programs are loaded. It doesn't know how processes are started.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from agentrun.errors import ToolFailure
from agentrun.spec.guarded import is_guarded_env
from agentrun.spec.types import CommandElement, Scalar
from agentrun.templates import Absent, Template, TemplateFailure, compile_template, to_text

# What every command gets of agentrun's own environment.
BASE_ENV = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR")
# Linux takes no longer single string, its closing NUL included (MAX_ARG_STRLEN).
MAX_ELEMENT_BYTES = 131_071
# Their `--` ends the options before the paths only: `find -- -delete` deletes.
_PROGRAMS_PAST_DOUBLE_DASH = ("find", "gfind")


class Command(msgspec.Struct, frozen=True):
    """A compiled `command`. Each group is one element or a nested list: what vanishes as a whole."""

    groups: tuple[tuple[Template, ...], ...]

    @property
    def program(self) -> str:
        return self.groups[0][0].source

    def build(self, variables: Mapping[str, Any]) -> list[str]:
        """The argument list. Raises `ToolFailure` for values that may not stand there."""
        argv: list[str] = []
        options_are_over = False  # a literal `--` stands before
        heeds_double_dash = not any(_names_find(element) for group in self.groups for element in group)
        for group in self.groups:
            arguments: list[str] = []
            over = options_are_over
            try:
                for element in group:
                    arguments += self._arguments(element, variables, may_lead_with_dash=over)
                    over = over or (heeds_double_dash and element.literal and element.source == "--")
            except Absent:
                continue
            argv += arguments
            options_are_over = over
        return argv

    def _arguments(self, element: Template, variables: Mapping[str, Any], *, may_lead_with_dash: bool) -> Iterator[str]:
        value = _rendered(element, variables, "command")
        for item in value if isinstance(value, list) else [value]:
            text = _passable(to_text(item), element, "command")
            if element.leads and text.startswith("-") and not may_lead_with_dash:
                message = f"may not begin with `-`: `{self.program}` would take it for an option"
                raise ToolFailure("invalid_arguments", f"{_origin(element, 'command')} {message}")
            yield text


def _names_find(element: Template) -> bool:
    """Whether an element is that program, behind `env`, `timeout` or `busybox` too."""
    return element.literal and element.source.rpartition("/")[2] in _PROGRAMS_PAST_DOUBLE_DASH


def compile_command(command: Sequence[CommandElement]) -> Command:
    """Raises `TemplateSyntax`, and `ValueError` if the program is not plain text."""
    groups = tuple(
        tuple(compile_template(to_text(scalar)) for scalar in (element if isinstance(element, list) else [element]))
        for element in command
    )
    if isinstance(command[0], list) or not groups[0][0].literal or not groups[0][0].source:
        raise ValueError("the program, the first element of `command`, must be plain text")
    return Command(groups)


def compile_env(env: Mapping[str, Scalar]) -> dict[str, Template]:
    """Raises `TemplateSyntax`, and `ValueError` for a name that can't be one or that no model value may set."""
    compiled = {name: compile_template(to_text(value)) for name, value in env.items()}
    for name, template in compiled.items():
        if not name or "=" in name or "\0" in name:
            raise ValueError(f"`{name}` can't be the name of an environment variable")
        if is_guarded_env(name) and (template.args or template.uses_all_args):
            raise ValueError(f"the environment variable `{name}` must not come from the model")
    return compiled


def build_env(
    environ: Mapping[str, str], compiled: Mapping[str, Template], variables: Mapping[str, Any]
) -> dict[str, str]:
    """The base of `environ` and what the author named. A variable whose argument was left out is not set."""
    env = {name: environ[name] for name in BASE_ENV if name in environ}
    for name, template in compiled.items():
        try:
            value = to_text(_rendered(template, variables, f"env {name}"))
        except Absent:
            continue
        env[name] = _passable(value, template, f"env {name}", used_bytes=len(name.encode()) + 1)
    return env


def build_stdin(template: Template | None, variables: Mapping[str, Any]) -> bytes:
    """Empty if an argument was left out. Any text of any size can be passed."""
    if template is None:
        return b""
    try:
        return _utf8(to_text(_rendered(template, variables, "stdin")), template, "stdin")
    except Absent:
        return b""


def _rendered(template: Template, variables: Mapping[str, Any], where: str) -> Any:
    try:
        return template.value(variables)
    except TemplateFailure as error:
        raise ToolFailure("internal", f"`{where}` can't be rendered: {error}") from None


def _passable(text: str, template: Template, where: str, used_bytes: int = 0) -> str:
    if "\0" in text:
        raise ToolFailure("invalid_arguments", f"{_origin(template, where)} holds a NUL character")
    size_bytes = len(_utf8(text, template, where))
    if used_bytes + size_bytes > MAX_ELEMENT_BYTES:
        message = f"has {size_bytes:,} bytes, and at most {MAX_ELEMENT_BYTES - used_bytes:,} can be passed"
        raise ToolFailure("invalid_arguments", f"{_origin(template, where)} {message}")
    return text


def _utf8(text: str, template: Template, where: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        message = f"{_origin(template, where)} holds half of a surrogate pair, which is no character"
        raise ToolFailure("invalid_arguments", message) from None


def _origin(template: Template, where: str) -> str:
    """Whose value it is, in the model's words if it is the model's."""
    if template.args:
        return "the value of " + ", ".join(f"`{name}`" for name in sorted(template.args))
    return f"an element of `{where}`" if where == "command" else f"`{where}`"
