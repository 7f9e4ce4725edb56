"""`--record` and `--replay` of `agentrun run` and `agentrun chat`, in real processes against real loopback servers.

What was recorded is played with the servers gone, no variable set, and a guard that lets nothing open a socket.
"""

import json
import os
import re
import resource
import signal
import subprocess
import sys
import time

import pytest
import yaml

from canary import canary, leak
from loopback_http import Loopback, reply
from projects import write_project
from servers import ModelServer, cut, sse, status
from terminals import Terminal

KEY, TOKEN = canary("key"), canary("token")

PROJECT = {
    "agents/desk.yaml": """
        description: Looks orders up and refunds them.
        model: {name: "${DESK_MODEL:-desk-1}", base_url: "${DESK_URL}", api_key: "${DESK_KEY}", max_retries: 2}
        parameters: {type: object, properties: {input: {type: string}, shop: {type: string, default: Teas}}}
        system_prompt: |
          You are the order desk of {{ args.shop | default("Teas") }}. Today is {{ run.date }}.
          This is run {{ run.id }}. Look before you speak.
        input: "{{ args.input }}"
        tools: [find_order, stock, refund_order, colleague, close]
    """,
    "agents/researcher.yaml": """
        description: Knows the catalogue.
        model: {name: researcher-1, base_url: "${DESK_URL}", api_key: "${DESK_KEY}"}
        system_prompt: You look things up.
        tools: [stock]
    """,
    "tools.d/orders.yaml": """
        name: find_order
        description: Look up one order.
        parameters: {type: object, properties: {order_id: {type: string}}, required: [order_id]}
        http: {url: "${ORDERS_URL}/orders/{order_id}", auth: {bearer: "${ORDERS_TOKEN}"}}
        ---
        name: stock
        description: What is left of an article.
        parameters: {type: object, properties: {sku: {type: string}}, required: [sku]}
        http: {url: "${ORDERS_URL}/stock/{sku}", auth: {bearer: "${ORDERS_TOKEN}"}}
        output: "{{ status }}: {{ body.left }} left"
        ---
        name: refund_order
        description: Refund an order.
        parameters: {type: object, properties: {order_id: {type: string}, amount: {type: number}}, required: [order_id]}
        require_approval: always
        http: {url: "${ORDERS_URL}/orders/{order_id}/refunds", method: POST, auth: {bearer: "${ORDERS_TOKEN}"}}
        ---
        name: colleague
        agent: researcher
        ---
        name: close
        description: End the case.
        parameters: {type: object, properties: {summary: {type: string}}, required: [summary]}
        final: true
    """,
}

# Lets nothing open a connection or start a program, and leaves a note where something tried to.
GUARD = """
    import os, sys

    FORBIDDEN = ("socket.connect", "socket.getaddrinfo", "socket.bind", "socket.sendto", "subprocess.Popen", "os.exec",
                 "os.posix_spawn", "os.fork")

    def guard(event, arguments):
        if event in FORBIDDEN and os.environ.get("FORBID_SOCKETS"):
            with open(os.environ["FORBID_SOCKETS"], "a") as file:
                file.write(event + "\\n")
            raise RuntimeError(f"a replay may not do this: {event}")

    sys.addaudithook(guard)
"""


class Shop:
    """The orders' service. It echoes the credentials that it is sent."""

    def __call__(self, arrived):
        secret = arrived.header("Authorization")
        if arrived.target.startswith("/stock"):
            return self._json(200, {"left": 3, "warehouse": secret})
        if arrived.method == "POST":
            return self._json(201, {"id": "rf_1", "by": secret}, headers=[("Set-Cookie", "session=open-sesame")])
        if arrived.target.endswith("/7"):
            return self._json(500, {"oops": f"{secret} failed"})
        return self._json(200, {"id": "1042", "items": ["TP-12"], "note": f"seen with {secret}"})

    def _json(self, code, data, headers=()):
        return reply(code, json.dumps(data), headers=headers, content_type="application/json")


