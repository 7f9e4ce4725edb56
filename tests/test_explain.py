"""The pages of `agentrun explain`: each example is checked as it stands, so a page can't say what isn't so."""

import re

import pytest

import golden_specs
from agentrun.cli import run_cli
from agentrun.explanations import codes, explain
from agentrun.selection import STRICT_ONLY

_BLOCK = re.compile(r"^```\w+\n# (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# The bytes of these can't stand on a page: the page says in words how the file comes about.
IN_WORDS = {"AR101", "AR102", "AR103", "AR105", "AR104", "AR211", "AR212", "AR709", "AR717", "AR719"}
EVERY = codes()
SHOWN = [code for code in EVERY if code not in IN_WORDS]


def files(code, heading):
    """The files of a page's part, by path."""
    part = explain(code).text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return dict(_BLOCK.findall(part))


def findings_of(tmp_path, written):
    return golden_specs.findings_in(tmp_path, written)


@pytest.mark.parametrize("code", SHOWN)
def test_the_bad_example_has_this_finding_and_no_other(code, tmp_path):
    found = findings_of(tmp_path, files(code, "Bad"))
    assert [one["code"] for one in found] == [code], found
    assert found[0]["severity"] == explain(code).severity


@pytest.mark.parametrize("code", SHOWN)
def test_the_good_example_has_none(code, tmp_path):
    assert findings_of(tmp_path, files(code, "Good")) == []


@pytest.mark.parametrize("code", EVERY)
def test_a_page_is_named_after_its_code_and_says_why(code):
    page = explain(code)
    assert page.code == code
    assert len(page.summary) > 40
    assert not page.title.endswith(".")


def test_every_code_of_the_program_has_a_page():
    written = set()
    for file in (golden_specs.SPECS.parents[1] / "runtime/agentrun").rglob("*.py"):
        written |= set(re.findall(r"\"(AR\d{3})\"", file.read_text(encoding="utf-8")))
    assert written == set(EVERY)


def test_an_unknown_code_is_answered_with_the_nearest(capsys):
    assert run_cli(["explain", "AR60"]) == 2
    assert "did you mean" in capsys.readouterr().err


def test_without_a_code_all_are_listed(capsys):
    assert run_cli(["explain"]) == 0
    printed = capsys.readouterr().out
    assert all(code in printed for code in EVERY)


@pytest.mark.parametrize("code", EVERY)
def test_a_page_says_strict_where_only_that_preset_tells_it(code):
    assert explain(code).is_strict == (code in STRICT_ONLY)
