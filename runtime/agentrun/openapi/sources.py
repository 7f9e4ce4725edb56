"""Where the document of a set is: a file beside the tool file, or the kept bytes of a URL. Reads; never fetches."""

from __future__ import annotations

import os
import stat
from collections import OrderedDict
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from threading import Lock
from urllib.parse import urlsplit

from agentrun.errors import reason_of
from agentrun.openapi.document import ApiDocument
from agentrun.openapi.kept import kept_document
from agentrun.openapi.problems import DocumentProblem
from agentrun.openapi.reading import read_document
from agentrun.openapi.text import MAX_BYTES
from agentrun.spec.types import OpenApiSpec
from agentrun.visible import one_line

MAX_HELD = 8  # documents that are held, so that who checks and who runs read each once
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_held: OrderedDict[tuple[str, str], ApiDocument | DocumentProblem] = OrderedDict()
_lock = Lock()


class NotPinned(DocumentProblem):
    """The document at a URL can't be taken: its hash is not written, or it is not kept on this machine."""


class NotKept(NotPinned):
    """It is pinned, and was not fetched yet."""


def document_of(spec: OpenApiSpec, folder: Path, environ: Mapping[str, str] | None = None) -> ApiDocument:
    """The document of a set. `folder` is where its path begins; `environ` tells the state folder, default: that of the
    process. One that was read before is not read again. Raises `DocumentProblem` (a `UsageError`).
    """
    if is_url(spec.spec):
        content = _of_url(spec, os.environ if environ is None else environ)
    else:
        content = _of_file(folder / spec.spec, spec)
    found = _read(spec.spec if is_url(spec.spec) else "", content)
    if isinstance(found, DocumentProblem):
        where = f" ({found.where})" if found.where else ""
        message = f"the OpenAPI document {shown_source(spec.spec)} can't be used: {one_line(found.message, 300)}{where}"
        raise DocumentProblem(message, help=found.help, where=found.where)
    return found


def is_url(source: str) -> bool:
    return "://" in source


def refused_url(url: str) -> str | None:
    """Why a URL is not fetched."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "it is no URL"
    if not host or parts.scheme not in ("http", "https"):
        return "it is no address of the web: `https://…`"
    if parts.scheme == "http" and host not in _LOOPBACK:
        return "documents are fetched by https"
    return None


def shown_source(source: str) -> str:
    """A path as it is; of a URL what can hold no credentials."""
    if is_url(source):
        try:
            return f"at {urlsplit(source).hostname}"
        except ValueError:
            return "at its address"
    return f"`{one_line(source, 200)}`"


def _of_url(spec: OpenApiSpec, environ: Mapping[str, str]) -> bytes:
    if (why := refused_url(spec.spec)) is not None:
        raise NotPinned(f"the OpenAPI document can't be fetched: {why}", help="download it, and name the file")
    if spec.sha256 is None:
        raise NotPinned(
            "an OpenAPI document at a URL is pinned by its hash, and `sha256` is not written",
            help="`agentrun validate --online` fetches it and tells the hash",
        )
    content = kept_document(spec.sha256, environ)
    if content is None:
        raise NotKept(
            f"the OpenAPI document {shown_source(spec.spec)} is not on this machine yet",
            help="`agentrun validate --online` fetches it",
        )
    return content


def _of_file(path: Path, spec: OpenApiSpec) -> bytes:
    source = shown_source(spec.spec)
    try:
        # Without waiting for somebody to write into what is no file.
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:  # noqa: PTH123 - of a handle
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise DocumentProblem(f"the OpenAPI document {source} is no file")
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        help = "the path is relative to the file that names it"
        raise DocumentProblem(f"the OpenAPI document {source} is not there", help=help) from None
    except (OSError, ValueError) as error:
        raise DocumentProblem(f"the OpenAPI document {source} can't be read: {reason_of(error)}") from None
    if spec.sha256 is not None and (digest := sha256(content).hexdigest()) != spec.sha256:
        help = f"it has {digest}; for a file `sha256` need not be written"
        raise NotPinned(f"the OpenAPI document {source} has another hash than `sha256`", help=help)
    return content


def _read(address: str, content: bytes) -> ApiDocument | DocumentProblem:
    """Kept by the content's hash: a file that was changed is another document."""
    key = (address, sha256(content).hexdigest())
    with _lock:
        if key in _held:
            _held.move_to_end(key)
            return _held[key]
    found: ApiDocument | DocumentProblem
    try:
        found = read_document(address, content)
    except DocumentProblem as problem:
        found = problem
    with _lock:
        _held[key] = found
        while len(_held) > MAX_HELD:
            _held.popitem(last=False)
    return found
