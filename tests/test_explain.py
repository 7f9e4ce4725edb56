"""The pages of `agentrun explain`: each example is checked as it stands, so a page can't say what isn't so."""

import re

import pytest

import golden_specs
from agentrun.cli import run_cli
from agentrun.cli.explain import wrapped
from agentrun.explanations import codes, explain
from agentrun.selection import STRICT_ONLY

_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_BLOCK = re.compile(r"^```\w+\n# (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# The bytes of these can't stand on a page: the page says in words how the file comes about.
IN_WORDS = {"AR101", "AR102", "AR103", "AR105", "AR104", "AR211", "AR212", "AR709", "AR717", "AR719"}
CREDENTIALS = (
    "CRM_TOKEN",
    "OPENAI_API_KEY",
    "ORDERS_PASSWORD",
    "PARTS_TOKEN",
    "RATES_KEY",
    "SHOP_KEY",
    "SHOP_PASSWORD",
)
CREDENTIALS += ("SHOP_TOKEN", "TRACK_TOKEN")
EVERY = codes()
SHOWN = [code for code in EVERY if code not in IN_WORDS]


def files(code, heading):
    """The files of a page's part, by path."""
    part = explain(code).text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return dict(_BLOCK.findall(part))


def findings_of(tmp_path, written):
    return golden_specs.findings_in(tmp_path, written)


@pytest.fixture(autouse=True)
def credentials_are_set(monkeypatch):
    """The pages name credentials as one should, without a default: what they name is set, as at a run."""
    for name in CREDENTIALS:
        monkeypatch.setitem(golden_specs.ENVIRON, name, "not-the-real-one")


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
    assert page.title[0].islower() or page.title[0] == "`"
    assert not page.title.endswith(".")
    assert len(page.text.splitlines()) <= 100


@pytest.mark.parametrize("code", EVERY)
def test_no_code_on_a_page_is_broken_by_the_end_of_a_line(code):
    text = re.sub(r"^```.*?^```$", "", explain(code).text, flags=re.MULTILINE | re.DOTALL)
    assert not [line for line in text.splitlines() if line.count("`") % 2]


def test_every_code_of_the_program_has_a_page():
    written = set()
    for file in (golden_specs.SPECS.parents[1] / "runtime/agentrun").rglob("*.py"):
        written |= set(re.findall(r"\"(AR\d{3})\"", file.read_text(encoding="utf-8")))
    assert written == set(EVERY)


def test_an_unknown_code_is_refused(capsys):
    assert run_cli(["explain", "AR401", "AR40l"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "there is no code `AR40L`\nhelp: `agentrun explain` lists all codes" in printed.err


def test_without_a_code_all_are_listed_in_80_columns(capsys):
    assert run_cli(["explain"]) == 0
    printed = capsys.readouterr().out
    assert all(code in printed for code in EVERY)
    assert max(map(len, printed.splitlines())) <= 80


def test_several_codes_in_any_case_and_beginnings_are_shown_in_turn(capsys):
    assert run_cli(["explain", "ar401", "AR9"]) == 0
    page, _, listed = capsys.readouterr().out.partition("\n\nAR9xx test\n")
    assert page == explain("AR401").text.rstrip()
    assert [line.split()[0] for line in listed.splitlines()] == [code for code in EVERY if code.startswith("AR9")]


@pytest.mark.parametrize("code", EVERY)
def test_a_page_says_strict_where_only_that_preset_tells_it(code):
    assert explain(code).is_strict == (code in STRICT_ONLY)


@pytest.mark.parametrize("code", EVERY)
def test_in_a_terminal_a_page_breaks_between_words_and_its_code_stays(code):
    text = explain(code).text.rstrip()
    shown = wrapped(text, 60)
    assert shown.split() == text.split()
    assert _FENCE.findall(shown) == _FENCE.findall(text)
    prose = [line for line in _FENCE.sub("", shown).splitlines() if not line.startswith(("|", "#"))]
    assert not [line for line in prose if line.count("`") % 2]
    assert not [line for line in prose if len(line) > 60 and " " in re.sub("`[^`]*`", "", line).strip()]
