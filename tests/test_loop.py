"""The loop where it takes code to see it: what runs at once, what is cancelled, what the model is asked."""

import asyncio
import gc
import json

import pytest

import agentrun
from agentrun.engine import events, loop
from agentrun.engine import stream as streaming
from agentrun.engine.agent import Limits, PermissionRule
from agentrun.engine.messages import Message, Reply, assistant, user
from agentrun.engine.ports import CallProgress, FallbackProgress, ReasoningProgress, RetryProgress, TextProgress
from agentrun.errors import ToolFailure, UsageError
from agentrun.json_schema import Validator
from agentrun.models.history import repair
from engine_agents import answer, calls, kinds, make_agent, make_tool, other_tasks, results, script, soon
from projects import ADD, scripted_agent, write_project

WHOLE = {"type": "object", "properties": {"n": {"type": "integer"}}}


def play(agent, **options):
    """The outcome and the events of a run."""
    told = []
    return asyncio.run(soon(loop.run(agent, emit=told.append, **options))), told


async def cancelled(agent, when, messages, told):
    """Run until the event `when` is set, then cancel and wait for the end."""
    task = asyncio.create_task(loop.run(agent, messages=messages, emit=told.append))
    await soon(when.wait())
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await soon(task)


class Told:
    """A model that tells what it is given, then replies with a text."""

    name = "told"

    def __init__(self, *progress, text="done"):
        self.progress = progress
        self.text = text

    async def complete(self, request, tell):
        for one in self.progress:
            tell(one)
        return Reply(Message({"role": "assistant", "content": self.text}), self.text, (), "stop")


# -- cancellation ---------------------------------------------------------------------------------------------


def test_a_run_cancelled_in_a_model_turn_leaves_a_conversation_that_goes_on():
    class Hanging:
        name = "hanging"

        def __init__(self, asked):
            self.asked = asked

        async def complete(self, request, tell):
            tell(TextProgress("Half an ans"))
            self.asked.set()
            await asyncio.Event().wait()

    async def scenario():
        messages, told, asked = [], [], asyncio.Event()
        await cancelled(make_agent(Hanging(asked)), asked, messages, told)
        assert messages == [user("go"), assistant("Half an ans\n\n[interrupted]")]
        assert kinds(told) == ["RunStarted", "TurnStarted", "TextDelta", "RunFinished"]
        assert (told[-1].reason, told[-1].text) == ("cancelled", "Half an ans")
        assert other_tasks() == set()
        outcome = await soon(loop.run(make_agent([answer("Here.")]), text="Again?", messages=messages))
        assert outcome.text == "Here."
        assert [message.role for message in messages] == ["user", "assistant", "user", "assistant"]

    asyncio.run(scenario())


def test_a_run_cancelled_in_a_tool_keeps_what_finished_and_says_what_did_not():
    async def scenario():
        messages, told, hanging, ended = [], [], asyncio.Event(), []

        async def hang(arguments, context):
            hanging.set()
            try:
                await asyncio.Event().wait()
            finally:
                ended.append("hang")

        model = script(calls("quick", "hang", "quick"), answer())
        agent = make_agent(model, make_tool("quick"), make_tool("hang", hang))
        await cancelled(agent, hanging, messages, told)
        assert ended == ["hang"]
        assert other_tasks() == set()
        interrupted = '{"error":{"type":"interrupted","message":"the run ended before the call did"}}'
        assert results(messages) == ["ok", interrupted, "ok"]
        assert repair(messages) is messages, "the history is valid as it stands"
        finished = {event.call_id: event.result for event in told if isinstance(event, events.ToolFinished)}
        assert finished == {"c1": "ok", "c2": interrupted, "c3": "ok"}
        assert isinstance(told[-1], events.RunFinished)
        assert told[-1].reason == "cancelled"
        outcome = await soon(loop.run(agent, text="Go on.", messages=messages))
        assert outcome.reason == "answered"
        assert model.requests[-1].messages == tuple(messages[:-1])

    asyncio.run(scenario())


