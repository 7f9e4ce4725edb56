"""An OpenAPI document from its bytes: JSON or YAML, version 3.0 or 3.1. Opens no file and no connection."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from agentrun.openapi.document import ApiDocument
from agentrun.openapi.problems import DocumentProblem
from agentrun.openapi.text import parsed

_SUPPORTED = re.compile(r"3\.[01](\.\d+)?(-.*)?")
CONVERT = "convert it to OpenAPI 3: `npx swagger2openapi FILE -o openapi.yaml`"


def read_document(path: Path | str, text: bytes) -> ApiDocument:
    """`path` is where it came from: a file, or the URL to which its servers' addresses may be relative.

    Raises `DocumentProblem`, whose message speaks of the document as "it".
    """
    root = parsed(text)
    _check(root)
    address = path if isinstance(path, str) and path.startswith(("http://", "https://")) else ""
    return ApiDocument(root, address)


def _check(root: Any) -> None:
    if not isinstance(root, dict):
        raise DocumentProblem("it is no OpenAPI document: a mapping with `openapi` and `paths` is wanted")
    version = root.get("openapi")
    if version is None and "swagger" in root:
        raise DocumentProblem(f"it is Swagger {str(root['swagger'])[:20]}, and agentrun reads OpenAPI 3", help=CONVERT)
    if version is None:
        raise DocumentProblem("it is no OpenAPI document: it has no `openapi` with its version")
    if not _SUPPORTED.fullmatch(str(version)):
        raise DocumentProblem(f"it is OpenAPI {str(version)[:20]}, and agentrun reads 3.0 and 3.1")
    if not isinstance(root.get("paths", {}), dict):
        raise DocumentProblem("its `paths` are no mapping", where="/paths")
