"""What several formats say in the same way: a finding in one text, and its file as a code host knows it."""

from __future__ import annotations

import os
from pathlib import Path

from agentrun.diagnostics import Diagnostic
from agentrun.visible import visible


def in_a_line(text: str) -> str:
    """A text on one line: names and values of files can hold ends of lines."""
    return visible(" ".join(text.splitlines()))


def with_help(found: Diagnostic) -> str:
    """The message, and the help in brackets."""
    return f"{found.message} ({found.help})" if found.help else found.message


def in_repository(file: str) -> str:
    """A finding's file as seen from the root of the checkout: in CI the program may run in a folder below it.

    Outside of CI, and for a file that lies elsewhere, it is the path that the finding has.
    """
    root = os.environ.get("GITHUB_WORKSPACE") or os.environ.get("CI_PROJECT_DIR")
    if not root:
        return file
    whole, above = Path.cwd() / file, Path(os.path.realpath(root))
    return whole.relative_to(above).as_posix() if whole.is_relative_to(above) else file


def shown_file(file: str) -> str:
    return visible(in_repository(file))
