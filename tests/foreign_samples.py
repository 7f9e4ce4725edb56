"""Files of Docker cagent and of Oracle Agent Spec, and what helps to look at what comes of them."""

import copy
import re

from hypothesis import strategies as st

from agentrun.cassettes.yaml_text import dump
from agentrun.errors import SpecError, UsageError
from agentrun.foreign.converted import refuse_broken, write_new
from agentrun.foreign.importing import convert
from agentrun.foreign.source import read_source
from agentrun.project import read_project
from agentrun.spec.yaml_nodes import read_text

CAGENT = """\
#!/usr/bin/env docker agent run
version: "2"
metadata: {author: somebody, license: MIT}

agents:
  root:
    model: claude
    description: Coordinates the others.
    instruction: |
      You coordinate. Answer as {{"a": 1}} and never print ${SECRET}.
      The team has a helper.
    sub_agents: [helper, catalog/pirate]
    handoffs: [writer]
    add_date: true
    add_environment_info: true
    max_iterations: 20
    max_consecutive_tool_calls: 3
    welcome_message: Hello.
    num_history_items: 30
    commands:
      hello: Say hello.
      disk: "Check $1"
      plan: {description: Plans., instruction: Make a plan.}
    toolsets:
      - type: think
      - type: memory
        path: ./memory.db
      - type: mcp
        ref: docker:duckduckgo
        config: {limit: 3}
      - type: mcp
        command: npx
        args: ["-y", "@acme/things-server@1.2", "--api-key=sk-abcdefghijklmnopqrstuvwx"]
        env: {THINGS_TOKEN: ghp_012345678901234567890123456789abcd, OTHER: "${env.OTHER}", PORT: 8080}
        working_dir: data
        tools: [search, "get_[x]"]
        instruction: Search before you answer.
        defer: true
        lifecycle: {profile: strict, call_timeout: 1m30s}
      - type: mcp
        ref: tracker
        tools: [list_issues]
      - type: script
        env: {REGION: eu}
        shell:
          list_images:
            cmd: docker images $img
            description: Lists images.
            required: []
            args: {img: {description: The image.}}
          count_lines:
            cmd: wc -l "$file"
            args: {file: {type: string}}
            env: {LANGUAGE: en}
            working_dir: logs
    fallback: {models: [openai/gpt-4o, small], retries: 3, cooldown: 1m}
    structured_output:
      name: the answer
      description: What is answered.
      strict: true
      schema: {type: object, properties: {text: {type: string}}, required: [text], additionalProperties: false}
    hooks:
      session_start: [{type: command, command: echo}]
    budgets: [tight]
    use_toolsets: [weather]
    use_commands: [shared]
  helper:
    model: openai/gpt-4o
    instruction: You help.
    sub_agents: [root]
    toolsets:
      - type: api
        timeout: 20
        api_config:
          name: create_task
          method: POST
          endpoint: https://api.example.com/lists/${list}/tasks?kind=${kind}
          instruction: Creates a task.
          args: {list: {type: string}, kind: {type: string}, title: {type: string}}
          required: [title]
          headers: {Content-Type: application/json, X-Api-Key: abcdef123456, Authorization: "Bearer ${env.TASKS_TOKEN}"}
          output_schema: {type: object}
  writer:
    model: local
    description: Writes.
    instruction: You write.

models:
  claude:
    provider: anthropic
    model: claude-sonnet-4-5
    max_tokens: 64000
    temperature: 0.5
    thinking_budget: 8192
    parallel_tool_calls: false
    track_usage: true
    provider_opts: {interleaved_thinking: true}
    cost: {input: 3, output: 15, cache_read: 0.3}
  small:
    provider: gateway
    model: gpt-small
    frequency_penalty: 0.2
    title_model: openai/gpt-4o-mini
  local:
    provider: dmr
    model: ai/qwen3
    top_p: 0.9
  never_used: {provider: google, model: gemini-2.5-flash}

providers:
  gateway:
    api_type: openai_responses
    base_url: https://gateway.example.com/v1
    token_key: GATEWAY_KEY

mcps:
  tracker:
    remote:
      url: https://mcp.tracker.example/mcp
      transport_type: sse
      headers: {Authorization: "Bearer ${env.TRACKER_TOKEN}", X-Team: shop}

toolsets:
  weather:
    type: api
    api_config:
      name: get_weather
      method: GET
      endpoint: https://api.weather.example/v1/${city}?units=${units}&lang=en
      args: {city: {type: string, description: The city.}, units: {type: string}}
      required: [city]

commands:
  shared: {tell: Tell me more.}

budgets:
  tight: {max_cost: 0.5, max_tokens: 100000, max_time: 10m}

permissions:
  allow: ["list_*", get_weather, "shell:cmd=ls*"]
  deny: [create_task, "mcp:tracker:delete_*"]
  ask: [search, transfer_task]

rag:
  docs: {docs: [./docs]}
"""

