"""The YAML reader: places of keys and values, the 1.2 core schema, and what hostile files can't do."""

import re
import time

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agentrun.diagnostics import Span
from agentrun.spec.nodes import LINE_BREAK
from agentrun.spec.yaml_nodes import MAX_BYTES, parse_scalar, read_bytes, read_plain, read_text


def read(text):
    return read_text("f.yaml", text)


def only(text):
    """The only document of a text without findings."""
    found = read(text)
    assert found.diagnostics == []
    (node,) = found.documents
    return node


def codes(text):
    found = read_bytes("f.yaml", text) if isinstance(text, bytes) else read(text)
    return [one.code for one in found.diagnostics]


def place(span):
    return (span.line, span.column, span.end_line, span.end_column)


def slice_of(text, span):
    """What stands in a text at a span."""
    lines = LINE_BREAK.split(text)
    if span.line == span.end_line:
        return lines[span.line - 1][span.column - 1 : span.end_column - 1]
    inner = lines[span.line : span.end_line - 1]
    return "\n".join([lines[span.line - 1][span.column - 1 :], *inner, lines[span.end_line - 1][: span.end_column - 1]])


def test_reading_goes_on_behind_a_template_without_quotes():
    found = read("a: {{ args.x }}\nb: {c: {{ y }}, d: 1}\n")
    assert [(one.code, one.span.line) for one in found.diagnostics] == [("AR206", 1), ("AR206", 2)]
    assert found.documents[0].data() == {"a": "{{ args.x }}", "b": {"c": "{{ y }}", "d": 1}}
    assert not found.stopped


def test_what_stands_behind_a_template_without_quotes_is_no_second_mistake():
    assert codes("a: {{ args.x }} days\n") == ["AR206"]


def test_a_second_document_without_its_line_is_one_mistake():
    (one,) = read("name: a\nhttp: {}\nname: b\nhttp: {}\nmore: 1\n").diagnostics
    assert (one.code, one.span.line) == ("AR202", 3)
    assert one.message == "the key `name` stands twice, and 1 more key after it"
    assert codes("a: {b: 1, b: 1, c: 1, c: 2}\n") == ["AR202", "AR202"]


# -- places -------------------------------------------------------------------------------------------------


def test_keys_and_values_have_their_places():
    node = only("a: 1\nb:\n  - x\n  - {c: é, d: [y]}\n")
    assert place(node.keys["b"]) == (2, 1, 2, 2)
    assert place(node.get("a").span) == (1, 4, 1, 5)
    assert place(node.get("b", 1, "d", 0).span) == (4, 16, 4, 17)
    assert place(node.get("b", 1).keys["d"]) == (4, 12, 4, 13)


def test_columns_count_code_points():
    node = only("𝄞é: {ключ: 值}\n")
    assert place(node.get("𝄞é").keys["ключ"]) == (1, 6, 1, 10)


def test_a_block_ends_with_its_last_value():
    node = only("a:\n  b: 1\n\n# a comment\nc: 2\n")
    assert place(node.get("a").span) == (2, 3, 2, 7)


def test_a_value_that_is_not_there_has_the_place_of_what_is_above():
    node = only("a: {b: 1}\n")
    assert node.place(("a", "x", 3)) == node.get("a").span
    assert node.key_place(("a", "b")) == node.get("a").keys["b"]
    assert node.key_place(("a", "x")) == node.get("a").span


def test_a_route_through_a_scalar_leads_nowhere():
    node = only("a: text\nb: [1]\n")
    assert node.get("a", 0) is None
    assert node.get("a", "upper") is None
    assert node.get("b", -1) is None
    assert node.get("b", "0") is None


def test_an_alias_has_the_place_where_its_value_was_written():
    node = only("a: &x {k: v}\nb: *x\n")
    assert node.get("b", "k").span == node.get("a", "k").span


def test_a_merged_value_keeps_its_place_and_its_own_keys_win():
    node = only("a: &x {k: 1, l: 2}\nb:\n  <<: *x\n  l: 3\n")
    assert node.get("b").data() == {"k": 1, "l": 3}
    assert node.get("b").keys["k"].line == 1
    assert node.get("b").keys["l"].line == 4


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("a: x {{ name }}", (1, 9, 1, 13)),
        ("a: 'x {{ name }}'", (1, 10, 1, 14)),
        ("a: |\n  x\n  {{ name }}\n", (3, 6, 3, 10)),
        ("a: >\n  x\n  y {{ name }}\n", (3, 8, 3, 12)),
        ('a: "x\n  {{ name }}"', (2, 6, 2, 10)),
    ],
)
def test_a_piece_of_a_text_is_found_where_it_was_written(text, where):
    assert place(only(text).get("a").find(re.compile("name"))) == where


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=12),
)
DATA = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("abçd𝄞 -:#{", min_size=1, max_size=5), inner, max_size=4)
    ),
    max_leaves=20,
)


