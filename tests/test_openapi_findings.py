"""What `agentrun validate` says about sets of OpenAPI operations, and how documents at a URL are fetched and pinned."""

import hashlib
import json
import os
import stat

import pytest

from agentrun.cli.checking import Checker
from agentrun.online_documents import _fetched
from agentrun.openapi.sources import document_of
from agentrun.project import read_project
from agentrun.spec.types import OpenApiSpec
from loopback_http import Loopback, reply, unused_port
from openapi_crowd import crowd
from openapi_documents import body, document, json_body, parameter
from projects import write_project

ORDERS = document(
    {
        "GET /orders": {"operationId": "listOrders", "parameters": [parameter("shop_id"), parameter("limit")]},
        "POST /orders": {"operationId": "createOrder", "requestBody": json_body({"type": "object"})},
    }
)
KEY = {"type": "apiKey", "in": "header", "name": "X-Key"}
BEARER = {"type": "http", "scheme": "bearer"}
OAUTH = {"type": "oauth2", "flows": {"clientCredentials": {"tokenUrl": "https://a.example/token", "scopes": {}}}}


@pytest.fixture(autouse=True)
def nothing_was_fetched_before():
    _fetched.cache_clear()


def project(folder, spec, written=ORDERS, *, agent="tools: [orders]", **more):
    """A project with one set; `spec` is what stands below `openapi`."""
    return write_project(
        folder,
        {
            "agents/desk.yaml": f"model: gpt-4.1-mini\n{agent}\ndescription: Knows about orders.\n",
            "tools.d/orders.yaml": "openapi:\n" + "".join(f"  {line}\n" for line in spec.split("\n")),
            "api/orders.json": written if isinstance(written, str) else json.dumps(written),
            **more,
        },
    )


def found(folder, environ=(), **more):
    one = read_project(folder, {"HOME": str(folder), **dict(environ)}, **more)
    return [one for one in one.report().diagnostics if one.code not in ("AR420", "AR421")]


def codes(folder, spec="", written=ORDERS, environ=(), **more):
    whole = "\n".join(filter(None, ['spec: ../api/orders.json\nallowed_tools: ["*"]', spec]))
    return [one.code for one in found(project(folder, whole, written, **more), environ)]


def test_a_set_that_is_right_has_no_findings(tmp_path):
    assert codes(tmp_path, 'bind: {shop_id: "7"}', agent='tools: [orders_listOrders, "orders_c*"]') == []


def test_everything_is_told_in_one_pass_at_its_place(tmp_path):
    written = {**ORDERS, "servers": [], "security": [{"key": []}], "components": {"securitySchemes": {"key": KEY}}}
    spec = 'spec: ../api/orders.json\nallowed_tools: [listOrders, listOrder, "tag:x"]\nbind: {shop: 1}'
    told = found(project(tmp_path, spec, written, agent="tools: [orders_list*, orders_drop]"))
    assert [(one.code, one.span.line, one.span.column) for one in told] == [
        ("AR401", 2, 23),
        ("AR627", 2, 9),
        ("AR629", 2, 9),
        ("AR625", 3, 31),
        ("AR625", 3, 42),
        ("AR628", 4, 10),
    ]


SCAN = body("multipart/form-data", {"type": "object", "properties": {"file": {"type": "string", "format": "binary"}}})
BOUND = document(
    {
        "GET /orders": {
            "operationId": "listOrders",
            "parameters": [parameter("limit", schema={"type": "integer", "maximum": 100}), parameter("shop_id")],
        },
        "POST /scans": {"operationId": "addScan", "requestBody": SCAN},
        "GET /scans": {"operationId": "listScans", "parameters": [parameter("limit", schema={"type": "integer"})]},
        "POST /orders": {
            "operationId": "createOrder",
            "requestBody": json_body({"$ref": "#/components/schemas/Order"}),
        },
    },
    components={"schemas": {"Order": {"type": "object", "properties": {"amount": {"type": "number"}}}}},
)


