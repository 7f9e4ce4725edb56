"""What each report of `agentrun test` promises to those who read it: terminals, programs, CI services, GitHub.

The HTML report is opened in a browser in `test_html_report.py`.
"""

import json
import re
import time
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentrun.diagnostics import Span
from agentrun.engine.messages import Usage
from agentrun.markup.lines import chopped, cut, wrapped
from agentrun.markup.repository import in_repository
from agentrun.markup.snippet import cells
from agentrun.testing.observed import Observed, ProcessRequest
from agentrun.testing.reports import REPORTS
from agentrun.testing.reports import json as report_json
from agentrun.testing.reports.conversation import Said, conversation
from agentrun.testing.reports.failed import failed_alone
from agentrun.testing.reports.json import Document
from agentrun.testing.reports.look import Look
from agentrun.testing.reports.markdown import MAX_BYTES
from agentrun.testing.reports.text import case_lines, closing
from agentrun.testing.results import Failure, Judgement, Vote
from agentrun.visible import visible
from report_runs import (
    ANSWER,
    COVERAGE,
    FILE,
    REQUEST,
    SOURCES,
    TEXT,
    a_call,
    a_case,
    a_hostile_run,
    a_run,
    an_attempt,
    conversed,
    failed,
    passed,
    repeated,
    skipped,
    unmeasured,
    with_failures,
)
from test_formats import command_of

TEXTS = st.text(max_size=40) | st.text(alphabet="%\r\n,:;=|`<>&\"'[]@#~\\ a0AD2C3é漢\x1b\u202e\ufffe", max_size=40)


@pytest.fixture(autouse=True)
def outside_of_ci(monkeypatch):
    for name in ("GITHUB_ACTIONS", "GITHUB_WORKSPACE", "CI_PROJECT_DIR", "GITHUB_REPOSITORY"):
        monkeypatch.delenv(name, raising=False)


def written(name, *results, **more):
    return REPORTS[name](a_run(*results, **more), SOURCES)


# -- all of them


@pytest.mark.parametrize("name", REPORTS)
def test_a_run_without_cases_can_be_reported(name):
    report = REPORTS[name](a_run().__class__((), 0.0), {})
    assert "\x1b" not in report
    assert (report == "") is (name == "github")


@pytest.mark.parametrize("name", REPORTS)
def test_each_report_names_each_case_that_failed_and_what_was_expected(name):
    report = written(name)
    for told in ("says what it did", "the answer is not the expected text", "Refunded 5.00 EUR.", "Refunded 8.00 EUR."):
        assert told in report
    assert "the service answered 503" in report


@pytest.mark.parametrize("name", REPORTS)
def test_no_report_sends_a_control_character(name):
    report = REPORTS[name](a_hostile_run(), SOURCES)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", report)


@pytest.mark.parametrize("name", REPORTS)
def test_a_line_of_the_file_that_holds_a_credential_is_shown_by_no_report(name):
    source = TEXT.replace("answer: {contains: Done}", "headers: {authorization: hunter-2-4fz9}")
    failure = Failure("a header is missing", Span(FILE, 6, 7, 6, 14))
    assert "hunter-2" in source.splitlines()[5]
    assert "hunter-2" not in REPORTS[name](a_run(failed(failure)), {FILE: source})


@pytest.mark.parametrize("name", [name for name in REPORTS if name != "json"])
def test_a_message_without_end_is_cut(name):
    failure = Failure("x" * 5_000_000, Span(FILE, 3, 11, 3, 31))
    report = written(name, failed(failure), unmeasured("y" * 5_000_000))
    assert len(report) < 60_000
    assert "more characters" in report


@pytest.mark.parametrize("name", REPORTS)
def test_a_case_that_ended_before_anything_happened_can_be_reported(name):
    failure = Failure("no recording is there", Span(FILE, 3, 11, 3, 31))
    report = written(name, failed(failure, index=0, observed=Observed((), ())))
    assert "no recording is there" in report