@settings(deadline=None)
@given(data=DATA, flow=st.sampled_from([True, False, None]), crlf=st.booleans())
def test_what_is_dumped_is_read_back_and_every_key_stands_at_its_place(data, flow, crlf):
    # Texts are quoted, so that the 1.1 writer and the 1.2 reader mean the same.
    text = yaml.dump({"top": data}, Dumper=Quoting, allow_unicode=True, default_flow_style=flow, width=10_000)
    if crlf:
        text = text.replace("\n", "\r\n")
    node = only(text)
    assert node.data() == {"top": data}
    for _, child in node.walk():
        for key, span in child.keys.items():
            assert yaml.safe_load(slice_of(text, span)) == key
        if not isinstance(child.content, (dict, list)):
            assert slice_of(text, child.span) == LINE_BREAK.sub("\n", child.source)


class Quoting(yaml.SafeDumper):
    """Writes texts in double quotes, floats as JSON does, and no anchors."""

    def ignore_aliases(self, data):
        return True


Quoting.add_representer(str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"'))
Quoting.add_representer(float, lambda dumper, value: dumper.represent_scalar("tag:yaml.org,2002:float", repr(value)))


# -- the 1.2 core schema ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("~", None),
        ("null", None),
        ("Null", None),
        ("", None),
        ("true", True),
        ("FALSE", False),
        ("1", 1),
        ("-12", -12),
        ("+3", 3),
        ("0", 0),
        ("0o17", 15),
        ("0xfF", 255),
        ("1.5", 1.5),
        (".5", 0.5),
        ("5.", 5.0),
        ("-1e3", -1000.0),
        ("yes", "yes"),
        ("No", "No"),
        ("on", "on"),
        ("y", "y"),
        ("nULL", "nULL"),
        ("2024-01-02", "2024-01-02"),
        ("12:30:45", "12:30:45"),
        ("1_000", "1_000"),
        ("0b11", "0b11"),
        ("1e", "1e"),
        ("=", "="),
        ("'1'", "1"),
        ('"true"', "true"),
        ("!!str 1", "1"),
        ("! 1", "1"),
        ("!!int '7'", 7),
        ("1" * 500, "1" * 500),
    ],
)
def test_a_plain_scalar_is_what_yaml_1_2_says(written, value):
    found = only(f"a: {written}\n").get("a").content
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize("written", ["007", "-01", "00", "08", "01.5", ".nan", ".NaN", ".inf", "-.Inf", "1e999"])
def test_a_number_that_readers_disagree_about_is_an_error_that_asks_for_quotes(written):
    (found,) = read(f"a: {written}").diagnostics
    assert (found.code, place(found.span)) == ("AR208", (1, 4, 1, 4 + len(written)))
    assert f'write "{written}"' in found.help
    assert codes(f"a: '{written}'") == []


def test_a_number_may_be_a_key():
    node = only("1: a\n0x10: b\ntrue: c\n~: d\n")
    assert node.data() == {"1": "a", "0x10": "b", "true": "c", "~": "d"}


def test_text_from_elsewhere_is_read_by_the_same_rules():
    assert [parse_scalar(text) for text in ("3", "true", "x", "", "007")] == [3, True, "x", None, "007"]


# -- documents ----------------------------------------------------------------------------------------------


def test_empty_documents_are_skipped():
    assert [node.data() for node in read("---\n---\na: 1\n---\n# nothing\n---\nb: 2\n...\n").documents] == [
        {"a": 1},
        {"b": 2},
    ]


def test_documents_before_an_error_are_kept():
    found = read("a: 1\n---\nb: [\n")
    assert [node.data() for node in found.documents] == [{"a": 1}]
    assert found.stopped


def test_anchors_end_with_their_document():
    assert codes("a: &x 1\n---\nb: *x\n") == ["AR204"]


# -- mistakes -----------------------------------------------------------------------------------------------


def test_every_duplicate_key_is_found_with_its_first_place():
    found = read("a: 1\nb: {c: 1, c: 2}\na: 3\n").diagnostics
    assert [(one.code, place(one.span)[:2], place(one.related[0].span)[:2]) for one in found] == [
        ("AR202", (2, 11), (2, 5)),
        ("AR202", (3, 1), (1, 1)),
    ]


def test_keys_are_equal_as_text():
    assert codes('{1: a, "1": b}') == ["AR202"]


def test_several_unknown_tags_are_all_found():
    assert codes("a: !x 1\nb: !!set {c}\nd: !y [1]\n") == ["AR203", "AR203", "AR203"]


