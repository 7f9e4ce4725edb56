"""`--trace FILE`, and `agentrun trace`: spans written to a file, and drawn on a terminal."""

import base64
import json
import os
import re
import stat
import subprocess
import sys

import msgspec
import pytest
from google.protobuf import json_format
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from agentrun.observers import otlp_file
from agentrun.observers.otlp_file import decoded
from agentrun.observers.prose.cells import cells
from agentrun.observers.spans import spans_of
from agentrun.observers.waterfall import headline, pieces, waterfall
from projects import scripted_agent
from test_cli_run import agentrun, command
from traced_runs import Told, a_run_with_an_expert, traced_project


@pytest.fixture
def project(tmp_path):
    return traced_project(tmp_path)


def traced(folder, *arguments, **options):
    return agentrun(folder, "run", "desk", "CANARY-input", "-q", "--approve", "fail", *arguments, **options)


def spans_in(path):
    return [span for line in path.read_bytes().splitlines() for span in decoded(line)]


def plain(text, name):
    return text


# -- the file --------------------------------------------------------------------------------------------------


def test_each_span_is_a_line_of_otlp_json_that_only_the_owner_reads(project):
    done = traced(project, "--trace", "spans.jsonl")
    assert (done.returncode, done.stdout, done.stderr) == (0, "CANARY-answer\n", "")
    file = project / "spans.jsonl"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert len(lines) == 11
    (resource,) = lines[-1]["resourceSpans"]
    assert {"key": "service.name", "value": {"stringValue": "agentrun"}} in resource["resource"]["attributes"]
    (scope,) = resource["scopeSpans"]
    (span,) = scope["spans"]
    assert (span["name"], span["kind"], "parentSpanId" in span) == ("invoke_agent desk", 1, False)
    assert re.fullmatch("[0-9a-f]{32}", span["traceId"])
    assert re.fullmatch("[0-9a-f]{16}", span["spanId"])
    assert re.fullmatch("[0-9]{19}", span["startTimeUnixNano"])
    assert "CANARY" not in file.read_text()


def test_what_is_written_is_what_is_read_again():
    told = spans_of(a_run_with_an_expert(), content=True)
    lines = [
        msgspec.json.encode({"resourceSpans": [{"scopeSpans": [{"spans": [otlp_file.encoded(one)]}]}]}) for one in told
    ]
    assert [span for line in lines for span in decoded(line)] == told


def test_content_is_in_the_file_where_it_is_asked_for(project):
    traced(project, "--trace", "spans.jsonl", "--trace-content")
    text = (project / "spans.jsonl").read_text()
    assert all(said in text for said in ("CANARY-input", "CANARY-answer", "CANARY-arguments", "CANARY-result"))


def test_a_secret_of_the_files_is_masked(project):
    (project / "agents/desk.yaml").write_text(
        scripted_agent(["content: the key is s3cr3t-t0ken"]).replace(
            "api: scripted", "api: scripted\n  api_key: ${KEY}"
        )
    )
    done = traced(project, "--trace", "spans.jsonl", "--trace-content", env={"KEY": "s3cr3t-t0ken"})
    assert done.returncode == 0, done.stderr
    text = (project / "spans.jsonl").read_text()
    assert "the key is [secret]" in text
    assert "s3cr3t" not in text


def test_runs_are_added_to_a_file_that_is_there(project):
    for _ in range(2):
        traced(project, "--trace", "spans.jsonl")
    assert len({span.trace_id for span in spans_in(project / "spans.jsonl")}) == 2


def test_a_line_that_was_cut_off_spoils_no_other(project):
    traced(project, "--trace", "spans.jsonl")
    file = project / "spans.jsonl"
    file.write_bytes(file.read_bytes()[:-20])
    traced(project, "--trace", "spans.jsonl")
    done = agentrun(project, "trace", "spans.jsonl")
    assert done.stdout.startswith("desk · answered · scripted")
    assert done.stderr == "warning: `spans.jsonl`: 1 line was left out: no span, no event\n"


