"""Stands for the functions of a shop: tools are checked here and never called."""

from typing import Any


def __getattr__(name: str) -> Any:
    raise AttributeError(name)
