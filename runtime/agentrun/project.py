"""A folder to a `Project`: find the files, read them, check each, cross-check all.

The front half of agentrun on one screen. Sync; reads files and nothing else; all findings in one pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from agentrun.diagnostics import Diagnostic, Report, Span, report
from agentrun.spec.catalog import Catalog, Document, RawDocument, build
from agentrun.spec.nodes import Node, Route
from agentrun.spec.rules import cross_check
from agentrun.spec.schema import Kind
from agentrun.spec.yaml_nodes import ReadFile, read_bytes, read_plain


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
        return report(found, self.sources)

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
            called = document.node.get("agent") if document.kind == "tool" else None
            if called is not None and called.content in self.catalog.agents:
                waiting.append(self.catalog.agents[called.content])
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
    misplaced: list[Diagnostic] = []
    found: list[tuple[Kind, Path]] = []
    for kind, path in _find(root, tools, misplaced):
        found.append((kind, path))
    known = {path for _, path in found}
    found += [(guess_kind(path), path) for path in files if path.resolve() not in known]
    sources: dict[str, str] = {}
    raw: list[RawDocument] = []
    unreadable = misplaced
    for kind, path in found:
        shown = display(path)
        read = _read(path, shown)
        sources[shown] = read.text
        unreadable += read.diagnostics
        raw += _documents(kind, path, shown, read)
        unreadable += _empty_or_crowded(kind, shown, read)
    raw = [_with_files(document, sources, unreadable) for document in raw]
    catalog = build(raw, environ)
    return Project(root, catalog, cross_check(catalog), unreadable, sources)


def display(path: Path) -> str:
    """Relative to the current folder where it lies below it; POSIX slashes."""
    resolved = path.resolve()
    here = Path.cwd()
    return resolved.relative_to(here).as_posix() if resolved.is_relative_to(here) else resolved.as_posix()


def guess_kind(path: Path) -> Kind:
    """What a file outside the usual folders is: by its place and name, an agent otherwise."""
    if path.name.endswith(".test.yaml"):
        return "test"
    return "tool" if path.parent.name == "tools.d" else "agent"


def _find(root: Path, tools: Sequence[Path], misplaced: list[Diagnostic]) -> list[tuple[Kind, Path]]:
    folders: list[tuple[Kind, Path]] = [("agent", root / "agents"), ("tool", root / "tools.d")]
    folders += [("tool", folder.resolve()) for folder in tools]
    found: list[tuple[Kind, Path]] = []
    for kind, folder in folders:
        if not folder.is_dir():
            continue
        found += [(kind, path) for path in sorted(folder.glob("*.yaml"))]
        for path in sorted(folder.glob("*.yml")):
            misplaced.append(_misplaced(path, f"`{path.name}` is not read: files end in `.yaml`", "rename it"))
    if (root / "tests").is_dir():
        found += [("test", path) for path in _own(root, "*.test.yaml")]
        for path in _own(root, "*.test.yml"):
            misplaced.append(_misplaced(path, f"`{path.name}` is not read: tests end in `.test.yaml`", "rename it"))
    if any(folder.is_dir() for _, folder in folders):
        for wrong, right in (("agent", "agents"), ("tools", "tools.d"), ("tool", "tools.d")):
            strays = sorted((root / wrong).glob("*.y*ml")) if not (root / right).is_dir() or wrong != right else []
            if strays:
                message = f"`{wrong}/` is not read: {right} stand in `{right}/`".replace("tools.d stand", "tools stand")
                misplaced.append(_misplaced(strays[0], message, f"rename the folder to `{right}`"))
    return found


def _own(root: Path, pattern: str) -> list[Path]:
    """The test files of this project: those below a folder that is a project itself are not its."""
    return [path for path in sorted((root / "tests").rglob(pattern)) if find_root(path) == root]


def _misplaced(path: Path, message: str, help: str) -> Diagnostic:
    return Diagnostic("AR105", "error", message, Span(display(path), 1, 1, 1, 1), help)


def _read(path: Path, shown: str) -> ReadFile:
    try:
        return read_bytes(shown, path.read_bytes())
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        found = Diagnostic("AR101", "error", f"the file can't be read: {reason}", Span(shown, 1, 1, 1, 1))
        return ReadFile(shown, "", [], [found])


def _documents(kind: Kind, path: Path, shown: str, read: ReadFile) -> list[RawDocument]:
    stem = path.name.removesuffix(".test.yaml").removesuffix(".yaml")
    several = len(read.documents) > 1
    documents = read.documents if kind == "tool" else read.documents[:1]
    return [RawDocument(kind, shown, _name(node, stem, index, several), node) for index, node in enumerate(documents)]


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
        reference = node.content.get("file") if node.is_mapping and len(node.content) == 1 else None
        return [done] if reference is not None and isinstance(reference.content, str) else []
    step, *rest = route
    if step == "*":
        children = list(enumerate(node.content)) if node.is_list else []
    else:
        child = node.get(step) if node.is_mapping else None
        children = [(step, child)] if child is not None else []
    return [found for key, child in children for found in _matching(child, tuple(rest), (*done, key))]


def _filled(node: Node, route: Route, sources: dict[str, str], found: list[Diagnostic]) -> Node:
    reference = node.get(*route, "file")
    if reference is None:
        return node
    path = Path(reference.span.file).resolve().parent / str(reference.content)
    shown = display(path)
    try:
        raw = path.read_bytes()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        message = f"the file `{reference.content}` can't be read: {reason}"
        help = "the path is relative to the file that names it"
        found.append(Diagnostic("AR408", "error", message, reference.span, help))
        return _replaced(node, route, Node("", reference.span))
    read = read_bytes(shown, raw) if route[-1] != "system_prompt" else read_plain(shown, raw)
    sources[shown] = read.text
    found += read.diagnostics
    return _replaced(node, route, read.documents[0] if read.documents else Node([], reference.span))


def _replaced(node: Node, route: Route, new: Node) -> Node:
    if not route:
        return new
    step, *rest = route
    content = dict(node.content) if node.is_mapping else list(node.content)
    content[step] = _replaced(content[step], tuple(rest), new)
    return Node(content, node.span, keys=node.keys)


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
        message = f"a file of {kind}s holds one document, and this is the second".replace("agents", "an agent")
        return [Diagnostic("AR310", "error", message, documents[1].span, "give each its own file")]
    found = []
    for node in documents if kind == "tool" and len(documents) > 1 else []:
        if node.is_mapping and node.get("name") is None:
            message = "the key `name` is missing: the file holds several tools"
            found.append(Diagnostic("AR302", "error", message, Span(shown, node.span.line, 1, node.span.line, 1)))
    return found


_EXPECTED: dict[Kind, str] = {
    "agent": "at least `model: NAME`",
    "tool": "at least a `description` and a backend such as `http`",
    "test": "`agent: NAME` and `cases`",
}