def test_calls_that_waited_for_their_turn_are_interrupted_too():
    async def scenario():
        messages, told, hanging = [], [], asyncio.Event()

        async def hang(arguments, context):
            hanging.set()
            await asyncio.Event().wait()

        agent = make_agent([calls(*["hang"] * 20)], make_tool("hang", hang), limits=Limits(max_repeated_calls=99))
        await cancelled(agent, hanging, messages, told)
        assert len([result for result in results(messages) if '"interrupted"' in result]) == 20
        assert kinds(told).count("ToolStarted") == 16
        assert kinds(told).count("ToolFinished") == 20
        assert other_tasks() == set()

    asyncio.run(scenario())


def test_half_a_surrogate_pair_in_what_a_user_gives_is_no_character_and_ends_no_run(tmp_path):
    write_project(tmp_path, {"agents/calc.yaml": scripted_agent([{"content": "Hi."}, {"content": "Again."}])})
    agent = agentrun.load(tmp_path / "agents/calc.yaml")
    first = agentrun.run_sync(agent, "\ud83d hello", args={"list": ["\udc00"]})
    assert [one.data["content"] for one in first.messages] == ["? hello", "Hi."]
    messages = list(first.messages)
    agentrun.run_sync(agent, "more \udfff", messages=messages)
    assert messages[2].data["content"] == "more ?"


# -- calls at once --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("parallel", "at_once"), [(None, 16), (True, 16), (False, 1)])
def test_at_most_sixteen_calls_run_at_once_and_one_where_the_agent_says_so(parallel, at_once):
    async def scenario():
        running, most, full, release = 0, 0, asyncio.Event(), asyncio.Event()

        async def work(arguments, context):
            nonlocal running, most
            running += 1
            most = max(most, running)
            if running == at_once:
                full.set()
            await release.wait()
            await asyncio.sleep(0)
            running -= 1
            return arguments["n"]

        turn = calls(*[("work", {"n": number}) for number in range(20)])
        agent = make_agent([turn, answer()], make_tool("work", work), parallel_tool_calls=parallel)
        task = asyncio.create_task(loop.run(agent))
        await soon(full.wait())
        release.set()
        outcome = await soon(task)
        assert most == at_once
        assert results(outcome.messages) == [str(number) for number in range(20)]

    asyncio.run(scenario())


def test_calls_of_a_turn_overlap():
    async def scenario():
        both = asyncio.Barrier(2)

        async def meet(arguments, context):
            await soon(both.wait())
            return "met"

        agent = make_agent([calls("meet", "meet"), answer()], make_tool("meet", meet))
        assert results((await soon(loop.run(agent))).messages) == ["met", "met"]

    asyncio.run(scenario())


def test_results_stand_in_the_order_of_the_calls_whatever_finished_first():
    async def scenario():
        finished = [asyncio.Event() for _ in range(4)]
        finished[3].set()

        async def work(arguments, context):
            n = arguments["n"]
            await soon(finished[n + 1].wait())
            finished[n].set()
            return n

        told = []
        turn = calls(*[("work", {"n": n}) for n in range(3)])
        agent = make_agent([turn, answer()], make_tool("work", work))
        outcome = await soon(loop.run(agent, emit=told.append))
        assert [event.result for event in told if isinstance(event, events.ToolFinished)] == ["2", "1", "0"]
        assert results(outcome.messages) == ["0", "1", "2"]

    asyncio.run(scenario())


def test_a_call_knows_its_run_its_turn_and_an_id_of_its_own():
    async def scenario():
        seen = []

        async def look(arguments, context):
            seen.append(context)
            return len(seen)

        agent = make_agent([calls("look", "look"), calls(("look", {"n": 1})), answer()], make_tool("look", look))
        await soon(loop.run(agent, session="s1"))
        assert [context.call.turn for context in seen] == [1, 1, 2]
        assert len({context.call.id for context in seen}) == 3
        assert {context.call.name for context in seen} == {"look"}
        assert {(context.run.agent, context.run.session) for context in seen} == {("main", "s1")}
        assert len({context.run.id for context in seen}) == 1

    asyncio.run(scenario())


# -- time -----------------------------------------------------------------------------------------------------


