"""Secrets don't leak: canaries through every source that could tell them, into every sink that people and models see.

Each source tells them in every encoding of `canary.ENCODINGS`. What the model service itself wrote stays in the history
as it came, since a conversation that goes on must repeat it: all else that leaves agentrun is searched.
"""

import contextlib
import io
import itertools
import json
import os
import subprocess
import sys

import msgspec
import pytest

import agentrun
from agentrun.cli import run_cli
from agentrun.cli.run import EXIT_MODEL_FAILED, EXIT_UNANSWERED
from agentrun.engine.events import ReasoningDelta, TextDelta, ToolCallDelta, ToolFinished
from agentrun.engine.ports import ApprovalAnswer
from agentrun.observers.jsonl import encode
from agentrun.secrets import MASKED
from canary import CASES, CUTS, ENCODINGS, MARK, canary, echoing_service, in_every_encoding, leak, model_error
from projects import write_project
from servers import ModelServer, call_delta, delta, events, sse, status

pytestmark = pytest.mark.slow

TAGS = ("model", "modelhead", "bearer", "password", "inheader", "inquery", "client", "head", "token")
PLACE = canary("place").replace("?", ".")  # a URL would end its path at a `?`
SECRETS = {f"C_{tag.upper()}": canary(tag) for tag in TAGS} | {"C_ENV": canary("env", shell=True), "C_PLACE": PLACE}
TOKEN = canary("fetched")

AUTH = {
    "bearer": 'auth: {bearer: "${C_BEARER}"}',
    "basic": 'auth: {basic: {username: me, password: "${C_PASSWORD}"}}',
    "key_in_header": 'auth: {api_key: {in: header, name: X-Key, value: "${C_INHEADER}"}}',
    "key_in_query": 'auth: {api_key: {in: query, name: key, value: "${C_INQUERY}"}}',
    "oauth2": 'auth: {oauth2: {token_url: "${SERVICE_URL}/token", client_id: me, client_secret: "${C_CLIENT}"}}',
    "header": 'headers: {X-Tenant: "t ${C_HEAD}"}',
    "refused": 'auth: {oauth2: {token_url: "${SERVICE_URL}/no-token", client_id: me, client_secret: "${C_TOKEN}"}}',
}
SHAPED = {
    "shaped": ("", "{{ headers }} {{ links }} {{ body }}"),
    "shaped_text": ("", "{{ headers['x-echo'] | default('') }} {{ links['r0'] | default('') }} {{ status }}"),
    "shaped_json": ("", "{{ {'h': headers, 'l': links} | tojson }}"),
    "paged": ('paginate: {next: "{{ body.cursor }}", param: cursor, max_pages: 3}', ""),
    "linked": ("paginate: {next: \"{{ links.next | default('') }}\", max_pages: 3}", ""),
    "posted": ("method: POST", ""),
}
TOOL = """
    description: Asks.
    parameters:
      type: object
      properties: {case: {type: string}, encoding: {type: string, default: x}}
      required: [case]
    max_output_length: 60000
    http: {base_url: "${SERVICE_URL}", url: "/{case}/{encoding}", max_retries: 0, %s}
"""
SHELL = """
    description: Prints.
    parameters: {type: object, properties: {}}
    max_output_length: 60000
    shell:
      env: {C_ENV: "${C_ENV}"}
      script: |
"""
SCRIPTS = {
    "to_stdout": ["env", "export -p", "set"],
    "to_stderr": ["env >&2", "exit 1"],
    "in_base64_lines": ['printf "%s" "$C_ENV" | base64'],
    "in_base64": ['printf "x%s" "$C_ENV" | base64 -w0', "exit 3"],
}
MUCH = ("text", "url", "base64-1", "json")
FULL = 10 * 1024 * 1024
PYTHON = """
    description: Fails.
    parameters: {type: object, properties: {how: {type: string}}, required: [how]}
    max_output_length: 60000
    python: leaky:leak
"""
LEAKY = """
import os

from agentrun.errors import ToolFailure

def leak(how):
    secret = os.environ["C_ENV"] + " " + os.environ["C_BEARER"]
    if how == "value":
        return {secret: [secret], "in text": f"<{secret}>"}
    if how == "missing":
        return {}[secret]
    if how == "failure":
        raise ToolFailure("internal", secret, detail={secret: secret})
    if how == "bug":
        raise ToolFailure("internal", "x", detail=type(secret, (), {})())
    raise ValueError(f"can't reach {secret}")
"""
AGENT = """
    model:
      name: gpt-x
      base_url: ${MODEL_URL}
      api_key: ${C_MODEL}
      headers: {X-Model: "${C_MODELHEAD}"}
      max_retries: 10
    limits: {max_tool_calls: 1000, max_repeated_calls: 1000}
    tools: ["*"]
    permissions: [{ask: add_note, when: "{{ args.note != '' }}"}]
"""
NOTE = """
    description: Notes.
    parameters: {type: object, properties: {note: {type: string}}, required: [note]}
    require_approval: never
    python: leaky:note
"""


