"""A summary that somebody asks for between two runs, and a conversation as exchanges."""

import asyncio
import itertools

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentrun.cassettes.cassette import Interrupted, ToolEntry
from agentrun.cassettes.player import Player
from agentrun.cassettes.recorder import Recorder
from agentrun.engine import events, loop
from agentrun.engine.agent import Prices
from agentrun.engine.compaction import compact
from agentrun.engine.context import held_untrusted, is_note, tokens_of
from agentrun.engine.conversation import correction, untrusted_seen
from agentrun.engine.exchanges import (
    attachments_of,
    calls_in,
    exchange_starts,
    taken_over_by,
    text_of,
)
from agentrun.engine.messages import Message, ToolCall, system, tool_result, user
from agentrun.engine.ports import RetryProgress, TextProgress
from agentrun.errors import ModelError, ToolFailure, UsageError
from agentrun.json_schema import Validator
from engine_agents import answer, make_agent, make_tool, script, soon

LONG = "x" * 1200
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
USED = {"usage": {"input_tokens": 1000, "output_tokens": 100}}


def said(text, *calls):
    data = {"role": "assistant", "content": text}
    if calls:
        data["tool_calls"] = [
            {"id": id, "type": "function", "function": {"name": name, "arguments": "{}"}} for name, id in calls
        ]
    return Message(data)


def conversation():
    """Two exchanges: a long one, and a short one."""
    return [
        system("prompt"),
        user("the first question"),
        said(None, ("read", "c1")),
        tool_result("c1", LONG),
        said("the first answer"),
        user("the second question"),
        said("the second answer"),
    ]


def compacted(agent, messages, **options):
    told = []
    done = asyncio.run(soon(compact(agent, messages, emit=told.append, **options)))
    return done, told


# -- a summary that is asked for --------------------------------------------------------------------------------------


def test_all_but_the_last_exchange_becomes_a_summary():
    messages = conversation()
    done, told = compacted(make_agent([answer("They spoke.")], make_tool("read")), messages)
    assert messages[0] == system("prompt")
    assert text_of(messages[1]) == "Summary of the conversation so far: They spoke."
    assert messages[2:] == conversation()[5:]
    assert done.dropped_messages == 4
    assert (done.tokens_before, done.tokens_after) == (tokens_of(conversation()), tokens_of(messages))
    (event,) = told
    assert isinstance(event, events.Compacted)
    assert (event.seq, event.dropped_messages) == (1, 4)
    assert event.run_id


def test_the_model_is_given_the_text_of_what_goes_and_what_the_user_wants_kept():
    asked = []

    class Model:
        name = "asked"

        async def complete(self, request, tell):
            asked.append(request)
            return await script(answer("short")).complete(request, tell)

    compacted(make_agent(Model()), conversation(), wish="keep the order numbers")
    (request,) = asked
    assert not request.tools
    assert text_of(request.messages[0]).endswith("keep this in mind: keep the order numbers")
    assert "[user] the first question" in text_of(request.messages[1])
    assert "the second question" not in text_of(request.messages[1])


def test_what_it_cost_is_told():
    agent = make_agent([answer("They spoke.") | USED], prices=(Prices(1.0, 10.0, 0.1),))
    done, (event,) = compacted(agent, conversation())
    assert done.usage.total_tokens == event.usage.total_tokens == 1100
    assert done.cost_usd == event.cost_usd == pytest.approx(0.002)


def test_in_a_run_it_is_part_of_what_the_run_cost():
    assert msgspec.json.decode(
        msgspec.json.encode(events.Compacted(run_id="r", seq=1, time=0.0, dropped_messages=2))
    ) == {
        "type": "compacted",
        "run_id": "r",
        "seq": 1,
        "time": 0.0,
        "dropped_messages": 2,
    }


@pytest.mark.parametrize(
    "messages",
    [
        [],
        [system("prompt")],
        [system("prompt"), user("hi"), said("hello")],
        [system("prompt"), user("Summary of the conversation so far: " + LONG), user("hi"), said("hello")],
    ],
)
def test_what_is_too_short_for_a_summary_stays_and_nothing_is_asked(messages):
    before = list(messages)
    with pytest.raises(UsageError, match="too short"):
        compacted(make_agent([]), messages)
    assert messages == before