def turns():
    """What the model's service answers: one conversation of two user messages, and a third that ends it."""
    secret_words = f"The key is {KEY}, I think. Order 1042 is on its way."
    return [
        status(429, f"slow down, {KEY}", headers={"retry-after": "0"}),
        sse(["Let me", " see."], [("find_order", {"order_id": "1042"}, "a"), ("stock", {"sku": "TP-12"}, "b")]),
        cut(sse("Half an ans"), 150),
        sse([secret_words[at : at + 7] for at in range(0, len(secret_words), 7)], usage=(120, 14), reasoning="Hm. So."),
        # the second message: an agent behind a tool, a refused and an approved call, a failure
        sse(calls=[("colleague", {"input": "What of TP-12?"}, "a"), ("find_order", {"order_id": "7"}, "c")]),
        sse(calls=[("stock", {"sku": "TP-12"})]),
        sse(["Three", " are", " left."], usage=(10, 3)),
        sse(calls=[("refund_order", {"order_id": "1042", "amount": 4.5}, "d"), ("nonsense", '{"a": ', "e")]),
        sse("Refunded."),
        # the third: a final tool
        sse(calls=[("close", {"summary": "All done."}, "f")]),
    ]


MESSAGES = ["Where is 1042?", "And TP-12? Refund it.", "Close the case."]


@pytest.fixture
def project(tmp_path):
    write_project(tmp_path / "guard", {"sitecustomize.py": GUARD})
    return write_project(tmp_path / "project", PROJECT)


@pytest.fixture
def services():
    with ModelServer(turns()) as model, Loopback(Shop()) as shop:
        yield {"DESK_URL": model.base_url, "DESK_KEY": KEY, "ORDERS_URL": shop.url, "ORDERS_TOKEN": TOKEN}


def environment(folder, more):
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("OPENAI_", "AGENTRUN_", "ANTHROPIC_", "DESK_", "ORDERS_"))
        and "PROXY" not in name.upper()
    }
    return clean | {"NO_COLOR": "1", "PYTHONPATH": str(folder.parent / "guard")} | more


def agentrun(folder, *arguments, stdin="", env=None):
    """A command line with the services' variables, or, without `env`, with none and with no sockets allowed."""
    note = folder.parent / "forbidden"
    done = subprocess.run(
        [sys.executable, "-m", "agentrun", *arguments],
        cwd=folder,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=50,
        env=environment(folder, {"FORBID_SOCKETS": str(note)} if env is None else env),
    )
    assert env is not None or not note.exists(), note.read_text()
    return done


def events_of(stdout):
    """Events without what differs from run to run: run ids are numbered."""
    numbers = {}
    events = []
    for line in stdout.splitlines():
        event = json.loads(line)
        for key in ("parent_run_id", "run_id"):
            if key in event:
                event[key] = numbers.setdefault(event[key], len(numbers))
        del event["time"]
        event.pop("duration_s", None)
        events.append(event)
    return events


def timeless(text):
    """Output without durations and ids of runs."""
    return re.sub(r"\(\d+ ms\)|\(\d+\.\d s\)", "(time)", text)


# -- event for event ------------------------------------------------------------------------------------------


def test_a_run_replays_event_for_event_with_the_servers_gone(project):
    with ModelServer(turns()) as model, Loopback(Shop()) as shop:
        env = {"DESK_URL": model.base_url, "DESK_KEY": KEY, "ORDERS_URL": shop.url, "ORDERS_TOKEN": TOKEN}
        line = ["run", "desk", MESSAGES[0], "--output", "jsonl"]
        first = agentrun(project, *line, "--record", "run.yaml", env=env)
    again = agentrun(project, *line, "--replay", "run.yaml")
    assert (first.returncode, again.returncode) == (0, 0), again.stderr
    events = events_of(first.stdout)
    assert events_of(again.stdout) == events
    assert timeless(again.stderr) == timeless(first.stderr)
    kinds = [event["type"] for event in events]
    assert kinds.count("retried") == 2
    assert kinds.count("text_delta") > 8
    assert "reasoning_delta" in kinds


