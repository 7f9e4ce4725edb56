"""Files to raw documents: the bytes from disk or from an editor, their YAML, and the `{file: path}` in them.

Everything that was read is kept by the path that findings show.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from agentrun.diagnostics import Diagnostic, Span
from agentrun.discovery import display, refuse_pipe
from agentrun.errors import reason_of
from agentrun.spec.catalog import RawDocument
from agentrun.spec.nodes import Node, Route
from agentrun.spec.schema import Kind
from agentrun.spec.text_traps import text_traps
from agentrun.spec.yaml_nodes import MAX_BYTES, ReadFile, read_bytes, read_plain


class Reader:
    """Reads the files of one project. `texts` stand for the content of files, by absolute path.

    All by the path of a file that was asked for: `found` is what was wrong with its reading and that of the files it
    names, `unread` the names that it seems to define where it could not be read to its end, `traps` what its text
    shows. `files` holds all that was read.
    """

    def __init__(self, texts: Mapping[str, bytes]) -> None:
        self.texts = texts
        self.files: dict[str, ReadFile] = {}
        self.found: dict[str, list[Diagnostic]] = {}
        self.unread: dict[str, set[tuple[Kind, str]]] = {}
        self.traps: dict[str, list[Diagnostic]] = {}
        self._folders: dict[str, str] = {}

    def documents(self, kind: Kind, path: Path) -> list[RawDocument]:
        """The documents of a file, each with the files that it names."""
        shown = self._display(path)
        read = self._file(path, shown)
        self.files[shown] = read
        found = [*read.diagnostics, *_empty_or_crowded(kind, shown, read)]
        if read.stopped or not read.documents or _is_nameless(kind, read):
            self.unread[shown] = {(kind, name) for name in (_stem(path), *_NAME.findall(read.text))}
        documents = [self._with_files(document, found) for document in _documents(kind, path, shown, read)]
        if found:
            self.found[shown] = found
        return documents

    def _display(self, path: Path) -> str:
        """What `display` gives, which looks about on the disk: asked once for a folder."""
        folder, name = os.path.split(path)
        if folder not in self._folders:
            self._folders[folder] = display(Path(folder))
        above = self._folders[folder]
        return name if above == "." else f"{above.rstrip('/')}/{name}"

    def _file(self, path: Path, shown: str) -> ReadFile:
        try:
            raw = self._bytes(path)
        except OSError as error:
            message = f"the file can't be read: {reason_of(error)}"
            found = Diagnostic("AR101", "error", message, Span(shown, 1, 1, 1, 1))
            return ReadFile(shown, "", [], [found], stopped=True)
        read = read_bytes(shown, raw)
        self.traps[shown] = text_traps(read, raw)
        return read

    def _bytes(self, path: Path) -> bytes:
        """No more than what is needed to see that it is too much."""
        held = self.texts.get(os.path.abspath(path))  # noqa: PTH100 - follows no link
        if held is not None:
            return held
        refuse_pipe(path)
        with path.open("rb") as file:
            begin = file.read(_MOST_FILES)  # to make room for all that a file may hold takes longer than to read it
            return begin if len(begin) < _MOST_FILES else begin + file.read(MAX_BYTES + 1 - _MOST_FILES)

    def _with_files(self, document: RawDocument, found: list[Diagnostic]) -> RawDocument:
        """The document with each `{file: path}` replaced by what stands in the file."""
        node = document.node
        for route in _FILE_KEYS[document.kind]:
            for whole in _matching(node, route):
                node = self._filled(node, whole, found)
        return msgspec.structs.replace(document, node=node)

    def _filled(self, node: Node, route: Route, found: list[Diagnostic]) -> Node:
        reference = node.get(*route, "file")
        if reference is None:
            return node
        is_prompt = route[-1] == "system_prompt"
        path = Path(reference.span.file).parent / str(reference.content)
        try:
            raw = self._bytes(path)
        except (OSError, ValueError) as error:
            message = f"the file `{reference.content}` can't be read: {reason_of(error)}"
            help = "the path is relative to the file that names it"
            found.append(Diagnostic("AR408", "error", message, reference.span, help))
            return _replaced(node, route, Node("" if is_prompt else [], reference.span))
        shown = display(path)
        read = read_plain(shown, raw) if is_prompt else read_bytes(shown, raw)
        self.files[shown] = read
        found += read.diagnostics
        return _replaced(node, route, read.documents[0] if read.documents else Node([], reference.span))


_MOST_FILES = 65_536  # bytes, and few have more
# What a file that can't be read seems to define.
_NAME = re.compile(r"^name: *[\"']?([A-Za-z0-9_-]+)", re.MULTILINE)


def _documents(kind: Kind, path: Path, shown: str, read: ReadFile) -> list[RawDocument]:
    several = len(read.documents) > 1
    documents = read.documents if kind == "tool" else read.documents[:1]
    return [
        RawDocument(kind, shown, _name(node, _stem(path), index, several), node) for index, node in enumerate(documents)
    ]


def _stem(path: Path) -> str:
    return path.name.removesuffix(".yaml").removesuffix(".test")


# Where a `{file: path}` may stand; `*` is any index of a list. A prompt is a text, a script a YAML list.
_FILE_KEYS: dict[Kind, tuple[Route, ...]] = {
    "agent": (("system_prompt",), ("model", "script"), ("model", "fallback", "*", "script")),
    "tool": (),
    "test": (("model",), ("cases", "*", "model")),
}


def _matching(node: Node, route: Route, done: Route = ()) -> list[Route]:
    if not route:
        reference = node.get("file") if node.is_mapping and len(node.content) == 1 else None
        return [done] if reference is not None and isinstance(reference.content, str) else []
    step, *rest = route
    steps: Iterable[str | int] = [step] if step != "*" else range(len(node.content)) if node.is_list else ()
    children = [(one, child) for one in steps if (child := node.get(one)) is not None]
    return [found for one, child in children for found in _matching(child, tuple(rest), (*done, one))]


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
    for node in documents if _is_nameless(kind, read) else []:
        if node.is_mapping and node.get("name") is None:
            message = "the key `name` is missing: the file holds several tools"
            found.append(Diagnostic("AR302", "error", message, node.first_line))
    return found


def _is_nameless(kind: Kind, read: ReadFile) -> bool:
    """Whether one of several tools of a file has no name."""
    several = kind == "tool" and len(read.documents) > 1
    return several and any(node.is_mapping and node.get("name") is None for node in read.documents)


_EXPECTED: dict[Kind, str] = {
    "agent": "at least `model: NAME`",
    "tool": "at least a `description` and a backend such as `http`",
    "test": "`agent: NAME` and `cases`",
}
