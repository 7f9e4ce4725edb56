"""Data of others as YAML of the language: it loads as it was, in the house layout, and nothing in it takes effect."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agentrun.errors import SpecError, UsageError
from agentrun.foreign.converted import Converted, NewFile, write_new
from agentrun.foreign.yaml_text import (
    literal,
    prose,
    without_templates,
    without_variables,
    yaml_document,
    yaml_documents,
)
from agentrun.layout import lay_out
from agentrun.spec.yaml_nodes import read_text
from agentrun.templates import compile_template, interpolate

TRICKY = ["on", "012", "0x1f", "1e3", ".nan", "~", "null", "- a", "a: b", "a #b", "{{ x }}", "${X}", "\ttab", " lead"]
TEXTS = st.one_of(st.text(st.characters(exclude_categories=["Cs"]), max_size=60), st.sampled_from(TRICKY))
VALUES = st.recursive(
    st.one_of(
        TEXTS,
        st.booleans(),
        st.none(),
        st.integers(-(10**30), 10**30),
        st.floats(allow_nan=False, allow_infinity=False),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXTS, inner, max_size=4)),
    max_leaves=12,
)
DOCUMENTS = st.dictionaries(TEXTS, VALUES, min_size=1, max_size=5)


def read(text):
    found = read_text("", text)
    assert not found.diagnostics
    return [one.data() for one in found.documents]


@given(DOCUMENTS, st.lists(TEXTS, max_size=3))
def test_what_is_written_loads_as_the_same_data_whatever_the_comments(data, comments):
    assert read(yaml_document(data, comments=comments)) == [data]


@given(st.lists(TEXTS, min_size=1, max_size=6), st.lists(TEXTS, max_size=6), st.lists(TEXTS, max_size=2))
def test_comments_beside_the_items_of_a_list_change_nothing(items, comments, above):
    data = {"name": "x", "mcp": {"command": ["a"], "allowed_tools": items}}
    text = yaml_document(data, comments=above, beside={("mcp", "allowed_tools"): comments})
    assert read(text) == [data]
    assert lay_out("tool", "", text.encode()).content.decode() == text


@given(DOCUMENTS)
def test_what_is_written_is_in_the_house_layout(data):
    text = yaml_document(data, path="tools.d/x.yaml")
    assert lay_out("tool", "", text.encode()).content.decode() == text


def test_several_documents_are_in_the_house_layout_too():
    several = [yaml_document({"http": {"url": "x"}, "name": name}, comments=[name, "more\nlines"]) for name in "ab"]
    text = yaml_documents(several)
    assert lay_out("tool", "", text.encode()).content.decode() == text
    assert [one["name"] for one in read(text)] == ["a", "b"]


def test_the_folder_says_of_what_kind_a_document_is_and_its_keys_stand_in_order():
    data = {"tools": ["a"], "system_prompt": "One.\nTwo.\n", "model": "m", "name": "on"}
    assert yaml_document(data, path="agents/x.yaml", comments=["From elsewhere."]).splitlines() == [
        "# From elsewhere.",
        'name: "on"',
        "model: m",
        "system_prompt: |",
        "  One.",
        "  Two.",
        "tools: [a]",
    ]


def test_items_with_comments_have_a_line_each():
    data = {"mcp": {"command": ["a"], "allowed_tools": ["one", "on", "three"]}}
    text = yaml_document(data, beside={("mcp", "allowed_tools"): ["First.", "", "The\nthird."]})
    assert text.splitlines()[-4:] == [
        "  allowed_tools:",
        "    - one  # First.",
        '    - "on"',
        "    - three  # The third.",
    ]


@pytest.mark.parametrize(
    "comment", ["agentrun: ignore[AR703]", "x\n agentrun:ignore", "yaml-language-server: $schema=x"]
)
def test_a_comment_from_elsewhere_silences_nothing(comment):
    text = yaml_document({"name": "x"}, comments=[comment])
    assert "agentrun:" not in text
    assert "server:" not in text


def test_a_number_that_json_has_not_is_refused_and_half_a_character_replaced():
    with pytest.raises(ValueError, match="no number"):
        yaml_document({"a": float("nan")})
    assert read(yaml_document({"a": "\ud800"})) == [{"a": "\ufffd"}]


@given(st.text(st.sampled_from("${}%#{ aX$_'\r\n\\"), max_size=30))
@example("{% ")
@example("\r\n{{\t")
def test_a_text_made_literal_names_no_variable_and_is_no_template(text):
    filled = interpolate(without_variables(text), {})
    assert (filled.text, filled.problems) == (text, [])
    assert compile_template(without_templates(text)).text({}) == text
    both = interpolate(literal(text), {})
    assert (compile_template(both.text).text({}), both.problems) == (text, [])


def test_prose_has_no_blanks_at_the_ends_of_its_lines():
    assert prose("a  \r\n b\t\n\rc ") == "a\n b\n\nc"


# -- writing --------------------------------------------------------------------------------------------------

TOOL = NewFile("tools.d/a.yaml", 'name: a\nhttp: {url: "http://x/"}\n')
AGENT = NewFile("agents/b.yaml", "model: m\n")


def test_files_are_written_below_the_folder(tmp_path):
    paths = write_new(Converted([TOOL, AGENT]), tmp_path, force=False)
    assert paths == [tmp_path / "tools.d/a.yaml", tmp_path / "agents/b.yaml"]
    assert [one.read_text() for one in paths] == [TOOL.text, AGENT.text]


def test_nothing_is_written_where_one_of_the_files_is_there(tmp_path):
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents/b.yaml").write_text("mine\n")
    with pytest.raises(UsageError, match=r"already holds agents/b\.yaml"):
        write_new(Converted([TOOL, AGENT]), tmp_path, force=False)
    assert not (tmp_path / "tools.d").exists()
    write_new(Converted([TOOL, AGENT]), tmp_path, force=True)
    assert (tmp_path / "agents/b.yaml").read_text() == AGENT.text


def test_where_one_of_the_files_cannot_be_written_the_others_are_as_they_were(tmp_path):
    (tmp_path / "tools.d").mkdir()
    (tmp_path / "tools.d/a.yaml").write_text("mine\n")
    (tmp_path / "agents").write_text("a file, no folder\n")
    with pytest.raises(UsageError, match="can't be written"):
        write_new(Converted([TOOL, AGENT]), tmp_path, force=True)
    assert (tmp_path / "tools.d/a.yaml").read_text() == "mine\n"
    assert [one.name for one in (tmp_path / "tools.d").iterdir()] == ["a.yaml"]


def test_what_would_not_load_is_not_written(tmp_path):
    with pytest.raises(SpecError):
        write_new(Converted([NewFile("agents/b.yaml", "modle: m\n")]), tmp_path, force=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", ["../x.yaml", "/etc/x.yaml", "agents/../../x.yaml", ""])
def test_no_file_is_written_outside_the_folder(tmp_path, path):
    with pytest.raises(ValueError, match="no path"):
        write_new(Converted([NewFile(path, "model: m\n")]), tmp_path, force=False)