def test_a_file_that_holds_something_else_is_never_written_to(project):
    before = (project / "agents/desk.yaml").read_text()
    done = traced(project, "--trace", "agents/desk.yaml")
    assert (done.returncode, done.stdout) == (2, "")
    assert "error: the file `agents/desk.yaml` is there already, and is no trace" in done.stderr
    assert (project / "agents/desk.yaml").read_text() == before


@pytest.mark.parametrize(("path", "why"), [("nowhere/spans.jsonl", "no such file"), ("agents", "is a directory")])
def test_a_file_that_can_not_be_opened_is_told_before_the_run(project, path, why):
    done = traced(project, "--trace", path)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"error: the trace file `{path}` can't be written: {why}" in done.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")  # noqa: PTH110
def test_a_full_disk_is_told_and_costs_no_answer(project):
    done = traced(project, "--trace", "/dev/full")
    assert (done.returncode, done.stdout) == (0, "CANARY-answer\n")
    assert done.stderr == "warning: the trace file `/dev/full` is not whole: no space left on device\n"


def test_content_without_a_place_to_go_is_bad_usage(project):
    done = traced(project, "--trace-content")
    assert (done.returncode, "goes with `--trace FILE` or `--otel`" in done.stderr) == (2, True)


def test_a_dash_is_no_file(project):
    done = traced(project, "--trace", "-")
    assert (done.returncode, done.stdout) == (2, "")
    assert not (project / "-").exists()


def test_a_reader_who_leaves_early_costs_no_span(project):
    shell = '"$0" -m agentrun run desk hi --approve fail --output jsonl --trace spans.jsonl | head -n 1'
    subprocess.run(["sh", "-c", shell, sys.executable], cwd=project, capture_output=True, timeout=50, check=True)
    assert spans_in(project / "spans.jsonl")[-1].name == "invoke_agent desk"


def test_runs_at_the_same_time_share_a_file(project):
    started = [
        subprocess.Popen(
            command("run", "desk", "hi", "-q", "--trace", "spans.jsonl"), cwd=project, stdout=subprocess.DEVNULL
        )
        for _ in range(3)
    ]
    assert [one.wait(timeout=50) for one in started] == [5, 5, 5]  # `fail` was not approved
    spans = spans_in(project / "spans.jsonl")
    assert (len(spans), len({span.trace_id for span in spans})) == (33, 3)


def test_what_is_written_is_what_the_protocol_says(project):
    """Read by protobuf's own strict reader of JSON; ids are hexadecimal in OTLP, where protobuf has base64."""
    traced(project, "--trace", "spans.jsonl", "--trace-content")
    spans = []
    for line in (project / "spans.jsonl").read_text().splitlines():
        read = json_format.ParseDict(_with_base64_ids(json.loads(line)), TracesData(), ignore_unknown_fields=False)
        spans += read.resource_spans[0].scope_spans[0].spans
    assert {(len(span.trace_id), len(span.span_id)) for span in spans} == {(16, 8)}
    assert {span.kind for span in spans} == {spans[0].SPAN_KIND_INTERNAL}
    assert {span.status.code for span in spans} == {0, 2}


def _with_base64_ids(data):
    if isinstance(data, list):
        return [_with_base64_ids(one) for one in data]
    if not isinstance(data, dict):
        return data
    ids = ("traceId", "spanId", "parentSpanId")
    return {
        key: base64.b64encode(bytes.fromhex(one)).decode() if key in ids else _with_base64_ids(one)
        for key, one in data.items()
    }


def test_counts_that_no_collector_takes_are_the_most_that_it_takes():
    told = Told()
    spans = spans_of([told.started(), told.turn(0), told.turned(1, usage=(10**30, 1)), told.ended(1)])
    assert spans[1].attributes["gen_ai.usage.input_tokens"] == 2**63 - 1


