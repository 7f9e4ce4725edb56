"""What models cost, and how much they take in, by the list that comes with the package `genai-prices`.

Knows a model by its name and by the address of the service that is asked: the same name elsewhere has another
price, or none. The list is read from the installed package and never from the network. Reading it takes some
35 ms, so it is loaded at the first question that it may answer: not for a server on this machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from agentrun.engine.messages import Usage

if TYPE_CHECKING:
    from genai_prices.types import PriceCalculation

_OPENAI = ("OPENAI_BASE_URL", "https://api.openai.com/v1")
_ANTHROPIC = ("ANTHROPIC_BASE_URL", "https://api.anthropic.com")


class ListPrice:
    """The price of `model` at the service under `url`."""

    def __init__(self, model: str, url: str) -> None:
        self._model = model
        self._url = url
        self._unlisted = not (model and _may_be_listed(url))

    @property
    def is_known(self) -> bool:
        return self.cost_usd(Usage()) is not None

    @property
    def window_tokens(self) -> int | None:
        """How many tokens the model's context holds, where the list says it."""
        found = self._found(Usage())
        return None if found is None else found.model.context_window

    def cost_usd(self, usage: Usage) -> float | None:
        """US dollars of one reply, or None where the list does not know the model."""
        found = self._found(usage)
        if found is None or found.model_price.input_mtok is None or found.model_price.output_mtok is None:
            return None  # listed without a price for text
        return float(found.total_price)

    def _found(self, usage: Usage) -> PriceCalculation | None:
        if self._unlisted:
            return None
        import genai_prices

        cached = min(usage.cached_tokens, usage.input_tokens)
        counted = genai_prices.Usage(
            input_tokens=usage.input_tokens, cache_read_tokens=cached, output_tokens=usage.output_tokens
        )
        try:
            return genai_prices.calc_price(counted, self._model, provider_api_url=self._url)
        except LookupError:
            self._unlisted = True
            return None


def service_url(api: str, base_url: str | None, environ: Mapping[str, str]) -> str:
    """Where a model is asked: at `base_url`, else where the environment says, else at the API's own service."""
    variable, default = _ANTHROPIC if api == "anthropic_messages" else _OPENAI
    return base_url or environ.get(variable) or default


def _may_be_listed(url: str) -> bool:
    """The list holds public services alone: no plain host names and no IP addresses."""
    try:
        host = urlsplit(url.strip()).hostname or ""
    except ValueError:
        return False
    name, _, top = host.rpartition(".")
    return bool(name) and top.isalpha()
