"""Jinja as agentrun has it: the immutable sandbox, strict about names, with caps on time and size.

Only `templates.py` knows this file. It is apart because Jinja is imported when the first template is compiled, and
because the stock sandbox stops attributes but neither `"a" * 10**9` nor an endless loop: each step that can repeat or
grow is checked here.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from functools import cache
from typing import Any, NoReturn

from jinja2 import StrictUndefined, TemplateSyntaxError, Undefined, UndefinedError, meta, nodes
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

from agentrun.diagnostics import did_you_mean
from agentrun.templates import (
    MAX_OUTPUT_CHARS,
    MAX_SECONDS,
    Absent,
    Arguments,
    Facts,
    TemplateFailure,
    TemplateSyntax,
    UndefinedName,
    to_text,
)

_MAX_INT_BITS = 13_000  # about as many digits as Python writes
_TOO_LONG = f"the text is longer than {MAX_OUTPUT_CHARS:,} characters"
_WIDENING_METHODS = frozenset({"center", "ljust", "rjust", "zfill", "expandtabs", "format", "format_map", "replace"})
_NO_FILTERS = ("center", "format", "pprint", "random", "urlize", "xmlattr")
_NO_GLOBALS = ("lipsum",)
_NO_STATEMENTS: dict[type[nodes.Node], str] = {
    nodes.Include: "include",
    nodes.Import: "import",
    nodes.FromImport: "from … import",
    nodes.Extends: "extends",
}
# A little of these alone can't be refused by the compiler. So it waits for the first values: it takes twice as long as
# all else that is done with a template, and a check of files renders none.
_PLAIN: frozenset[type[nodes.Node]] = frozenset(
    {
        *(nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.Getattr, nodes.Getitem, nodes.Filter),
        *(nodes.Compare, nodes.Operand, nodes.Not, nodes.And, nodes.Or),
    }
)
_MAX_PLAIN = 60
_deadline: ContextVar[float] = ContextVar("deadline", default=float("inf"))


class _AbsentSignal(UndefinedError):
    """How Jinja's undefined value says that it stands for an absent argument."""


class _Sandbox(ImmutableSandboxedEnvironment):
    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def __init__(self) -> None:
        super().__init__(undefined=StrictUndefined, finalize=_finalize, keep_trailing_newline=True)
        for name in _NO_FILTERS:
            del self.filters[name]
        for name in _NO_GLOBALS:
            del self.globals[name]
        stock = dict(self.filters)
        self.filters |= {
            "indent": lambda value, width=4, *rest, **more: stock["indent"](value, _narrow(width), *rest, **more),
            "join": lambda value, between="", attribute=None: _join(self, value, between, attribute),
            "replace": _replace,
            "tojson": _to_json,
        }

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

    def call(__self, __context: Any, __obj: Any, *args: Any, **kwargs: Any) -> Any:
        _check_time()
        return super().call(__context, __obj, *args, **kwargs)

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        if operator == "%" and isinstance(left, str):
            raise SecurityError("`%` doesn't format text here: use `~` to join")
        if operator == "+" and _size(left) + _size(right) > MAX_OUTPUT_CHARS:
            raise SecurityError(_TOO_LONG)
        if operator == "*" and _size(left) * _times(right) + _size(right) * _times(left) > MAX_OUTPUT_CHARS:
            raise SecurityError(_TOO_LONG)
        if operator == "**" and not (abs(left) <= 1_000_000 and abs(right) <= 64):
            raise SecurityError("`**` takes bases up to 1,000,000 and exponents up to 64")
        return super().call_binop(context, operator, left, right)


class _Watched(NodeTransformer):
    """Puts a check of the time into each loop, and of the size into each `~`."""

    def visit_For(self, node: nodes.For) -> nodes.Node:
        self.generic_visit(node)
        node.iter = nodes.Filter(node.iter, "watched loop", [], [], None, None, lineno=node.lineno)
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:
        self.generic_visit(node)
        pieces = nodes.List(node.nodes, lineno=node.lineno)
        return nodes.Filter(pieces, "join", [], [], None, None, lineno=node.lineno)


@cache
def _environment() -> _Sandbox:
    environment = _Sandbox()
    environment.filters["watched loop"] = _each  # no template can write a name with a space
    return environment


