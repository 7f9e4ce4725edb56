"""Oracle Agent Spec files as projects: what is expressed, what is left and where, and that nothing goes unsaid."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentrun.foreign.draft import Draft
from agentrun.foreign.source import read_source
from foreign_samples import (
    AGENT_SPEC,
    ODD,
    SECRETS,
    all_of,
    data_of,
    errors_in,
    gives_sound_files,
    is_written_or_told,
    made,
    mapping_routes,
    routes_of_keys,
    told,
    with_anything,
    without,
)

# Ids and names of components that nothing shows, and what every file has.
MEANINGLESS = ("id", "metadata", "agentspec_version", "min_agentspec_version", "human_in_the_loop")
# What holds as well where it is not written, or is told of elsewhere.
SAID_ANYWAY = [
    ("description",),
    ("llm_config", "description"),
    ("tools", 0, "data"),
    ("tools", 0, "url_allow_list"),
    ("tools", 1, "headers"),
    ("tools", 1, "headers", "Content-Type"),
    ("tools", 1, "inputs"),
    ("tools", 0, "inputs", 0, "type"),
    ("tools", 1, "inputs", 0, "type"),
    ("tools", 3, "description"),
    ("tools", 4, "description"),
    ("toolboxes", 0, "tool_filter", 1, "component_type"),
]
MODEL = "{component_type: OpenAiConfig, id: m, name: gpt, model_id: gpt-4.1-mini}"


def an_agent(name, more=""):
    return f"component_type: Agent\nid: {name}\nname: {name}\nsystem_prompt: Help.\nllm_config: {MODEL}\n{more}"


def indented(text, by=4):
    return "".join(f"{' ' * by}{line}\n" for line in text.splitlines())


def several(top, *agents):
    """A component over agents, which stand below it."""
    referenced = "".join(f"  {one}:\n{indented(an_agent(one, f'description: The {one}.'))}" for one in agents)
    return f"{top}$referenced_components:\n{referenced}"


def swarm(handoff, *pairs):
    top = "component_type: Swarm\nid: s\nname: team\n"
    top += f"first_agent: {{$component_ref: {pairs[0][0]}}}\nhandoff: {handoff}\nrelationships:\n"
    top += "".join(f"- [{{$component_ref: {one}}}, {{$component_ref: {other}}}]\n" for one, other in pairs)
    return several(top, *dict.fromkeys(name for pair in pairs for name in pair))


def tool(more, name="t"):
    text = f"- component_type: RemoteTool\n  id: t\n  name: {name}\n  description: Does.\n{indented(more, 2)}"
    return an_agent("a", f"tools:\n{text}")


def is_left_whole(route):
    is_component = route[:1] == ("$referenced_components",) and str(route[1:2]).rstrip("',)").endswith(("5", "d"))
    return is_component or "transforms" in route or route[:3] == ("tools", 0, "outputs")


def test_the_files_load_and_validate(tmp_path):
    assert errors_in(made(AGENT_SPEC), tmp_path) == []


@pytest.mark.parametrize("route", routes_of_keys(AGENT_SPEC), ids=lambda route: ".".join(map(str, route)))
def test_every_key_makes_a_difference_or_is_known_to_mean_nothing(route):
    is_inside_what_is_left = is_left_whole(route[:-1])
    if any(step in MEANINGLESS for step in route) or route in SAID_ANYWAY or is_inside_what_is_left:
        return
    if route[-1] == "name" and route[:1] in (("llm_config",), ("toolboxes",), ("$referenced_components",)):
        return
    assert all_of(without(AGENT_SPEC, route)) != all_of(AGENT_SPEC)


@pytest.mark.parametrize("route", mapping_routes(AGENT_SPEC), ids=lambda route: ".".join(map(str, route)) or "top")
def test_a_key_that_nobody_knows_is_written_or_told(route):
    is_reference = any(key == "$component_ref" for key in read_source("", AGENT_SPEC.encode()).get(*route).content)
    if is_left_whole(route) or "metadata" in route or route == ("$referenced_components",) or is_reference:
        return
    assert is_written_or_told(AGENT_SPEC, route)


def test_what_is_left_is_told_with_its_line():
    lines = AGENT_SPEC.splitlines()
    assert [(lines[one.line - 1].strip(), one.what) for one in made(AGENT_SPEC).left] == [
        (lines[25].strip(), "OpenAiConfig gpt: `retry_policy`: `jitter`"),
        (lines[25].strip(), "OpenAiConfig gpt: `retry_policy`: `request_timeout`"),
        ("outputs:", "RemoteTool find order: `outputs`"),
        ("api_spec_uri: https://orders.example.com/openapi.json", "RemoteTool find order: `api_spec_uri`"),
        ("transforms:", "Agent Order desk: `transforms`"),
        ("component_type: ServerTool", "Agent Order desk: ServerTool refund"),
        ("component_type: ClientTool", "component nobody_uses_it"),
    ]


def test_no_secret_of_the_file_gets_into_the_project():
    converted = made(AGENT_SPEC)
    assert not [one for one in converted.files for secret in SECRETS if secret in one.text]
    assert [one.partition(":")[0] for one in converted.variables] == [
        "EXAMPLE_KEY",
        "EXAMPLE_TOKEN",
        "FILES_KEY",
        "OPENAI_API_KEY",
        "PARCELS_TOKEN",
        "STDIO_TOKEN",
    ]


def test_json_gives_what_yaml_gives():
    text = json.dumps(read_source("", AGENT_SPEC.encode()).data())
    assert [one.text for one in made(text).files] == [one.text for one in made(AGENT_SPEC).files]


def test_json_escapes_outside_the_first_plane_are_read():
    text = json.dumps(read_source("", an_agent("a").replace("Help.", "Wave 👋 \\\\ud83d").encode()).data())
    assert "\\ud83d\\udc4b" in text
    assert data_of(made(text))["agents/a.yaml"]["system_prompt"] == "Wave 👋 \\\\ud83d"


# -- agents -------------------------------------------------------------------------------------------------


def test_inputs_are_parameters_and_placeholders_are_arguments():
    agent = data_of(made(AGENT_SPEC))["agents/Order_desk.yaml"]
    assert agent["parameters"] == {
        "type": "object",
        "properties": {
            "input": {"type": "string", "description": "What the user says."},
            "shop": {"type": "string"},
            "tone": {"type": "string", "default": "friendly"},
        },
        "required": ["input", "shop"],
    }
    prompt = "You work for {{ args.shop }}, {{ args.tone }}. Dates look like {{ '{{' }}d.m}}.\nPrices: ${PRICE}.\n"
    assert agent["system_prompt"] == prompt


def test_outputs_are_the_format_of_the_answer_but_for_a_single_text():
    assert data_of(made(AGENT_SPEC))["agents/Order_desk.yaml"]["response_format"]["json_schema"]["schema"] == {
        "type": "object",
        "properties": {"answer": {"type": "string"}, "sure": {"type": "boolean"}},
        "required": ["answer", "sure"],
        "additionalProperties": False,
    }
    single = made(an_agent("a", "outputs: [{title: text, type: string, default: ''}]\n"))
    assert "response_format" not in data_of(single)["agents/a.yaml"]
    assert single.left == []


def test_a_specialized_agent_has_what_it_adds(tmp_path):
    text = f"component_type: SpecializedAgent\nid: s\nname: special\nagent:\n{indented(an_agent('base'), 2)}"
    text += "agent_specialization_parameters:\n  component_type: AgentSpecializationParameters\n  id: p\n  name: p\n"
    text += '  additional_instructions: "Be {{mood}}."\n'
    converted = made(text)
    agent = data_of(converted)["agents/special.yaml"]
    assert agent["system_prompt"] == "Help.\n\nBe {{ args.mood }}.\n"
    assert agent["parameters"]["required"] == ["input", "mood"]
    assert errors_in(converted, tmp_path) == []


@pytest.mark.parametrize(
    ("handoff", "tools", "handoffs"),
    [("always", None, ["b"]), ("never", [{"agent": "b"}], None), ("optional", [{"agent": "b"}], ["b"])],
)
def test_a_swarm_hands_over_calls_or_does_both(tmp_path, handoff, tools, handoffs):
    converted = made(swarm(handoff, ("a", "b")))
    agent = data_of(converted)["agents/a.yaml"]
    assert (agent.get("tools"), agent.get("handoffs")) == (tools, handoffs)
    assert converted.left == []
    assert errors_in(converted, tmp_path) == []


def test_in_a_circle_agents_of_a_swarm_only_hand_over(tmp_path):
    converted = made(swarm("optional", ("a", "b"), ("b", "a")))
    files = data_of(converted)
    assert [files[f"agents/{one}.yaml"]["handoffs"] for one in "ab"] == [["b"], ["a"]]
    assert "tools" not in files["agents/a.yaml"]
    assert any("a → b, b → a" in one and "circle" in one for one in told(converted))
    assert errors_in(converted, tmp_path) == []


def test_an_agent_that_needs_what_the_other_has_not_does_not_take_over(tmp_path):
    text = swarm("always", ("a", "b")).replace("The b.\n", 'The b.\n    system_prompt: "Speak {{ language }}."\n')
    text = text.replace("name: b\n    system_prompt: Help.\n", "name: b\n")
    converted = made(text)
    assert "handoffs" not in data_of(converted)["agents/a.yaml"]
    assert any("b needs language, which a does not have" in one for one in told(converted))
    assert errors_in(converted, tmp_path) == []


def test_a_manager_has_its_workers_as_tools(tmp_path):
    top = "component_type: ManagerWorkers\nid: m\nname: group\ngroup_manager: {$component_ref: boss}\n"
    top += "workers: [{$component_ref: one}, {$component_ref: two}]\n"
    converted = made(several(top, "boss", "one", "two"))
    assert data_of(converted)["agents/boss.yaml"]["tools"] == [{"agent": "one"}, {"agent": "two"}]
    assert [one.path for one in converted.files] == ["agents/boss.yaml", "agents/one.yaml", "agents/two.yaml"]
    assert converted.left == []
    assert errors_in(converted, tmp_path) == []


# -- flows --------------------------------------------------------------------------------------------------

FLOW = f"""\
component_type: Flow
id: f
name: Capital
start_node: {{$component_ref: start}}
nodes: [{{$component_ref: start}}, {{$component_ref: ask}}, {{$component_ref: end}}]
control_flow_connections:
- {{component_type: ControlFlowEdge, from_node: {{$component_ref: start}}, to_node: {{$component_ref: ask}}}}
- {{component_type: ControlFlowEdge, from_node: {{$component_ref: ask}}, to_node: {{$component_ref: end}}}}
data_flow_connections:
- component_type: DataFlowEdge
  id: d1
  name: d1
  source_node: {{$component_ref: start}}
  source_output: country
  destination_node: {{$component_ref: ask}}
  destination_input: country
