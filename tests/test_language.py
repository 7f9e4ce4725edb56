"""The examples of the language's own description, as files: all of them load as they stand."""

import shutil
import subprocess
import sys

import pytest

import golden_specs
from agentrun.project import read_project
from agentrun.selection import Selection

LANGUAGE = golden_specs.SPECS / "language"


def codes(folder):
    report = Selection().of(read_project(LANGUAGE / folder, {"ORDERS_TOKEN": "token-123456"}).report())
    return {
        (one.span.file.rsplit("/", 2)[-2] + "/" + one.span.file.rsplit("/", 1)[-1], one.code, one.message)
        for one in report.diagnostics
    }


def test_the_whole_files_load():
    project = read_project(LANGUAGE / "whole", {})
    assert Selection().of(project.report()).diagnostics == ()
    assert all(document.spec is not None for document in project.catalog.documents())


def test_the_agent_with_every_key_loads():
    # One warning: a fallback was turned off.
    assert [code for _, code, _ in codes("agent")] == ["AR708"]


def test_the_tools_load():
    assert codes("tools") == set()


@pytest.mark.parametrize(
    ("tool", "read_only", "parameters"),
    [("python", None, None), ("agent", None, None), ("refund_order", False, ["order_id"])],
)
def test_the_tools_of_this_version_are_read_as_they_are_written(tool, read_only, parameters):
    spec = read_project(LANGUAGE / "tools", {}).catalog.tools[tool].spec
    assert spec.read_only is read_only
    assert (list(spec.parameters["properties"]) if spec.parameters else None) == parameters


def test_the_test_file_is_read_as_it_is_written():
    (document,) = read_project(LANGUAGE / "whole", {}).catalog.tests
    (case,) = document.spec.cases
    assert case.model[0].tool_calls[0].arguments == {"order_id": "7", "amount": 5}
    assert case.tools["refund_order"].json == {"id": "r1"}
    assert case.expect.answer.contains == "Done"


def test_the_test_file_runs_and_passes_in_a_project_of_its_own(tmp_path):
    done = _tested(tmp_path)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("written", "instead"),
    [
        ("contains: Done", "contains: Refunded"),
        (
            'calls: [{name: refund_order, arguments: {order_id: "7"}}]',
            'calls: [{name: refund_order, arguments: {order_id: "8"}}]',
        ),
        ("reason: answered", "reason: max_turns"),
        ("turns: 2", "turns: 1"),
        ('content: \'{"text": "Done."}\'', "error: {status: 400, message: no}"),
        ("tools: {refund_order:", "tools: {find_order:"),
    ],
)
def test_the_test_file_fails_where_something_in_it_does_not_hold(tmp_path, written, instead):
    done = _tested(tmp_path, written, instead)
    assert done.returncode == 1, done.stdout
    assert "refunds a paid order" in done.stdout


def _tested(folder, written="", instead=""):
    """`agentrun test` on a copy of the whole files, perhaps with a piece of the test file replaced."""
    shutil.copytree(LANGUAGE / "whole", folder / "project")
    file = folder / "project" / "tests" / "refunds.test.yaml"
    text = file.read_text()
    assert written in text
    file.write_text(text.replace(written, instead, 1) if written else text)
    return subprocess.run(
        [sys.executable, "-m", "agentrun", "test"],
        cwd=folder / "project",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
    )
