"""JSON as editors keep their settings in it: with comments, and commas behind the last member. Pure."""

from __future__ import annotations

import json
import re
from typing import Any

from agentrun.errors import UsageError

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|//[^\n]*|/\*.*?\*/|,(?=(?:\s|//[^\n]*|/\*.*?\*/)*[}\]])', re.DOTALL)


def read_commented(text: str, path: str) -> Any:
    """The data. `path` is what a message names. Raises `UsageError`."""
    plain = _TOKEN.sub(_blank, text.removeprefix("\ufeff"))
    try:
        return json.loads(plain)
    except RecursionError:
        raise UsageError(f"`{path}` is no JSON that can be read: it is nested too deep") from None
    except ValueError as error:
        place = f":{error.lineno}:{error.colno}" if isinstance(error, json.JSONDecodeError) else ""
        reason = error.msg.lower() if isinstance(error, json.JSONDecodeError) else str(error)
        raise UsageError(f"{path}{place}: this is no JSON: {reason}") from None


def _blank(found: re.Match[str]) -> str:
    """Texts stay; of the rest only the line ends, so that lines count as in the file."""
    return found[0] if found[0].startswith('"') else "".join("\n" if one == "\n" else " " for one in found[0])
