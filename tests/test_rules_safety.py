"""The safety rules against the ways in which a mistake can be spelt, and against files that are right."""

import json

import pytest

from agentrun.cli.formats import FORMATS
from agentrun.project import read_project
from rule_files import ENVIRON, X, codes, codes_of, findings, shell, tool

PROGRAMS = [
    ["sh", "-c", f"grep {X} notes.txt"],
    ["/bin/sh", "-c", f"grep '{X}' notes.txt"],
    ["bash", "-ec", f"cat {X}"],
    ["bash", "-e", "-o", "pipefail", "-c", f"cat {X}"],
    ["bash", "+x", "-c", "-e", f"cat {X}"],
    ["bash", "-c", "--", f"cat {X}"],
    ["bash", "--norc", "-lc", f"cat {X}"],
    ["zsh", "-c", f"cat {X}"],
    ["fish", "--command", f"cat {X}"],
    ["fish", f"--command=cat {X}"],
    ["/usr/bin/env", "bash", "-c", f"cat {X}"],
    ["env", "-i", "sh", "-c", f"cat {X}"],
    ["env", "-u", "HOME", "A=b", "sh", "-c", f"cat {X}"],
    ["env", "-S", f"sh -c {X}"],
    ["env", f"--split-string=cat {X}"],
    ["busybox", "sh", "-c", f"cat {X}"],
    ["timeout", "5", "bash", "-lc", f"cat {X}"],
    ["timeout", "-s", "KILL", "-k", "2", "5", "bash", "-lc", f"cat {X}"],
    ["nice", "-n", "5", "nohup", "sh", "-c", f"cat {X}"],
    ["sudo", "-u", "bob", "--", "sh", "-c", f"cat {X}"],
    ["docker", "exec", "-i", "box", "sh", "-c", f"cat {X}"],
    ["kubectl", "exec", "pod", "--", "/bin/bash", "-c", f"cat {X}"],
    ["xargs", "-0", "sh", "-c", f"cat {X}"],
    ["find", ".", "-exec", "sh", "-c", f"cat {X}", ";"],
    ["unknown-wrapper", "sh", "-c", f"cat {X}"],
    ["su", "bob", "-c", f"cat {X}"],
    ["flock", "lock", "-c", f"cat {X}"],
    ["sh", ["-c", f"cat {X}"]],
    ["sh", "-c", ["cat {{ args.texts | join(' ') }}"]],
    ["sh", "-c", "{% if args.flag %}cat {{ args.x }}{% endif %}"],
    ["sh", "-c", "cat {{ args['x'] | upper }}"],
    ["sh", "-c", "cat {{ args | tojson }}"],
    ["sh", "-c", "cat {{ args.loose }}"],
    ["sh", "-c", "{{ args.code }}"],
    ["python3", "-c", f"print('{X}')"],
    ["/usr/bin/python3.12", "-I", "-c", f"print('{X}')"],
    ["python3", "-Ic", f"print('{X}')"],
    ["python3", f"-cprint('{X}')"],
    ["python3", "-W", "ignore", "-c", f"print('{X}')"],
    ["node", "-e", f"console.log('{X}')"],
    ["node", f"--eval=console.log('{X}')"],
    ["node", "--require", "x", "-p", X],
    ["perl", "-ne", f"print if /{X}/", "notes.txt"],
    ["perl", "-w", "-e", f"print '{X}'"],
    ["ruby", "-e", f"puts '{X}'"],
    ["php", "-r", f"echo '{X}';"],
    ["deno", "eval", f"console.log('{X}')"],
    ["pwsh", "-NoProfile", "-Command", f"dir {X}"],
    ["awk", f"/{X}/ {{print}}", "notes.txt"],
    ["awk", "-F", ",", "-v", "a=1", f'$1 == "{X}"', "notes.txt"],
    ["gawk", "--source", f"/{X}/", "notes.txt"],
    ["sed", "-n", f"/{X}/p", "notes.txt"],
    ["sed", "-e", f"s/a/{X}/", "notes.txt"],
    ["sed", f"--expression=s/a/{X}/", "notes.txt"],
    ["ssh", "host.example.com", f"ls {X}"],
    ["ssh", "-p", "22", "host.example.com", "ls", "--", X],
    ["watch", "-n", "1", f"ls {X}"],
    ["timeout", "5", X],
    ["env", "A=b", X],
    ["env", X, "ls"],
    ["xargs", X],
    ["find", ".", "-exec", X, "{}", ";"],
    ["bash", X],
    ["python3", X, "--verbose"],
    ["sh", "-c", 'eval "$1"', "sh", X],
    ["sh", "-c", "cd /srv && eval ls $1", "sh", X],
    ["sh", "-c", 'sh -c "$2"', "sh", "a", X],
    ["sh", "-c", '"$@"', "sh", X],
    ["sh", "-c", "true; exec $1", "sh", X],
]


@pytest.mark.parametrize("command", PROGRAMS, ids=json.dumps)
def test_a_value_that_becomes_a_program_is_found(command, tmp_path):
    assert "AR803" in codes_of(tmp_path, shell(command))


