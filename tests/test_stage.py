"""What stands between an agent under test and the world: stubs, scripts, and that no case sees another's."""

import asyncio
import json

import msgspec
import pytest

from agentrun.errors import ModelError, UsageError
from agentrun.spec.case_types import StubSpec
from agentrun.testing.scene import Scene, enter
from agentrun.testing.stage import Stage
from agentrun.testing.stubs import StubBook
from cases_in_process import calls_of, problems_of, run_project
from loopback_http import Loopback, reply

AGENT = "model: {name: gpt-x, api_key: '${MODEL_KEY}', max_retries: 2}\ntools: [%s]\n"
GET = """
    description: Gets an order.
    parameters: {type: object, properties: {id: {type: string}}, required: [id]}
    http:
      url: ${ORDERS_URL}/orders/{id}
      headers: {X-Api-Key: "${ORDERS_KEY}"}
"""
CALL = "{tool_calls: [{name: get, arguments: {id: '7'}}]}"


def project(cases, *, tools="get", more_files=None, top="", **files):
    test = f"agent: desk\n{top}\ncases:\n" + cases
    return {
        "agents/desk.yaml": AGENT % tools,
        "tools.d/get.yaml": GET,
        "tests/desk.test.yaml": test,
        **{f"tools.d/{name}.yaml": text for name, text in files.items()},
        **(more_files or {}),
    }


def one_case(body, *, calls=CALL, **more):
    """A project with one case, called `it`; `body` is YAML with the indentation of its keys."""
    return project(
        f"  - name: it\n    args: {{input: hi}}\n    model: [{calls}, {{content: done}}]\n    {body}\n", **more
    )


def test_the_request_is_built_and_its_answer_read_without_a_key_or_an_address(tmp_path):
    it = run_project(tmp_path, one_case("tools: {get: {status: 201, json: {a: 1}, headers: {x-more: b}}}"))["it"]
    assert it.status == "passed"
    [call] = calls_of(it)
    assert json.loads(call.result) == {"a": 1}
    [request] = call.requests
    assert (request.method, request.url) == ("GET", "http://orders-url.test/orders/7")


def test_variables_of_the_file_go_over_those_of_the_environment_and_secrets_are_masked(tmp_path):
    files = one_case(
        "tools: {get: {text: the key is s3cret-of-orders}}",
        top="env: {ORDERS_URL: 'http://orders.example/v2', ORDERS_KEY: s3cret-of-orders}",
    )
    it = run_project(tmp_path, files, environ={"ORDERS_URL": "http://elsewhere.example"})["it"]
    [call] = calls_of(it)
    assert call.result == "the key is [secret]"
    assert call.requests[0].url == "http://orders.example/v2/orders/7"
    assert ("X-Api-Key", "[secret]") in call.requests[0].headers


def test_an_error_status_is_what_the_model_is_told(tmp_path):
    [call] = calls_of(run_project(tmp_path, one_case("tools: {get: {status: 404, json: {why: gone}}}"))["it"])
    assert json.loads(call.result)["error"] | {"message": ""} == {
        "type": "http_status",
        "message": "",
        "status": 404,
        "body": {"why": "gone"},
    }


@pytest.mark.parametrize("first", ["{status: 503}", "{error: {type: connection}}"])
def test_an_http_tool_asks_again_and_the_next_stub_of_the_list_answers(tmp_path, first):
    files = one_case(f"tools: {{get: [{first}, {{json: {{tries: 2}}}}]}}")
    [call] = calls_of(run_project(tmp_path, files)["it"])
    assert (json.loads(call.result), len(call.requests)) == ({"tries": 2}, 2)


def test_one_stub_for_every_call_answers_every_attempt(tmp_path):
    [call] = calls_of(run_project(tmp_path, one_case("tools: {get: {status: 503}}"))["it"])
    assert call.error == "http_status"
    assert len(call.requests) > 1


def test_a_list_without_a_stub_for_the_next_attempt_fails_the_case(tmp_path):
    it = run_project(tmp_path, one_case("tools: {get: [{status: 503}]}"))["it"]
    left = 'no stub of `get` is left for {"id":"7"}, whose request 2 is GET http://orders-url.test/orders/7'
    assert problems_of(it) == [f"{left}: all that answer it are used up"]


