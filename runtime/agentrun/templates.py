"""The three template languages, and the only place that knows them.

    ${VAR}   at load, from the environment: `interpolate`
    {name}   per call, in a url: `parse_url`
    {{ }}    per run or call, Jinja: `compile_template`

Only what an author wrote becomes a template; a value, wherever it came from, is never one. Jinja runs in its
immutable sandbox with strict undefined names, and with caps on size and time: the sandbox stops attributes, not
`"a" * 10**9`.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NoReturn

import msgspec
from jinja2 import StrictUndefined, TemplateSyntaxError, Undefined, UndefinedError, meta, nodes
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment

if TYPE_CHECKING:
    from agentrun.engine.ports import CallContext, RunInfo

MAX_OUTPUT_CHARS = 1_048_576
MAX_SECONDS = 1.0


class TemplateSyntax(Exception):
    """A text is no valid template. `line` counts from 1 within the text."""

    def __init__(self, message: str, line: int = 1) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


class TemplateFailure(Exception):
    """A valid template could not be rendered with these values."""


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

    def expand(text: str) -> str:
        out: list[str] = []
        at = 0
        while found := _ENV.search(text, at):
            out.append(text[at : found.start()])
            if found.group() == "$$":
                out.append("$")
                at = found.end()
                continue
            end = _closing_brace(text, found.end())
            if end < 0:
                problems.append(EnvProblem("syntax", "", f"`{text[found.start() :]}` has no closing brace"))
                return "".join(out)
            out.append(one(text[found.end() : end]))
            at = end + 1
        return "".join(out) + text[at:]

    def one(inner: str) -> str:
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
            return expand(rest[2:])
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
    if not any(mark in value for mark in ("{{", "{%", "{#")):
        return value
    return value.replace("{", "{{ '{' }}")


def quote_url(value: str) -> str:
    return value.replace("{", "%7B").replace("}", "%7D")


# -- {name} -------------------------------------------------------------------------------------------------


class Hole(msgspec.Struct, frozen=True):
    """`{name}`, or `{+name}` which keeps the slashes of its value."""

    name: str
    keep_slashes: bool = False


_HOLE = re.compile(r"\{(\+?)([A-Za-z_][A-Za-z0-9_]*)\}")


def parse_url(text: str) -> tuple[str | Hole, ...]:
    """The literal pieces and holes of a url, in order."""
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


_WIDENING_METHODS = frozenset({"center", "ljust", "rjust", "zfill", "expandtabs", "format", "format_map"})
_NO_FILTERS = ("random", "center", "format", "urlize", "pprint", "xmlattr")
_NO_GLOBALS = ("lipsum",)
_NO_STATEMENTS: dict[type[nodes.Node], str] = {
    nodes.Include: "include",
    nodes.Import: "import",
    nodes.FromImport: "from … import",
    nodes.Extends: "extends",
}


class _Sandbox(ImmutableSandboxedEnvironment):
    intercepted_binops = frozenset({"*", "**", "%"})

    def __init__(self) -> None:
        super().__init__(undefined=StrictUndefined, finalize=_finalize, keep_trailing_newline=True)
        for name in _NO_FILTERS:
            del self.filters[name]
        for name in _NO_GLOBALS:
            del self.globals[name]
        self.policies["json.dumps_kwargs"] = {"sort_keys": False, "ensure_ascii": False}

    def getattr(self, obj: Any, attribute: str) -> Any:
        return self._lookup(obj, attribute, super().getattr)

    def getitem(self, obj: Any, argument: Any) -> Any:
        return self._lookup(obj, argument, super().getitem)

    def _lookup(self, obj: Any, key: Any, otherwise: Callable[[Any, Any], Any]) -> Any:
        if isinstance(obj, Mapping) and key in obj:
            return obj[key]
        if isinstance(obj, Arguments):
            return self.undefined(hint=str(key), name=str(key), exc=_AbsentSignal)
        return otherwise(obj, key)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        if isinstance(obj, str) and attr in _WIDENING_METHODS:
            return False
        return super().is_safe_attribute(obj, attr, value)

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        if operator == "%" and isinstance(left, str):
            raise SecurityError("`%` doesn't format text here: use `~` to join")
        if operator == "*":
            sized, times = (left, right) if isinstance(left, (str, list, tuple)) else (right, left)
            if isinstance(sized, (str, list, tuple)) and isinstance(times, int) and len(sized) * times > 100_000:
                raise SecurityError("the text that `*` would make is too long")
        if operator == "**" and not (abs(left) <= 1_000_000 and abs(right) <= 64):
            raise SecurityError("`**` takes bases up to 1,000,000 and exponents up to 64")
        return super().call_binop(context, operator, left, right)


class _AbsentSignal(UndefinedError):
    """How Jinja's undefined value says that it stands for an absent argument."""


