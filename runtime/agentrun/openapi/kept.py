"""Documents that came from a URL, kept in the state folder under the hash of their bytes.

A run takes the document that its author pinned, and no other: the hash is checked each time. Nothing is fetched here.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from hashlib import sha256

from agentrun.openapi.text import MAX_BYTES
from agentrun.state_folder import opened, replace_in, state_folder

FOLDER = "openapi"
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def kept_document(digest: str, environ: Mapping[str, str]) -> bytes | None:
    """None where it isn't kept, or isn't what it was."""
    base = state_folder(environ)
    if base is None:
        return None
    try:
        with opened(base / FOLDER, make=False) as folder, open(os.open(digest, _READ, dir_fd=folder), "rb") as file:  # noqa: PTH123 - of a handle
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return None
            content = file.read(MAX_BYTES + 1)
    except OSError:
        return None
    return content if sha256(content).hexdigest() == digest else None


def keep(content: bytes, environ: Mapping[str, str]) -> str:
    """Its hash. Raises OSError."""
    digest = sha256(content).hexdigest()
    base = state_folder(environ)
    with opened(base / FOLDER if base is not None else None, make=True) as folder:
        replace_in(folder, digest, content)
    return digest
