"""The content of files replaced, each all at once."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path


def replace_file(target: Path, content: bytes) -> None:
    """All at once: whoever reads meanwhile sees the old file or the new one."""
    with written_beside(target, content) as temporary:
        temporary.replace(target)


@contextlib.contextmanager
def written_beside(target: Path, content: bytes) -> Iterator[Path]:
    """A file in the same folder that is ready to take the target's place; gone afterwards if it did not."""
    if not target.stat().st_mode & 0o222 or not os.access(target, os.W_OK):  # root may write what nobody may
        raise PermissionError(0, "it is read-only")
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:50]}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            before = target.stat()
            with contextlib.suppress(PermissionError):  # only root may give a file away
                os.fchown(stream.fileno(), before.st_uid, before.st_gid)
            os.fchmod(stream.fileno(), before.st_mode & 0o7777)
            stream.flush()
            os.fsync(stream.fileno())
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)
