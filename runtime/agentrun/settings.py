"""What a project says of its own checks: `agentrun.toml`, or `[tool.agentrun]` in `pyproject.toml`.

Looked for in the project root and the folders above it, up to one with `.git`. The command line wins over it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from agentrun.diagnostics import did_you_mean, one_of
from agentrun.errors import UsageError
from agentrun.selection import FailLevel, Preset

_OWN, _SHARED = "agentrun.toml", "pyproject.toml"


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """`baseline` is a path, relative to the file that names it until `find_settings` has made it whole."""

    preset: Preset = "recommended"
    select: list[str] = []
    ignore: list[str] = []
    fail_level: FailLevel = "error"
    strict_env: bool = False
    baseline: str | None = None


def find_settings(root: Path) -> Settings:
    """The settings that hold for a project. Raises `UsageError` where they can't be read."""
    for folder in [root, *root.parents]:
        own, shared = folder / _OWN, folder / _SHARED
        if own.is_file():
            return _settings(own, _table(own))
        if shared.is_file():
            table = _table(shared).get("tool", {}).get("agentrun")
            if table is not None:
                return _settings(shared, table)
        if (folder / ".git").exists():
            break
    return Settings()


def _table(path: Path) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise UsageError(f"the settings in `{path}` can't be read: {error}") from None


def _settings(path: Path, table: Any) -> Settings:
    known = [field.encode_name for field in msgspec.structs.fields(Settings)]
    strangers = [key for key in table if key not in known] if isinstance(table, dict) else []
    if strangers:
        help = did_you_mean(strangers[0], known, f"allowed: {one_of(known)}")
        raise UsageError(f"the settings in `{path}` have an unknown key: `{strangers[0]}`", help=help)
    try:
        settings = msgspec.convert(table, Settings)
    except msgspec.ValidationError as error:
        raise UsageError(f"the settings in `{path}` can't be used: {error}", help=_allowed(error)) from None
    if settings.baseline is None:
        return settings
    return msgspec.structs.replace(settings, baseline=str(path.parent / settings.baseline))


def _allowed(error: msgspec.ValidationError) -> str | None:
    from typing import get_args

    if "preset" in str(error):
        return f"`preset` is one of {', '.join(get_args(Preset))}"
    if "fail-level" in str(error):
        return f"`fail-level` is one of {', '.join(get_args(FailLevel))}"
    return None