AGENT_SPEC = """\
component_type: Agent
id: 10000000-0000-4000-8000-000000000001
name: Order desk
description: Answers about orders.
metadata: {team: shop}
inputs:
- title: shop
  type: string
- title: tone
  type: string
  default: friendly
outputs:
- title: answer
  type: string
- title: sure
  type: boolean
llm_config:
  component_type: OpenAiConfig
  id: 10000000-0000-4000-8000-000000000002
  name: gpt
  description: null
  model_id: gpt-4.1-mini
  api_type: responses
  api_key: sk-abcdefghijklmnopqrstuvwx
  default_generation_parameters: {max_tokens: 400, temperature: 0.2}
  retry_policy: {max_attempts: 3, request_timeout: 20, jitter: full}
system_prompt: |
  You work for {{shop}}, {{ tone }}. Dates look like {{d.m}}.
  Prices: ${PRICE}.
tools:
- component_type: RemoteTool
  id: 10000000-0000-4000-8000-000000000003
  name: find order
  description: Finds an order.
  inputs:
  - title: order_id
    type: string
  - title: fields
    type: string
    default: all
  - title: caller
    type: string
  outputs:
  - title: status
    type: string
  - title: total
    type: number
  requires_confirmation: true
  url: https://orders.example.com/orders/{{order_id}}?v=2
  http_method: GET
  api_spec_uri: https://orders.example.com/openapi.json
  data: {}
  query_params: {fields: "{{fields}}", key: abcdef1234567890}
  headers: {X-Caller: "from {{caller}}"}
  sensitive_headers: {Authorization: Bearer abcdef1234567890}
  url_allow_list: ["https://orders.example.com"]
- component_type: RemoteTool
  id: 10000000-0000-4000-8000-000000000004
  name: add_note
  description: Adds a note.
  inputs:
  - title: order_id
    type: string
  - title: text
    type: string
  url: https://orders.example.com/orders/{{order_id}}/notes
  http_method: POST
  data: {note: "{{text}}", tags: ["desk", "{{ text }}!"], urgent: false}
  headers: {Content-Type: application/json}
- $component_ref: 10000000-0000-4000-8000-000000000005
- component_type: MCPTool
  id: 10000000-0000-4000-8000-000000000006
  name: track
  description: Tracks a parcel.
  requires_confirmation: true
  client_transport: {$component_ref: 10000000-0000-4000-8000-000000000007}
- component_type: MCPTool
  id: 10000000-0000-4000-8000-000000000008
  name: locate
  description: Locates a parcel.
  client_transport: {$component_ref: 10000000-0000-4000-8000-000000000007}
toolboxes:
- component_type: MCPToolBox
  id: 10000000-0000-4000-8000-000000000009
  name: files
  requires_confirmation: true
  client_transport:
    component_type: StdioTransport
    id: 10000000-0000-4000-8000-00000000000a
    name: stdio
    session_parameters: {read_timeout_seconds: 30}
    command: npx
    args: ["-y", files-server, "--token=abcdef1234567890"]
    env: {FILES_KEY: abcdef1234567890, MODE: quiet}
    cwd: data
  tool_filter:
  - read
  - component_type: MCPToolSpec
    id: 10000000-0000-4000-8000-00000000000b
    name: write
    requires_confirmation: true
human_in_the_loop: false
transforms:
- component_type: MessageSummarizationTransform
  id: 10000000-0000-4000-8000-00000000000c
  name: short
agentspec_version: 26.1.2
$referenced_components:
  10000000-0000-4000-8000-000000000005:
    component_type: ServerTool
    id: 10000000-0000-4000-8000-000000000005
    name: refund
    inputs:
    - title: amount
      type: number
  10000000-0000-4000-8000-000000000007:
    component_type: StreamableHTTPTransport
    id: 10000000-0000-4000-8000-000000000007
    name: parcels
    session_parameters: {read_timeout_seconds: 60.0}
    url: https://mcp.parcels.example/mcp
    headers: {X-Team: shop}
    sensitive_headers: {Authorization: Bearer abcdef1234567890}
  10000000-0000-4000-8000-00000000000d:
    component_type: ClientTool
    id: 10000000-0000-4000-8000-00000000000d
    name: nobody_uses_it
"""