def test_a_chat_replays_in_what_it_shows_with_the_servers_gone(project, services):
    said = "".join(f"{text}\n" for text in MESSAGES)
    options = ["chat", "desk", "--approve", "*"]
    first = agentrun(project, *options, "--record", "chat.yaml", stdin=said, env=services)
    again = agentrun(project, "chat", "desk", "--replay", "chat.yaml", stdin=said)
    assert first.returncode == 0, first.stderr
    assert again.returncode == 0, again.stderr
    assert again.stdout == first.stdout
    assert timeless(again.stderr) == timeless(first.stderr)
    assert "refund_order" in first.stderr
    assert "All done." in first.stdout + first.stderr


def test_what_was_recorded_as_a_chat_is_readable_and_holds_no_secret(project, services):
    said = "".join(f"{text}\n" for text in MESSAGES)
    agentrun(project, "chat", "desk", "--approve", "*", "--record", "chat.yaml", stdin=said, env=services)
    text = (project / "chat.yaml").read_text()
    assert leak(text) is None
    assert "open-sesame" not in text, "a session's cookie"
    (conversation,) = yaml.safe_load(text)["conversations"]
    exchanges = conversation["exchanges"]
    assert [one["user"] for one in exchanges if "user" in one] == MESSAGES
    tools = [one["tool"] for one in exchanges if "tool" in one]
    assert (sorted(tools[:2]), tools[-1]) == (["find_order", "stock"], "refund_order")
    assert [one["approval"] for one in exchanges if "approval" in one] == ["colleague", "refund_order"]
    assert text.count("You are the order desk of") == 1


def test_a_secret_that_the_model_or_a_tool_says_is_masked_when_the_run_is_played_too(project, services):
    agentrun(project, "run", "desk", MESSAGES[0], "--record", "run.yaml", env=services)
    again = agentrun(project, "run", "desk", MESSAGES[0], "--replay", "run.yaml", "--output", "jsonl")
    assert leak(again.stdout) is None
    assert "[secret]" in again.stdout


def test_a_model_failure_is_recorded_and_ends_the_replay_as_it_ended_the_run(project, services):
    with ModelServer([status(401, f"no such key {KEY}")]) as model:
        env = services | {"DESK_URL": model.base_url}
        first = agentrun(project, "run", "desk", "Hi", "--output", "json", "--record", "run.yaml", env=env)
    again = agentrun(project, "run", "desk", "Hi", "--output", "json", "--replay", "run.yaml")
    assert (first.returncode, again.returncode) == (4, 4)
    assert events_of(again.stdout) == events_of(first.stdout)
    assert again.stderr == first.stderr
    assert leak((project / "run.yaml").read_text()) is None


def test_the_date_of_the_recording_is_that_of_the_replay(project, services):
    agentrun(project, "run", "desk", MESSAGES[0], "--record", "run.yaml", env=services)
    file = project / "run.yaml"
    today = yaml.safe_load(file.read_text())["conversations"][0]["date"]
    file.write_text(file.read_text().replace(today, "2001-02-03"))
    assert agentrun(project, "run", "desk", MESSAGES[0], "--replay", "run.yaml").returncode == 0


def test_the_model_of_the_command_line_is_that_of_the_replay(project, services):
    line = ["run", "desk", "Where is order 1042?", "--output", "jsonl"]
    first = agentrun(project, *line, "--model", "offline", "--record", "run.yaml", env=services)
    again = agentrun(project, *line, "--replay", "run.yaml")
    assert events_of(again.stdout) == events_of(first.stdout)
    assert events_of(again.stdout)[0]["model"] == "offline"


# -- what is not there ----------------------------------------------------------------------------------------

HELLO = {"agents/hello.yaml": "model: {name: m, base_url: '${DESK_URL}', api_key: '${DESK_KEY}'}\nsystem_prompt: Hi.\n"}


@pytest.fixture
def hello(project, services):
    """A chat of two messages, recorded in `hello.yaml`."""
    write_project(project, HELLO)
    with ModelServer([sse("One."), sse("Two.")]) as model:
        env = services | {"DESK_URL": model.base_url}
        agentrun(project, "chat", "hello", "--record", "hello.yaml", stdin="first\nsecond\n", env=env)
    return project