def compile_source(source: str) -> tuple[Callable[[Mapping[str, Any]], Any], Facts]:
    """What renders a text, and what is known about it. Raises `TemplateSyntax`."""
    environment = _environment()
    stripped = source.strip()
    try:
        tree = environment.parse(stripped if stripped.startswith("{{") else source)
        found = list(tree.find_all(nodes.Node))
        is_plain = len(found) <= _MAX_PLAIN and all(type(node) in _PLAIN for node in found)
        facts = _inspect(environment, tree, found, is_plain=is_plain)
        compiled = cache(lambda: _compiled(environment, source, tree, facts))
        if not is_plain:
            compiled()
    except TemplateSyntaxError as error:
        raise TemplateSyntax(_plainly(error.message or "not a template"), error.lineno) from None
    except (RecursionError, SyntaxError, MemoryError):  # of Jinja, and of Python, for which it writes a program
        raise TemplateSyntax("the template is nested too deeply") from None
    render = _evaluate if facts.expression else _render
    return (lambda variables: _run(render, compiled, variables, source)), facts


def _compiled(environment: _Sandbox, source: str, tree: nodes.Template, facts: Facts) -> Any:
    if facts.expression:
        result = nodes.Assign(nodes.Name("result", "store"), tree.body[0].nodes[0], lineno=1)  # type: ignore[attr-defined]
        tree = nodes.Template([result], lineno=1)
    elif tree.body and source.strip().startswith("{{"):
        tree = environment.parse(source)
    tree.set_environment(environment)
    return environment.from_string(_Watched().visit(tree))


_UNCLOSED = re.compile(r"needs to be closed is '(\w+)'")


def _plainly(message: str) -> str:
    unclosed = _UNCLOSED.search(message)
    return f"`{{% {unclosed[1]} %}}` is never closed" if unclosed else message.rstrip(".")


# -- what is known before a run -----------------------------------------------------------------------------


def _inspect(environment: _Sandbox, tree: nodes.Template, found: Sequence[nodes.Node], *, is_plain: bool) -> Facts:
    first = tree.body[0] if tree.body else None
    text_first = isinstance(first, nodes.Output) and isinstance(next(iter(first.nodes), None), nodes.TemplateData)
    args: set[str] = set()
    attributes: set[tuple[str, str]] = set()
    whole = 0
    for node in found:
        _refuse_unknown(environment, node)
        if isinstance(node, nodes.Name) and node.name == "args":
            whole += 1
        name = _accessed(node)
        if name is None:
            continue
        owner, attribute = name
        if attribute.startswith("__"):
            _refuse(f"`{attribute}` is not available", node, f"{owner}.{attribute}" if owner else attribute)
        if owner == "args":
            whole -= 1
            args.add(attribute)
        elif owner:
            attributes.add((owner, attribute))
    if is_plain:  # nothing in it gives a name a value; to `self` Jinja gives one
        names = {node.name for node in found if isinstance(node, nodes.Name)} - {"self"}
    else:
        names = meta.find_undeclared_variables(tree)
    return Facts(
        expression=_is_expression(tree),
        leads=not text_first,
        args=frozenset(args),
        uses_all_args=whole > 0,
        names=frozenset(names) - {"args"} - frozenset(environment.globals),
        attributes=frozenset(attributes),
    )


def _refuse_unknown(environment: _Sandbox, node: nodes.Node) -> None:
    """Jinja itself finds an unknown filter or test late: in a branch, only when it is taken."""
    if type(node) in _NO_STATEMENTS:
        _refuse(f"`{_NO_STATEMENTS[type(node)]}` is not available: a template is one text", node)
    for type_, noun, known in (
        (nodes.Filter, "filter", environment.filters),
        (nodes.Test, "test", environment.tests),
    ):
        if isinstance(node, type_) and node.name not in known:
            help = did_you_mean(node.name, known, f"see Jinja's list of built-in {noun}s")
            _refuse(f"there is no {noun} `{node.name}`", node, node.name, help)


def _refuse(message: str, node: nodes.Node, name: str = "", help: str | None = None) -> NoReturn:
    raise TemplateSyntax(message, getattr(node, "lineno", 1), name=name, help=help)


def _accessed(node: nodes.Node) -> tuple[str, str] | None:
    """(`owner`, `attribute`) of `owner.attribute` and `owner["attribute"]`; owner is "" where it is no name."""
    if isinstance(node, nodes.Getattr):
        return (node.node.name if isinstance(node.node, nodes.Name) else "", node.attr)
    if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str):
        return (node.node.name if isinstance(node.node, nodes.Name) else "", node.arg.value)
    return None