HARMLESS = [
    ["sh", "-c", 'grep "$1" notes.txt', "sh", "{{ args.word }}"],
    ["sh", "-c", 'grep -- "$1" notes.txt', "sh", "--", X],
    ["sh", "-c", 'exec "$@"', "sh", "grep", "--", X],
    ["sh", "-c", "sleep {{ args.count }}"],
    ["sh", "-c", "ls {{ args.kind }} {{ args.word }} {{ args.either }}"],
    ["sh", "-c", "ls {{ '-a' if args.flag else '-l' }}"],
    ["sh", "-c", "echo {{ run.date }}"],
    ["sh", "notes.sh", "-c", f"at {X}"],
    ["python3", "report.py", "-c", f"city {X}"],
    ["python3", "-m", "report", "-c", f"city {X}"],
    ["python3", "-c", "import sys; print(sys.argv[1])", "--", X],
    ["node", "report.js", "-e", f"city {X}"],
    ["sed", "-n", "{{ args.count }},{{ args.least }}p", "--", X],
    ["sed", "--sandbox", "-n", f"/{X}/p", "notes.txt"],
    ["awk", "-v", f"city={X}", "$1 == city", "notes.txt"],
    ["awk", "-f", "report.awk", "--", X],
    ["gawk", "--sandbox", f"/{X}/", "notes.txt"],
    ["grep", "-c", f"--regexp={X}", "notes.txt"],
    ["grep", "-e", "sh", "--", X],
    ["git", "-c", "color.ui=never", "log", "--", X],
    ["git", "log", f"--grep={X}"],
    ["jq", f"--arg=x={X}", ".[$x]", "notes.json"],
    ["curl", "-sS", "-d", f"q={X}", "https://shop.example.com"],
    ["find", ".", "-name", "*.md", "-exec", "grep", f"--regexp={X}", "{}", ";"],
    ["timeout", "{{ args.least }}", "make", "report"],
    ["env", f"CITY={X}", "report"],
    ["docker", "run", "image", "report", f"--city={X}"],
]


@pytest.mark.parametrize("command", HARMLESS, ids=json.dumps)
def test_a_value_that_stays_data_is_none(command, tmp_path):
    assert codes_of(tmp_path, shell(command)) == []


def test_the_place_is_the_template_that_takes_the_value(tmp_path):
    text = "description: Finds.\nparameters: {type: object, properties: {x: {type: string}, n: {type: integer}}}\n"
    text += "shell: {command: [sh, -c, 'head -n {{ args.n }} {{ args.x | trim }}']}\n"
    assert findings(tmp_path, {"tools.d/t.yaml": text}) == [("AR803", "{{ args.x | trim }}")]


@pytest.mark.parametrize(
    "command", [["bash"], ["bash", "-s", "a"], ["python3", "-"], ["sh", "-eu"], ["timeout", "5", "sh"]]
)
def test_a_program_on_standard_input_is_found(command, tmp_path):
    assert codes_of(tmp_path, shell(command, stdin="{{ args.x }}")) == ["AR803"]


def test_what_a_program_of_the_authors_reads_is_none(tmp_path):
    assert codes_of(tmp_path, shell(["python3", "count.py"], stdin="{{ args.x }}")) == []
    assert codes_of(tmp_path, shell(["sh", "-c", "wc -w"], stdin="{{ args.x }}")) == []


def test_xargs_that_writes_its_input_into_a_program_is_found(tmp_path):
    command = ["xargs", "-I", "{}", "sh", "-c", "grep {} notes.txt"]
    assert codes_of(tmp_path, shell(command, stdin="{{ args.x }}")) == ["AR803"]
    command = ["xargs", "sh", "-c", 'grep -- "$1" notes.txt', "sh"]
    assert codes_of(tmp_path, shell(command, stdin="{{ args.x }}")) == []


@pytest.mark.parametrize("script", ['eval "$X"', "sh -c $X", 'bash -ec "ls $X"', "$X --all", "true; ${X}"])
def test_a_script_that_runs_a_value_is_found(script, tmp_path):
    assert codes_of(tmp_path, tool({"shell": {"script": f"set -e\n{script}\n", "env": {"X": X}}})) == ["AR803"]


@pytest.mark.parametrize("script", ['grep -- "$X" notes.txt', "sh -c 'grep \"$X\" a'", 'case "$X" in a) ls;; esac'])
def test_a_script_that_reads_a_value_is_none(script, tmp_path):
    assert codes_of(tmp_path, tool({"shell": {"script": f"set -e\n{script}\n", "env": {"X": X}}})) == []


@pytest.mark.parametrize(
    "held", [{"sandbox": True}, {"sandbox": {"network": False}}, {"more": {"require_approval": "always"}}]
)
def test_an_interpreter_that_is_meant_and_held_is_none(held, tmp_path):
    assert codes_of(tmp_path, shell(["python3", "-c", "{{ args.code }}"], **held)) == []
    assert codes_of(tmp_path, shell(["bash", "-c", "cd /srv && {{ args.code }}"], **held)) == []
    assert codes_of(tmp_path, shell(["bash", "-c", "grep {{ args.x }} notes"], **held)) == ["AR803"]