def test_pages_and_redirects_are_requests_of_their_own(tmp_path):
    paged = """
        description: Lists orders.
        http:
          url: https://orders.example/all
          paginate: {next: "{{ body.next }}", param: page}
          output: null
    """.replace("          output: null\n", "")
    cases = """
  - name: pages
    args: {input: hi}
    model: [{tool_calls: [{name: pages}]}, {content: done}]
    tools: {pages: [{json: {n: 1, next: b}}, {json: {n: 2}}]}
  - name: redirect
    args: {input: hi}
    model: [{tool_calls: [{name: get, arguments: {id: "7"}}]}, {content: done}]
    tools: {get: [{status: 302, headers: {Location: /orders/8}}, {json: 8}]}
"""
    done = run_project(tmp_path, project(cases, tools="get, pages", pages=paged))
    [call] = calls_of(done["pages"])
    assert json.loads(call.result) == {"pages": [{"n": 1, "next": "b"}, {"n": 2}], "more": False}
    assert [dict(one.query) for one in call.requests] == [{}, {"page": "b"}]
    [call] = calls_of(done["redirect"])
    assert [one.url for one in call.requests] == [f"http://orders-url.test/orders/{number}" for number in (7, 8)]
    assert call.result == "8"


def test_parts_of_a_form_are_in_the_request_that_a_stub_answers(tmp_path):
    send = """
        description: Sends a file.
        parameters: {type: object, properties: {name: {type: string}}, required: [name]}
        http:
          method: POST
          url: https://files.example/
          multipart: {note: "{{ args.name }}", file: {file: notes.txt}}
    """
    files = one_case(
        "approve: [send]\n    tools: {send: {status: 201}}",
        calls="{tool_calls: [{name: send, arguments: {name: hello}}]}",
        tools="send",
        send=send,
        more_files={"tools.d/notes.txt": "the file's text\n"},
    )
    it = run_project(tmp_path, files)["it"]
    assert problems_of(it) == []
    [request] = calls_of(it)[0].requests
    assert "hello" in request.body
    assert "the file's text" in request.body


SHELL = """
    description: Counts.
    parameters: {type: object, properties: {word: {type: string}}, required: [word]}
    shell:
      command: [printf, "%s-", "{{ args.word }}"]
      env: {COUNT_KEY: "${COUNT_KEY:-none-at-all}"}
"""
COUNT = "{tool_calls: [{name: count, arguments: {word: a b}}]}"


def test_a_command_is_recorded_and_not_run_and_its_stub_is_read_as_its_output(tmp_path):
    files = one_case(
        "approve: ['*']\n    tools: {count: {exit_code: 3, stderr: no}}", calls=COUNT, tools="count", count=SHELL
    )
    [call] = calls_of(run_project(tmp_path, files)["it"])
    [request] = call.requests
    assert request.argv == ("printf", "%s-", "a b")
    error = json.loads(call.result)["error"]
    assert (error["type"], error["exit_code"], error["stderr"]) == ("exit_code", 3, "no")


def test_live_tools_reach_the_world_and_what_they_sent_is_recorded(tmp_path):
    with Loopback(reply(200, b'{"live": true}', content_type="application/json")) as server:
        cases = """
  - name: it
    args: {input: hi}
    live_tools: true
    approve: ["*"]
    model:
      - tool_calls:
          - {name: get, arguments: {id: "7"}}
          - {name: count, arguments: {word: x}}
          - {name: double, arguments: {n: 4}}
      - {content: done}
"""
        double = """
            description: Doubles.
            parameters: {type: object, properties: {n: {type: integer}}, required: [n]}
            python: sums:double
        """
        files = project(cases, tools="get, count, double", count=SHELL, double=double)
        files["sums.py"] = "def double(n):\n    return 2 * n\n"
        environ = {"ORDERS_URL": f"http://127.0.0.1:{server.port}", "ORDERS_KEY": "k3y-of-orders"}
        it = run_project(tmp_path, files, environ=environ)["it"]
        assert problems_of(it) == []
        got, counted, doubled = calls_of(it)
        assert (json.loads(got.result), counted.result, doubled.result) == ({"live": True}, "x-", "8")
        assert got.requests[0].url.endswith("/orders/7")
        assert ("X-Api-Key", "[secret]") in got.requests[0].headers
        assert counted.requests[0].argv == ("printf", "%s-", "x")
        assert [one.target for one in server.requests] == ["/orders/7"]
        assert server.requests[0].header("X-Api-Key") == "k3y-of-orders"


