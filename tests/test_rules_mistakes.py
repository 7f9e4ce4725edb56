"""Mistakes that people make: each is one finding whose help says what to write, and many together are as many."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import golden_specs
from agentrun.spec.catalog import RawDocument, build
from agentrun.spec.rules import check_whole, cross_check
from agentrun.spec.schema import schema_of
from agentrun.spec.yaml_nodes import read_text

AGENT = "description: An order desk.\nmodel: gpt-4.1-mini\nsystem_prompt: You help.\ntools: [find_order]\n"
SHELL = "description: The last commits.\nshell:\n  command: [git, log]\n"
HTTP = "description: The weather.\nhttp:\n  url: https://weather.example.com/now\n"
SCHEMA = "description: The weather.\nparameters: {type: object, properties: {day: {description: D., %s}}}\nhttp: {url: https://weather.example.com/now}\n"
CASE = "agent: researcher\ncases:\n  - name: hello\n    args: {topic: hi}\n    model: [{content: Hello}]\n"


@pytest.mark.parametrize("key", ["sandbox: true", "env: {A: b}", "cwd: .", "stdin: hi", "script: ls", "expect: [0]"])
def test_a_key_of_shell_beside_it_is_sent_inside(tmp_path, key):
    found = golden_specs.findings_in(tmp_path, {"tools.d/x.yaml": f"{SHELL}{key}\n"}, "--preset", "minimal")
    assert [(one["code"], one["line"], one["help"]) for one in found] == [("AR301", 4, "write it inside `shell`")]


@pytest.mark.parametrize("key", ["method: GET", "headers: {A: b}", "auth: {bearer: x}", "query: {a: b}", "json: {}"])
def test_a_key_of_http_beside_it_is_sent_inside(tmp_path, key):
    found = golden_specs.findings_in(tmp_path, {"tools.d/x.yaml": f"{HTTP}{key}\n"}, "--preset", "minimal")
    assert [(one["code"], one["line"], one["help"]) for one in found] == [("AR301", 4, "write it inside `http`")]


MISTAKES = [
    ("agents/x.yaml", f"{AGENT}temperature: 0.2\n", "AR301", "settings: {temperature: …}"),
    ("agents/x.yaml", f"{AGENT}role: desk\ngoal: help\n", "AR301", "say it in `system_prompt`"),
    ("agents/x.yaml", f"{AGENT}max_turns: 3\n", "AR301", "write it inside `limits`"),
    ("agents/x.yaml", f"{AGENT}timeout: 3\n", "AR301", "write it inside `model` or `limits`"),
    ("agents/x.yaml", f"{AGENT}sub_agents: [researcher]\n", "AR301", "write `- agent: NAME` in `tools`"),
    ("agents/x.yaml", f"{AGENT}version: 2\n", "AR301", "the version of the language is `agentrun: 1`"),
    ("agents/x.yaml", f"{AGENT}limits:\n  max_turns\uff1a3\n", "AR303", "`\uff1a` doesn't end a key"),
    ("agents/x.yaml", f"{AGENT}limits:\n  max_turns:\u00a03\n", "AR303", "U+00A0 stands after the `:`"),
    ("agents/x.yaml", f"{AGENT}limits:\n  max_turns\u200b: 3\n", "AR301", "U+200B in it (zero width space)"),
    ("agents/x.yaml", AGENT.replace("[find_order]", "\n  -find_order"), "AR303", "write a space after each `-`"),
    ("agents/x.yaml", AGENT.replace("[find_order]", "[researcher]"), "AR401", "write `- agent: researcher`"),
    ("agents/x.yaml", AGENT.replace("[find_order]", "[find_order refund_order]"), "AR401", "these are 2 tools"),
    ("agents/x.yaml", AGENT.replace("gpt-4.1-mini", "$MODEL"), "AR508", "write `${MODEL}`"),
    ("agents/x.yaml", AGENT.replace("gpt-4.1-mini", "'{{ env.MODEL }}'"), "AR511", "`${VAR}`"),
    ("agents/x.yaml", AGENT.replace("gpt-4.1-mini", "''"), "AR703", "name it as the service does"),
    ("agents/x.yaml", AGENT.replace("model: gpt-4.1-mini", "llm: gpt-4.1-mini"), "AR301", "did you mean `model`?"),
    ("agents/x.yaml", AGENT.replace("gpt-4.1-mini", "{id: gpt-4.1-mini}"), "AR301", "did you mean `name`?"),
    ("agents/x.yaml", AGENT.replace("gpt-4.1-mini", "{name: a, base_url: 'localhost:1/v1'}"), "AR607", "`http://…`"),
    (
        "agents/x.yaml",
        f"{AGENT}response_format: {{type: json_schema, name: a, schema: {{}}}}\n",
        "AR301",
        "`json_schema`",
    ),
    ("agents/x.yaml", f"{AGENT}agentrun: '1'\n", "AR304", "write 1 without quotes"),
    ("tools.d/x.yaml", SHELL.replace("shell:\n  command", "command"), "AR301", "write it inside `shell`"),
    ("tools.d/x.yaml", HTTP.replace("  url", "url"), "AR301", "write it inside `http`"),
    ("tools.d/x.yaml", "tools: [{name: a, description: A.}]\n", "AR301", "a document for each"),
    ("tools.d/x.yaml", f"{HTTP}  timeout: 3\n", "AR301", "write it beside `http`, not inside"),
    ("tools.d/x.yaml", f"{HTTP}  auth: {{type: bearer, token: x}}\n", "AR301", "did you mean `bearer`?"),
    ("tools.d/x.yaml", f"{HTTP}  auth: {{username: a, password: b}}\n", "AR301", "write them inside `basic`"),
    ("tools.d/x.yaml", f"{HTTP}require_approval: true\n", "AR303", "write `always`"),
    ("tools.d/x.yaml", f"{HTTP}inputSchema: {{type: object}}\n", "AR301", "did you mean `parameters`?"),
    ("tools.d/x.yaml", f"{HTTP}title: Weather\n", "AR301", "`x-title`"),
    ("tools.d/x.yaml", "description: D.\npython: shop.fx.rate\n", "AR306", "write `module:function`"),
    ("tools.d/x.yaml", "description: D.\nfinal: yes\n", "AR303", "write `true`"),
    ("tools.d/x.yaml", f"{HTTP}timout:\n", "AR301", "did you mean `timeout`?"),
    ("tools.d/x.yaml", "{description: Fine, and short, final: true}", "AR301", "must stand in quotes"),
    ("tools.d/x.yaml", SCHEMA.replace("D.", "A day, e.g. 3") % "type: integer", "AR639", "in quotes"),
    ("tools.d/x.yaml", SCHEMA % "type: date", "AR601", "write `type: string, format: date`"),
    ("tools.d/x.yaml", SCHEMA % "type: string, enum: 'a, b'", "AR601", "write `enum: [a, b]`"),
    ("tools.d/x.yaml", SCHEMA % "type: integer, minimum: '1'", "AR601", "write 1 without quotes"),
    ("tools.d/x.yaml", SCHEMA % "type: string, optional: true", "AR639", "`required` of the schema around it"),
    ("tools.d/x.yaml", SCHEMA % "type: string, enums: [a]", "AR639", "did you mean `enum`?"),
    ("tools.d/x.yaml", SCHEMA.replace("{type: object", "{type: dict") % "type: string", "AR601", "`object`"),
    ("tests/x.test.yaml", CASE.replace("args", "inputs"), "AR301", "did you mean `args`?"),
    ("tests/x.test.yaml", CASE.replace("topic", "subject"), "AR903", "its parameters: topic"),
    ("tests/x.test.yaml", CASE.replace("[{content: Hello}]", "{content: Hello}"), "AR301", "a list of turns"),
    ("tests/x.test.yaml", f"{CASE}    reason: answered\n", "AR301", "write it inside `expect`"),
    ("tests/x.test.yaml", f"{CASE}    expect: {{answer: {{no_match: a}}}}\n", "AR301", "write `not: {matches: …}`"),
    ("tests/x.test.yaml", CASE.replace("[{content: Hello}]", "offline"), "AR303", "`live: true` for the agent's own"),
    ("tests/x.test.yaml", f"model: offline\n{CASE}", "AR303", "`live: true` for the agent's own"),
    ("agents/x.yaml", AGENT.replace("system_prompt", "promt"), "AR301", "did you mean `system_prompt`?"),
    ("agents/x.yaml", AGENT.replace("tools", "functions"), "AR301", "did you mean `tools`?"),
    ("agents/x.yaml", AGENT.replace("[find_order]", "[{tool: find_order}]"), "AR301", "write its name alone"),
    ("agents/x.yaml", f"{AGENT}handoffs: [clerk]\n", "AR402", "agents: researcher"),
    ("agents/x.yaml", f"{AGENT}tool_choice: any\n", "AR701", "did you mean `required`?"),
    ("agents/x.yaml", f"{AGENT}limits: {{max_total_tokens: 1_000}}\n", "AR303", "write `1000`"),
    ("agents/x.yaml", f"{AGENT}limits: {{timeout: 2m}}\n", "AR303", "write `120`"),
    (
        "agents/x.yaml",
        f"{AGENT}response_format: {{type: object, properties: {{}}, required: []}}\n",
        "AR301",
        "a schema stands inside",
    ),
    ("agents/x.yaml", "model:gpt-4.1\nsystem_prompt: Hi.\n", "AR201", "write `:` and a space"),
    ("agents/x.yaml", "model\uff1agpt-4.1\n", "AR309", "`\uff1a` doesn't end a key"),
    ("agents/x.yaml", "model: a\nlimits\uff1a{max_turns: 3}\n", "AR301", "`\uff1a` doesn't end a key"),
    ("agents/x.yaml", AGENT.replace("You help.", "|\nYou help: all."), "AR301", "indent the text of `|`"),
    ("agents/x.yaml", AGENT.replace("You help.", '"Say "hi" now"'), "AR201", 'write `\\"` for a quote'),
    ("agents/x.yaml", "model: GPT-4o-2024-11-20\ndescription: D.\n", "AR707", "did you mean `gpt-4o-2024-11-20`?"),
    ("tools.d/x.yaml", f"{HTTP}  body: {{a: 1}}\n", "AR303", "write `json` for data"),
    ("tools.d/x.yaml", SHELL.replace("[git, log]", "git\n  args: [log]"), "AR301", "in `command` itself"),
    (
        "tools.d/x.yaml",
        HTTP.replace("/now", "/{day}") + SCHEMA.partition("\n")[2].partition("http")[0] % "enum: [shop], default: Shop",
        "AR631",
        "did you mean `shop`?",
    ),
    (
        "tools.d/x.yaml",
        SHELL + "parameters: {type: object, properties: {d e: {type: string, description: D.}}}\n",
        "AR630",
        'args["d e"]',
    ),
]


@pytest.mark.parametrize(("path", "text", "code", "help"), MISTAKES, ids=[str(n) for n in range(len(MISTAKES))])
def test_a_mistake_is_one_finding_that_says_what_to_write(tmp_path, path, text, code, help):
    found = golden_specs.findings_in(tmp_path, {path: text}, "--preset", "recommended")
    assert [one["code"] for one in found] == [code]
    assert help in found[0]["help"]


FINE = "description: D., http: {url: 'https://w.example.com/x'}"


@pytest.mark.parametrize(
    "tool",
    [
        *(f"{{{key}: q, {FINE}}}" for key in ("nam", "nmae", "Name", "id")),
        "{agnt: researcher}",
        "{extnds: find_order, name: q, require_approval: always}",
        "{extnds: find_order, require_approval: always}",
        "{type: function, function: {name: q, description: D., parameters: {type: object, properties: {}}}}",
    ],
)
def test_an_inline_tool_does_not_lack_what_is_misspelt(tmp_path, tool):
    files = {"agents/x.yaml": AGENT.replace("[find_order]", f"[find_order, {tool}]")}
    found = golden_specs.findings_in(tmp_path, files, "--preset", "recommended")
    assert [(one["code"], one["line"]) for one in found] == [("AR301", 4)]


def test_an_agent_does_not_lack_what_its_base_has(tmp_path):
    files = {"agents/x.yaml": "extnds: _b\nsystem_prompt: You help.\n", "agents/_b.yaml": AGENT}
    found = golden_specs.findings_in(tmp_path, files, "--preset", "recommended")
    assert [(one["file"], one["code"]) for one in found] == [("agents/x.yaml", "AR301")]


def test_a_file_in_the_wrong_folder_is_one_finding_and_is_not_missed(tmp_path):
    files = {
        "agents/weather.yaml": HTTP,
        "tools.d/clerk.yaml": AGENT,
        "agents/x.yaml": AGENT.replace("[find_order]", "[find_order, weather, {agent: clerk}]"),
        "tests/clerk.test.yaml": CASE.replace("researcher", "clerk"),
    }
    found = golden_specs.findings_in(tmp_path, files, "--preset", "recommended")
    assert [(one["file"], one["code"], one["line"], one["help"]) for one in found] == [
        ("agents/weather.yaml", "AR105", 1, "move the file to `tools.d/`"),
        ("tools.d/clerk.yaml", "AR105", 1, "move the file to `agents/`"),
    ]


@pytest.mark.parametrize("more", ["model: gpt-4.1-mini\n", "system_prompt: Hi.\n", "limits: {}\n", "extends: _b\n"])
def test_a_file_that_may_be_an_agent_is_not_sent_away(tmp_path, more):
    found = golden_specs.findings_in(tmp_path, {"agents/x.yaml": HTTP + more}, "--preset", "minimal")
    assert "AR105" not in {one["code"] for one in found}


@pytest.mark.parametrize("entry", ["orders_*", "orderz"])
def test_an_entry_that_matches_nothing_may_be_meant_for_any_tool(tmp_path, entry):
    files = {
        **{f"tools.d/{name}.yaml": HTTP for name in ("order_find", "order_get")},
        "agents/x.yaml": AGENT.replace("[find_order]", f"[find_order, {entry}]"),
    }
    found = golden_specs.findings_in(tmp_path, files, "--preset", "recommended")
    assert [one["file"] for one in found] == ["agents/x.yaml"]


CITY = (
    "description: D.\n"
    "parameters: {type: object, properties: {city: {type: string, description: A city.}}, required: [city]}\n"
)


@pytest.mark.parametrize(
    "more",
    [
        *('json: {b: "{args.city}"}', "query: {q: $city}", "json: {q: $city}", "headers: {X-A: $city}"),
        *("form: {q: $city}", "body: q=$city", "query: {q: '${city}'}", "json: {q: 'in ${city}'}"),
    ],
)
def test_what_is_meant_as_an_argument_of_a_request_is_one_finding(tmp_path, more):
    text = f"{CITY}http:\n  url: https://w.example.com/now\n  {more}\n"
    found = golden_specs.findings_in(tmp_path, {"tools.d/x.yaml": text}, "--preset", "recommended")
    assert [(one["code"], one["line"], one["help"]) for one in found] == [("AR513", 5, "write `{{ args.city }}`")]


def test_a_variable_in_a_url_that_is_a_parameter_is_meant_as_a_hole(tmp_path):
    text = f"{CITY}http: {{url: 'https://w.example.com/${{city}}'}}\n"
    found = golden_specs.findings_in(tmp_path, {"tools.d/x.yaml": text}, "--preset", "recommended")
    assert [(one["code"], one["help"]) for one in found] == [("AR513", "write `{city}`")]


@pytest.mark.parametrize(
    "more",
    [
        "json: {query: 'query ($city: ID!) { town(id: $city) { name } }', variables: {city: '{{ args.city }}'}}",
        "json: {pipeline: [{$group: {_id: $city}}], city: '{{ args.city }}'}",
        "body: '$city={{ args.city }}'",
    ],
)
def test_a_dollar_of_another_language_is_left_alone(tmp_path, more):
    text = f"{CITY}http:\n  url: https://w.example.com/now\n  {more}\n"
    assert not golden_specs.findings_in(tmp_path, {"tools.d/x.yaml": text}, "--preset", "minimal")


@pytest.mark.parametrize("script", ["{% if args.city %}echo{% endif %}", "{%- for c in args.city %}ls{% endfor %}"])
def test_a_statement_in_a_script_is_a_template_too(tmp_path, script):
    text = f"{CITY}shell:\n  script: |\n    {script}\n"
    found = golden_specs.findings_in(tmp_path, {"tools.d/x.yaml": text}, "--preset", "minimal")
    assert [(one["code"], one["line"], one["column"]) for one in found] == [("AR517", 5, 5)]


def test_names_are_told_where_the_schema_of_one_is_wrong(tmp_path):
    agent = AGENT + "input: '{{ args.a }}'\n"
    agent += "parameters: {type: object, properties: {a: {type: string, pattern: '('}}, required: [a]}\n"
    case = CASE.replace("researcher", "x").replace("topic", "%s")
    for name, expected in (("b", ["AR604", "AR903"]), ("a", ["AR604"])):
        files = {"agents/x.yaml": agent, "tests/x.test.yaml": case % name}
        found = golden_specs.findings_in(tmp_path / name, files, "--preset", "minimal")
        assert [one["code"] for one in found] == expected


@pytest.mark.parametrize("key", ["unstrict", "not_strict", "non_final", "no_timeout", "disidempotent"])
def test_the_contrary_of_a_key_is_not_taken_for_it(tmp_path, key):
    found = golden_specs.findings_in(tmp_path, {"tools.d/x.yaml": f"{HTTP}{key}: true\n"}, "--preset", "minimal")
    assert [(one["code"], "did you mean" in one["help"], one.get("fix")) for one in found] == [("AR301", False, None)]


def test_a_tool_whose_name_is_no_name_is_not_missed_by_its_agent(tmp_path):
    for name in ("find it", "5"):
        files = {"tools.d/y.yaml": f"name: {name}\n{HTTP}", "agents/x.yaml": AGENT.replace("find_order", f'"{name}"')}
        found = golden_specs.findings_in(tmp_path, files, "--preset", "minimal")
        assert [one["file"] for one in found] == ["tools.d/y.yaml"]


@pytest.mark.parametrize("more", ["", "  hosts: []\n"])
def test_a_url_that_the_model_writes_needs_hosts(tmp_path, more):
    tool = "description: D.\nparameters: {type: object, properties: {url: {type: string}}, required: [url]}\n"
    tool += 'http:\n  url: "{url}"\n'
    found = golden_specs.findings_in(tmp_path, {"tools.d/x.yaml": tool + more}, "--preset", "minimal")
    assert [(one["code"], one["line"]) for one in found] == [("AR613", 4)]
    for fine in ("hosts: [a.example.com]", "base_url: https://a.example.com"):
        assert not golden_specs.findings_in(tmp_path, {"tools.d/x.yaml": f"{tool}  {fine}\n"}, "--preset", "minimal")
    assert not golden_specs.findings_in(tmp_path, {"tools.d/_x.yaml": tool}, "--preset", "minimal")


def test_an_empty_file_is_not_missed_by_those_that_name_it(tmp_path):
    files = {"tools.d/x.yaml": "# later\n", "agents/x.yaml": AGENT.replace("[find_order]", "[x]")}
    found = golden_specs.findings_in(tmp_path, files, "--preset", "recommended")
    assert [one["code"] for one in found] == ["AR104"]


def test_words_of_services_and_of_notes_in_a_schema_are_left_alone(tmp_path):
    words = "type: string, x-order: 1, enumNames: [a], propertyOrdering: [a], title: T, widget: date, format: int64"
    assert not golden_specs.findings_in(tmp_path, {"tools.d/x.yaml": SCHEMA % words}, "--preset", "recommended")


_KEYS = sorted(
    {
        key
        for kind in ("agent", "tool", "test")
        for one in schema_of(kind)["$defs"].values()
        for key in one.get("properties", {})
    }
)
_WORDS = [
    "x",
    "find",
    "_base",
    "{{ args.x }}",
    "${X}",
    "$X",
    "{c}",
    "type",
    "properties",
    "string",
    "a:b",
    "-x",
    "",
    "*",
    "ü：",
]
_DATA = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-1, 30_000)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(_WORDS),
    lambda inside: (
        st.lists(inside, max_size=4) | st.dictionaries(st.sampled_from([*_KEYS, *_WORDS]), inside, max_size=6)
    ),
    max_leaves=25,
)
_FILE = st.dictionaries(st.sampled_from([*_KEYS, *_WORDS]), _DATA, max_size=8)


@settings(max_examples=60, deadline=None)
@given(agents=st.lists(_FILE, max_size=2), tools=st.lists(_FILE, max_size=2), tests=st.lists(_FILE, max_size=1))
def test_data_of_any_shape_is_judged_without_a_failure(agents, tools, tests):
    texts, raw = {}, []
    for kind, files in (("agent", agents), ("tool", tools), ("test", tests)):
        for name, data in zip(("x", "find"), files, strict=False):
            path = f"{kind}/{name}.yaml"
            texts[path] = json.dumps(data)
            raw += [RawDocument(kind, path, name, node) for node in read_text(path, texts[path]).documents]
    catalog = build(raw, {"X": "1"}, frozenset(), texts)
    assert all(isinstance(found, list) for found in cross_check(catalog).values())
    assert isinstance(check_whole(catalog), list)


def test_the_form_of_an_agent_as_a_called_tool_may_be_anything():
    raw = [RawDocument("tool", "t.yaml", "t", read_text("t.yaml", "strict: true\nagent: {a: b}\n").documents[0])]
    assert cross_check(build(raw, {}))


def test_a_model_on_this_machine_needs_no_price(tmp_path):
    local = '{name: "llama3.2", base_url: "http://localhost:11434/v1"}'
    text = f"{AGENT.replace('gpt-4.1-mini', local)}limits: {{max_cost_usd: 1}}\n"
    assert not golden_specs.findings_in(tmp_path, {"agents/x.yaml": text}, "--preset", "recommended")


def test_many_mistakes_are_as_many_findings(tmp_path):
    agent = (
        "description: D.\nmodel:\n  nmae: gpt-4.1-mini\n  timeout: 60s\n  retries: 3\ninstruction: You help.\n"
        "tools: [find_orders, order_*]\ntool_choice: refund\nlimits: {max_turn: 10, max_cost_usd: -1}\n"
        "permissions:\n  - alow: find_order\n  - {allow: find_order, when: args.x}\ntemperature: 0.3\n"
    )
    other = (
        "description: D.\nmodel: gtp-4.1\nsystem_prompt: Be {{ args.tone }} on {{ run.dat }}.\nparameters:\n"
        "  type: object\n  properties:\n    input: {type: str}\n    count: {type: integer, default: '3'}\n"
        "  requried: [input]\nresponse_format: json\ntools: [find_order, find_order]\n"
    )
    tool = (
        "desc: D.\nparameters:\n  type: object\n  properties:\n    city: {type: string, required: true}\nhttp:\n"
        "  url: https://w.example.com/{town}\n  params: {d: 1}\n  timeout: 5\nsandbox: true\n"
    )
    files = {"agents/a.yaml": agent, "agents/b.yaml": other, "tools.d/t.yaml": tool}
    found = golden_specs.findings_in(tmp_path, files, "--preset", "recommended")
    assert sorted((one["file"], one["line"]) for one in found) == [
        *(("agents/a.yaml", line) for line in (3, 4, 5, 6, 7, 7, 8, 9, 9, 11, 12, 13)),
        *(("agents/b.yaml", line) for line in (2, 3, 3, 7, 8, 9, 10, 11)),
        *(("tools.d/t.yaml", line) for line in (1, 5, 7, 8, 9, 10)),
    ]