def test_a_pipe_is_written_to_and_whoever_stops_reading_costs_no_answer(project):
    os.mkfifo(project / "pipe")
    started = subprocess.Popen(
        command("run", "desk", "hi", "-q", "--approve", "fail", "--trace", "pipe", "--trace-content"),
        cwd=project,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with (project / "pipe").open("rb") as reader:
        assert otlp_file.is_trace(reader.readline())
    told, warned = started.communicate(timeout=50)
    assert (started.returncode, told) == (0, "CANARY-answer\n")
    assert warned in ("", "warning: the trace file `pipe` is not whole: broken pipe\n")


@pytest.mark.parametrize(
    "line",
    [
        b"[]",
        b'{"resourceSpans": 7}',
        b'{"resourceSpans": [7, {"scopeSpans": {}}]}',
        b'{"resourceSpans": [{"scopeSpans": [{"spans": [{}, {"traceId": 1}, {"traceId": "a", "spanId": "b"}]}]}]}',
        b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "a", "spanId": "b", "startTimeUnixNano": ""}]}]}]}',
        b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId":"a", "spanId":"b", "startTimeUnixNano":"-1"}]}]}]}',
    ],
)
def test_what_is_no_span_is_left_out(line):
    assert decoded(line) == []


def test_values_of_other_programs_are_taken_as_they_are_meant():
    attributes = [
        {"key": "n", "value": {"intValue": 7}},
        {"key": "many", "value": {"arrayValue": {"values": [{"stringValue": "a"}, {"boolValue": True}]}}},
        {"key": "pairs", "value": {"kvlistValue": {"values": [{"key": "x", "value": {"doubleValue": 1.5}}]}}},
        {"key": "odd", "value": {"arrayValue": {}}},
        {"key": "none"},
    ]
    span = {"traceId": "A", "spanId": "B", "startTimeUnixNano": 5, "kind": "SPAN_KIND_CLIENT", "attributes": attributes}
    line = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}).encode()
    (found,) = decoded(line)
    assert (found.trace_id, found.start_ns, found.end_ns, found.kind) == ("a", 5, 5, "client")
    assert found.attributes == {"n": 7, "many": ["a", True], "pairs": {"x": 1.5}, "odd": [], "none": ""}


# -- the waterfall ---------------------------------------------------------------------------------------------


def test_a_run_is_a_tree_of_bars_in_time():
    assert waterfall(spans_of(a_run_with_an_expert()), 76, plain) == [
        "  desk                    ████████████████████████████  12.0 s  120  $0.2500",
        "  ├─ chat gpt-5           ████▌                          2.0 s  120  $0.2500",
        "  ├─ find_order               ▐██████▌                   3.0 s",
        "  ├─ ask_expert               ▐█████████                 4.0 s",
        "  │  └─ expert                ▐█████████                 4.0 s  120  $0.2500",
        "  │     └─ chat small         ▐█████████                 4.0 s  120  $0.2500",
        "  ├─ chat gpt-5                         ██               1.0 s  120  $0.2500",
        "✗ ├─ refund  http_status                  ░░░░░██        1.0 s",
        "  └─ chat gpt-5                                  █████   2.0 s  120  $0.2500",
    ]


@pytest.mark.parametrize("columns", [10, 24, 40, 60, 72, 100, 240])
def test_no_line_is_wider_than_the_terminal(columns):
    lines = waterfall(spans_of(a_run_with_an_expert()), columns, plain)
    assert len(lines) == 9
    assert max(map(len, lines)) <= max(columns, 20)


def test_on_a_narrow_terminal_there_are_names_and_durations():
    assert waterfall(spans_of(a_run_with_an_expert()), 28, plain)[:3] == [
        "  desk                12.0 s",
        "  ├─ chat gpt-5        2.0 s",
        "  ├─ find_order        3.0 s",
    ]


def test_names_are_measured_in_cells_and_shown_without_controls():
    told = Told()
    wide = waterfall(spans_of([told.started(agent="注文デスク"), told.ended(1)]), 60, plain)
    assert wide == ["  注文デスク  █████████████████████████  1.0 s  120  $0.2500"]  # 60 cells
    told = Told()
    (line,) = waterfall(spans_of([told.started(agent="a\x1b[31m\u202eb"), told.ended(1)]), 60, plain)
    assert line.startswith("  a␛[31m⟨U+202E⟩b")


