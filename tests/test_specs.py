"""Every file in `specs`: the bad ones have exactly the findings beside them, the good ones have none."""

import json
import re

import pytest

import golden_specs
from agentrun.selection import STRICT_ONLY

FINDING = re.compile(r"^(\S.*?):(\d+):(\d+): (error|warning|info) (AR\d{3}) ", re.MULTILINE)
BAD = golden_specs.cases("bad")
SEVERAL = {  # one file, several mistakes: all others have one finding
    "25-mistakes": 25,
    "AR201-tool-that-is-listed": 2,
    "AR601-several-mistakes": 2,
    "AR604-every-bad-pattern": 3,
    "AR621-several-refusals": 6,
}


def name(case):
    return case.name.removesuffix(".yaml")


def findings(output):
    return [(file, code) for file, _, _, _, code in FINDING.findall(output)]


@pytest.mark.parametrize("case", BAD, ids=name)
def test_a_bad_file_has_the_findings_that_are_expected(case):
    code, output = golden_specs.output_of(case)
    assert output == golden_specs.expected_file(case).read_text(encoding="utf-8")
    assert code == (3 if ": error AR" in output else 0)


@pytest.mark.parametrize("case", BAD, ids=name)
def test_one_mistake_is_one_finding_of_the_code_in_the_name(case):
    codes = [code for _, code in findings(golden_specs.expected_file(case).read_text(encoding="utf-8"))]
    assert len(codes) == SEVERAL.get(name(case), 1)
    if name(case) != "25-mistakes":
        assert set(codes) == {case.name.split("-")[0]}


@pytest.mark.parametrize("case", [case for case in BAD if golden_specs.good_twin(case) is not None], ids=name)
def test_a_bad_file_is_clean_once_it_is_mended_as_it_says(case):
    code, output = golden_specs.output_of(case, golden_specs.good_twin(case))
    assert "checked, no findings" in output
    assert code == 0


@pytest.mark.parametrize("case", golden_specs.cases("ok"), ids=name)
def test_a_good_file_has_no_findings(case):
    code, output = golden_specs.output_of(case)
    assert "checked, no findings" in output
    assert code == 0


def test_all_mistakes_of_a_project_are_found_in_one_pass():
    found = findings((golden_specs.SPECS / "bad/projects/25-mistakes.txt").read_text(encoding="utf-8"))
    assert len(found) == 25
    assert len({file for file, _ in found}) == 6


def test_as_json_there_are_the_same_findings_with_their_ends():
    text = (golden_specs.SPECS / "bad/projects/25-mistakes.txt").read_text(encoding="utf-8")
    code, output = golden_specs.validate(golden_specs.SPECS / "bad/projects/25-mistakes", "--format", "json")
    found = json.loads(output)["findings"]
    assert code == 3
    assert [(one["file"], one["code"]) for one in found] == findings(text)
    for one in found:
        assert one["severity"] == "error"
        assert (one["line"], one["column"]) <= (one["end_line"], one["end_column"])


def test_no_expected_output_is_left_over():
    assert golden_specs.stale() == []


def test_every_code_has_a_bad_file():
    written = set()
    for file in (golden_specs.SPECS.parents[1] / "runtime/agentrun").rglob("*.py"):
        written |= set(re.findall(r"\"(AR\d{3})\"", file.read_text(encoding="utf-8")))
    shown = {case.name.split("-")[0] for case in BAD}
    # A file of more than 1 MiB is made in test_yaml_nodes; services are asked in test_online. What only the strict
    # preset tells has its examples in test_explain.
    assert written - shown == {"AR103", "AR717", "AR719"} | STRICT_ONLY
