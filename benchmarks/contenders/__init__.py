"""Who takes part: each is a module with `open_contender(base_url) -> Ask`.

An `Ask` has one whole conversation about a question, tools called along the way, and returns the answer. It tells
each piece of text as it comes. It keeps its connections from one conversation to the next.
"""

from __future__ import annotations

from collections.abc import Callable

Told = Callable[[str], None]
Ask = Callable[[str, Told], str]

CONTENDERS = {
    "raw": "http.client and json, written for this task alone: the limit",
    "sdk": "the typed loop of OpenAI's guide, tool calls one after the other",
    "sdk-post": "the SDK's client.post, async, messages serialised once, chunks as plain dicts",
    "sdk-post-sync": "the same without an event loop",
    "agentrun": "the Python API with YAML files: arguments validated, events, a journal",
}


def module_of(contender: str) -> str:
    return f"benchmarks.contenders.{contender.replace('-', '_')}"