def test_a_variable_that_a_really_called_tool_misses_leaves_the_case_unmeasured(tmp_path):
    it = run_project(tmp_path, one_case("live_tools: true"))["it"]
    why = "`get` is really called, and the environment variable ORDERS_URL is not set"
    assert (it.status, it.shown.error) == ("unmeasured", why)


def test_a_variable_of_a_tool_that_no_script_calls_is_not_missed(tmp_path):
    files = project("  - {name: it, args: {input: hi}, live_tools: true, model: [{content: done}]}\n")
    assert run_project(tmp_path, files)["it"].status == "passed"


def test_a_live_case_asks_no_model_while_a_tool_that_it_may_call_misses_a_variable(tmp_path):
    live = "  - {name: it, args: {input: hi}, live: true, live_tools: true}\n"
    it = run_project(tmp_path, project(live), environ={"MODEL_KEY": "k"})["it"]
    assert (it.status, it.shown.observed.steps) == ("unmeasured", ())


@pytest.mark.parametrize(
    ("url", "sent"),
    [
        ("${SHOP_URL}/orders/{id}", "http://shop-url.test/orders/7"),
        ("https://${SHOP_HOST}/{id}", "https://shop-host.test/7"),
        ("https://api.${REGION}.example/{id}", "https://api.region.example/7"),
        ("https://${SHOP_HOST}:${SHOP_PORT}/{id}", "https://shop-host.test:80/7"),
        ("https://shop.example/${VERSION}/{id}", "https://shop.example//7"),
        ("${SHOP_URL:-https://shop.example}/{id}", "https://shop.example/7"),
    ],
)
def test_an_address_of_variables_that_are_not_set_gets_a_stand_in_for_stubs(tmp_path, url, sent):
    files = one_case("tools: {get: {json: 1}}")
    files["tools.d/get.yaml"] = GET.replace("${ORDERS_URL}/orders/{id}", f'"{url}"')
    [call] = calls_of(run_project(tmp_path, files)["it"])
    assert [one.url for one in call.requests] == [sent]


@pytest.mark.parametrize(
    ("wiring", "sent"),
    [
        ("headers: {Authorization: 'Bearer ${KEY}'}", {"Authorization": "Bearer unset"}),
        ("headers: {X-Key: '${KEY}', X-Both: '${KEY} of it'}", {"X-Key": "unset", "X-Both": "unset of it"}),
        ("hosts: ['${OTHER_HOST}', '*.${OTHER}', '${PART}.example', '${OTHER}:8080']", {}),
        ("auth: {oauth2: {token_url: '${LOGIN}/token', client_id: '${ID}', client_secret: '${KEY}'}}", {}),
        ("headers: {X-Shop: 'of ${ORDERS_URL}'}", {"X-Shop": "of [secret]"}),
    ],
)
def test_headers_hosts_and_logins_of_variables_that_are_not_set_are_no_matter_of_a_stub(tmp_path, wiring, sent):
    files = one_case("tools: {get: {json: 1}}")
    files["tools.d/get.yaml"] = GET.replace('headers: {X-Api-Key: "${ORDERS_KEY}"}', wiring)
    it = run_project(tmp_path, files)["it"]
    assert (problems_of(it), it.status) == ([], "passed")
    [request] = calls_of(it)[0].requests
    assert sent.items() <= dict(request.headers).items()


@pytest.mark.parametrize(("stubs", "is_problem"), [({"get": StubSpec()}, True), ({}, False)])
def test_a_tool_that_cant_be_made_is_a_problem_of_the_case_or_leaves_it_unmeasured(stubs, is_problem):
    def make():
        raise UsageError("no such host")

    async def call():
        scene = Scene(None, StubBook(stubs), live_tools=True)
        enter(scene)
        with pytest.raises(ModelError):
            await Stage().tool("get", 1.0, make).call({}, None)
        return scene

    scene = asyncio.run(call())
    why = ["the tool `get` can't be made: no such host"]
    assert (list(scene.problems), scene.missing) == ((why, []) if is_problem else ([], why))