# -- text


def text_of(*results, width=100, **more):
    return closing(a_run(*results, **more), SOURCES, Look(width))


def test_a_failure_is_told_with_its_line_the_difference_and_what_happened():
    find = a_call("find_order", '{"error":{"type":"denied","message":"not now"}}', "c2", error="denied")
    inner = a_call("search", "x", "d1", depth=1, agent="researcher", arguments=None)
    seen = conversed("Refund order 8", "Refunded 8.00 EUR.\nAnything else?", [a_call(), inner, find])
    assert text_of(failed(observed=seen), duration_s=0.25) == (
        "── Failed (- expected  + got) ──────────────────────────────────────────────────\n"
        "\n"
        "✗ says what it did\n"
        "  tests/refunds.test.yaml:11:9: the answer is not the expected text\n"
        "    11 |         equals: |-\n"
        "       |         ^^^^^^\n"
        "    - Refunded 5.00 EUR.\n"
        "    + Refunded 8.00 EUR.\n"
        "      Anything else?\n"
        "  what happened: answered, 2 turns, 120 tokens, $0.0021\n"
        "    user: Refund order 8\n"
        '    • refund_order(order_id="7", amount=5) (3 ms) → {"id": "r1"}\n'
        "      • search (3 ms) → x\n"
        '    ✗ find_order(order_id="7", amount=5) (3 ms) → denied: not now\n'
        "    answer: Refunded 8.00 EUR. Anything else?\n"
        "\n"
        "1 failed in 250 ms · 2 turns · 120 tokens · $0.0021"
    )


def test_cases_are_told_one_by_one_below_the_name_of_their_file():
    results = [passed(), failed(), unmeasured(), skipped(), passed(file="tests/b.test.yaml")]
    lines = [
        line
        for before, result in zip([None, *results], results, strict=False)
        for line in case_lines(result, before, Look())
    ]
    assert lines == [
        "tests/refunds.test.yaml",
        "  ✓ refunds a paid order (12 ms)",
        "  ✗ says what it did (12 ms)",
        "  ? asks the real model (12 ms): the service answered 503",
        "  – waits for the new API: not before June",
        "tests/b.test.yaml",
        "  ✓ refunds a paid order (12 ms)",
    ]


def test_a_file_gets_the_lines_of_the_cases_and_then_what_the_end_says():
    report = written("text")
    head, _, end = report.partition("\n\n")
    assert head.splitlines()[0] == "tests/refunds.test.yaml"
    assert len(head.splitlines()) == 5
    assert end == text_of(width=160)


def test_the_last_line_counts_what_there_is_and_leaves_out_what_there_is_not():
    assert text_of().splitlines()[-1].startswith("1 passed, 1 failed, 1 could not be measured, 1 skipped in 1.2 s")
    assert text_of(passed()).splitlines() == ["1 passed in 1.2 s · 2 turns · 120 tokens · $0.0021"]


def test_what_could_not_be_measured_is_told_with_its_reason():
    block = text_of(unmeasured()).split("\n\n")[1]
    assert block == "? asks the real model\n  tests/refunds.test.yaml:14:11\n  the service answered 503"


def test_a_case_that_was_run_several_times_says_how_often_it_passed():
    result = repeated("passed", "failed", "passed", "unmeasured", "passed", "passed")
    told = "4 of 5 passed · 1 could not be measured · pass@1 0.80 · pass@3 1.00 · pass^3 0.40"
    assert case_lines(result, result, Look()) == [f"  ✗ asks the real model (72 ms) · {told}"]
    assert f"  {told}\n  attempt 2 of 6:\n" in text_of(result)
    [one] = case_lines(repeated("passed", "failed", pass_rate=0.5), result, Look())
    assert one.endswith("1 of 2 passed · 50% must pass · pass@1 0.50 · pass@2 1.00 · pass^2 0.00")


