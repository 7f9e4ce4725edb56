"""The examples of the language's own description, as files: those that are whole load as they stand, the fragments have
exactly one finding for each key that a later version brings."""

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


def later(file, *keys):
    return {(file, "AR308", f"`{key}` is not available in this version") for key in keys}


def test_the_whole_files_load():
    project = read_project(LANGUAGE / "whole", {})
    assert Selection().of(project.report()).diagnostics == ()
    assert all(document.spec is not None for document in project.catalog.documents())


def test_the_agent_with_every_key_has_findings_for_what_comes_later_and_no_others():
    found = codes("agent")
    # One warning: a fallback was turned off.
    warned = {one for one in found if one[1] == "AR708"}
    assert len(warned) == 1
    assert found - warned == later("agents/support.yaml", "handoffs", "tool_search")


def test_the_tools_have_findings_for_what_comes_later_and_no_others():
    assert codes("tools") == {
        *later("tools.d/mcp.yaml", "mcp"),
        *later("tools.d/openapi.yaml", "openapi"),
    }


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