def test_a_request_that_was_not_recorded_ends_the_run_with_where_it_differs(hello):
    done = agentrun(hello, "run", "hello", "frist", "--replay", "hello.yaml")
    assert done.returncode == 4
    line = next(
        number for number, text in enumerate((hello / "hello.yaml").read_text().splitlines(), 1) if "- model: 1" in text
    )
    assert (
        "the request of turn 1 is not in the cassette: messages[1].content (user) differs at character 2: "
        f'recorded "first", now "frist" (hello.yaml:{line})'
    ) in done.stderr
    assert "help: to record again: `--record` into another file than `hello.yaml`" in done.stderr


def test_a_changed_prompt_is_told_as_the_first_difference(hello):
    write_project(hello, {"agents/hello.yaml": HELLO["agents/hello.yaml"].replace("Hi.", "Hello.")})
    done = agentrun(hello, "run", "hello", "first", "--replay", "hello.yaml")
    assert 'messages[0].content (system) differs at character 2: recorded "Hi.", now "Hello."' in done.stderr


def test_in_a_chat_a_miss_is_a_failed_turn_and_what_was_recorded_can_be_typed_after_it(hello):
    done = agentrun(hello, "chat", "hello", "--replay", "hello.yaml", stdin="first\nother\nsecond\nthird\n")
    assert done.stdout == "One.\nTwo.\n"
    assert done.stderr.count("is not in the cassette") == 2
    assert "the request of turn 1 is not in the cassette: all 2 that were recorded are played" in done.stderr
    assert done.returncode == 4


def test_a_call_that_was_not_recorded_ends_the_run(project, services):
    agentrun(project, "run", "desk", MESSAGES[0], "--record", "run.yaml", env=services)
    file = project / "run.yaml"
    text = file.read_text()
    changed = text.replace("arguments: {sku: TP-12}\n", "arguments: {sku: TP-13}\n", 1)
    assert changed != text
    file.write_text(changed)
    done = agentrun(project, "run", "desk", MESSAGES[0], "--replay", "run.yaml")
    assert done.returncode == 4
    assert "this call of `stock` is not in the cassette: arguments.sku differs at character 5" in done.stderr


# -- edited by a person ---------------------------------------------------------------------------------------


def test_an_edited_answer_is_what_the_replay_gives(hello):
    file = hello / "hello.yaml"
    file.write_text(file.read_text().replace("content: One.", "content: Eleven."))
    done = agentrun(hello, "chat", "hello", "--replay", "hello.yaml", stdin="first\nsecond\n")
    assert (done.returncode, done.stdout) == (0, "Eleven.\nTwo.\n")


def test_an_edited_result_of_a_tool_is_what_the_model_is_told(project, services):
    agentrun(project, "run", "desk", MESSAGES[0], "--record", "run.yaml", env=services)
    file = project / "run.yaml"
    file.write_text(file.read_text().replace("items: [TP-12]", "items: [TP-99]"))
    done = agentrun(project, "run", "desk", MESSAGES[0], "--replay", "run.yaml", "--output", "jsonl")
    assert done.returncode == 0, done.stderr
    results = [event["result"] for event in events_of(done.stdout) if event["type"] == "tool_finished"]
    assert any("TP-99" in result for result in results)


def test_a_mistake_in_the_file_is_told_with_its_place(hello):
    file = hello / "hello.yaml"
    file.write_text(file.read_text().replace("after:", "aftr:"))
    done = agentrun(hello, "run", "hello", "first", "--replay", "hello.yaml")
    assert done.returncode == 3
    assert re.search(r"hello\.yaml:\d+:\d+", done.stderr)
    assert "did you mean `after`?" in done.stderr


# -- usage ----------------------------------------------------------------------------------------------------


def test_a_file_that_is_there_is_not_written_over(hello):
    before = (hello / "hello.yaml").read_text()
    for command in (["run", "hello", "x"], ["chat", "hello"]):
        done = agentrun(hello, *command, "--model", "offline", "--record", "hello.yaml")
        assert done.returncode == 2
        assert "`--record hello.yaml`: the file is there already" in done.stderr
    assert (hello / "hello.yaml").read_text() == before


