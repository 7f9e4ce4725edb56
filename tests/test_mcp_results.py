"""What a server gives back for a call: passed on where a model can read it, named where it can't, and never a crash."""

import base64
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentrun.cli import run_cli
from agentrun.engine.ports import ToolResult
from agentrun.errors import ToolFailure
from agentrun.tools.mcp.results import result_of, stand_in
from projects import write_project

PIXELS = base64.b64encode(b"x" * 12_345).decode()


def value_of(*content, **more):
    return result_of({"content": list(content), **more}).value


def text(said, **more):
    return {"type": "text", "text": said, **more}


def test_texts_are_joined():
    assert value_of(text("one"), text("two")) == "one\ntwo"
    assert value_of() == ""


@pytest.mark.parametrize("said", ['{"a": [1, 2]}', '{\n  "a": [1,2]}', None])
def test_structured_data_are_the_result_where_the_text_says_the_same_or_nothing(said):
    content = [] if said is None else [text(said)]
    assert value_of(*content, structuredContent={"a": [1, 2]}) == {"a": [1, 2]}


@pytest.mark.parametrize("said", ["Two notes.", '{"a": [1]}', "[" * 5000])
def test_a_text_that_says_something_else_is_the_result(said):
    assert value_of(text(said), structuredContent={"a": [1, 2]}) == said


def test_no_data_are_lost_where_all_else_is_no_text():
    hidden = text("for you", annotations={"audience": ["user"]})
    for content in ({"type": "image", "data": PIXELS, "mimeType": "image/png"}, hidden):
        told = value_of(content, structuredContent={"a": 1})
        assert told.startswith("[") and told.endswith('\n{"a": 1}')


@pytest.mark.parametrize(
    ("block", "told"),
    [
        ({"type": "image", "data": PIXELS, "mimeType": "image/png"}, "[image image/png, 12,345 bytes]"),
        ({"type": "audio", "data": PIXELS, "mimeType": "audio/wav"}, "[audio audio/wav, 12,345 bytes]"),
        ({"type": "image", "data": "no base64!", "mimeType": "image/png"}, "[image image/png, its data are no base64]"),
        ({"type": "image", "data": "é"}, "[image, its data are no base64]"),
        ({"type": "image"}, "[image, its data are missing]"),
        (
            {
                "type": "resource_link",
                "uri": "file:///a.txt",
                "name": "a.txt",
                "title": "The  A\nfile",
                "mimeType": "text/plain",
                "size": 1234,
                "description": "What\nit is.",
            },
            '[link to a resource "The A file" file:///a.txt, text/plain, 1,234 bytes: What it is.]',
        ),
        ({"type": "resource_link"}, "[link to a resource without an address]"),
        (
            {"type": "resource", "resource": {"uri": "file:///a.txt", "mimeType": "text/plain", "text": "Hello."}},
            "[resource file:///a.txt, text/plain]\nHello.",
        ),
        (
            {"type": "resource", "resource": {"uri": "file:///a.bin", "blob": PIXELS}},
            "[resource file:///a.bin, 12,345 bytes]",
        ),
        ({"type": "resource", "resource": {"uri": "a:b"}}, "[resource a:b, its data are missing]"),
        ({"type": "resource"}, "[a resource that is missing]"),
        (
            text("for you", annotations={"audience": ["user"]}),
            "[text, 7 characters, meant for the user and left out here]",
        ),
        (text("for all", annotations={"audience": ["user", "assistant"]}), "for all"),
        (text("for all", annotations="user"), "for all"),
        ({"type": "text"}, "[text that is missing]"),
        ({"type": "video", "data": "x"}, "[content of an unknown type: video]"),
        ({"text": "x"}, "[content without a type]"),
        ("x", "[a part of the result that is no object]"),
        (None, "[a part of the result that is no object]"),
    ],
)
def test_each_kind_of_content_is_passed_on_or_named(block, told):
    assert value_of(block) == told


def test_what_the_tool_calls_an_error_is_a_failure_with_its_text():
    with pytest.raises(ToolFailure) as failure:
        value_of(text("no such note"), isError=True)
    assert (failure.value.type, failure.value.message) == ("tool_error", "no such note")
    with pytest.raises(ToolFailure, match="the tool says that it failed, and not why"):
        value_of(isError=True)
    with pytest.raises(ToolFailure, match=r'\{"code": 7\}'):
        value_of(isError=True, structuredContent={"code": 7})


def test_a_template_sees_the_text_the_data_and_the_blocks_without_their_bytes():
    image = {"type": "image", "data": PIXELS, "mimeType": "image/png"}
    blob = {"type": "resource", "resource": {"uri": "a:b", "blob": PIXELS}}
    result = result_of({"content": [text("two"), image, blob], "structuredContent": {"n": 2}})
    assert result.names == {
        "text": "two\n[image image/png, 12,345 bytes]\n[resource a:b, 12,345 bytes]",
        "structured": {"n": 2},
        "content": [
            {"type": "text", "text": "two"},
            {"type": "image", "mimeType": "image/png"},
            {"type": "resource", "resource": {"uri": "a:b"}},
        ],
    }


@pytest.mark.parametrize(("value", "said", "data"), [("hi", "hi", None), ({"n": 2}, '{"n": 2}', {"n": 2})])
def test_what_stands_in_for_a_result_has_the_names_of_one(value, said, data):
    result = stand_in(value)
    assert (result.value, result.names["text"], result.names["structured"]) == (value, said, data)
    assert result.names["content"] == [text(said)]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
KEYS = (
    "type",
    "text",
    "data",
    "mimeType",
    "uri",
    "name",
    "title",
    "size",
    "resource",
    "blob",
    "annotations",
    "audience",
)
KINDS = st.sampled_from(["text", "image", "audio", "resource_link", "resource"]) | JSON
BLOCK = st.fixed_dictionaries({"type": KINDS}, optional=dict.fromkeys(KEYS[1:], JSON))


@given(st.fixed_dictionaries({}, optional={"content": st.lists(BLOCK | JSON) | JSON, "structuredContent": JSON}))
def test_whatever_a_server_sends_is_a_result(sent):
    result = result_of(sent)
    assert isinstance(result, ToolResult)
    json.dumps(result.value)
    json.dumps(result.names)


def test_the_names_that_templates_may_use_are_known_to_validate(tmp_path, capsys, monkeypatch):
    write_project(
        tmp_path,
        {
            "tools.d/notes.yaml": """
                description: Notes.
                mcp: {command: [python3]}
                output: "{{ structured.n or text }} {{ content | length }} {{ body }}"
            """,
        },
    )
    monkeypatch.chdir(Path(tmp_path))
    assert run_cli(["validate", "tools.d/notes.yaml"]) == 3
    shown = capsys.readouterr()
    assert (shown.out + shown.err).count("which is not known here") == 1
    assert "the template uses `body`" in shown.out + shown.err