@pytest.mark.parametrize(
    ("allowed", "bind", "severity"),
    [
        ("listOrders", "limit: 100", None),
        ("listOrders", 'limit: "100"', None),
        ("listOrders", "shop_id: 7", None),
        ("listOrders", 'limit: "${LIMIT}"', None),
        ("createOrder", "body: {amount: 5}", None),
        ("addScan", "body: {file: aGk=}", None),
        ("addScan", "body: {file: {text: hi}}", None),
        ("addScan", "body: {file: {text: 5}}", "error"),
        ("listOrders", "limit: 500", "error"),
        ("listOrders", "limit: many", "error"),
        ("createOrder", 'body: {amount: "5"}', "error"),
        ('"list*"', "limit: 500", "warning"),
    ],
)
def test_a_fixed_argument_is_one_that_the_operations_allow(tmp_path, allowed, bind, severity):
    spec = f"spec: ../api/orders.json\nallowed_tools: [{allowed}]\nbind: {{{bind}}}"
    told = found(project(tmp_path, spec, BOUND), {"LIMIT": "5"})
    assert [(one.code, one.severity) for one in told] == ([("AR628", severity)] if severity else [])


@pytest.mark.parametrize(
    ("server", "written", "expected"),
    [
        ("https://b.example", 'auth: {bearer: "${T:-}"}', ["AR813"]),
        ("https://b.example", 'headers: {X-Api-Key: "${T:-}"}', ["AR813"]),
        ("https://b.example", "headers: {X-Trace: all}", []),
        ("https://b.example", "", []),
        ("https://b.example", 'auth: {bearer: "${T:-}"}\nbase_url: https://c.example', []),
        ("https://A.example/v2", 'auth: {bearer: "${T:-}"}', []),
        ("http://a.example", 'auth: {bearer: "${T:-}"}', ["AR806", "AR813"]),
        ("http://localhost:80", 'auth: {bearer: "${T:-}"}', ["AR813"]),
    ],
)
def test_credentials_that_go_to_several_hosts_or_in_the_clear_are_told(tmp_path, server, written, expected):
    operations = {"GET /a": {"operationId": "a"}, "GET /b": {"operationId": "b", "servers": [{"url": server}]}}
    whole = {**document(operations), "servers": [{"url": "https://a.example/v1"}]}
    assert sorted(codes(tmp_path, written, whole)) == expected


@pytest.mark.parametrize(
    ("schemes", "security", "auth", "is_served"),
    [
        ({"a": BEARER}, [{"a": []}], "", False),
        ({"a": BEARER}, [{"a": []}], 'auth: {bearer: "${T}"}', True),
        ({"a": BEARER}, [{"a": []}], 'auth: {basic: {username: a, password: "${T}"}}', False),
        ({"a": BEARER}, [{"a": []}], 'headers: {authorization: "Bearer ${T}"}', True),
        ({"a": BEARER}, [{"a": []}, {}], "", True),
        (
            {"a": BEARER, "b": KEY},
            [{"a": []}, {"b": []}],
            'auth: {api_key: {in: header, name: x-key, value: "${T}"}}',
            True,
        ),
        ({"a": BEARER, "b": KEY}, [{"a": [], "b": []}], 'auth: {bearer: "${T}"}', False),
        ({"a": BEARER, "b": KEY}, [{"a": [], "b": []}], 'auth: {bearer: "${T}"}\nheaders: {X-Key: "${T}"}', True),
        ({"a": {**KEY, "in": "query", "name": "key"}}, [{"a": []}], 'headers: {key: "${T}"}', False),
        ({"a": {**KEY, "in": "cookie"}}, [{"a": []}], 'headers: {Cookie: "X-Key=${T}"}', True),
        ({"a": {"type": "http", "scheme": "basic"}}, [{"a": []}], 'auth: {bearer: "${T}"}', False),
        ({"a": OAUTH}, [{"a": []}], 'auth: {bearer: "${T}"}', True),
        ({"a": {"type": "mutualTLS"}}, [{"a": []}], "", False),
        ({}, [{"gone": []}], "", False),
    ],
)
def test_credentials_are_missed_where_no_alternative_is_served(tmp_path, schemes, security, auth, is_served):
    written = {**ORDERS, "security": security, "components": {"securitySchemes": schemes}}
    assert codes(tmp_path, auth, written, {"T": "a-long-token"}) == ([] if is_served else ["AR627"])


