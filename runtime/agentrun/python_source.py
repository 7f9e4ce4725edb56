"""A tool's Python target against its source: whether the function is there, and takes what the parameters give.

The source is read and never run. Modules are looked for as `tools/python.py` imports them, by their files: in the
project root, then in `sys.path`. What only running would show is left alone: names that are imported, made or
decorated, and modules without source.
"""

from __future__ import annotations

import ast
import importlib.util
import sys
from collections.abc import Iterator
from functools import lru_cache
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path

import msgspec

from agentrun.diagnostics import Diagnostic, Related, Severity, Span, did_you_mean, nearest, one_of
from agentrun.discovery import display
from agentrun.spec.catalog import Document
from agentrun.spec.nodes import Node
from agentrun.spec.rules.toolbox import HIDING
from agentrun.spec.types import ToolSpec

MAX_BYTES = 4 * 1024 * 1024

Function = ast.FunctionDef | ast.AsyncFunctionDef


def python_findings(document: Document, root: Path) -> Iterator[Diagnostic]:
    """Findings of a tool that the schema and the rules found nothing wrong with."""
    target = document.node.get("python") if isinstance(document.spec, ToolSpec) else None
    if target is None or not isinstance(target.content, str):
        return
    module, _, path = target.content.partition(":")
    source = _find(module, root)
    if source is None:
        yield _no_module(target, module, root)
    elif source != "":
        yield from _in_source(document, target, module, path, Path(source))


def source_of(document: Document, root: Path) -> Path | None:
    """The file in the project that a tool's function stands in, or would stand in; None where it is none of those."""
    target = document.node.get("python")
    if target is None or not isinstance(target.content, str):
        return None
    module = target.content.partition(":")[0]
    found = _find(module, root)
    file = Path(found) if found is not None else root / f"{module.replace('.', '/')}.py"
    return file if file.is_relative_to(root) else None


def _no_module(target: Node, module: str, root: Path) -> Diagnostic:
    """A note where the package is nowhere: where the agent runs, it may be installed."""
    top = module.partition(".")[0]
    here = [one.stem for one in root.glob("*.py")] + [one.parent.name for one in root.glob("*/__init__.py")]
    meant = nearest(top, here) if top not in here else None
    help = f"in the project it would be `{module.replace('.', '/')}.py`; otherwise install it where the agent runs"
    severity: Severity = "warning" if meant or _find_top(top, root) is not None else "info"
    message = f"there is no module `{module}`: it was looked for in the project's folder, then in `sys.path`"
    place = _part(target, 0, len(module))
    return Diagnostic("AR642", severity, message, place, f"did you mean `{meant}`?" if meant else help)


# -- finding the file -----------------------------------------------------------------------------------------


def _find(name: str, root: Path) -> str | None:
    """The file of a module; "" where it has no source to read; None where there is no such module."""
    importlib.invalidate_caches()  # a file that was written a moment ago counts
    parts = name.split(".")
    found = _find_top(parts[0], root)
    if found is None or (parts[0] in sys.stdlib_module_names and not _is_below(found, root)):
        return None if found is None else ""
    for length in range(2, len(parts) + 1):
        folders = found.submodule_search_locations
        found = PathFinder.find_spec(".".join(parts[:length]), list(folders)) if folders is not None else None
        if found is None:
            return None
    return found.origin if found.origin is not None and found.origin.endswith(".py") else ""


def _is_below(found: ModuleSpec, root: Path) -> bool:
    return found.origin is None or Path(found.origin).is_relative_to(root)


def _find_top(name: str, root: Path) -> ModuleSpec | None:
    """The project first; a plain folder there yields to a real package elsewhere."""
    here = PathFinder.find_spec(name, [str(root)])
    if here is not None and here.loader is not None:
        return here
    try:
        elsewhere = importlib.util.find_spec(name)  # of a name without dots nothing is imported
    except (ImportError, ValueError):
        elsewhere = None
    return here if elsewhere is None or (here is not None and elsewhere.loader is None) else elsewhere


# -- what the file defines ------------------------------------------------------------------------------------


class _Names(msgspec.Struct):
    """What a module's statements bind. `open`: there may be more, by a `*` import, `__getattr__`, `globals()`."""

    functions: dict[str, list[Function]] = {}
    values: dict[str, ast.expr] = {}
    others: set[str] = set()
    open: bool = False

    def all(self) -> set[str]:
        return {*self.functions, *self.values, *self.others}


def _in_source(document: Document, target: Node, module: str, path: str, file: Path) -> Iterator[Diagnostic]:
    place = _part(target, len(module) + 1, len(target.content))
    shown = display(file)
    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_BYTES + 1)
        names = _names_in(content) if len(content) <= MAX_BYTES else None
    except SyntaxError as error:
        message = f"`{shown}` can't be imported: it is not valid Python, in line {error.lineno or 1}"
        yield Diagnostic("AR640", "error", message, place)
        return
    except (OSError, ValueError, RecursionError, MemoryError):
        return
    if names is None:
        return
    first = path.partition(".")[0]
    if first not in names.all() and not names.open:
        known = sorted(name for name in names.functions if not name.startswith("_"))
        otherwise = f"functions there: {one_of(known)}" if known else f"`{shown}` defines no functions"
        message = f"`{module}` has no function `{first}`"
        yield Diagnostic("AR640", "error", message, place, did_you_mean(first, known, otherwise))
    elif first in names.values and first == path and first not in names.functions.keys() | names.others:
        related = (Related("defined here", _span(shown, names.values[first])),)
        yield Diagnostic("AR640", "error", f"`{target.content}` is a value, not a function", place, None, related)
    elif len(names.functions.get(first, ())) == 1 and first == path and first not in names.others | names.values.keys():
        (function,) = names.functions[first]
        if not function.decorator_list:
            yield from _signature(document, place, function, shown)


