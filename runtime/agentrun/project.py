"""A folder to a `Project`: find the files, read them, check each, cross-check all.

The front half of agentrun on one screen. Sync; reads files and nothing else; all findings in one pass.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from agentrun.bindable import unbindable
from agentrun.diagnostics import Diagnostic, Report, Span, report
from agentrun.secrets import Masker
from agentrun.spec.catalog import Catalog, Document, RawDocument, build
from agentrun.spec.nodes import LINE_BREAK, Node, Route
from agentrun.spec.rules import cross_check
from agentrun.spec.schema import Kind
from agentrun.spec.yaml_nodes import MAX_BYTES, ReadFile, read_bytes, read_plain


class Project(msgspec.Struct, frozen=True, eq=False):
    """Everything read and checked. `unreadable` are findings of files whose content is unknown."""

    root: Path
    catalog: Catalog
    crossed: dict[int, list[Diagnostic]]
    unreadable: list[Diagnostic]
    sources: dict[str, str]

    def report(self, documents: Iterable[Document] | None = None) -> Report:
        """All findings, or those of some documents and of files that can't be read."""
        chosen = list(self.catalog.documents() if documents is None else documents)
        found = [*self.unreadable, *self.catalog.diagnostics]
        for document in chosen:
            found += document.diagnostics
            found += self.crossed.get(id(document), [])
        # A message or a help may show a value, and a value may have come from the environment or be a key itself.
        secrets = {secret for document in self.catalog.documents() for secret in document.secrets}
        mask = Masker(secrets | {self._written(one.span) for one in found if one.code == "AR802"})

        def masked(one: Diagnostic) -> Diagnostic:
            help = None if one.help is None else mask.text(one.help)
            related = tuple(msgspec.structs.replace(other, message=mask.text(other.message)) for other in one.related)
            return msgspec.structs.replace(one, message=mask.text(one.message), help=help, related=related)

        return report(map(masked, found), self.sources)

    def _written(self, span: Span) -> str:
        """What stands at a place, without its quotes."""
        lines = LINE_BREAK.split(self.sources.get(span.file, ""))[span.line - 1 : span.end_line]
        if not lines:
            return ""
        lines[-1] = lines[-1][: span.end_column - 1]
        lines[0] = lines[0][span.column - 1 :]
        return "\n".join(lines).strip("\"'")

    def reachable(self, agent: Document) -> list[Document]:
        """An agent, its tools, and the agents that it can call, with theirs."""
        seen: dict[int, Document] = {}
        waiting = [agent]
        while waiting:
            document = waiting.pop()
            if id(document) in seen:
                continue
            seen[id(document)] = document
            if document.kind == "agent":
                waiting += self.catalog.tools_of(document)
            if document.called_agent in self.catalog.agents:
                waiting.append(self.catalog.agents[document.called_agent])
        return list(seen.values())

    def under(self, paths: Sequence[Path]) -> list[Document]:
        """The documents in these files and folders, and what their agents reach."""
        wanted = [path.resolve() for path in paths]
        chosen: dict[int, Document] = {}
        for document in self.catalog.documents():
            file = Path(document.path).resolve()
            if not any(file == path or path in file.parents for path in wanted):
                continue
            for reached in self.reachable(document):
                chosen[id(reached)] = reached
        return list(chosen.values())


def find_root(path: Path) -> Path:
    """The nearest folder at or above that holds `tools.d/` or `agents/`; else the file's own folder."""
    start = path if path.is_dir() else path.parent
    for folder in [start.resolve(), *start.resolve().parents]:
        if (folder / "tools.d").is_dir() or (folder / "agents").is_dir():
            return folder
        if (folder / ".git").exists():
            break
    return start.resolve()


def read_project(
    root: Path, environ: Mapping[str, str], *, tools: Sequence[Path] = (), files: Sequence[Path] = ()
) -> Project:
    """Read `root`, further folders of tools, and further files. Findings show paths relative to the current folder."""
    root = root.resolve()
    unreadable: list[Diagnostic] = []
    found = _find(root, tools, files, unreadable)
    sources: dict[str, str] = {}
    raw: list[RawDocument] = []
    unread: set[tuple[Kind, str]] = set()
    for kind, path in found:
        shown = display(path)
        read = _read(path, shown)
        sources[shown] = read.text
        unreadable += read.diagnostics
        unreadable += _empty_or_crowded(kind, shown, read)
        documents = _documents(kind, path, shown, read)
        if read.stopped:
            unread |= {(kind, name) for name in (_stem(path), *_NAME.findall(read.text))}
        raw += [_with_files(document, sources, unreadable) for document in documents]
    known = {(document.kind, document.name) for document in raw}
    catalog = build(raw, environ, frozenset(unread - known))
    crossed = cross_check(catalog)
    for document in catalog.documents():
        found_before = [*document.diagnostics, *crossed.get(id(document), [])]
        if not any(one.severity == "error" for one in found_before):
            crossed.setdefault(id(document), []).extend(unbindable(document))
    return Project(root, catalog, crossed, unreadable, sources)