def test_of_one_long_exchange_the_older_turns_become_a_summary():
    turns = [
        one for number in range(8) for one in (said(None, ("read", f"c{number}")), tool_result(f"c{number}", LONG))
    ]
    messages = [system("prompt"), user("the task"), *turns, said("done")]
    compacted(make_agent([answer("Half of it is read.")]), messages)
    assert is_note(messages[1])
    assert messages[2] == user("the task")
    assert messages[-1] == said("done")
    assert_valid(messages)
    assert exchange_starts(messages) == [2]


@pytest.mark.parametrize(
    ("turn", "told"),
    [
        ({"error": {"status": 400, "message": "no such model"}}, "no such model"),
        (answer("  "), "nothing"),
    ],
)
def test_without_a_summary_nothing_changes(turn, told):
    messages = conversation()
    with pytest.raises(ModelError, match=told):
        compacted(make_agent([turn]), messages)
    assert messages == conversation()


def test_interrupted_it_leaves_everything_as_it_was():
    messages, told = conversation(), []

    async def interrupt():
        asked = asyncio.Event()

        class Never:
            name = "never"

            async def complete(self, request, tell):
                asked.set()
                await asyncio.Event().wait()

        work = asyncio.create_task(compact(make_agent(Never()), messages, emit=told.append))
        await asked.wait()
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work

    asyncio.run(soon(interrupt()))
    assert messages == conversation()
    assert told == []


def test_retries_are_told_in_the_same_envelope_without_secrets():
    class Shaky:
        name = "shaky"

        async def complete(self, request, tell):
            tell(TextProgress("half"))
            tell(RetryProgress(1, "the key hunter22 is slow", 0.1))
            return await script(answer("They spoke.")).complete(request, tell)

    _, told = compacted(make_agent(Shaky(), secrets=["hunter22"]), conversation())
    assert [(type(one), one.seq) for one in told] == [(events.Retried, 1), (events.Compacted, 2)]
    assert told[0].cause == "the key [secret] is slow"
    assert told[0].run_id == told[1].run_id


def test_that_hostile_output_was_seen_survives():
    tool = make_tool("read", untrusted_output=True)
    messages = conversation()
    agent = make_agent([answer("They spoke.")], tool)
    assert untrusted_seen(agent, messages)
    compacted(agent, messages)
    assert held_untrusted(messages[1])
    assert untrusted_seen(agent, messages)


def test_a_summary_of_a_summary_is_one_note_that_remembers_it_too():
    tool = make_tool("read", untrusted_output=True)
    agent = make_agent([answer("They spoke."), answer("They spoke on.")], tool)
    messages = conversation()
    compacted(agent, messages)
    messages += [user(LONG), said("so long"), user("and now?"), said("nothing")]
    compacted(agent, messages)
    assert [is_note(one) for one in messages] == [False, True, False, False]
    assert held_untrusted(messages[1])


def test_a_long_summary_is_cut_so_that_something_is_saved():
    messages = conversation()
    done, _ = compacted(make_agent([answer("word " * 2000)]), messages)
    assert done.tokens_after < done.tokens_before
    assert text_of(messages[1]).endswith("…")


async def no_call():
    raise AssertionError("it is played")


def test_a_recording_plays_it_again_also_after_a_turn_that_was_interrupted():
    """Between two runs it is asked for anew, whatever the last one came to."""
    agent = make_agent([answer("They spoke.")])
    recorder = Recorder("main", agent.mask)
    recorded = conversation()
    compacted(agent, recorded, journal=recorder)
    entries = (ToolEntry("c9", "read", {}, Interrupted()), *recorder.conversation().entries)
    player = Player(msgspec.structs.replace(recorder.conversation(), entries=entries), agent.mask)
    with pytest.raises(ToolFailure):
        asyncio.run(soon(player.tool_call("turn-1/call-0", ToolCall("c9", "read", "{}"), no_call)))
    played = conversation()
    compacted(make_agent([]), played, journal=player)
    assert played == recorded