def _is_expression(tree: nodes.Template) -> bool:
    """Whether a text is exactly one `{{ }}`."""
    if len(tree.body) != 1 or not isinstance(tree.body[0], nodes.Output) or len(tree.body[0].nodes) != 1:
        return False
    return not isinstance(tree.body[0].nodes[0], nodes.TemplateData)


# -- rendering ----------------------------------------------------------------------------------------------


def _run(
    render: Callable[[Any, Mapping[str, Any]], Any],
    compiled: Callable[[], Any],
    variables: Mapping[str, Any],
    source: str,
) -> Any:
    until = _deadline.set(time.monotonic() + MAX_SECONDS)
    try:
        return render(compiled(), variables)
    except _AbsentSignal as error:
        raise Absent(str(error)) from None
    except UndefinedError as error:
        raise UndefinedName(f"{error.message or 'not there'} in `{_shorten(source)}`") from None
    except SecurityError as error:
        raise TemplateFailure(f"{error.message or 'not allowed'} in `{_shorten(source)}`") from None
    except (TypeError, ValueError, ArithmeticError, LookupError, RecursionError, AttributeError) as error:
        raise TemplateFailure(f"{error} in `{_shorten(source)}`") from None
    finally:
        _deadline.reset(until)


def _evaluate(compiled: Any, variables: Mapping[str, Any]) -> Any:
    context = compiled.new_context(dict(variables))
    for _ in compiled.root_render_func(context):
        pass
    value = _plain(context.vars["result"])
    if isinstance(value, str) and len(value) > MAX_OUTPUT_CHARS:
        raise TemplateFailure(_TOO_LONG)
    return value


def _render(compiled: Any, variables: Mapping[str, Any]) -> str:
    size = 0
    pieces: list[str] = []
    for piece in compiled.root_render_func(compiled.new_context(dict(variables))):
        size += len(piece)
        if size > MAX_OUTPUT_CHARS:
            raise TemplateFailure(_TOO_LONG)
        _check_time()
        pieces.append(piece)
    return "".join(pieces)


def _finalize(value: Any) -> Any:
    if isinstance(value, str):
        return value
    if isinstance(value, Undefined):
        return str(value)  # raises what the undefined name stands for
    return to_text(_plain(value))


def _plain(value: Any, depth: int = 0) -> Any:
    """A template's value as JSON data."""
    if value is None or isinstance(value, (bool, float)):
        return value
    if isinstance(value, int):
        if value.bit_length() > _MAX_INT_BITS:
            raise TemplateFailure("the number has too many digits")
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


# -- caps ---------------------------------------------------------------------------------------------------


def _check_time() -> None:
    if time.monotonic() > _deadline.get():
        raise TemplateFailure(f"rendering took longer than {MAX_SECONDS:g} s")


def _each(values: Iterable[Any]) -> Iterator[Any]:
    for value in values:
        _check_time()
        yield value


def _size(value: Any) -> int:
    return len(value) if isinstance(value, (str, list, tuple)) else 0


def _times(value: Any) -> int:
    return max(value, 0) if isinstance(value, int) else 0


def _narrow(width: Any) -> Any:
    if _size(width) > 100 or _times(width) > 100:
        raise SecurityError("`indent` takes widths up to 100")
    return width


def _join(environment: _Sandbox, value: Iterable[Any], between: Any, attribute: str | int | None) -> str:
    size = 0
    pieces: list[str] = []
    for item in value:
        pieces.append(str(item if attribute is None else environment.getitem(item, attribute)))
        size += len(pieces[-1]) + len(str(between))
        if size > 2 * MAX_OUTPUT_CHARS:
            raise SecurityError(_TOO_LONG)
    return str(between).join(pieces)


def _replace(value: Any, old: Any, new: Any, count: int = -1) -> str:
    text, old, new = str(value), str(old), str(new)
    if len(text) + text.count(old) * len(new) > 2 * MAX_OUTPUT_CHARS:
        raise SecurityError(_TOO_LONG)
    return text.replace(old, new, count)


def _to_json(value: Any, indent: int | None = None) -> str:
    """Jinja's own escapes for HTML."""
    return json.dumps(_plain(value), ensure_ascii=False, indent=None if indent is None else min(indent, 16))


def _shorten(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 80 else line[:77] + "…"