$referenced_components:
  start: {{component_type: StartNode, id: start, name: start, inputs: [{{title: country, type: string}}]}}
  end: {{component_type: EndNode, id: end, name: end, branch_name: next}}
  ask:
    component_type: LlmNode
    id: ask
    name: ask
    llm_config: {MODEL}
    prompt_template: What is the capital of {{{{ country }}}}?
"""


def test_a_flow_that_only_asks_a_model_is_an_agent(tmp_path):
    converted = made(FLOW)
    assert data_of(converted) == {
        "agents/Capital.yaml": {
            "description": "The flow Capital.",
            "parameters": {"type": "object", "properties": {"country": {"type": "string"}}, "required": ["country"]},
            "model": "gpt-4.1-mini",
            "input": "What is the capital of {{ args.country }}?",
        }
    }
    assert converted.left == []
    assert errors_in(converted, tmp_path) == []


@pytest.mark.parametrize(
    "change",
    [
        ("component_type: LlmNode", "component_type: ToolNode"),
        ("destination_input: country", "destination_input: land"),
        (", {$component_ref: ask}, {$component_ref: end}]", ", {$component_ref: end}]"),
    ],
)
def test_other_flows_are_left(change):
    from agentrun.foreign.importing import convert

    converted = convert("x.yaml", FLOW.replace(*change).encode())
    assert converted.files == []
    assert "agentrun has no flows" in told(converted)[0]


# -- models -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "model"),
    [
        ("{component_type: VllmConfig, id: x, name: v, model_id: m, url: 'h:1'}", {"base_url": "http://h:1/v1"}),
        (
            "{component_type: OllamaConfig, id: x, name: v, model_id: m, url: 'http://h:1/'}",
            {"base_url": "http://h:1/v1"},
        ),
        (
            "{component_type: OpenAiCompatibleConfig, id: x, name: v, model_id: m, url: 'https://h/api', "
            "api_type: responses, api_key: {$component_ref: x.api_key}}",
            {"api": "responses", "base_url": "https://h/api", "api_key": "${V_API_KEY}"},
        ),
        (
            "{component_type: GeminiConfig, id: x, name: v, model_id: m, "
            "auth: {component_type: GeminiAIStudioAuthConfig, id: y, name: a}}",
            {
                "base_url": "https://generativelanguage.googleapis.com/v1beta/openai",
                "api_key": "${GEMINI_API_KEY}",
            },
        ),
    ],
)
def test_a_model_is_had_where_its_configuration_says(config, model):
    converted = made(an_agent("a").replace(MODEL, config))
    assert data_of(converted)["agents/a.yaml"]["model"] == {"name": "m", **model}
    assert converted.left == []


def test_a_service_whose_api_agentrun_does_not_speak_is_told():
    config = "{component_type: OciGenAiConfig, id: x, name: oci, model_id: m, compartment_id: c}"
    converted = made(an_agent("a").replace(MODEL, config))
    assert data_of(converted)["agents/a.yaml"]["model"]["name"] == "${MODEL}"
    assert any("OciGenAiConfig oci" in one for one in told(converted))


# -- tools --------------------------------------------------------------------------------------------------


def test_a_remote_tool_is_an_http_tool():
    files = data_of(made(AGENT_SPEC))
    assert files["tools.d/find_order.yaml"] == {
        "description": "Finds an order.",
        "parameters": {
            "type": "object",
            "properties": {
                "order_id": {"type": "string"},
                "fields": {"type": "string", "default": "all"},
                "caller": {"type": "string"},
            },
            "required": ["order_id", "caller"],
        },
        "require_approval": "always",
        "http": {
            "url": "https://orders.example.com/orders/{order_id}",
            "query": {"v": "2", "fields": "{{ args.fields }}", "key": "${EXAMPLE_KEY}"},
            "headers": {"X-Caller": "from {{ args.caller }}"},
            "auth": {"bearer": "${EXAMPLE_TOKEN}"},
        },
    }
    assert files["tools.d/add_note.yaml"]["http"] == {
        "url": "https://orders.example.com/orders/{order_id}/notes",
        "method": "POST",
        "json": {"note": "{{ args.text }}", "tags": ["desk", "{{ args.text }}!"], "urgent": False},
    }


def test_a_body_is_a_form_a_text_or_json_by_what_it_is():
    post = "url: https://h.example/x\nhttp_method: POST\n"
    form = 'data: {a: "{{b}}"}\nheaders: {Content-Type: application/x-www-form-urlencoded}\n'
    assert data_of(made(tool(post + form)))["tools.d/t.yaml"]["http"]["form"] == {"a": "{{ args.b }}"}
    text = data_of(made(tool(post + 'data: "say {{b}} {"\n')))["tools.d/t.yaml"]["http"]
    assert text["body"] == "say {{ args.b }} {"
    listed = data_of(made(tool(post + 'data: [1, "{{b}}"]\n')))["tools.d/t.yaml"]["http"]
    assert listed["json"] == [1, "{{ args.b }}"]


def test_a_brace_before_a_placeholder_stays_one():
    body = data_of(made(tool('url: https://h.example/x\nhttp_method: POST\ndata: "{{{b}}}"\n')))
    from agentrun.templates import Arguments, compile_template

    template = compile_template(body["tools.d/t.yaml"]["http"]["body"])
    assert template.text({"args": Arguments({"b": "x"})}) == "{x}"


@pytest.mark.parametrize(
    "more",
    [
        "url: 'https://{{host}}/x'\nhttp_method: GET\n",
        "url: https://h.example/x\nhttp_method: '{{how}}'\n",
        "url: 'file:///etc/passwd'\nhttp_method: GET\n",
        "url: https://me:secret@h.example/x\nhttp_method: GET\n",
    ],
)
def test_a_request_that_no_tool_sends_is_left(more):
    converted = made(tool(more))
    assert [one.path for one in converted.files] == ["agents/a.yaml"]
    assert any("RemoteTool t" in one for one in told(converted))


def test_tools_of_one_transport_are_one_set_and_what_needs_approval_is_asked():
    files = data_of(made(AGENT_SPEC))
    assert files["tools.d/parcels.yaml"]["mcp"] == {
        "server_url": "https://mcp.parcels.example/mcp",
        "headers": {"X-Team": "shop"},
        "auth": {"bearer": "${PARCELS_TOKEN}"},
        "allowed_tools": ["track", "locate"],
    }
    assert files["tools.d/files.yaml"] == {
        "description": "Tools of the MCP server files.",
        "require_approval": "always",
        "timeout": 30,
        "mcp": {
            "command": ["npx", "-y", "files-server", "--token=${STDIO_TOKEN}"],
            "env": {"FILES_KEY": "${FILES_KEY}", "MODE": "quiet"},
            "cwd": "../data",
            "allowed_tools": ["read", "write"],
        },
    }
    assert files["agents/Order_desk.yaml"]["permissions"] == [{"ask": "parcels_track"}, {"ask": "files_write"}]


# -- broken and hostile files -------------------------------------------------------------------------------


def test_a_component_that_is_not_in_the_file_is_told():
    converted = made(an_agent("a", "tools: [{$component_ref: nowhere}]\n"))
    assert any("the component `nowhere` is not in the file" in one for one in told(converted))


def test_components_that_refer_to_each_other_for_ever_are_told():
    text = "component_type: ManagerWorkers\nid: m\nname: m\ngroup_manager: {$component_ref: m}\nworkers: []\n"
    from agentrun.foreign.importing import convert

    assert convert("x.yaml", text.encode()).files == []


REFERENCES = st.sampled_from([{"$component_ref": f"10000000-0000-4000-8000-00000000000{end}"} for end in "1357d"])


def test_credentials_in_the_address_of_a_server_become_variables():
    draft = Draft("x.yaml")
    address = "https://a.example/s/0123456789abcdef0123/mcp?api_key=k3y-9f8e7d6c&page=${X}"
    assert (
        draft.address("shop", address) == "https://a.example/s/${SHOP_PATH_KEY}/mcp?api_key=${SHOP_API_KEY}&page=$${X}"
    )
    assert draft.address("shop", "https://a.example/v2/server-everything-2024/mcp") == (
        "https://a.example/v2/server-everything-2024/mcp"
    )


def test_an_option_of_a_servers_command_names_no_variable():
    assert Draft("x.yaml").argument("files", "", "--a${B}=c") == "--a$${B}=c"


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_file_with_anything_anywhere_gives_files_that_load_or_a_plain_refusal(data):
    gives_sound_files(with_anything(AGENT_SPEC, data, ODD | REFERENCES))