def test_a_tool_over_its_time_is_stopped_and_the_others_are_not():
    async def scenario():
        stopped = []

        async def hang(arguments, context):
            try:
                await asyncio.Event().wait()
            finally:
                stopped.append(True)

        tools = [make_tool("hang", hang, timeout_s=0.01), make_tool("quick")]
        outcome = await soon(loop.run(make_agent([calls("hang", "quick"), answer()], *tools)))
        timed_out, quick = results(outcome.messages)
        assert timed_out == '{"error":{"type":"timeout","message":"no result after 0.01 s"}}'
        assert (quick, stopped, outcome.reason) == ("ok", [True], "answered")

    asyncio.run(scenario())


def test_a_run_over_its_time_ends_with_what_it_has():
    async def scenario():
        async def hang(arguments, context):
            await asyncio.Event().wait()

        tools = [make_tool("hang", hang), make_tool("quick")]
        agent = make_agent([calls("hang", "quick")], *tools, limits=Limits(timeout_s=0.05))
        messages = []
        outcome = await soon(loop.run(agent, messages=messages))
        assert (outcome.reason, outcome.error["type"]) == ("timeout", "timeout")
        assert results(messages)[1] == "ok"
        assert repair(messages) is messages
        assert other_tasks() == set()

    asyncio.run(scenario())


def test_a_time_out_inside_a_tool_or_a_model_is_not_taken_for_ours():
    async def slow(arguments, context):
        raise TimeoutError("some socket")

    class Slow:
        name = "slow"

        async def complete(self, request, tell):
            raise TimeoutError("some socket")

    for agent in (make_agent([calls("slow")], make_tool("slow", slow)), make_agent(Slow())):
        told = []
        with pytest.raises(TimeoutError, match="some socket"):
            asyncio.run(soon(loop.run(agent, emit=told.append)))
        assert told[-1].error == {"type": "internal", "message": "TimeoutError: some socket"}


# -- bugs -----------------------------------------------------------------------------------------------------


def test_a_bug_in_a_tool_reaches_the_caller_as_itself_after_run_finished():
    async def scenario():
        messages, told = [], []

        async def broken(arguments, context):
            raise LookupError("a bug")

        async def hang(arguments, context):
            await asyncio.Event().wait()

        tools = [make_tool("quick"), make_tool("broken", broken), make_tool("hang", hang)]
        agent = make_agent([calls("quick", "broken", "hang")], *tools)
        with pytest.raises(LookupError, match="a bug"):
            await soon(loop.run(agent, messages=messages, emit=told.append))
        assert isinstance(told[-1], events.RunFinished)
        assert (told[-1].reason, told[-1].error["type"]) == ("model_error", "internal")
        assert [event.seq for event in told] == list(range(1, len(told) + 1))
        assert results(messages)[0] == "ok"
        assert repair(messages) is messages
        assert other_tasks() == set()

    asyncio.run(scenario())


@pytest.mark.parametrize("breaks_at", [events.TextDelta, events.ToolStarted, events.ToolFinished])
def test_a_reader_that_left_is_told_as_such(breaks_at):
    def emit(event):
        if isinstance(event, breaks_at):
            raise BrokenPipeError

    async def scenario():
        agent = make_agent([calls("quick", "quick", content="Let me see."), answer()], make_tool("quick"))
        with pytest.raises(BrokenPipeError):
            await soon(loop.run(agent, emit=emit))
        assert other_tasks() == set()

    asyncio.run(scenario())


# -- the stream -----------------------------------------------------------------------------------------------


def test_a_stream_gives_the_events_of_the_run():
    async def scenario():
        agent = make_agent([calls("quick"), answer()], make_tool("quick"))
        told = [event async for event in agentrun.stream(agent)]
        assert kinds(told) == [
            "RunStarted",
            "TurnStarted",
            "ToolCallDelta",
            "TurnFinished",
            "ToolStarted",
            "ToolFinished",
            "TurnStarted",
            "TextDelta",
            "TurnFinished",
            "RunFinished",
        ]
        assert other_tasks() == set()

    asyncio.run(scenario())