@pytest.fixture(scope="module")
def service():
    with echoing_service(TOKEN) as echoing:
        yield echoing


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    tools = {name: TOOL % auth for name, auth in AUTH.items()}
    for name, (more, output) in SHAPED.items():
        tools[name] = TOOL % ", ".join(filter(None, [AUTH["bearer"], more]))
        tools[name] += f"    output: {json.dumps(output)}\n" if output else ""
    # More than is kept of an output, which ends inside of a secret.
    much = {name: ENCODINGS[name](SECRETS["C_ENV"]) for name in MUCH}
    lead = {name: FULL - len(told.encode()) // 2 for name, told in much.items()}
    scripts = SCRIPTS | {
        f"much_{name}": [f"head -c {lead[name]} /dev/zero | tr '\\0' .; cat ../much/{name}; echo more"] for name in MUCH
    }
    tools |= {name: SHELL + "".join(f"        {line}\n" for line in lines) for name, lines in scripts.items()}
    tools |= {"python": PYTHON, "add_note": NOTE}
    files = {f"tools.d/{name.replace('-', '_')}.yaml": text for name, text in tools.items()}
    more = {"agents/all.yaml": AGENT, "leaky.py": LEAKY + "\ndef note(note):\n    return note\n"}
    root = write_project(tmp_path_factory.mktemp("canary"), files | more)
    (root / "much").mkdir()
    for name, told in much.items():
        (root / "much" / name).write_text(told)
    return root


@pytest.fixture(autouse=True)
def secrets(monkeypatch, folder, service):
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "AGENTRUN_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in (SECRETS | {"SERVICE_URL": service.url, "MODEL_URL": "http://127.0.0.1:9"}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(folder)


# What is quoted of a service's error is short.
PAIRS = list(zip(list(ENCODINGS.values())[::2], list(ENCODINGS.values())[1::2], strict=True))
SHAPED_CASES = [{"case": case} for case in ("success-json", "headers", "page")]
# A template that writes JSON adds a level of escapes to what it is given.
DATA_IN_A_TEMPLATE = [
    ("shaped", {"case": "success-json"}),
    ("shaped", {"case": "error-json"}),
    ("shaped", {"case": "headers"}),
    ("shaped_json", {"case": "headers"}),
]


def all_calls():
    """Every tool with every case, as (name, arguments)."""
    cut = [
        (name, {"case": "cut", "encoding": f"{encoding}:{part}"})
        for name in ("basic", "oauth2")
        for encoding in ENCODINGS
        for part in CUTS
    ]
    cases = [(name, {"case": case}) for name in (*AUTH, *SHAPED) for case in CASES if case != "cut"]
    cases = [one for one in cases if one not in DATA_IN_A_TEMPLATE]
    python = [("python", {"how": how}) for how in ("value", "missing", "failure", "error")]
    shell = [(name, {}) for name in SCRIPTS if name != "in_base64_lines"]
    return [*cases, *cut, *python, *shell]


def talk(requests, calls):
    """A model service that tells the key it got in an error, in what it thinks, says and calls, and in its answer."""

    def told(between="\n"):
        headers = requests[-1].headers
        keys = [headers["authorization"].removeprefix("Bearer "), headers["x-model"]]
        return in_every_encoding(keys, between)

    for one, other in PAIRS:
        yield model_error(429, f"{one(SECRETS['C_MODEL'])} {other(SECRETS['C_MODEL'])}")
    said = told()
    # Arguments are JSON in JSON themselves.
    noted = json.dumps(
        {"note": "".join(ENCODINGS[name](SECRETS["C_MODEL"]) for name in ENCODINGS if "json" not in name)}
    )
    chunks = [delta(role="assistant", content="")]
    chunks += [delta(reasoning_content=character) for character in said]
    chunks += [delta(content=character) for character in said]
    for index, (name, arguments) in enumerate([*calls, ("add_note", noted)]):
        raw = arguments if isinstance(arguments, str) else json.dumps(arguments)
        chunks.append(call_delta(index=index, id=f"c{index}", type="function", name=name, arguments=""))
        pieces = raw if name == "add_note" else [raw]
        chunks += [call_delta(index=index, arguments=piece) for piece in pieces]
    yield events(*chunks, delta("tool_calls"), "[DONE]")
    yield sse(list(told()))
    yield model_error(401, SECRETS["C_MODEL"])
    yield model_error(400, ENCODINGS["base64-1"](SECRETS["C_MODELHEAD"]))


@contextlib.contextmanager
def model_service(monkeypatch, calls=()):
    requests = []
    with ModelServer(talk(requests, calls)) as server:
        server.requests = requests
        monkeypatch.setenv("MODEL_URL", server.base_url)
        yield server


def command(*arguments):
    """stdout and stderr of a command, and its exit code."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run_cli(list(arguments))
    return out.buffer.getvalue().decode(), err.buffer.getvalue().decode(), code


def results_of(server):
    """What the model was told of its calls, by (name, arguments)."""
    *_, assistant = (one for one in server.requests[-1].json["messages"] if one["role"] == "assistant")
    calls = {call["id"]: call["function"] for call in assistant["tool_calls"]}
    results = [one for one in server.requests[-1].json["messages"] if one["role"] == "tool"]
    return {
        (calls[one["tool_call_id"]]["name"], calls[one["tool_call_id"]]["arguments"]): one["content"] for one in results
    }


def assert_no_leak(**texts):
    found = {name: where for name, text in texts.items() if (where := leak(text))}
    assert not found


# -- the detector -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encode", ENCODINGS.values(), ids=ENCODINGS)
@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS)
def test_the_detector_finds_a_secret_in_every_encoding_and_at_every_cut(encode, secret):
    told = encode(secret)
    assert leak(f"before {told} behind")
    assert leak(json.dumps({"text": f"before {told} behind"}))
    assert leak(told[: len(told) // 2])
    assert leak(told[len(told) // 2 :])


def test_the_detector_finds_nothing_in_what_is_masked():
    assert leak('x [secret] Bearer [secret] ?key=***&other=1 {"api_key": "[secret]"} Og[secret]cg==') is None


# -- a run --------------------------------------------------------------------------------------------------


def test_nothing_that_a_service_or_command_tells_reaches_the_model_or_the_events(monkeypatch, folder, service):
    calls, told, questions, exchanges = all_calls(), [], [], []

    class Asked:
        async def ask(self, question):
            questions.append(question)
            return ApprovalAnswer(True, "user")

    with model_service(monkeypatch, calls) as server:
        agent = agentrun.load(folder / "agents/all.yaml", on_exchange=exchanges.append)
        outcome = agentrun.run_sync(agent, "Go", emit=told.append, approver=Asked())
        assert outcome.reason == "answered"
        results = results_of(server)
    assert len(results) == len(calls) + 1
    assert all(MASKED in results[name, '{"case": "success"}'] for name in AUTH if name != "refused")
    assert not {call: where for call, result in results.items() if (where := leak(result))}
    others = [event for event in told if not isinstance(event, ToolFinished)]
    finished = [msgspec.structs.replace(event, result="") for event in told if isinstance(event, ToolFinished)]
    assert {event.result for event in told if isinstance(event, ToolFinished)} <= set(results.values())
    assert not [event for event in (*others, *finished) if leak(encode(event))]
    pieces = {
        "text": [event.text for event in told if isinstance(event, TextDelta)],
        "reasoning": [event.text for event in told if isinstance(event, ReasoningDelta)],
        "arguments": [event.arguments for event in told if isinstance(event, ToolCallDelta)],
    }
    assert_no_leak(**{name: "".join(texts) for name, texts in pieces.items()})
    assert all(MASKED in "".join(texts) for texts in pieces.values())
    assert_no_leak(
        question=msgspec.json.encode(questions),
        exchanges=msgspec.json.encode(exchanges),
        outcome=msgspec.json.encode(msgspec.structs.replace(outcome, messages=[], agent=None)),
    )
    assert len(questions) == 1


def test_an_output_that_is_cut_inside_of_a_secret_shows_nothing_of_it(monkeypatch, folder):
    for name in MUCH:
        out, err, code = command("tools", "call", f"much_{name}".replace("-", "_"))
        assert (code, "further bytes were dropped" in out) == (0, True)
        assert_no_leak(out=out, err=err)


# -- commands -----------------------------------------------------------------------------------------------

# Each case of each service once, by one tool or another.
FEW = [
    *(
        (name, {"case": case, "encoding": "base64-1:2"})
        for name, case in zip(itertools.cycle(AUTH), CASES, strict=False)
    ),
    *(one for one in itertools.product(SHAPED, SHAPED_CASES) if one not in DATA_IN_A_TEMPLATE),
    *(("python", {"how": how}) for how in ("value", "missing", "failure", "error")),
    *((name, {}) for name in SCRIPTS if name != "in_base64_lines"),
]


@pytest.mark.parametrize("verbose", [[], ["--verbose"]], ids=["", "verbose"])
@pytest.mark.parametrize("output", ["text", "json", "jsonl"])
def test_run_shows_no_secret(monkeypatch, output, verbose):
    with model_service(monkeypatch, FEW):
        out, err, code = command("run", "all", "Go", "--output", output, *verbose)
        assert code == EXIT_UNANSWERED
        assert_no_leak(out=out, err=err)
        for text in ("refused key", "bad request"):
            out, err, code = command("run", "all", text, "--output", output, *verbose)
            assert code == EXIT_MODEL_FAILED
            assert_no_leak(out=out, err=err)


def test_chat_shows_no_secret(monkeypatch, folder):
    with model_service(monkeypatch, FEW) as server:
        done = subprocess.run(
            [sys.executable, "-m", "agentrun", "chat", "all", "--verbose"],
            input=b"Go\nrefused key\nbad request\n/tools\n/usage\n",
            capture_output=True,
            timeout=50,
            env=os.environ | {"NO_COLOR": "1"},
        )
        assert len(server.requests) == len(PAIRS) + 4
    assert MASKED.encode() in done.stdout
    assert_no_leak(out=done.stdout, err=done.stderr)


def test_nothing_that_chat_keeps_writes_or_answers_holds_a_secret(monkeypatch, folder, tmp_path):
    """Typed ones neither, in messages and behind /commands."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    typed = in_every_encoding([SECRETS["C_BEARER"]], " ")
    alone = ["system", "tools", "tool bearer", "last", "context", "cost", "trace", "sessions", "args", "model"]
    with_secret = ["title", "model", "resume", "last", "tool", "undo", "help", "compact", "clear", "sessions"]
    written = ["export md a.md", "export json b.json", f"fork {typed}", "export", "undo"]
    commands = [*alone, *(f"{name} {typed}" for name in (*with_secret, "permissions", "verbose")), *written]
    with model_service(monkeypatch, FEW):
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "agentrun",
                "chat",
                folder / "agents/all.yaml",
                "--trace",
                "t.jsonl",
                "--trace-content",
            ],
            input="\n".join([f"Go {typed}", *(f"/{one}" for one in commands)]).encode(),
            capture_output=True,
            timeout=100,
            env=os.environ | {"NO_COLOR": "1", "AGENTRUN_DEBUG": "1"},
        )
    assert b"Traceback" not in done.stderr
    assert_no_leak(out=done.stdout, err=done.stderr)
    out, _, _ = command("sessions", "list", "--format", "json")
    ids = [one["id"] for one in json.loads(out)["sessions"]]
    assert len(ids) == 2
    for id in ids:
        assert command("trace", id, "--html", f"{id}.html", "--content")[2] in (0, 2)  # a copy holds no run
        for told in (["show", id, "--full"], *(["export", id, "--format", form] for form in ("md", "json", "jsonl"))):
            assert_no_leak(**dict(zip(("out", "err"), command("sessions", *told)[:2], strict=True)))
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} >= {".db", ".jsonl", ".html", ".md", ".json"}
    assert_no_leak(**{str(path): path.read_bytes() for path in files})