@pytest.mark.parametrize(
    ("scheme", "help"),
    [
        (BEARER, 'write `auth: {bearer: "${ORDERS_TOKEN}"}`'),
        (KEY, 'write `auth: {api_key: {in: header, name: X-Key, value: "${ORDERS_KEY}"}}`'),
        ({"type": "http", "scheme": "basic"}, "write `auth: {basic: {username: "),
        ({**KEY, "in": "cookie"}, 'write `headers: {Cookie: "X-Key=${ORDERS_KEY}"}`'),
        (OAUTH, "write `auth: {oauth2: {token_url: https://a.example/token, client_id: "),
    ],
)
def test_what_is_missed_is_written_out_and_mends_it(tmp_path, scheme, help):
    written = {**ORDERS, "security": [{"a": []}], "components": {"securitySchemes": {"a": scheme}}}
    [told] = found(project(tmp_path, 'spec: ../api/orders.json\nallowed_tools: ["*"]', written))
    assert told.help.startswith(help)
    variables = dict.fromkeys(("TOKEN", "KEY", "USER", "PASSWORD", "ID", "SECRET"), "long-enough")
    environ = {f"ORDERS_{name}": value for name, value in variables.items()}
    assert codes(tmp_path, told.help.removeprefix("write `").removesuffix("`"), written, environ) == []


def test_members_are_known_wherever_functions_are_named(tmp_path):
    agent = """tools: [orders]
permissions: [{ask: orders_dropOrder}, {allow: "orders_list*"}]
tool_choice: orders_listOrder"""
    told = found(project(tmp_path, 'spec: ../api/orders.json\nallowed_tools: ["*"]', agent=agent))
    assert [(one.code, one.span.line) for one in told] == [("AR407", 3), ("AR701", 4)]
    assert told[1].help == "did you mean `orders_listOrders`?"


def test_members_of_a_document_that_cant_be_read_are_taken_on_trust(tmp_path):
    told = found(project(tmp_path, 'spec: ../api/none.json\nallowed_tools: ["*"]', agent="tools: [orders_whatever]"))
    assert [one.code for one in told] == ["AR623"]


def test_a_variable_that_is_not_set_is_the_only_finding(tmp_path):
    spec = 'spec: "${ORDERS_API}"\nallowed_tools: ["*"]'
    assert [one.code for one in found(project(tmp_path, spec, agent="tools: [orders_x]"))] == ["AR510"]


def test_what_a_glob_brings_and_cant_be_expressed_is_left_out_of_the_functions(tmp_path):
    written = document({"GET /a": {"operationId": "a"}, "GET /b": {"operationId": "b", "parameters": [7]}})
    told = found(
        project(tmp_path, 'spec: ../api/orders.json\nallowed_tools: ["*"]', written, agent="tools: [orders_b]")
    )
    assert [(one.code, one.severity) for one in told] == [("AR401", "error"), ("AR626", "warning")]


def test_more_functions_than_a_service_takes_are_told_where_nothing_is_searched(tmp_path):
    spec = 'spec: ../api/orders.json\nallowed_tools: ["*"]'
    assert [one.code for one in found(project(tmp_path, spec, crowd(200)))] == ["AR709"]
    agent = "tools: [orders]\ntool_search: {max_tools: 20}"
    assert found(project(tmp_path, spec, crowd(200), agent=agent)) == []


def test_a_document_is_read_once_for_all_who_ask_and_anew_when_it_was_changed(tmp_path):
    project(tmp_path, 'spec: ../api/orders.json\nallowed_tools: ["*"]')
    spec = OpenApiSpec(spec="orders.json", allowed_tools=["*"])
    first = document_of(spec, tmp_path / "api")
    assert found(tmp_path) == []
    assert document_of(spec, tmp_path / "api") is first
    (tmp_path / "api/orders.json").write_text(json.dumps(document({"GET /x": {}})))
    assert [one.name for one in document_of(spec, tmp_path / "api").operations()] == ["get_x"]


@pytest.mark.parametrize("kind", ["folder", "fifo"])
def test_what_is_no_file_is_not_waited_for(tmp_path, kind):
    project(tmp_path, 'spec: ../api/it\nallowed_tools: ["*"]')
    (tmp_path / "api/it").mkdir() if kind == "folder" else os.mkfifo(tmp_path / "api/it")
    assert [one.code for one in found(tmp_path)] == ["AR623"]


# -- documents at a URL ---------------------------------------------------------------------------------------


def online(folder, environ):
    return [one for one in Checker([folder], environ)(online=True).report.diagnostics if one.code[:4] == "AR62"]


def at_a_url(folder, url, sha256=None):
    pin = f'sha256: "{sha256}"\n' if sha256 else ""
    write_project(
        folder,
        {"tools.d/orders.yaml": "openapi:\n  " + f"{pin}spec: {url}\nallowed_tools: ['*']".replace("\n", "\n  ")},
    )
    return {"HOME": str(folder)}


CONTENT = json.dumps({**ORDERS, "servers": [{"url": "/v2"}]}).encode()
HASH = hashlib.sha256(CONTENT).hexdigest()


