"""What is known of the models of OpenAI and Anthropic: how much they read, and which of them were turned off.

As of November 2026, from the providers' lists of models and deprecations. A name that is missing here is not wrong for
that: the package `genai-prices` knows more of them, and newer ones. Dates lie in the past, so that what is said of a
file doesn't change with the day on which it is said.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal
from urllib.parse import urlsplit

from agentrun.prices import service_url

Maker = Literal["OpenAI", "Anthropic"]

_HOSTS: dict[str, Maker] = {"api.openai.com": "OpenAI", "api.anthropic.com": "Anthropic"}

# Tokens that a request and its reply may have together.
CONTEXT_TOKENS: dict[Maker, dict[str, int]] = {
    "Anthropic": {
        "claude-fable-5": 1_000_000,
        "claude-fable-5-1": 1_000_000,
        "claude-fable-5-2": 1_000_000,
        "claude-haiku-4-5": 200_000,
        "claude-haiku-5-5": 1_000_000,
        "claude-mythos-5-2": 1_000_000,
        "claude-opus-4-1": 200_000,
        "claude-opus-4-5": 200_000,
        "claude-opus-4-6": 1_000_000,
        "claude-opus-4-7": 1_000_000,
        "claude-opus-4-8": 1_000_000,
        "claude-opus-5": 1_000_000,
        "claude-opus-5-5": 1_000_000,
        "claude-sonnet-4-5": 200_000,
        "claude-sonnet-4-6": 1_000_000,
        "claude-sonnet-5": 1_000_000,
        "claude-sonnet-5-5": 1_000_000,
    },
    "OpenAI": {
        "gpt-4.1": 1_047_576,
        "gpt-4.1-mini": 1_047_576,
        "gpt-4o": 128_000,
        "gpt-4o-mini": 128_000,
        "gpt-5": 400_000,
        "gpt-5-mini": 400_000,
        "gpt-5-nano": 400_000,
        "gpt-5-pro": 400_000,
        "gpt-5.1": 400_000,
        "gpt-5.2": 400_000,
        "gpt-5.2-pro": 400_000,
        "gpt-5.3-codex": 400_000,
        "gpt-5.4": 1_050_000,
        "gpt-5.4-mini": 400_000,
        "gpt-5.4-nano": 400_000,
        "gpt-5.4-pro": 1_050_000,
        "gpt-5.5": 1_050_000,
        "gpt-5.5-pro": 1_050_000,
        "gpt-5.6": 1_050_000,
        "gpt-5.6-luna": 1_050_000,
        "gpt-5.6-sol": 1_050_000,
        "gpt-5.6-terra": 1_050_000,
        "gpt-6-astra": 1_050_000,
        "gpt-6-luna": 1_050_000,
        "gpt-6-sol": 1_050_000,
        "gpt-6.1-sol": 1_050_000,
        "gpt-6.1-terra": 1_050_000,
        "o3": 200_000,
        "o3-pro": 200_000,
    },
}

# When a model was turned off, and what its maker names instead.
RETIRED: dict[Maker, dict[str, tuple[str, str]]] = {
    "Anthropic": {
        "claude-2.0": ("2025-07-21", "claude-sonnet-4-6"),
        "claude-2.1": ("2025-07-21", "claude-sonnet-4-6"),
        "claude-3-5-haiku-20241022": ("2026-02-19", "claude-haiku-4-5"),
        "claude-3-5-haiku-latest": ("2026-02-19", "claude-haiku-4-5"),
        "claude-3-5-sonnet-20240620": ("2025-10-28", "claude-sonnet-4-6"),
        "claude-3-5-sonnet-20241022": ("2025-10-28", "claude-sonnet-4-6"),
        "claude-3-5-sonnet-latest": ("2025-10-28", "claude-sonnet-4-6"),
        "claude-3-7-sonnet-20250219": ("2026-02-19", "claude-sonnet-4-6"),
        "claude-3-7-sonnet-latest": ("2026-02-19", "claude-sonnet-4-6"),
        "claude-3-haiku-20240307": ("2026-04-20", "claude-haiku-4-5"),
        "claude-3-opus-20240229": ("2026-01-05", "claude-opus-4-8"),
        "claude-3-opus-latest": ("2026-01-05", "claude-opus-4-8"),
        "claude-3-sonnet-20240229": ("2025-07-21", "claude-sonnet-4-6"),
        "claude-instant-1.2": ("2024-11-06", "claude-haiku-4-5"),
        "claude-opus-4-0": ("2026-06-15", "claude-opus-4-8"),
        "claude-opus-4-20250514": ("2026-06-15", "claude-opus-4-8"),
        "claude-sonnet-4-0": ("2026-06-15", "claude-sonnet-4-6"),
        "claude-sonnet-4-20250514": ("2026-06-15", "claude-sonnet-4-6"),
    },
    "OpenAI": {
        "ada": ("2024-01-04", "gpt-5.6-terra"),
        "babbage": ("2024-01-04", "gpt-5.6-terra"),
        "chatgpt-4o-latest": ("2026-02-17", "gpt-5.6-sol"),
        "curie": ("2024-01-04", "gpt-5.6-terra"),
        "davinci": ("2024-01-04", "gpt-5.6-terra"),
        "gpt-3.5-turbo": ("2026-10-23", "gpt-5.6-terra"),
        "gpt-3.5-turbo-0125": ("2026-10-23", "gpt-5.6-terra"),
        "gpt-3.5-turbo-0301": ("2024-09-13", "gpt-5.6-terra"),
        "gpt-3.5-turbo-0613": ("2024-09-13", "gpt-5.6-terra"),
        "gpt-3.5-turbo-16k": ("2024-09-13", "gpt-5.6-terra"),
        "gpt-3.5-turbo-16k-0613": ("2024-09-13", "gpt-5.6-terra"),
        "gpt-4": ("2026-10-23", "gpt-5.6-sol"),
        "gpt-4-0314": ("2026-03-26", "gpt-5.6-sol"),
        "gpt-4-0613": ("2026-10-23", "gpt-5.6-sol"),
        "gpt-4-1106-vision-preview": ("2024-12-06", "gpt-5.6-sol"),
        "gpt-4-32k": ("2025-06-06", "gpt-5.6-sol"),
        "gpt-4-32k-0314": ("2025-06-06", "gpt-5.6-sol"),
        "gpt-4-32k-0613": ("2025-06-06", "gpt-5.6-sol"),
        "gpt-4-turbo": ("2026-10-23", "gpt-5.6-sol"),
        "gpt-4-turbo-2024-04-09": ("2026-10-23", "gpt-5.6-sol"),
        "gpt-4-vision-preview": ("2024-12-06", "gpt-5.6-sol"),
        "gpt-4.1-nano": ("2026-10-23", "gpt-5.6-luna"),
        "gpt-4.1-nano-2025-04-14": ("2026-10-23", "gpt-5.6-luna"),
        "gpt-4.5-preview": ("2025-07-14", "gpt-5.6-sol"),
        "gpt-4o-2024-05-13": ("2026-10-23", "gpt-5.6-sol"),
        "gpt-5-chat-latest": ("2026-07-23", "gpt-5.6-sol"),
        "o1": ("2026-10-23", "gpt-5.6-sol"),
        "o1-2024-12-17": ("2026-10-23", "gpt-5.6-sol"),
        "o1-mini": ("2025-10-27", "gpt-5.6-terra"),
        "o1-preview": ("2025-07-28", "gpt-5.6-sol"),
        "o3-mini": ("2026-10-23", "gpt-5.6-sol"),
        "o3-mini-2025-01-31": ("2026-10-23", "gpt-5.6-sol"),
        "o4-mini": ("2026-10-23", "gpt-5.6-terra"),
        "o4-mini-2025-04-16": ("2026-10-23", "gpt-5.6-terra"),
        "text-ada-001": ("2024-01-04", "gpt-5.6-terra"),
        "text-babbage-001": ("2024-01-04", "gpt-5.6-terra"),
        "text-curie-001": ("2024-01-04", "gpt-5.6-terra"),
        "text-davinci-002": ("2024-01-04", "gpt-5.6-terra"),
        "text-davinci-003": ("2024-01-04", "gpt-5.6-terra"),
    },
}

# How names of OpenAI's begin whose models make or read something else, or only go on with a text: none answers a chat.
_OF_OTHER_USE = (
    *("babbage-002", "dall-e-", "davinci-002", "gpt-3.5-turbo-instruct", "gpt-image-", "omni-moderation-"),
    *("text-embedding-", "text-moderation-", "tts-", "whisper-"),
)

_SNAPSHOT = re.compile(r"-(\d{4}-\d{2}-\d{2}|\d{8}|latest)$")


def maker_asked(api: str, base_url: str, addresses: Mapping[str, str]) -> Maker | None:
    """Whose own service is asked; None for any other. `addresses` are those that the environment names."""
    if api not in ("chat_completions", "responses", "anthropic_messages"):
        return None
    try:
        host = urlsplit(service_url(api, base_url, addresses).strip()).hostname
    except ValueError:
        return None
    return _HOSTS.get(host or "")


def context_tokens(maker: Maker, name: str) -> int | None:
    """How much a model reads; of a dated snapshot, what its model does."""
    known = CONTEXT_TOKENS[maker]
    return known.get(name) or known.get(_SNAPSHOT.sub("", name))


def is_known(maker: Maker, name: str) -> bool:
    """Whether the maker has, or had, a model of this name. Fine-tunes are the user's own."""
    if name != name.lower() and not name.startswith("ft:"):
        return False  # both have names in lower case only
    if name.startswith("ft:") or name in RETIRED[maker] or context_tokens(maker, name) is not None:
        return True
    import genai_prices  # 35 ms: only for a name that the table doesn't have

    try:
        genai_prices.calc_price(genai_prices.Usage(), name, provider_id=maker.lower())
    except LookupError:
        return False
    return True


