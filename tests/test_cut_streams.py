"""A stream that is cut, at whatever byte: half a turn runs no tool, is no answer, and is asked for again.

Whole runs against a real server. One run takes all cuts before the finish, one after the other, as the failed
attempts of its first turn: had any of them counted as a turn, the run would ask less often, or call a tool too early.
"""

import asyncio

import pytest

from agentrun.engine import loop
from agentrun.models.openai_chat import ChatCompletions
from agentrun.models.retry import Retrying
from agentrun.models.speakers import SAID_BY
from engine_agents import make_agent, make_tool
from golden_runs import normalised
from recorded_streams import STREAMS
from servers import ModelServer, Response, cut, sse

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
VOID = ("text_delta", "reasoning_delta", "tool_call_delta")
ENDINGS = ["whole", "reset"]  # a clean end that came too early, and a connection that broke

every_stream = pytest.mark.parametrize("stream", STREAMS, ids=lambda stream: stream.name)
every_ending = pytest.mark.parametrize("ending", ENDINGS)


class Played:
    """A run: its outcome, its events, the cities that its tool was asked for, and by which request it was first."""

    def __init__(self):
        self.outcome = None
        self.told = []
        self.cities = []
        self.first_call_after = None

    @property
    def events(self):
        return normalised(self.told)

    @property
    def retried(self):
        return sum(event["type"] == "retried" for event in self.events)

    def as_if_nothing_had_happened(self):
        """The events without retries, the deltas that they void, and numbers. A cut may cost the usage.

        Each play has a server of its own: what tells of its address is left out too.
        """
        kept = []
        for event in self.events:
            if event["type"] == "retried":
                while kept[-1]["type"] in VOID:
                    kept.pop()
                continue
            shown = {key: value for key, value in event.items() if key not in ("seq", "usage")}
            if "message" in shown:
                shown["message"] = {key: value for key, value in shown["message"].items() if key != SAID_BY}
            kept.append(shown)
        return kept


def play(script, *, runs=1, max_retries=1_000_000):
    """These many runs, one after the other, against one server that plays `script`; and how often it was asked."""
    played = [Played() for _ in range(runs)]
    with ModelServer(script) as server:

        async def at_once(delay_s):
            """Retries don't wait here."""

        async def all_of_them():
            options = {"api_key": None, "headers": {}, "settings": {}, "connect_s": 10, "idle_s": 10, "total_s": 10}
            service = ChatCompletions("m", base_url=server.base_url, **options)
            model = Retrying([service], max_retries=max_retries, sleep=at_once)
            for one in played:

                async def weather(arguments, context, one=one):
                    if not one.cities:
                        one.first_call_after = len(server.requests)
                    one.cities.append(arguments["city"])
                    return 7

                agent = make_agent(model, make_tool("weather", weather, parameters=CITY))
                one.outcome = await loop.run(agent, emit=one.told.append)
            await service.aclose()

        asyncio.run(asyncio.wait_for(all_of_them(), 50))
        return played, len(server.requests)


def whole(stream):
    return Response([stream.body])


def script_after(stream, *attempts):
    return [*attempts, *([sse("Cold.")] if stream.calls else [])]


def untouched(stream):
    (played,), asked = play(script_after(stream, whole(stream)))
    return played, asked


def without_addresses(messages):
    """Each server has another one, and a message of a service's own fields says whose it is."""
    return [{key: value for key, value in one.data.items() if key != SAID_BY} for one in messages]


@every_stream
@pytest.mark.parametrize("ending", ["whole", pytest.param("reset", marks=pytest.mark.slow)])
def test_cut_at_any_byte_before_its_finish_a_turn_is_asked_for_again_and_nothing_of_it_counts(stream, ending):
    expected, asked_for_it = untouched(stream)
    cuts = [cut(whole(stream), size, ending) for size in range(stream.whole_at)]
    (played,), asked = play(script_after(stream, *cuts, whole(stream)))
    assert played.retried == len(cuts)
    assert asked == len(cuts) + asked_for_it
    assert played.outcome.reason == "answered"
    assert played.as_if_nothing_had_happened() == expected.as_if_nothing_had_happened()
    assert without_addresses(played.outcome.messages) == without_addresses(expected.outcome.messages)
    assert played.cities == expected.cities
    assert len(played.cities) == stream.calls
    assert played.first_call_after == (len(cuts) + 1 if stream.calls else None)


@every_stream
@every_ending
def test_cut_at_any_byte_after_its_finish_a_turn_is_whole(stream, ending):
    """What may be missing then is the usage, never the turn."""
    expected, asked_for_it = untouched(stream)
    sizes = range(stream.whole_at, len(stream.body))
    scripts = [script_after(stream, cut(whole(stream), size, ending)) for size in sizes]
    played, asked = play([response for script in scripts for response in script], runs=len(sizes))
    assert asked == asked_for_it * len(sizes)
    for size, one in zip(sizes, played, strict=True):
        assert one.as_if_nothing_had_happened() == expected.as_if_nothing_had_happened(), size
        assert one.cities == expected.cities, size


@every_stream
@every_ending
def test_without_a_second_try_a_cut_turn_is_a_failure_of_the_service_in_one_line(stream, ending):
    ends_of_events = [at + 2 for at in range(stream.whole_at - 2) if stream.body[at : at + 2] == b"\n\n"]
    sizes = [0, 1, *ends_of_events, stream.whole_at - 1]
    played, _ = play([cut(whole(stream), size, ending) for size in sizes], runs=len(sizes), max_retries=0)
    for size, one in zip(sizes, played, strict=True):
        assert (one.outcome.reason, one.outcome.text, one.cities) == ("model_error", "", []), size
        assert one.outcome.error["type"] in ("incomplete_reply", "malformed_reply"), size
        assert "\n" not in one.outcome.error["message"]
        assert one.outcome.messages == []


@every_stream
def test_a_connection_that_is_closed_in_the_middle_of_a_chunk_is_a_cut_too(stream):
    half = cut(whole(stream), stream.whole_at // 2, "cut")
    (played,), _ = play(script_after(stream, half, whole(stream)))
    assert (played.retried, played.outcome.reason, len(played.cities)) == (1, "answered", stream.calls)
