"""`model.settings`: what is agentrun's to send, what is misspelt, and what the API would refuse.

Settings are sent as they are, and services have their own: of a name that resembles nothing nothing is said. What an
API lacks is judged only where its maker is asked; others may take more.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from agentrun.diagnostics import Diagnostic
from agentrun.spec.asked import Asked, asked_models
from agentrun.spec.catalog import Catalog, Document
from agentrun.spec.edits import rename_key, write_raw
from agentrun.spec.known_settings import KNOWN_SETTINGS, OF_OTHERS
from agentrun.spec.nodes import Node
from agentrun.spec.spelling import is_same_word, typos
from agentrun.spec.wording import shown
from agentrun.spec.yaml_nodes import parse_scalar

# What a run refuses, or what can't work beside what agentrun sends; with the agent's key that does the same.
_REFUSED: dict[str, dict[str, str]] = {
    "chat_completions": {
        "model": "`name` under `model`",
        "messages": "`system_prompt` and `input`",
        "tools": "`tools` of the agent",
        "functions": "`tools` of the agent",
        "function_call": "`tool_choice` of the agent",
    },
    "responses": {
        "model": "`name` under `model`",
        "input": "`system_prompt` and `input` of the agent",
        "tools": "`tools` of the agent",
        "previous_response_id": "",
        "conversation": "",
    },
    "anthropic_messages": {
        "model": "`name` under `model`",
        "messages": "`system_prompt` and `input`",
        "system": "`system_prompt` of the agent",
        "tools": "`tools` of the agent",
    },
}
# What would be sent, and that agentrun then doesn't know of: the answer isn't checked, a choice holds for every turn.
_OWN_KEY = {
    "tool_choice": "`tool_choice` of the agent: here it holds for every turn",
    "parallel_tool_calls": "`parallel_tool_calls` of the agent",
    "response_format": "`response_format` of the agent: there the answer is checked too",
}
# Keys of `model` that were written one level too deep.
_OF_THE_MODEL = frozenset(
    {"api", "api_key", "base_url", "fallback", "headers", "max_retries", "prices", "proxy", "timeout"}
)
# Of the other APIs, each with its name here. Only OpenAI and Anthropic themselves are known to refuse them.
_ELSEWHERE: dict[str, dict[str, str]] = {
    "chat_completions": {
        "max_output_tokens": "max_completion_tokens",
        "stop_sequences": "stop",
        "reasoning": "reasoning_effort",
        "max_tokens_to_sample": "max_completion_tokens",
    },
    "responses": {
        "max_tokens": "max_output_tokens",
        "max_completion_tokens": "max_output_tokens",
        "reasoning_effort": "reasoning: {effort: …}",
        "verbosity": "text: {verbosity: …}",
    },
    "anthropic_messages": {
        "max_output_tokens": "max_tokens",
        "stop": "stop_sequences",
        "reasoning_effort": "output_config: {effort: …}",
    },
}


class _Range(msgspec.Struct, frozen=True):
    least: float
    most: float = float("inf")
    whole: bool = False

    @property
    def words(self) -> str:
        kind = "a whole number" if self.whole else "a number"
        if self.most == float("inf"):
            return f"{kind} of at least {self.least:g}"
        return f"{kind} from {self.least:g} to {self.most:g}"


_COUNT = _Range(1, whole=True)
_RANGES: dict[str, _Range] = {
    "temperature": _Range(0, 2),
    "top_p": _Range(0, 1),
    "presence_penalty": _Range(-2, 2),
    "frequency_penalty": _Range(-2, 2),
    "max_tokens": _COUNT,
    "max_completion_tokens": _COUNT,
    "max_output_tokens": _COUNT,
}
_ANTHROPIC_TEMPERATURE = _Range(0, 1)

_MAX_TYPOS = 2
_SHORT = 6  # below it a name is compared but for its case and separators: `seed` and `speed` are near


def settings_of_models(catalog: Catalog, document: Document) -> Iterator[Diagnostic]:
    for one in asked_models(catalog, document):
        settings = one.written.get("settings") if one.written is not None else None
        if settings is None or not settings.is_mapping or one.api not in KNOWN_SETTINGS:
            continue
        for key, value in settings.content.items():
            if (*one.route, "settings", key) not in document.unknown:
                yield from _setting(catalog, one, settings, key, value)


def _setting(catalog: Catalog, one: Asked, settings: Node, key: str, value: Node) -> Iterator[Diagnostic]:
    place = settings.keys[key]
    refused = _REFUSED[one.api]
    if key in refused:
        instead = refused[key]
        message = f"`{key}` can't stand in `settings`: that is agentrun's to send"
        help = f"write {instead}" if instead else "take it out: the whole conversation is sent each time"
        yield Diagnostic("AR711", "error", message, place, help)
    elif key in _OWN_KEY and not (one.api == "anthropic_messages" and key != "tool_choice"):
        message = f"`{key}` in `settings` is sent without agentrun's knowledge"
        yield Diagnostic("AR711", "warning", message, place, f"write {_OWN_KEY[key]}")
    elif key in _OF_THE_MODEL and one.maker is not None:
        message = f"`{key}` in `settings` is sent to the service, and {one.maker} knows no such setting"
        yield Diagnostic("AR711", "warning", message, place, "write it beside `settings`, in `model`")
    elif key == "n" and type(value.content) is int and value.content > 1:
        message = "agentrun reads one answer, and `n` asks for more that are paid for"
        yield Diagnostic("AR711", "warning", message, place, "take it out")
    elif (meant := _meant(one.api, key)) is not None and meant not in settings.content:
        is_sure = one.maker is not None and is_same_word(key, meant)
        fix = rename_key(catalog.texts, place, key, meant, safe=is_sure)
        message = f"`{key}` is no setting of `{one.api}`"
        yield Diagnostic("AR712", "warning", message, place, f"did you mean `{meant}`?", fix=fix)
    else:
        yield from _refused_by_the_api(catalog, one, settings, key, value)


def _meant(api: str, key: str) -> str | None:
    """The setting of which a name is a misspelling, and certainly so."""
    known = KNOWN_SETTINGS[api]
    if key in known or key in OF_OTHERS or key in _ELSEWHERE[api] or key.startswith(("x_", "x-")):
        return None
    same = [name for name in known if is_same_word(key, name)]
    if same or len(key) < _SHORT:
        return same[0] if same else None
    near = [name for name in known if len(name) >= _SHORT and typos(key, name, _MAX_TYPOS) <= _MAX_TYPOS]
    return near[0] if len(near) == 1 else None


def _refused_by_the_api(catalog: Catalog, one: Asked, settings: Node, key: str, value: Node) -> Iterator[Diagnostic]:
    if one.maker is not None and key in _ELSEWHERE[one.api]:
        own = _ELSEWHERE[one.api][key]
        fix = None
        if own.isidentifier() and own not in settings.content and own != "reasoning_effort":
            fix = rename_key(catalog.texts, settings.keys[key], key, own, safe=False)
        message = f"`{key}` is of another API: {one.maker} refuses it with `api: {one.api}`"
        yield Diagnostic("AR716", "warning", message, settings.keys[key], f"write `{own}`", fix=fix)
    elif one.maker == "OpenAI" and key == "max_tokens" and _reasons(one.name.content):
        fix = rename_key(catalog.texts, settings.keys[key], key, "max_completion_tokens", safe=False)
        message = f"{shown(one.name.content)} refuses `max_tokens`"
        yield Diagnostic("AR716", "warning", message, settings.keys[key], "write `max_completion_tokens`", fix=fix)
    else:
        yield from _impossible(one, key, value)


def _reasons(name: str) -> bool:
    """OpenAI's models that count their reasoning as part of the answer, and so take the newer name alone."""
    return name.startswith(("o1", "o3", "o4", "gpt-5", "gpt-6"))


