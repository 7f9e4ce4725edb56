"""A stream that is cut, at whatever byte: half a turn runs no tool, is no answer, and is asked for again.

Whole runs against a real server. One run takes all cuts before the finish, one after the other, as the failed
attempts of its first turn: had any of them counted as a turn, the run would ask less often, or call a tool too early.
"""

import asyncio
from dataclasses import replace

import pytest

from agentrun.engine import loop
from agentrun.engine.agent import Limits
from agentrun.models.openai_chat import ChatCompletions
from agentrun.models.retry import Retrying
from engine_agents import make_agent, make_tool, soon
from golden_runs import normalised
from recorded_streams import STREAMS
from servers import ModelServer, Response, cut, sse

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
VOID = ("text_delta", "reasoning_delta", "tool_call_delta")
ENDINGS = ["whole", "reset"]  # a clean end that came too early, and a connection that broke

every_stream = pytest.mark.parametrize("stream", STREAMS, ids=lambda stream: stream.name)
every_ending = pytest.mark.parametrize("ending", ENDINGS)


class Played:
    """A run against a server that plays `script`: its outcome, its events, and what its tool was asked."""

    def __init__(self, script, *, max_retries=1_000_000):
        self.cities = []
        self.asked_before_calls = None
        told = []
        with ModelServer(script) as server:

            async def weather(arguments, context):
                if self.asked_before_calls is None:
                    self.asked_before_calls = len(server.requests)
                self.cities.append(arguments["city"])
                return 7

            async def at_once(delay_s):
                """Retries don't wait here."""

            async def play():
                service = ChatCompletions(
                    "m",
                    base_url=server.base_url,
                    api_key=None,
                    headers={},
                    settings={},
                    connect_s=10,
                    idle_s=10,
                    total_s=10,
                )
                model = Retrying([service], max_retries=max_retries, sleep=at_once)
                tool = make_tool("weather", weather, parameters=CITY)
                try:
                    return await loop.run(make_agent(model, tool, limits=Limits(timeout_s=50)), emit=told.append)
                finally:
                    await service.aclose()

            self.outcome = asyncio.run(soon(play()))
            self.requests = server.requests
        self.events = normalised(told)

    @property
    def retried(self):
        return sum(event["type"] == "retried" for event in self.events)

    def as_if_nothing_had_happened(self):
        """The events without retries, the deltas that they void, and numbers. A cut may cost the usage."""
        kept = []
        for event in self.events:
            if event["type"] == "retried":
                while kept[-1]["type"] in VOID:
                    kept.pop()
                continue
            kept.append({key: value for key, value in event.items() if key not in ("seq", "usage")})
        return kept


def whole(stream):
    return Response([stream.body])


def script_after(stream, *attempts):
    return [*attempts, *([sse("Cold.")] if stream.calls else [])]


@every_stream
@every_ending
def test_cut_at_any_byte_before_its_finish_a_turn_is_asked_for_again_and_nothing_of_it_counts(stream, ending):
    untouched = Played(script_after(stream, whole(stream)))
    cuts = [cut(whole(stream), size, ending) for size in range(stream.whole_at)]
    played = Played(script_after(stream, *cuts, whole(stream)))
    assert played.retried == len(cuts)
    assert len(played.requests) == len(cuts) + len(untouched.requests)
    assert played.outcome.reason == "answered"
    assert played.as_if_nothing_had_happened() == untouched.as_if_nothing_had_happened()
    assert played.outcome.messages == untouched.outcome.messages
    assert played.cities == untouched.cities
    assert len(played.cities) == stream.calls
    if stream.calls:
        assert played.asked_before_calls == len(cuts) + 1


@every_stream
@every_ending
def test_cut_after_its_finish_a_turn_is_whole(stream, ending):
    """Byte by byte: what may be missing then is the usage, never the turn."""
    untouched = Played(script_after(stream, whole(stream)))
    for size in range(stream.whole_at, len(stream.body), 1 if ending == "whole" else 5):
        played = Played(script_after(stream, cut(whole(stream), size, ending)))
        assert played.retried == 0, size
        assert played.as_if_nothing_had_happened() == untouched.as_if_nothing_had_happened(), size
        assert played.cities == untouched.cities, size


@every_stream
@every_ending
def test_without_a_second_try_a_cut_turn_is_a_failure_of_the_service_in_one_line(stream, ending):
    boundaries = [at + 2 for at in range(stream.whole_at - 2) if stream.body[at : at + 2] == b"\n\n"]
    for size in [0, 1, *boundaries, stream.whole_at - 1]:
        played = Played([cut(whole(stream), size, ending)], max_retries=0)
        assert (played.outcome.reason, played.outcome.text, played.cities) == ("model_error", "", []), size
        assert played.outcome.error["type"] in ("incomplete_reply", "malformed_reply"), size
        assert "\n" not in played.outcome.error["message"]
        assert [message.role for message in played.outcome.messages] == ["user"]


@every_stream
def test_a_connection_that_is_closed_in_the_middle_of_a_chunk_is_a_cut_too(stream):
    half = replace(cut(whole(stream), stream.whole_at // 2), ending="cut")
    played = Played(script_after(stream, half, whole(stream)))
    assert (played.retried, played.outcome.reason, len(played.cities)) == (1, "answered", stream.calls)
