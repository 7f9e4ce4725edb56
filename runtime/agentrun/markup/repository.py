"""A file's name as a code host knows it. In CI the program may run in a folder below the checkout."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

from agentrun.visible import visible


def in_repository(file: str) -> str:
    """A file as seen from the root of the checkout. Outside of CI, and for one that lies elsewhere, its own path."""
    root = os.environ.get("GITHUB_WORKSPACE") or os.environ.get("CI_PROJECT_DIR")
    if not root:
        return file
    whole, above = Path(os.path.normpath(Path.cwd() / file)), Path(os.path.realpath(root))
    return whole.relative_to(above).as_posix() if whole.is_relative_to(above) else file


def shown_file(file: str) -> str:
    return visible(in_repository(file))


def address_of(file: str, line: int) -> str | None:
    """The page of a line on the code host, in a GitHub workflow."""
    host, repository, commit = (os.environ.get(f"GITHUB_{name}") for name in ("SERVER_URL", "REPOSITORY", "SHA"))
    path = in_repository(file)
    if not (host and repository and commit) or path.startswith("/"):
        return None
    return f"{host}/{repository}/blob/{commit}/{quote(os.fsencode(path))}#L{line}"
