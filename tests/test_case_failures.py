"""What fails a case beside its expectations, where that is told, and that no failure tells a secret."""

import pytest

from agentrun.testing import one_case, runner
from agentrun.testing.bench import Bench
from agentrun.testing.reports import REPORTS
from agentrun.testing.results import TestRun
from agentrun.testing.tapes import Tapes
from cases_in_process import problems_of, run_project

AGENT = "model: {name: gpt-x, max_retries: 2}\ntools: [get]\n"
GET = """
    description: Gets an order.
    parameters: {type: object, properties: {id: {type: string}}, required: [id]}
    http: {url: "http://orders.test/orders/{id}", headers: {X-Api-Key: "${ORDERS_KEY}"}}
"""
KEY = "key-of-the-orders"
HEAD = f"agent: desk\nenv: {{ORDERS_KEY: {KEY}}}\ncases:\n"
CALL = "{tool_calls: [{name: get, arguments: {id: '7'}}]}"
ANSWER = "{content: done}"
FAILURE = "{error: {status: 500}}"


def case(body, *turns, name="it"):
    return f"  - name: {name}\n    args: {{input: hi}}\n    model: [{', '.join(turns)}]\n    {body}\n"


def results(folder, *cases):
    return run_project(folder, files(*cases))


def files(*cases):
    return {"agents/desk.yaml": AGENT, "tools.d/get.yaml": GET, "tests/desk.test.yaml": HEAD + "".join(cases)}


def piece(text, span):
    return text.splitlines()[span.line - 1][span.column - 1 : span.end_column - 1]


@pytest.mark.parametrize(
    ("body", "turns", "place"),
    [
        ("tools: {get: [{json: 1}]}", (CALL, CALL, ANSWER), "get"),
        ("tools: {get: {json: 1, times: 1}}", (CALL, CALL, ANSWER), "get"),
        ("tags: [a]", (CALL, ANSWER), "it"),
        ("tools: {get: {json: 1}}", (CALL,), "model"),
        ("tags: [a]", (FAILURE, FAILURE), "model"),
    ],
)
def test_what_ends_a_case_is_told_where_the_case_says_it(tmp_path, body, turns, place):
    text = case(body, *turns)
    (failure,) = results(tmp_path, text)["it"].shown.failures
    assert piece(HEAD + text, failure.span) == place


def test_what_a_call_gave_that_no_stub_is_left_for_is_told_but_not_without_end(tmp_path):
    long = CALL.replace("'7'", "x" * 100_000)
    (told,) = problems_of(results(tmp_path, case("tools: {get: {when: {id: a}}}", long, ANSWER))["it"])
    assert "none has a `when` that fits" in told
    assert len(told) < 500


@pytest.mark.parametrize(
    ("header", "told"),
    [
        (KEY, None),
        ("{contains: of-the-orders}", None),
        ("'[secret]'", None),
        ("{not: {contains: another}}", None),
        ("another", 'the header `X-Api-Key` is "[secret]", not "another"'),
        ("{not: {contains: of-the-orders}}", "in what is shown as [secret]"),
        ("{not: {equals: '[secret]'}}", "which must not be"),
    ],
)
def test_the_secret_that_was_sent_can_be_expected_and_is_not_told(tmp_path, header, told):
    request = f"{{headers: {{X-Api-Key: {header}}}}}"
    body = f"tools: {{get: {{json: 1}}}}\n    expect: {{calls: [{{name: get, request: {request}}}]}}"
    it = results(tmp_path, case(body, CALL, ANSWER))["it"]
    assert [told in one for one in problems_of(it)] == ([True] if told else [])
    assert KEY not in str([(one.message, one.expected, one.got) for one in it.shown.failures])
    assert KEY not in str(it.shown.observed)


def test_a_secret_that_the_author_wrote_is_not_told_either(tmp_path):
    body = f"tools: {{get: {{json: 1}}}}\n    expect: {{answer: the key is {KEY}}}"
    (failure,) = results(tmp_path, case(body, CALL, ANSWER))["it"].shown.failures
    assert failure.expected == "the key is [secret]"
    assert KEY not in failure.message


def test_a_bug_fails_its_case_and_no_other(tmp_path, monkeypatch):
    def failing(case, observed, sent):
        if case.name == "second":
            raise KeyError(KEY)
        return iter(())

    monkeypatch.setattr(one_case, "failures_of", failing)
    body = "tools: {get: {json: 1}}"
    done = results(tmp_path, *(case(body, CALL, ANSWER, name=name) for name in ("first", "second", "third")))
    assert [one.status for one in done.values()] == ["passed", "failed", "passed"]
    (failure,) = done["second"].shown.failures
    assert failure.message.startswith(
        "a bug of agentrun ended the case: KeyError: '[secret]' (test_case_failures.py, line "
    )
    assert "Traceback" in failure.got
    assert KEY not in failure.got


def text_of(result):
    return REPORTS["text"](TestRun((result,), 1.0), {})


@pytest.mark.parametrize("place", ["agent", "open", "judged"])
def test_a_bug_before_or_after_the_run_fails_its_case_alone_and_is_shown_with_its_traceback(
    tmp_path, monkeypatch, place
):
    def failing(owner, name):
        real = getattr(owner, name)

        def call(*arguments, **options):
            if any(getattr(one, "name", "") == "second" for one in arguments):
                raise KeyError(KEY)
            return real(*arguments, **options)

        monkeypatch.setattr(owner, name, call)

    failing({"agent": Bench, "open": Tapes, "judged": runner}[place], place)
    names = ("first", "second", "third")
    project = files(*(case("tools: {get: {json: 1}}", CALL, ANSWER, name=name) for name in names))
    if place == "open":
        project["tests/desk.test.yaml"] = project["tests/desk.test.yaml"].replace(
            f"name: second\n    args: {{input: hi}}\n    model: [{CALL}, {ANSWER}]",
            "name: second\n    args: {input: hi}\n    cassette: second.cassette.yaml",
        )
    done = run_project(tmp_path, project, tapes=Tapes())
    assert [one.status for one in done.values()] == ["passed", "failed", "passed"]
    told = text_of(done["second"])
    assert "a bug of agentrun ended the case: KeyError: '[secret]' (test_case_failures.py," in " ".join(told.split())
    assert "+ Traceback (most recent call last):" in told
    assert KEY not in told


def test_what_happened_says_that_the_test_ended_the_run_and_what_was_retried(tmp_path):
    body = "tools: {get: [{json: 1}]}"
    text = text_of(results(tmp_path, case(body, FAILURE, CALL, FAILURE, CALL, ANSWER))["it"])
    assert "what happened: ended by the test, 2 turns" in text
    shown = [line.strip().partition(":")[0].split("(")[0] for line in text.splitlines()]
    assert [one for one in shown if one in ("retried", "• get", "✗ get")] == ["retried", "• get", "retried", "• get"]
    assert "retried: " in text and "500" in text


def test_a_run_that_a_model_s_failure_ended_says_so(tmp_path):
    text = text_of(results(tmp_path, case("tags: [a]", *[FAILURE] * 3))["it"])
    assert "what happened: model_error" in text
