"""What every contender is given: a prompt, the tools with their functions, and questions for the model server.

The question says what the server plays, so it works through any framework that passes a user's message on. The
tools are the same Python functions everywhere, and note the CPU time at each call: from one call to the next is
one round, measured the same way whoever makes the calls. `project/` says the same in YAML, and a test compares.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from typing import Any

MODEL = "bench-model"
API_KEY = "bench-key-of-no-service"
SYSTEM_PROMPT = "You answer questions about the weather. Use the tools, and answer in one short sentence."
NAP_S = 0.2

TOOLS: list[dict[str, Any]] = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "Weather forecast for a city.",
            "parameters": {
                "type": "object",
                "properties": {
                    "city": {"type": "string", "minLength": 1, "description": "City name"},
                    "days": {"type": "integer", "minimum": 1, "description": "How many days ahead"},
                    "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
                },
                "required": ["city", "days", "unit"],
                "additionalProperties": False,
            },
        },
    },
    {
        "type": "function",
        "function": {
            "name": "nap",
            "description": "Waits, as a slow service would.",
            "parameters": {
                "type": "object",
                "properties": {"number": {"type": "integer"}},
                "required": ["number"],
                "additionalProperties": False,
            },
        },
    },
]

marks: list[float] = []  # the process's CPU time at each call of `get_weather`, in seconds
naps: list[int] = []


def get_weather(city: str, days: int, unit: str) -> dict[str, Any]:
    marks.append(cpu_s())
    return {"city": city, "unit": unit, "days": days, "temperature": 3 + days % 20, "sky": "light rain", "wind": 4.5}


def nap(number: int) -> dict[str, Any]:
    time.sleep(NAP_S)
    naps.append(number)
    return {"number": number, "slept_s": NAP_S}


FUNCTIONS: dict[str, Callable[..., dict[str, Any]]] = {"get_weather": get_weather, "nap": nap}


def cpu_s() -> float:
    """CPU time of this process so far, all threads, user and system."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
