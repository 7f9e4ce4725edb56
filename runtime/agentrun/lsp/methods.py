"""The protocol's methods: each request as a question to the files that know the answer."""

from __future__ import annotations

from typing import BinaryIO

from lsprotocol import types

from agentrun.diagnostics import Span
from agentrun.discovery import find_root
from agentrun.lsp.completion import complete
from agentrun.lsp.definition import define
from agentrun.lsp.desk import Desk
from agentrun.lsp.formatting import laid_out
from agentrun.lsp.hover import hover
from agentrun.lsp.protocol import watch_editor
from agentrun.lsp.server import FIX_ALL, Server
from agentrun.lsp.symbols import symbols_of
from agentrun.lsp.values import item_of, range_of, symbol_of


def serve(desk: Desk, stdin: BinaryIO, stdout: BinaryIO) -> bool:
    """Serve one editor until it leaves; whether it left as the protocol wants."""
    server = make_server(desk)
    server.start_io(stdin, stdout)
    return server.was_shut_down


def make_server(desk: Desk) -> Server:
    server = Server(desk)
    _follow_files(server)
    _answer_questions(server)
    _offer_changes(server)
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
        asked = await server.asked(params)
        if asked is None or (found := complete(asked.view, asked.offset)) is None:
            return None
        place = asked.range(found.start, found.end)
        items = [item_of(number, choice, place) for number, choice in enumerate(found.choices)]
        return types.CompletionList(is_incomplete=False, items=items)

    @server.feature(types.TEXT_DOCUMENT_HOVER)
    async def hovered(params: types.HoverParams) -> types.Hover | None:
        asked = await server.asked(params)
        if asked is None or (found := hover(asked.view, asked.offset)) is None:
            return None
        text = types.MarkupContent(types.MarkupKind.Markdown, found.text)
        return types.Hover(text, asked.range(found.start, found.end))

    @server.feature(types.TEXT_DOCUMENT_DEFINITION)
    async def definition(params: types.DefinitionParams) -> list[types.Location]:
        asked = await server.asked(params)
        if asked is None:
            return []
        checked = server.desk.checked.get(asked.view.root)
        targets = define(asked.view, asked.offset)
        return [server.location(one.span or Span(str(one.path), 1, 1, 1, 1), checked) for one in targets]

    @server.feature(types.TEXT_DOCUMENT_DOCUMENT_SYMBOL)
    def symbols(params: types.DocumentSymbolParams) -> list[types.DocumentSymbol]:
        known = server.known(params.text_document.uri)
        if known is None:
            return []
        text = known[0].text
        return [symbol_of(one, server.positions(text)) for one in symbols_of(text)]


def _offer_changes(server: Server) -> None:
    @server.feature(
        types.TEXT_DOCUMENT_CODE_ACTION,
        types.CodeActionOptions(code_action_kinds=[types.CodeActionKind.QuickFix, FIX_ALL]),
    )
    def code_action(params: types.CodeActionParams) -> list[types.CodeAction]:
        return server.actions(params)

    @server.feature(types.TEXT_DOCUMENT_FORMATTING)
    def formatting(params: types.DocumentFormattingParams) -> list[types.TextEdit]:
        known = server.known(params.text_document.uri)
        if known is None:
            return []
        file, kind = known
        changed = laid_out(kind, file)
        if changed is None:
            return []
        start, end, text = changed
        return [types.TextEdit(range_of(server.positions(file.text).range_of(start, end)), text)]
