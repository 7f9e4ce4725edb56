"""What every contender is given: a prompt, and three tools. It needs nothing but the standard library.

`get_weather` and `nap` are Python functions, and note that they were called; `fetch_weather` asks a service over HTTP,
in each contender's own way. A contender without an event loop calls FUNCTIONS; the others call ASYNC_FUNCTIONS, which
do the same and need no thread. `get_weather` notes the CPU time: from one call to the next is one round, measured the
same way whoever makes the calls. `project/` says the same in YAML, and `contenders/typed_tools.py` to frameworks that
read signatures; tests compare.
"""

from __future__ import annotations

import asyncio
import resource
import time
from collections.abc import Awaitable, Callable
from typing import Any

Function = Callable[..., dict[str, Any]]
AsyncFunction = Callable[..., Awaitable[dict[str, Any]]]

MODEL = "bench-model"
API_KEY = "bench-key-of-no-service"
SYSTEM_PROMPT = "You answer questions about the weather. Use the tools, and answer in one short sentence."
NAP_S = 0.2

_WEATHER = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "minLength": 1, "description": "City name"},
        "days": {"type": "integer", "minimum": 1, "description": "How many days ahead"},
        "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
    },
    "required": ["city", "days", "unit"],
    "additionalProperties": False,
}
_NAP = {
    "type": "object",
    "properties": {"number": {"type": "integer"}},
    "required": ["number"],
    "additionalProperties": False,
}


def _tool(name: str, description: str, parameters: dict[str, Any]) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}


TOOLS = [
    _tool("get_weather", "Weather forecast for a city.", _WEATHER),
    _tool("fetch_weather", "Weather forecast for a city, from a service.", _WEATHER),
    _tool("nap", "Waits, as a slow service would.", _NAP),
]

marks: list[float] = []  # the process's CPU time at each call of `get_weather`, in seconds
naps: list[int] = []


def weather(city: str, days: int, unit: str) -> dict[str, Any]:
    return {"city": city, "unit": unit, "days": days, "temperature": 3 + days % 20, "sky": "light rain", "wind": 4.5}


def get_weather(city: str, days: int, unit: str) -> dict[str, Any]:
    marks.append(cpu_s())
    return weather(city, days, unit)


async def get_weather_async(city: str, days: int, unit: str) -> dict[str, Any]:
    return get_weather(city, days, unit)


def nap(number: int) -> dict[str, Any]:
    time.sleep(NAP_S)
    return _napped(number)


async def nap_async(number: int) -> dict[str, Any]:
    await asyncio.sleep(NAP_S)
    return _napped(number)


def _napped(number: int) -> dict[str, Any]:
    naps.append(number)
    return {"number": number, "slept_s": NAP_S}


FUNCTIONS: dict[str, Function] = {"get_weather": get_weather, "nap": nap}
ASYNC_FUNCTIONS: dict[str, AsyncFunction] = {"get_weather": get_weather_async, "nap": nap_async}


def cpu_s() -> float:
    """CPU time of this process so far, all threads, user and system."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