def test_all_attempts_that_could_not_be_measured_have_no_rate():
    result = repeated("unmeasured", "unmeasured", status="unmeasured")
    assert case_lines(result, result, Look())[0].endswith(" · none of 2 could be measured")


def test_warnings_are_told_once_a_case():
    result = msgspec.structs.replace(passed(), attempts=(an_attempt(warnings=("old", "old")), an_attempt()))
    assert text_of(result).count("tests/refunds.test.yaml::refunds a paid order: old") == 1


def test_what_a_judge_said_is_told():
    votes = (Vote(False, "it is rude"), Vote(True, "fine"), Vote(True, "fine"), Vote(None, "down"))
    judgement = Judgement("gpt-5", ANSWER.span, votes, cost_usd=0.00001)
    result = msgspec.structs.replace(
        failed(), attempts=(an_attempt("failed", failures=[ANSWER], judgements=(judgement,)),)
    )
    told = "judged by gpt-5: 2 of 4 say yes\n    no: it is rude\n    no verdict: down"
    assert told in text_of(result)
    assert text_of(result).endswith(" · $0.0021 · <$0.0001 for judges")


def test_what_a_judge_said_is_told_once_where_that_is_the_failure():
    judgement = Judgement("gpt-5", ANSWER.span, (Vote(False, "it is rude"),))
    failure = Failure("the judge gpt-5 says no: it is rude", ANSWER.span, "It is kind.", "no: it is rude")
    attempt = an_attempt("failed", failures=[failure], judgements=(judgement,))
    text = text_of(msgspec.structs.replace(failed(), attempts=(attempt,)))
    assert "+ no: it is rude" in text
    assert "judged by" not in text


def test_a_failure_that_stands_alone_says_what_its_signs_mean():
    lines = failed_alone(failed(name="a long name " * 20), SOURCES, Look(80))
    assert lines[:2] == [
        "  - expected  + got",
        "  tests/refunds.test.yaml:11:9: the answer is not the expected text",
    ]


def test_coverage_is_told_where_there_is_any():
    assert "Coverage" not in text_of(passed())
    assert text_of(passed(), coverage=(COVERAGE,)).split("\n\n")[1] == (
        "support\n"
        "  tools called          2 of 3\n"
        "    not: list_orders\n"
        "  parameters given      4 of 6\n"
        "    not: refund_order.reason\n"
        "  permission rules met  1 of 2\n"
        "    not: deny refund_order: amount > 500"
    )
    run = msgspec.structs.replace(a_run(passed()), untested=("billing", "weather"))
    assert "\n\nagents without tests: billing, weather\n\n1 passed" in closing(run, SOURCES, Look(80))


@given(text=TEXTS, width=st.integers(40, 90))
def test_no_line_is_wider_than_the_terminal(text, width):
    long = text + " and further words" * 10
    call = a_call(long[:60], long, arguments={"order_id": long})
    failure = Failure(long, Span(FILE, 11, 9, 11, 15), long, text)
    one = failed(failure, observed=conversed(long, long, [call]), name="n" + long)
    lines = [*case_lines(one, None, Look(width)), *closing(a_run(one), SOURCES, Look(width)).split("\n")]
    too_wide = [line for line in lines[:-1] if cells(line) > width and "tests/refunds.test.yaml:" not in line]
    assert too_wide == []


def test_a_terminal_that_knows_no_marks_gets_letters():
    look = Look(60, encoding="ascii")
    run = a_run(passed(name="grüßt"), failed())
    lines = [*case_lines(run.results[0], None, look), closing(run, SOURCES, look)]
    assert all(line.isascii() for line in lines)
    assert lines[1] == "  ok gr\\xfc\\xdft (12 ms)"


