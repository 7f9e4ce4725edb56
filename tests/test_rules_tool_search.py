"""The rules about `tool_search`, against what is right and against what is not known."""

import json

import pytest

from agentrun.engine import agent
from agentrun.spec import function_names
from rule_files import codes, findings

MODEL = {"model": "gpt-4.1-mini"}
SHELL = {"description": "Tells it.", "read_only": True, "shell": {"command": ["date"]}}
MORE = [{"name": name} | SHELL for name in ("today", "uptime", "disk_usage")]
FILES = {"name": "files", "require_approval": "auto", "mcp": {"command": ["files-server"]}}


def desk(**keys):
    agent = MODEL | {"description": "Helps.", "tools": MORE} | keys
    return {"agents/desk.yaml": json.dumps(agent), "tools.d/lookup.yaml": json.dumps(SHELL)}


def told(folder, **keys):
    return [one for one in findings(folder, desk(**keys)) if one[0] in ("AR423", "AR424", "AR425", "AR426")]


@pytest.mark.parametrize("pinned", [["today"], ["to*"], ["*"], ["[tu]*"], []])
def test_pinned_tools_that_are_there_are_right(tmp_path, pinned):
    most = 20 if pinned == ["*"] else 2 if len(pinned) == 0 else 4
    assert codes(tmp_path, desk(tool_search={"max_tools": most, "pinned": pinned}), "AR423") == []


@pytest.mark.parametrize("pinned", ["todya", "tomorrow_*", "lookup", "files"])
def test_a_pinned_name_that_is_no_tool_of_the_agent_is_found(tmp_path, pinned):
    found = told(tmp_path, tools=[*MORE, FILES], tool_search={"max_tools": 3, "pinned": [pinned]})
    assert found == [("AR423", json.dumps(pinned))]


@pytest.mark.parametrize("pinned", ["files_read", "files_*", "f*", "*_read", "file?_x"])
def test_what_may_be_a_member_of_a_set_may_be_pinned(tmp_path, pinned):
    assert told(tmp_path, tools=[*MORE, FILES], tool_search={"max_tools": 3, "pinned": [pinned]}) == []


def test_a_glob_that_no_member_can_match_is_found_beside_a_set(tmp_path):
    found = told(tmp_path, tools=[*MORE, FILES], tool_search={"max_tools": 3, "pinned": ["gone_*"]})
    assert [code for code, _ in found] == ["AR423"]


def test_a_hand_off_may_be_pinned_though_it_is_always_sent(tmp_path):
    files = desk(handoffs=["other"], tool_search={"max_tools": 3, "pinned": ["transfer_to_other"]})
    other = {"agents/other.yaml": json.dumps(MODEL | {"description": "Goes on."})}
    assert codes(tmp_path, files | other, "AR42") == ["AR420"]  # the tool that nobody lists


@pytest.mark.parametrize(
    ("most", "keys"),
    [
        (1, {}),
        (2, {"pinned": ["today"]}),
        (3, {"pinned": ["today", "uptime"]}),
        (3, {"pinned": ["today", "upt*"]}),
    ],
)
def test_too_little_room_is_found(tmp_path, most, keys):
    found = told(tmp_path, tools=[*MORE, "lookup"], tool_search={"max_tools": most} | keys)
    assert found == [("AR424", str(most))]
    assert told(tmp_path, tools=[*MORE, "lookup"], tool_search={"max_tools": most + 1} | keys) in (
        [],
        [("AR425", '"tool_search"')],
    )


def test_final_tools_and_the_tool_of_tool_choice_take_room(tmp_path):
    final = {"name": "give_answer", "description": "Ends it.", "final": True}
    search = {"max_tools": 3}
    assert told(tmp_path, tools=[*MORE, final], tool_search=search) == []
    assert told(tmp_path, tools=[*MORE, final], tool_search=search, tool_choice="today") == [("AR424", "3")]
    chosen = {"type": "function", "function": {"name": "today"}}
    assert told(tmp_path, tools=[*MORE, final], tool_search=search, tool_choice=chosen) == [("AR424", "3")]
    assert told(tmp_path, tools=[*MORE, final], tool_search=search, tool_choice="give_answer") == []
    assert told(tmp_path, tools=[*MORE, final], tool_search=search, tool_choice="required") == []


def test_a_search_among_few_tools_is_told(tmp_path):
    assert told(tmp_path, tool_search={"max_tools": 3}) == [("AR425", '"tool_search"')]
    assert told(tmp_path, tool_search={}) == [("AR425", '"tool_search"')]
    assert told(tmp_path, tool_search={"max_tools": 2}) == []


def test_where_more_tools_may_come_a_search_is_right(tmp_path):
    assert told(tmp_path, tools=[*MORE, FILES], tool_search={}) == []
    assert told(tmp_path, tools=[*MORE, "look*"], tool_search={}) == []
    base = {"agents/_base.yaml": json.dumps({"tool_search": {}})}
    assert codes(tmp_path, desk(extends="_base") | base, "AR425") == []


@pytest.mark.parametrize("rule", [{"deny": "today"}, {"deny": "t*"}, {"deny": "*"}])
def test_a_pinned_tool_that_is_always_refused_is_told(tmp_path, rule):
    found = told(tmp_path, tool_search={"max_tools": 2, "pinned": []}, permissions=[rule])
    assert found == []
    search = {"max_tools": 3, "pinned": ["today"]}
    found = told(tmp_path, tools=[*MORE, "lookup"], tool_search=search, permissions=[rule])
    assert found == [("AR426", '"today"')]


@pytest.mark.parametrize(
    "rules",
    [
        [{"deny": "uptime"}],
        [{"allow": "today"}, {"deny": "*"}],
        [{"ask": "t*"}, {"deny": "*"}],
        [{"deny": "today", "when": "{{ args.x == 'y' }}"}],
    ],
)
def test_a_pinned_tool_that_may_be_called_is_right(tmp_path, rules):
    search = {"max_tools": 3, "pinned": ["today"]}
    assert told(tmp_path, tools=[*MORE, "lookup"], tool_search=search, permissions=rules) == []


@pytest.mark.parametrize(
    "search", [7, [], "x", {"pinned": 7}, {"pinned": [7, None]}, {"max_tools": "x"}, {"max_tools": 0}]
)
def test_what_the_schema_refuses_is_left_to_it(tmp_path, search):
    assert told(tmp_path, tool_search=search) in ([], [("AR425", '"tool_search"')])


def test_the_search_has_one_name():
    assert function_names.SEARCH_TOOLS == agent.SEARCH_TOOLS


def test_a_case_may_expect_a_search_of_an_agent_that_has_one(tmp_path):
    case = {
        "name": "searches",
        "args": {"input": "x"},
        "model": [{"tool_calls": [{"name": "search_tools", "arguments": {"query": "time"}}]}, {"content": "ok"}],
        "expect": {"answer": "ok", "calls": ["search_tools"]},
    }
    files = {"tests/desk.test.yaml": json.dumps({"agent": "desk", "cases": [case]})}
    assert codes(tmp_path, desk(tool_search={"max_tools": 2}) | files, "AR9") == []
    assert "AR902" in codes(tmp_path, desk() | files, "AR9")
