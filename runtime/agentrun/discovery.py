"""Which files make a project: its root, its agents, tools and tests, and names that would be overlooked.

Looks at folders and names; opens no file.
"""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from agentrun.diagnostics import Diagnostic, Severity, Span
from agentrun.errors import UsageError, reason_of

if TYPE_CHECKING:
    from agentrun.spec.schema import Kind

TEST_ENDING = ".test.yaml"
_PLACES: dict[Kind, str] = {"agent": "agents", "tool": "tools.d", "test": "tests"}
# What other names of the folders come down to, in lower case and without punctuation.
_OTHER_NAMES: dict[str, Kind] = {
    **dict.fromkeys(("agent", "agents", "agentd", "agentsd"), "agent"),
    **dict.fromkeys(("tool", "tools", "toold", "toolsd"), "tool"),
    **dict.fromkeys(("test", "tests", "testd", "testsd"), "test"),
}
# Folders of what agents, tools and tests name, and of data: their YAML is none of the project's own documents.
_NAMES_OF_OTHERS = "cassettes data docs examples fixtures golden prompts schemas scripts specs templates"
_OTHER_THINGS = frozenset(_NAMES_OF_OTHERS.split())
_NO_MISNAMED_TESTS = (TEST_ENDING, ".test.yml", ".cassette.yaml")
_LIKE_A_TEST = re.compile(r"(?:.+[_-]test|test_.+|.+\.tests)\.ya?ml")


def find_root(path: Path) -> Path:
    """The nearest folder at or above that holds `tools.d/` or `agents/`; else the file's own folder."""
    start = (path if path.is_dir() else path.parent).resolve()
    for folder in [start, *start.parents]:
        if (folder / "tools.d").is_dir() or (folder / "agents").is_dir():
            return folder
        if (folder / ".git").exists():
            break
    return start


def display(path: Path) -> str:
    """Relative to the current folder where it lies below it, or in the same project; POSIX slashes."""
    whole = os.path.abspath(path)  # noqa: PTH100 - it takes out `..`, and follows no link
    here = os.getcwd()  # noqa: PTH109 - asked for each file: paths as objects take long
    if whole == here:
        return "."
    below = os.path.join(here, "")  # noqa: PTH118
    if not whole.startswith(below) and Path(whole).is_relative_to(find_root(Path(here))):
        whole = os.path.relpath(whole, here)
    return whole.removeprefix(below).replace(os.sep, "/")


def refuse_pipe(path: Path) -> None:
    """Raises `OSError` where reading a file might wait for ever."""
    if path.is_fifo():
        raise OSError("it is a pipe, and nobody may ever write to it")


def guess_kind(path: Path) -> Kind:
    """What a file outside the usual folders is: by its name and what its folder nearly is, an agent otherwise."""
    near = _near_kind(path.absolute().parent)
    if path.name.endswith(TEST_ENDING) or (near == "test" and _LIKE_A_TEST.fullmatch(path.name)):
        return "test"
    return "tool" if near == "tool" else "agent"


def kind_by_place(path: Path, root: Path) -> Kind:
    """What an overlooked file is meant to be: by the folders that it stands in, the innermost first."""
    folders = [folder for folder in path.absolute().parents if folder.is_relative_to(root)]
    return next((kind for folder in folders if (kind := _near_kind(folder)) is not None), guess_kind(path))


def find_files(
    root: Path, tools: Sequence[Path], files: Sequence[Path], misplaced: list[Diagnostic]
) -> list[tuple[Kind, Path]]:
    """The files of a project and further ones, each once; `misplaced` gets a finding for each that is overlooked."""
    own: list[tuple[Kind, Path]] = [("agent", root / "agents"), ("tool", root / "tools.d")]
    folders = [*own, *(("tool", folder.resolve()) for folder in tools)]
    found: list[tuple[Kind, Path]] = []
    for kind, folder in folders:
        if not folder.is_dir():
            continue
        every = _yaml(folder, "*.[yY]*[lL]")
        documents = [path for path in every if path.name.endswith(".yaml")]
        found += [(kind, path) for path in documents if not path.name.endswith(TEST_ENDING)]
        misplaced += [_stray_test(path, "error") for path in documents if path.name.endswith(TEST_ENDING)]
        misplaced += [_misspelt(path) for path in every if path.suffix != ".yaml"]
    tests = _below_tests(root)
    found += [("test", path) for path in tests if path.name.endswith(TEST_ENDING)]
    misplaced += [_misspelt(path) for path in tests if path.name.endswith(".test.yml")]
    misplaced += _misnamed_tests(root, tests)
    if any(folder.is_dir() for _, folder in folders):
        read = [folder for _, folder in folders]
        for _, folder in own:
            misplaced += _subfolders(folder, read)
        misplaced += _misplaced(root, read)
    for path in files:
        if path.suffix == ".yml":
            misplaced.append(_misspelt(path))
        else:
            found.append((guess_kind(path), path))
    once: dict[str, tuple[Kind, Path]] = {}
    for key, one in zip(_real_paths([path for _, path in found]), found, strict=True):
        once.setdefault(key, one)
    return list(once.values())