def test_colours_are_those_that_a_painter_gives():
    painted = closing(a_run(), SOURCES, Look(80, lambda text, style: f"<{style}>{text}</{style}>"))
    assert "<passed>- Refunded 5.00 EUR.</passed>\n    <error>+ Refunded 8.00 EUR.</error>" in painted
    assert "<passed>1 passed</passed>, <error>1 failed</error>" in painted


@given(text=st.text(alphabet="ab é漢字 ", max_size=60), width=st.integers(2, 30))
def test_lines_are_measured_in_cells_and_nothing_is_lost(text, width):
    assert cells(cut(text, width)) <= width
    for parts in (chopped(text, width), wrapped(text, width)):
        assert all(cells(part) <= width for part in parts)
        assert "".join(parts).replace(" ", "") == text.replace(" ", "")
    assert "".join(chopped(text, width)) == text


def test_a_line_of_millions_of_characters_is_broken_in_a_moment():
    started = time.monotonic()
    assert len(wrapped("x" * 3_000_000, 80)) == 37_500
    assert len(chopped("é" * 300_000, 80)) == 3_750
    assert time.monotonic() - started < 10


# -- the conversation


def test_a_conversation_has_its_calls_where_they_were_made_each_with_its_result():
    inner = a_call("search", "x", "d1", depth=1)
    entries = conversation(conversed(calls=[a_call(), inner, a_call("find_order", "{}", "c2")]))
    told = [one.role if isinstance(one, Said) else one.name for one in entries]
    assert told == ["system", "user", "refund_order", "search", "find_order", "assistant"]


def test_calls_that_the_messages_do_not_hold_are_not_lost():
    seen = conversed(calls=[a_call(), a_call("find_order", None, "c9")])
    cut_off = Observed(seen.steps, seen.messages[:2])
    assert [one.name for one in conversation(cut_off)[2:]] == ["refund_order", "find_order"]


def test_parts_of_a_message_are_shown_as_text_or_as_data():
    parts = [{"type": "text", "text": "hello"}, {"type": "image_url", "image_url": {"url": "data:"}}]
    seen = Observed((), ({"role": "user", "content": parts}, {"role": "assistant", "refusal": "no"}))
    assert conversation(seen) == [
        Said("user", 'hello\n{"type":"image_url","image_url":{"url":"data:"}}'),
        Said("assistant", "no"),
    ]


# -- JSON


def test_json_is_read_back_as_what_it_is_documented_to_be():
    run = a_run(passed(), failed(), unmeasured(), skipped(), repeated("passed", "failed"), coverage=(COVERAGE,))
    text = REPORTS["json"](run, SOURCES)
    document = msgspec.json.decode(text, type=Document, strict=True)
    assert json.loads(json.dumps(msgspec.to_builtins(document))) == json.loads(text)
    assert document.summary.cases == 5
    assert document.summary.exit_code == 1
    assert document.summary.usage == Usage(400, 80, 480)
    assert [one.status for one in document.cases] == ["passed", "failed", "unmeasured", "skipped", "failed"]
    assert document.cases[4].pass_at == {"1": 0.5, "2": 1.0}
    assert document.cases[4].pass_all == {"2": 0.0}
    assert document.cases[0].pass_all is None
    assert document.coverage[0].parameters == [("refund_order", "reason"), ("list_orders", "limit")]


def test_the_docs_name_every_key_of_the_json_report():
    page = (Path(__file__).parents[1] / "docs/testing.md").read_text(encoding="utf-8")
    begin, table = page.partition("### The JSON report")[2].partition("## In CI")[0].split("| of |")
    rows = [set(re.findall(r"`(\w+)`", row)) for row in table.splitlines()[2:] if row]
    types = [
        report_json.Summary,
        Usage,
        report_json.CaseReport,
        report_json.Attempted,
        report_json.Failed,
        report_json.Step,
        report_json.Call,
        report_json.Judged,
        report_json.Coverage,
    ]
    assert [set(one.__struct_fields__) - row for one, row in zip(types, rows, strict=True)] == [set()] * len(types)
    assert set(Document.__struct_fields__) <= set(re.findall(r"`(\w+)`", begin))


