"""What the library leaves out of the protocol: answers to requests it can't read, and an end without its editor."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Generator
from typing import Any

from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.protocol import LanguageServerProtocol, lsp_method

_WATCH_S = 2.0


class Protocol(LanguageServerProtocol):
    """Every request is answered: one that is malformed, comes too early or too late, with an error."""

    @lsp_method(types.TEXT_DOCUMENT_DID_CHANGE)
    def lsp_text_document__did_change(self, params: types.DidChangeTextDocumentParams) -> Generator[Any, Any, None]:
        """The server keeps the texts: the library ends lines where editors don't, at a form feed or U+2028."""
        yield self.fm.features[types.TEXT_DOCUMENT_DID_CHANGE], (params,), None

    def structure_message(self, data: dict[str, Any]) -> Any:
        try:
            return super().structure_message(data)
        except JsonRpcException as error:
            if "method" in data and "id" in data:
                self._send_response(data["id"], error=error.to_response_error())
            raise

    def handle_message(self, message: Any) -> None:
        method = getattr(message, "method", None)
        is_early = self._workspace is None and method not in (None, types.INITIALIZE, types.EXIT)
        is_late = self._shutdown and method not in (None, types.EXIT)
        if not (is_early or is_late):
            super().handle_message(message)
        elif (number := getattr(message, "id", None)) is not None:
            code = types.ErrorCodes.ServerNotInitialized if is_early else types.ErrorCodes.InvalidRequest
            reason = "the server was not initialized" if is_early else "the server is shutting down"
            self._send_response(number, error=types.ResponseError(code, reason))


def watch_editor(process_id: int | None) -> None:
    """End this process when the editor's is gone, though another may hold standard input open.

    An editor that isn't seen from the start, as from within a container, is not watched.
    """
    if process_id is not None and os.name == "posix" and _is_alive(process_id):
        asyncio.get_running_loop().call_later(_WATCH_S, _look_after, process_id)


def _look_after(process_id: int) -> None:
    if not _is_alive(process_id):
        os._exit(1)  # a thread waits for standard input, and would be waited for
    asyncio.get_running_loop().call_later(_WATCH_S, _look_after, process_id)


def _is_alive(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        return False
    return True
