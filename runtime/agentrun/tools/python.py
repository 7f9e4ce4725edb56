"""The python backend: a function of the project, called with keyword arguments.

Owns finding the function and what comes out of it. It doesn't know what the function does, and can't stop one
that is not async: such a function has a thread to itself, goes on when the call's time is up, and keeps nobody
waiting.

Modules of the project root are imported below a package that stands for that root, so that two projects with a
`shop` each don't meet in `sys.modules`. To the modules it looks as if the root came first in `sys.path`.
"""

from __future__ import annotations

import builtins
import hashlib
import importlib
import inspect
import json
import re
import sys
import threading
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

from agentrun.engine.ports import CallContext, ToolResult
from agentrun.errors import ToolFailure
from agentrun.tools.threads import in_thread

_PACKAGE_PREFIX = "agentrun_project_"
_OWN_PACKAGE = re.compile(rf"\b{_PACKAGE_PREFIX}[0-9a-f]+\.")


class PythonTool:
    """`target` is `module:function`. The module is imported by the first call."""

    def __init__(self, target: str, *, root: Path) -> None:
        self.target = target
        self._root = root
        self._function: Callable[..., Any] | None = None

    async def call(self, arguments: dict[str, Any], context: CallContext) -> ToolResult:
        if self._function is None:
            self._function = await in_thread(self._load)
        function = self._function
        try:
            if _is_async(function):
                value = await function(**arguments)
            else:
                value = await in_thread(lambda: function(**arguments))
                if inspect.isawaitable(value):
                    value = await value
        except ToolFailure:
            raise
        except (Exception, SystemExit) as error:
            raise ToolFailure("internal", _described(error)) from error
        value = self._json(value)
        return ToolResult(value, {"result": value})

    def _load(self) -> Callable[..., Any]:
        module_name, _, path = self.target.partition(":")
        try:
            found: Any = _project(self._root).import_module(module_name)
        except (Exception, SystemExit) as error:
            message = f"`{module_name}` can't be imported (looked in {self._root}, then sys.path): {_described(error)}"
            raise ToolFailure("internal", message) from error
        for name in path.split("."):
            if not hasattr(found, name):
                raise ToolFailure("internal", f"`{self.target}` is not there: `{module_name}` has no `{path}`")
            found = getattr(found, name)
        if not callable(found):
            raise ToolFailure("internal", f"`{self.target}` is a {type(found).__name__}, not a function")
        return found  # type: ignore[no-any-return]

    def _json(self, value: Any) -> Any:
        """The value as plain JSON data: tuples become lists, keys text."""
        try:
            return json.loads(json.dumps(value, ensure_ascii=False, allow_nan=False).encode())
        except (TypeError, ValueError, RecursionError) as error:
            message = f"`{self.target}` returned what is not JSON: {error}"
            raise ToolFailure("internal", message) from error


def _is_async(function: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


def _described(error: BaseException) -> str:
    text = _OWN_PACKAGE.sub("", str(error))
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


# -- imports from the project root ----------------------------------------------------------------------------


class _ProjectModules:
    """The modules of one root: kept in `sys.modules` below `package`, known to each other by their own names."""

    def __init__(self, root: Path) -> None:
        self._path = [str(root)]
        self.package = _PACKAGE_PREFIX + hashlib.sha256(str(root).encode(errors="surrogateescape")).hexdigest()[:12]
        stand_in = ModuleType(self.package)
        stand_in.__path__ = self._path
        sys.modules[self.package] = stand_in

    def import_module(self, name: str) -> ModuleType:
        return importlib.import_module(f"{self.package}.{name}" if self._holds(name) else name)

    def import_statement(
        self, name: str, globals: Any = None, locals: Any = None, fromlist: Sequence[str] | None = (), level: int = 0
    ) -> ModuleType:
        """`__import__` for the project's modules: an absolute import looks in the root first."""
        if level > 0 or not self._holds(name):
            return builtins.__import__(name, globals, locals, fromlist, level)
        module = builtins.__import__(f"{self.package}.{name}", globals, locals, fromlist, 0)
        return module if fromlist else sys.modules[f"{self.package}.{name.partition('.')[0]}"]

    def _holds(self, name: str) -> bool:
        top = name.partition(".")[0]
        here = PathFinder.find_spec(f"{self.package}.{top}", self._path)
        if here is None or here.loader is not None:
            return here is not None
        elsewhere = PathFinder.find_spec(top)  # a plain folder yields to a real package, as in `sys.path`
        return elsewhere is None or elsewhere.loader is None


class _Loader(SourceFileLoader):
    """Runs a module with the project's own `import`: at its first line and whenever its functions import."""

    def __init__(self, modules: _ProjectModules, name: str, path: str) -> None:
        super().__init__(name, path)
        self._modules = modules

    def exec_module(self, module: ModuleType) -> None:
        module.__dict__["__builtins__"] = vars(builtins) | {"__import__": self._modules.import_statement}
        super().exec_module(module)


class _Finder:
    """On `sys.meta_path`: gives the modules below a project's package their loader."""

    def __init__(self) -> None:
        self.by_package: dict[str, _ProjectModules] = {}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        modules = self.by_package.get(fullname.partition(".")[0])
        spec = PathFinder.find_spec(fullname, path, target) if modules else None
        if spec and modules and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Loader(modules, fullname, spec.loader.path)
        return spec


def loaded_files(root: Path) -> set[str]:
    """Of the modules of a project that were imported."""
    package = f"{_project(root).package}."
    files = (getattr(module, "__file__", None) for name, module in [*sys.modules.items()] if name.startswith(package))
    return {file for file in files if file is not None}


def forget_modules(root: Path) -> None:
    """A tool that is made from now on imports the modules of a project anew."""
    package = f"{_project(root).package}."
    for name in [name for name in sys.modules if name.startswith(package)]:
        del sys.modules[name]
    importlib.invalidate_caches()


_finder = _Finder()
_projects: dict[Path, _ProjectModules] = {}
_projects_lock = threading.Lock()


def _project(root: Path) -> _ProjectModules:
    root = root.resolve()
    with _projects_lock:
        if root not in _projects:
            if _finder not in sys.meta_path:
                sys.meta_path.insert(0, _finder)
            _projects[root] = modules = _ProjectModules(root)
            _finder.by_package[modules.package] = modules
        return _projects[root]
