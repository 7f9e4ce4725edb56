"""`--otel`: real runs, in processes of their own, sending to a collector on the loopback interface."""

import gzip
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from projects import scripted_agent, write_project
from test_cli_run import command
from traced_runs import traced_project

TRACE_ID, PARENT_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
CAPTURE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"


class Collector:
    """Takes spans over OTLP/HTTP, or answers with another status, late, or never."""

    def __init__(self, status=200, silent=False, late_s=0.0):
        self.requests = []
        self.late_s = late_s
        self.status = status
        self.closing = threading.Event()
        self.silent = silent
        handler = type("Handler", (_Handler,), {"collector": self})
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._http.daemon_threads = True

    @property
    def url(self):
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def __enter__(self):
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *exc):
        self.closing.set()
        self._http.shutdown()
        self._http.server_close()

    @property
    def spans(self):
        return [span for _, _, body in self.requests for span in _spans(body)]

    @property
    def resource(self):
        return _attributes(next(iter(_message(self.requests[0][2]).resource_spans)).resource.attributes)


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        self.collector.requests.append((self.path, dict(self.headers), body))
        if self.collector.silent:
            self.collector.closing.wait(30)
            return
        self.collector.closing.wait(self.collector.late_s)
        self.send_response(self.collector.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def _message(body):
    found = ExportTraceServiceRequest()
    found.ParseFromString(body)
    return found


def _spans(body):
    for resource in _message(body).resource_spans:
        for scope in resource.scope_spans:
            assert (scope.scope.name, scope.scope.version) != ("", "")
            yield from scope.spans


def _attributes(given):
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in given}


def agentrun(folder, *arguments, env=None, stdin=""):
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("OPENAI_", "AGENTRUN_", "OTEL_"))}
    return subprocess.run(
        command(*arguments),
        cwd=folder,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=50,
        env={**clean, "NO_COLOR": "1", **(env or {})},
    )


def run(folder, collector, *arguments, env=None):
    endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector if isinstance(collector, str) else collector.url}
    return agentrun(
        folder,
        "run",
        "desk",
        "CANARY-input",
        "-q",
        "--approve",
        "fail",
        "--otel",
        *arguments,
        env=endpoint | (env or {}),
    )


@pytest.fixture
def project(tmp_path):
    return traced_project(tmp_path)


def test_a_run_arrives_as_a_tree_of_spans(project):
    with Collector() as collector:
        done = run(project, collector)
    assert (done.returncode, done.stdout, done.stderr) == (0, "CANARY-answer\n", "")
    assert {path for path, _, _ in collector.requests} == {"/v1/traces"}
    assert collector.resource["service.name"] == "agentrun"
    spans = {span.span_id: span for span in collector.spans}
    assert len(spans) == 11
    assert len({span.trace_id for span in spans.values()}) == 1
    above = {span.name: spans[span.parent_span_id].name for span in spans.values() if span.parent_span_id}
    assert above["invoke_agent expert"] == "execute_tool ask_expert"
    assert above["execute_tool fail"] == "invoke_agent desk"
    top = next(span for span in spans.values() if not span.parent_span_id)
    assert (top.name, top.kind) == ("invoke_agent desk", top.SPAN_KIND_INTERNAL)
    assert _attributes(top.attributes)["agentrun.reason"] == "answered"
    failed = next(span for span in spans.values() if span.name == "execute_tool fail")
    assert failed.status.code == failed.status.STATUS_CODE_ERROR
    assert _attributes(failed.attributes)["error.type"] == "internal"
    turn = _attributes(next(span for span in spans.values() if span.name == "chat scripted").attributes)
    assert {"gen_ai.usage.input_tokens", "gen_ai.response.finish_reasons"} <= turn.keys()
    assert all(span.start_time_unix_nano <= span.end_time_unix_nano for span in spans.values())


def test_nothing_of_what_was_said_is_sent_unasked(project):
    with Collector() as collector:
        run(project, collector)
    assert len(collector.spans) == 11
    assert not any(b"CANARY" in body for _, _, body in collector.requests)


@pytest.mark.parametrize(
    ("arguments", "env"), [(["--trace-content"], {}), ([], {CAPTURE: "true"}), ([], {CAPTURE: "SPAN_ONLY"})]
)
def test_what_was_said_is_sent_where_it_is_asked_for(project, arguments, env):
    with Collector() as collector:
        run(project, collector, *arguments, env=env)
    sent = b"".join(body for _, _, body in collector.requests)
    assert all(said in sent for said in (b"CANARY-input", b"CANARY-answer", b"CANARY-arguments", b"CANARY-result"))


