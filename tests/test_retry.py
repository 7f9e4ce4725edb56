"""When a model is asked again, after how long, and who is asked next."""

import asyncio

import pytest

from agentrun.engine.messages import Request, ToolList, user
from agentrun.engine.ports import FallbackProgress, RetryProgress, TextProgress
from agentrun.errors import ModelError
from agentrun.models.failures import ToolUseFailed
from agentrun.models.retry import Retrying, next_delay_s
from agentrun.models.scripted import Scripted
from agentrun.spec.script_types import ScriptError, ScriptTurn

REQUEST = Request([user("q")], ToolList([]))
GOOD = ScriptTurn(content="Hi")


def failing(status, retry_after=None, message="sorry"):
    return ScriptTurn(error=ScriptError(status, message, retry_after))


class Raises:
    """A model that raises these errors in order, then answers."""

    name = "raises"

    def __init__(self, *errors):
        self.errors = list(errors)
        self.requests = []

    async def complete(self, request, tell):
        self.requests.append(request)
        if self.errors:
            raise self.errors.pop(0)
        return await Scripted("good", [GOOD]).complete(request, tell)


def ask(models, **options):
    """The reply or the error, what was told, and the delays that were slept."""
    slept, told = [], []

    async def sleep(delay_s):
        slept.append(delay_s)

    retrying = Retrying(models, sleep=sleep, random=lambda: 0.5, **options)
    try:
        outcome = asyncio.run(retrying.complete(REQUEST, told.append))
    except ModelError as error:
        outcome = error
    return outcome, told, slept


# -- the schedule ---------------------------------------------------------------------------------------------


def temporary(retry_after_s=None, code="model_error"):
    return ModelError("x", retryable=True, retry_after_s=retry_after_s, code=code)


def test_delays_double_from_half_a_second_to_thirty_with_full_jitter():
    highest = [next_delay_s(temporary(), attempt, 99, lambda: 1.0) for attempt in range(1, 10)]
    assert highest == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    assert next_delay_s(temporary(), 5, 99, lambda: 0.25) == 2
    assert next_delay_s(temporary(), 20, 20, lambda: 1.0) == 30


def test_after_the_last_retry_it_gives_up():
    assert next_delay_s(temporary(), 2, 2, lambda: 1.0) is not None
    assert next_delay_s(temporary(), 3, 2, lambda: 1.0) is None
    assert next_delay_s(temporary(), 1, 0, lambda: 1.0) is None


def test_what_cannot_pass_is_not_asked_again():
    assert next_delay_s(ModelError("x"), 1, 9, lambda: 1.0) is None


@pytest.mark.parametrize(("asked_s", "delay_s"), [(0, 0), (0.25, 0.25), (60, 60), (60.5, None), (3600, None)])
def test_a_stated_wait_is_kept_up_to_a_minute(asked_s, delay_s):
    assert next_delay_s(temporary(asked_s), 1, 4, lambda: 1.0) == delay_s


def test_an_empty_reply_is_asked_again_at_once():
    assert next_delay_s(temporary(code="empty_reply"), 1, 4, lambda: 1.0) == 0


# -- one model ------------------------------------------------------------------------------------------------


def test_a_failure_that_passes_is_told_and_forgotten():
    outcome, told, slept = ask([Scripted("m", [failing(503), failing(429, 7), GOOD])])
    assert outcome.text == "Hi"
    assert slept == [0.25, 7]
    assert [(p.attempt, p.delay_s) for p in told[:2]] == [(1, 0.25), (2, 7)]
    assert "503" in told[0].cause
    assert told[2:] == [TextProgress("Hi")]


def test_after_the_retries_the_error_names_model_cause_and_attempts():
    outcome, _, slept = ask([Scripted("gpt-x", [failing(503)] * 3)], max_retries=2)
    assert outcome.message == "gpt-x: the service failed (503): sorry (after 3 attempts)"
    assert (outcome.status, outcome.retryable, len(slept)) == (503, True, 2)
    assert outcome.help


def test_a_final_failure_ends_at_once():
    outcome, told, slept = ask([Scripted("m", [failing(400), GOOD])])
    assert (outcome.status, told, slept) == (400, [], [])
    assert "attempts" not in outcome.message


