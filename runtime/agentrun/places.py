"""Where the paths in a tool's file lead: each is relative to the file that wrote it, which may be a base. Pure."""

from __future__ import annotations

from pathlib import Path

from agentrun.spec.catalog import Document
from agentrun.spec.types import PartSpec, SandboxSpec, ToolSpec


def folder_of(document: Document, *route: str | int) -> Path:
    """The folder of the file that wrote what stands at a route, which may be a base: paths there are relative to it."""
    written = document.node.get(*route)
    return Path(written.span.file if written is not None else document.path).resolve().parent


def working_directory(document: Document) -> Path:
    spec: ToolSpec = document.spec
    return folder_of(document, "shell", "cwd") / (spec.shell.cwd if spec.shell else ".")


def writable_paths(document: Document) -> list[Path]:
    """What a command in a sandbox can write."""
    spec: ToolSpec = document.spec
    sandbox = spec.shell.sandbox if spec.shell else None
    written = sandbox.write if isinstance(sandbox, SandboxSpec) else []
    return [folder_of(document, "shell", "sandbox", "write", index) / path for index, path in enumerate(written)]


def part_folders(document: Document) -> dict[str, Path]:
    """Where each part of a `multipart` body that is a file finds it."""
    spec: ToolSpec = document.spec
    folders = {}
    for name, part in ((spec.http.multipart if spec.http else None) or {}).items():
        if isinstance(part, PartSpec) and part.file is not None:
            key, below = ("file", "") if part.root is None else ("root", part.root)
            folders[name] = folder_of(document, "http", "multipart", name, key) / below
    return folders