def test_an_output_template_that_writes_data_shows_no_secret():
    for name, arguments in DATA_IN_A_TEMPLATE:
        out, err, _ = command("tools", "call", name, "--args", json.dumps(arguments))
        assert_no_leak(out=out, err=err)


def test_a_tool_called_by_hand_shows_no_secret():
    for name, arguments in (one for one in FEW if one[0] != "python"):
        out, err, _ = command("tools", "call", name, "--args", json.dumps(arguments))
        assert_no_leak(out=out, err=err)


@pytest.mark.parametrize(
    "arguments",
    [
        *(["tools", "list", "--format", form] for form in ("text", "json")),
        *(["inspect", "all", "--format", form] for form in ("text", "json")),
        *(["validate", "--format", form] for form in ("text", "json")),
    ],
    ids=" ".join,
)
def test_what_describes_a_project_shows_no_secret(arguments):
    out, err, code = command(*arguments)
    assert code == 0
    assert_no_leak(out=out, err=err)


def test_a_function_called_by_hand_shows_no_secret_of_another_tool():
    out, err, _ = command("tools", "call", "python", "--arg", "how=error")
    assert_no_leak(out=out, err=err)


def test_base64_in_lines_shows_no_secret():
    out, err, _ = command("tools", "call", "in_base64_lines")
    assert_no_leak(out=out, err=err)