def test_json_tells_all_of_an_attempt():
    process = ProcessRequest(("echo", "a b"), "/srv", {"LANG": "C"}, "")
    seen = conversed(calls=[a_call(requests=(REQUEST, process), approved=True)])
    [case] = json.loads(written("json", failed(observed=seen)))["cases"]
    [attempt] = case["attempts"]
    assert case["id"] == "tests/refunds.test.yaml::says what it did"
    assert (case["file"], case["line"], case["column"]) == (FILE, 7, 11)
    assert attempt["failures"] == [
        {
            "message": ANSWER.message,
            "file": FILE,
            "line": 11,
            "column": 9,
            "end_line": 11,
            "end_column": 15,
            "expected": ANSWER.expected,
            "got": ANSWER.got,
        }
    ]
    assert attempt["reason"] == "answered"
    assert attempt["answer"] == "Done."
    assert attempt["cost_usd"] == 0.0021
    [call] = attempt["steps"][0]["calls"]
    assert (call["name"], call["approved"], call["result"]) == ("refund_order", True, '{"id": "r1"}')
    assert [one["type"] for one in call["requests"]] == ["http", "shell"]
    assert attempt["messages"][1] == {"role": "user", "content": "Refund order 7, 5 EUR"}


def test_json_counts_what_judges_cost_apart():
    judgement = Judgement("gpt-5", ANSWER.span, (Vote(True, "fine"),), cost_usd=0.25)
    run = a_run(msgspec.structs.replace(passed(), attempts=(an_attempt(judgements=(judgement,)),)))
    summary = json.loads(REPORTS["json"](run, SOURCES))["summary"]
    assert (summary["cost_usd"], summary["judges_cost_usd"]) == (0.0021, 0.25)


def test_json_takes_half_a_character():
    assert json.loads(written("json", passed(name="\ud800")))["cases"][0]["name"] == "\ud800"


# -- JUnit


def junit(*results, **more):
    return ElementTree.fromstring(written("junit", *results, **more))


def test_junit_has_a_suite_a_file_and_counts_its_cases():
    root = junit(passed(), failed(), unmeasured(), skipped(), passed(file="tests/b.test.yaml"))
    assert [suite.get("name") for suite in root] == [FILE, "tests/b.test.yaml"]
    counts = [(one.get("tests"), one.get("failures"), one.get("errors"), one.get("skipped")) for one in (root, *root)]
    assert counts == [("5", "1", "1", "1"), ("4", "1", "1", "1"), ("1", "0", "0", "0")]
    problems = [[child.tag for child in case if child.tag != "properties"] for case in root.iter("testcase")]
    assert problems == [[], ["failure"], ["error"], ["skipped"], []]


def test_junit_tells_a_failure_in_full_and_what_it_cost():
    [case] = junit(failed(tags=("shop", "slow"))).iter("testcase")
    failure = case.find("failure")
    assert failure.get("message") == "the answer is not the expected text"
    assert failure.text.startswith("- expected  + got\ntests/refunds.test.yaml:11:9: the answer is not")
    assert "\n  - Refunded 5.00 EUR.\n  + Refunded 8.00 EUR.\n" in failure.text
    assert {one.get("name"): one.get("value") for one in case.iter("property")} == {
        "agent": "support",
        "tags": "shop slow",
        "input_tokens": "100",
        "output_tokens": "20",
        "total_tokens": "120",
        "cost_usd": "0.002100",
    }


def test_junit_groups_cases_by_folders_and_file_as_jenkins_reads_a_class():
    [case] = junit(passed(file="desk/v1.2/refunds.test.yaml")).iter("testcase")
    assert (case.get("classname"), case.get("file")) == ("desk.v1_2.refunds", "desk/v1.2/refunds.test.yaml")