def _impossible(one: Asked, key: str, value: Node) -> Iterator[Diagnostic]:
    allowed = _RANGES.get(key)
    if allowed is None or value.content is None:
        return
    if key == "temperature" and one.maker == "Anthropic":
        allowed = _ANTHROPIC_TEMPERATURE
    found: Any = value.content
    if isinstance(found, str) and isinstance(parse_scalar(found), int | float):
        from_variable = value.source.strip("\"'") != found
        help = "what a `${VAR}` gives is sent as text here: write the number" if from_variable else f"write {found}"
        fix = None if from_variable else write_raw(value, found, safe=True)
        yield Diagnostic("AR716", "warning", f"`{key}` is sent as text, not as a number", value.span, help, fix=fix)
    elif found == float("inf"):
        return  # AR208
    elif type(found) not in (int, float):
        yield Diagnostic("AR716", "warning", f"`{key}` is {value.kind}", value.span, f"it takes {allowed.words}")
    elif found == -1 and allowed is _COUNT and one.maker is None:
        return  # as many as there may be, say servers for local models
    elif not allowed.least <= found <= allowed.most or (allowed.whole and found != int(found)):
        yield Diagnostic("AR716", "warning", f"`{key}` can't be {found:g}", value.span, f"it takes {allowed.words}")


RULES = (settings_of_models,)
