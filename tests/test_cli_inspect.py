"""`agentrun inspect`: what a reviewer learns about an agent before it runs, and what is never told."""

import json

import pytest

from agentrun.cli import run_cli
from agentrun.cli.loading import Loader
from agentrun.engine.ports import ApprovalQuestion
from projects import write_project

PROJECT = {
    "agents/desk.yaml": """
        description: Runs the order desk.
        model:
          name: ${DESK_MODEL:-small-1}
          base_url: https://models.example.com/v1
          api_key: ${DESK_KEY:-${SHARED_KEY}}
          fallback: [small-2]
        parameters:
          type: object
          properties: {question: {type: string}, locale: {type: string, default: en}}
          required: [question]
        system_prompt: |
          You are the order desk.
          Reply in {{ args.locale }}.
        input: "{{ args.question }}"
        tools:
          - refund
          - history
          - rate
          - agent: clerk
        tool_choice: required
        response_format: {type: json_schema, json_schema: {name: reply, schema: {type: object}}}
        permissions:
          - {deny: delete_*}
          - {ask: refund, when: "{{ args.amount > 100 }}"}
        limits: {max_turns: 7, max_total_tokens: 5000}
        context: {max_tokens: 9000, on_overflow: truncate}
        starters: [Where is my order?]
    """,
    "agents/clerk.yaml": """
        description: Files papers.
        model: {api: offline}
        tools: [done]
    """,
    "tools.d/refund.yaml": """
        description: Refunds an order.
        parameters:
          type: object
          properties: {order: {type: string}, amount: {type: number}}
          required: [order, amount]
        require_approval: always
        http:
          base_url: ${ORDERS_URL}
          url: /orders/{order}/refunds
          json: {amount: "{{ args.amount }}"}
          auth: {bearer: "${ORDERS_TOKEN:?ask the shop}"}
          headers: {X-Team: "${TEAM:-shop}"}
          hosts: ["*.example.com"]
    """,
    "tools.d/history.yaml": """
        description: Shows the history.
        read_only: true
        parameters: {type: object, properties: {count: {type: integer}}, required: [count]}
        shell:
          command: [git, log, "-n{{ args.count }}", "--format=%h\\n%s"]
          cwd: ${REPO_DIR:-..}
          env: {GIT_PAGER: cat, TOKEN: "${GIT_TOKEN}"}
    """,
    "tools.d/rate.yaml": """
        description: The rate of a currency.
        python: shop.fx:rate
    """,
    "tools.d/done.yaml": """
        description: Ends the work.
        final: true
    """,
}
VARIABLES = ("DESK_MODEL", "DESK_KEY", "SHARED_KEY", "ORDERS_URL", "ORDERS_TOKEN", "TEAM", "REPO_DIR", "GIT_TOKEN")


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    for name in (*VARIABLES, "OPENAI_API_KEY", "OPENAI_BASE_URL", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(write_project(tmp_path, PROJECT))
    return tmp_path


def inspect(capsys, *arguments, code=0):
    assert run_cli(["inspect", *arguments]) == code
    out, err = capsys.readouterr()
    return out if code == 0 else err


def inspected(capsys, *arguments):
    return json.loads(inspect(capsys, *arguments, "--format", "json"))


def row(out, label, *, after=""):
    """What stands behind a label, on its first line after a text."""
    lines = out[out.index(after) :].splitlines()
    return next(line.split(maxsplit=1)[1] for line in lines if line.split(maxsplit=1)[:1] == [label])


# -- text -----------------------------------------------------------------------------------------------------


def test_the_text_tells_what_each_tool_can_reach(capsys, monkeypatch):
    monkeypatch.setenv("ORDERS_URL", "https://orders.example.com/v2")
    out = inspect(capsys, "desk")
    assert row(out, "http") == "POST https://orders.example.com/v2/orders/{order}/refunds"
    assert row(out, "hosts") == "orders.example.com, *.example.com"
    assert row(out, "sends") == "auth bearer; headers X-Team; a body (json)"
    assert row(out, "in", after="history") == "."
    assert row(out, "with") == "GIT_PAGER, TOKEN"
    assert row(out, "python") == "shop.fx:rate of ."
    assert row(out, "agent") == "clerk"


def test_what_the_agents_can_reach_altogether_is_told_in_one_place(capsys, project, monkeypatch):
    monkeypatch.setenv("ORDERS_URL", "https://orders.example.com/v2")
    files = {
        "tools.d/upload.yaml": """
            description: Uploads a file.
            parameters: {type: object, properties: {path: {type: string}}, required: [path]}
            http:
              url: https://files.example.com/
              multipart: {a: {file: "{{ args.path }}", root: ../uploads}, b: {file: ../logo.png}}
              auth: {oauth2: {token_url: "https://login.example.com/token", client_id: a, client_secret: "${TEAM:-}"}}
              paginate: {next: "{{ links.next }}", max_pages: 3}
            """,
        "agents/clerk.yaml": "model: {api: offline}\ntools: [done, upload, held]\n",
        "tools.d/held.yaml": "description: d\nshell: {command: [ls], sandbox: {write: [..]}}\n",
    }
    write_project(project, files)
    reach = inspected(capsys, "desk")["reach"]
    assert reach == {
        "hosts": [
            "models.example.com",
            "orders.example.com",
            "*.example.com",
            "files.example.com",
            "login.example.com",
        ],
        "any_host": ["history", "rate"],
        "commands": ["git log -n{{ args.count }} '--format=%h\n%s'", "ls"],
        "functions": ["shop.fx:rate"],
        "files": ["sends any below uploads", "sends logo.png", f"writes {project.resolve()}"],
        "any_read": ["held"],
        "any_file": ["history", "rate"],
    }
    out = inspect(capsys, "desk")
    told = out[out.index("Reach, with that of agents behind tools") :]
    assert row(told, "hosts").startswith("models.example.com; orders.example.com")
    assert row(told, "hosts").endswith("login.example.com; any, by history, rate")
    everything = "; reads all that you may read, by held; all that you may read and write, by history, rate"
    assert row(told, "files").endswith(everything)
    assert row(out, "tokens") == "from https://login.example.com/token"
    assert row(out, "pages") == "up to 3 requests a call"


def test_a_command_line_is_shown_whole_and_on_one_line(capsys, project):
    long = " ".join(f"word{number}" for number in range(400))
    tool = f'description: d\nshell: {{command: [sh, -c, "{long}\\nrm -r /"]}}\n'
    write_project(project, {"tools.d/done.yaml": tool})
    assert row(inspect(capsys, "clerk"), "shell").endswith("word399\\nrm -r /'")


def test_the_lines_of_a_script_are_shown(capsys, project):
    write_project(project, {"tools.d/done.yaml": "shell:\n  script: |\n    echo one\n    echo two\n"})
    out = inspect(capsys, "clerk")
    assert row(out, "shell") == "sh -eu <script>"
    assert [line.split("|")[1].strip() for line in out.splitlines() if " | " in line] == ["echo one", "echo two"]


def test_effects_and_approval_stand_beside_each_tool(capsys):
    out = inspect(capsys, "desk")
    assert row(out, "effects", after="refund ") == "changes things; its output is not trusted"
    assert row(out, "approval", after="refund ") == "always asked"
    assert row(out, "effects", after="history ") == "read-only"
    assert row(out, "approval", after="history ") == "auto: none, it is read-only"
    assert row(out, "approval", after="rate ") == "auto: asked once untrusted output was read"


def test_permissions_stand_in_the_order_in_which_they_decide(capsys):
    out = inspect(capsys, "desk")
    assert "  1. deny delete_*\n  2. ask refund when {{ args.amount > 100 }}\n  else each tool's own" in out


def test_an_agent_behind_a_tool_is_shown_with_its_own_tools(capsys):
    out = inspect(capsys, "desk")
    assert out.index("agent         clerk") < out.index("Files papers.\n      file") < out.index("final ")
    assert "clerk  Files papers.\n      file          agents/clerk.yaml" in out


def test_a_long_prompt_is_begun_and_the_rest_counted(capsys, project):
    lines = "".join(f"  line {number}\n" for number in range(1, 31))
    write_project(project, {"agents/clerk.yaml": "model: {api: offline}\nsystem_prompt: |\n" + lines})
    out = inspect(capsys, "clerk")
    assert "System prompt (30 lines)\n  line 1\n" in out
    assert "  line 8\n  … 22 more lines\n" in out


def test_limits_answer_and_model_are_told(capsys):
    out = inspect(capsys, "desk")
    assert row(out, "context") == "9,000 tokens, then truncate"
    assert row(out, "limits").startswith("7 turns, 100 tool calls, 4 times the same call, 1800 s, 5,000 tokens, no cap")
    assert row(out, "answer") == "JSON by the schema `reply`"
    assert row(out, "arguments") == "question (string), locale (string, optional)"
    assert row(out, "model") == "small-1 (chat_completions) at https://models.example.com/v1"
    assert "or then     small-2 (chat_completions)" in out


def test_control_characters_are_shown_and_not_sent(capsys, project):
    agent = 'description: "a \\e[2J b"\nmodel: {api: offline}\nsystem_prompt: "c \\u202e d"\n'
    write_project(project, {"agents/clerk.yaml": agent})
    out = inspect(capsys, "clerk")
    assert "a ␛[2J b" in out
    assert "c ⟨U+202E⟩ d" in out


# -- the environment ------------------------------------------------------------------------------------------


def environment(told):
    return {one["name"]: (one["set"], one["secret"], one["missing"]) for one in told["environment"]}


def test_variables_are_listed_with_their_state(capsys, monkeypatch):
    monkeypatch.setenv("TEAM", "tills")
    assert environment(inspected(capsys, "desk")) == {
        "DESK_KEY": (False, True, False),
        "DESK_MODEL": (False, False, False),
        "GIT_TOKEN": (False, True, True),
        "ORDERS_TOKEN": (False, True, True),
        "ORDERS_URL": (False, False, True),
        "REPO_DIR": (False, False, False),
        "SHARED_KEY": (False, True, True),
        "TEAM": (True, True, False),
    }


def test_a_default_that_is_not_used_misses_nothing(capsys, monkeypatch):
    monkeypatch.setenv("DESK_KEY", "very-secret-key")
    told = environment(inspected(capsys, "desk"))
    assert (told["DESK_KEY"], told["SHARED_KEY"]) == ((True, True, False), (False, True, False))


def test_the_text_says_what_a_run_needs(capsys, monkeypatch):
    monkeypatch.setenv("ORDERS_TOKEN", "very-secret-key")
    out = inspect(capsys, "desk")
    assert "  ORDERS_TOKEN  set (secret)\n" in out
    assert "  ORDERS_URL    NOT SET: a run needs it\n" in out
    assert "  not set, and not needed: DESK_KEY, DESK_MODEL, REPO_DIR, TEAM\n" in out


def test_what_the_client_reads_by_itself_is_listed(capsys, project):
    write_project(project, {"agents/plain.yaml": "model: gpt-4.1-mini\n"})
    told = environment(inspected(capsys, "plain"))
    assert told["OPENAI_API_KEY"] == (False, True, True)
    assert told["OPENAI_BASE_URL"] == (False, False, False)
    assert environment(inspected(capsys, "clerk")) == {}


def test_a_dollar_sign_that_is_escaped_is_no_variable(capsys, project):
    write_project(project, {"agents/plain.yaml": "model: {api: offline, name: '$${DESK_MODEL}'}\n"})
    assert environment(inspected(capsys, "plain")) == {}


@pytest.mark.parametrize("output_format", ["text", "json"])
def test_no_value_of_a_credential_is_shown(capsys, monkeypatch, output_format):
    secrets = {name: f"secret-value-of-{name}" for name in ("DESK_KEY", "ORDERS_TOKEN", "TEAM", "GIT_TOKEN")}
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("OPENAI_API_KEY", "secret-value-of-openai")
    # A secret that also stands where nobody expects one is masked.
    monkeypatch.setenv("ORDERS_URL", f"https://orders.example.com/{secrets['ORDERS_TOKEN']}")
    out = inspect(capsys, "desk", "--format", output_format)
    assert "secret-value-of" not in out
    assert "https://orders.example.com/[secret]/orders" in out


def test_a_password_in_an_address_is_a_finding_and_is_not_shown(capsys, monkeypatch):
    monkeypatch.setenv("ORDERS_URL", "https://user:pass@word@orders.example.com/v2")
    err = inspect(capsys, "desk", code=3)
    assert "credentials stand in the url" in err
    assert "pass@word" not in err


def test_a_key_in_a_query_is_not_shown(capsys, project, monkeypatch):
    monkeypatch.setenv("MAP_API_KEY", "very-secret-key")
    write_project(project, {"tools.d/done.yaml": 'http: {url: "https://a.example/x?k=${MAP_API_KEY}"}\n'})
    out = inspect(capsys, "clerk")
    assert row(out, "http") == "GET https://a.example/x?k=[secret]"


def test_a_missing_variable_is_shown_by_its_name(capsys):
    out = inspect(capsys, "desk")
    assert row(out, "http") == "POST $ORDERS_URL/orders/{order}/refunds"
    assert row(out, "hosts") == "$ORDERS_URL, *.example.com"


def test_variables_may_come_from_a_file(capsys, project):
    (project / ".env").write_text("ORDERS_URL=http://127.0.0.1:8042\n")
    assert row(inspect(capsys, "desk", "--env-file", ".env"), "hosts") == "127.0.0.1:8042, *.example.com"


def test_a_choice_that_hangs_on_a_missing_variable_is_told_as_unknown(capsys, project):
    write_project(project, {"agents/plain.yaml": "model: {name: m, max_retries: '${RETRIES_X}'}\ntools: [done]\n"})
    assert inspected(capsys, "plain")["unknown"] == ["model.max_retries"]
    assert row(inspect(capsys, "plain"), "not") == "known     model.max_retries: " + (
        "a variable has no value; shown as the default"
    )


def test_what_a_command_can_touch_is_told(capsys, project, monkeypatch):
    (project / "real").mkdir()
    (project / "link").symlink_to("real")
    monkeypatch.setenv("REPO_DIR", "../real/work")
    write_project(project, {"tools.d/done.yaml": "shell: {command: [make], sandbox: true}\n"})
    assert row(inspect(capsys, "desk"), "files", after="history") == "all that you may read and write: no sandbox"
    reads = "sandbox: reads all that you may read, but in /run, /tmp and /var/tmp only its working folder"
    assert row(inspect(capsys, "clerk"), "files") == f"{reads}; writes its own /tmp; no network"
    asked = "sandbox: {write: ['${REPO_DIR}', ../link], network: true, max_memory_mb: 2048}"
    write_project(project, {"tools.d/done.yaml": f"shell: {{command: [make], {asked}}}\n"})
    writes = f"{project}/real/work, {project}/real and its own /tmp"
    assert row(inspect(capsys, "clerk"), "files") == f"{reads}; writes {writes}; network; 2,048 MiB a process"
    assert inspected(capsys, "clerk")["tools"][0]["backend"]["sandbox"] == {
        "hidden": ["/run", "/tmp", "/var/tmp"],
        "write": [f"{project}/real/work", f"{project}/real"],
        "network": True,
        "max_memory_mb": 2048,
    }
    monkeypatch.delenv("REPO_DIR")
    assert inspected(capsys, "clerk")["tools"][0]["backend"]["sandbox"]["write"][0] == "$REPO_DIR"
    assert inspected(capsys, "desk")["tools"][1]["backend"]["sandbox"] is None


# -- json -----------------------------------------------------------------------------------------------------


def test_json_is_complete(capsys):
    told = inspected(capsys, "desk")
    assert list(told) == [
        "version",
        "name",
        "description",
        "file",
        "extends",
        "model",
        "parameters",
        "system_prompt",
        "input",
        "tools",
        "handoffs",
        "tool_choice",
        "parallel_tool_calls",
        "response_format",
        "permissions",
        "limits",
        "tool_search",
        "context",
        "starters",
        "unknown",
        "takes_over",
        "reach",
        "environment",
    ]
    assert told["model"]["fallback"][0]["name"] == "small-2"
    assert told["model"]["fallback"][0]["address"] == "https://models.example.com/v1"
    assert told["permissions"][1] == {"action": "ask", "tools": "refund", "when": "{{ args.amount > 100 }}"}
    assert told["limits"]["max_total_tokens"] == 5000
    assert told["context"] == {"max_tokens": 9000, "on_overflow": "truncate"}
    assert told["tool_choice"] == "required"
    assert [tool["backend"]["kind"] for tool in told["tools"]] == ["http", "shell", "python", "agent"]
    nested = told["tools"][3]["backend"]["agent"]
    assert [tool["name"] for tool in nested["tools"]] == ["done"]
    assert told["tools"][3]["description"] == "Files papers."


def test_a_base_is_named_and_its_keys_are_in_force(capsys, project):
    base = "http: {base_url: 'https://a.example', url: /x, method: DELETE}\n"
    write_project(project, {"tools.d/_base.yaml": base, "tools.d/done.yaml": "extends: _base\n"})
    tool = inspected(capsys, "clerk")["tools"][0]
    assert tool["extends"] == ["_base"]
    assert (tool["backend"]["method"], tool["backend"]["url"]) == ("DELETE", "https://a.example/x")
    assert (tool["read_only"], tool["idempotent"]) == (False, True)


def test_a_url_that_the_model_chooses_reaches_the_listed_hosts_only(capsys, project):
    parameters = "parameters: {type: object, properties: {url: {type: string}}, required: [url]}\n"
    tool = parameters + 'http: {url: "{url}", hosts: [docs.example.com]}\n'
    write_project(project, {"tools.d/done.yaml": tool})
    assert inspected(capsys, "clerk")["tools"][0]["backend"]["hosts"] == ["docs.example.com"]


# -- what can't be inspected ----------------------------------------------------------------------------------


def test_an_unknown_agent_is_bad_usage_with_a_suggestion(capsys):
    assert "did you mean `desk`?" in inspect(capsys, "dsk", code=2)


def test_an_agent_with_errors_is_findings(capsys, project):
    write_project(project, {"agents/clerk.yaml": "model: {api: offline}\ntools: [dona]\n"})
    err = inspect(capsys, "clerk", code=3)
    assert "agents/clerk.yaml:2:9" in err
    assert "did you mean `done`?" in err


def test_errors_of_other_agents_are_not_in_the_way(capsys, project):
    write_project(project, {"agents/broken.yaml": "tools: [nothing]\n"})
    assert "Files papers." in inspect(capsys, "clerk")


# -- sets -----------------------------------------------------------------------------------------------------

SETS = {
    "agents/desk.yaml": """
        description: Runs the order desk.
        model: {api: offline}
        tools: [shop_*Order, files, wiki]
        tool_search: {max_tools: 3, pinned: [shop_getOrder]}
    """,
    "specs/shop.yaml": """
        openapi: 3.0.3
        info: {title: Shop, version: "2.1"}
        servers: [{url: "https://api.shop.example/v2"}]
        paths:
          /orders:
            get: {operationId: listOrders, responses: {}}
            post: {operationId: createOrder, responses: {}}
          /orders/{id}:
            get:
              operationId: getOrder
              parameters: [{name: id, in: path, required: true, schema: {type: string}}]
              responses: {}
    """,
    "tools.d/shop.yaml": """
        openapi:
          spec: ../specs/shop.yaml
          allowed_tools: [/orders*]
          auth:
            oauth2: {token_url: "https://login.shop.example/token", client_id: a, client_secret: "${ORDERS_TOKEN}"}
          hosts: ["*.cdn.example"]
    """,
    "tools.d/files.yaml": """
        mcp:
          command: [npx, -y, "@some/files", "a b"]
          env: {FILES_KEY: "${ORDERS_TOKEN}"}
          cwd: ..
          allowed_tools: [read_*]
          bind: {root: /srv}
    """,
    "tools.d/wiki.yaml": """
        mcp:
          server_url: https://wiki.example/mcp
          headers: {X-Team: "${TEAM:-shop}"}
          auth: {bearer: "${GIT_TOKEN}"}
    """,
}


@pytest.fixture
def sets(project):
    write_project(project, SETS)


def test_what_a_set_reaches_is_told(sets, capsys):
    out = inspect(capsys, "desk")
    assert row(out, "openapi") == "specs/shop.yaml (Shop 2.1)"
    assert (
        row(out, "tools", after="openapi")
        == "2 operations (1 GET read; 1 POST change), by /orders*; of these shop_*Order"
    )
    assert row(out, "hosts") == "api.shop.example, *.cdn.example"
    assert row(out, "tokens") == "from https://login.shop.example/token"
    assert row(out, "server", after="  files") == "npx -y @some/files 'a b'"
    assert row(out, "with") == "FILES_KEY"
    assert row(out, "in", after="  files") == "."
    assert row(out, "sends", after="  files") == "always root, which the model doesn't see"
    assert row(out, "tools", after="  files") == "those that match read_*"
    assert row(out, "server", after="  wiki") == "https://wiki.example/mcp"
    assert row(out, "sends", after="  wiki") == "auth bearer; headers X-Team"
    assert row(out, "tools", after="  wiki") == "all"
    assert row(out, "effects", after="  wiki") == "as the server says of each tool; its output is not trusted"


def test_what_sets_can_reach_altogether_is_told_in_one_place(sets, capsys):
    assert inspected(capsys, "desk")["reach"] == {
        "hosts": ["api.shop.example", "*.cdn.example", "login.shop.example", "wiki.example"],
        "any_host": ["files"],
        "commands": ["npx -y @some/files 'a b'"],
        "functions": [],
        "files": [],
        "any_read": [],
        "any_file": ["files"],
    }


def test_how_many_tools_a_request_carries_is_told(sets, capsys):
    out = inspect(capsys, "desk")
    assert "Tools (2 and those of files, wiki)\n" in out
    assert row(out, "search") == "sends at most 3 of 2 tools and those of files, wiki; always shop_getOrder"


def test_json_of_a_set_is_complete_and_without_a_credential(sets, capsys, monkeypatch):
    monkeypatch.setenv("ORDERS_TOKEN", "very-secret-token")
    monkeypatch.setenv("GIT_TOKEN", "other-secret-token")
    told = inspected(capsys, "desk")
    shop, files, wiki = (one["backend"] for one in told["tools"])
    assert "secret-token" not in json.dumps(told)
    assert [one["name"] for one in shop["members"]] == ["shop_createOrder", "shop_getOrder"]
    assert (shop["methods"], shop["operations"], shop["wanted"]) == ({"GET": 1, "POST": 1}, 2, ["shop_*Order"])
    assert (files["env"], files["bind"], files["auth"]) == (["FILES_KEY"], ["root"], None)
    assert (wiki["hosts"], wiki["headers"], wiki["auth"]) == (["wiki.example"], ["X-Team"], "bearer")
    assert told["tools"][1]["read_only"] is None
    assert told["tool_search"] == {"max_tools": 3, "pinned": ["shop_getOrder"]}


@pytest.mark.parametrize(
    ("tool", "told"),
    [
        ("shop_createOrder", "POST https://api.shop.example/v2/orders"),
        ("shop_getOrder", "GET https://api.shop.example/v2/orders/{id}"),
        ("files_read_file", "calls read_file of the MCP server files (npx -y @some/files 'a b')"),
        ("wiki_search", "calls search of the MCP server wiki (https://wiki.example/mcp)"),
    ],
)
def test_a_question_tells_what_a_call_of_a_member_does(sets, tool, told):
    question = ApprovalQuestion("desk", tool, "call_1", {}, "require_approval: always")
    assert Loader("desk", {}, ()).action(question) == told