def test_junit_says_of_what_kind_a_problem_is_and_how_many_there_are():
    root = junit(failed(ANSWER, ANSWER, ANSWER), unmeasured(), skipped())
    failure, error, skip = (root.find(f".//{tag}") for tag in ("failure", "error", "skipped"))
    assert failure.get("message") == f"{ANSWER.message} (and 2 more)"
    assert [one.get("type") for one in (failure, error, skip)] == ["failed", "unmeasured", None]


@given(text=TEXTS)
def test_junit_is_xml_whatever_characters_are_in_a_run(text):
    root = ElementTree.fromstring(REPORTS["junit"](a_hostile_run(text), SOURCES))
    case = next(root.iter("testcase"))
    shown = re.sub("[\ufffe\uffff]", "\ufffd", visible(text))
    assert case.get("name") == f"name {shown}"
    assert case.find("failure").get("message") == shown


# -- GitHub


def test_failures_become_errors_at_their_lines_and_what_was_not_measured_a_warning():
    error, warning, notice = map(command_of, written("github").splitlines())
    assert error[0] == "error"
    assert error[1] == {
        "file": FILE,
        "line": "11",
        "col": "9",
        "endLine": "11",
        "endColumn": "15",
        "title": "says what it did",
    }
    assert error[2].splitlines()[:3] == [ANSWER.message, "- expected  + got", "- Refunded 5.00 EUR."]
    assert warning[0] == "warning"
    assert warning[2] == "could not be measured: the service answered 503"
    assert notice[0] == "notice"
    assert notice[2] == "1 passed, 1 failed, 1 could not be measured, 1 skipped in 1.2 s"


def test_in_ci_an_annotation_names_the_file_from_the_root_of_the_checkout(monkeypatch, tmp_path):
    (tmp_path / "desk").mkdir()
    monkeypatch.chdir(tmp_path / "desk")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path))
    assert command_of(written("github").splitlines()[0])[1]["file"] == f"desk/{FILE}"


@given(text=TEXTS)
def test_no_text_makes_a_command_of_its_own(text):
    lines = REPORTS["github"](a_hostile_run(text), SOURCES).split("\n")
    assert [command_of(line)[0] for line in lines] == ["error", "warning", "warning", "notice"]


def test_warnings_of_cases_are_annotations_too():
    one = msgspec.structs.replace(passed(), attempts=(an_attempt(warnings=("1 turn was never played",)),))
    warning, _ = map(command_of, written("github", one).splitlines())
    assert (warning[0], warning[1]["line"], warning[2]) == ("warning", "3", "1 turn was never played")


def test_of_the_ten_annotations_that_github_keeps_each_is_of_another_case():
    second = Failure("and this", Span(FILE, 3, 5, 3, 9))
    cases = [failed(ANSWER, second, name=f"case {number}") for number in range(12)]
    *errors, notice = map(command_of, written("github", *cases).splitlines())
    assert [one[1]["title"] for one in errors[:12]] == [f"case {number}" for number in range(12)]
    assert [one[2] for one in errors[12:]] == ["and this"] * 12
    assert notice[2].splitlines()[1:] == ["failed too:", "case 10", "case 11"]


def test_in_ci_a_file_beside_the_current_folder_is_named_from_the_root_too(monkeypatch, tmp_path):
    (tmp_path / "desk").mkdir()
    monkeypatch.chdir(tmp_path / "desk")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path))
    assert in_repository("../shop/tests/a.test.yaml") == "shop/tests/a.test.yaml"
    assert in_repository("../../elsewhere/a.test.yaml") == "../../elsewhere/a.test.yaml"


# -- Markdown