# -- options --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command",
    [
        ["ls", X],
        ["ls", "-l", "a", "{{ args.texts }}"],
        ["ls", "-l", "a", "{{ args.loose }}"],
        ["grep", "-e", X],
        ["seq", "{{ args.count }}"],
        ["ls", ["a", X]],
        ["ls", "{% if args.flag %}{{ args.x }}{% endif %}"],
        ["expand", X],
    ],
    ids=json.dumps,
)
def test_a_value_that_could_be_an_option_is_hinted_at(command, tmp_path):
    assert codes_of(tmp_path, shell(command)) == ["AR804"]


@pytest.mark.parametrize(
    "command",
    [
        ["ls", "--", X],
        ["ls", "--", ["a", X]],
        ["ls", f"./{X}"],
        ["ls", f"--sort={X}"],
        ["ls", "{{ args.kind }}", "{{ args.word }}", "{{ args.either }}", "{{ args.flag }}"],
        ["head", "-n", "{{ args.count }}"],
        ["seq", "{{ args.least }}"],
        ["echo", X],
        ["find", X, "-name", "*.md"],
    ],
    ids=json.dumps,
)
def test_a_value_that_can_be_none_is_not_hinted_at(command, tmp_path):
    assert codes_of(tmp_path, shell(command)) == []


# -- addresses ------------------------------------------------------------------------------------------------

URL = "{{ args.url }}"


@pytest.mark.parametrize(
    "command",
    [
        ["curl", "-sS", URL],
        ["/usr/bin/curl", "-sS", "--max-time", "5", "--", URL],
        ["curl", "-o", "page.html", "https://a.example.com", URL],
        ["curl", "--url", URL],
        ["curl", f"--url={URL}"],
        ["curl", "https://{{ args.host }}/status"],
        ["curl", "https://{{ args.host }}.example.com/status"],
        ["curl", "https://example.com{{ args.x }}"],
        ["timeout", "5", "wget", "-q", "-O-", URL],
        ["http", "GET", URL],
        ["lynx", "-dump", URL],
        ["git", "clone", "--depth", "1", "--", URL, "work"],
        ["git", "-C", "work", "ls-remote", URL],
        ["ssh", "{{ args.host }}", "uptime"],
        ["rsync", "{{ args.host }}:notes.txt", "."],
        ["sh", "-c", 'curl -s "$1"', "sh", URL],
    ],
    ids=json.dumps,
)
def test_an_address_that_the_model_chooses_is_found(command, tmp_path):
    assert "AR805" in codes_of(tmp_path, shell(command))


@pytest.mark.parametrize(
    "command",
    [
        ["curl", "-sS", "https://example.com/{{ args.x }}"],
        ["curl", "-sS", "-d", f"{X}", "--", "https://example.com"],
        ["curl", "-sS", "{{ args.ours }}"],
        ["curl", "https://{{ args.kind }}.example.com/"],
        ["curl", "https://example.com:{{ args.least }}/"],
        ["git", "log", "--", URL],
        ["git", "clone", "https://git.example.com/{{ args.x }}"],
        ["rsync", "--", X, "backup.example.com:notes"],
        ["grep", "--", URL],
    ],
    ids=json.dumps,
)
def test_an_address_of_the_authors_is_none(command, tmp_path):
    assert "AR805" not in codes_of(tmp_path, shell(command))


def test_in_a_sandbox_without_network_no_address_is_reached(tmp_path):
    assert codes_of(tmp_path, shell(["curl", "--", URL], sandbox=True)) == []
    assert codes_of(tmp_path, shell(["curl", "--", URL], sandbox={"network": True})) == ["AR805"]


def test_a_script_that_fetches_an_address_of_the_models_is_found(tmp_path):
    script = tool({"shell": {"script": 'curl -sS "$URL"\n', "env": {"URL": URL}}})
    assert codes_of(tmp_path, script) == ["AR805"]
    script = tool({"shell": {"script": 'curl -d "$TEXT" https://a.example.com\n', "env": {"TEXT": X}}})
    assert codes_of(tmp_path, script) == []


# -- credentials ----------------------------------------------------------------------------------------------


def http(url="https://shop.example.com/find", **keys):
    return json.dumps({"description": "Finds.", "http": {"url": url, **keys}})


BEARER = {"auth": {"bearer": "${SHOP_KEY}"}}


@pytest.mark.parametrize(
    "host",
    [
        "shop.example.com",
        "shop.example.com:8080",
        "8.8.8.8",
        "[2606:4700::1111]",
        "localhost.example.com",
        "a.internal.com",
    ],
)
def test_credentials_over_plain_http_are_found(host, tmp_path):
    assert codes_of(tmp_path, http(f"http://{host}/find", **BEARER)) == ["AR806"]
    assert codes_of(tmp_path, http(f"https://{host}/find", **BEARER)) == []
    assert codes_of(tmp_path, http(f"http://{host}/find")) == []
    assert codes_of(tmp_path, http("/find", base_url=f"HTTP://{host}", headers={"X-Auth-Token": "${SHOP_KEY}"})) == [
        "AR806"
    ]


