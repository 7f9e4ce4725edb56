"""A folder to a `Project`: find the files, read them, check each, cross-check all.

The front half of agentrun on one screen. Sync; reads files and nothing else; all findings in one pass.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path

import msgspec

from agentrun.bindable import unbindable
from agentrun.diagnostics import MAX_TOLD, Diagnostic, Report, Span, report
from agentrun.discovery import find_files
from agentrun.on_disk import missing_on_disk
from agentrun.overlooked import wanted, weighed
from agentrun.reading import Reader
from agentrun.secrets import Masker
from agentrun.spec.catalog import Catalog, Document, build
from agentrun.spec.credential_words import without_keys
from agentrun.spec.lines import written
from agentrun.spec.nodes import items
from agentrun.spec.rules import check_whole, cross_check
from agentrun.spec.schema import Kind
from agentrun.spec.yaml_nodes import ReadFile


class Project(msgspec.Struct, frozen=True, eq=False):
    """Everything read and checked.

    `crossed` are the findings of rules and of the disk, by document; `unreadable` those about the reading of files, by
    file, and `unread` the names that a file seems to define which could not be read to its end; `whole` are findings
    that hold of the project as a whole, such as an unused tool; `files` is what was read, by the path that findings
    show.
    """

    root: Path
    catalog: Catalog
    crossed: dict[Document, list[Diagnostic]]
    unreadable: dict[str, list[Diagnostic]]
    unread: dict[str, set[tuple[Kind, str]]]
    whole: list[Diagnostic]
    files: dict[str, ReadFile]

    @property
    def sources(self) -> dict[str, str]:
        """The text of each file."""
        return {path: read.text for path, read in self.files.items()}

    def report(self, documents: Iterable[Document] | None = None, *, files: Iterable[str] = ()) -> Report:
        """All findings, or those of some documents, of further files, and of what they may need that can't be read."""
        chosen = list(self.catalog.documents() if documents is None else documents)
        found = self._of_files(None if documents is None else chosen, files)
        for document in chosen:
            found += document.diagnostics
            found += self.crossed.get(document, [])
        of_named, texts = self._of_files_of_tests(chosen)
        found += of_named
        # A message or a help may show a value, and a value may have come from the environment or be a key itself.
        secrets = {secret for document in self.catalog.documents() for secret in document.secrets}
        mask = Masker(secrets | {self._key_at(one.span) for one in found if one.code == "AR802"})

        def hidden(text: str) -> str:
            return without_keys(mask.text(text))

        def masked(one: Diagnostic) -> Diagnostic:
            help = None if one.help is None else hidden(one.help)
            related = tuple(msgspec.structs.replace(other, message=hidden(other.message)) for other in one.related)
            fix = None if one.fix is None else msgspec.structs.replace(one.fix, title=hidden(one.fix.title))
            return msgspec.structs.replace(one, message=hidden(one.message), help=help, related=related, fix=fix)

        return report(map(masked, found), {**texts, **self.sources})

    def _of_files_of_tests(self, documents: Iterable[Document]) -> tuple[list[Diagnostic], dict[str, str]]:
        """Of cassettes and attached files that sound test files name: read only where somebody asks about these."""
        found: list[Diagnostic] = []
        texts: dict[str, str] = {}
        for document in documents:
            if document.kind != "test" or self._has_errors(document):
                continue
            if _names_cassettes(document):
                from agentrun.taped import cassette_findings

                more, further = cassette_findings(document)
                found += more
                texts |= further
            if _attaches(document):
                from agentrun.attachable import attachment_findings

                found += attachment_findings(document)
        return found, texts

    def _has_errors(self, document: Document) -> bool:
        return any(one.severity == "error" for one in (*document.diagnostics, *self.crossed.get(document, ())))

    def _of_files(self, chosen: list[Document] | None, files: Iterable[str]) -> list[Diagnostic]:
        """What is found of files as such, of all or of those that concern some documents."""
        everything = [one for found in self.unreadable.values() for one in found] + self.catalog.diagnostics
        concerned = {*files, *(document.path for document in chosen or ())}
        if chosen is None or not concerned:
            return everything + (self.whole if chosen is None else [])
        concerned |= {file for file, names in self.unread.items() if self.catalog.may_need(chosen, names)}
        return [
            one
            for one in everything
            if one.span.file in concerned or any(other.span.file in concerned for other in one.related)
        ] + [one for file in concerned for one in self.unreadable.get(file, ()) if one.span.file not in concerned]

    def _key_at(self, span: Span) -> str:
        """The key that stands at a place, without its quotes."""
        return written(self.files[span.file].text, span).strip("\"'") if span.file in self.files else ""

    def reachable(self, agent: Document) -> list[Document]:
        """An agent, its tools, and the agents that it can call, with theirs."""
        return self.catalog.reached(agent)

    def files_under(self, paths: Sequence[Path]) -> set[str]:
        """Those of the project's files, read or overlooked, that are these files or stand in these folders."""
        wanted = {path.resolve() for path in paths}

        def is_wanted(file: str) -> bool:
            path = Path(file).resolve()
            return path in wanted or not wanted.isdisjoint(path.parents)

        return {file for file in {*self.files, *self.unreadable} if is_wanted(file)}

    def reached_from(self, files: Container[str]) -> list[Document]:
        """The documents in these files, and what their agents reach."""
        chosen = [document for document in self.catalog.documents() if document.path in files]
        return list(dict.fromkeys(reached for document in chosen for reached in self.reachable(document)))


def _names_cassettes(test: Document) -> bool:
    cases = items(test.node.get("cases"))
    return any(one.get("cassette") is not None for one in (test.node, *cases) if one.is_mapping)


def _attaches(test: Document) -> bool:
    cases = [one for one in items(test.node.get("cases")) if one.is_mapping]
    said = [step for case in cases for step in items(case.get("conversation")) if step.is_mapping]
    return any(one.get("attach") is not None for one in (*cases, *said))


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
    missed = wanted(raw) - known
    for index, finding in enumerate(misplaced):
        misplaced[index], names = weighed(finding, root, missed)
        if names:
            reader.unread.setdefault(finding.span.file, set()).update(names)
    unread = frozenset(name for names in reader.unread.values() for name in names)
    catalog = build(raw, environ, unread - known, {path: read.text for path, read in reader.files.items()})
    if any(one.kind == "tool" and one.node.get("openapi") is not None for one in catalog.documents()):
        from agentrun.openapi_findings import members_of_sets

        catalog.members.update(members_of_sets(catalog, environ))
    crossed = cross_check(catalog)
    for document in catalog.documents():
        own = crossed.setdefault(document, [])
        if not any(one.severity == "error" for one in (*document.diagnostics, *own)):
            own += [*unbindable(document), *missing_on_disk(document)]
            if document.node.get("python") is not None:
                from agentrun.python_source import python_findings

                own += python_findings(document, root)
            if document.node.get("openapi") is not None:
                from agentrun.openapi_findings import openapi_findings

                own += islice(openapi_findings(document, environ), MAX_TOLD)
        own += reader.traps.get(document.path, ())
    unreadable = dict(reader.found)
    for one in misplaced:
        unreadable[one.span.file] = [one, *unreadable.get(one.span.file, ())]
    return Project(root, catalog, crossed, unreadable, reader.unread, check_whole(catalog), reader.files)
