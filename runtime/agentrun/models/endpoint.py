"""Where a model service is, and what may be sent there: an address, bound to its key and headers.

Pure: the environment is handed in. The environment's key and headers belong to the environment's address, or to
the provider's own: an address that a file names gets only what that file gives it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import SplitResult, parse_qsl, urlsplit

import msgspec

from agentrun.errors import ModelError
from agentrun.models.failures import Service


class Provider(msgspec.Struct, frozen=True):
    """Whose API it is: `PREFIX_API_KEY` and its kin in the environment, and the address that they belong to.

    `key_headers` can carry a key; `sdk_headers` are what its SDK takes from the environment by itself.
    """

    prefix: str
    url: str
    key_headers: tuple[str, ...]
    sdk_headers: tuple[str, ...] = ()
    path_help: str = "often in /v1"

    @property
    def key_variable(self) -> str:
        return f"{self.prefix}_API_KEY"


OPENAI = Provider("OPENAI", "https://api.openai.com/v1", ("authorization",), ("OpenAI-Organization", "OpenAI-Project"))
ANTHROPIC = Provider("ANTHROPIC", "https://api.anthropic.com", ("authorization", "x-api-key"), path_help="without /v1")
KEY_VARIABLES = (OPENAI.key_variable, ANTHROPIC.key_variable)

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


class Endpoint:
    """`base_url` None: the environment's, else the provider's."""

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None,
        api_key: str | None,
        headers: Mapping[str, str],
        environment: Mapping[str, str],
        provider: Provider = OPENAI,
    ) -> None:
        self.provider = provider
        self.key_variable = provider.key_variable
        self.written = (base_url or environment.get(f"{provider.prefix}_BASE_URL") or provider.url).strip()
        self._url = _split(self.written)
        self.is_providers = self._url.hostname == urlsplit(provider.url).hostname
        self.uses_environment = self.is_providers or not base_url
        from_environment = environment.get(self.key_variable, "") if self.uses_environment else ""
        self.api_key = (api_key or from_environment).strip()
        self.headers = {name: value.strip() for name, value in headers.items()}
        names = "`api_key` under `model`"
        if self.uses_environment:
            names = f"{self.key_variable}, or {names}"
        verb = "Check" if self.api_key else "No key was sent: set"
        self.service = Service(model, self._shown(), f"{verb} {names}.", provider.path_help)

    @property
    def base_url(self) -> str:
        return self._url._replace(query="", fragment="").geturl()

    @property
    def has_key_header(self) -> bool:
        """The file writes the header that carries a key itself."""
        return any(name.lower() in self.provider.key_headers for name in self.headers)

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(self._url.query))

    def left_out(self, environment: Mapping[str, str]) -> list[str]:
        """Names of headers that the SDK takes from the environment and that must not go to this address."""
        if self.uses_environment:
            return []
        lines = environment.get(f"{self.provider.prefix}_CUSTOM_HEADERS", "").splitlines()
        names = [*self.provider.sdk_headers, *(line.partition(":")[0].strip() for line in lines)]
        own = {name.lower() for name in self.headers}
        return [name for name in names if name and name.lower() not in own]

    def check(self) -> None:
        """Say what is wrong with the wiring before anything is sent."""
        has_space = any(map(str.isspace, self.written))
        if self._url.scheme not in ("http", "https") or not self._url.hostname or has_space:
            raise self.bad_address()
        if self.is_providers and not self.api_key and not self.has_key_header:
            raise ModelError(
                f"no API key for {self.service.url}: {self.key_variable} is not set",
                code="no_api_key",
                help=f"Set {self.key_variable}, or `api_key` under `model` in the agent's file. "
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
            help=f"Write it with scheme and host, such as {self.provider.url}.",
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