@pytest.mark.parametrize(
    "host",
    [
        "localhost:8000",
        "127.0.0.1",
        "127.9.9.9",
        "[::1]:8000",
        "orders",
        "orders:80",
        "orders.internal",
        "nas.local",
        "10.0.0.1",
        "192.168.1.1",
        "[fd00::1]",
        "box.tail1234.ts.net",
        "orders.shop.svc.cluster.local",
        "api.localhost",
    ],
)
def test_plain_http_to_a_place_near_by_is_none(host, tmp_path):
    assert codes_of(tmp_path, http(f"http://{host}/find", **BEARER)) == []


def test_an_address_that_an_unset_variable_leaves_open_is_not_judged(tmp_path):
    assert codes_of(tmp_path, http("http://${NOWHERE}/find", **BEARER)) == []


def test_a_fallback_with_a_key_over_plain_http_is_found(tmp_path):
    fallback = {"name": "b", "base_url": "http://models.example.com/v1", "api_key": "${SHOP_KEY}"}
    agent = json.dumps({"model": {"name": "a", "fallback": [fallback, "c"]}})
    assert codes(tmp_path, {"agents/a.yaml": agent}) == ["AR806"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"api_key": "${SHOP_KEY}"}, ["AR807"]),
        ({"key": "${SHOP_KEY}"}, ["AR807"]),
        ({"appid": "x${SHOP_KEY:-}"}, ["AR807"]),
        ({"q": "${SHOP_TOKEN:-}"}, ["AR807"]),
        ({"access_token": "4711-0815"}, ["AR811"]),
        ({"apiKey": "4711-0815"}, ["AR811"]),
        ({"key": "name"}, []),
        ({"token": "{{ args.x }}"}, []),
        ({"page_token": "${SHOP_PAGE:-}"}, []),
        ({"api_key": "DEMO_KEY"}, []),
        ({"max_tokens": 5}, []),
    ],
    ids=json.dumps,
)
def test_credentials_in_the_query_are_found(query, expected, tmp_path):
    assert codes_of(tmp_path, tool({"http": {"url": "https://shop.example.com/find", "query": query}})) == expected


def test_credentials_in_the_query_of_a_url_are_found_where_they_stand(tmp_path):
    text = 'description: Finds.\nhttp: {url: "https://shop.example.com/find?a=1&key=${SHOP_KEY}&b=2"}\n'
    assert findings(tmp_path, {"tools.d/t.yaml": text}) == [("AR807", "key=${SHOP_KEY}")]


@pytest.mark.parametrize(
    "value", ["none", "dummy", "EMPTY", "not-needed", "ollama", "sk-no-key-required", "xxx", "", "lm-studio"]
)
def test_a_text_in_place_of_a_key_that_is_none_is_none(value, tmp_path):
    agent = json.dumps({"model": {"name": "a", "base_url": "http://gpu:8000/v1", "api_key": value}})
    assert codes(tmp_path, {"agents/a.yaml": agent}) == []


def test_a_short_key_of_a_service_on_this_machine_is_none(tmp_path):
    agent = {"model": {"name": "a", "base_url": "http://127.0.0.1:4000/v1", "api_key": "sk-1234"}}
    assert codes(tmp_path, {"agents/a.yaml": json.dumps(agent)}) == []
    agent["model"]["base_url"] = "https://models.example.com/v1"
    assert codes(tmp_path, {"agents/a.yaml": json.dumps(agent)}) == ["AR811"]


@pytest.mark.parametrize(
    "keys",
    [
        {"auth": {"bearer": "apples"}},
        {"auth": {"basic": {"username": "a", "password": "apples"}}},
        {"auth": {"api_key": {"in": "header", "name": "X", "value": "apples"}}},
        {"headers": {"Authorization": "Bearer apples"}},
        {"headers": {"Ocp-Apim-Subscription-Key": "apples"}},
        {"headers": {"PRIVATE-TOKEN": "apples"}},
    ],
    ids=json.dumps,
)
def test_a_credential_that_is_written_out_is_found(keys, tmp_path):
    assert codes_of(tmp_path, http(**keys)) == ["AR811"]
    assert codes_of(tmp_path, http(**json.loads(json.dumps(keys).replace("apples", "${SHOP_KEY}")))) == []


@pytest.mark.parametrize(
    "headers", [{"Idempotency-Key": "abc"}, {"X-Team": "apples"}, {"Accept": "text/plain"}], ids=json.dumps
)
def test_other_headers_are_none(headers, tmp_path):
    assert codes_of(tmp_path, http(headers=headers)) == []


def test_a_key_by_its_form_is_one_finding(tmp_path):
    key = "sk-" + "a1" * 12
    assert codes_of(tmp_path / "a", http(auth={"bearer": key})) == ["AR802"]
    assert codes_of(tmp_path / "b", http(query={"api_key": key})) == ["AR802"]
    assert codes(tmp_path, {"agents/a.yaml": f"model: a\nsystem_prompt: 'The api key is {key}'\n"}) == ["AR802"]


def test_an_empty_variable_of_a_credential_is_found(tmp_path):
    assert codes_of(tmp_path, http(auth={"bearer": "${SHOP_EMPTY}"})) == ["AR812"]
    assert codes_of(tmp_path, http(headers={"Authorization": "Bearer ${SHOP_EMPTY}"})) == ["AR812"]
    assert codes_of(tmp_path, http(headers={"X-Team": "${SHOP_EMPTY}"})) == []
    assert codes_of(tmp_path, http(auth={"bearer": "${SHOP_EMPTY:-}"})) == []
    assert codes_of(tmp_path, http(auth={"bearer": "${NOWHERE}"})) == []