def test_an_empty_file_may_be_recorded_into(hello, services):
    (hello / "empty.yaml").touch()
    done = agentrun(hello, "run", "hello", "x", "--model", "offline", "--record", "empty.yaml", env=services)
    assert done.returncode == 0, done.stderr
    assert "cassette: 1" in (hello / "empty.yaml").read_text()


def test_an_answer_is_shown_although_the_disk_is_full_when_it_is_written_down(hello):
    done = subprocess.run(
        [sys.executable, "-m", "agentrun", "run", "hello", "x", "--model", "offline", "--record", "a.yaml"],
        cwd=hello,
        capture_output=True,
        text=True,
        timeout=50,
        env=environment(hello, {"DESK_URL": "http://x", "DESK_KEY": "k", "PYTHONDONTWRITEBYTECODE": "1"}),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100)),
    )
    assert done.returncode == 2
    assert done.stdout.strip()
    assert "the cassette `a.yaml` can't be written: file too large" in done.stderr
    assert not [path.name for path in hello.iterdir() if "a.yaml" in path.name]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--record", "a.yaml", "--replay", "hello.yaml"], "`--record` and `--replay` exclude one another"),
        (["--record", "nowhere/a.yaml"], "there is no folder `nowhere`"),
        (["--record", "agents"], "it is a folder"),
        (["--replay", "nothing.yaml"], "there is no cassette `nothing.yaml`"),
        (["--replay", "agents/hello.yaml"], "`agents/hello.yaml` is no cassette"),
    ],
)
def test_bad_usage_is_refused_before_anything_runs(hello, options, said):
    for command in (["run", "hello", "x"], ["chat", "hello"]):
        done = agentrun(hello, *command, "--model", "offline", *options)
        assert done.returncode == 2
        assert said in done.stderr


def test_a_chat_is_written_after_each_message_so_that_a_kill_loses_no_more_than_one(hello):
    process = subprocess.Popen(
        [sys.executable, "-m", "agentrun", "chat", "hello", "--model", "offline", "--record", "kept.yaml"],
        cwd=hello,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(hello, {"DESK_URL": "http://x", "DESK_KEY": "k"}),
    )
    try:
        process.stdin.write(b"first\n")
        process.stdin.flush()
        assert process.stdout.readline()
        _until(lambda: (hello / "kept.yaml").exists())
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(20)
    assert "- user: first" in (hello / "kept.yaml").read_text()
    done = agentrun(hello, "chat", "hello", "--replay", "kept.yaml", stdin="first\n")
    assert done.returncode == 0, done.stderr


def _until(holds):
    end = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


# -- a person at a terminal -----------------------------------------------------------------------------------


def test_what_a_person_answered_at_a_terminal_is_played_where_nobody_is(project, services, monkeypatch):
    script = [
        sse(calls=[("refund_order", {"order_id": "1042"}), ("refund_order", {"order_id": "8"})]),
        sse("One of them."),
    ]
    with ModelServer(script) as model:
        for name, value in (services | {"DESK_URL": model.base_url}).items():
            monkeypatch.setenv(name, value)
        terminal = Terminal(project, "desk", "--record", "asked.yaml")
        terminal.say("refund both")
        terminal.wait_for("allow?")
        terminal.type("y\r")
        terminal.wait_for('"order_id": "8"')
        terminal.wait_until(lambda lines: lines[-1].startswith("allow?"))
        terminal.type("n\r")
        terminal.wait_for("One of them.")
        assert terminal.leave() == 0
    (conversation,) = yaml.safe_load((project / "asked.yaml").read_text())["conversations"]
    answers = [(one["approved"], one["by"]) for one in conversation["exchanges"] if "approval" in one]
    assert answers == [(True, "user"), (False, "user")]
    done = agentrun(project, "chat", "desk", "--replay", "asked.yaml", stdin="refund both\n")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "One of them.\n"