def test_a_stream_gives_events_while_the_run_goes_on():
    async def scenario():
        release = asyncio.Event()

        async def wait(arguments, context):
            await soon(release.wait())
            return "released"

        async for event in agentrun.stream(make_agent([calls("wait"), answer()], make_tool("wait", wait))):
            if isinstance(event, events.ToolStarted):
                release.set()
        assert event.text == "done"

    asyncio.run(scenario())


@pytest.mark.parametrize("close", [True, False])
def test_leaving_a_stream_early_cancels_the_run(close):
    async def scenario():
        stopped = asyncio.Event()

        async def hang(arguments, context):
            try:
                await asyncio.Event().wait()
            finally:
                stopped.set()

        messages = []
        told = agentrun.stream(make_agent([calls("hang")], make_tool("hang", hang)), messages=messages)
        async for event in told:
            if isinstance(event, events.ToolStarted):
                break
        if close:
            await soon(told.aclose())
            assert stopped.is_set(), "closing waits for the end"
        del told, event
        gc.collect()
        await soon(stopped.wait())
        for _ in range(10):
            await asyncio.sleep(0)
        assert other_tasks() == set()
        assert '"interrupted"' in results(messages)[0]

    asyncio.run(scenario())


def test_a_stream_raises_what_the_run_raised():
    async def scenario():
        async def broken(arguments, context):
            raise LookupError("a bug")

        seen = []
        with pytest.raises(LookupError, match="a bug"):
            async for event in agentrun.stream(make_agent([calls("broken")], make_tool("broken", broken))):
                seen.append(event)
        assert isinstance(seen[-1], events.RunFinished)

    asyncio.run(scenario())


def test_a_stream_left_after_the_run_failed_complains_to_nobody(caplog):
    async def scenario():
        async def start(emit):
            emit("only")
            raise LookupError("a bug")

        told = streaming.pull(start)
        assert await soon(anext(told)) == "only"
        await soon(told.aclose())
        del told

    asyncio.run(scenario())
    gc.collect()
    assert caplog.records == []


# -- what the model is asked ----------------------------------------------------------------------------------


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "quick"}}])
def test_a_forced_choice_holds_for_the_first_turn_of_each_message(choice):
    model = script(calls("quick"), answer(), calls(("quick", {"n": 2})), answer())
    agent = make_agent(model, make_tool("quick"), tool_choice=choice)
    messages = []
    for text in ("one", "two"):
        asyncio.run(soon(loop.run(agent, text=text, messages=messages)))
    assert [request.tool_choice for request in model.requests] == [choice, "auto", choice, "auto"]


@pytest.mark.parametrize("choice", [None, "auto", "none"])
def test_any_other_choice_holds_always(choice):
    model = script(calls("quick"), answer())
    play(make_agent(model, make_tool("quick"), tool_choice=choice))
    assert [request.tool_choice for request in model.requests] == [choice, choice]


def test_without_tools_nothing_about_tools_is_sent():
    model = script(answer())
    play(make_agent(model, tool_choice="required", parallel_tool_calls=False))
    (request,) = model.requests
    assert (request.tool_choice, request.parallel_tool_calls) == (None, None)
    assert not request.tools


def test_each_turn_sends_the_same_tools_and_a_longer_conversation():
    model = script(calls("quick", content="Let me see."), answer())
    agent = make_agent(
        model,
        make_tool("quick"),
        parallel_tool_calls=True,
        response_format={"type": "text"},
        prompt=lambda arguments, run: f"You are {run.agent}.",
    )
    play(agent)
    first, second = model.requests
    assert first.tools is second.tools is agent.tool_list
    assert second.messages[: len(first.messages)] == first.messages
    assert [message.role for message in second.messages] == ["system", "user", "assistant", "tool"]
    assert first.messages[0].data["content"] == "You are main."
    assert (first.parallel_tool_calls, second.response_format) == (True, {"type": "text"})


def test_the_last_answer_at_a_limit_is_asked_for_without_tools():
    model = script(calls("quick"), answer("That is all."))
    agent = make_agent(model, make_tool("quick"), limits=Limits(max_turns=1, on_limit="answer"), tool_choice="required")
    outcome, _ = play(agent)
    assert (outcome.reason, outcome.text) == ("max_turns", "That is all.")
    last = model.requests[-1]
    assert (bool(last.tools), last.tool_choice) == (False, None)
    assert '"limit":"max_turns"' in last.messages[-1].data["content"]


