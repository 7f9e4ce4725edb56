"""From a place in a file to the value there, and to its pointer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentrun.diagnostics import Diagnostic, Report, Span
from agentrun.spec.locate import locate, pointers_of
from agentrun.spec.yaml_nodes import read_text

AGENT = """\
model: m
tools:
  - find
  - {agent: researcher, "a/b~c": [1, 2]}
prompt: |
  Hello
  you
empty:
"""


def documents(text):
    return read_text("a.yaml", text).documents


def at(text, line, column):
    found = locate(documents(text), line, column)
    return None if found is None else (found.document, found.route, found.is_key)


def pointer(text, *place):
    (found,) = pointers(text, Span("a.yaml", *place))
    return found


def pointers(text, *spans):
    return pointers_of(Report(tuple(Diagnostic("AR000", "error", "", span) for span in spans), {"a.yaml": text}))


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ((1, 1), (0, ("model",), True)),
        ((1, 8), (0, ("model",), False)),
        ((3, 5), (0, ("tools", 0), False)),
        ((3, 3), (0, ("tools",), False)),
        ((4, 6), (0, ("tools", 1, "agent"), True)),
        ((4, 14), (0, ("tools", 1, "agent"), False)),
        ((4, 38), (0, ("tools", 1, "a/b~c", 1), False)),
        ((6, 4), (0, ("prompt",), False)),
        ((40, 1), (0, (), False)),
    ],
)
def test_the_innermost_key_or_value_at_a_place_is_found(place, expected):
    assert at(AGENT, *place) == expected


def test_before_the_first_document_there_is_nothing():
    assert at("# only a comment\n\n  a: 1\n", 1, 1) is None


def test_each_document_of_a_file_has_routes_of_its_own():
    text = "---\nname: a\n---\nname: b\nhttp: {url: x}\n"
    assert at(text, 2, 7) == (0, ("name",), False)
    assert at(text, 5, 13) == (1, ("http", "url"), False)


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ((1, 1, 1, 6), "/model"),  # a key
        ((1, 8, 1, 9), "/model"),  # its value
        ((3, 5, 3, 9), "/tools/0"),
        ((3, 6, 3, 8), "/tools/0"),  # a part of a text
        ((3, 3, 4, 39), "/tools"),  # a list, which begins where its first item does
        ((4, 5, 4, 39), "/tools/1"),
        ((4, 25, 4, 32), "/tools/1/a~1b~0c"),
        ((4, 35, 4, 36), "/tools/1/a~1b~0c/0"),
        ((6, 3, 6, 8), "/prompt"),  # a line of a block
        ((8, 7, 8, 7), "/empty"),  # nothing stands there
        ((8, 1, 8, 6), "/empty"),
        ((1, 1, 1, 1), ""),  # the document
        ((1, 1, 9, 1), ""),
        ((1, 8, 3, 5), ""),  # several values
        ((99, 1, 99, 2), ""),
    ],
)
def test_a_pointer_leads_to_what_holds_the_whole_place(place, expected):
    assert pointer(AGENT, *place) == expected


def test_what_an_alias_or_a_merge_brings_in_is_pointed_at_where_it_is_written():
    text = "x-base: &base {type: string}\na: *base\nb:\n  <<: *base\n  own: 1\n"
    assert pointer(text, 1, 16, 1, 20) == "/x-base/type"
    assert pointer(text, 1, 22, 1, 28) == "/x-base/type"
    assert pointer(text, 5, 8, 5, 9) == "/b/own"
    assert pointer(text, 2, 4, 2, 9) == ""
    assert at(text, 1, 22) == (0, ("x-base", "type"), False)


def test_a_pointer_is_of_its_own_document():
    text = "a: [1]\n---\na: [1, 2]\n---\n- b\n"
    assert pointer(text, 3, 8, 3, 9) == "/a/1"
    assert pointer(text, 5, 3, 5, 4) == "/0"
    assert pointer(text, 3, 1, 3, 1) == ""


def test_a_file_that_is_no_yaml_is_one_value():
    found = [Diagnostic("AR502", "error", "m", Span(file, 1, 4, 1, 5)) for file in ("p.md", "a.yaml", "gone.yaml")]
    report = Report(tuple(found), {"p.md": "a: {{ b }}", "a.yaml": "a: b"})
    assert pointers_of(report) == ["", "/a", ""]


def test_many_findings_of_a_long_list_are_pointed_at_in_linear_time():
    count = 20_000
    text = "tools:\n" + "".join(f"- t{index}\n" for index in range(count))
    found = [Diagnostic("AR401", "error", "m", Span("a.yaml", line + 2, 3, line + 2, 4)) for line in range(count)]
    assert pointers_of(Report(tuple(found), {"a.yaml": text}))[-1] == f"/tools/{count - 1}"


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(st.text(max_size=6), VALUES, min_size=1, max_size=4), st.booleans())
def test_the_place_of_each_key_and_value_leads_back_to_it(data, is_flow):
    import yaml

    text = yaml.safe_dump(data, default_flow_style=is_flow, allow_unicode=True)
    root = documents(text)[0]
    routes = [route for route, _ in root.walk()]
    expected = ["".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in route) for route in routes]
    assert pointers(text, *(root.place(route) for route in routes)) == expected
    assert pointers(text, *(root.key_place(route) for route in routes)) == expected
