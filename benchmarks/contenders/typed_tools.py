"""The tools as frameworks want them that read signatures: typed async functions, with a docstring for the model.

They say what `task.TOOLS` says. A function returns what each framework makes the text of a tool message from.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal

import httpx2
from pydantic import Field

from benchmarks import task

City = Annotated[str, Field(min_length=1, description="City name")]
Days = Annotated[int, Field(ge=1, description="How many days ahead")]
Unit = Literal["celsius", "fahrenheit"]


def typed_tools(base_url: str) -> list[Callable[..., Awaitable[dict[str, Any]]]]:
    """`fetch_weather` has one client for all calls, as httpx's documentation advises."""
    service = httpx2.AsyncClient(base_url=base_url)

    async def fetch_weather(city: City, days: Days, unit: Unit) -> dict[str, Any]:
        """Weather forecast for a city, from a service."""
        response = await service.get("/weather", params={"city": city, "days": days, "unit": unit})
        return dict(response.raise_for_status().json())

    return [get_weather, fetch_weather, nap]


async def get_weather(city: City, days: Days, unit: Unit) -> dict[str, Any]:
    """Weather forecast for a city."""
    return await task.get_weather_async(city, days, unit)


async def nap(number: int) -> dict[str, Any]:
    """Waits, as a slow service would."""
    return await task.nap_async(number)
