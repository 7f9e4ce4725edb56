"""One editor's server: its open files, their checks, and what is published of these.

Checks run in a thread, one a project at a time; what was typed meanwhile makes the next one, and only what was found in
the newest texts is published. Which request asks for what is in `methods.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from lsprotocol import types
from pygls.lsp.server import LanguageServer
from pygls.uris import from_fs_path, to_fs_path

from agentrun import __version__
from agentrun.diagnostics import Diagnostic, Edit, Span
from agentrun.discovery import find_root
from agentrun.fixes import by_file
from agentrun.lsp.actions import Action, actions_for, safe_fixes, touches
from agentrun.lsp.desk import Checked, Desk, Open, kind_of, shown_names
from agentrun.lsp.naming import whole_path
from agentrun.lsp.positions import Encoding, Positions
from agentrun.lsp.protocol import Protocol
from agentrun.lsp.values import SEVERITIES, UNUSED, range_of
from agentrun.lsp.view import View
from agentrun.spec.schema import Kind

QUIET_S = 0.1  # how long nothing is typed before a check begins
FIX_ALL = "source.fixAll.agentrun"
_log = logging.getLogger(__name__)
Positioned = types.CompletionParams | types.HoverParams | types.DefinitionParams


class Asked(NamedTuple):
    """A place that a request is about: what is known around it, and its offset in the text."""

    view: View
    positions: Positions
    offset: int

    def range(self, start: int, end: int) -> types.Range:
        return range_of(self.positions.range_of(start, end))


class Server(LanguageServer):
    """One editor's server. `desk` holds its files; `was_shut_down` says that it left as the protocol wants."""

    def __init__(self, desk: Desk) -> None:
        super().__init__("agentrun", __version__, protocol_cls=Protocol)
        self.desk = desk
        self.positions = lru_cache(16)(lambda text: Positions(text, self.encoding))
        self.was_shut_down = False
        self._running: dict[Path, asyncio.Task[None]] = {}
        self._stale: set[Path] = set()

    @property
    def encoding(self) -> Encoding:
        encodings: dict[str, Encoding] = {"utf-8": "utf-8", "utf-32": "utf-32"}
        return encodings.get(_plain(self.workspace.position_encoding), "utf-16")

    # -- files

    def open(self, document: types.TextDocumentItem) -> None:
        """Take a file and have its project checked. A text without a file has no project."""
        path = to_fs_path(document.uri) if document.uri.startswith("file:") else None
        if path is not None and "\0" not in path:
            self.hold(Open(document.uri, Path(path), document.version, document.text), at_once=True)

    def change(self, params: types.DidChangeTextDocumentParams) -> None:
        file = self.desk.files.get(params.text_document.uri)
        if file is None:
            return
        text = file.text
        for change in params.content_changes:
            if isinstance(change, types.TextDocumentContentChangePartial):
                start, end = self.offsets(text, change.range)
                text = text[:start] + change.text + text[end:]
            else:
                text = change.text
        self.hold(Open(file.uri, file.path, params.text_document.version, text))

    def hold(self, file: Open, *, at_once: bool = False) -> None:
        self.want_check(self.desk.hold(file), at_once=at_once)

    def offsets(self, text: str, place: types.Range) -> tuple[int, int]:
        positions = self.positions(text)
        start, end = (positions.offset((one.line, one.character)) for one in (place.start, place.end))
        return start, max(start, end)

    def known(self, uri: str) -> tuple[Open, Kind] | None:
        """An open file that is one of its project's, and what it is there."""
        file = self.desk.files.get(uri)
        kind = kind_of(file, find_root(file.path), self.desk.tools) if file is not None else None
        return (file, kind) if file is not None and kind is not None else None

    def drop(self, uri: str) -> None:
        root = self.desk.drop(uri)
        self._publish(uri, None, [])
        if root is not None and self.desk.open_in(root):
            self.want_check(root)

    def want_check(self, root: Path, *, at_once: bool = False) -> None:
        self._stale.add(root)
        if root not in self._running:
            task = asyncio.ensure_future(self._check_until_fresh(root, 0 if at_once else QUIET_S))
            self._running[root] = task
            task.add_done_callback(lambda done: self._finished(root, done))

    def _finished(self, root: Path, task: asyncio.Task[None]) -> None:
        self._running.pop(root, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("the check of %s failed", root, exc_info=error)
        if root in self._stale:  # a change came after its last look
            self.want_check(root)

    async def _check_until_fresh(self, root: Path, pause: float) -> None:
        while root in self._stale:
            await asyncio.sleep(pause)
            self._stale.discard(root)
            files = self.desk.open_in(root)
            checked = await asyncio.to_thread(self.desk.check, root, files)
            self.desk.settle(checked)
            pause = QUIET_S
        self.publish(checked)

    async def asked(self, params: Positioned) -> Asked | None:
        """The place of a request, once the project of its file was read; None in a file that is none of ours."""
        file = self.desk.files.get(params.text_document.uri)
        if file is None:
            return None
        positions = self.positions(file.text)
        offset = positions.offset((params.position.line, params.position.character))
        view = self.desk.view(file, offset)
        if view is None and (running := self._running.get(find_root(file.path))) is not None:
            await asyncio.wait([running], timeout=10)
            view = self.desk.view(file, offset)
        return Asked(view, positions, offset) if view is not None else None

    # -- findings

    def publish(self, checked: Checked) -> None:
        for file in checked.files.values():
            if file.uri in self.desk.files:
                found = [self._diagnostic(one, file, checked) for one in findings_of(file, checked)]
                self._publish(file.uri, file.version, found)

    def _publish(self, uri: str, version: int | None, found: list[types.Diagnostic]) -> None:
        self.text_document_publish_diagnostics(types.PublishDiagnosticsParams(uri, found, version))

    def _diagnostic(self, found: Diagnostic, file: Open, checked: Checked) -> types.Diagnostic:
        message = found.message if found.help is None else f"{found.message}\nhelp: {found.help}"
        related = [
            types.DiagnosticRelatedInformation(self.location(other.span, checked), other.message)
            for other in found.related
        ]
        return types.Diagnostic(
            range=range_of(self.positions(file.text).range(found.span)),
            message=message,
            severity=SEVERITIES[found.severity],
            code=found.code,
            source="agentrun",
            tags=[types.DiagnosticTag.Unnecessary] if found.code.startswith(UNUSED) else None,
            related_information=related or None,
            data={"fix": found.fix.title, "safe": found.fix.safe} if found.fix is not None else None,
        )

    def location(self, span: Span, checked: Checked | None) -> types.Location:
        """A place in any file, in the editor's own spelling of its path where it is open."""
        uri, text = self._text_of(span.file, checked)
        return types.Location(uri, range_of(self.positions(text).range(span)))

    def _text_of(self, shown: str, checked: Checked | None) -> tuple[str, str]:
        for file in self.desk.files.values():
            if shown in shown_names(file.path):
                return file.uri, file.text
        text = checked.project.sources.get(shown) if checked is not None else None
        path = whole_path(shown)
        if text is None:
            with contextlib.suppress(OSError):
                text = path.read_text(encoding="utf-8", errors="replace")
        return str(from_fs_path(str(path))), text or ""

    # -- actions

    def actions(self, params: types.CodeActionParams) -> list[types.CodeAction]:
        file = self.desk.files.get(params.text_document.uri)
        checked = next((one for one in self.desk.checked.values() if file is not None and file.uri in one.files), None)
        if file is None or checked is None or checked.files[file.uri] is not file:
            return []  # what was found is of another text: its places are no longer right
        positions = self.positions(file.text)
        begin, end = (positions.line_and_column(offset) for offset in self.offsets(file.text, params.range))
        found = findings_of(file, checked)
        actions = []
        if _is_wanted(types.CodeActionKind.QuickFix, params.context.only):
            touched = (one for one in found if touches(one.span, begin, end))
            actions += [action for one in touched for action in actions_for(one, file.text)]
        own_safe = [one for one in found if one.fix is not None and one.fix.safe]
        if own_safe and _is_wanted(FIX_ALL, params.context.only):
            actions.append(Action("Make all safe fixes", safe_fixes(own_safe, checked.project.sources)))
        return [self._action(action, file, checked) for action in actions]

    def _action(self, action: Action, file: Open, checked: Checked) -> types.CodeAction:
        return types.CodeAction(
            title=action.title,
            kind=types.CodeActionKind.QuickFix if action.mends is not None else FIX_ALL,
            diagnostics=[self._diagnostic(action.mends, file, checked)] if action.mends is not None else None,
            is_preferred=action.is_preferred or None,
            edit=types.WorkspaceEdit(changes=dict(self._changes(action.edits, checked))),
        )

    def _changes(self, edits: tuple[Edit, ...], checked: Checked) -> Iterator[tuple[str, list[types.TextEdit]]]:
        for shown, own in by_file(edits).items():
            uri, text = self._text_of(shown, checked)
            positions = self.positions(text)
            yield uri, [types.TextEdit(range_of(positions.range(edit.span)), edit.text) for edit in own]


def findings_of(file: Open, checked: Checked) -> list[Diagnostic]:
    names = shown_names(file.path)
    return [one for one in checked.report.diagnostics if one.span.file in names]


def _is_wanted(kind: str, wanted: Any) -> bool:
    return wanted is None or any(f"{_plain(kind)}.".startswith(f"{_plain(one)}.") for one in wanted)


def _plain(kind: Any) -> str:
    return str(getattr(kind, "value", kind))
