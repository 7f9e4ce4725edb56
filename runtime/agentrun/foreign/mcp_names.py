"""What sets of MCP servers, and the variables of their secrets, are called. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePath

_LAUNCHERS = (
    *("npx", "uvx", "bunx", "pnpx", "pipx", "docker", "podman", "uv"),
    *("node", "python", "python3", "deno", "bun"),
)
_NO_NAMES = ("mcp", "server", "latest", "main", "index", "dist", "build", "run", "exec", "http", "api", "www", "sse")


def variable_of(name: str, of: str = "") -> str:
    words = re.sub(r"[^A-Z0-9]+", "_", f"{name}_{of.removeprefix('X-').removeprefix('x-')}".upper()).strip("_")
    return f"_{words}" if words[:1].isdigit() else words


def name_of_command(argv: Sequence[str]) -> str:
    """The word that says what a server is for: `github` of `npx -y @modelcontextprotocol/server-github@1`."""
    words = [one for one in argv[1:] if not one.startswith("-")] if PurePath(argv[0]).name in _LAUNCHERS else [argv[0]]
    for word in [*words, argv[0]]:
        for piece in reversed(re.sub(r"(?<=.)@[\w.^~-]+$", "", word).split("/")):
            parts = [one for one in re.split(r"[-_.]+", PurePath(piece).stem) if one and one.lower() not in _NO_NAMES]
            if parts and word not in ("run", "exec", "tool", "dlx"):
                return "_".join(parts)
    return PurePath(argv[0]).stem


def name_of_host(host: str) -> str:
    labels = [one for one in host.split(".")[:-1] if one not in _NO_NAMES] or host.split(".")
    return labels[-1] if labels and not labels[-1].isdigit() else "server"