def test_a_byte_order_mark_is_no_part_of_the_text():
    node = read_bytes("f", b"\xef\xbb\xbfa: 1\n").documents[0]
    assert place(node.keys["a"]) == (1, 1, 1, 2)


@pytest.mark.parametrize(
    ("raw", "where"), [(b"a: caf\xe9\n", (1, 7)), (b"a: \xc3\xa9\nb: \xff", (2, 4)), (b"\xff\xfea\x00", (1, 1))]
)
def test_a_file_that_is_not_utf_8_is_told_with_the_place(raw, where):
    (found,) = read_bytes("f", raw).diagnostics
    assert (found.code, place(found.span)[:2]) == ("AR102", where)


def test_a_file_of_more_than_a_mebibyte_is_refused():
    assert codes(b"#" * MAX_BYTES) == []
    assert codes(b"#" * (MAX_BYTES + 1)) == ["AR103"]


def test_a_file_that_is_one_text_is_kept_as_it_is():
    found = read_plain("p.md", "\ufeffa: [\r\n".encode())
    assert (found.documents[0].content, found.documents[0].style) == ("a: [\r\n", "file")


@pytest.mark.parametrize("mark", ["\x00", "\x07", "\x1b", "\x7f", "\ud800"])
def test_a_character_that_yaml_forbids_is_a_finding(mark):
    assert codes(f"a: 1\nb: x{mark}\n") == ["AR201"]


@pytest.mark.parametrize("mark", ["\x85", "\u2028", "\u2029", "\r"])
def test_lines_end_where_libyaml_ends_them(mark):
    node = only(f"# c{mark}a: 1")
    assert place(node.keys["a"]) == (2, 1, 2, 2)


# -- hostile files ------------------------------------------------------------------------------------------

DEEP = 100_000


def bomb(levels, width=10):
    rows = ["a0: &a0 [1]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * width)}]" for n in range(1, levels)]
    return "\n".join(rows)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (bomb(30), "AR205"),
        ("[" * DEEP, "AR205"),
        ("[" * DEEP + "]" * DEEP, "AR205"),
        ("{a: " * DEEP, "AR205"),
        ("- " * DEEP, "AR205"),
        ("a: &a [*a]", "AR204"),
        ("&a {<<: *a}", "AR204"),
        ("[" + "1," * 60_000 + "]", "AR205"),
        ("--- 1\n" * 60_000, "AR205"),
        # One mapping of 10,000 keys, merged 20,000 times over.
        ("a: &a {" + ", ".join(f"k{n}" for n in range(10_000)) + "}\nb:\n" + "- {<<: *a}\n" * 20_000, "AR205"),
        ("a: &a {" + ", ".join(f"k{n}" for n in range(10_000)) + "}\nb: {<<: [" + "*a, " * 20_000 + "]}", "AR205"),
    ],
    ids=[
        "aliases",
        "open",
        "lists",
        "mappings",
        "dashes",
        "self",
        "self-merge",
        "wide",
        "documents",
        "merges",
        "merge",
    ],
)
def test_a_hostile_file_is_refused_soon(text, code):
    began = time.monotonic()
    assert codes(text) == [code]
    assert time.monotonic() - began < 5


def test_depth_is_counted_through_aliases():
    rows = ["a0: &a0 [1]"] + [f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 80)]
    assert codes("\n".join(rows)) == ["AR205"]
    assert codes("\n".join(rows[:60])) == []


MARKS = ["[", "]", "{", "}", ", ", ": ", "- ", "? ", "&x ", "*x", "<<: ", "!t ", "!!int ", "'", '"', "|\n", ">-\n"]
WORDS = ["a", "b: ", "007", ".nan", "1e5", "{{ x }}", "é", "\\u12", "# c", "---\n", "...\n", "%YAML 1.2\n"]
PIECES = st.sampled_from([*MARKS, *WORDS, "\n", "\n  ", "\t", "\r\n", "\x85"])


@settings(max_examples=400, deadline=None)
@given(st.lists(PIECES, max_size=25).map("".join))
@example("? [a]\n: b")
@example("? |\n  x\n: b\n5: c")
def test_no_text_makes_the_reader_fail(text):
    found = read(text)
    lines = LINE_BREAK.split(text)
    for one in found.diagnostics:
        assert isinstance(one.span, Span)
        assert 1 <= one.span.line <= len(lines)
    for node in found.documents:
        node.data()
        for _, child in node.walk():
            assert child.span.line <= child.span.end_line <= len(lines) + 1


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60))
def test_no_bytes_make_the_reader_fail(raw):
    read_bytes("f", raw)
    read_plain("f", raw)
