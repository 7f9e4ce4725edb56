"""Which files a text may name that perhaps nobody looked at: one that came from a pipe, or was pasted.

It may be a stranger's, and to read `~/.ssh/id_rsa` because a mail names it would send it to whoever runs the model.
"""

from __future__ import annotations

import os
from pathlib import Path


def is_near(path: str | os.PathLike[str]) -> bool:
    """Whether a path stays below the current folder, wherever links lead, and meets nothing hidden."""
    here = Path.cwd().resolve()
    try:
        found = Path(path).expanduser().resolve()
    except (OSError, RuntimeError, ValueError):  # links in a circle, an unknown user, no path
        return False
    return found.is_relative_to(here) and not any(one.startswith(".") for one in found.relative_to(here).parts)