# -- exchanges --------------------------------------------------------------------------------------------------------


def test_an_exchange_begins_where_the_user_said_something():
    assert exchange_starts(conversation()) == [1, 5]


def test_what_the_loop_says_in_the_users_name_begins_none():
    messages = [
        system("prompt"),
        user("Earlier parts of this conversation were left out, because it grew too long."),
        user("give me JSON"),
        said("no"),
        correction("it is no JSON"),
        said("{}"),
    ]
    assert exchange_starts(messages) == [2]


def test_what_a_user_says_like_a_note_is_said_all_the_same():
    messages = [user("hi"), said("hello"), user("Summary of the conversation so far: none"), said("right")]
    assert exchange_starts(messages) == [0, 2]


def test_a_message_is_its_text_and_what_is_attached():
    message = user("what is this?", [IMAGE])
    assert text_of(message) == "what is this?"
    assert attachments_of(message) == [IMAGE]
    assert attachments_of(user("hi")) == []


def test_a_correction_of_the_loop_is_known_as_one():
    schema = {"type": "object"}
    messages = []
    agent = make_agent([answer("no"), answer("{}")], answer=Validator(schema), response_format={"type": "json_object"})
    asyncio.run(soon(loop.run(agent, text="give me JSON", messages=messages)))
    assert [one.role for one in messages] == ["user", "assistant", "user", "assistant"]
    assert exchange_starts(messages) == [0]


def test_who_took_over_is_read_from_the_results_that_say_so():
    calls = [("transfer_to_b", "c1"), ("transfer_to_c", "c2")]
    failed = '{"error": {"type": "invalid_arguments", "message": "no"}}'
    assert (
        taken_over_by([said(None, *calls), tool_result("c1", failed), tool_result("c2", '{"assistant": "c"}')]) == "c"
    )
    assert taken_over_by([said(None, *calls), tool_result("c1", failed), tool_result("c2", failed)]) is None
    assert taken_over_by([said(None, ("read", "c1")), tool_result("c1", '{"assistant": "c"}')]) is None
    assert calls_in([said(None, *calls, ("read", "c3"))]) == ["read"]


# -- whatever is done to it, a conversation stays one that a service takes --------------------------------------------


def assert_valid(messages):
    """Each call has its results behind it, in order; a turn of the model follows something that was said to it."""
    waiting = []
    for before, message in itertools.pairwise([None, *messages]):
        if message.role == "system":
            assert before is None
        if waiting:
            assert message.role == "tool"
            assert message.data["tool_call_id"] == waiting.pop(0)
            continue
        assert message.role != "tool"
        if message.role == "assistant":
            assert before is not None and before.role in ("user", "tool")
            waiting = [call["id"] for call in message.data.get("tool_calls") or ()]
    assert not waiting


TURNS = st.lists(st.integers(0, 3), max_size=4)  # how many calls each turn of an exchange makes
STEPS = st.lists(st.one_of(TURNS, st.sampled_from(["undo", "compact", "compact"])), max_size=12)


@settings(max_examples=80, deadline=None)
@given(STEPS, st.integers(0, 900))
def test_after_any_sequence_of_messages_undoing_and_summing_up_the_history_is_valid(steps, size):
    messages, ids = [], itertools.count()
    for step in steps:
        if step == "compact":
            before = list(messages)
            try:
                compacted(make_agent([answer("They spoke.")]), messages)
            except UsageError:
                assert messages == before
            else:
                assert tokens_of(messages) < tokens_of(before)
                assert exchange_starts(messages)
        elif step == "undo":
            if starts := exchange_starts(messages):
                del messages[starts[-1] :]
        else:
            messages += [] if messages else [system("prompt")]
            messages.append(user("x" * size))
            for count in step:
                called = [("read", f"c{next(ids)}") for _ in range(count)]
                messages.append(said("y" * size, *called))
                messages += [tool_result(id, "z" * size) for _, id in called]
                if not called:
                    break
            else:
                messages.append(said("done"))
        assert_valid(messages)