def _finalize(value: Any) -> Any:
    if isinstance(value, str):
        return value
    if isinstance(value, Undefined):
        return str(value)  # raises what the undefined name stands for
    return to_text(_plain(value))


def _plain(value: Any, depth: int = 0) -> Any:
    """A template's value as JSON data."""
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Undefined):
        return value._fail_with_undefined_error()
    if depth > 64:
        raise TemplateFailure("the value is nested too deeply")
    if isinstance(value, Mapping):
        return {str(key): _plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple, Iterator, set, frozenset, range)):
        return [_plain(item, depth + 1) for item in value]
    if type(value).__module__.startswith("jinja2") or callable(value):
        raise TemplateFailure(f"the template gives a {type(value).__name__}, not data")
    return str(value)


def to_text(value: Any) -> str:
    """Text as it is; everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


class Template:
    """One compiled text.

    `literal`: it holds no template at all. `expression`: it is exactly one `{{ }}`, so `value` keeps a JSON type.
    `leads`: its first character may come from a value. `args`: the names of `args` it uses; `uses_all_args` says
    that it takes `args` as a whole. `names`: the other top-level names. `attributes`: pairs like ("run", "date").
    """

    __slots__ = ("_run", "args", "attributes", "expression", "leads", "literal", "names", "source", "uses_all_args")

    def __init__(self, source: str) -> None:
        self.source = source
        self.literal = not any(mark in source for mark in ("{{", "{%", "{#"))
        self.expression = False
        self.leads = False
        self.uses_all_args = False
        self.args: frozenset[str] = frozenset()
        self.names: frozenset[str] = frozenset()
        self.attributes: frozenset[tuple[str, str]] = frozenset()
        self._run: Callable[[Mapping[str, Any]], Any] = lambda _: source
        if not self.literal:
            self._compile()

    def value(self, variables: Mapping[str, Any]) -> Any:
        """The JSON value of an expression, else text. Raises `Absent` and `TemplateFailure`."""
        try:
            return self._run(variables)
        except _AbsentSignal as error:
            raise Absent(str(error)) from None
        except UndefinedError as error:
            raise TemplateFailure(f"{error.message} in `{_shorten(self.source)}`") from None
        except SecurityError as error:
            raise TemplateFailure(f"{error.message or 'not allowed'} in `{_shorten(self.source)}`") from None
        except (TypeError, ValueError, ArithmeticError, LookupError, RecursionError, AttributeError) as error:
            raise TemplateFailure(f"{error} in `{_shorten(self.source)}`") from None

    def text(self, variables: Mapping[str, Any]) -> str:
        return to_text(self.value(variables))

    def _compile(self) -> None:
        environment = _environment()
        try:
            tree = environment.parse(self.source.strip() if self.source.strip().startswith("{{") else self.source)
            only = _only_expression(tree)
            self._inspect(tree)
            if only is not None:
                self.expression = True
                assign = nodes.Assign(nodes.Name("result", "store"), only, lineno=1)
                compiled = environment.from_string(nodes.Template([assign], lineno=1))
                self._run = lambda variables: _evaluate(compiled, variables)
            else:
                compiled = environment.from_string(self.source)
                self._run = lambda variables: _render(compiled, variables)
        except TemplateSyntaxError as error:
            raise TemplateSyntax(error.message or "not a template", error.lineno) from None

    def _inspect(self, tree: nodes.Template) -> None:
        first = tree.body[0] if tree.body else None
        self.leads = not (
            isinstance(first, nodes.Output) and bool(first.nodes) and isinstance(first.nodes[0], nodes.TemplateData)
        )
        args: set[str] = set()
        attributes: set[tuple[str, str]] = set()
        whole = 0
        for node in tree.find_all(nodes.Node):
            if type(node) in _NO_STATEMENTS:
                _refuse(f"`{_NO_STATEMENTS[type(node)]}` is not available: a template is one text", node)
            if isinstance(node, nodes.Name) and node.name == "args":
                whole += 1
            name = _accessed(node)
            if name is None:
                continue
            owner, attribute = name
            if attribute.startswith("__"):
                _refuse(f"`{attribute}` is not available", node)
            if owner == "args":
                whole -= 1
                args.add(attribute)
            elif owner:
                attributes.add((owner, attribute))
        self.args = frozenset(args)
        self.attributes = frozenset(attributes)
        self.uses_all_args = whole > 0
        self.names = frozenset(meta.find_undeclared_variables(tree)) - {"args"} - frozenset(_environment().globals)


def compile_template(source: str) -> Template:
    """Raises `TemplateSyntax`."""
    return Template(source)


def run_variables(arguments: Mapping[str, Any], run: RunInfo) -> dict[str, Any]:
    """What `system_prompt` and `input` see."""
    return {"args": Arguments(arguments), "run": msgspec.structs.asdict(run)}


def call_variables(arguments: Mapping[str, Any], context: CallContext) -> dict[str, Any]:
    """What a tool's templates see."""
    return run_variables(arguments, context.run) | {"call": msgspec.structs.asdict(context.call)}