@pytest.mark.parametrize("columns", [24, 60, 100])
def test_the_head_is_wrapped_in_cells(project, columns):
    told = Told()
    events = [told.started(agent="注文デスク" * 12, model="日本語" * 12), told.ended(9_001)]
    (project / "events.jsonl").write_bytes(b"\n".join(map(msgspec.json.encode, events)))
    head = agentrun(project, "trace", "events.jsonl", env={"COLUMNS": str(columns)}).stdout.splitlines()[:-1]
    assert len(head) > 1
    assert max(map(cells, head)) <= columns
    assert " 2 h 30 min " in " ".join(line.strip() for line in head) + " "


def test_the_head_tells_what_the_run_took():
    (piece,) = pieces(spans_of(a_run_with_an_expert()))
    assert headline(piece) == (
        "desk · answered · gpt-5 · 12.0 s · 4 turns · 3 calls · 1 error · 120 tokens (100 + 20) · $0.2500"
    )


def test_where_a_program_was_killed_a_run_stands_for_the_one_that_was_never_written():
    written = [span for span in spans_of(a_run_with_an_expert()) if span.name != "invoke_agent desk"]
    (piece,) = pieces(written)
    assert headline(piece).startswith("desk · unfinished · ")
    assert waterfall(written, 72, plain)[0].startswith("✗ desk  unfinished ")


@pytest.mark.parametrize("time", [-1e18, 0, 1e300])
def test_times_of_other_programs_may_be_anything(project, time):
    lines = a_run_with_an_expert()
    odd = [msgspec.json.encode(msgspec.structs.replace(event, time=time)) for event in lines[:3]]
    (project / "odd.jsonl").write_bytes(b"\n".join([*odd, *map(msgspec.json.encode, lines[3:])]))
    for arguments in ([], ["--html", "odd.html"], ["--format", "json"]):
        done = agentrun(project, "trace", "odd.jsonl", *arguments)
        assert (done.returncode, done.stderr) == (0, "")


def test_no_spans_are_no_lines():
    assert waterfall([], 80, plain) == []


# -- the command -----------------------------------------------------------------------------------------------


def test_the_last_run_of_a_file_is_drawn_unless_another_is_asked_for(project):
    (project / "agents/echo.yaml").write_text(scripted_agent(["content: hello"]))
    traced(project, "--trace", "spans.jsonl")
    agentrun(project, "run", "echo", "hi", "-q", "--trace", "spans.jsonl")
    last = agentrun(project, "trace", "spans.jsonl").stdout.splitlines()
    assert last[0].startswith("echo · answered · scripted · ")
    assert last[0].endswith(" · run 2 of 2")
    assert len(last) == 3
    first = agentrun(project, "trace", "spans.jsonl", "--run", "1").stdout
    assert first.startswith("desk · answered")
    assert "ask_expert" in first
    both = agentrun(project, "trace", "spans.jsonl", "--all").stdout
    assert re.findall(r"^\w+ · answered", both, re.MULTILINE) == ["desk · answered", "echo · answered"]
    missing = agentrun(project, "trace", "spans.jsonl", "--run", "3")
    assert (missing.returncode, missing.stderr) == (
        2,
        "error: there is no run 3\nhelp: there are 2 runs; `--all` draws all\n",
    )


def test_events_of_a_run_are_drawn_from_a_file_and_from_a_pipe(project):
    told = agentrun(project, "run", "desk", "hi", "-q", "--approve", "fail", "--output", "jsonl").stdout
    (project / "events.jsonl").write_text(told)
    from_file = agentrun(project, "trace", "events.jsonl", env={"COLUMNS": "120"})
    from_pipe = agentrun(project, "trace", "-", stdin=told, env={"COLUMNS": "120"})
    assert from_file.stdout == from_pipe.stdout
    assert "CANARY_invented  unknown_tool" in from_file.stdout  # a name that is shown, and nothing else of it
    assert "CANARY-" not in from_file.stdout


