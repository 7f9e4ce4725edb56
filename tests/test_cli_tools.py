"""`agentrun tools list`, `show` and `call`: the project's tools as a person meets them."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from agentrun.cli import run_cli
from loopback_http import Loopback, reply, unused_port
from openapi_documents import body, document, tools
from projects import ADD, write_project

TOOLS = ADD | {
    "tools.d/orders.yaml": """
        name: find_order
        description: Looks an order up.
        parameters:
          type: object
          properties: {order_id: {type: string}}
          required: [order_id]
        http:
          base_url: ${ORDERS_URL}
          url: /orders/{order_id}
          headers: {X-Key: "${ORDERS_KEY}"}
        ---
        name: refund_order
        description: Refunds an order, wholly or in part, and tells the customer by mail that the money is on its way.
        require_approval: always
        http:
          url: https://orders.example.com/refunds
          method: PUT
    """,
    "tools.d/say.yaml": """
        description: Says a text.
        parameters:
          type: object
          properties: {text: {type: string}}
          required: [text]
        require_approval: always
        max_output_length: 100
        output: "{{ stdout | trim }}!"
        shell: {command: [printf, "%s\\n", "{{ args.text }}"]}
    """,
}


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name in ("ORDERS_URL", "ORDERS_KEY", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(write_project(tmp_path, TOOLS))
    return tmp_path


def agentrun(capsys, *arguments):
    code = run_cli(list(arguments))
    out, err = capsys.readouterr()
    return code, out, err


# -- list -----------------------------------------------------------------------------------------------------


def test_the_list_tells_source_effects_and_approval_of_each_tool(project, capsys):
    code, out, _ = agentrun(capsys, "tools", "list")
    assert code == 0
    assert [line.split("  ")[0] for line in out.splitlines()] == ["NAME", "add", "find_order", "refund_order", "say"]
    cells = [re.split("  +", line)[:4] for line in out.splitlines()]
    assert ["refund_order", "orders.example.com", "changes, idempotent, untrusted", "always"] in cells
    assert ["find_order", "$ORDERS_URL", "read-only, untrusted", "auto"] in cells
    assert ["add", "python calc:add", "changes", "auto"] in cells
    assert ["say", "command printf", "changes", "always"] in cells


def test_the_columns_of_the_list_are_aligned(project, capsys):
    _, out, _ = agentrun(capsys, "tools", "list")
    header, *rows = out.splitlines()
    for title in ("SOURCE", "EFFECTS", "APPROVAL", "DESCRIPTION"):
        start = header.index(title)
        assert all(row[start - 1] == " " and row[start] != " " for row in rows)


@pytest.mark.parametrize("columns", [100, 80, 70, 40, 20])
def test_no_line_of_the_list_is_wider_than_the_terminal(project, capsys, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    _, out, _ = agentrun(capsys, "tools", "list")
    assert max(map(len, out.splitlines())) <= columns
    assert "…" in out
    assert all(name in out for name in ("add", "find_order", "refund_order", "say"))


def test_a_pipe_gets_whole_descriptions(project, capsys):
    _, out, _ = agentrun(capsys, "tools", "list")
    assert "that the money is on its way." in out


def test_listing_needs_no_variable_but_a_call_does(project, capsys):
    assert agentrun(capsys, "tools", "list")[0] == 0
    code, out, err = agentrun(capsys, "tools", "call", "find_order", "--arg", "order_id=7")
    assert (code, out) == (3, "")
    assert "ORDERS_URL is not set" in err


def test_a_variable_that_is_missed_reads_as_its_name(project, capsys):
    _, out, _ = agentrun(capsys, "tools", "list", "--format", "json")
    found = {one["name"]: one for one in json.loads(out)["tools"]}
    assert found["find_order"]["backend"]["url"] == "$ORDERS_URL/orders/{order_id}"
    assert found["find_order"]["backend"]["hosts"] == ["$ORDERS_URL"]


def test_json_tells_what_a_tool_reaches_and_no_credential(project, capsys, monkeypatch):
    monkeypatch.setenv("ORDERS_URL", "https://orders.example.com/v2")
    monkeypatch.setenv("ORDERS_KEY", "very-secret-key")
    _, out, _ = agentrun(capsys, "tools", "list", "--format", "json")
    told = json.loads(out)
    found = {one["name"]: one for one in told["tools"]}
    assert told["version"] == 1
    assert found["find_order"]["backend"] == {
        "kind": "http",
        "method": "GET",
        "url": "https://orders.example.com/v2/orders/{order_id}",
        "hosts": ["orders.example.com"],
        "token_url": None,
        "files": [],
        "pages": 1,
        "query": [],
        "headers": ["X-Key"],
        "body": None,
        "auth": None,
    }
    assert found["add"]["backend"] == {"kind": "python", "target": "calc:add", "root": "."}
    assert found["say"]["backend"]["command"] == ["printf", "%s\n", "{{ args.text }}"]
    assert "very-secret-key" not in out


def test_a_number_or_a_choice_that_hangs_on_a_missing_variable_is_told_as_unknown(tmp_path, monkeypatch, capsys):
    tool = 'http: {url: "https://a.example/x", max_retries: "${RETRIES_X}", method: "${METHOD_X}"}'
    monkeypatch.chdir(write_project(tmp_path, {"tools.d/ask.yaml": tool}))
    code, out, _ = agentrun(capsys, "tools", "list", "--format", "json")
    assert code == 0
    assert json.loads(out)["tools"][0]["unknown"] == ["http.max_retries", "http.method"]
    monkeypatch.setenv("RETRIES_X", "1")
    monkeypatch.setenv("METHOD_X", "POST")
    _, out, _ = agentrun(capsys, "tools", "list", "--format", "json")
    assert json.loads(out)["tools"][0]["unknown"] == []
    assert json.loads(out)["tools"][0]["backend"]["method"] == "POST"


def test_without_a_value_that_can_be_left_out_the_list_names_the_variable(tmp_path, monkeypatch, capsys):
    tool = 'http: {url: "https://a.example/x", auth: {api_key: {in: "${PLACE_X}", name: n, value: v}}}'
    monkeypatch.chdir(write_project(tmp_path, {"tools.d/ask.yaml": tool}))
    code, _, err = agentrun(capsys, "tools", "list")
    assert code == 2
    assert "PLACE_X" in err


def test_invalid_tools_are_findings_and_not_a_list(project, capsys):
    write_project(project, {"tools.d/bad.yaml": "shel: {command: [date]}\n"})
    code, out, err = agentrun(capsys, "tools", "list")
    assert (code, out) == (3, "")
    assert "tools.d/bad.yaml:1:1" in err
    assert "did you mean `shell`?" in err


def test_a_folder_without_tools_says_how_to_begin(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code, _, err = agentrun(capsys, "tools", "list")
    assert code == 2
    assert "agentrun init" in err


def test_further_folders_of_tools_are_listed_too(project, tmp_path, capsys):
    shared = write_project(tmp_path / "shared", {"now.yaml": "shell: {command: [date]}\n"})
    assert "\nnow " in agentrun(capsys, "tools", "list", "--tools", str(shared))[1]
    assert "\nnow " not in agentrun(capsys, "tools", "list")[1]
    assert agentrun(capsys, "tools", "list", "--tools", "nowhere")[0] == 2


def test_control_characters_of_a_description_are_shown_and_not_sent(tmp_path, monkeypatch, capsys):
    tool = 'description: "Clears \\e[2J the screen"\nshell: {command: [date]}\n'
    monkeypatch.chdir(write_project(tmp_path, {"tools.d/clear.yaml": tool}))
    _, out, _ = agentrun(capsys, "tools", "list")
    assert "\x1b" not in out
    assert "␛[2J" in out


# -- call -----------------------------------------------------------------------------------------------------


def test_a_call_prints_what_the_model_would_get(project, capsys):
    # The default of b is filled in, and --arg is read as the number that the parameter wants.
    assert agentrun(capsys, "tools", "call", "add", "--arg", "a=40") == (0, "42\n", "")


def test_the_output_template_shapes_the_result_and_nobody_is_asked(project, capsys):
    assert agentrun(capsys, "tools", "call", "say", "--arg", "text=Hi") == (0, "Hi!\n", "")


def test_a_long_result_is_cut_as_for_the_model(project, capsys):
    _, out, _ = agentrun(capsys, "tools", "call", "say", "--arg", f"text={'x' * 500}")
    assert "characters left out" in out
    assert len(out) <= 101


def test_arguments_come_from_json_from_a_file_and_one_by_one(project, capsys):
    (project / "given.json").write_text('{"a": 1, "b": 10}')
    assert agentrun(capsys, "tools", "call", "add", "--args", '{"a": 5, "b": 6}')[1] == "11\n"
    assert agentrun(capsys, "tools", "call", "add", "--args", "@given.json")[1] == "11\n"
    assert agentrun(capsys, "tools", "call", "add", "--args", "@given.json", "--arg", "b=1")[1] == "2\n"


def test_invalid_arguments_are_shown_as_the_model_would_see_them(project, capsys):
    code, out, _ = agentrun(capsys, "tools", "call", "add", "--arg", "a=many")
    error = json.loads(out)["error"]
    assert code == 1
    assert error["type"] == "invalid_arguments"
    assert error["violations"][0]["path"] == "a"


def test_a_failed_call_exits_with_1(project, capsys):
    write_project(project, {"tools.d/fail.yaml": "shell: {command: [ls, --, /no/such/place]}\n"})
    code, out, _ = agentrun(capsys, "tools", "call", "fail")
    assert code == 1
    assert json.loads(out)["error"]["type"] == "exit_code"


def test_a_call_ends_at_the_tools_own_time_limit(project, capsys):
    write_project(project, {"tools.d/slow.yaml": "timeout: 0.2\nshell: {command: [sleep, 30]}\n"})
    code, out, _ = agentrun(capsys, "tools", "call", "slow")
    assert code == 1
    assert json.loads(out)["error"]["type"] == "timeout"


def test_secrets_are_masked_in_the_result(project, capsys, monkeypatch):
    monkeypatch.setenv("ORDERS_KEY", "very-secret-key")
    with Loopback(lambda request: reply(body=f"{request.target} {request.header('X-Key')}")) as server:
        monkeypatch.setenv("ORDERS_URL", server.url)
        code, out, _ = agentrun(capsys, "tools", "call", "find_order", "--arg", "order_id=7")
        assert server.last.header("X-Key") == "very-secret-key"
    assert (code, out) == (0, "/orders/7 [secret]\n")


def test_variables_may_come_from_a_file(project, capsys):
    with Loopback(reply(body="found")) as server:
        (project / ".env").write_text(f"ORDERS_URL={server.url}\nORDERS_KEY=very-secret-key\n")
        code, out, _ = agentrun(capsys, "tools", "call", "find_order", "--arg", "order_id=7", "--env-file", ".env")
    assert (code, out) == (0, "found\n")


def test_a_final_tool_gives_the_runs_output(project, capsys):
    tool = "parameters: {type: object, properties: {total: {type: number, default: 1}}}\nfinal: true\n"
    write_project(project, {"tools.d/done.yaml": tool})
    assert agentrun(capsys, "tools", "call", "done", "--args", "{}")[:2] == (0, '{"total":1}\n')
    code, out, _ = agentrun(capsys, "tools", "call", "done", "--args", '{"total": "x"}')
    assert code == 1
    assert json.loads(out)["error"]["type"] == "invalid_arguments"


def test_an_unknown_tool_is_bad_usage_with_a_suggestion(project, capsys):
    code, _, err = agentrun(capsys, "tools", "call", "find_ordr")
    assert code == 2
    assert "did you mean `find_order`?" in err


def test_a_base_is_no_tool(project, capsys):
    write_project(project, {"tools.d/_base.yaml": "shell: {command: [date]}\n"})
    code, _, err = agentrun(capsys, "tools", "call", "_base")
    assert code == 2
    assert "through `extends`" in err


def test_a_tool_in_a_file_that_cannot_be_read_is_a_finding(project, capsys):
    write_project(project, {"tools.d/broken.yaml": "a: [\n"})
    code, _, err = agentrun(capsys, "tools", "call", "broken")
    assert code == 3
    assert "tools.d/broken.yaml" in err


# -- an agent as a tool ---------------------------------------------------------------------------------------


def agents(script):
    turns = "".join(f"    - {turn}\n" for turn in script)
    return {
        "agents/clerk.yaml": f"description: Adds.\nmodel:\n  api: scripted\n  script:\n{turns}tools: ['[am]*']\n",
        "tools.d/clerk.yaml": "agent: clerk\n",
    }


def test_an_agent_can_be_called_as_a_tool(project, capsys):
    write_project(project, agents(["tool_calls: [{name: add, arguments: {a: 1}}]", "content: It is 3."]))
    code, out, err = agentrun(capsys, "tools", "call", "clerk", "--arg", "input=1 and 2")
    assert (code, out) == (0, "It is 3.\n")
    assert "add(" in err  # what the agent does meanwhile is told beside the result


@pytest.mark.parametrize("approved", [True, False])
def test_what_an_agent_behind_a_tool_calls_still_needs_approval(project, capsys, approved):
    write_project(project, {"tools.d/mark.yaml": "require_approval: always\nshell: {command: [touch, ../marked]}\n"})
    write_project(project, agents(["tool_calls: [{name: mark}]", "content: done"]))
    flags = ["--approve", "mark"] if approved else []
    assert agentrun(capsys, "tools", "call", "clerk", "--arg", "input=x", *flags)[:2] == (0, "done\n")
    assert (project / "marked").exists() is approved


def test_model_offline_stands_for_the_agents_model(project, capsys):
    write_project(project, agents(["error: reset"]))
    code, out, _ = agentrun(capsys, "tools", "call", "clerk", "--arg", "input=add 40 and 2", "--model", "offline")
    assert code == 0
    assert "42" in out


# -- as a process ---------------------------------------------------------------------------------------------


def test_ctrl_c_ends_the_call_and_its_command(project):
    marker = project / "started"
    script = f"shell: {{script: 'touch {marker}; exec sleep 30'}}\n"
    write_project(project, {"tools.d/slow.yaml": script})
    process = subprocess.Popen(
        [sys.executable, "-m", "agentrun", "tools", "call", "slow"], cwd=project, env={**os.environ, "NO_COLOR": "1"}
    )
    try:
        deadline = time.monotonic() + 20
        while not marker.exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 130
    finally:
        process.kill()
        process.wait()


def test_tool_names_complete(project):
    environ = {**os.environ, "_AGENTRUN_COMPLETE": "bash_complete", "COMP_CWORD": "3"}
    done = subprocess.run(
        [sys.executable, "-m", "agentrun"],
        env={**environ, "COMP_WORDS": "agentrun tools call re"},
        cwd=project,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.stdout.split() == ["plain,refund_order"]


def test_an_agent_as_a_tool_has_the_time_of_a_run_unless_it_says_less(tmp_path, capsys, monkeypatch):
    files = {
        "agents/worker.yaml": "model: {api: offline}\nlimits: {timeout: 600}\n",
        "tools.d/whole.yaml": "agent: worker\n",
        "tools.d/brief.yaml": "agent: worker\ntimeout: 5\n",
    }
    monkeypatch.chdir(write_project(tmp_path, files))
    told = {}
    for name in ("whole", "brief"):
        assert run_cli(["tools", "show", name]) == 0
        told[name] = capsys.readouterr().out
    assert "limits        600 s," in told["whole"]
    assert "limits        5 s," in told["brief"]


def test_in_a_pipe_a_long_description_is_cut_and_json_has_all_of_it(tmp_path, capsys, monkeypatch):
    text = "Says much. " * 100
    monkeypatch.delenv("COLUMNS", raising=False)
    files = {"tools.d/much.yaml": f"description: {text}\nshell: {{command: [date]}}\n"}
    monkeypatch.chdir(write_project(tmp_path, files))
    assert run_cli(["tools", "list"]) == 0
    [_, row] = capsys.readouterr().out.splitlines()
    assert row.endswith("…")
    assert 200 < len(row) < 300
    assert run_cli(["tools", "list", "--format", "json"]) == 0
    assert text.strip() in capsys.readouterr().out


def test_verbose_shows_what_an_http_tool_sends_and_gets_with_secrets_hidden(project, capsys, monkeypatch):
    answers = [
        reply(200, '{"access_token": "t0ken-one"}'),
        reply(302, headers=[("Location", "/there?token=t0ken-one")]),
        reply(401, "t0ken-one"),
        reply(200, '{"access_token": "t0ken-two"}'),
        reply(200, "fine"),
    ]
    with Loopback(answers) as server:
        monkeypatch.setenv("SHOP_SECRET", "s3cret-é-one")
        http = f"""
            description: Asks.
            parameters: {{type: object, properties: {{word: {{type: string}}}}}}
            http:
              url: {server.url}/ask
              query: {{word: "{{{{ args.word }}}}"}}
              headers: {{X-Team: shop}}
              auth:
                oauth2: {{token_url: "{server.url}/token", client_id: a, client_secret: "${{SHOP_SECRET}}"}}
            """.replace('X-Team: "${SHOP_SECRET}"', "X-Team: shop")
        write_project(project, {"tools.d/ask.yaml": http})
        assert run_cli(["tools", "call", "ask", "--arg", "word=ü", "--verbose"]) == 0
    out, err = capsys.readouterr()
    assert out == "fine\n"
    assert "t0ken" not in err
    assert "s3cret" not in err
    lines = [re.sub(r"\d\.\d\d s|:\d{4,5}", "", line) for line in err.splitlines()]
    base, defaults = "http://127.0.0.1", "User-Agent, Accept, Accept-Encoding"
    ask = [f"→ GET {base}/ask?word=%C3%BC ({defaults}, X-Team, Authorization)"]
    token = [
        f"→ POST {base}/token ({defaults}, Content-Type, Authorization, 29 bytes)",
        "grant_type=client_credentials",
        f"← 200 (text/plain, 29 bytes, ) for POST {base}/token",
    ]
    assert lines == [
        *token,
        *ask,
        f"← 302 (text/plain, 0 bytes, ) for GET {base}/ask?word=%C3%BC",
        f"→ GET {base}/there?token=[secret] ({defaults}, X-Team, Authorization)",
        f"← 401 (text/plain, 9 bytes, ) for GET {base}/there?token=[secret]",
        *token,
        *ask,
        f"← 200 (text/plain, 4 bytes, ) for GET {base}/ask?word=%C3%BC",
    ]


def test_verbose_shows_the_heads_of_parts_and_what_failed(project, capsys):
    (project / "box.bin").write_bytes(b"\0")
    down = f"127.0.0.1:{unused_port()}"
    http = f"""
        description: Sends.
        http:
          url: http://{down}/
          auth: {{api_key: {{in: query, name: key, value: written-here}}}}
          multipart: {{title: Box, file: {{file: ../box.bin, filename: "b\\u001b[2Jx"}}}}
        """
    write_project(project, {"tools.d/send.yaml": http})
    assert run_cli(["tools", "call", "send", "-v"]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith(f"→ POST http://{down}/?key=*** (")
    assert lines[1:3] == ['form-data; name="title"', 'form-data; name="file"; filename="b␛[2Jx"']
    assert lines[3].endswith(
        f"for POST http://{down}/?key=***: could not connect to http://{down} (connection refused)"
    )


# -- sets of an OpenAPI document ------------------------------------------------------------------------------

SHOP = {
    "specs/shop.yaml": """
        openapi: 3.0.3
        info: {title: Shop, version: "2.1"}
        servers: [{url: "${SHOP_URL}"}]
        paths:
          /orders:
            get:
              operationId: listOrders
              summary: Lists orders.
              tags: [orders]
              parameters: [{name: limit, in: query, schema: {type: integer}}]
              responses: {"200": {description: ok}}
            post:
              operationId: createOrder
              summary: Creates an order.
              requestBody:
                required: true
                content:
                  application/json:
                    schema: {type: object, properties: {sku: {type: string}}, required: [sku]}
              responses: {"201": {description: ok}}
          /orders/{id}:
            delete:
              operationId: deleteOrder
              summary: Deletes an order.
              parameters: [{name: id, in: path, required: true, schema: {type: integer}}]
              responses: {"204": {description: ok}}
    """,
    "tools.d/shop.yaml": """
        description: The shop's own API.
        openapi:
          spec: ../specs/shop.yaml
          allowed_tools: ["*"]
          auth: {bearer: "${SHOP_TOKEN}"}
          bind: {limit: 5}
    """,
    "agents/desk.yaml": """
        description: Sells.
        model: {api: offline}
        tools:
          - shop_*Order
          - {name: now, description: Tells the time., shell: {command: [date]}}
        handoffs: [bills]
        permissions: [{deny: shop_delete*}]
    """,
    "agents/bills.yaml": "description: Knows bills.\nmodel: {api: offline}\n",
}


@pytest.fixture
def shop(tmp_path, monkeypatch):
    files = {name: text.replace("${SHOP_URL}", "https://api.shop.example/v2") for name, text in SHOP.items()}
    monkeypatch.chdir(write_project(tmp_path, files))
    monkeypatch.delenv("SHOP_TOKEN", raising=False)
    return tmp_path


def test_a_file_to_be_sent_is_shown_as_the_model_is_asked_for_it(shop, capsys):
    form = {"type": "object", "properties": {"file": {"type": "string", "format": "binary"}}}
    written = document({"POST /scans": {"operationId": "addScan", "requestBody": body("multipart/form-data", form)}})
    write_project(shop, {"api.json": json.dumps(written), "tools.d/x.yaml": SCANS})
    (bound,) = tools(written).values()
    shown = json.loads(agentrun(capsys, "tools", "show", "x_addScan", "--format", "json")[1])
    assert shown["function"]["function"]["parameters"] == bound.function.parameters
    assert "base64" in bound.function.parameters["properties"]["body"]["properties"]["file"]["properties"]


SCANS = "openapi: {spec: ../api.json, allowed_tools: [addScan]}\n"


def listed(out):
    return [re.split("  +", line)[:4] for line in out.splitlines()[1:]]


def test_the_operations_of_a_document_are_listed_one_by_one(shop, capsys):
    code, out, _ = agentrun(capsys, "tools", "list")
    assert code == 0
    assert listed(out) == [
        ["shop_listOrders", "openapi shop.yaml", "read-only, untrusted", "auto"],
        ["shop_createOrder", "openapi shop.yaml", "changes, untrusted", "auto"],
        ["shop_deleteOrder", "openapi shop.yaml", "changes, idempotent, untrusted", "auto"],
    ]


def test_json_tells_all_of_a_member(shop, capsys):
    told = json.loads(agentrun(capsys, "tools", "list", "--format", "json")[1])
    (create,) = [one for one in told["tools"] if one["name"] == "shop_createOrder"]
    assert (create["set"], create["source"], create["description"]) == (
        "shop",
        "openapi shop.yaml",
        "Creates an order.",
    )
    assert create["parameters"]["properties"]["body"]["required"] == ["sku"]
    assert create["backend"] == {
        "kind": "openapi",
        "set": "shop",
        "operation": "createOrder",
        "method": "POST",
        "url": "https://api.shop.example/v2/orders",
        "document": "specs/shop.yaml",
        "hosts": ["api.shop.example"],
        "token_url": None,
        "headers": [],
        "auth": "bearer",
        "bind": [],
    }


def test_what_an_agent_can_call_is_listed_with_its_rules_and_hand_offs(shop, capsys):
    code, out, _ = agentrun(capsys, "tools", "list", "--agent", "desk")
    assert code == 0
    assert listed(out) == [
        ["shop_createOrder", "openapi shop.yaml", "changes, untrusted", "auto"],
        ["shop_deleteOrder", "openapi shop.yaml", "changes, idempotent, untrusted", "deny (rule 1)"],
        ["now", "command date", "changes", "auto"],
        ["transfer_to_bills", "agent bills", "hands over", "auto"],
    ]
    told = json.loads(agentrun(capsys, "tools", "list", "--agent", "desk", "--format", "json")[1])
    assert [one["name"] for one in told["handoffs"]] == ["transfer_to_bills"]
    assert agentrun(capsys, "tools", "list", "--agent", "bills")[1] == "bills has no tools\n"


def test_a_member_is_called_with_arguments_of_its_schema(shop, capsys, monkeypatch):
    with Loopback(lambda request: reply(body=f"{request.method} {request.target} {request.body.decode()}")) as server:
        text = (shop / "specs/shop.yaml").read_text().replace("https://api.shop.example/v2", server.url)
        (shop / "specs/shop.yaml").write_text(text)
        monkeypatch.setenv("SHOP_TOKEN", "very-secret-token")
        code, out, _ = agentrun(capsys, "tools", "call", "shop_deleteOrder", "--arg", "id=7")
        assert (code, out) == (0, "DELETE /orders/7 \n")
        assert server.last.header("Authorization") == "Bearer very-secret-token"
        code, out, _ = agentrun(capsys, "tools", "call", "shop_listOrders")
        assert (code, out) == (0, "GET /orders?limit=5 \n")
        code, out, _ = agentrun(capsys, "tools", "call", "shop_createOrder", "--arg", 'body={"sku": "A1"}')
        assert (code, out) == (0, 'POST /orders {"sku":"A1"}\n')
    code, out, _ = agentrun(capsys, "tools", "call", "shop_deleteOrder", "--arg", "id=x")
    assert (code, json.loads(out)["error"]["type"]) == (1, "invalid_arguments")


def test_an_unknown_member_and_a_set_are_bad_usage(shop, capsys):
    code, _, err = agentrun(capsys, "tools", "call", "shop_creteOrder")
    assert code == 2
    assert "the set `shop` has no tool `shop_creteOrder`" in err
    assert "did you mean `shop_createOrder`?" in err
    code, _, err = agentrun(capsys, "tools", "call", "shop")
    assert code == 2
    assert "its tools: shop_listOrders, shop_createOrder, shop_deleteOrder" in err
    code, _, err = agentrun(capsys, "tools", "show", "shop_listOrders", "--agent", "desk")
    assert code == 2
    assert "the set `shop` has no tool `shop_listOrders`" in err


def test_thousands_of_operations_are_listed_within_the_width(tmp_path, monkeypatch, capsys):
    operations = [{"operationId": f"op{number}", "summary": "word " * 40, "responses": {}} for number in range(3000)]
    paths = {f"/p{number}": {"get": operation} for number, operation in enumerate(operations)}
    document = json.dumps({"openapi": "3.1.0", "info": {"title": "a", "version": "1"}, "paths": paths})
    tool = 'openapi: {spec: ../big.json, allowed_tools: ["*"], base_url: "https://a.example"}'
    monkeypatch.chdir(write_project(tmp_path, {"big.json": document, "tools.d/big.yaml": tool}))
    monkeypatch.setenv("COLUMNS", "100")
    _, out, _ = agentrun(capsys, "tools", "list")
    assert len(out.splitlines()) == 3001
    assert max(map(len, out.splitlines())) <= 100


# -- show -----------------------------------------------------------------------------------------------------


def shown(out):
    """The function that is shown, and the rows below it."""
    function, _, rows = out.partition("\n}\n")
    return json.loads(f"{function}\n}}"), dict(row.split(maxsplit=1) for row in rows.splitlines() if row)


def test_show_prints_the_function_as_it_is_sent_and_then_the_rest(project, capsys):
    code, out, _ = agentrun(capsys, "tools", "show", "find_order")
    assert code == 0
    function, rows = shown(out)
    assert function == {
        "type": "function",
        "function": {
            "name": "find_order",
            "description": "Looks an order up.",
            "parameters": {
                "type": "object",
                "properties": {"order_id": {"type": "string"}},
                "required": ["order_id"],
            },
        },
    }
    assert rows == {
        "http": "GET $ORDERS_URL/orders/{order_id}",
        "hosts": "$ORDERS_URL",
        "sends": "headers X-Key",
        "effects": "read-only; its output is not trusted",
        "approval": "auto: none, it is read-only",
        "limits": "30 s, 16,000 characters of output",
        "file": "tools.d/orders.yaml",
    }


def test_show_has_the_changes_of_strict_mode(project, capsys):
    tool = """
        description: Adds.
        strict: true
        parameters:
          type: object
          properties: {a: {type: integer}, b: {type: integer, default: 2}}
          required: [a]
        shell: {command: [echo, "{{ args.a }}"]}
    """
    write_project(project, {"tools.d/plus.yaml": tool})
    told = json.loads(agentrun(capsys, "tools", "show", "plus", "--format", "json")[1])
    function = told["function"]["function"]
    assert function["strict"] is True
    assert function["parameters"]["required"] == ["a", "b"]
    assert function["parameters"]["additionalProperties"] is False
    assert told["tool"]["parameters"]["required"] == ["a"]


def test_show_knows_members_sets_and_tools_inside_an_agent(shop, capsys):
    function, rows = shown(agentrun(capsys, "tools", "show", "shop_deleteOrder")[1])
    assert function["function"]["name"] == "shop_deleteOrder"
    assert rows["http"] == "DELETE https://api.shop.example/v2/orders/{id}"
    assert rows["sends"] == "auth bearer"
    rows = shown(agentrun(capsys, "tools", "show", "shop_listOrders")[1])[1]
    assert rows["sends"] == "auth bearer; always limit, which the model doesn't see"
    out = agentrun(capsys, "tools", "show", "shop")[1]
    assert "3 operations (1 GET read; 1 DELETE, 1 POST change), by *" in out
    assert "shop_createOrder  POST /orders\n" in out
    assert agentrun(capsys, "tools", "show", "now")[0] == 2
    function, rows = shown(agentrun(capsys, "tools", "show", "now", "--agent", "desk")[1])
    assert function["function"]["description"] == "Tells the time."
    assert rows["file"] == "agents/desk.yaml"
    assert "did you mean `now`?" in agentrun(capsys, "tools", "show", "nowe", "--agent", "desk")[2]


def test_show_masks_a_secret_that_stands_in_a_description(project, capsys, monkeypatch):
    monkeypatch.setenv("ORDERS_KEY", "very-secret-key")
    text = (project / "tools.d/orders.yaml").read_text().replace("Looks an order up.", "Takes very-secret-key.")
    (project / "tools.d/orders.yaml").write_text(text)
    for form in ("text", "json"):
        assert "very-secret-key" not in agentrun(capsys, "tools", "show", "find_order", "--format", form)[1]


def test_operations_complete(shop):
    environ = {**os.environ, "_AGENTRUN_COMPLETE": "bash_complete", "COMP_CWORD": "3"}
    done = subprocess.run(
        [sys.executable, "-m", "agentrun"],
        env={**environ, "COMP_WORDS": "agentrun tools show shop_c"},
        cwd=shop,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.stdout.split() == ["plain,shop_createOrder"]