def test_a_call_id_that_was_used_before_is_replaced():
    model = script(calls("quick"), calls(("quick", {"n": 1})), answer())
    outcome, _ = play(make_agent(model, make_tool("quick")))
    made = [call["id"] for message in outcome.messages for call in message.data.get("tool_calls", ())]
    assert made[0] == "c1"
    assert len(set(made)) == 2
    assert model.requests[-1].used_call_ids >= set(made)


def test_a_call_id_of_an_earlier_message_is_replaced():
    messages = []
    for text in ("one", "two"):
        play(make_agent([calls("quick"), answer()], make_tool("quick")), text=text, messages=messages)
    made = [call["id"] for message in messages for call in message.data.get("tool_calls", ())]
    assert made[0] == "c1"
    assert len(set(made)) == 2


@pytest.mark.parametrize("text", ['{"n": 1, "n": 2}', '{"n": 1e999}', '{"n": ' + "[" * 70 + "]" * 70 + "}"])
def test_arguments_that_were_refused_stand_in_the_history_as_none(text):
    outcome, _ = play(make_agent([calls(("quick", text), ("quick", {"n": 3})), answer()], make_tool("quick")))
    made = outcome.messages[1].data["tool_calls"]
    assert [call["function"]["arguments"] for call in made] == ["{}", '{"n":3}']
    refused, fine = results(outcome.messages)
    assert text[:6] in json.loads(refused)["error"]["arguments"]
    assert fine == "ok"


def test_a_cut_turn_that_says_nothing_is_not_kept():
    outcome, _ = play(make_agent([{"finish_reason": "length"}]))
    assert (outcome.reason, outcome.text) == ("length", "")
    assert outcome.messages == [user("go")]


def test_a_final_tool_that_is_denied_at_a_limit_ends_the_run():
    usage = {"usage": {"input_tokens": 10, "output_tokens": 1}}
    model = script(calls("record") | usage, answer("never"))
    denied = PermissionRule("deny", "record", None, "deny: record")
    agent = make_agent(model, make_tool("record", None), permissions=(denied,), limits=Limits(max_total_tokens=11))
    outcome, _ = play(agent)
    assert outcome.reason == "max_total_tokens"
    assert len(model.requests) == 1


def test_the_last_answer_at_a_limit_is_paid_for_too():
    usage = {"usage": {"input_tokens": 10, "output_tokens": 1}}
    limits = Limits(max_total_tokens=11, on_limit="answer")
    outcome, _ = play(make_agent([calls("quick") | usage, answer() | usage], make_tool("quick"), limits=limits))
    assert (outcome.reason, outcome.usage.total_tokens) == ("max_total_tokens", 22)


def test_a_wrong_answer_is_told_to_the_model_once():
    model = script(answer("Four."), answer('{"n": 4}'))
    outcome, _ = play(make_agent(model, answer=Validator(WHOLE)))
    assert outcome.output == {"n": 4}
    told = model.requests[-1].messages[-1]
    assert told.role == "user"
    assert "it is not JSON" in told.data["content"]


def test_calls_beside_a_refusal_are_not_run_and_get_a_result():
    async def never(arguments, context):
        raise AssertionError("a refused turn was run")

    turn = calls("never", content="I can't.") | {"finish_reason": "refusal"}
    outcome, _ = play(make_agent([turn], make_tool("never", never)))
    assert (outcome.reason, outcome.text) == ("refused", "I can't.")
    assert "the model refused" in results(outcome.messages)[0]


# -- the beginning --------------------------------------------------------------------------------------------

NAMED = {"type": "object", "properties": {"name": {"type": "string"}, "n": {"type": "integer"}}, "required": ["name"]}


def named_agent(*turns):
    return make_agent(
        list(turns),
        parameters=NAMED,
        prompt=lambda arguments, run: f"You talk to {arguments['name']}.",
        prompt_arguments=frozenset({"name"}),
        input=lambda arguments, run: f"n is {arguments['n']}",
    )


