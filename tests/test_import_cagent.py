"""Docker cagent files as projects: what is expressed, what is left and where, and that nothing goes without a word."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentrun.errors import SpecError
from agentrun.templates import compile_template
from foreign_samples import (
    CAGENT,
    ODD,
    SECRETS,
    all_of,
    data_of,
    errors_in,
    gives_sound_files,
    is_written_or_told,
    made,
    mapping_routes,
    names_in,
    routes_of_keys,
    told,
    with_anything,
    without,
)

# What says nothing about an agent: who made a file, and what agentrun does anyway.
MEANINGLESS = [
    ("version",),
    ("metadata",),
    ("models", "claude", "track_usage"),
    ("agents", "root", "commands", "plan", "description"),
]
# What holds as well where it is not written.
DEFAULTS = [
    ("agents", "root", "toolsets", 5, "shell", "count_lines", "args", "file", "type"),
    ("agents", "helper", "toolsets", 0, "api_config", "args", "list", "type"),
    ("agents", "helper", "toolsets", 0, "api_config", "headers", "Content-Type"),
    ("toolsets", "weather", "api_config", "method"),
    ("toolsets", "weather", "api_config", "required"),
]
# Left as a whole, with all that is in it.
WHOLE = ("hooks", "rag", "never_used", "memory", "config", "output_schema")


def agent(text, name="root"):
    return data_of(made(text))[f"agents/{name}.yaml"]


def with_root(more, rest=""):
    return f"agents:\n  root:\n    model: openai/gpt-4o\n    instruction: Help.\n{more}{rest}"


def is_left_whole(route):
    return any(step in WHOLE for step in route) or route[:5] in (
        ("agents", "root", "toolsets", 0),
        ("agents", "root", "toolsets", 1),
    )


def test_the_files_load_and_validate(tmp_path):
    assert errors_in(made(CAGENT), tmp_path) == []


@pytest.mark.parametrize("route", routes_of_keys(CAGENT), ids=lambda route: ".".join(map(str, route)))
def test_every_key_makes_a_difference_or_is_known_to_mean_nothing(route):
    if is_left_whole(route[:-1]):
        return
    says_nothing = route in DEFAULTS or any(route[: len(one)] == one for one in MEANINGLESS)
    assert (all_of(without(CAGENT, route)) == all_of(CAGENT)) is says_nothing


@pytest.mark.parametrize("route", mapping_routes(CAGENT), ids=lambda route: ".".join(map(str, route)) or "top")
def test_a_key_that_nobody_knows_is_written_or_told(route):
    if is_left_whole(route) or route == ("metadata",):
        return
    assert is_written_or_told(CAGENT, route)


def test_what_is_left_is_told_with_its_line():
    lines = CAGENT.splitlines()
    for one in made(CAGENT).left:
        names = names_in(one.what) or [one.what.rsplit(" ", 1)[-1]]
        assert names[-1].rpartition("/")[2].split(":")[0] in lines[one.line - 1], one


def test_no_secret_of_the_file_gets_into_the_project():
    converted = made(CAGENT)
    assert not [one for one in converted.files for secret in SECRETS if secret in one.text]
    assert [one.partition(":")[0] for one in converted.variables] == [
        "EXAMPLE_API_KEY",
        "GATEWAY_KEY",
        "OTHER",
        "TASKS_TOKEN",
        "THINGS_SERVER_API_KEY",
        "THINGS_TOKEN",
        "TRACKER_TOKEN",
    ]


# -- agents -------------------------------------------------------------------------------------------------


def test_sub_agents_are_tools_and_a_circle_of_them_is_left():
    assert agent(CAGENT)["tools"][-1] == {"agent": "helper"}
    assert agent(CAGENT)["handoffs"] == ["writer"]
    assert any("sub-agent `root`" in one and "circle" in one for one in told(made(CAGENT)))


def test_an_instruction_stays_what_it_is_and_the_date_is_added():
    prompt = agent(CAGENT)["system_prompt"]
    assert "{{ '{{' }}\"a\": 1}} and never print ${SECRET}." in prompt
    assert prompt.endswith("Today's date: {{ run.date }}\n")


def test_blanks_at_line_ends_do_not_keep_a_text_from_being_a_block():
    text = with_root("").replace("Help.", '"One.  \\nTwo. \\n"')
    (file,) = made(text).files
    assert "system_prompt: |\n  One.\n  Two.\n" in file.text


def test_names_are_made_legal_and_lead_nowhere_else():
    text = "agents:\n" + "".join(
        f"  {name}: {{model: openai/x, instruction: A.}}\n"
        for name in ('"../../x"', '"x"', '"X"', '"_base"', '"a/b.c"', '"search_tools"', '"ü"', f'"{"n" * 90}"')
    )
    paths = [one.path for one in made(text).files]
    assert paths[:7] == [
        *("agents/x.yaml", "agents/x_2.yaml", "agents/X_3.yaml", "agents/base.yaml", "agents/a_b_c.yaml"),
        *("agents/the_search_tools.yaml", "agents/agent.yaml"),
    ]
    assert len(paths[7]) <= len("agents/.yaml") + 64


def test_limits_and_budgets_are_the_agents_limits():
    assert agent(CAGENT)["limits"] == {
        "max_turns": 20,
        "max_repeated_calls": 3,
        "max_total_tokens": 100000,
        "max_cost_usd": 0.5,
        "timeout": 600,
    }


@pytest.mark.parametrize(("more", "is_strict"), [("", True), (", patternProperties: {x: {type: string}}", False)])
def test_a_schema_that_strict_mode_does_not_take_is_told(tmp_path, more, is_strict):
    schema = f"{{type: object, properties: {{a: {{type: string}}}}{more}}}"
    converted = made(with_root(f"    structured_output: {{name: x, strict: true, schema: {schema}}}\n"))
    made_format = data_of(converted)["agents/root.yaml"]["response_format"]["json_schema"]
    assert made_format.get("strict", False) is is_strict
    assert any("`strict`" in one for one in told(converted)) is not is_strict
    assert errors_in(converted, tmp_path) == []


def test_variables_in_an_instruction_are_told():
    converted = made(with_root("").replace("Help.", "Help ${env.USER}."))
    assert any("variables in an instruction" in one for one in told(converted))


# -- models -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reference", "model"),
    [
        ("openai/gpt-4o", "gpt-4o"),
        ("anthropic/claude-x", {"name": "claude-x", "api": "anthropic_messages"}),
        (
            "mistral/m",
            {"name": "m", "base_url": "https://api.mistral.ai/v1", "api_key": "${MISTRAL_API_KEY}"},
        ),
        ("ollama/llama3", {"name": "llama3", "base_url": "http://localhost:11434/v1"}),
        (
            "openrouter/meta/llama",
            {"name": "meta/llama", "base_url": "https://openrouter.ai/api/v1", "api_key": "${OPENROUTER_API_KEY}"},
        ),
    ],
)
def test_a_model_is_had_where_its_provider_has_it(reference, model):
    converted = made(with_root("").replace("openai/gpt-4o", reference))
    assert data_of(converted)["agents/root.yaml"]["model"] == model
    assert converted.left == []


def test_a_provider_whose_api_agentrun_does_not_speak_is_told_and_a_variable_takes_its_place():
    converted = made(with_root("").replace("openai/gpt-4o", "amazon-bedrock/nova"))
    assert data_of(converted)["agents/root.yaml"]["model"]["name"] == "${MODEL}"
    assert any("amazon-bedrock" in one for one in told(converted))
    assert converted.variables[0].startswith("MODEL:")


def test_models_that_take_turns_are_told():
    converted = made(with_root("").replace("openai/gpt-4o", '"openai/a,anthropic/b"'))
    assert data_of(converted)["agents/root.yaml"]["model"] == "a"
    assert any("take turns" in one for one in told(converted))


def test_a_fallback_does_not_inherit_the_first_models_api():
    assert agent(CAGENT)["model"]["fallback"] == [
        {"name": "gpt-4o"},
        {
            "name": "gpt-small",
            "api": "responses",
            "base_url": "https://gateway.example.com/v1",
            "api_key": "${GATEWAY_KEY}",
        },
    ]


def test_the_first_version_calls_a_provider_type():
    text = "agents: {root: {name: root, model: m, instruction: A.}}\nmodels: {m: {type: openai, model: gpt-4o}}\n"
    converted = made(text)
    assert data_of(converted)["agents/root.yaml"]["model"] == "gpt-4o"
    assert converted.left == []


def test_of_models_that_keys_choose_from_the_first_is_taken():
    text = "agents: {root: {model: m, instruction: A.}}\nmodels: {m: {first_available: [openai/a, anthropic/b]}}\n"
    converted = made(text)
    assert data_of(converted)["agents/root.yaml"]["model"] == {
        "name": "a",
        "fallback": [{"name": "b", "api": "anthropic_messages"}],
    }
    assert any("first_available" in one for one in told(converted))


# -- tools --------------------------------------------------------------------------------------------------


def test_servers_are_sets_with_the_tools_that_were_chosen():
    files = data_of(made(CAGENT))
    assert files["tools.d/duckduckgo.yaml"]["mcp"] == {
        "command": ["docker", "mcp", "gateway", "run", "--servers=duckduckgo"],
        "cwd": "..",
    }
    assert files["tools.d/things-server.yaml"] == {
        "description": "Tools of the MCP server things-server.",
        "timeout": 90,
        "mcp": {
            "command": ["npx", "-y", "@acme/things-server@1.2", "--api-key=${THINGS_SERVER_API_KEY}"],
            "env": {"THINGS_TOKEN": "${THINGS_TOKEN}", "OTHER": "${OTHER}", "PORT": "8080"},
            "cwd": "../data",
            "allowed_tools": ["search", "get_[[]x]"],
        },
    }
    assert files["tools.d/tracker.yaml"]["mcp"] == {
        "server_url": "https://mcp.tracker.example/mcp",
        "headers": {"X-Team": "shop"},
        "auth": {"bearer": "${TRACKER_TOKEN}"},
        "allowed_tools": ["list_issues"],
    }


def test_agents_share_a_set_that_is_the_same():
    server = "    toolsets: [{type: mcp, command: srv, args: [-x]}]\n"
    text = with_root(server, "  other:\n    model: openai/x\n    instruction: A.\n" + server)
    assert [one.path for one in made(text).files if one.path.startswith("tools.d/")] == ["tools.d/srv.yaml"]


def test_a_secret_behind_its_option_becomes_a_variable():
    server = "    toolsets: [{type: mcp, command: srv, args: [--token, abcdef1234567890, --port, '80']}]\n"
    files = data_of(made(with_root(server)))
    assert files["tools.d/srv.yaml"]["mcp"]["command"] == ["srv", "--token", "${SRV_TOKEN}", "--port", "80"]


def test_texts_that_would_be_variables_here_and_are_none_there_are_escaped():
    server = "    toolsets: [{type: mcp, command: srv, args: ['a$$b', 'x${1}y'], env: {A: '{{ x }}'}}]\n"
    converted = made(with_root(server))
    assert data_of(converted)["tools.d/srv.yaml"]["mcp"]["command"] == ["srv", "a$$$$b", "x$${1}y"]
    assert any("`${1}` stays a text" in one for one in told(converted))


def test_arguments_of_a_script_arrive_as_variables():
    tool = data_of(made(CAGENT))["tools.d/list_images.yaml"]
    assert tool["shell"] == {
        "script": "set +u\ndocker images $img\n",
        "cwd": "..",
        "env": {"REGION": "eu", "img": "{{ args.img }}"},
    }
    assert tool["require_approval"] == "always"


def test_a_script_gets_the_variables_of_the_environment_that_it_uses():
    script = '    toolsets: [{type: script, shell: {x: {cmd: "for i in 1 2; do echo $i $TOKEN ${HOME}; done"}}}]\n'
    tool = data_of(made(with_root(script)))["tools.d/x.yaml"]
    assert tool["shell"]["env"] == {"TOKEN": "${TOKEN:-}"}
    assert tool["shell"]["script"].startswith("set +e\n")


def test_an_api_call_is_an_http_tool():
    files = data_of(made(CAGENT))
    assert files["tools.d/get_weather.yaml"]["http"] == {
        "url": "https://api.weather.example/v1/{city}",
        "query": {"units": "{{ args.units }}", "lang": "en"},
    }
    assert files["tools.d/create_task.yaml"]["http"] == {
        "url": "https://api.example.com/lists/{list}/tasks",
        "method": "POST",
        "query": {"kind": "{{ args.kind }}"},
        "headers": {"X-Api-Key": "${EXAMPLE_API_KEY}"},
        "json": {"list": "{{ args.list }}", "kind": "{{ args.kind }}", "title": "{{ args.title }}"},
        "auth": {"bearer": "${TASKS_TOKEN}"},
    }


@pytest.mark.parametrize("endpoint", ["https://${host}/x", "ftp://a/x", "/relative"])
def test_an_address_that_no_tool_can_have_is_left(endpoint):
    api = f"{{name: a, method: GET, endpoint: '{endpoint}', args: {{host: {{type: string}}}}}}"
    converted = made(with_root(f"    toolsets: [{{type: api, api_config: {api}}}]\n"))
    assert [one.path for one in converted.files] == ["agents/root.yaml"]
    assert any("`endpoint`" in one for one in told(converted))


def test_a_schema_that_is_none_is_told_and_takes_any_value(tmp_path):
    api = "{name: a, method: GET, endpoint: 'https://a.example/x?q=${q}', args: {q: {type: strin}}}"
    converted = made(with_root(f"    toolsets: [{{type: api, api_config: {api}}}]\n"))
    assert data_of(converted)["tools.d/a.yaml"]["parameters"]["properties"] == {"q": {}}
    assert any("no JSON Schema" in one for one in told(converted))
    assert errors_in(converted, tmp_path) == []


def test_a_list_of_environment_entries_as_the_first_versions_had_it():
    server = "    toolsets: [{type: mcp, command: srv, env: [A=b, C_TOKEN=abcdef1234567890]}]\n"
    assert data_of(made(with_root(server)))["tools.d/srv.yaml"]["mcp"]["env"] == {"A": "b", "C_TOKEN": "${C_TOKEN}"}


# -- permissions --------------------------------------------------------------------------------------------


def test_permissions_are_rules_in_the_order_in_which_cagent_looks():
    assert agent(CAGENT)["permissions"] == [
        {"deny": "tracker_delete_*"},
        {"allow": "list_images"},
        {"allow": "duckduckgo_list_*"},
        {"allow": "tracker_list_issues"},
        {"allow": "get_weather"},
        {"ask": "duckduckgo_search"},
        {"ask": "things-server_search"},
        {"ask": "helper"},
    ]
    assert agent(CAGENT, "helper")["permissions"] == [{"deny": "create_task"}]


def test_a_rule_that_fits_no_tool_is_left(tmp_path):
    converted = made(with_root("", "permissions: {allow: [read_file], deny: ['shell:cmd=rm*']}\n"))
    assert "permissions" not in data_of(converted)["agents/root.yaml"]
    assert {one.what for one in converted.left} == {
        "permissions: allow `read_file`",
        "permissions: deny `shell:cmd=rm*`",
    }
    assert errors_in(converted, tmp_path) == []


# -- hostile files ------------------------------------------------------------------------------------------


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_file_with_anything_anywhere_gives_files_that_load_or_a_plain_refusal(data):
    gives_sound_files(with_anything(CAGENT, data, ODD))


def test_a_model_that_names_others_is_the_first_of_them():
    models = "models: {m: {model: 'a,b'}, a: {provider: openai, model: gpt-4o}, b: {model: b}}\n"
    converted = made(with_root("", models).replace("openai/gpt-4o", "m", 1))
    assert data_of(converted)["agents/root.yaml"]["model"] == "gpt-4o"
    assert any("model m: models that take turns: a is taken" in one for one in told(converted))
    in_a_circle = "models: {m: {model: n}, n: {model: m}}\n"
    assert "${MODEL}" in made(with_root("", in_a_circle).replace("openai/gpt-4o", "m", 1)).files[0].text


def test_a_key_that_stands_in_the_path_of_an_address_becomes_a_variable(tmp_path):
    key = "MDFjMmYzMTMtOGYyMy00MTQxLThiZmMtYmEzNGU1YTgwMjY3OjA2MjM2NzI2LTk0ZGEt=="
    remote = f"    toolsets: [{{type: mcp, remote: {{url: 'https://mcp.zapier.com/api/mcp/s/{key}/mcp'}}}}]\n"
    converted = made(with_root(remote))
    address = data_of(converted)["tools.d/zapier.yaml"]["mcp"]["server_url"]
    assert address == "https://mcp.zapier.com/api/mcp/s/${ZAPIER_PATH_KEY}/mcp"
    assert converted.variables == ["ZAPIER_PATH_KEY: the key in the address of zapier"]
    assert errors_in(converted, tmp_path) == []


def test_a_key_that_stands_in_a_name_is_taken_out(tmp_path):
    key = "sk-a1B2c3D4e5F6g7H8i9J0k1L2"
    scripts = f"{{type: script, shell: {{{key}: {{cmd: date, env: {{'{key}': x}}}}}}}}"
    answer = f"{{name: {key}, schema: {{type: object, properties: {{'{key}': {{type: string}}}}}}}}"
    converted = made(with_root(f"    toolsets: [{scripts}]\n    structured_output: {answer}\n"))
    assert not [one for one in converted.files if key in f"{one.path}{one.text}"]
    assert errors_in(converted, tmp_path) == []


def test_braces_in_the_environment_of_a_script_are_no_template(tmp_path):
    scripts = "{type: script, shell: {x: {cmd: echo $A}}, env: {A: '{% a {{ b {# c'}}"
    converted = made(with_root(f"    toolsets: [{scripts}]\n"))
    env = data_of(converted)["tools.d/x.yaml"]["shell"]["env"]
    assert compile_template(env["A"]).text({}) == "{% a {{ b {# c"
    assert errors_in(converted, tmp_path) == []


def test_a_key_that_stands_inside_a_text_is_taken_out():
    key = "sk-a1B2c3D4e5F6g7H8i9J0k1L2"
    script = f"{{type: script, shell: {{x: {{cmd: curl -H {key} x}}}}}}"
    more = f"    toolsets: [{script}, {{type: mcp, command: srv, args: [{key}]}}]\n"
    converted = made(with_root(more).replace("Help.", f"The key is {key}."))
    assert not [one for one in converted.files if key in one.text]
    assert [one.what for one in converted.left if "is taken out" in one.why] == [
        "agents/root.yaml: `system_prompt`",
        "tools.d/x.yaml: `description`",
        "tools.d/x.yaml: `shell.script`",
    ]


@pytest.mark.parametrize("url", ["http://[", "https://u:p@h.example/v1", "not an address", "file:///etc/passwd"])
def test_an_address_that_is_none_is_left(tmp_path, url):
    remote = f"    toolsets: [{{type: mcp, remote: {{url: '{url}'}}}}]\n"
    rest = f"models: {{m: {{provider: openai, model: x, base_url: '{url}'}}}}\n"
    converted = made(with_root(remote, rest).replace("openai/gpt-4o", "m"))
    assert [one.path for one in converted.files] == ["agents/root.yaml"]
    assert len([one for one in told(converted) if "http://" in one]) == 2
    assert errors_in(converted, tmp_path) == []


def test_what_is_too_deep_is_a_finding():
    with pytest.raises(SpecError):
        made("agents: " + "{a: " * 200 + "1" + "}" * 200)


def test_a_dollar_sign_before_an_argument_stays_one(tmp_path):
    endpoint = "https://a.example/$${id}/x?cost=$${id}"
    api = f"{{name: a, method: GET, endpoint: '{endpoint}', args: {{id: {{type: string}}}}}}"
    converted = made(with_root(f"    toolsets: [{{type: api, api_config: {api}}}]\n"))
    http = data_of(converted)["tools.d/a.yaml"]["http"]
    assert http == {"url": "https://a.example/$${id}/x", "query": {"cost": "$${{ args.id }}"}}
    assert errors_in(converted, tmp_path) == []