def test_the_error_of_a_model_service_that_is_cut_shows_no_secret(monkeypatch):
    with ModelServer([status(400, "x" * 270 + " " + SECRETS["C_MODEL"])]) as server:
        monkeypatch.setenv("MODEL_URL", server.base_url)
        out, err, _ = command("run", "all", "Go")
    assert_no_leak(out=out, err=err)


def test_the_name_and_the_id_of_a_call_show_no_secret(monkeypatch, folder):
    told = []
    key = f"sk-{MARK}-0123456789"
    monkeypatch.setenv("C_MODEL", key)
    with ModelServer([sse(calls=[(key, {}, f"id-{key}")]), sse("Done.")]) as server:
        monkeypatch.setenv("MODEL_URL", server.base_url)
        agentrun.run_sync(agentrun.load(folder / "agents/all.yaml"), "Go", emit=told.append)
    assert not [event for event in told if leak(encode(event))]


# -- findings -----------------------------------------------------------------------------------------------


def _tool(http):
    return {"tools.d/t.yaml": f"description: Asks.\nhttp: {{{http}}}\n", "agents/a.yaml": "model: x\ntools: [t]\n"}


def _agent(more, key="C_MODEL"):
    return {"agents/a.yaml": f"model: {{name: x, api_key: '${{{key}}}', {more}}}\n"}