def test_markdown_has_counts_and_the_difference_of_each_failure():
    report = written("markdown")
    assert report.startswith("### ✗ agentrun test: 1 passed, 1 failed, 1 could not be measured, 1 skipped in 1.2 s\n")
    assert "| passed | failed | could not be measured | skipped | time | tokens | cost |" in report
    assert "```diff\n--- expected\n+++ got\n- Refunded 5.00 EUR.\n+ Refunded 8.00 EUR.\n  Anything else?\n```" in report
    assert "<details><summary>The conversation: answered, 2 turns, 120 tokens, $0.0021</summary>" in report
    assert "- asks the real model: the service answered 503 (tests/refunds.test.yaml:14:11)" in report
    assert "| support | tools called | 2 of 3 | list\\_orders |" in written("markdown", coverage=(COVERAGE,))


def outside_of_fences(report):
    """The lines that are no code, as GitHub reads fences: one ends with as many backticks as it began with."""
    fence = None
    for line in report.splitlines():
        ticks = re.match("`{3,}", line)
        if fence is None and ticks is None:
            yield line
        elif fence is None:
            fence = ticks[0]
        elif line.strip() == fence:
            fence = None
    assert fence is None


@pytest.mark.parametrize(
    "text", ["```\n# out", "`````\n<img src=x>\n````", "</details>", "@shop/all #12", "<!-- x", "|\n|"]
)
def test_no_text_leaves_its_place_in_markdown(text):
    plain = list(outside_of_fences(REPORTS["markdown"](a_hostile_run(text), SOURCES)))
    tags = re.findall(r"(?<!\\)</?\w+>|(?<!\\)<!--(?! -->)", "\n".join(plain))
    assert sorted(tags) == sorted(["<details>", "<summary>", "</summary>", "</details>"] * 2)
    assert not any(line.startswith(("# ", "|\n")) for line in plain)
    assert not any(re.search(r"@\w|(?<!\\)#1", line) for line in plain)


def test_a_comment_of_very_many_failures_is_cut_and_says_so():
    long = Failure("it is not so", ANSWER.span, "é" * 100, "x" * 100)
    report = written("markdown", *[failed(long) for _ in range(300)])
    assert len(report.encode()) < 65_536
    assert len(report.encode()) > MAX_BYTES / 2
    shown = report.count("#### ✗")
    assert f"\n{300 - shown} failed cases more" in report


def test_a_case_that_is_larger_than_a_comment_is_told_in_brief_and_the_others_in_full():
    large = [Failure(f"{number} " + "*" * 3_900, ANSWER.span, "a" * 150, "b" * 150) for number in range(20)]
    report = written("markdown", failed(*large, name="the large one"), failed())
    assert "#### ✗ the large one\n\ntests/refunds.test.yaml:11:9: 0 \\*" in report
    assert "- Refunded 5.00 EUR." in report
    assert len(report.encode()) < 65_536


def test_a_long_conversation_leaves_room_for_what_failed():
    calls = [a_call(result="r" * 3_000, call_id=f"c{number}") for number in range(60)]
    report = written("markdown", *[failed(observed=conversed(calls=calls), name=f"case {one}") for one in range(4)])
    assert report.count("- Refunded 5.00 EUR.") == 4
    assert report.count("\n</details>") == 4
    assert re.search(r"\n… \d\d more\n", report)


def test_long_lists_are_cut_in_markdown():
    report = written("markdown", *[skipped(f"reason {number}") for number in range(1_000)])
    assert "<summary>1000 skipped</summary>" in report
    assert "- … 960 more" in report


def test_long_texts_of_a_conversation_are_cut_in_markdown():
    report = written("markdown", failed(observed=conversed("a" * 5_000)))
    assert "a" * 2_000 + "\n… 3,000 more characters\n" in report
    assert "a" * 2_001 not in report


def test_a_case_is_found_by_hand_in_its_text():
    """The places that the results above are made with are those of the text."""
    assert TEXT.splitlines()[10][8:14] == "equals"
    assert a_case(1).span.line == 7
    assert with_failures(an_attempt(), [ANSWER]).failures == (ANSWER,)