def test_without_being_asked_nothing_is_fetched(tmp_path):
    with Loopback(reply(body=CONTENT)) as server:
        environ = at_a_url(tmp_path, f"{server.url}/api.json")
        [told] = found(tmp_path, environ)
        assert (told.code, told.severity) == ("AR624", "error") and "--online" in told.help
        environ = at_a_url(tmp_path, f"{server.url}/api.json", HASH)
        [told] = found(tmp_path, environ)
        assert (told.code, told.severity) == ("AR624", "warning") and "--online" in told.help
        assert server.requests == []


def test_a_hash_that_is_missing_is_told_and_can_be_written(tmp_path):
    with Loopback(reply(body=CONTENT)) as server:
        [told] = online(tmp_path, at_a_url(tmp_path, f"{server.url}/api.json"))
    assert told.code == "AR624" and HASH in told.message
    assert told.fix.edits[0].text.strip() == f'sha256: "{HASH}"' and told.fix.safe


def test_a_pinned_document_is_kept_and_runs_have_it_without_a_network(tmp_path):
    with Loopback(reply(body=CONTENT)) as server:
        environ = at_a_url(tmp_path, f"{server.url}/api.json", HASH)
        assert online(tmp_path, environ) == []
        assert len(server.requests) == 1
        port = server.port
    assert found(tmp_path, environ) == []
    spec = OpenApiSpec(spec=f"http://127.0.0.1:{port}/api.json", allowed_tools=["*"], sha256=HASH)
    [first, _] = document_of(spec, tmp_path, environ).operations()
    assert first.server == f"http://127.0.0.1:{port}/v2"  # relative to where the document came from
    kept = tmp_path / ".local/state/agentrun/openapi" / HASH
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700
    kept.write_bytes(CONTENT + b" ")
    assert [one.code for one in found(tmp_path, environ)] == ["AR624"]  # another document is none


def test_a_document_that_became_another_is_told_and_not_taken(tmp_path):
    with Loopback(reply(body=CONTENT + b" ")) as server:
        environ = at_a_url(tmp_path, f"{server.url}/api.json", HASH)
        told = online(tmp_path, environ)
        assert [(one.code, one.severity) for one in told] == [("AR624", "error")]
        assert hashlib.sha256(CONTENT + b" ").hexdigest() in told[0].message and not told[0].fix.safe
    assert not (tmp_path / ".local").exists()


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (reply(404), "its server answers with status 404"),
        (reply(302, headers=[("Location", "http://localhost.example/x")]), "documents are fetched by https"),
        (reply(302, headers=[("Location", "https://other.example/x")]), "its server sends on to another host"),
        (reply(302, headers=[("Location", "/again")]), "its server sends on too often"),
        (reply(body=b"<html>"), "it is no OpenAPI document"),
    ],
)
def test_what_cant_be_fetched_says_why(tmp_path, answer, message):
    with Loopback(answer) as server:
        [told] = online(tmp_path, at_a_url(tmp_path, f"{server.url}/api.json"))
    assert told.severity == "error" and message in told.message


def test_a_redirect_within_the_host_is_followed(tmp_path):
    def answer(arrived):
        return reply(body=CONTENT) if arrived.target == "/v2.json" else reply(302, headers=[("Location", "/v2.json")])

    with Loopback(answer) as server:
        assert online(tmp_path, at_a_url(tmp_path, f"{server.url}/api.json", HASH)) == []


def test_a_server_that_is_not_there_is_a_finding_and_what_is_kept_is_used(tmp_path):
    with Loopback(reply(body=CONTENT)) as server:
        environ = at_a_url(tmp_path, f"{server.url}/api.json", HASH)
        assert online(tmp_path, environ) == []
    _fetched.cache_clear()
    [told] = online(tmp_path, environ)
    assert (told.code, told.severity) == ("AR624", "warning")
    [told] = online(tmp_path, at_a_url(tmp_path, f"http://127.0.0.1:{unused_port()}/api.json"))
    assert (told.code, told.severity) == ("AR624", "error")


@pytest.mark.parametrize(
    "url", ["http://shop.example.com/api.json", "ftp://127.0.0.1/api.json", "https:///x", "https://[x/"]
)
def test_only_https_and_this_machine_are_asked(tmp_path, url):
    [told] = online(tmp_path, at_a_url(tmp_path, f"'{url}'"))
    assert (told.code, told.severity) == ("AR624", "error") and "can't be fetched" in told.message
