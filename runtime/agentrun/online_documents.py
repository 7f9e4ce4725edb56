"""`validate --online`: fetch the OpenAPI documents that sets name by a URL, and tell their hashes.

What is pinned and comes as it is pinned is kept in the state folder, where runs take it from. What is not pinned yet
has its hash told, with a fix that writes it. Each URL is fetched once in a process.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from hashlib import sha256

from agentrun.diagnostics import Diagnostic, Span
from agentrun.errors import reason_of
from agentrun.openapi.fetching import fetched
from agentrun.openapi.kept import keep, kept_document
from agentrun.openapi.problems import DocumentProblem
from agentrun.openapi.reading import read_document
from agentrun.openapi.sources import is_url, refused_url, shown_source
from agentrun.spec.catalog import Catalog, Document
from agentrun.spec.edits import add_first, write
from agentrun.spec.types import OpenApiSpec, ToolSpec
from agentrun.visible import one_line


def fetch_documents(
    catalog: Catalog, documents: Iterable[Document], environ: Mapping[str, str]
) -> tuple[list[Diagnostic], bool]:
    """What is found, and whether a document was kept that was not kept before. Opens connections."""
    found: list[Diagnostic] = []
    has_new = False
    for document in documents:
        spec = _of_a_url(document)
        if spec is None:
            continue
        is_kept = spec.sha256 is not None and kept_document(spec.sha256, environ) is not None
        told = _told(catalog, document, spec, environ, is_kept=is_kept)
        if told is not None:
            found.append(told)
        has_new |= told is None and not is_kept
    return found, has_new


def _of_a_url(document: Document) -> OpenApiSpec | None:
    spec = document.spec
    if document.is_base or not isinstance(spec, ToolSpec) or spec.openapi is None or not is_url(spec.openapi.spec):
        return None
    is_open = ("openapi", "spec") in document.unknown or refused_url(spec.openapi.spec) is not None
    return None if is_open else spec.openapi


def _told(
    catalog: Catalog, document: Document, spec: OpenApiSpec, environ: Mapping[str, str], *, is_kept: bool
) -> Diagnostic | None:
    node = document.node.content["openapi"]
    source = node.content["spec"]
    what = f"the OpenAPI document {shown_source(spec.spec)}"
    content = _fetched(spec.spec)
    if isinstance(content, DocumentProblem):
        message = f"{what} can't be fetched: {one_line(content.message, 300)}"
        help = "the one that is kept is used" if is_kept else "try again, or download it, and name the file"
        return Diagnostic("AR624", "warning" if is_kept else "error", message, source.span, help)
    digest = sha256(content).hexdigest()
    if digest == spec.sha256:
        return None if is_kept else _kept(content, environ, what, source.span)
    try:
        read_document(spec.spec, content)
    except DocumentProblem as problem:
        message = f"{what} can't be used: {one_line(problem.message, 300)}"
        return Diagnostic("AR623", "error", message, source.span, problem.help)
    if spec.sha256 is None:
        entry = f'sha256: "{digest}"'
        message = f"an OpenAPI document at a URL is pinned by its hash, and this one's is not written: {digest}"
        fix = add_first(catalog.texts, node, entry)
        return Diagnostic("AR624", "error", message, source.span, f"write `{entry}`", fix=fix)
    pinned = node.content["sha256"]
    message = f"{what} is another one now: its hash is {digest}"
    help = "look at what has changed, then write the new hash"
    fix = write(pinned, digest, safe=False)
    if is_kept:
        return Diagnostic("AR624", "warning", message, pinned.span, help, fix=fix)
    return Diagnostic("AR624", "error", message, source.span, help, fix=fix)


def _kept(content: bytes, environ: Mapping[str, str], what: str, span: Span) -> Diagnostic | None:
    try:
        keep(content, environ)
    except OSError as error:
        return Diagnostic("AR624", "error", f"{what} can't be kept: {reason_of(error)}", span, None)
    return None


@lru_cache(maxsize=16)
def _fetched(url: str) -> bytes | DocumentProblem:
    try:
        return fetched(url)
    except DocumentProblem as problem:
        return problem