def test_a_killed_run_is_drawn_as_far_as_it_was_told(project):
    told = agentrun(project, "run", "desk", "hi", "-q", "--output", "jsonl").stdout
    cut = agentrun(project, "trace", "-", stdin=told[: len(told) // 2])
    assert cut.returncode == 0
    assert cut.stdout.startswith("desk · unfinished")


def test_a_session_is_drawn_by_its_id(project):
    (project / "agents/echo.yaml").write_text(scripted_agent(["content: one", "content: two"]))
    state = {"XDG_STATE_HOME": str(project / "state")}
    agentrun(project, "chat", "echo", "--trace", "spans.jsonl", stdin="hi\nagain\n", env=state)
    written = spans_in(project / "spans.jsonl")
    session = written[0].attributes["gen_ai.conversation.id"]
    drawn = agentrun(project, "trace", session[:6], env=state)
    assert drawn.stdout.splitlines()[0].endswith(" · run 2 of 2"), drawn.stderr
    stored = json.loads(agentrun(project, "trace", session, "--all", "--format", "json", env=state).stdout)["spans"]
    assert {one["span_id"] for one in stored} == {span.span_id for span in written}
    missing = agentrun(project, "trace", "0123456789", env=state)
    assert (missing.returncode, missing.stdout) == (2, "")


def test_a_copy_without_runs_of_its_own_names_the_session_that_has_them(project):
    (project / "agents/echo.yaml").write_text(scripted_agent(["content: one"]))
    state = {"XDG_STATE_HOME": str(project / "state")}
    agentrun(project, "chat", "echo", stdin="hi\n/fork\n", env=state)
    kept = json.loads(agentrun(project, "sessions", "list", "--format", "json", env=state).stdout)["sessions"]
    copy = next(one for one in kept if one["forked_from"])
    told = agentrun(project, "trace", copy["id"], env=state)
    assert told.returncode == 2
    assert f"agentrun trace {copy['forked_from']}" in told.stderr


def test_a_session_is_found_in_the_database_that_an_env_file_names(project):
    (project / "agents/echo.yaml").write_text(scripted_agent(["content: one"]))
    (project / ".env").write_text(f"AGENTRUN_DATABASE_URL=sqlite:///{project}/kept.db\n")
    agentrun(project, "chat", "echo", "--env-file", ".env", "--trace", "spans.jsonl", stdin="hi\n")
    session = spans_in(project / "spans.jsonl")[0].attributes["gen_ai.conversation.id"]
    assert agentrun(project, "trace", session, "--env-file", ".env").returncode == 0
    assert agentrun(project, "trace", session).returncode == 2


def test_as_json_there_is_no_content_unless_asked(project):
    traced(project, "--trace", "spans.jsonl", "--trace-content")
    spans = agentrun(project, "trace", "spans.jsonl", "--format", "json").stdout
    assert [one["depth"] for one in json.loads(spans)["spans"]].count(0) == 1
    assert "CANARY-" not in spans
    asked = agentrun(project, "trace", "spans.jsonl", "--format", "json", "--content").stdout
    assert "CANARY-answer" in asked
    assert asked.isascii()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere.jsonl"], "`nowhere.jsonl` can't be read: no such file or directory"),
        (["agents/desk.yaml"], "`agents/desk.yaml` holds no spans and no events"),
        (["spans.jsonl", "--html", "./spans.jsonl"], "`spans.jsonl` can't be written: it is what is read"),
        (["spans.jsonl", "--run", "1", "--all"], "`--run` and `--all` exclude one another"),
        (["spans.jsonl", "--html", "x.html", "--format", "json"], "`--html` and `--format json` exclude one another"),
        (["spans.jsonl", "--content"], "`--content` goes with `--html FILE` or `--format json`"),
    ],
)
def test_bad_usage_is_told(project, arguments, said):
    done = agentrun(project, "trace", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


def test_colours_are_for_people(project):
    traced(project, "--trace", "spans.jsonl")
    assert "\x1b" not in agentrun(project, "trace", "spans.jsonl").stdout
    coloured = agentrun(project, "trace", "spans.jsonl", env={"NO_COLOR": "", "FORCE_COLOR": "1"}).stdout
    assert re.sub("\x1b\\[[0-9;]*m", "", coloured) == agentrun(project, "trace", "spans.jsonl").stdout