BEARER = 'url: "http://127.0.0.1:9/", auth: {bearer: "${C_BEARER}"}'
LITERAL = "sk-proj-" + "a1B2c3D4" * 4
WRONG = {
    "a number of a tool": _tool(f'{BEARER}, max_retries: "${{C_BEARER}}"'),
    "a list of numbers": _tool(f'{BEARER}, expect: ["${{C_BEARER}}"]'),
    "a method": _tool(f'{BEARER}, method: "${{C_BEARER}}"'),
    "a place of a key": _tool('url: "http://127.0.0.1:9/", auth: {api_key: {in: "${C_INHEADER}", name: K, value: v}}'),
    "a name of a header": _tool(
        'url: "http://127.0.0.1:9/", auth: {api_key: {in: header, name: "${C_INHEADER}", value: v}}'
    ),
    "a user with a colon": _tool(
        'url: "http://127.0.0.1:9/", auth: {basic: {username: "${C_HEAD}:", password: "${C_PASSWORD}"}}'
    ),
    "a host": _tool(f'{BEARER}, hosts: ["${{C_BEARER}}"]'),
    "a pattern of hosts": _tool(f'{BEARER}, hosts: ["*.${{C_BEARER}}"]'),
    "an address of tokens": _tool(
        'url: "http://[::1]/", auth: {oauth2: {token_url: "${C_CLIENT}", client_id: a, client_secret: "${C_CLIENT}"}}'
    ),
    "a port": _tool('base_url: "http://127.0.0.1:${C_BEARER}", url: /x, auth: {bearer: "${C_BEARER}"}'),
    "a user in an address": _tool('url: "http://${C_BEARER}@127.0.0.1:9/", auth: {bearer: "${C_BEARER}"}'),
    "a base": _tool('base_url: "${C_BEARER}", url: /x, auth: {bearer: "${C_BEARER}"}'),
    "a url": _tool('url: "${C_BEARER}", auth: {bearer: "${C_BEARER}"}'),
    "a path": _tool(f'{BEARER}, query: {{k: "${{C_BEARER}}"}}, json: {{k: "${{C_BEARER}}"}}'),
    "inside a template": _tool('url: "http://127.0.0.1:9/", headers: {X: "{{ \'${C_HEAD}\' }}", Y: "${C_HEAD}"}'),
    "a bearer that no header can hold": _tool('url: "http://127.0.0.1:9/", auth: {bearer: "${C_ENV}"}'),
    "a header that none can hold": _tool('url: "http://127.0.0.1:9/", headers: {X: "a ${C_ENV}"}'),
    "a header with a template": _tool('url: "http://127.0.0.1:9/", headers: {X: "${C_ENV}{{ call.id }}"}'),
    "two kinds of credentials": _tool(
        'url: "http://127.0.0.1:9/", auth: {bearer: "${C_BEARER}", basic: {username: "${C_HEAD}"}}'
    ),
    "a folder": {
        "tools.d/t.yaml": 'description: X.\nshell: {command: [env], cwd: "/${C_ENV}", env: {K: "${C_ENV}"}}\n',
        "agents/a.yaml": "model: x\ntools: [t]\n",
    },
    "a name of a variable": {
        "tools.d/t.yaml": 'description: X.\nshell: {command: [env], env: {"": "${C_ENV}", "A=${C_ENV}": "${C_ENV}"}}\n',
        "agents/a.yaml": "model: x\ntools: [t]\n",
    },
    "a number of the model": _agent('max_retries: "${C_MODEL}"'),
    "a time": _agent('timeout: "${C_MODEL}"'),
    "times": _agent('timeout: {connect: "${C_MODEL}", idle: "${C_MODEL}"}'),
    "an api": _agent('api: "${C_MODEL}"'),
    "a model": _agent('name: "${C_MODEL}"'),
    "a service": _agent('base_url: "${C_PLACE}"', "C_PLACE"),
    "a host of the service": _agent('base_url: "http://${C_PLACE}/v1"', "C_PLACE"),
    "a port of the service": _agent('base_url: "http://127.0.0.1:${C_PLACE}/v1"', "C_PLACE"),
    "a user of the service": _agent('base_url: "http://${C_PLACE}@127.0.0.1:9/v1", max_retries: 0', "C_PLACE"),
    "a path of the service": _agent('base_url: "http://127.0.0.1:9/${C_PLACE}", max_retries: 0', "C_PLACE"),
    "a query of the service": _agent('base_url: "http://127.0.0.1:9/?k=${C_MODEL}", max_retries: 0'),
    "a header of the model": _agent('base_url: "http://127.0.0.1:9", max_retries: 0, headers: {X: "${C_ENV}"}'),
    "a key that no header can hold": _agent('base_url: "http://127.0.0.1:9", max_retries: 0', "C_ENV"),
    "prices": _agent('prices: {input: "${C_MODEL}", output: 1}'),
    "a literal key": _tool(f'url: "http://127.0.0.1:9/", auth: {{bearer: {LITERAL}}}'),
    "a literal key beside another finding": _tool(
        f'url: "http://127.0.0.1:9/", max_retry: 1, auth: {{bearer: {LITERAL}}}'
    ),
    "a literal key of the wrong kind": _tool(f'url: "http://127.0.0.1:9/", max_retries: {LITERAL}, method: {LITERAL}'),
    "a literal key of a model": _agent(f"max_retries: x, headers: {{X: {LITERAL}}}"),
}


