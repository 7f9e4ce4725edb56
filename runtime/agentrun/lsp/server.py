"""The protocol's side of the language server: requests to questions, findings to diagnostics.

Checks run in a thread, one a project at a time; what was typed meanwhile makes the next one, and only what was found in
the newest texts is published. Nothing but the protocol goes to standard output.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

from lsprotocol import types
from pygls.lsp.server import LanguageServer
from pygls.uris import from_fs_path, to_fs_path

from agentrun import __version__
from agentrun.diagnostics import Diagnostic, Edit, Span
from agentrun.discovery import find_root
from agentrun.lsp.actions import Action, actions_for, by_file, safe_fixes, touches
from agentrun.lsp.completion import complete
from agentrun.lsp.definition import define
from agentrun.lsp.desk import Checked, Desk, Open, kind_of, shown_names
from agentrun.lsp.formatting import laid_out
from agentrun.lsp.hover import hover
from agentrun.lsp.naming import whole_path
from agentrun.lsp.positions import Encoding, Positions
from agentrun.lsp.protocol import Protocol, watch_editor
from agentrun.lsp.symbols import symbols_of
from agentrun.lsp.values import SEVERITIES, UNUSED, item_of, range_of, symbol_of
from agentrun.lsp.view import View
from agentrun.spec.schema import Kind

QUIET_S = 0.1  # how long nothing is typed before a check begins
_FIX_ALL = "source.fixAll.agentrun"
_log = logging.getLogger(__name__)


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

    def known(self, uri: str) -> tuple[Open | None, Kind | None]:
        """An open file, and what it is to its project."""
        file = self.desk.files.get(uri)
        return file, kind_of(file, find_root(file.path), self.desk.tools) if file is not None else None

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

    async def view(self, uri: str, position: types.Position) -> tuple[View, Positions, int] | None:
        """A file and a place in it, once its project was read."""
        file = self.desk.files.get(uri)
        if file is None:
            return None
        positions = self.positions(file.text)
        offset = positions.offset((position.line, position.character))
        view = self.desk.view(file, offset)
        if view is None and (running := self._running.get(find_root(file.path))) is not None:
            await asyncio.wait([running], timeout=10)
            view = self.desk.view(file, offset)
        return (view, positions, offset) if view is not None else None

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
        if own_safe and _is_wanted(_FIX_ALL, params.context.only):
            actions.append(Action("Make all safe fixes", safe_fixes(own_safe)))
        return [self._action(action, file, checked) for action in actions]

    def _action(self, action: Action, file: Open, checked: Checked) -> types.CodeAction:
        return types.CodeAction(
            title=action.title,
            kind=types.CodeActionKind.QuickFix if action.mends is not None else _FIX_ALL,
            diagnostics=[self._diagnostic(action.mends, file, checked)] if action.mends is not None else None,
            is_preferred=action.is_preferred or None,
            edit=types.WorkspaceEdit(changes=dict(self._changes(action.edits, checked))),
        )

    def _changes(self, edits: tuple[Edit, ...], checked: Checked) -> Any:
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


# -- the protocol's methods


def make_server(desk: Desk) -> Server:
    server = Server(desk)
    _follow_files(server)
    _answer_questions(server)
    return server


def _follow_files(server: Server) -> None:
    @server.feature(types.INITIALIZE)
    def initialize(params: types.InitializeParams) -> None:
        watch_editor(params.process_id)

    @server.feature(types.INITIALIZED)
    async def initialized(params: types.InitializedParams) -> None:
        await _watch_files(server)

    @server.feature(types.TEXT_DOCUMENT_DID_OPEN)
    def did_open(params: types.DidOpenTextDocumentParams) -> None:
        server.open(params.text_document)

    @server.feature(types.TEXT_DOCUMENT_DID_CHANGE)
    def did_change(params: types.DidChangeTextDocumentParams) -> None:
        server.change(params)

    @server.feature(types.TEXT_DOCUMENT_DID_SAVE)
    def did_save(params: types.DidSaveTextDocumentParams) -> None:
        if (file := server.desk.files.get(params.text_document.uri)) is not None:
            server.hold(file, at_once=True)

    @server.feature(types.TEXT_DOCUMENT_DID_CLOSE)
    def did_close(params: types.DidCloseTextDocumentParams) -> None:
        server.drop(params.text_document.uri)

    @server.feature(types.WORKSPACE_DID_CHANGE_WATCHED_FILES)
    def files_changed(params: types.DidChangeWatchedFilesParams) -> None:
        for root in {find_root(file.path) for file in server.desk.files.values()}:
            server.want_check(root)

    @server.feature(types.SHUTDOWN)
    def shut_down(params: None) -> None:
        server.was_shut_down = True


async def _watch_files(server: Server) -> None:
    """Ask to be told of files that change elsewhere, where the editor can do that."""
    workspace = server.client_capabilities.workspace
    watching = workspace.did_change_watched_files if workspace is not None else None
    if watching is None or not watching.dynamic_registration:
        return
    watchers = [types.FileSystemWatcher(f"**/{name}") for name in ("*.{yaml,yml}", "agentrun.toml", "pyproject.toml")]
    options = types.DidChangeWatchedFilesRegistrationOptions(watchers)
    wanted = types.Registration("files", types.WORKSPACE_DID_CHANGE_WATCHED_FILES, options)
    await server.client_register_capability_async(types.RegistrationParams([wanted]))


def _answer_questions(server: Server) -> None:
    @server.feature(types.TEXT_DOCUMENT_COMPLETION, types.CompletionOptions(trigger_characters=[".", "{", "[", " "]))
    async def completion(params: types.CompletionParams) -> types.CompletionList | None:
        asked = await server.view(params.text_document.uri, params.position)
        found = complete(asked[0], asked[2]) if asked is not None else None
        if asked is None or found is None:
            return None
        place = range_of(asked[1].range_of(found.start, found.end))
        items = [item_of(number, choice, place) for number, choice in enumerate(found.choices)]
        return types.CompletionList(is_incomplete=False, items=items)

    @server.feature(types.TEXT_DOCUMENT_HOVER)
    async def hovered(params: types.HoverParams) -> types.Hover | None:
        asked = await server.view(params.text_document.uri, params.position)
        found = hover(asked[0], asked[2]) if asked is not None else None
        if asked is None or found is None:
            return None
        text = types.MarkupContent(types.MarkupKind.Markdown, found.text)
        return types.Hover(text, range_of(asked[1].range_of(found.start, found.end)))

    @server.feature(types.TEXT_DOCUMENT_DEFINITION)
    async def definition(params: types.DefinitionParams) -> list[types.Location]:
        asked = await server.view(params.text_document.uri, params.position)
        if asked is None:
            return []
        checked = server.desk.checked.get(asked[0].root)
        beginning = (1, 1, 1, 1)
        return [
            server.location(target.span or Span(str(target.path), *beginning), checked)
            for target in define(asked[0], asked[2])
        ]

    @server.feature(
        types.TEXT_DOCUMENT_CODE_ACTION,
        types.CodeActionOptions(code_action_kinds=[types.CodeActionKind.QuickFix, _FIX_ALL]),
    )
    def code_action(params: types.CodeActionParams) -> list[types.CodeAction]:
        return server.actions(params)

    @server.feature(types.TEXT_DOCUMENT_FORMATTING)
    def formatting(params: types.DocumentFormattingParams) -> list[types.TextEdit]:
        file, kind = server.known(params.text_document.uri)
        if file is None or kind is None:
            return []
        changed = laid_out(kind, file)
        if changed is None:
            return []
        start, end, text = changed
        return [types.TextEdit(range_of(server.positions(file.text).range_of(start, end)), text)]

    @server.feature(types.TEXT_DOCUMENT_DOCUMENT_SYMBOL)
    def symbols(params: types.DocumentSymbolParams) -> list[types.DocumentSymbol]:
        file, kind = server.known(params.text_document.uri)
        if file is None or kind is None:
            return []
        positions = server.positions(file.text)
        return [symbol_of(one, positions) for one in symbols_of(file.text)]


def serve(desk: Desk, stdin: BinaryIO, stdout: BinaryIO) -> bool:
    """Serve one editor until it leaves; whether it left as the protocol wants."""
    server = make_server(desk)
    server.start_io(stdin, stdout)
    return server.was_shut_down