def test_a_long_wait_ends_with_the_time_to_come_back():
    outcome, _, slept = ask([Scripted("m", [failing(429, 600), GOOD])])
    assert outcome.message.endswith("it asks to come back in 10 min")
    assert slept == []
    assert outcome.retry_after_s == 600


def test_a_cut_reply_is_asked_for_again_where_the_text_can_be_taken_back():
    outcome, told, _ = ask([Scripted("m", [ScriptTurn(content="Ha", error="cut"), GOOD])])
    assert outcome.text == "Hi"
    assert [type(p) for p in told] == [TextProgress, RetryProgress, TextProgress]


def test_text_on_a_terminal_is_never_asked_for_again_nor_passed_to_a_fallback():
    broken = ScriptTurn(content="Ha", error="cut")
    models = [Scripted("m", [broken, GOOD]), Scripted("n", [GOOD])]
    outcome, told, _ = ask(models, can_take_back=False)
    assert outcome.code == "incomplete_reply"
    assert "text was already shown" in outcome.message
    assert told == [TextProgress("Ha")]
    assert models[1].requests == []


def test_a_terminal_that_has_shown_nothing_may_ask_again():
    outcome, _, _ = ask([Scripted("m", [failing(503), ScriptTurn(error="reset"), GOOD])], can_take_back=False)
    assert outcome.text == "Hi"


def test_an_empty_reply_is_asked_for_once_more_only():
    nothing = ScriptTurn()
    assert ask([Scripted("m", [nothing, GOOD])])[0].text == "Hi"
    assert ask([Scripted("m", [failing(503), nothing, GOOD])])[0].text == "Hi"
    outcome, _, _ = ask([Scripted("m", [nothing, nothing, GOOD])])
    assert outcome.code == "empty_reply"


def test_a_call_that_could_not_be_read_gets_one_corrective_turn():
    broken = ToolUseFailed("could not read", generation="<function=f>\n{oops", status=400)
    model = Raises(broken)
    outcome, told, slept = ask([model], max_retries=0)
    assert outcome.text == "Hi"
    assert [len(request.messages) for request in model.requests] == [1, 2]
    note = model.requests[1].messages[1]
    assert note.role == "user"
    assert "<function=f> {oops" in note.data["content"]
    assert REQUEST.messages == [user("q")]
    assert slept == [0]
    assert isinstance(told[0], RetryProgress)


def test_the_corrective_turn_is_not_repeated():
    model = Raises(*[ToolUseFailed("could not read", generation="x", status=400) for _ in range(3)])
    outcome, _, _ = ask([model])
    assert outcome.code == "tool_use_failed"
    assert len(model.requests) == 2


def test_cancelling_ends_the_wait():
    async def main():
        waiting = asyncio.Event()

        async def sleep(delay_s):
            waiting.set()
            await asyncio.Event().wait()

        task = asyncio.create_task(
            Retrying([Scripted("m", [failing(503), GOOD])], sleep=sleep).complete(REQUEST, print)
        )
        await asyncio.wait_for(waiting.wait(), 5)
        task.cancel()
        await asyncio.wait([task], timeout=5)
        assert task.cancelled()

    asyncio.run(main())


# -- fallbacks ------------------------------------------------------------------------------------------------


def test_the_next_model_is_asked_when_one_gives_up():
    first, second = Scripted("a", [failing(503)] * 2), Scripted("b", [GOOD])
    outcome, told, _ = ask([first, second], max_retries=[1, 0])
    assert outcome.text == "Hi"
    assert [type(p) for p in told] == [RetryProgress, FallbackProgress, TextProgress]
    assert told[1] == FallbackProgress("b", "the service failed (503): sorry")


def test_a_final_failure_too_goes_to_the_next_model():
    assert ask([Scripted("a", [failing(401)]), Scripted("b", [GOOD])])[0].text == "Hi"


def test_when_all_fail_the_error_names_each_and_helps_with_the_first():
    models = [Scripted("a", [failing(401)]), Scripted("b", [failing(503, message="down")])]
    outcome, _, _ = ask(models, max_retries=0)
    assert outcome.message == "a: the service refused the key (401): sorry; then b: the service failed (503): down"
    assert outcome.status == 401
    assert "\n" not in outcome.message


def test_its_name_is_the_first_models():
    assert Retrying([Scripted("a", []), Scripted("b", [])]).name == "a"