def test_the_variable_for_the_collector_changes_nothing_in_the_file(project):
    with Collector() as collector:
        run(project, collector, "--trace", "spans.jsonl", env={CAPTURE: "true"})
    assert any(b"CANARY" in body for _, _, body in collector.requests)
    assert "CANARY" not in (project / "spans.jsonl").read_text()


def test_the_standard_variables_are_heard(project):
    env = {
        "OTEL_SERVICE_NAME": "orders",
        "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment=test,service.version=7",
        "OTEL_EXPORTER_OTLP_HEADERS": "x-key=abc",
        "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
    }
    with Collector() as collector:
        run(project, collector, env=env)
    assert (collector.resource["service.name"], collector.resource["deployment.environment"]) == ("orders", "test")
    assert collector.resource["service.version"] == "7"
    assert {headers.get("x-key") or headers.get("X-Key") for _, headers, _ in collector.requests} == {"abc"}


def test_the_variables_may_stand_in_the_file_of_the_environment(project):
    with Collector() as collector:
        (project / ".env").write_text(f"OTEL_EXPORTER_OTLP_ENDPOINT={collector.url}\nOTEL_SERVICE_NAME=orders\n")
        done = agentrun(project, "run", "desk", "hi", "-q", "--otel", "--env-file", ".env")
    assert "not delivered" not in done.stderr
    assert collector.resource["service.name"] == "orders"


def test_a_run_belongs_to_the_span_of_the_program_that_started_it(project):
    with Collector() as collector:
        run(project, collector, env={"TRACEPARENT": f"00-{TRACE_ID}-{PARENT_ID}-01"})
    spans = collector.spans
    assert {span.trace_id.hex() for span in spans} == {TRACE_ID}
    top = next(span for span in spans if span.name == "invoke_agent desk")
    assert top.parent_span_id.hex() == PARENT_ID


def test_without_the_propagator_a_run_belongs_to_no_other_program(project):
    env = {"TRACEPARENT": f"00-{TRACE_ID}-{PARENT_ID}-01", "OTEL_PROPAGATORS": "none"}
    with Collector() as collector:
        run(project, collector, env=env)
    assert TRACE_ID not in {span.trace_id.hex() for span in collector.spans}


@pytest.mark.parametrize(
    "env",
    [
        {"OTEL_SDK_DISABLED": "true"},
        {"OTEL_TRACES_EXPORTER": "none"},
        {"OTEL_TRACES_SAMPLER": "always_off"},
        {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0"},
        {"TRACEPARENT": f"00-{TRACE_ID}-{PARENT_ID}-00"},
    ],
    ids=["disabled", "no exporter", "sampler", "ratio", "parent not sampled"],
)
def test_nothing_is_sent_where_the_variables_say_so(project, env):
    with Collector() as collector:
        done = run(project, collector, env=env)
    assert (done.stdout, done.stderr, collector.requests) == ("CANARY-answer\n", "", [])


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def test_a_collector_that_is_not_there_is_one_warning_and_costs_no_answer(project):
    url = f"http://user:CANARY-password@127.0.0.1:{free_port()}"
    done = run(project, url)
    assert (done.returncode, done.stdout) == (0, "CANARY-answer\n")
    shown = url.replace("user:CANARY-password@", "")
    assert done.stderr == f"warning: 11 spans were not delivered to {shown}: it gave no answer\n"


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 502, 503, 504])
def test_a_collector_that_refuses_is_told_with_its_status(project, status):
    with Collector(status=status) as collector:
        done = run(project, collector)
    assert (done.returncode, done.stdout) == (0, "CANARY-answer\n")
    assert done.stderr == f"warning: 11 spans were not delivered to {collector.url}: it answered {status}\n"


def test_a_collector_that_is_slow_is_waited_for_though_a_variable_is_left_out(project):
    with Collector(late_s=1.5) as collector:
        done = run(project, collector, env={"OTEL_TRACES_SAMPLER": "nonsense"})
    assert (done.stdout, done.stderr, len(collector.spans)) == ("CANARY-answer\n", "", 11)


def test_spans_that_found_no_place_are_told(project):
    with Collector(late_s=0.3) as collector:
        done = run(project, collector, env={"OTEL_BSP_MAX_QUEUE_SIZE": "1", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "1"})
    assert "delivered" in done.stderr
    assert done.stderr.endswith(": there were more at once than OTEL_BSP_MAX_QUEUE_SIZE allows\n")