_shared: list[_Sandbox] = []


def _environment() -> _Sandbox:
    if not _shared:
        _shared.append(_Sandbox())
    return _shared[0]


def _refuse(message: str, node: nodes.Node) -> NoReturn:
    raise TemplateSyntax(message, getattr(node, "lineno", 1))


def _accessed(node: nodes.Node) -> tuple[str, str] | None:
    """(`owner`, `attribute`) of `owner.attribute` and `owner["attribute"]`; owner is "" where it is no name."""
    if isinstance(node, nodes.Getattr):
        return (node.node.name if isinstance(node.node, nodes.Name) else "", node.attr)
    if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str):
        return (node.node.name if isinstance(node.node, nodes.Name) else "", node.arg.value)
    return None


def _only_expression(tree: nodes.Template) -> nodes.Expr | None:
    if len(tree.body) != 1 or not isinstance(tree.body[0], nodes.Output) or len(tree.body[0].nodes) != 1:
        return None
    only = tree.body[0].nodes[0]
    return None if isinstance(only, nodes.TemplateData) else only


def _evaluate(compiled: Any, variables: Mapping[str, Any]) -> Any:
    context = compiled.new_context(dict(variables))
    for _ in compiled.root_render_func(context):
        pass
    value = _plain(context.vars["result"])
    if isinstance(value, str) and len(value) > MAX_OUTPUT_CHARS:
        raise TemplateFailure(f"the text is longer than {MAX_OUTPUT_CHARS:,} characters")
    return value


def _render(compiled: Any, variables: Mapping[str, Any]) -> str:
    deadline = time.monotonic() + MAX_SECONDS
    size = 0
    pieces: list[str] = []
    for piece in compiled.root_render_func(compiled.new_context(dict(variables))):
        size += len(piece)
        if size > MAX_OUTPUT_CHARS:
            raise TemplateFailure(f"the text is longer than {MAX_OUTPUT_CHARS:,} characters")
        if time.monotonic() > deadline:
            raise TemplateFailure(f"rendering took longer than {MAX_SECONDS:g} s")
        pieces.append(piece)
    return "".join(pieces)


def _shorten(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 80 else line[:77] + "…"
