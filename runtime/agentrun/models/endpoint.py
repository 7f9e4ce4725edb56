"""Where a model service is, and what may be sent there: an address, bound to its key and headers.

Pure: the environment is handed in. The environment's key and headers belong to the environment's address, or to
OpenAI's: an address that a file names gets only what that file gives it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import SplitResult, parse_qsl, urlsplit

from agentrun.errors import ModelError
from agentrun.models.failures import Service

OPENAI_URL = "https://api.openai.com/v1"

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


class Endpoint:
    """`base_url` None: the environment's, else OpenAI's."""

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None,
        api_key: str | None,
        headers: Mapping[str, str],
        environment: Mapping[str, str],
    ) -> None:
        self.written = (base_url or environment.get("OPENAI_BASE_URL") or OPENAI_URL).strip()
        self._url = _split(self.written)
        self.is_openai = self._url.hostname == "api.openai.com"
        self.uses_environment = self.is_openai or not base_url
        from_environment = environment.get("OPENAI_API_KEY", "") if self.uses_environment else ""
        self.api_key = (api_key or from_environment).strip()
        self.headers = {name: value.strip() for name, value in headers.items()}
        names = "OPENAI_API_KEY, or `api_key` under `model`" if self.uses_environment else "`api_key` under `model`"
        verb = "Check" if self.api_key else "No key was sent: set"
        self.service = Service(model, self._shown(), f"{verb} {names}.")

    @property
    def base_url(self) -> str:
        return self._url._replace(query="", fragment="").geturl()

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(self._url.query))

    def left_out(self, environment: Mapping[str, str]) -> list[str]:
        """Names of headers that the SDK takes from the environment and that must not go to this address."""
        if self.uses_environment:
            return []
        lines = environment.get("OPENAI_CUSTOM_HEADERS", "").splitlines()
        names = ["OpenAI-Organization", "OpenAI-Project", *(line.partition(":")[0].strip() for line in lines)]
        own = {name.lower() for name in self.headers}
        return [name for name in names if name and name.lower() not in own]

    def check(self) -> None:
        """Say what is wrong with the wiring before anything is sent."""
        has_space = any(map(str.isspace, self.written))
        if self._url.scheme not in ("http", "https") or not self._url.hostname or has_space:
            raise self.bad_address()
        if self.is_openai and not self.api_key and "authorization" not in map(str.lower, self.headers):
            raise ModelError(
                f"no API key for {self.service.url}: OPENAI_API_KEY is not set",
                code="no_api_key",
                help="Set OPENAI_API_KEY, or `api_key` under `model` in the agent's file. "
                "To try agentrun without a key: `--model offline`.",
            )
        for name, value in (("Authorization", self.api_key), *self.headers.items()):
            if not _HEADER_NAME.fullmatch(name):
                raise ModelError(f"{name!r} under `model.headers` is not a header's name", code="bad_header")
            if not (value.isascii() and value.isprintable()):
                what = "the API key" if value is self.api_key else f"the value of header {name}"
                raise ModelError(f"{what} holds a character that can't stand in a header", code="bad_header")

    def bad_address(self) -> ModelError:
        return ModelError(
            f"base_url {self.written!r} is not an address",
            code="bad_base_url",
            help="Write it with scheme and host, such as http://localhost:11434/v1.",
        )

    def _shown(self) -> str:
        """The address without what may be secret in it: credentials and query."""
        host = self._url.netloc.rpartition("@")[2]
        return self._url._replace(netloc=host, query="", fragment="").geturl()


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises if it is not a number
    except ValueError:
        return urlsplit("")
    return parts
