"""The page of the docs says what was measured, and what was measured is kept as it was. No timing is looked at."""

import re
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))  # `benchmarks` is not installed

from benchmarks import conversations, crowd, crowd_worker, report, run, targets  # noqa: E402
from benchmarks.contenders import CONTENDERS  # noqa: E402
from benchmarks.peer import Peer  # noqa: E402
from benchmarks.plot import Panel, Scale, svg  # noqa: E402
from benchmarks.record import Record, this_machine  # noqa: E402
from benchmarks.results import Table  # noqa: E402
from benchmarks.server import answer  # noqa: E402
from benchmarks.targets import Target  # noqa: E402

MACHINE = {"cpu": "one", "python": "CPython 3.11"}


def table(key, **samples):
    return Table(key, key.title(), "ms", {}, {row.replace("_", "-"): values for row, values in samples.items()})


# -- the page -------------------------------------------------------------------------------------------------


def test_the_page_and_its_picture_are_what_is_made_of_the_kept_measurements():
    record = Record.read(report.DATA)
    assert report.filled(report.PAGE.read_text(), record) == report.PAGE.read_text(), "python -m benchmarks.report"
    assert report.picture(record) == report.PICTURE.read_text(), "python -m benchmarks.report"


def test_the_kept_measurements_are_of_whole_runs_and_of_no_other_parts_than_the_pages():
    record = Record.read(report.DATA)
    assert record.parts == set(report.PARTS)
    assert not record.quick
    assert report.DATA.stat().st_size < 200_000


def test_the_page_has_every_block_once():
    assert sorted(re.findall(r"<!-- begin (\w+) -->", report.PAGE.read_text())) == sorted(report.BLOCKS)


def test_a_page_without_measurements_says_so_and_keeps_its_prose():
    page = "Before.\n<!-- begin crowd -->\nold\n<!-- end -->\nAfter.\n"
    assert report.filled(page, Record(MACHINE)) == page.replace("old", "Not measured.")


def test_what_a_contender_was_not_measured_in_is_left_empty():
    record = Record(MACHINE)
    record.replace("crowd", table("crowd_1000_wall", raw=[1], agentrun=[2]).as_data(), [], run.PARTS)
    lines = report.BLOCKS["crowd"](record).splitlines()
    assert lines[2].startswith("| raw | 1.00 | 1.00 – 1.00 | 0.50 |  |")
    assert lines[3].startswith("| **agentrun** | 2.00 | 2.00 – 2.00 | 1 |  |")
    assert len(lines) == 4


def test_a_note_about_several_parts_stands_once():
    record = Record(MACHINE, notes={"crowd": ["a: failed"], "starts": ["a: failed", "b: failed"]})
    assert report.BLOCKS["notes"](record) == "- a: failed\n- b: failed"


# -- targets --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "reached", "row"),
    [
        (Target("w", 2, "tuned", None), 2.0, "| w | at most 2 × tuned | 2.00 × | yes |"),
        (Target("w", 2, "tuned", None), 2.01, "| w | at most 2 × tuned | 2.01 × | **no** |"),
        (Target("w", 1.3, "", None, below=True), 1.3, "| w | under 1.3 × | 1.30 × | **no** |"),
        (Target("w", 1 / 40, "x", None), 1 / 42, "| w | at most 1/40 of x | 1/42.0 | yes |"),
        (Target("w", 1 / 40, "x", None), 1 / 39, "| w | at most 1/40 of x | 1/39.0 | **no** |"),
        (Target("w", 0, "", None, unit=""), 3, "| w | at most 0 | 3 | **no** |"),
        (Target("w", 60, "", None, True, "KB"), 59.5, "| w | under 60 KB | 59.5 KB | yes |"),
    ],
)
def test_a_target_says_what_was_reached_and_whether_that_is_enough(target, reached, row):
    measured = Target(target.work, target.limit, target.of, lambda tables: reached, target.below, target.unit)
    assert measured.row({}) == row


def test_targets_without_measurements_are_neither_reached_nor_missed():
    rows = [target.row({}) for target in targets.TARGETS]
    assert all(row.endswith("| not measured | |") for row in rows)


def test_tuned_is_the_faster_one_of_the_tuned_loops():
    tables = {"m": table("m", agentrun=[4], sdk_post=[4], sdk_post_sync=[2])}
    assert targets.tuned("m")(tables) == 2
    assert targets.later_than_tuned("m")(tables) == 2


def test_the_best_framework_is_the_fastest_one_that_was_measured():
    assert targets.best_framework("m")({"m": table("m", agentrun=[1], langgraph=[10], pydantic_ai=[20])}) == 1 / 10


def test_validate_is_linear_where_each_file_costs_the_same_however_many_there_are():
    def tables(**cpu_ms):
        return {
            f"validate_{count[1:]}_cpu": Table("", "", "", {}, {"agentrun validate": [ms]})
            for count, ms in cpu_ms.items()
        }

    assert targets.cost_a_file(100, 1000)(tables(_10=110, _100=200, _1000=1100)) == 1
    assert targets.cost_a_file(100, 1000)(tables(_10=110, _100=200, _1000=2000)) == 2


# -- what is kept ---------------------------------------------------------------------------------------------