def test_arguments_that_do_not_fit_are_refused_before_anything_is_told():
    told, messages = [], []
    with pytest.raises(ToolFailure, match='"name" is a required property'):
        asyncio.run(loop.run(named_agent(answer()), arguments={"n": 1}, messages=messages, emit=told.append))
    with pytest.raises(UsageError, match="the arguments don't fit the agent `main`"):
        agentrun.run_sync(named_agent(answer()), args={"name": 7})
    assert (told, messages) == ([], [])


def test_a_typed_message_needs_only_what_the_prompt_uses_and_only_at_the_start():
    agent = named_agent(answer("Hi."), answer("Yes?"))
    messages = []
    with pytest.raises(ToolFailure, match="needs the argument `name`"):
        asyncio.run(loop.run(agent, text="hello", messages=messages))
    play(agent, text="hello", arguments={"name": "Ada"}, messages=messages)
    play(agent, text="more", messages=messages)
    assert [message.data["content"] for message in messages] == [
        "You talk to Ada.",
        "hello",
        "Hi.",
        "more",
        "Yes?",
    ]


def test_an_input_that_fails_leaves_the_conversation_as_it_was():
    messages = []
    with pytest.raises(KeyError):
        play(named_agent(answer()), arguments={"name": "Ada"}, messages=messages)
    assert messages == []


def test_an_agent_that_takes_no_single_text_says_what_it_takes(tmp_path):
    more = "parameters: {type: object, properties: {a: true, b: {type: integer}}, required: [a, b]}\ninput: x"
    write_project(tmp_path, {"agents/a.yaml": scripted_agent(["content: ok"], more=more)})
    agent = agentrun.load(tmp_path / "agents/a.yaml", environ={})
    with pytest.raises(UsageError, match="takes its arguments by name: a"):
        agentrun.run_sync(agent, "hello")
    assert agentrun.run_sync(agent, args={"a": None, "b": 1}).text == "ok"


def test_the_only_required_text_is_what_a_bare_text_fills(tmp_path):
    more = (
        "parameters: {type: object, properties: {n: {type: integer, default: 3}, q: {type: string}}, required: [q]}\n"
        "input: '{{ args.q }} {{ args.n }}'"
    )
    write_project(tmp_path, {"agents/a.yaml": scripted_agent(["content: ok", "content: more"], more=more)})
    messages = []
    agent = agentrun.load(tmp_path / "agents/a.yaml", environ={})
    agentrun.run_sync(agent, "hello", messages=messages)
    agentrun.run_sync(agent, args={"q": "again", "n": 4}, messages=messages)
    assert [message.data["content"] for message in messages] == ["hello 3", "ok", "again 4", "more"]


def test_one_loaded_agent_serves_several_runs_at_once(tmp_path):
    write_project(tmp_path, ADD | {"agents/a.yaml": scripted_agent(["content: one", "content: two"])})
    agent = agentrun.load(tmp_path / "agents/a.yaml", environ={})

    async def both():
        return await asyncio.gather(agentrun.run(agent, "x"), agentrun.run(agent, "y"))

    outcomes = asyncio.run(soon(both()))
    assert sorted(outcome.text for outcome in outcomes) == ["one", "two"]
    assert [len(outcome.messages) for outcome in outcomes] == [2, 2]


# -- secrets in pieces ----------------------------------------------------------------------------------------

SECRET = "swordfish-77"


def deltas(*progress):
    _, told = play(make_agent(Told(*progress), secrets=[SECRET]))
    return [
        event for event in told if isinstance(event, (events.TextDelta, events.ReasoningDelta, events.ToolCallDelta))
    ]


