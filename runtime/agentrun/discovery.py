"""Which files make a project: its root, its agents, tools and tests, and names that would be overlooked.

Looks at folders and names; opens no file.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from agentrun.diagnostics import Diagnostic, Span
from agentrun.spec.schema import Kind


def find_root(path: Path) -> Path:
    """The nearest folder at or above that holds `tools.d/` or `agents/`; else the file's own folder."""
    start = path if path.is_dir() else path.parent
    for folder in [start.resolve(), *start.resolve().parents]:
        if (folder / "tools.d").is_dir() or (folder / "agents").is_dir():
            return folder
        if (folder / ".git").exists():
            break
    return start.resolve()


def display(path: Path) -> str:
    """Relative to the current folder where it lies below it; POSIX slashes."""
    whole = Path(os.path.abspath(path))  # noqa: PTH100 - it takes out `..`, and follows no link
    here = Path.cwd()
    return whole.relative_to(here).as_posix() if whole.is_relative_to(here) else whole.as_posix()


def guess_kind(path: Path) -> Kind:
    """What a file outside the usual folders is: by its place and name, an agent otherwise."""
    if path.name.endswith(".test.yaml"):
        return "test"
    return "tool" if path.parent.name == "tools.d" else "agent"


def find_files(
    root: Path, tools: Sequence[Path], files: Sequence[Path], misplaced: list[Diagnostic]
) -> list[tuple[Kind, Path]]:
    folders: list[tuple[Kind, Path]] = [("agent", root / "agents"), ("tool", root / "tools.d")]
    folders += [("tool", folder.resolve()) for folder in tools]
    found: list[tuple[Kind, Path]] = []
    for kind, folder in folders:
        if not folder.is_dir():
            continue
        found += [(kind, path) for path in _yaml(folder, "*.yaml")]
        misplaced += [_misspelt(path) for path in _yaml(folder, "*.yml")]
    if (root / "tests").is_dir():
        found += [("test", path) for path in _own(root, "*.test.yaml")]
        misplaced += [_misspelt(path) for path in _own(root, "*.test.yml")]
    if any(folder.is_dir() for _, folder in folders):
        misplaced += _misplaced(root)
    for path in files:
        if path.suffix == ".yml":
            misplaced.append(_misspelt(path))
        else:
            found.append((guess_kind(path), path))
    once: dict[str, tuple[Kind, Path]] = {}
    for kind, path in found:
        once.setdefault(os.path.realpath(path), (kind, path))
    return list(once.values())


def _yaml(folder: Path, pattern: str) -> list[Path]:
    """By name; without what editors leave behind, such as `.#a.yaml`."""
    return sorted(path for path in folder.glob(pattern) if not path.name.startswith("."))


def _own(root: Path, pattern: str) -> list[Path]:
    """The test files of this project: those below a folder that is a project itself are not its."""
    return [path for path in sorted((root / "tests").rglob(pattern)) if find_root(path) == root]


def _misspelt(path: Path) -> Diagnostic:
    message = f"`{path.name}` is not read: its name must end in `.yaml`"
    return Diagnostic("AR105", "error", message, Span(display(path), 1, 1, 1, 1), "rename it")


def _misplaced(root: Path) -> Iterator[Diagnostic]:
    """A warning: such a folder may be there for something else."""
    for wrong, right in (("agent", "agents"), ("tools", "tools.d"), ("tool", "tools.d")):
        strays = sorted((root / wrong).glob("*.y*ml"))
        if strays:
            noun = "agents" if right == "agents" else "tools"
            message = f"`{wrong}/` is not read: {noun} stand in `{right}/`"
            place = Span(display(strays[0]), 1, 1, 1, 1)
            yield Diagnostic("AR105", "warning", message, place, f"rename the folder to `{right}`")
