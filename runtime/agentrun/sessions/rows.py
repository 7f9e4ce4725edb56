"""A session as a row of its table, and a message as the columns of its own. The way back is in `sound.py`."""

from __future__ import annotations

from typing import Any

import msgspec

from agentrun.engine.agent import Mask
from agentrun.engine.attached import without_secrets
from agentrun.engine.messages import Message, encode
from agentrun.sessions.said import said, storable
from agentrun.sessions.session import Session


def columns_of(session: Session, mask: Mask | None = None) -> dict[str, Any]:
    """With a mask, what a person or a model gave is kept without secrets."""
    found = msgspec.structs.asdict(session)
    if mask is not None:
        found |= {name: mask.data(found[name]) for name in ("arguments", "title", "model")}
    found["arguments"] = encode(found["arguments"]).decode()
    return {name: storable(value) if isinstance(value, str) else value for name, value in found.items()}


def data_of(message: Message, mask: Mask) -> str:
    """A message as JSON without secrets."""
    masked = without_secrets(message.data, mask)
    return (message.json if masked == message.data else encode(masked)).decode()


def message_columns(data: str) -> dict[str, Any]:
    return {"data": data, "text": said(msgspec.json.decode(data))}
