"""The frame of an HTML page that stands alone: no script, and nothing from elsewhere.

A policy in the page forbids whatever a text could smuggle in: only its own style is applied, and nothing is loaded.
What stands in the page is escaped by those who write it.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from html import escape

from agentrun.visible import in_a_line


def escaped_line(text: str, most: int) -> str:
    """A text on one line, of a very long one its beginning."""
    return escape(in_a_line(text if len(text) <= most else text[:most] + "…"))


def page(title: str, style: str, body: Iterable[str]) -> str:
    """`title` and the lines of the body are HTML already."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    head = [
        "<!doctype html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="referrer" content="no-referrer">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{title}</title>",
        f"<style>{style}</style>",
        "</head>",
        "<body>",
    ]
    return "\n".join([*head, *body, "</body>", "</html>", ""])