def test_with_live_tools_a_stubbed_tool_needs_no_variable(tmp_path):
    assert run_project(tmp_path, one_case("live_tools: true\n    tools: {get: {json: 1}}"))["it"].status == "passed"


def test_a_tool_without_a_stub_fails_the_case_whatever_it_expects(tmp_path):
    it = run_project(tmp_path, one_case("expect: {reason: model_error}"))["it"]
    assert problems_of(it) == ["`get` was called, and has no stub"]


def test_a_delay_beyond_the_tools_own_timeout_is_a_real_timeout(tmp_path):
    files = one_case("tools: {get: {delay: 5}}")
    files["tools.d/get.yaml"] += "    timeout: 0.05\n"
    [call] = calls_of(run_project(tmp_path, files)["it"])
    told = {"type": "timeout", "message": "no result after 0.05 s"}
    assert json.loads(call.result)["error"] == told
    files["tests/desk.test.yaml"] = files["tests/desk.test.yaml"].replace("delay: 5", "error: {type: timeout}")
    [call] = calls_of(run_project(tmp_path, files)["it"])
    assert json.loads(call.result)["error"] == told


AGENT_TOOL = "description: Asks the clerk.\nagent: clerk\n"
CLERK = "model: gpt-y\ndescription: A clerk.\ntools: [get]\n"


def test_an_agent_behind_a_tool_runs_with_the_same_script_unless_it_is_stubbed(tmp_path):
    cases = """
  - name: runs
    args: {input: hi}
    model:
      - tool_calls: [{name: clerk, arguments: {input: where}}]
      - tool_calls: [{name: get, arguments: {id: "7"}}]
      - content: at home
      - content: done
    tools: {get: {json: 7}}
  - name: stubbed
    args: {input: hi}
    model: [{tool_calls: [{name: clerk, arguments: {input: where}}]}, {content: done}]
    tools: {clerk: {result: {said: abroad}}}
"""
    files = project(cases, tools="clerk", clerk=AGENT_TOOL, more_files={"agents/clerk.yaml": CLERK})
    done = run_project(tmp_path, files)
    assert [(call.name, call.depth, call.result) for call in calls_of(done["runs"])] == [
        ("clerk", 0, "at home"),
        ("get", 1, "7"),
    ]
    assert [(call.name, call.result) for call in calls_of(done["stubbed"])] == [("clerk", '{"said":"abroad"}')]


def test_final_and_inline_tools_take_part(tmp_path):
    files = one_case(
        "tools: {inline: {result: 5}}",
        calls="{tool_calls: [{name: inline}]}, {tool_calls: [{name: give, arguments: {n: 1}}]}",
        tools="""give, {name: inline, description: Gives five., python: "five:five"}""",
        give="""
            description: Gives the answer.
            parameters: {type: object, properties: {n: {type: integer}}, required: [n]}
            final: true
        """,
        more_files={"five.py": "def five():\n    raise SystemExit\n"},
    )
    files["tests/desk.test.yaml"] = files["tests/desk.test.yaml"].replace(", {content: done}", "")
    it = run_project(tmp_path, files)["it"]
    assert problems_of(it) == []
    assert it.shown.observed.steps[0].reason == "final_tool"


OAUTH = """
    description: Gets an order.
    parameters: {type: object, properties: {id: {type: string}}, required: [id]}
    http:
      url: ${ORDERS_URL}/orders/{id}
      auth:
        oauth2: {token_url: "${ORDERS_URL}/token", client_id: me, client_secret: "${CLIENT_SECRET}"}
"""