def test_a_file_of_measurements_gives_back_the_tables(tmp_path):
    record = Record(MACHINE, versions={"raw": {"python": "3.11"}}, notes={"crowd": ["slow"]})
    written = Table("m", "M", "ms", {"a": ["b"]}, {"a": [3.0, 5.0], "b": [1.0, 2.0]})
    record.replace("crowd", written.as_data(), ["slow"], run.PARTS)
    record.write(tmp_path / "kept.json")
    kept = Record.read(tmp_path / "kept.json")
    assert kept == record
    assert kept.tables()["m"].ratios("a") == {"b": 2.75}


def test_a_part_measured_again_leaves_the_others_as_they_are():
    record = Record(MACHINE)
    for part, value in (("validate", 1), ("crowd", 2), ("validate", 3)):
        record.replace(part, table(f"of_{part}", a=[value]).as_data(), [f"{part} {value}"], run.PARTS)
    assert [(row["part"], row["samples"]) for row in record.rows] == [("crowd", [2.0]), ("validate", [3.0])]
    assert record.notes == {"crowd": ["crowd 2"], "validate": ["validate 3"]}


def test_measurements_of_another_machine_are_not_mixed_with(tmp_path, capsys):
    record = Record(MACHINE)
    record.replace("crowd", table("m", a=[1]).as_data(), [], run.PARTS)
    record.write(tmp_path / "kept.json")
    with pytest.raises(SystemExit):
        run.main(["--part", "validate", "--json", str(tmp_path / "kept.json")])
    assert "has crowd of another machine" in capsys.readouterr().err
    assert Record.read(tmp_path / "kept.json") == record


def test_this_machine_is_described_in_words():
    assert all(isinstance(text, str) and text for text in this_machine().values())


def test_a_row_of_fewer_repetitions_is_held_against_the_first_ones_of_others():
    assert table("m", fast=[1, 2, 50], slow=[10, 20]).ratio("slow", "fast") == 10


# -- the picture ----------------------------------------------------------------------------------------------


def test_the_picture_has_a_dot_for_each_measure_of_each_contender():
    tables = {"first": table("first", raw=[1], agentrun=[10]), "last": table("last", raw=[2], agentrun=[300])}
    panels = [Panel("A", "both", ("first", "last")), Panel("B & C", "one", ("first",)), Panel("D", "none", ("other",))]
    drawn = ET.fromstring(svg(tables, panels, ["raw", "agentrun"]))
    dots = [float(one.get("cx")) for one in drawn.iter("{http://www.w3.org/2000/svg}circle")]
    assert len(dots) == 2 * 2 + 2
    assert dots[0] < dots[1] < dots[3] and dots[2] < dots[3]
    texts = [one.text for one in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert {"raw", "agentrun", "B & C", "10.0 → 300"} <= set(texts)


def test_a_scale_keeps_its_ends_inside_and_has_ticks_between_them():
    scale = Scale(3, 40)
    assert 0 < scale.at(3) < scale.at(40) < 250
    assert scale.ticks() == [5, 10, 20]
    assert Scale(0.05, 200).ticks() == [0.1, 1, 10, 100]
    assert Scale(7, 7).at(7) == 125


# -- crowds ---------------------------------------------------------------------------------------------------


def test_a_crowd_is_held_by_a_new_process_that_says_what_it_cost():
    cost, server_cpu_s = crowd.cost_of("raw", conversations=5, limit_s=50)
    assert cost["failures"] == {}
    assert cost["wall_s"] > (crowd.ROUNDS + 1) * crowd.LATENCY_S
    assert 0 < cost["message_kb"] < 10
    assert cost["cpu_s"] > 0 and server_cpu_s > 0


def test_a_crowd_that_takes_too_long_is_noted_and_the_others_go_on():
    told = []
    tables, notes = crowd.measure(["raw"], crowd.Sizes(conversations=(3, 4), repeated=2, limit_s=0.01), told.append)
    assert tables == []
    assert [note.partition(": ")[2] for note in notes] == ["not done after 0.01 s"] * 2
    assert len(told) == 4


def test_a_contender_that_fails_is_noted_and_the_others_go_on(capfd):
    sizes = conversations.Sizes(1, 1, 30, 1, 10, 1, 1, 1)
    with Peer("benchmarks.server") as service:
        tables, notes = conversations.measure(["raw", "raw-of-nowhere"], service.hear(), sizes)
    assert [set(one.samples) for one in tables] == [{"raw"}] * len(tables)
    assert [note.partition(": ")[0] for note in notes] == ["raw-of-nowhere"]
    assert "raw_of_nowhere" in capfd.readouterr().err


def test_a_conversation_of_a_crowd_fails_by_an_exception_or_a_wrong_answer():
    assert crowd_worker.failed(answer("rounds", 3), 3) == ""
    assert crowd_worker.failed("It will snow.", 3) == "wrong answer"
    assert crowd_worker.failed(TimeoutError("late"), 3) == "TimeoutError"


def test_memory_is_that_of_this_process():
    now, most = crowd_worker.memory_kb("VmRSS"), crowd_worker.memory_kb("VmHWM")
    assert now is None or 1_000 < now <= most
    assert set(CONTENDERS) >= set(crowd.REFERENCES)
