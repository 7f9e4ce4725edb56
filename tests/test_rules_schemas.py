"""Schemas, traps of YAML and what nothing uses: where the rules keep quiet, and what their fixes write."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentrun.project import read_project
from agentrun.spec.nodes import LINE_BREAK
from agentrun.spec.text_traps import text_traps
from agentrun.spec.yaml_nodes import read_bytes

CODES = {
    *("AR209", "AR210", "AR211", "AR212", "AR420", "AR421", "AR422", "AR601", "AR606", "AR630", "AR631", "AR632"),
    *("AR633", "AR636", "AR637", "AR638"),
}
TOOL = "tools.d/t.yaml"
AGENT = "agents/a.yaml"


def write(root, files):
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content if isinstance(content, bytes) else content.encode())


def report(root, files):
    write(root, files)
    return [one for one in read_project(root, {}).report().diagnostics if one.code in CODES]


def codes(root, files):
    return [one.code for one in report(root, files)]


def place(one):
    return one.span.line, one.span.column, one.span.end_line, one.span.end_column


def mended(text, fix):
    """The text with the edits of a fix made."""
    starts = [0, *(found.end() for found in LINE_BREAK.finditer(text))]
    for edit in sorted(fix.edits, reverse=True):
        begin = starts[edit.span.line - 1] + edit.span.column - 1
        end = starts[edit.span.end_line - 1] + edit.span.end_column - 1
        text = text[:begin] + edit.text + text[end:]
    return text


def tool(properties, backend='python: "shop:t"', more=""):
    return f"description: Does it.\nparameters:\n  type: object\n  properties: {properties}\n{backend}\n{more}"


def agent(properties="{input: {type: string}}", more=""):
    return f"model: gpt-4.1-mini\nparameters:\n  type: object\n  properties: {properties}\n{more}"


# -- the raw text -------------------------------------------------------------------------------------------


def test_a_byte_order_mark_moves_no_place(tmp_path):
    text = "description: Does it.\npython: shop:t\nparameters: {type: object, properties: {a: {type: null}}}\n"
    plain = report(tmp_path, {TOOL: text})
    marked = report(tmp_path, {TOOL: b"\xef\xbb\xbf" + text.encode()})
    assert [one.code for one in marked] == ["AR211", "AR606"]
    assert place(marked[1]) == place(plain[0]) == (3, 51, 3, 55)


def test_a_trap_hides_no_error_at_its_place(tmp_path):
    write(tmp_path, {AGENT: b"\xef\xbb\xbfdescription: Helps.\n"})
    found = read_project(tmp_path, {}).report().diagnostics
    assert {"AR211", "AR302"} <= {one.code for one in found}


def test_the_traps_of_a_file_are_told_where_it_is_checked(tmp_path):
    write(tmp_path, {AGENT: "model: gpt-4.1-mini\n", TOOL: "description: Order #7\npython: shop:t\n"})
    project = read_project(tmp_path, {})
    assert "AR209" in {one.code for one in project.report().diagnostics}
    assert "AR209" not in {one.code for one in project.report([project.catalog.agents["a"]]).diagnostics}


@pytest.mark.parametrize(
    ("text", "line", "wanted"),
    [
        ("a: 1\r\nb: 2\nc: 3\r\n", 2, "a: 1\r\nb: 2\r\nc: 3\r\n"),
        ("a: 1\nb: 2\r\nc: |\n  x\n", 2, "a: 1\nb: 2\nc: |\n  x\n"),
        ("a: 1\r\nb: 2\n", 2, "a: 1\r\nb: 2\r\n"),
        ("a: 1\nb: 2\r\n", 2, "a: 1\nb: 2\n"),
    ],
)
def test_mixed_line_ends_become_the_more_frequent_ones(text, line, wanted):
    (found,) = text_traps(read_bytes("a.yaml", text.encode()), text.encode())
    assert (found.code, found.span.line) == ("AR212", line)
    assert found.fix.safe
    fixed = mended(text, found.fix)
    assert fixed == wanted
    assert text_traps(read_bytes("a.yaml", fixed.encode()), fixed.encode()) == []


@given(st.lists(st.sampled_from(["\n", "\r\n"]), max_size=8))
def test_after_the_fix_no_line_ends_are_mixed(ends):
    text = "".join(f"k{index}: 1{end}" for index, end in enumerate(ends))
    for found in text_traps(read_bytes("a.yaml", text.encode()), text.encode()):
        fixed = mended(text, found.fix)
        assert fixed.replace("\r\n", "\n") == text.replace("\r\n", "\n")
        assert text_traps(read_bytes("a.yaml", fixed.encode()), fixed.encode()) == []


@pytest.mark.parametrize(
    "line",
    [
        "description: Finds it. # a note",
        "description: Finds it. #TODO say more",
        "description: Finds it. #----",
        "description: Finds it. ## a note",
        'description: "Order #7" # a note',
        "description: 'Order #7'",
        "description: Order#7",
        "description: |\n  Order #7",
        "x-note: Order #7\ndescription: Finds it.",
        "timeout: 30 #seconds\ndescription: Finds it.",
        "name: t #internal\ndescription: Finds it.",
    ],
)
def test_a_comment_that_is_meant_is_no_trap(tmp_path, line):
    assert codes(tmp_path, {TOOL: f"{line}\npython: shop:t\n"}) == []


@pytest.mark.parametrize(
    ("written", "fixed"),
    [
        ("description: Order #7 and more", 'description: "Order #7 and more"'),
        ("description: Order #7  # a note", 'description: "Order #7"  # a note'),
        ('description: The "big" order #7', "description: 'The \"big\" order #7'"),
        ("description: It's a \\ in order #7", "description: 'It''s a \\ in order #7'"),
    ],
)
def test_a_text_that_a_comment_cuts_is_put_in_quotes(tmp_path, written, fixed):
    (found,) = report(tmp_path, {TOOL: f"{written}\npython: shop:t\n"})
    assert (found.code, found.fix.safe) == ("AR209", False)
    text = mended(f"{written}\n", found.fix)
    assert text == f"{fixed}\n"
    assert "#7" in read_bytes("t.yaml", text.encode()).documents[0].get("description").content


# -- words of YAML 1.1 --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "other"),
    [
        ("yes", "true"),
        ("Off", "false"),
        ("N", "false"),
        ("2026-01-31", "a date"),
        ("2026-01-31T10:00:00Z", "a date"),
        ("12:30", "the number 750"),
        ("1:30:00", "the number 5400"),
        ("-1:30", "the number -90"),
        ("1_000", "the number 1000"),
        ("0b101", "a binary number"),
    ],
)
def test_a_word_of_yaml_1_1_is_told_with_its_other_reading(tmp_path, word, other):
    text = tool("{}", f"http:\n  url: https://h.example.com/\n  query: {{q: {word}}}")
    (found,) = report(tmp_path, {TOOL: text})
    assert found.message == f"`{word}` is text here; other YAML readers take it for {other}"
    fixed = mended(text, found.fix)
    assert f'{{q: "{word}"}}' in fixed
    assert codes(tmp_path, {TOOL: fixed}) == []


@pytest.mark.parametrize(
    "word", ["yEs", "yess", "99:99", "1:2:x", "10_", "_1", "2026-1", "v1_000", "true", "5", '"no"']
)
def test_other_words_are_no_trap(tmp_path, word):
    text = tool("{}", f"http:\n  url: https://h.example.com/\n  query: {{q: {word}}}")
    assert codes(tmp_path, {TOOL: text}) == []


@pytest.mark.parametrize("name", ["default", "query", "yes"])
def test_the_name_of_a_property_is_no_data(tmp_path, name):
    assert codes(tmp_path, {TOOL: tool(f"{{{name}: {{type: string, title: no}}}}")}) == []


def test_where_a_boolean_is_wanted_only_the_wrong_default_is_told(tmp_path):
    assert codes(tmp_path, {TOOL: tool("{a: {type: boolean, default: no}}")}) == ["AR631"]


# -- schemas ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "fixed"),
    [
        ("{type: integer, default: '5'}", "{type: integer, default: 5}"),
        ('{type: number, default: "0.5"}', "{type: number, default: 0.5}"),
        ("{type: boolean, default: On}", "{type: boolean, default: true}"),
        ("{type: boolean, default: 'false'}", "{type: boolean, default: false}"),
        ("{type: string, default: 5}", '{type: string, default: "5"}'),
        ("{type: string, default: 1.50}", '{type: string, default: "1.50"}'),
        ("{type: string, default: true}", '{type: string, default: "true"}'),
        ("{type: [string, null]}", '{type: [string, "null"]}'),
        ("{type: null}", '{type: "null"}'),
        ("{type: ~}", '{type: "null"}'),
    ],
)
def test_a_safe_fix_leaves_a_schema_without_findings(tmp_path, written, fixed):
    text = tool(f"{{a: {written}}}")
    (found,) = report(tmp_path, {TOOL: text})
    assert found.severity == "error"
    assert found.fix.safe
    assert mended(text, found.fix) == tool(f"{{a: {fixed}}}")
    assert codes(tmp_path, {TOOL: mended(text, found.fix)}) == []


@pytest.mark.parametrize(
    "written",
    [
        "{type: integer, default: many}",
        "{type: integer, minimum: 10, default: '5'}",
        "{type: integer, default: .5}",
        "{type: string, pattern: '^x', default: 5}",
        "{type: string, default: null}",
        "{type: array, items: {type: string}, default: a}",
        "{anyOf: [{type: integer}, {type: boolean}], default: 'x'}",
    ],
)
def test_a_default_that_no_quotes_mend_has_no_fix(tmp_path, written):
    (found,) = report(tmp_path, {TOOL: tool(f"{{a: {written}}}")})
    assert (found.code, found.fix) == ("AR631", None)


def test_a_default_that_is_never_filled_in_is_a_warning(tmp_path):
    text = tool("{a: {anyOf: [{type: string}, {type: integer, default: many}]}}")
    assert [(one.code, one.severity) for one in report(tmp_path, {TOOL: text})] == [("AR632", "warning")]


@pytest.mark.parametrize(
    "written",
    [
        "{type: integer, default: 5.0}",
        "{type: [string, 'null'], default: null}",
        "{type: [string, 'null'], enum: [a, null]}",
        "{type: number, enum: [1, 2.5]}",
        "{type: integer, const: 2.0}",
        "{enum: [a, 1, null]}",
        "{$ref: '#/properties/b', default: 7}",
        "{type: array, prefixItems: [{type: string}]}",
        "{type: array, contains: {type: string}}",
        "{anyOf: [{type: array, items: {}}, {type: 'null'}], default: null}",
        "{type: object, properties: {example: {type: string}, nullable: {type: boolean}}}",
        "{const: {nullable: true, type: array}}",
    ],
)
def test_a_schema_without_mistakes_has_no_findings(tmp_path, written):
    assert codes(tmp_path, {TOOL: tool(f"{{b: {{type: string}}, a: {written}}}")}) == []


def test_nullable_is_one_finding_with_the_nulls_that_it_was_meant_for(tmp_path):
    text = tool("{a: {type: string, nullable: true, enum: [x, null], default: null}}")
    assert codes(tmp_path, {TOOL: text}) == ["AR637"]


def test_values_of_the_wrong_type_are_one_finding(tmp_path):
    assert codes(tmp_path, {TOOL: tool("{a: {type: string, enum: [1, 2], default: 1, examples: [2]}}")}) == ["AR632"]


def test_a_list_without_items_is_left_to_strict_mode(tmp_path):
    assert codes(tmp_path, {TOOL: tool("{a: {type: array}}", more="strict: true\n")}) == []


def test_an_example_becomes_a_list_of_examples(tmp_path):
    text = tool("{a: {type: string, example: two words}}")
    (found,) = report(tmp_path, {TOOL: text})
    assert mended(text, found.fix) == tool("{a: {type: string, examples: [two words]}}")
    (block,) = report(tmp_path, {TOOL: tool("\n    a:\n      type: string\n      example: one, two")})
    assert block.fix is None


@pytest.mark.parametrize(
    ("one", "other", "is_told"),
    [
        ("order_id: {type: string}", "orderId: {type: string}", True),
        ("order-id: {}", "order_id: {}", True),
        ("tag: {type: string}", "tags: {type: string}", True),
        ("tag: {type: string}", "tags: {type: array, items: {}}", False),
        ("a: {type: string}", "A: {type: string}", False),
        ("address: {type: string}", "addressee: {type: string}", False),
        ("from: {type: string}", "form: {type: string}", False),
    ],
)
def test_names_that_differ_too_little_are_told(tmp_path, one, other, is_told):
    found = report(tmp_path, {TOOL: tool(f"{{{one}, {other}}}")})
    assert [found.code for found in found] == (["AR638"] if is_told else [])
    assert all(found.related[0].span < found.span for found in found)


WORDS = ["string", "integer", "array", "object", "boolean", "null", "x", None, 1, 1.5, True, [], {}, ["string", None]]
VALUES = st.sampled_from(WORDS)
KEYWORDS = ["type", "enum", "const", "default", "examples", "nullable", "example", "items", "minLength", "pattern"]
SCHEMAS = st.recursive(
    VALUES | st.dictionaries(st.sampled_from(KEYWORDS), VALUES | st.lists(VALUES, max_size=2), max_size=4),
    lambda inner: st.fixed_dictionaries(
        {"properties": st.dictionaries(st.sampled_from(["a", "b", "A_", "$ref"]), inner, max_size=3)},
        optional=dict.fromkeys(("items", "anyOf", "default", "$defs"), inner),
    ),
    max_leaves=6,
)


@given(SCHEMAS)
@settings(max_examples=80, deadline=None)
def test_no_schema_makes_a_check_fail(tmp_path_factory, schema):
    root = tmp_path_factory.mktemp("any")
    text = json.dumps({"description": "D.", "parameters": schema, "python": "shop:t"})
    shell = {"description": "D.", "parameters": schema, "shell": {"command": ["x", "{{ args.a }}"]}}
    write(
        root, {TOOL: text, "tools.d/s.yaml": json.dumps(shell), AGENT: json.dumps({"model": "m", "parameters": schema})}
    )
    read_project(root, {}).report()


# -- parameters that nothing uses ---------------------------------------------------------------------------

URL = "url: https://h.example.com/"


@pytest.mark.parametrize(
    "backend",
    [
        f"http: {{{URL}}}",
        f"http: {{{URL}, method: POST, headers: {{X-A: b}}}}",
        f'http: {{{URL}, json: "{{{{ args }}}}"}}',
        f'http: {{{URL}, query: {{q: "{{{{ args.a }}}}"}}}}',
        f"http: {{{URL}, query: {{q: \"{{{{ args['a'] }}}}\"}}}}",
        f'http: {{{URL}, query: {{}}}}\noutput: "{{{{ args.a }}}}"',
        f'http: {{{URL}, json: {{}}}}\nrequire_approval: "{{{{ args.a == 1 }}}}"',
        "http: {url: 'https://h.example.com/{a}', query: {}}",
        'shell: {command: [x, "{{ args.a }}"]}',
        'shell: {command: [x], env: {A: "{{ args.a }}"}}',
        'shell: {command: [x], stdin: "{{ args.a }}"}',
        'shell: {command: [x, "{% for name in args %}{{ name }}{% endfor %}"]}',
        "python: shop:t",
        "final: true",
    ],
)
def test_a_parameter_that_is_taken_somewhere_is_used(tmp_path, backend):
    assert codes(tmp_path, {TOOL: tool("{a: {type: string}}", backend)}) == []


@pytest.mark.parametrize(
    "backend",
    [
        f'http: {{{URL}, query: {{q: "{{{{ args.aa }}}}"}}}}',  # AR502
        f"http: {{{URL}, qurey: {{q: 1}}, json: {{}}}}",  # AR301
        f'http: {{{URL}, json: {{q: "{{{{ a }}}}"}}}}',  # AR503
        f'http: {{{URL}, json: {{q: "{{{{ args.a"}}}}',  # AR501
        f'http: {{{URL}, json: {{q: "{{a}}"}}}}',  # not a template, and meant as one
        'shell: {command: [x], cwd: "{{ args.a }}"}',  # AR511
        'shell: {script: "echo $A"}',  # AR518
    ],
)
def test_a_use_that_is_written_wrongly_is_one_finding_and_that_elsewhere(tmp_path, backend):
    assert codes(tmp_path, {TOOL: tool("{a: {type: string}}", backend)}) == []


def test_a_parameter_to_think_with_may_go_nowhere(tmp_path):
    text = tool("{reasoning: {type: string}, a: {type: string}}", 'shell: {command: [x, "{{ args.a }}"]}')
    assert codes(tmp_path, {TOOL: text}) == []


def test_an_inherited_parameter_is_told_once_where_it_stands(tmp_path):
    base = "parameters: {type: object, properties: {a: {type: string}}}\nshell: {command: [x]}\n"
    tools = {f"tools.d/{name}.yaml": "extends: _b\ndescription: Does it.\n" for name in ("one", "two")}
    (found,) = report(tmp_path, {"tools.d/_b.yaml": base, **tools})
    assert (found.code, found.span.file.endswith("tools.d/_b.yaml"), place(found)[:2]) == ("AR630", True, (1, 41))


@pytest.mark.parametrize(
    ("properties", "more"),
    [
        ("{input: {type: string}}", ""),
        ("{a: {type: string}}", 'input: "{{ args.a }}"'),
        ("{a: {type: string}}", 'input: "{{ args }}"'),
        ("{a: {type: string}}", 'input: "{{ args.b }}"'),  # AR502
        ("{a: {type: string}}", ""),  # AR502: there is no `input`
        ("{a: {type: string}}", "input: Go.\nsystem_prompt: {file: missing.md}"),  # AR408
        ("{a: {type: string}}", "input: Go.\nhandoffs: [b]"),
    ],
)
def test_a_parameter_of_an_agent_may_be_used_anywhere(tmp_path, properties, more):
    assert codes(tmp_path, {AGENT: agent(properties, more)}) == []


def test_a_prompt_of_its_own_file_uses_parameters_too(tmp_path):
    files = {
        AGENT: agent("{a: {type: string}}", "input: Go.\nsystem_prompt: {file: p.md}"),
        "agents/p.md": "{{ args.a }}",
    }
    assert codes(tmp_path, files) == []


# -- tools and bases that nothing uses ----------------------------------------------------------------------

SIMPLE = "description: Does it.\npython: shop:t\n"


@pytest.mark.parametrize(
    "files",
    [
        {AGENT: "model: m\ntools: [t, other]\n"},
        {AGENT: "model: m\ntools: ['*']\n"},
        {AGENT: "model: m\ntools: [other, {extends: t, name: mine}]\n"},
        {AGENT: "model: m\ntools: [other]\n", "tools.d/u.yaml": "extends: t\nname: other2\n"},
        {AGENT: "model: m\ntools: [other]\n", "tests/a.test.yaml": "agent: a\ncases: [{name: c, tools: {t: {}}}]\n"},
        {AGENT: "model: m\ntools: [other]\n", "tests/a.test.yaml": "agent: a\ntools: {t: {}}\ncases: [{name: c}]\n"},
        {AGENT: "model: m\ntools: [other, T]\n"},  # AR401
        {AGENT: "model: m\ntols: [t]\n", "agents/b.yaml": "model: m\ntools: [other]\n"},  # AR301
        {AGENT: "extends: _no\nmodel: m\n", "agents/b.yaml": "model: m\ntools: [other]\n"},  # AR403
        {AGENT: "model: [\n", "agents/b.yaml": "model: m\ntools: [other]\n"},  # AR201
        {AGENT: "model: m\n"},  # no agent lists tools
        {},
    ],
)
def test_a_tool_that_may_be_used_is_not_called_unused(tmp_path, files):
    found = report(tmp_path, {TOOL: SIMPLE, "tools.d/other.yaml": SIMPLE, **files})
    assert [one for one in found if one.code == "AR420" and "`t`" in one.message] == []


def test_a_tool_that_stands_in_a_comment_of_an_agent_is_left_out_on_purpose(tmp_path):
    files = {"tools.d/other.yaml": SIMPLE, "tools.d/get_rain.yaml": SIMPLE, "tools.d/get_snow.yaml": SIMPLE}
    agents = {AGENT: "model: m\ntools:\n  - other\n  # - get_rain  # asks a public service\n"}
    told = [one.message for one in report(tmp_path, files | agents) if one.code == "AR420"]
    assert told == ["no agent lists the tool `get_snow`"]


def test_a_tool_of_a_shared_folder_is_left_alone(tmp_path):
    own = {"p/agents/a.yaml": "model: m\ntools: [t]\n", "p/tools.d/t.yaml": SIMPLE}
    write(tmp_path, {**own, "shared/u.yaml": SIMPLE, "shared/_b.yaml": "python: shop:t\n"})
    found = read_project(tmp_path / "p", {}, tools=[tmp_path / "shared"]).report().diagnostics
    assert not {"AR420", "AR421"} & {one.code for one in found}


def test_members_of_a_set_are_uses_of_the_set(tmp_path):
    mcp = "description: A set.\nmcp: {command: [x]}\n"
    files = {"tools.d/github.yaml": mcp, "tools.d/gitlab.yaml": mcp, AGENT: "model: m\ntools: [github_list]\n"}
    told = [one.message for one in report(tmp_path, files) if one.code == "AR420"]
    assert told == ["no agent lists the tool `gitlab`"]


@pytest.mark.parametrize(
    "files",
    [
        {AGENT: "model: m\ntools: [{extends: _b, name: t, description: Does it.}]\n"},
        {"tools.d/_c.yaml": "extends: _b\n", TOOL: "extends: _c\ndescription: Does it.\n"},
        {AGENT: "model: m\ntools: [_b]\n"},  # AR401
        {TOOL: "extends: _bb\ndescription: Does it.\n"},  # AR403
    ],
)
def test_a_base_that_may_be_used_is_not_called_unused(tmp_path, files):
    assert "AR421" not in codes(tmp_path, {"tools.d/_b.yaml": "python: shop:t\n", **files})


def test_of_a_chain_of_bases_the_end_is_told(tmp_path):
    files = {"tools.d/_b.yaml": "python: shop:t\n", "tools.d/_c.yaml": "extends: _b\n"}
    assert [one.message for one in report(tmp_path, files)] == ["no tool extends the base `_c`"]


# -- descriptions -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "agent: a\n",
        "mcp: {command: [x]}\n",
        "desciption: Does it.\npython: shop:t\n",  # AR301
        "description: [Does it.]\npython: shop:t\n",  # AR303
        "name: t\n",  # AR307
    ],
)
def test_a_description_is_missed_where_it_should_stand(tmp_path, text):
    assert codes(tmp_path, {TOOL: text, AGENT: "model: gpt-4.1-mini\n"}) == []