@lru_cache(maxsize=8)
def _names_in(content: bytes) -> _Names:
    """Many tools may have their functions in one module."""
    found = _Names()
    waiting: list[ast.AST] = list(ast.parse(content).body)
    for node in waiting:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                found.functions.setdefault(node.name, []).append(node)
                found.open |= node.name == "__getattr__"
                found.others |= {name for one in ast.walk(node) if isinstance(one, ast.Global) for name in one.names}
            case ast.ClassDef():
                found.others.add(node.name)
            case ast.Import() | ast.ImportFrom():
                found.open |= any(alias.name == "*" for alias in node.names)
                found.others |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant() | ast.List() | ast.Dict() | ast.Tuple()):
                found.values[name] = node.value
            case _:
                found.others |= _bound_by(node)
                found.open |= isinstance(node, ast.Name) and node.id in _MAKES_NAMES
                waiting += ast.iter_child_nodes(node)
    return found


_MAKES_NAMES = ("exec", "globals", "setattr", "vars")


def _bound_by(node: ast.AST) -> set[str]:
    match node:
        case ast.Name(id=name, ctx=ast.Store()) | ast.ExceptHandler(name=str(name)):
            return {name}
        case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)) | ast.MatchMapping(rest=str(name)):
            return {name}
    return set()


# -- what a function takes ------------------------------------------------------------------------------------


def _signature(document: Document, place: Span, function: Function, shown: str) -> Iterator[Diagnostic]:
    """A run calls the function with each argument by its name."""
    properties, given = _given(document)
    if properties is None:
        return
    arguments = function.args
    by_place = [one.arg for one in arguments.posonlyargs]
    by_name = [one.arg for one in [*arguments.args, *arguments.kwonlyargs]]
    needed = {*_without_default(arguments)}
    related = (Related("defined here", _span(shown, function)),)
    name = function.name
    for one in by_place:
        if one in needed:
            message = f"`{name}` takes `{one}` by its place only, and is called with names"
            yield Diagnostic("AR641", "error", message, place, f"take the `/` out of `{name}`", related)
    told = {one for one in by_place if one in needed}
    unknown = [one for one in properties if one not in {*by_name, *told}] if arguments.kwarg is None else []
    missing = [one for one in by_name if one in needed and one not in given]
    strange = [one for one in missing if one not in properties]
    for one in unknown:
        undeclared = [other for other in missing if other not in properties]
        meant = nearest(one, undeclared) or (undeclared[0] if len(unknown) == len(undeclared) == 1 else None)
        if meant is not None:
            missing.remove(meant)
        takes = f"it takes {one_of(by_name)}" if by_name else "it takes no arguments"
        help = f"did you mean `{meant}`?" if meant else takes
        key = document.node.key_place(("parameters", "properties", one))
        yield Diagnostic("AR641", "error", f"`{name}` takes no argument `{one}`", key, help, related)
    if len(unknown) == len(strange):
        missing = [one for one in missing if one not in strange]  # each is called otherwise
    for one in missing:
        if one in properties:
            message = f"`{name}` needs `{one}`, and a call may leave it out"
            key = document.node.key_place(("parameters", "properties", one))
            help = f"add `{one}` to `required`, or give it a default, here or in the function"
            yield Diagnostic("AR641", "warning", message, key, help, related)
        else:
            message = f"`{name}` needs `{one}`, and `parameters` declares no `{one}`"
            yield Diagnostic("AR641", "error", message, place, f"declare `{one}`, or give it a default", related)


def _given(document: Document) -> tuple[list[str] | None, set[str]]:
    """The parameters of a tool, and which of them every call has; None where that isn't plain to see."""
    node = document.node.get("parameters")
    if node is None:
        return [], set()
    schema = node.data()
    if not isinstance(schema, dict) or not schema.keys().isdisjoint(HIDING):
        return None, set()
    properties, required = schema.get("properties", {}), schema.get("required", [])
    if not isinstance(properties, dict) or not isinstance(required, list):
        return None, set()
    with_default = {name for name, one in properties.items() if isinstance(one, dict) and "default" in one}
    return list(properties), with_default | {name for name in required if isinstance(name, str)}


def _without_default(arguments: ast.arguments) -> Iterator[str]:
    plain = [*arguments.posonlyargs, *arguments.args]
    yield from (one.arg for one in plain[: len(plain) - len(arguments.defaults)])
    for one, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        if default is None:
            yield one.arg


# -- places ---------------------------------------------------------------------------------------------------


def _part(target: Node, start: int, end: int) -> Span:
    """A piece of a target that stands on one line, quotes or not."""
    offset = target.source.find(target.content)
    return target.part(offset + start, offset + end) if offset >= 0 else target.span


def _span(shown: str, node: ast.stmt | ast.expr) -> Span:
    column = node.col_offset + 1
    return Span(shown, node.lineno, column, node.lineno, column)
