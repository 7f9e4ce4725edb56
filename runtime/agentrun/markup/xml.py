"""Texts in XML, without the characters that it can't hold."""

from __future__ import annotations

import re
from html import escape

from agentrun.visible import visible

HEAD = '<?xml version="1.0" encoding="UTF-8"?>'
_NOT_XML = re.compile("[\ufffe\uffff]")


def text(value: str) -> str:
    """Between tags."""
    return escape(_NOT_XML.sub("\ufffd", visible(value)), quote=False)


def attribute(value: str) -> str:
    """Between double quotes. Ends of lines stay what they are."""
    return text(value).replace('"', "&quot;").replace("\n", "&#10;").replace("\t", "&#9;")