def test_a_secret_that_comes_in_pieces_is_masked_in_every_stream():
    told = deltas(
        ReasoningProgress("I know sword"),
        TextProgress("It is swordf"),
        CallProgress(0, "send", ""),
        CallProgress(0, "send", '{"to": "sword'),
        CallProgress(1, "other", '{"a": "swo'),
        CallProgress(0, "send", 'fish-77"}'),
        CallProgress(1, "other", 'rd"}'),
        ReasoningProgress("fish-77!"),
        TextProgress("ish-77."),
    )
    assert "".join(one.text for one in told if isinstance(one, events.ReasoningDelta)) == "I know [secret]!"
    assert "".join(one.text for one in told if isinstance(one, events.TextDelta)) == "It is [secret]."
    sent = [one for one in told if isinstance(one, events.ToolCallDelta)]
    assert "".join(one.arguments for one in sent if one.index == 0) == '{"to": "[secret]"}'
    assert "".join(one.arguments for one in sent if one.index == 1) == '{"a": "sword"}'
    assert next(one.name for one in sent if one.index == 0) == "send"


def test_what_was_held_back_is_told_when_the_reply_is_whole():
    told = deltas(TextProgress("a sword"), CallProgress(0, "send", '"sword'))
    assert "".join(one.text for one in told if isinstance(one, events.TextDelta)) == "a sword"
    assert "".join(one.arguments for one in told if isinstance(one, events.ToolCallDelta)) == '"sword'


@pytest.mark.parametrize(
    "void", [RetryProgress(1, f"bad key {SECRET}", 0.5), FallbackProgress("m", f"bad key {SECRET}")]
)
def test_what_was_held_back_is_dropped_with_a_failed_attempt(void):
    _, told = play(make_agent(Told(TextProgress("a sword"), void, TextProgress("fish-77")), secrets=[SECRET]))
    assert [one.text for one in told if isinstance(one, events.TextDelta)] == ["a ", "fish-77"]
    (event,) = [one for one in told if isinstance(one, (events.Retried, events.Fallback))]
    assert event.cause == "bad key [secret]"


def test_a_secret_never_leaves_through_arguments_outputs_or_errors():
    async def leak(arguments, context):
        raise ToolFailure("http_status", f"401 for {SECRET}", body=f"key={SECRET}")

    tool = make_tool("leak", leak, parameters={"type": "object", "properties": {"a": {"type": "string"}}})
    final = make_tool("record", None)
    turns = [calls(("leak", {"a": SECRET})), calls(("record", {"key": SECRET}))]
    outcome, told = play(make_agent(turns, tool, final, secrets=[SECRET]))
    assert SECRET not in repr(told)
    assert outcome.output == {"key": "[secret]"}
    assert SECRET not in results(outcome.messages)[0]


def test_a_secret_across_the_cut_of_a_long_output_is_masked_first():
    async def leak(arguments, context):
        return f"{'x' * 50}{SECRET}" * 40

    for max_chars in range(100, 170):
        turns = [calls("leak"), answer()]
        outcome, _ = play(make_agent(turns, make_tool("leak", leak, max_output_chars=max_chars), secrets=[SECRET]))
        assert "sword" not in results(outcome.messages)[0]
        assert "fish" not in results(outcome.messages)[0]


def test_a_secret_in_the_arguments_of_a_run_is_masked():
    _, told = play(make_agent([answer()], secrets=[SECRET]), arguments={"key": SECRET})
    assert told[0].args == {"key": "[secret]"}


def test_a_secret_in_an_answer_that_breaks_its_format_is_masked_in_the_error():
    check = Validator({"type": "object", "properties": {"n": {"type": "integer"}}})
    wrong = answer('{"n": "' + SECRET + '"}')
    outcome, told = play(make_agent([wrong, wrong], answer=check, secrets=[SECRET]))
    assert outcome.reason == "model_error"
    assert "[secret]" in outcome.error["message"]
    assert SECRET not in repr(told)


def nested(levels):
    value = []
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize("fails", [False, True])
def test_a_result_that_is_nested_deeply_is_a_failure_and_the_run_goes_on(fails):
    async def deep(arguments, context):
        if fails:
            raise ToolFailure("internal", "no", details=nested(2_000))
        return nested(2_000)

    agent = make_agent([calls("deep"), answer()], make_tool("deep", deep), secrets=["s3cret-one"])
    outcome = asyncio.run(agentrun.run(agent))
    assert outcome.reason == "answered"
    told = "no" if fails else "the tool's result is nested too deeply"
    assert results(outcome.messages) == [f'{{"error":{{"type":"internal","message":"{told}"}}}}']