def test_a_collector_that_never_answers_is_not_waited_for(project):
    with Collector(silent=True) as collector:
        done = run(project, collector)
    assert (done.returncode, done.stdout) == (0, "CANARY-answer\n")
    assert done.stderr == f"warning: 11 spans were not delivered to {collector.url}: no answer within 3 s\n"


def test_another_protocol_than_that_which_is_spoken_is_bad_usage(project):
    done = run(project, "http://127.0.0.1:4317", env={"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"})
    assert (done.returncode, done.stdout) == (2, "")
    assert "OTEL_EXPORTER_OTLP_PROTOCOL is `grpc`" in done.stderr
    assert "help: set OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=http/protobuf" in done.stderr


@pytest.mark.parametrize("exporters", ["console", "zipkin", "console, prometheus"])
def test_another_exporter_than_that_which_is_here_is_bad_usage(project, exporters):
    done = run(project, "http://127.0.0.1:1", env={"OTEL_TRACES_EXPORTER": exporters})
    assert (done.returncode, done.stdout) == (2, "")
    assert f"error: `--otel` sends over otlp, and OTEL_TRACES_EXPORTER is `{exporters}`" in done.stderr


def test_of_several_exporters_that_which_is_here_is_used(project):
    with Collector() as collector:
        run(project, collector, env={"OTEL_TRACES_EXPORTER": "console, otlp"})
    assert len(collector.spans) == 11


@pytest.mark.parametrize(
    "url", ["CANARY-host:4318", "127.0.0.1:4318", "http://[", "ftp://x", "http://", "not an address"]
)
def test_an_address_that_is_none_is_bad_usage_and_not_shown(project, url):
    done = run(project, url)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == ("error: OTEL_EXPORTER_OTLP_ENDPOINT is no address that begins with http:// or https://\n")


def test_a_variable_that_the_sdk_refuses_is_bad_usage(project):
    done = run(project, "http://127.0.0.1:1", env={"OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "x"})
    assert (done.returncode, done.stdout) == (2, "")
    assert "error: `--otel` can't be set up: " in done.stderr


def test_without_the_extra_the_install_is_told(project):
    code = (
        "import sys; sys.modules['opentelemetry'] = None; from agentrun.cli import run_cli; "
        "sys.exit(run_cli(['run', 'desk', 'hi', '--otel']))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=project, capture_output=True, text=True, timeout=50)
    assert done.returncode == 1
    assert "`--otel` needs a package that is not installed" in done.stderr
    assert "pip install 'opentelemetry-sdk" in done.stderr


def test_an_interrupted_run_is_sent_and_marked(tmp_path):
    files = {
        "agents/slow.yaml": scripted_agent(["tool_calls: [{name: wait, arguments: {}, id: c1}]"], tools="[wait]"),
        "tools.d/wait.yaml": "{description: Waits., python: 'waits:wait'}\n",
        "waits.py": """
            import asyncio, pathlib

            async def wait():
                pathlib.Path("begun").touch()
                await asyncio.sleep(30)
        """,
    }
    write_project(tmp_path, files)
    with Collector() as collector:
        process = subprocess.Popen(
            command("run", "slow", "hi", "-q", "--otel"),
            cwd=tmp_path,
            env={**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        end = time.monotonic() + 20
        while not (tmp_path / "begun").exists() and process.poll() is None and time.monotonic() < end:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=30)
    assert process.returncode == 130, told
    errors = {span.name: _attributes(span.attributes).get("error.type") for span in collector.spans}
    assert errors == {"chat scripted": None, "execute_tool wait": "interrupted", "invoke_agent slow": "cancelled"}


def test_each_message_of_a_conversation_is_a_trace_of_one_session(project):
    (project / "agents/echo.yaml").write_text(scripted_agent(["content: one", "content: two"]))
    with Collector() as collector:
        env = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
        done = agentrun(project, "chat", "echo", "--otel", env=env, stdin="hi\nagain\n")
    assert "one" in done.stdout
    spans = collector.spans
    assert len({span.trace_id for span in spans}) == 2
    sessions = {_attributes(span.attributes).get("gen_ai.conversation.id") for span in spans}
    assert len(sessions) == 1
    assert all(sessions)


def test_nothing_is_imported_where_nothing_is_asked_for(project):
    code = "import sys; from agentrun.cli import run_cli; run_cli(['run', 'desk', 'hi', '-q']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=project, capture_output=True, text=True, timeout=50)
    modules = set(done.stdout.split())
    assert "agentrun.cli.run" in modules
    assert not {name for name in modules if name.startswith(("opentelemetry", "agentrun.observers.span"))}
