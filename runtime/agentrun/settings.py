"""What a project says of its own checks and sessions: `agentrun.toml`, or `[tool.agentrun]` in `pyproject.toml`.

Looked for in the project root and the folders above it, up to one with `.git`. The command line wins over it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import msgspec

from agentrun.diagnostics import did_you_mean, one_of
from agentrun.discovery import display
from agentrun.errors import UsageError, reason_of
from agentrun.selection import FailLevel, Preset, Selection, codes_of

_OWN, _SHARED = "agentrun.toml", "pyproject.toml"
_MAX_SHOWN = 60


class SessionSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """`keep_days`: sessions that were not changed for so many days are deleted; None: they are kept."""

    keep_days: Annotated[int, msgspec.Meta(ge=1)] | None = None


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """`baseline` is a path, relative to the file that names it until `find_settings` has made it whole."""

    preset: Preset = "recommended"
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    fail_level: FailLevel = "error"
    strict_env: bool = False
    baseline: str | None = None
    sessions: SessionSettings = SessionSettings()

    @property
    def selection(self) -> Selection:
        return Selection(self.preset, self.select, self.ignore, self.strict_env)


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

    if path.is_fifo():
        raise _unreadable(path, "it is a pipe")
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise _unreadable(path, reason_of(error)) from None
    except UnicodeDecodeError:
        raise _unreadable(path, "they are not UTF-8") from None
    except ValueError as error:
        raise _unreadable(path, str(error)) from None
    except RecursionError:
        raise _unreadable(path, "they are nested too deeply") from None


def _unreadable(path: Path, reason: str) -> UsageError:
    return UsageError(f"the settings in `{display(path)}` can't be read: {reason}")


def _settings(path: Path, table: Any) -> Settings:
    if not isinstance(table, dict):
        raise _unusable(path, f"`[tool.agentrun]` must be a table, not `{_shown(table)}`")
    _check(path, table, Settings)
    settings = msgspec.convert(table, Settings)
    select, ignore = codes_of(settings.select), codes_of(settings.ignore)
    baseline = None if settings.baseline is None else display(path.parent / settings.baseline)
    return msgspec.structs.replace(settings, select=select, ignore=ignore, baseline=baseline)


def _check(path: Path, table: dict[str, Any], kind: type[msgspec.Struct], within: str = "") -> None:
    fields = {field.encode_name: field.type for field in msgspec.structs.fields(kind)}
    for key, value in table.items():
        name = within + key
        if key not in fields:
            raise UsageError(
                f"the settings in `{display(path)}` have an unknown key: `{name}`", help=_near(path, key, list(fields))
            )
        if fields[key] is SessionSettings and isinstance(value, dict):
            _check(path, value, SessionSettings, f"{key}.")
            continue
        try:
            msgspec.convert(value, fields[key])
        except msgspec.ValidationError:
            raise _unusable(path, f"`{name}` must be {_WANTED[name]}, not `{_shown(value)}`") from None


def _unusable(path: Path, reason: str) -> UsageError:
    return UsageError(f"the settings in `{display(path)}` can't be used: {reason}")


def _near(path: Path, key: str, known: list[str]) -> str | None:
    if path.name == _OWN and key in ("tool", "agentrun"):
        return f"in `{_OWN}` the keys stand at the top, below no `[tool.agentrun]`"
    return did_you_mean(key, known, f"allowed: {one_of(known)}")


_WANTED = {
    "preset": "minimal, recommended or strict",
    "select": 'a list of codes such as `["AR4"]`',
    "ignore": 'a list of codes such as `["AR620"]`',
    "fail-level": "error, warning, info or never",
    "strict-env": "true or false",
    "baseline": "the path of a file",
    "sessions": "a table with `keep-days`",
    "sessions.keep-days": "a number of days, at least 1",
}


def _shown(value: Any) -> str:
    """As it is written, more or less; cut where it is long."""
    import json

    text = value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…"