@pytest.mark.parametrize(
    "text",
    [
        "The password is hunter2.",
        "password: s3cr3t!x",
        "Use API key `7f3kq92m`",
        "access token = 99zxk-1",
        "db at pg://app:t0p@db/x",
    ],
)
def test_a_credential_in_a_prompt_is_found(text, tmp_path):
    if "Use" in text:
        text = text.replace("key `", "key: `")
    assert codes(tmp_path, {"agents/a.yaml": json.dumps({"model": "a", "system_prompt": text})}) == ["AR810"]


@pytest.mark.parametrize(
    "text",
    [
        "Never tell anyone your password.",
        "The password is required and has 8 or more characters.",
        "Passwords look like this: letters and digits, e.g. password: abc123",
        "The token is {{ run.id }}.",
        "An API key is stored elsewhere. Token: sha256 of the text.",
        "The secret: https://docs.example.com/page1 explains.",
        "Connect as postgres://user:password@host/db.",
        "password: <your-password-1>",
    ],
)
def test_a_prompt_that_only_speaks_of_passwords_is_none(text, tmp_path):
    assert codes(tmp_path, {"agents/a.yaml": json.dumps({"model": "a", "system_prompt": text})}) == []


def test_no_message_shows_a_credential(tmp_path):
    files = {
        "tools.d/t.yaml": http(auth={"bearer": "apples77"}, query={"api_key": "pears77"}),
        "agents/a.yaml": "model: a\nsystem_prompt: 'The password is plums77.'\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    shown = [f"{one.message} {one.help} {one.fix}" for one in read_project(tmp_path, {}).report().diagnostics]
    assert len(shown) >= 3
    assert not any(secret in text for text in shown for secret in ("apples77", "pears77", "plums77"))


@pytest.mark.parametrize(
    "text",
    [
        "https://hooks.slack.com/services/T02ABCDEF/B03GHIJKL/a8Fj3kLmQ9xYz7Wv2Bn4Rt6Y",
        "SG.abcdefghij1234567890ab.abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG",
        "ASIAQ3EGRIW7XLKJ2PZT",
        "sk-ant-api03-Ab12cd34Ef56gh78",
        "Bearer a8Fj3kLmQ9xYz7Wv2B",
        "https://api.telegram.org/bot123456789:AAa1B2ca1B2ca1B2ca1B2ca1B2ca1B2cxyz/send",
        "glpat-a8Fj3kLmQ9xYz7Wv2Bn4",
        "hvs.CAESIA8Fj3kLmQ9xYz7Wv2Bn4",
    ],
)
def test_a_key_of_a_provider_is_found(text, tmp_path):
    assert codes(tmp_path, {"agents/a.yaml": json.dumps({"model": "a", "system_prompt": f"Use {text}"})}) == ["AR802"]


@pytest.mark.parametrize(
    "text",
    [
        "Never echo keys such as sk-xxxxxxxxxxxxxxxxxxxxxxxx.",
        "Ids look like AKIAIOSFODNN7EXAMPLE.",
        "Send `Authorization: Bearer YOUR_ACCESS_TOKEN_HERE`.",
        "Use Bearer authentication-for-all-calls.",
        '{"token": "abc123"}',
        "secret: k8s-secret",
        "password = input1()",
        "token: JWT_RS256",
        "API key = API_KEY_V2",
        "Token: ISO8601 date",
        "The token is max_tokens=4096",
        "amqp://guest:guest@localhost:5672",
    ],
)
def test_what_only_looks_like_a_key_is_none(text, tmp_path):
    assert codes(tmp_path, {"agents/a.yaml": json.dumps({"model": "a", "system_prompt": text})}) == []


def test_a_dummy_key_over_plain_http_is_none(tmp_path):
    model = {"name": "a", "base_url": "http://gpu.lab.example.com/v1", "api_key": "EMPTY"}
    assert codes(tmp_path, {"agents/a.yaml": json.dumps({"model": model})}) == []
    model["api_key"] = "${SHOP_KEY}"
    assert codes(tmp_path, {"agents/a.yaml": json.dumps({"model": model})}) == ["AR806"]


def test_a_key_of_a_short_name_is_known_by_its_look(tmp_path):
    assert codes_of(tmp_path, http("https://a.example.com/?sv=1&sig=abc1Bdefghij3Dxyz")) == ["AR811"]
    assert codes_of(tmp_path, http(query={"appid": "0123456789abcdef0123456789abcdef"})) == ["AR811"]
    assert codes_of(tmp_path, http(query={"key": "name", "appid": "shop-web-1", "sig": "no"})) == []


SECRET = "hunter2hunter2"


@pytest.mark.parametrize(
    "text",
    [
        http(auth={"bearer": f"${{NOWHERE:-{SECRET}}}"}),
        http(auth={"bearer": f"${{SHOP_KEY:-{SECRET}}}"}),
        http(auth={"bearer": f"${{A:-${{B:-{SECRET}}}}}"}),
        http(headers={"Authorization": f"Bearer ${{NOWHERE:-{SECRET}}}"}),
        http(method="POST", json={"user": {"password": SECRET}}),
        http(method="POST", json=[{"api_key": SECRET}]),
        http(method="POST", form={"client_secret": SECRET}),
        shell(["env"], env={"DB_PASSWORD": f"${{DBP:-{SECRET}}}"}),
        shell(["mysql", f"--password={SECRET}"]),
        shell(["mysql", "--password", SECRET]),
        shell(["curl", "-u", f"bob:{SECRET}", "https://shop.example.com/"]),
        shell(["env", f"DB_PASSWORD={SECRET}", "make"]),
        shell(["sh", "-c", f"curl -s -u bob:{SECRET} https://shop.example.com/"]),
        tool({"shell": {"script": f"export DB_PASSWORD={SECRET}"}}),
        tool({"shell": {"script": f"cd /srv\nmysql --password='{SECRET}' < a.sql\n"}}),
    ],
)
def test_a_credential_is_found_wherever_it_is_written_out(text, tmp_path):
    found = [one for one in findings(tmp_path, {"tools.d/t.yaml": text}) if one[0].startswith("AR8")]
    assert [code for code, _ in found] == ["AR811"]
    assert SECRET in found[0][1]


@pytest.mark.parametrize(
    "text",
    [
        http(auth={"bearer": "${SHOP_KEY:-}"}),
        http(auth={"bearer": "${SHOP_KEY:-none}"}),
        http(auth={"bearer": "${SHOP_KEY:-changeme}"}),
        http("http://127.0.0.1:80/", auth={"bearer": "${SHOP_KEY:-local-1234}"}),
        http(headers={"Authorization": "${SCHEME:-Bearer} ${SHOP_KEY}"}),
        http(headers={"X-Team": "${TEAM:-hunter2hunter2}"}),
        http(method="POST", json={"password": "{{ args.x }}", "token": "dummy", "next_token": SECRET, "secret": True}),
        http(method="POST", json={"password": {"type": "string"}, "required": ["password"]}),
        shell(["mysql", "--password={{ args.x }}"]),
        shell(["tool", "--token-file=/etc/token1234", "--secret=shop-secret", "--max-tokens=4096"]),
        shell(["docker", "run", "-u", "bob:group1234", "image"]),
        tool({"shell": {"script": 'export DB_PASSWORD="$PW"\nTOKEN=$(cat token1)\ncurl -u "bob:$PW1" a.example.com'}}),
        tool({"shell": {"script": "SECRET=/run/secrets/db1\ncurl -u bob:${PASSWORD1} a.example.com"}}),
    ],
)
def test_what_stands_in_place_of_a_credential_is_none(text, tmp_path):
    assert "AR811" not in codes_of(tmp_path, text)


@pytest.mark.parametrize("format", ["text", "json", "github"])
def test_no_line_with_a_written_out_credential_is_shown(format, tmp_path):
    script = f"      export DB_PASSWORD={SECRET}\n      curl -u bob:{SECRET} https://a.example.com/\n"
    text = "description: Runs.\nshell:\n  script: |\n" + script + f'  env: {{DB_PASSWORD: "${{PW:-{SECRET}}}"}}\n'
    (tmp_path / "tools.d").mkdir()
    (tmp_path / "tools.d" / "t.yaml").write_text(text, encoding="utf-8")
    report = read_project(tmp_path, {}).report()
    assert {one.span.line for one in report.diagnostics if one.code == "AR811"} == {4, 5, 6}
    assert SECRET not in FORMATS[format](report, 1)


@pytest.mark.parametrize("userinfo", ["u:p", "u:${PW}", "${USER}:${PW}", "${TOK:-abc}"])
def test_credentials_in_an_address_are_found_whether_or_not_they_are_set(userinfo, tmp_path):
    url = f"https://{userinfo}@shop.example.com"
    assert codes(tmp_path / "a", {"tools.d/t.yaml": http(f"{url}/find")}, "AR608") == ["AR608"]
    assert codes(tmp_path / "b", {"tools.d/t.yaml": http("/find", base_url=url)}, "AR608") == ["AR608"]
    agent = json.dumps({"model": {"name": "a", "base_url": url, "fallback": [{"name": "b", "base_url": url}]}})
    assert codes(tmp_path / "c", {"agents/a.yaml": agent}, "AR608") == ["AR608", "AR608"]
    assert codes(tmp_path / "c", {"agents/a.yaml": agent}) == []


@pytest.mark.parametrize("url", ["https://${HOST}/a@b", "https://${HOST}/?mail=a@b", "${BASE}/a@b"])
def test_an_at_sign_behind_the_host_is_none(url, tmp_path):
    assert codes(tmp_path, {"tools.d/t.yaml": http(url)}, "AR608") == []


def test_a_key_that_is_not_set_goes_over_plain_http_too(tmp_path):
    model = {"name": "a", "base_url": "http://llm.example.com/v1", "api_key": "${NOWHERE}"}
    assert codes(tmp_path, {"agents/a.yaml": json.dumps({"model": model})}) == ["AR806"]
    model["api_key"] = "${NOWHERE:-}"
    assert codes(tmp_path, {"agents/a.yaml": json.dumps({"model": model})}) == []


# -- exposure -------------------------------------------------------------------------------------------------

TOOLS = {
    "find_customer": {"http": {"url": "https://crm.example.com/", "auth": {"bearer": "${SHOP_KEY}"}}},
    "read_ticket": {"http": {"url": "https://tickets.example.com/"}},
    "send_mail": {"http": {"url": "https://mail.example.com/", "method": "POST"}},
    "read_files": {"shell": {"command": ["cat", "notes.txt"]}, "read_only": True},
    "make": {"shell": {"command": ["make", "all"]}},
    "make_in_a_box": {"shell": {"command": ["make", "all"], "sandbox": True}},
    "say": {"shell": {"command": ["echo", "done"]}},
    "record": {"final": True},
    "fetch": {"shell": {"command": ["curl", "--", "{{ args.url }}"]}, "read_only": True},
    "search": {"http": {"url": "https://crm.example.com/", "method": "POST", "auth": {"bearer": "${SHOP_KEY}"}}},
}


def exposure(folder, tools, agents=None, changes=None, **keys):
    files = {f"agents/{name}.yaml": json.dumps(agent) for name, agent in (agents or {}).items()}
    files["agents/a.yaml"] = json.dumps({"model": "a", "tools": tools, **keys})
    for name, backend in TOOLS.items():
        files[f"tools.d/{name}.yaml"] = json.dumps(
            {
                "description": "Does it.",
                "parameters": {"type": "object", "properties": {"url": {"type": "string"}}},
                **backend,
                **(changes or {}).get(name, {}),
            }
        )
    return [found for found in findings(folder, files) if found[0] in ("AR808", "AR809")]


THREE = ["find_customer", "read_ticket", "send_mail"]


def test_the_three_together_are_found_at_the_way_out(tmp_path):
    assert exposure(tmp_path, THREE) == [("AR808", '"send_mail"')]


@pytest.mark.parametrize("missing", THREE)
def test_two_of_them_are_not_the_three(missing, tmp_path):
    # An answer of find_customer is untrusted as well.
    expected = {"find_customer": [("AR809", '"send_mail"')], "read_ticket": [("AR808", '"send_mail"')], "send_mail": []}
    assert exposure(tmp_path, [name for name in THREE if name != missing]) == expected[missing]


@pytest.mark.parametrize("stated", ["always", "never", "auto", "{{ args.url == 'a' }}"])
def test_a_stated_approval_is_a_decision(stated, tmp_path):
    assert exposure(tmp_path, THREE, changes={"send_mail": {"require_approval": stated}}) == []
    assert exposure(tmp_path, [*THREE[:2], {"extends": "send_mail", "require_approval": stated}]) == []


@pytest.mark.parametrize(
    ("rules", "is_decided"),
    [
        ([{"ask": "send_mail"}], True),
        ([{"ask": "send_*", "when": "{{ args.url == 'a' }}"}], True),
        ([{"deny": "send_*"}], True),
        ([{"allow": "send_mail"}], True),
        ([{"allow": "*"}, {"ask": "send_mail"}], False),
        ([{"ask": "find_*"}], False),
        ([], False),
    ],
    ids=json.dumps,
)
def test_a_permission_is_a_decision_where_it_decides(rules, is_decided, tmp_path):
    assert (exposure(tmp_path, THREE, permissions=rules) == []) == is_decided


def test_a_tool_that_is_denied_is_not_there(tmp_path):
    assert exposure(tmp_path, THREE, permissions=[{"deny": "find_*"}]) == [("AR809", '"send_mail"')]


@pytest.mark.parametrize(
    ("tools", "expected"),
    [
        (["read_files", "read_ticket", "send_mail"], ["AR808"]),
        (["read_files", "read_ticket", "make"], ["AR808"]),
        (["read_files", "read_ticket", "make_in_a_box"], []),
        (["read_files", "read_ticket", "say", "record"], []),
        (["read_files", "read_ticket", "fetch"], ["AR808"]),
        (["read_files", "send_mail"], []),
        (["search"], []),
        (["search", "read_ticket"], ["AR809"]),
        (["read_ticket", "make"], ["AR809"]),
        (["read_ticket", "make_in_a_box", "say", "record"], []),
    ],
    ids=json.dumps,
)
def test_what_counts_as_private_and_as_a_way_out(tools, expected, tmp_path):
    assert [code for code, _ in exposure(tmp_path, tools)] == expected


def test_what_changes_nothing_is_no_way_out(tmp_path):
    assert exposure(tmp_path, THREE, changes={"send_mail": {"read_only": True}}) == []


def test_tools_of_an_agent_behind_a_tool_count(tmp_path):
    writer = {"model": "a", "tools": ["send_mail"]}
    assert exposure(tmp_path, [*THREE[:2], {"agent": "w"}], {"w": writer}) == [("AR808", '{"agent": "w"}')]
    asked = {"agent": "w", "require_approval": "always"}
    assert exposure(tmp_path, [*THREE[:2], asked], {"w": writer}) == []


def test_what_an_agent_behind_a_tool_has_by_itself_is_its_own_finding(tmp_path):
    writer = {"model": "a", "tools": THREE}
    assert exposure(tmp_path, ["read_ticket", {"agent": "w"}], {"w": writer}) == [("AR808", '"send_mail"')]


@pytest.mark.parametrize(
    ("host", "expected"),
    [("*.docs.example.com", []), ("*.example.com", []), ("*.github.io", ["AR808"]), ("*.com", ["AR808"])],
)
def test_pages_of_hosts_of_ones_own_are_no_way_out(host, expected, tmp_path):
    pages = {"http": {"url": "{url}", "hosts": [host]}}
    found = exposure(tmp_path, ["find_customer", "read_ticket", "send_mail"], changes={"send_mail": pages})
    assert [code for code, _ in found] == expected


def test_what_reads_is_named_as_the_untrusted_content(tmp_path):
    exposure(tmp_path, ["find_customer", "send_mail", "make", "read_ticket"])
    messages = [one.message for one in read_project(tmp_path, ENVIRON).report().diagnostics if one.code == "AR808"]
    assert "untrusted content (`read_ticket`)" in messages[0]


@pytest.mark.parametrize("tools", [THREE, ["read_files", "read_ticket", "fetch"], ["read_ticket", "make"]])
def test_the_help_is_short(tools, tmp_path):
    exposure(tmp_path, tools)
    found = [one for one in read_project(tmp_path, ENVIRON).report().diagnostics if one.code in ("AR808", "AR809")]
    assert found
    assert all(len(one.help) < 125 for one in found)


def test_agents_in_a_circle_end(tmp_path):
    other = {"model": "a", "tools": [{"agent": "a"}, "send_mail"]}
    assert len(exposure(tmp_path, [*THREE[:2], {"agent": "w"}], {"w": other})) <= 2


# -- what the disk shows --------------------------------------------------------------------------------------


def on_disk(folder, backend):
    return codes(folder, {"tools.d/t.yaml": tool(backend)}, "AR61")


@pytest.mark.parametrize(
    ("backend", "expected"),
    [
        ({"shell": {"command": ["ls"], "cwd": "nowhere"}}, ["AR614"]),
        ({"shell": {"command": ["ls"], "cwd": ".."}}, []),
        ({"shell": {"command": ["ls"], "cwd": "/nowhere/at/all"}}, []),
        ({"shell": {"command": ["ls"], "cwd": "${NOWHERE}"}}, []),
        ({"shell": {"command": ["ls"], "cwd": "${NOWHERE:-nowhere}"}}, ["AR614"]),
        ({"shell": {"command": ["ls"], "sandbox": {"write": ["../tools.d", "out"]}}}, ["AR614"]),
        ({"shell": {"command": ["no-such-program-anywhere"]}}, []),
        ({"shell": {"command": ["/no/such/program"]}}, []),
        ({"shell": {"command": ["./t.yaml"]}}, ["AR615"]),
        ({"shell": {"command": ["../tools.d"]}}, ["AR615"]),
        ({"shell": {"command": ["bin/run"]}}, ["AR615"]),
        ({"shell": {"command": ["bin/run"], "cwd": "nowhere"}}, ["AR614"]),
        ({"http": {"url": "https://a.example.com", "multipart": {"f": {"file": "t.yaml"}}}}, []),
        ({"http": {"url": "https://a.example.com", "multipart": {"f": {"file": "no.yaml"}}}}, ["AR614"]),
        ({"http": {"url": "https://a.example.com", "multipart": {"f": {"file": "no.yaml", "root": ".."}}}}, ["AR614"]),
        (
            {"http": {"url": "https://a.example.com", "multipart": {"f": {"file": "{{ args.x }}", "root": "no"}}}},
            ["AR614"],
        ),
        ({"http": {"url": "https://a.example.com", "multipart": {"f": {"file": "{{ args.x }}", "root": ".."}}}}, []),
        (
            {"http": {"url": "https://a.example.com", "multipart": {"f": {"content": "{{ args.x }}", "root": ".."}}}},
            ["AR616"],
        ),
    ],
    ids=json.dumps,
)
def test_paths_that_lead_to_nothing_are_found(backend, expected, tmp_path):
    assert on_disk(tmp_path, backend) == expected


def test_a_path_is_relative_to_the_file_that_wrote_it(tmp_path):
    base = json.dumps({"shell": {"command": ["ls"], "cwd": "here"}})
    (tmp_path / "more" / "here").mkdir(parents=True)
    (tmp_path / "tools.d").mkdir()
    (tmp_path / "more" / "_base.yaml").write_text(base, encoding="utf-8")
    (tmp_path / "tools.d" / "t.yaml").write_text('{"extends": "_base", "description": "Lists."}', encoding="utf-8")
    report = read_project(tmp_path, {}, tools=[tmp_path / "more"]).report()
    assert "AR614" not in [one.code for one in report.diagnostics]


@pytest.mark.parametrize("kind", ["str", ["text"], None, 5])
def test_a_type_that_does_not_exist_lets_every_text_through(tmp_path, kind):
    parameters = {"type": "object", "properties": {"x": {"type": kind}}, "required": ["x"]}
    assert "AR803" in codes_of(tmp_path, shell(["sh", "-c", f"cat {X}"], more={"parameters": parameters}))
