"""The three template languages, and the only place that knows them.

    ${VAR}   at load, from the environment: `interpolate`
    {name}   per call, in a url: `parse_url`
    {{ }}    per run or call, Jinja: `compile_template`

Only what an author wrote becomes a template; a value, wherever it came from, is never one. How Jinja is kept in
bounds stands in `jinja_sandbox.py`, which is imported with the first `{{ }}`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from agentrun.engine.ports import CallContext, RunInfo

MAX_TEMPLATES = 2_000  # in a file
MAX_TEMPLATE_CHARS = 65_536
MAX_OUTPUT_CHARS = 1_048_576
MAX_SECONDS = 1.0
MAX_NESTED = 8


class TemplateSyntax(Exception):
    """A text is no valid template. `line` counts from 1 within the text; `name` is what it is about, if that is one."""

    def __init__(self, message: str, line: int = 1, *, name: str = "", help: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.name = name
        self.help = help


class TemplateFailure(Exception):
    """A valid template could not be rendered with these values."""


class UndefinedName(TemplateFailure):
    """A template used a name, or a part of a value, that is not there."""


class Absent(Exception):
    """A template used an optional argument that the call left out."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the argument {name} was left out")
        self.name = name


# -- ${VAR} -------------------------------------------------------------------------------------------------


class EnvProblem(msgspec.Struct, frozen=True):
    """`kind`: syntax, unset (no value and no default), or required (`${VAR:?message}` unset or empty)."""

    kind: str
    name: str
    message: str


class Interpolated(msgspec.Struct, frozen=True):
    """`values` are the texts that came out of the environment, by variable."""

    text: str
    values: dict[str, str]
    problems: list[EnvProblem]


_ENV = re.compile(r"\$(?:\$|\{)")
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def interpolate(text: str, environ: Mapping[str, str], quote: Callable[[str], str] = str) -> Interpolated:
    """Fill in `${VAR}`, `${VAR:-default}`, `${VAR:?message}` and `$$`. `quote` makes a value inert where it lands."""
    values: dict[str, str] = {}
    problems: list[EnvProblem] = []

    def expand(text: str, depth: int = 0) -> str:
        out: list[str] = []
        at = 0
        while found := _ENV.search(text, at):
            out.append(text[at : found.start()])
            if found.group() == "$$":
                out.append("$")
                at = found.end()
                continue
            end = _closing_brace(text, found.end())
            if depth > MAX_NESTED:
                problems.append(EnvProblem("syntax", "", f"defaults stand in defaults more than {MAX_NESTED} deep"))
                return ""
            if end < 0:
                problems.append(EnvProblem("syntax", "", f"`{text[found.start() :]}` has no closing brace"))
                return "".join(out)
            out.append(one(text[found.end() : end], depth))
            at = end + 1
        return "".join(out) + text[at:]

    def one(inner: str, depth: int) -> str:
        name_match = _ENV_NAME.match(inner)
        name = name_match.group() if name_match else ""
        rest = inner[len(name) :]
        if not name or rest[:2] not in ("", ":-", ":?"):
            problems.append(_syntax_problem(name, inner, rest))
            return ""
        value = environ.get(name, "")
        if value:
            values[name] = value
            return quote(value)
        if rest.startswith(":-"):
            return expand(rest[2:], depth + 1)
        if rest.startswith(":?"):
            problems.append(EnvProblem("required", name, rest[2:].strip()))
        elif name not in environ:
            problems.append(EnvProblem("unset", name, ""))
        return ""

    return Interpolated(expand(text), values, problems)


def _closing_brace(text: str, start: int) -> int:
    depth = 1
    for at in range(start, len(text)):
        if text[at] == "}":
            depth -= 1
            if depth == 0:
                return at
        elif text[at] == "{" and text[at - 1] == "$":
            depth += 1
    return -1


def _syntax_problem(name: str, inner: str, rest: str) -> EnvProblem:
    if name and rest[:1] in ("-", "?"):
        return EnvProblem("syntax", name, f"`${{{inner}}}`: write `${{{name}:{rest}}}`")
    allowed = "`${VAR}`, `${VAR:-default}` or `${VAR:?message}`"
    return EnvProblem("syntax", name, f"`${{{inner}}}` is no reference to a variable: write {allowed}")


def quote_jinja(value: str) -> str:
    """A text that Jinja gives back as it is."""
    if "{" not in value and "\r" not in value:
        return value
    # Jinja would take a carriage return for a line end, and write another. Space beside one `{{ }}` counts for nothing.
    inner = value.strip()
    before, after = value[: value.index(inner)], value[value.index(inner) + len(inner) :]
    quoted = inner.replace("{", "{{ '{' }}").replace("\r", "{{ '\\r' }}")
    return f"{_quoted_space(before)}{quoted}{_quoted_space(after)}"


