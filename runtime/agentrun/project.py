"""A folder to a `Project`: find the files, read them, check each, cross-check all.

The front half of agentrun on one screen. Sync; reads files and nothing else; all findings in one pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from agentrun.bindable import unbindable
from agentrun.diagnostics import Diagnostic, Report, Span, report
from agentrun.discovery import find_files
from agentrun.on_disk import missing_on_disk
from agentrun.reading import Reader
from agentrun.secrets import Masker
from agentrun.spec.catalog import Catalog, Document, build
from agentrun.spec.nodes import LINE_BREAK
from agentrun.spec.rules import check_whole, cross_check
from agentrun.spec.yaml_nodes import ReadFile


class Project(msgspec.Struct, frozen=True, eq=False):
    """Everything read and checked.

    `unreadable` are findings of files whose content is unknown; `whole` are findings that hold of the project as a
    whole, such as an unused tool; `files` is what was read, by the path that findings show.
    """

    root: Path
    catalog: Catalog
    crossed: dict[int, list[Diagnostic]]
    unreadable: list[Diagnostic]
    whole: list[Diagnostic]
    files: dict[str, ReadFile]

    @property
    def sources(self) -> dict[str, str]:
        """The text of each file."""
        return {path: read.text for path, read in self.files.items()}

    def report(self, documents: Iterable[Document] | None = None) -> Report:
        """All findings, or those of some documents and of files that can't be read."""
        chosen = list(self.catalog.documents() if documents is None else documents)
        found = [*self.unreadable, *self.catalog.diagnostics, *(self.whole if documents is None else ())]
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


def read_project(
    root: Path,
    environ: Mapping[str, str],
    *,
    tools: Sequence[Path] = (),
    files: Sequence[Path] = (),
    texts: Mapping[str, bytes] | None = None,
) -> Project:
    """Read `root`, further folders of tools, and further files. Findings show paths relative to the current folder.

    `texts` stand for the content of files, by absolute path: what an editor holds, or what came on standard input.
    """
    root = root.resolve()
    misplaced: list[Diagnostic] = []
    reader = Reader(texts or {})
    found = find_files(root, tools, files, misplaced)
    raw = [document for kind, path in found for document in reader.documents(kind, path)]
    known = {(document.kind, document.name) for document in raw}
    written = {path: read.text for path, read in reader.files.items()}
    catalog = build(raw, environ, frozenset(reader.unread - known), written)
    crossed = cross_check(catalog)
    for document in catalog.documents():
        found_before = [*document.diagnostics, *crossed.get(id(document), [])]
        if not any(one.severity == "error" for one in found_before):
            crossed.setdefault(id(document), []).extend([*unbindable(document), *missing_on_disk(document)])
            if document.node.get("python") is not None:
                from agentrun.python_source import python_findings

                crossed[id(document)] += python_findings(document, root)
        crossed.setdefault(id(document), []).extend(reader.traps.get(document.path, ()))
    return Project(root, catalog, crossed, [*misplaced, *reader.found], check_whole(catalog), reader.files)