def test_the_token_of_a_stub_is_never_sent_to_a_real_service(tmp_path):
    def answer(arrived):
        body = {"access_token": "real-token-1", "expires_in": 3600} if arrived.target == "/token" else {"ok": 1}
        return reply(200, json.dumps(body), content_type="application/json")

    with Loopback(answer) as server:
        cases = """
  - name: stubbed
    args: {input: hi}
    live_tools: true
    model: [{tool_calls: [{name: get, arguments: {id: "1"}}]}, {content: done}]
    tools: {get: {json: 1}}
  - name: live
    args: {input: hi}
    live_tools: true
    model: [{tool_calls: [{name: get, arguments: {id: "2"}}]}, {content: done}]
"""
        files = project(cases) | {"tools.d/get.yaml": OAUTH}
        environ = {"ORDERS_URL": f"http://127.0.0.1:{server.port}", "CLIENT_SECRET": "s3cret-of-me"}
        done = run_project(tmp_path, files, environ=environ, at_once=1)
        assert {name: one.status for name, one in done.items()} == {"stubbed": "passed", "live": "passed"}
        assert [one.target for one in server.requests] == ["/token", "/orders/2"]
        assert server.requests[1].header("Authorization") == "Bearer real-token-1"
        assert [one.url for one in calls_of(done["live"])[0].requests] == [f"{environ['ORDERS_URL']}/orders/2"]


def test_each_case_begins_the_script_of_its_agent_anew(tmp_path):
    case = "  - {name: %s, args: {input: hi}, expect: {answer: one}}\n"
    files = project("".join(case % name for name in "abc"), tools="")
    files["agents/desk.yaml"] = "model: {api: scripted, script: [{content: one}, {content: two}]}\n"
    done = run_project(tmp_path, files)
    assert [one.shown.observed.steps[0].text for one in done.values()] == ["one", "one", "one"]


def test_the_offline_model_says_the_same_in_each_case(tmp_path):
    files = project("".join(f"  - {{name: {name}, args: {{input: hi}}}}\n" for name in "ab"), tools="")
    files["agents/desk.yaml"] = "model: {api: offline}\n"
    first, second = run_project(tmp_path, files).values()
    assert (first.status, first.shown.observed.messages) == ("passed", second.shown.observed.messages)


def test_a_script_that_has_no_turn_left_fails_the_case_whatever_it_expects(tmp_path):
    failing = "{error: {status: 503}}"
    files = one_case("expect: {reason: model_error}", calls=failing)
    files["tests/desk.test.yaml"] = files["tests/desk.test.yaml"].replace(", {content: done}", "")
    assert problems_of(run_project(tmp_path, files)["it"]) == [
        "the script has 1 turn, and the model was asked once more after a failure"
    ]


def test_the_failures_of_a_script_are_retried_as_the_model_says_and_then_end_the_run(tmp_path):
    three = ", ".join(["{error: {status: 503}}"] * 3)
    files = one_case("expect: {reason: model_error}", calls=three)
    files["tests/desk.test.yaml"] = files["tests/desk.test.yaml"].replace(", {content: done}", "")
    assert run_project(tmp_path, files)["it"].status == "passed"
    assert run_project(tmp_path, one_case("", calls=", ".join(["{error: {status: 429}}"] * 2)))["it"].status == "passed"


def test_what_was_written_for_a_case_and_took_no_part_in_it_is_a_warning(tmp_path):
    files = one_case(
        "tools: {get: [{when: {id: '7'}, json: 1}, {when: {id: '8'}, json: 2}]}",
        calls=f"{CALL}, {{content: early}}",
    )
    assert run_project(tmp_path, files)["it"].shown.warnings == (
        "1 turn of the script was never played",
        "stub 2 of `get` answered no call",
    )


def test_a_case_that_hangs_is_ended_at_its_timeout(tmp_path):
    files = one_case("timeout: 0.05\n    tools: {get: {delay: 20}}")
    it = run_project(tmp_path, files)["it"]
    assert problems_of(it) == ["the case took longer than 0.05 s while waiting for `get`"]
    assert it.duration_s < 10
    assert it.shown.observed.steps[0].reason == "cancelled"


def test_arguments_that_dont_fit_the_agent_fail_the_case(tmp_path):
    files = one_case("tools: {get: {json: 1}}")
    it = run_project(tmp_path, files, change=lambda case: msgspec.structs.replace(case, args={"input": 5}))["it"]
    [problem] = problems_of(it)
    assert problem.startswith("the case's `args` don't fit the agent: input")