def _quoted_space(space: str) -> str:
    return f"{{{{ {json.dumps(space)} }}}}" if space else ""


def quote_url(value: str) -> str:
    return value.replace("{", "%7B").replace("}", "%7D")


# -- {name} -------------------------------------------------------------------------------------------------


class Hole(msgspec.Struct, frozen=True):
    """`{name}`, or `{+name}` which keeps the slashes of its value."""

    name: str
    keep_slashes: bool = False


_HOLE = re.compile(r"\{(\+?)([A-Za-z_][A-Za-z0-9_]*)\}")


@lru_cache(maxsize=1024)
def parse_url(text: str) -> tuple[str | Hole, ...]:
    """The literal pieces and holes of a url, in order. Several rules ask for the same."""
    if "{{" in text or "{%" in text:
        raise TemplateSyntax("a url takes `{name}`, not `{{ }}`")
    pieces: list[str | Hole] = []
    at = 0
    for found in _HOLE.finditer(text):
        pieces.append(text[at : found.start()])
        pieces.append(Hole(found.group(2), bool(found.group(1))))
        at = found.end()
    pieces.append(text[at:])
    for piece in pieces:
        if isinstance(piece, str) and ("{" in piece or "}" in piece):
            raise TemplateSyntax(f"a brace stands alone in `{piece}`: holes are `{{name}}` or `{{+name}}`")
    return tuple(piece for piece in pieces if piece != "")


# -- {{ }} --------------------------------------------------------------------------------------------------


class Arguments(dict[str, Any]):
    """What templates see as `args`: a missing key is an absent argument, never a method of dict."""


def to_text(value: Any) -> str:
    """Text as it is; everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


class Facts(msgspec.Struct, frozen=True):
    """What is known of a text before it is rendered.

    `expression`: it is exactly one `{{ }}`, so its value keeps a JSON type. `leads`: its first character may come from
    a value. `args`: the names of `args` it uses; `uses_all_args` says that it takes `args` as a whole. `names`: the
    other top-level names. `attributes`: pairs like ("run", "date").
    """

    expression: bool = False
    leads: bool = False
    args: frozenset[str] = frozenset()
    uses_all_args: bool = False
    names: frozenset[str] = frozenset()
    attributes: frozenset[tuple[str, str]] = frozenset()


class Template:
    """One compiled text, with what `Facts` says about it. `literal`: it holds no template at all."""

    __slots__ = ("_run", "args", "attributes", "expression", "leads", "literal", "names", "source", "uses_all_args")

    def __init__(self, source: str) -> None:
        self.source = source
        self.literal = not any(mark in source for mark in ("{{", "{%", "{#"))
        self._run: Callable[[Mapping[str, Any]], Any] = lambda _: source
        facts = Facts()
        if not self.literal:
            from agentrun.jinja_sandbox import compile_source

            self._run, facts = compile_source(source)
        self.expression = facts.expression
        self.leads = facts.leads
        self.args = facts.args
        self.uses_all_args = facts.uses_all_args
        self.names = facts.names
        self.attributes = facts.attributes

    def value(self, variables: Mapping[str, Any]) -> Any:
        """The JSON value of an expression, else text. Raises `Absent` and `TemplateFailure`."""
        return self._run(variables)

    def text(self, variables: Mapping[str, Any]) -> str:
        return to_text(self.value(variables))


_CODE = re.compile(r"\{[{%].*?(?:[%}]\}|\Z)", re.DOTALL)


def code_chars(text: str) -> int:
    """How much of a text is template, which takes its time to compile."""
    return sum(len(found) for found in _CODE.findall(text)) if "{{" in text or "{%" in text else 0


@lru_cache(maxsize=4096)
def compile_template(source: str) -> Template:
    """Raises `TemplateSyntax`. The checks and the run ask for the same texts."""
    return Template(source)


def template_of(value: Any) -> Template | None:
    """The template of a text; None where a value is none, or one that is wrong: that has a finding of its own."""
    try:
        return compile_template(value) if isinstance(value, str) else None
    except TemplateSyntax:
        return None


def run_variables(arguments: Mapping[str, Any], run: RunInfo) -> dict[str, Any]:
    """What `system_prompt` and `input` see."""
    return {"args": Arguments(arguments), "run": msgspec.structs.asdict(run)}


def call_variables(arguments: Mapping[str, Any], context: CallContext) -> dict[str, Any]:
    """What a tool's templates see."""
    return run_variables(arguments, context.run) | {"call": msgspec.structs.asdict(context.call)}