@pytest.mark.parametrize("files", [pytest.param(files, id=name) for name, files in WRONG.items()])
def test_no_finding_and_no_refusal_quotes_a_secret(monkeypatch, tmp_path, files):
    monkeypatch.chdir(write_project(tmp_path, files))
    commands = {
        "validate": ["validate"],
        "validate as JSON": ["validate", "--format", "json"],
        "inspect": ["inspect", "a"],
        "inspect as JSON": ["inspect", "a", "--format", "json"],
        "run": ["run", "a", "Hi", "--verbose"],
    }
    if "tools.d/t.yaml" in files:
        commands |= {"tools list": ["tools", "list"], "tools call": ["tools", "call", "t"]}
    for name, arguments in commands.items():
        out, err, _ = command(*arguments)
        assert_no_leak(**{name: f"{out}{err}"})
        assert LITERAL not in out + err


# -- mistakes of agentrun itself ----------------------------------------------------------------------------


def test_an_internal_error_tells_no_secret():
    out, err, code = command("tools", "call", "python", "--arg", "how=bug")
    assert (code, "internal error" in err) == (1, True)
    assert_no_leak(out=out, err=err)


def test_a_traceback_tells_no_secret():
    done = subprocess.run(
        [sys.executable, "-m", "agentrun", "tools", "call", "python", "--arg", "how=bug"],
        capture_output=True,
        timeout=50,
        env=os.environ | {"AGENTRUN_DEBUG": "1"},
    )
    assert b"Traceback" in done.stderr
    assert_no_leak(out=done.stdout, err=done.stderr)


def test_a_template_sees_no_variable_of_the_environment(tmp_path, monkeypatch):
    agent = """
        model: {api: scripted, script: [{content: Hi}]}
        system_prompt: "${C_BEARER} $C_BEARER"
        input: "{{ args.input }} ${C_BEARER}"
    """
    loaded = agentrun.load(write_project(tmp_path, {"agents/a.yaml": agent}) / "agents/a.yaml")
    outcome = agentrun.run_sync(loaded, "${C_BEARER} {{ run }}")
    sent = [one["content"] for one in msgspec.to_builtins([message.data for message in outcome.messages])]
    assert sent == ["${C_BEARER} $C_BEARER", "${C_BEARER} {{ run }} ${C_BEARER}", "Hi"]
    for name in ("env", "environ", "os", "C_BEARER", "secrets"):
        wrong = f"model: {{api: offline}}\ninput: '{{{{ {name} }}}}{{{{ args.input }}}}'\n"
        monkeypatch.chdir(write_project(tmp_path / name, {"agents/a.yaml": wrong}))
        out, _, code = command("validate")
        assert (code, f"`{name}`, which is not known here" in out) == (3, True)