SECRETS = ("sk-abc", "ghp_0", "abcdef1234")


def made(text, name="sample.yaml", format=None):
    """What a file becomes, which loads."""
    converted = convert(name, text.encode(), format)
    refuse_broken(converted.files)
    return converted


def data_of(converted):
    """The documents of all files by path."""
    return {one.path: read_text(one.path, one.text).documents[0].data() for one in converted.files}


def told(converted):
    return [f"{one.line}: {one.what}: {one.why}" for one in converted.left]


def errors_in(converted, folder):
    """What `agentrun validate` says is wrong with the project that comes of it."""
    write_new(converted, folder, force=True)
    found = read_project(folder, {}).report().diagnostics
    return [f"{one.span} {one.code} {one.message}" for one in found if one.severity == "error"]


def all_of(text, name="sample.yaml"):
    """Everything that comes of a file but for lines; the error where nothing does."""
    try:
        converted = made(text, name)
    except (UsageError, SpecError) as error:
        return str(error)
    files = [(one.path, one.text) for one in converted.files]
    return files, [(one.what, one.why) for one in converted.left], converted.notes, converted.variables


def routes_of_keys(text):
    root = read_source("", text.encode())
    return [(*route, key) for route in mapping_routes(text) for key in root.get(*route).content]


def is_written_or_told(text, route, key="zzz"):
    """Whether a key that nobody knows shows in what comes of a file."""
    converted = made(with_key(text, route, key))
    return any(key in one.text for one in converted.files) or any(key in one.what for one in converted.left)


_PIECES = ("${", "}", "{{", "}}", "{%", "{#", "$", "a", "b/c", "..", "\n", "\r", "\x1b", "é", " ", ":", "#", "'", "=")
ODD = st.one_of(
    st.sampled_from([None, True, 0, -1, 1.5, "", "x", "../x", "a\x1bb", [], ["a", 1], {}, {"a": {"b": []}}, [[]]]),
    st.lists(st.sampled_from(_PIECES), max_size=5).map("".join),
)


def with_anything(text, data, odd):
    """The file with other values in a few places; `data` is hypothesis's, `odd` what is drawn."""
    document = read_source("", text.encode()).data()
    routes = [route for route, _ in read_source("", text.encode()).walk() if route]
    for _ in range(data.draw(st.integers(1, 4))):
        route = data.draw(st.sampled_from(routes))
        replace(document, route, copy.deepcopy(data.draw(odd)))
    return dump(document)


def gives_sound_files(text):
    """What a file becomes loads; a plain refusal is none of it."""
    try:
        made(text)
    except SpecError as error:
        raise AssertionError(error.report.diagnostics) from None
    except UsageError:
        return


def mapping_routes(text):
    """The route of each mapping of a file."""
    return [route for route, node in read_source("", text.encode()).walk() if node.is_mapping]


def without(text, route):
    """The file without one key."""
    data = copy.deepcopy(read_source("", text.encode()).data())
    inside = data
    for step in route[:-1]:
        inside = inside[step]
    del inside[route[-1]]
    return dump(data)


def with_key(text, route, key):
    """The file with one key more in a mapping: a schema, where the mapping is one of schemas."""
    data = copy.deepcopy(read_source("", text.encode()).data())
    inside = data
    for step in route:
        inside = inside[step]
    inside[key] = {} if route[-1:] == ("properties",) else f"some {key}"
    return dump(data)


def replace(data, route, value):
    """Put a value at a place, if the place is still there."""
    for step in route[:-1]:
        if not isinstance(data, (dict, list)) or (isinstance(data, list) is not isinstance(step, int)):
            return
        data = data.get(step) if isinstance(data, dict) else data[step] if step < len(data) else None
    is_there = (
        isinstance(data, dict) if isinstance(route[-1], str) else isinstance(data, list) and route[-1] < len(data)
    )
    if is_there:
        data[route[-1]] = value


def names_in(what):
    return re.findall(r"`([^`]+)`", what)
