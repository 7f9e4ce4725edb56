"""What a project says of its own checks: `agentrun.toml`, or `[tool.agentrun]` in `pyproject.toml`.

Looked for in the project root and the folders above it, up to one with `.git`. The command line wins over it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec

from agentrun.diagnostics import did_you_mean, one_of
from agentrun.discovery import refuse_pipe
from agentrun.errors import UsageError
from agentrun.selection import FailLevel, Preset, codes_of

_OWN, _SHARED = "agentrun.toml", "pyproject.toml"


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """`baseline` is a path, relative to the file that names it until `find_settings` has made it whole."""

    preset: Preset = "recommended"
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    fail_level: FailLevel = "error"
    strict_env: bool = False
    baseline: str | None = None


def find_settings(root: Path) -> Settings:
    """The settings that hold for a project. Raises `UsageError` where they can't be read."""
    for folder in [root, *root.parents]:
        own, shared = folder / _OWN, folder / _SHARED
        if os.path.lexists(own):
            return _settings(own, _table(own))
        if shared.is_file():
            tools = _table(shared).get("tool")
            table = tools.get("agentrun") if isinstance(tools, dict) else None
            if table is not None:
                return _settings(shared, table)
        if (folder / ".git").exists():
            break
    return Settings()


def _table(path: Path) -> dict[str, Any]:
    import tomllib

    try:
        refuse_pipe(path)
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UsageError(f"the settings in `{path}` can't be read: {reason}") from None
    except UnicodeDecodeError:
        raise UsageError(f"the settings in `{path}` can't be read: they are not UTF-8") from None
    except ValueError as error:
        raise UsageError(f"the settings in `{path}` can't be read: {error}") from None
    except RecursionError:
        raise UsageError(f"the settings in `{path}` can't be read: they are nested too deeply") from None


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
    select, ignore = codes_of(settings.select), codes_of(settings.ignore)
    baseline = None if settings.baseline is None else str(path.parent / settings.baseline)
    return msgspec.structs.replace(settings, select=select, ignore=ignore, baseline=baseline)


def _allowed(error: msgspec.ValidationError) -> str | None:
    from typing import get_args

    if "preset" in str(error):
        return f"`preset` is one of {', '.join(get_args(Preset))}"
    if "fail-level" in str(error):
        return f"`fail-level` is one of {', '.join(get_args(FailLevel))}"
    if "select" in str(error) or "ignore" in str(error):
        return '`select` and `ignore` are lists of codes: `ignore = ["AR620"]`'
    return None
