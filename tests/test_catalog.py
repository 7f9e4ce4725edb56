"""What a project defines: bases, inline tools, names, and rules that keep quiet about what they can't read."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from agentrun.cli.formats.text import findings_text
from agentrun.diagnostics import report
from agentrun.spec.bases import merge
from agentrun.spec.catalog import RawDocument, build
from agentrun.spec.nodes import Node
from agentrun.spec.rules import cross_check
from agentrun.spec.yaml_nodes import read_text


def raw(path, text):
    kind = {"agents": "agent", "tools.d": "tool", "tests": "test"}[path.split("/")[0]]
    node = read_text(path, text).documents[0]
    own = node.get("name")
    name = own.content if own is not None and isinstance(own.content, str) and own.content else path.split("/")[-1]
    return RawDocument(kind, path, name.removesuffix(".yaml").removesuffix(".test"), node)


def catalog(files, environ=None, unread=frozenset()):
    return build([raw(path, text) for path, text in files.items()], environ or {}, unread)


def found(files, environ=None, unread=frozenset()):
    """All errors of some files, as `file:line:column code`."""
    made = catalog(files, environ, unread)
    crossed = cross_check(made)
    everything = list(made.diagnostics)
    for document in made.documents():
        everything += [*document.diagnostics, *crossed.get(document, [])]
    ordered = report(everything, {}).diagnostics
    return [
        f"{one.span.file}:{one.span.line}:{one.span.column} {one.code}" for one in ordered if one.severity == "error"
    ]


# -- extends ------------------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.integers(0, 3) | st.sampled_from(["a", "b"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abcd"), inner, max_size=3),
    max_leaves=10,
)
MAPPINGS = st.dictionaries(st.sampled_from("abcd"), JSON, max_size=4)


def rfc_7396(target, patch):
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = rfc_7396(result.get(key), value)
    return result


def node_of(data):
    return read_text("f", json.dumps(data)).documents[0]


def without_nulls(data):
    """What RFC 7396 leaves of a mapping that replaces something that is none."""
    return {k: without_nulls(v) for k, v in data.items() if v is not None} if isinstance(data, dict) else data


@settings(deadline=None)
@given(MAPPINGS, MAPPINGS)
def test_extends_is_a_merge_patch(target, patch):
    # Null in a value that is new stays until `shape` takes it out; there it means absent, as in the RFC.
    merged = merge(node_of(target), node_of(patch)).data()
    assert without_nulls(merged) == without_nulls(rfc_7396(target, patch))


def test_each_value_keeps_the_place_where_it_was_written():
    files = {
        "agents/_a.yaml": "model: {name: m, max_retries: 99}\nlimits: {max_turns: 0}\n",
        "agents/b.yaml": "extends: _a\nmodel:\n  name: ''\n",
    }
    assert found(files) == [
        "agents/_a.yaml:1:31 AR305",
        "agents/_a.yaml:2:21 AR305",
        "agents/b.yaml:3:9 AR306",
    ]


def test_maps_merge_lists_replace_and_null_deletes():
    files = {
        "agents/_a.yaml": "model: {name: m, settings: {a: 1, b: 2}}\nstarters: [x, y]\ndescription: d\n",
        "agents/b.yaml": "extends: _a\nmodel: {settings: {a: null, c: 3}}\nstarters: [z]\ndescription: null\n",
    }
    assert catalog(files).agents["b"].data == {
        "model": {"name": "m", "settings": {"b": 2, "c": 3}},
        "starters": ["z"],
    }


def test_a_base_of_a_base_is_merged_and_named():
    files = {
        "tools.d/_a.yaml": "http: {base_url: https://h, headers: {X: '1'}}\n",
        "tools.d/_b.yaml": "extends: _a\nhttp: {headers: {Y: '2'}}\n",
        "tools.d/c.yaml": "extends: _b\nhttp: {url: /x}\n",
    }
    document = catalog(files).tools["c"]
    assert document.bases == ("_b", "_a")
    assert document.data["http"] == {"base_url": "https://h", "headers": {"X": "1", "Y": "2"}, "url": "/x"}


def test_the_name_of_what_is_extended_is_not_inherited():
    files = {
        "tools.d/a.yaml": "name: first\npython: m:f\n",
        "tools.d/b.yaml": "extends: first\ndescription: d\n",
        "agents/x.yaml": "model: m\ntools: [{extends: first, require_approval: always}]\n",
    }
    made = catalog(files)
    assert sorted(made.tools) == ["b", "first"]
    assert made.agents["x"].inline[0].name == "first"


def test_a_circle_is_told_once_also_for_those_that_lead_into_it():
    files = {f"agents/{name}.yaml": f"extends: {to}\nmodel: m\n" for name, to in ("ab", "bc", "ca", "da", "ed")}
    assert found(files) == ["agents/c.yaml:1:10 AR404"]
    assert found({"agents/a.yaml": "extends: a\nmodel: m\n"}) == ["agents/a.yaml:1:10 AR404"]


def test_little_is_said_of_a_document_whose_base_is_missing():
    files = {"tools.d/a.yaml": "extends: _gone\nhttp: {url: '/x/{id}', json: {a: '{{ args.b }}'}}\n"}
    assert found(files) == ["tools.d/a.yaml:1:10 AR403"]


def test_what_could_not_be_read_is_not_missed():
    files = {
        "agents/a.yaml": "model: m\ntools: [gone, g*]\ntool_choice: gone\npermissions: [{ask: gone}]\n",
        "agents/b.yaml": "extends: _gone\n",
        "tools.d/c.yaml": "agent: lost\n",
    }
    unread = frozenset({("tool", "gone"), ("agent", "_gone"), ("agent", "lost")})
    assert found(files, unread=unread) == []
    assert [one.split()[1] for one in found(files)] == ["AR401", "AR407", "AR403", "AR402"]


# -- inline tools -------------------------------------------------------------------------------------------


def test_an_inline_tool_is_a_document_of_its_own_with_its_places():
    files = {
        "agents/a.yaml": "model: m\ntools:\n  - name: t\n    http: {url: 'https://h/{x}'}\n"
        "  - {agent: a2, timeout: -1}\n"
    }
    assert found(files) == [
        "agents/a.yaml:4:28 AR505",
        "agents/a.yaml:5:13 AR402",
        "agents/a.yaml:5:26 AR305",
    ]


def test_inline_tools_of_a_base_come_with_it_once():
    files = {
        "agents/_a.yaml": "model: m\ntools: [{name: t, python: nowhere}]\n",
        "agents/b.yaml": "extends: _a\n",
        "agents/c.yaml": "extends: _a\n",
    }
    assert found(files) == ["agents/_a.yaml:2:27 AR306"]
    assert catalog(files).agents["b"].inline[0].name == "t"


def test_the_environment_reaches_inline_tools():
    files = {"agents/a.yaml": "model: m\ntools: [{name: t, http: {url: 'https://h', auth: {bearer: '${KEY}'}}}]\n"}
    document = catalog(files, {"KEY": "key-123456"}).agents["a"].inline[0]
    assert document.secrets == {"key-123456"}
    assert document.spec.http.auth.bearer == "key-123456"


# -- names --------------------------------------------------------------------------------------------------


def test_the_tools_of_an_agent_come_in_the_order_of_its_list_and_once():
    files = {f"tools.d/{name}.yaml": "python: m:f\n" for name in ("b2", "a1", "b1", "_b0")}
    files["agents/x.yaml"] = "model: m\ntools: [b*, a1, '*', {extends: b1, timeout: 5}]\n"
    made = catalog(files)
    tools = made.tools_of(made.agents["x"])
    assert [one.name for one in tools] == ["b1", "b2", "a1"]
    assert tools[0].spec.timeout == 5  # what is named wins over a glob


def test_two_of_one_name_are_told_with_the_first():
    files = {"tools.d/a.yaml": "name: t\npython: m:f\n", "tools.d/b.yaml": "name: t\npython: m:f\n"}
    (one,) = catalog(files).diagnostics
    assert (one.code, one.span.file, one.related[0].span.file) == ("AR406", "tools.d/b.yaml", "tools.d/a.yaml")


def test_an_agent_and_a_tool_may_have_one_name():
    assert found({"agents/a.yaml": "model: m\n", "tools.d/a.yaml": "agent: a\n"}) == []


def test_a_name_that_is_asked_for_with_a_wrong_type_is_told_once():
    assert found({"agents/a.yaml": "name: 5\nmodel: m\n"}) == ["agents/a.yaml:1:7 AR303"]
    assert found({"agents/a.yaml": "name: ''\nmodel: m\n"}) == ["agents/a.yaml:1:7 AR306"]


def test_a_circle_of_agents_is_told_for_each_group_that_has_one():
    def agent(*called):
        return f"model: m\ntools: {json.dumps([{'agent': one} for one in called])}\n"

    files = {
        "agents/a.yaml": agent("b", "c"),
        "agents/b.yaml": agent("c"),
        "agents/c.yaml": agent("b"),
        "agents/x.yaml": agent("y"),
        "agents/y.yaml": agent("x", "a"),
    }
    assert [one.split()[1] for one in found(files)] == ["AR405", "AR405"]


def test_many_agents_that_call_each_other_are_checked_soon():
    names = [f"a{n:02}" for n in range(40)]
    files = {
        f"agents/{one}.yaml": "model: m\ntools: " + json.dumps([{"agent": other} for other in names[at + 1 :]]) + "\n"
        for at, one in enumerate(names)
    }
    assert found(files) == []


# -- odd data -----------------------------------------------------------------------------------------------

AGENT = {
    "extends": "_b",
    "parameters": {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]},
    "model": {"name": "m", "headers": {"a": "${K}"}, "timeout": {"idle": 1}, "fallback": ["n"], "script": [{}]},
    "system_prompt": "{{ run.date }} {{ args.input | upper }}",
    "tools": ["t", "u*", {"extends": "t"}, {"agent": "r"}, {"name": "z", "http": {"url": "https://x/{input}"}}],
    "handoffs": ["r"],
    "tool_choice": {"type": "function", "function": {"name": "t"}},
    "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {"$ref": "#"}}},
    "permissions": [{"deny": "d*"}, {"ask": "t", "when": "{{ args.input > 1 }}"}],
    "limits": {"max_cost_usd": 1},
}
TOOL = {
    "extends": "_t",
    "parameters": {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]},
    "require_approval": "{{ args.input }}",
    "output": "{{ body.x }}",
    "http": {"url": "/a/{input}", "headers": {"Authorization": "{{ args.input }}"}, "json": [{"b": "{{ args.x }}"}]},
    "shell": {"command": ["a", ["b", "{{ args.input }}"]], "env": {"PATH": "{{ args.input }}"}},
    "mcp": {"command": ["a"]},
    "agent": "r",
}
TEST = {"agent": "a", "cases": [{"name": "c", "model": [{"tool_calls": [{"name": "t"}]}], "tools": {"t": {}}}]}
ODD = st.recursive(
    st.sampled_from(
        [
            None,
            5,
            -1,
            True,
            1.5,
            "",
            "x",
            "{{",
            "{{ args.no }}",
            "{{ x | no }}",
            "${",
            "${U}",
            "{",
            "{x}",
            "*",
            "[",
            "_b",
        ]
    ),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(
                ["a", "5", "", "name", "type", "properties", "required", "$ref", "pattern", "agent", "extends"]
            ),
            inner,
            max_size=2,
        )
    ),
    max_leaves=4,
)


def routes(value, route=()):
    yield route
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield from routes(child, (*route, key))


def changed(value, route, new):
    if not route:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[route[0]] = changed(copy[route[0]], route[1:], new)
    return copy


@st.composite
def mutated(draw, good):
    for _ in range(draw(st.integers(0, 3))):
        good = changed(good, draw(st.sampled_from(list(routes(good)))), draw(ODD))
    return json.dumps(good)


@settings(max_examples=150, deadline=None)
@given(
    mutated(AGENT), mutated({"model": "m"}), mutated(TOOL), mutated({"http": {"base_url": "https://h"}}), mutated(TEST)
)
def test_no_data_makes_a_check_fail_and_what_has_no_form_has_a_finding(agent, base, tool, tool_base, test):
    files = {
        "agents/a.yaml": agent,
        "agents/_b.yaml": base,
        "agents/r.yaml": '{"model": "m", "tools": [{"agent": "a"}]}',
        "tools.d/t.yaml": tool,
        "tools.d/_t.yaml": tool_base,
        "tools.d/u.yaml": "python: m:f\n",
        "tests/a.test.yaml": test,
    }
    texts = {path: text for path, text in files.items() if read_text(path, text).documents}
    made = catalog(texts, {"K": "key-123456"})
    crossed = cross_check(made)
    everything = list(made.diagnostics)
    for document in made.documents():
        findings = [*document.diagnostics, *crossed.get(document, [])]
        everything += findings
        if document.spec is None and not document.is_base and document.complete and not document.unknown:
            assert any(one.severity == "error" for one in findings)
    findings_text(report(everything, texts))


def test_a_document_is_not_changed_by_what_extends_it():
    base = node_of({"model": {"name": "m", "settings": {"a": 1}}})
    merged = merge(base, node_of({"model": {"settings": {"a": 2}}}))
    assert isinstance(merged, Node)
    assert base.data() == {"model": {"name": "m", "settings": {"a": 1}}}