def chats(maker: Maker, name: str) -> bool:
    """Whether a model answers messages, as far as its name says."""
    return maker != "OpenAI" or not name.startswith(_OF_OTHER_USE)


_SEPARATORS = re.compile(r"[^a-z0-9]+")
_WORDS = re.compile(r"[a-z]+")


def misspelt_name(maker: Maker, name: str) -> str | None:
    """The model that a name was certainly meant for.

    Names of one family differ in their numbers only, so a name with another number may be that of a newer model: it
    is no misspelling.
    """
    if name != name.lower() and is_known(maker, name.lower()):
        return name.lower()
    names = [*CONTEXT_TOKENS[maker]]
    bare = name.lower().rpartition("/")[2]
    parts = sorted(filter(None, _SEPARATORS.split(bare)))
    for known in names:
        if parts == sorted(_SEPARATORS.split(known)) or _folded(bare) == _folded(known):
            return known
    words = {word for known in names for word in _WORDS.findall(known)}
    if set(_WORDS.findall(bare)) <= words:
        return None
    import difflib

    close = difflib.get_close_matches(bare, names, n=1, cutoff=0.85)
    return close[0] if close else None


def other_maker(maker: Maker, name: str) -> Maker | None:
    """Whose model it is by its name, if that is not who is asked."""
    other: Maker = "Anthropic" if maker == "OpenAI" else "OpenAI"
    begins = {"Anthropic": ("claude-",), "OpenAI": ("gpt-", "chatgpt-", "o1", "o3", "o4")}[other]
    return other if name.lower().startswith(begins) else None


def _folded(name: str) -> str:
    return _SEPARATORS.sub("", name)