def _real_paths(paths: Sequence[Path]) -> Iterator[str]:
    """Where each leads, links followed. Those of a folder are followed once, not for each file in it."""
    folders: dict[str, str] = {}
    for path in paths:
        folder, name = os.path.split(path)
        if folder not in folders:
            folders[folder] = os.path.realpath(folder)
        yield os.path.realpath(path) if path.is_symlink() else os.path.join(folders[folder], name)  # noqa: PTH118


def _near_kind(folder: Path) -> Kind | None:
    return _OTHER_NAMES.get(re.sub(r"[._-]", "", folder.name.lower()))


def _yaml(folder: Path, pattern: str) -> list[Path]:
    """By name; without what editors leave behind, such as `.#a.yaml`."""
    return [folder / name for name in sorted(fnmatch.filter(_names(folder), pattern)) if not name.startswith(".")]


def _names(folder: Path, *, of_files: bool = True) -> list[str]:
    """What stands in a folder, with or without what is a file for certain. What can't be read is not taken for empty:
    its files would count as missing.
    """
    try:
        with os.scandir(folder) as inside:
            return [one.name for one in inside if of_files or not one.is_file(follow_symlinks=False)]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise UsageError(f"the folder `{display(folder)}` can't be read: {reason_of(error)}") from None


def _below_tests(root: Path) -> list[Path]:
    """The YAML files of this project's tests: those below a folder that is a project itself are not its."""
    found: list[Path] = []
    for folder, inside, names in os.walk(root / "tests"):
        if any(name in inside for name in ("agents", "tools.d", ".git")):
            inside.clear()
            continue
        found += [Path(folder, name) for name in names if name.endswith((".yaml", ".yml")) and name[0] != "."]
    return [path for path in sorted(found) if find_root(path) == root]


def _misspelt(path: Path) -> Diagnostic:
    return _finding("error", path, f"`{path.name}` is not read: its name must end in `.yaml`", "rename it")


def _stray_test(path: Path, severity: Severity) -> Diagnostic:
    message = f"`{path.name}` is not read: test files stand in `tests/`"
    return _finding(severity, path, message, "move it there")


def _misnamed_tests(root: Path, tests: Sequence[Path]) -> Iterator[Diagnostic]:
    """A warning, once a folder: such a file may hold something else."""
    told: set[Path] = set()
    for path in tests:
        if path.parent in told or not _LIKE_A_TEST.fullmatch(path.name) or path.name.endswith(_NO_MISNAMED_TESTS):
            continue
        if _OTHER_THINGS.isdisjoint(path.relative_to(root).parts):
            told.add(path.parent)
            message = f"`{path.name}` is not read: the name of a test file ends in `{TEST_ENDING}`"
            yield _finding("warning", path, message, f"rename it to `{_test_name(path)}`")


def _test_name(path: Path) -> str:
    stem = re.sub(r"^test_|[_-]test$|\.tests$", "", path.stem)
    return f"{stem}{TEST_ENDING}"


def _subfolders(folder: Path, read: Sequence[Path]) -> Iterator[Diagnostic]:
    """Warnings: such a folder may be there for something else."""
    for inside in (folder / name for name in sorted(_names(folder, of_files=False))):
        if inside.name.startswith((".", "_")) or inside.name in _OTHER_THINGS or not inside.is_dir() or inside in read:
            continue
        strays = _yaml(inside, "*.y*ml")
        if strays and find_root(inside) == find_root(folder):
            place = folder.name
            message = f"`{place}/{inside.name}/` is not read: {_noun(place)} stand in `{place}/` itself"
            yield _finding("warning", strays[0], message, f"move its files to `{place}`")


def _misplaced(root: Path, read: Sequence[Path]) -> Iterator[Diagnostic]:
    """Warnings: such a folder may be there for something else."""
    for folder in sorted(root.iterdir()) if root.is_dir() else ():
        kind = _near_kind(folder)
        if kind is None or folder.name.startswith((".", "_")) or not folder.is_dir() or folder in read:
            continue
        place = _PLACES[kind]
        if folder.name == place or ((root / place).exists() and folder.samefile(root / place)):
            continue
        strays = _yaml(folder, "*.test.y*ml" if kind == "test" else "*.y*ml")
        if strays:
            message = f"`{folder.name}/` is not read: {_noun(place)} stand in `{place}/`"
            yield _finding("warning", strays[0], message, f"rename the folder to `{place}`")
    for path in _yaml(root, f"*{TEST_ENDING}")[:1]:
        yield _stray_test(path, "warning")


def _noun(place: str) -> str:
    return place.removesuffix(".d")


def _finding(severity: Severity, path: Path, message: str, help: str) -> Diagnostic:
    return Diagnostic("AR105", severity, message, Span(display(path), 1, 1, 1, 1), help)