# What a file that can't be read seems to define.
_NAME = re.compile(r"^name: *[\"']?([A-Za-z0-9_-]+)", re.MULTILINE)


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


def _find(
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


def _read(path: Path, shown: str) -> ReadFile:
    try:
        return read_bytes(shown, _bytes(path))
    except OSError as error:
        message = f"the file can't be read: {_reason(error)}"
        found = Diagnostic("AR101", "error", message, Span(shown, 1, 1, 1, 1))
        return ReadFile(shown, "", [], [found], stopped=True)


def _bytes(path: Path) -> bytes:
    """No more than what is needed to see that it is too much."""
    with path.open("rb") as file:
        return file.read(MAX_BYTES + 1)


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error)).lower()


def _documents(kind: Kind, path: Path, shown: str, read: ReadFile) -> list[RawDocument]:
    several = len(read.documents) > 1
    documents = read.documents if kind == "tool" else read.documents[:1]
    return [
        RawDocument(kind, shown, _name(node, _stem(path), index, several), node) for index, node in enumerate(documents)
    ]


def _stem(path: Path) -> str:
    return path.name.removesuffix(".yaml").removesuffix(".test")


def _with_files(document: RawDocument, sources: dict[str, str], found: list[Diagnostic]) -> RawDocument:
    """The document with each `{file: path}` replaced by what stands in the file."""
    node = document.node
    for route in _FILE_KEYS[document.kind]:
        for whole in _matching(node, route):
            node = _filled(node, whole, sources, found)
    return msgspec.structs.replace(document, node=node)


# Where a `{file: path}` may stand; `*` is any index of a list. A prompt is a text, a script a YAML list.
_FILE_KEYS: dict[Kind, tuple[Route, ...]] = {
    "agent": (("system_prompt",), ("model", "script"), ("model", "fallback", "*", "script")),
    "tool": (),
    "test": (("model",), ("cases", "*", "model")),
}


def _matching(node: Node, route: Route, done: Route = ()) -> list[Route]:
    if not route:
        reference = node.child("file") if node.is_mapping and len(node.content) == 1 else None
        return [done] if reference is not None and isinstance(reference.content, str) else []
    step, *rest = route
    steps: Iterable[str | int] = [step] if step != "*" else range(len(node.content)) if node.is_list else ()
    children = [(one, child) for one in steps if (child := node.child(one)) is not None]
    return [found for one, child in children for found in _matching(child, tuple(rest), (*done, one))]


def _filled(node: Node, route: Route, sources: dict[str, str], found: list[Diagnostic]) -> Node:
    reference = node.get(*route, "file")
    if reference is None:
        return node
    is_prompt = route[-1] == "system_prompt"
    path = Path(reference.span.file).parent / str(reference.content)
    try:
        raw = _bytes(path)
    except (OSError, ValueError) as error:
        message = f"the file `{reference.content}` can't be read: {_reason(error)}"
        help = "the path is relative to the file that names it"
        found.append(Diagnostic("AR408", "error", message, reference.span, help))
        return _replaced(node, route, Node("" if is_prompt else [], reference.span))
    shown = display(path)
    read = read_plain(shown, raw) if is_prompt else read_bytes(shown, raw)
    sources[shown] = read.text
    found += read.diagnostics
    return _replaced(node, route, read.documents[0] if read.documents else Node([], reference.span))


def _replaced(node: Node, route: Route, new: Node) -> Node:
    if not route:
        return new
    step, *rest = route
    content: Any = dict(node.content) if node.is_mapping else list(node.content)
    content[step] = _replaced(content[step], tuple(rest), new)
    return node.like(content)


def _name(node: Node, stem: str, index: int, several: bool) -> str:
    written = node.get("name") if node.is_mapping else None
    if written is not None and isinstance(written.content, str) and written.content:
        return written.content
    return f"{stem}-{index + 1}" if several else stem


def _empty_or_crowded(kind: Kind, shown: str, read: ReadFile) -> list[Diagnostic]:
    documents = read.documents
    if not documents and not read.diagnostics:
        return [Diagnostic("AR104", "error", "the file is empty", Span(shown, 1, 1, 1, 1), f"write {_EXPECTED[kind]}")]
    if kind != "tool" and len(documents) > 1:
        noun = "an agent" if kind == "agent" else "one document of tests"
        message = f"the file holds {noun} already, and this is a second document"
        return [Diagnostic("AR310", "error", message, documents[1].first_line, "give it a file of its own")]
    found = []
    for node in documents if kind == "tool" and len(documents) > 1 else []:
        if node.is_mapping and node.get("name") is None:
            message = "the key `name` is missing: the file holds several tools"
            found.append(Diagnostic("AR302", "error", message, node.first_line))
    return found


_EXPECTED: dict[Kind, str] = {
    "agent": "at least `model: NAME`",
    "tool": "at least a `description` and a backend such as `http`",
    "test": "`agent: NAME` and `cases`",
}
